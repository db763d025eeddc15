//! What happened, as data for whoever predicts: read off what a decision wrote down.

use serde_json::Value;

use fettle_core::announcement::AnnouncementName;
use fettle_core::id::{ActionId, RemediationId};
use fettle_core::remediation::loan::LoanEnd;
use fettle_core::remediation::outcome::{ActionResult, Outcome, Verdict};
use fettle_core::remediation::record::{ActionRow, Record, Severity};
use fettle_core::remediation::refusal::Guard;
use fettle_core::remediation::state::{Awaiting, Remediation, State};
use fettle_core::time::Timestamp;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Happening {
    /// When.
    pub at: Timestamp,
    /// In which remediation; nil: in none.
    pub remediation: RemediationId,
    /// Of which rule; empty: of none.
    pub rule: String,
    /// On which target as written; empty: on none.
    pub target: String,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// A remediation was opened.
    Opened,
    /// A waiting guard says no for now.
    Blocked {
        /// Which.
        guard: Guard,
        /// Its numbers.
        numbers: Value,
        /// When it is asked again.
        until: Timestamp,
    },
    /// A guard's no is in the audit: one that closes, or one that people are told of.
    Refused {
        /// What would have been done.
        action: &'static str,
        /// Which guard; a person's no is `approval`.
        guard: String,
        /// Why, and its numbers.
        detail: Value,
    },
    /// A person must agree.
    Awaiting {
        /// What is proposed.
        action: &'static str,
        /// The plan's hash.
        plan: String,
        /// Why a person is asked.
        why: String,
        /// Until when an answer counts.
        until: Timestamp,
    },
    /// Nobody answered in time.
    Unanswered {
        /// What was proposed.
        action: &'static str,
    },
    /// The intent of an effect is stored.
    Began {
        /// The audit row.
        action_id: ActionId,
        /// What is done.
        action: &'static str,
        /// Which rung, from 1.
        step: u32,
    },
    /// An effect is over.
    Ended {
        /// The audit row.
        action_id: ActionId,
        /// Did it happen?
        result: ActionResult,
        /// Why it is so.
        reason: Option<String>,
    },
    /// Nothing could be sent, so there was no intent.
    Unsent {
        /// The audit row.
        action_id: ActionId,
        /// What was to be done.
        action: &'static str,
        /// `failed`.
        result: ActionResult,
        /// Why.
        reason: Option<String>,
    },
    /// It would have been done.
    Observed {
        /// The audit row.
        action_id: ActionId,
        /// What.
        action: &'static str,
        /// Which rung, from 1.
        step: u32,
    },
    /// Did it help?
    Verdict {
        /// The audit row.
        action_id: ActionId,
        /// What was done.
        action: &'static str,
        /// The verdict.
        verdict: Verdict,
        /// Why.
        reason: String,
    },
    /// People are called.
    Escalated {
        /// Which rung, from 1.
        step: u32,
        /// What they are told.
        message: String,
    },
    /// The remediation is over.
    Closed {
        /// How.
        outcome: Outcome,
        /// Why.
        reason: String,
    },
    /// Alertmanager is told.
    Announced {
        /// Which alert.
        name: AnnouncementName,
        /// Until when it stands; `None`: it is taken back.
        until: Option<Timestamp>,
    },
    /// A loan is over.
    LoanEnded {
        /// How.
        end: LoanEnd,
        /// Why.
        reason: String,
    },
    /// A line of the remediation's story; only from a world that tells it.
    Told {
        /// As the service stores it: `restart intended`.
        what: String,
    },
    /// Something that belongs to no single action.
    Event {
        /// Its name.
        event: &'static str,
        /// How much it matters.
        severity: Severity,
        /// Details.
        details: Value,
    },
}

/// What of a remediation's state decides whether something new is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Stage {
    blocked: Option<Guard>,
    asked_at: Option<Timestamp>,
}

