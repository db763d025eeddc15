//! What every store does alike, so that no store has it as its own: bounds of what is read, what an answer is about, how the
//! result of an action completes its detail.

use serde_json::Value;

use super::model::Answered;
use crate::remediation::loan::{Loan, LoanState};
use crate::remediation::state::{Remediation, State};
use crate::surroundings::{Answer, AnswerKind};
use crate::time::Timestamp;

/// Verdicts of a rule's breaker at most: more of them say nothing new.
pub const UNPROVEN_MAX: i64 = 64;

/// Alerts at most that an `unless` could mean.
pub const RELATED_MAX: i64 = 256;

/// The proposal that an answer is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proposed {
    /// When it was made.
    pub asked_at: Timestamp,
    /// Until when an answer counts.
    pub until: Timestamp,
}

/// Whether `answer` is about something that waits for it; `None`: it stops the effort, whatever it waits for.
pub fn asked(remediation: &Remediation, answer: &Answer) -> Result<Option<Proposed>, Answered> {
    match (&remediation.state, answer.kind) {
        (State::Closed { .. }, _) => Err(Answered::NotWaiting),
        (_, AnswerKind::Cancel) => Ok(None),
        (State::AwaitingApproval { proposal, until, .. }, AnswerKind::Approve | AnswerKind::Reject) => {
            if answer.plan.as_deref() == Some(&*proposal.hash) {
                Ok(Some(Proposed { asked_at: proposal.asked_at, until: *until }))
            } else {
                Err(Answered::Changed)
            }
        }
        _ => Err(Answered::NotWaiting),
    }
}

/// The end of a loan: when, and why.
#[must_use]
pub fn loan_end(loan: &Loan) -> Option<(Timestamp, &str)> {
    match &loan.state {
        LoanState::Closed { reason, at, .. } => Some((*at, reason)),
        LoanState::Lent { .. } | LoanState::Returning { .. } => None,
    }
}

/// The detail of an audit row with its result: key by key, one level deep.
#[must_use]
pub fn merged(intended: Value, seen: &Value) -> Value {
    match (intended, seen) {
        (intended, Value::Null) => intended,
        (Value::Object(mut intended), Value::Object(seen)) => {
            intended.extend(seen.clone());
            Value::Object(intended)
        }
        (_, seen) => seen.clone(),
    }
}
