//! `on_loan`: replicas of it are lent, and the loan is open. To act now would mix two changes that both must be undone.

use serde_json::json;

use super::{Basis, Seen, refusal};
use crate::remediation::refusal::{Guard, Refusal};

pub(super) fn check(seen: &Seen<'_>) -> Option<Refusal> {
    // What lent it may climb on: the next rung knows what the rung before did.
    let own = seen.known.remediation.id;
    let loan = seen.known.surroundings.loans.iter().find(|loan| loan.remediation != own || seen.action.scales())?;
    Some(refusal(
        Guard::OnLoan,
        None,
        format!("a loan of {} is open until {}", loan.target, loan.due_at),
        json!({"loan": loan.id, "remediation_id": loan.remediation, "lent": loan.detail, "due_at": loan.due_at}),
    ))
}

pub(super) fn basis(seen: &Seen<'_>) -> Basis {
    let open = seen.known.surroundings.loans.len();
    let why = if open == 0 { "no loan of it is open" } else { "the open loan is its own" };
    Basis::new(why, json!({"loans": open}))
}