impl Stage {
    pub(super) fn of(remediation: &Remediation) -> Self {
        match &remediation.state {
            State::Blocked { reason, .. } => Self { blocked: Some(*reason), asked_at: None },
            State::AwaitingApproval(Awaiting { proposal, .. }) => {
                Self { blocked: None, asked_at: Some(proposal.asked_at) }
            }
            _ => Self::default(),
        }
    }
}

/// What a stored decision about a remediation means, in order; `before` is where it stood. With `story` its lines too.
pub(super) fn told(
    before: Stage,
    remediation: &Remediation,
    records: &[Record],
    now: Timestamp,
    story: bool,
) -> Vec<Happening> {
    let mut told: Vec<Happening> = Vec::new();
    let target = remediation.target.to_string();
    let tell = |told: &mut Vec<Happening>, target: &str, what| {
        told.push(Happening {
            at: now,
            remediation: remediation.id,
            rule: remediation.rule.clone(),
            target: target.to_owned(),
            what,
        });
    };
    for record in records {
        match record {
            Record::Action(row) => tell(&mut told, &row.target, of_row(row)),
            Record::Transition(row) if story => tell(&mut told, &target, What::Told { what: row.what.clone() }),
            record => {
                if let Some(what) = of(record) {
                    tell(&mut told, &target, what);
                }
            }
        }
    }
    match &remediation.state {
        State::Blocked { reason, until } if before.blocked != Some(*reason) => {
            let numbers = blocked_by(records);
            tell(&mut told, &target, What::Blocked { guard: *reason, numbers, until: *until });
        }
        State::AwaitingApproval(Awaiting { proposal, until, .. }) if before.asked_at != Some(proposal.asked_at) => {
            let (plan, why) = (proposal.hash.clone(), proposal.why.clone());
            tell(&mut told, &target, What::Awaiting { action: proposal.action.name(), plan, why, until: *until });
        }
        State::Closed { outcome, reason, .. } => {
            tell(&mut told, &target, What::Closed { outcome: *outcome, reason: reason.clone() });
        }
        _ => {}
    }
    told
}

/// The numbers of the guard that blocks, from the story.
fn blocked_by(records: &[Record]) -> Value {
    let told = records.iter().rev().find_map(|record| match record {
        Record::Transition(row) if row.what.starts_with("blocked by ") => Some(row.detail.clone()),
        _ => None,
    });
    told.unwrap_or_default()
}

/// What an audit row means on its own.
pub(super) fn of_row(row: &ActionRow) -> What {
    let (action_id, action, step) = (row.id, row.action, row.step);
    let reason = || row.reason.clone().unwrap_or_default();
    match row.result {
        None => What::Began { action_id, action, step },
        Some(ActionResult::Observed) => What::Observed { action_id, action, step },
        Some(ActionResult::Refused) => What::Refused { action, guard: reason(), detail: row.detail.clone() },
        Some(ActionResult::Expired) => What::Unanswered { action },
        Some(_) if action == "escalate" => {
            let message = row.detail.get("message").and_then(Value::as_str).unwrap_or_default();
            What::Escalated { step, message: message.to_owned() }
        }
        Some(result) => What::Unsent { action_id, action, result, reason: row.reason.clone() },
    }
}

/// What a record other than an audit row means on its own; `None`: nothing that is not told otherwise.
pub(super) fn of(record: &Record) -> Option<What> {
    Some(match record {
        Record::Result(row) => What::Ended { action_id: row.action_id, result: row.result, reason: row.reason.clone() },
        Record::Verdict { action, row, .. } => {
            What::Verdict { action_id: row.action_id, action, verdict: row.verdict, reason: row.reason.clone() }
        }
        Record::Event(row) => What::Event { event: row.event, severity: row.severity, details: row.details.clone() },
        // Told when Alertmanager has taken it.
        Record::Announce(_)
        | Record::Action(_)
        | Record::Transition(_)
        | Record::Refusal { .. }
        | Record::NotOpened { .. }
        | Record::Loan(_)
        | Record::Breaker(_)
        | Record::Ended(_) => return None,
    })
}
