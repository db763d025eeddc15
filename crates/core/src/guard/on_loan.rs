//! `on_loan`: replicas of it are lent, and the loan is open. To act now would mix two changes that both must be undone.

use serde_json::json;

use super::facts::Aim;
use super::ruling::{Basis, Ruling};

pub(super) fn ask<'a>(aim: &'a Aim<'_>) -> Ruling<'a> {
    let (own, loans) = (aim.known.remediation.id, &aim.known.surroundings.loans);
    // The remediation that made the loan may go on to its next step, unless that scales again.
    if let Some(loan) = loans.iter().find(|loan| loan.remediation != own || aim.action.scales()) {
        let why = format!("a loan of {} is open until {}", loan.target, loan.due_at);
        let numbers =
            json!({"loan": loan.id, "remediation_id": loan.remediation, "lent": loan.detail, "due_at": loan.due_at});
        return Ruling::refuses(None, why, numbers);
    }
    Ruling::passes(|| {
        let why = if loans.is_empty() { "no loan of it is open" } else { "the open loan is its own" };
        Basis::new(why, json!({"loans": loans.len()}))
    })
}
