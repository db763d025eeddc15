//! `on_loan`: replicas of it are lent, and the loan is open. To act now would mix two changes that both must be undone.
//!
//! Asked twice: with the loans that are known by the target's name before the plan is made, and under the ledger's lock with
//! those on any key of what was found. A first decision does not know the keys before its look, and the loan may have been
//! opened under the name of the service.

use serde_json::json;

use super::facts::{Aim, Counted};
use super::ruling::{Basis, Ruling};
use crate::action::Action;
use crate::id::RemediationId;
use crate::surroundings::OpenLoan;

pub(super) fn ask<'a>(aim: &'a Aim<'_>) -> Ruling<'a> {
    let loans = &aim.known.surroundings.loans;
    if let Some(loan) = first_against(loans, aim.known.remediation.id, aim.action) {
        return refuses(loan);
    }
    Ruling::passes(|| {
        let why = if loans.is_empty() { "no loan of it is open" } else { "the open loan is its own" };
        Basis::new(why, json!({"loans": loans.len()}))
    })
}

/// Under the lock. Its numbers were reported before, so a pass has none.
pub(super) fn ask_again<'a>(counted: &'a Counted<'_>) -> Ruling<'a> {
    let Counted { request, ask, ledger } = counted;
    if !request.heeds_loans {
        return Ruling::Unknown;
    }
    first_against(&ledger.loans, ask.remediation, &request.plan.attempt.action).map_or(Ruling::Unknown, refuses)
}

/// The remediation that made the loan may go on to its next step, unless that scales again.
fn first_against<'a>(loans: &'a [OpenLoan], own: RemediationId, action: &Action) -> Option<&'a OpenLoan> {
    loans.iter().find(|loan| loan.remediation != own || action.scales())
}

fn refuses(loan: &OpenLoan) -> Ruling<'_> {
    let why = format!("a loan of {} is open until {}", loan.target, loan.due_at);
    let numbers =
        json!({"loan": loan.id, "remediation_id": loan.remediation, "lent": loan.detail, "due_at": loan.due_at});
    Ruling::refuses(None, why, numbers)
}
