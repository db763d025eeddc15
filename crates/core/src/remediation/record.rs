//! What is written down: audit rows, verdicts, the steps of the story, events. Plain data for the store.

use serde_json::Value;

use super::conclusion::Unopened;
use super::outcome::{ActionResult, Verdict};
use super::refusal::Guard;
use super::state::StateName;
use crate::alert::episode::AlertState;
use crate::alert::fingerprint::Fingerprint;
use crate::alert::labels::Labels;
use crate::announcement::Announcement;
use crate::id::{ActionId, RemediationId};
use crate::remediation::loan::Loan;
use crate::rule::model::Mode;
use crate::time::Timestamp;
use crate::words::words;

/// A row of the audit: one action, or one refusal for good.
///
/// With a result it is final when it is written. Without one it is an intent, and its result is set exactly once.
#[derive(Debug, Clone, PartialEq)]
pub struct ActionRow {
    /// `UUIDv7`.
    pub id: ActionId,
    /// The remediation it belongs to.
    pub remediation_id: RemediationId,
    /// The rule's name.
    pub rule: String,
    /// The action's name.
    pub action: &'static str,
    /// The target as written.
    pub target: String,
    /// What exclusion, cooldown and budget are keyed by; `None` when the target was not seen.
    pub key: Option<String>,
    /// The host's name.
    pub host: String,
    /// Act or observe.
    pub mode: Mode,
    /// `None`: an intent.
    pub result: Option<ActionResult>,
    /// The guard that refused, or why the result is what it is.
    pub reason: Option<String>,
    /// Who: `fettle`, or a token's name.
    pub actor: String,
    /// The opening alert.
    pub fingerprint: Fingerprint,
    /// Its labels.
    pub labels: Labels,
    /// When it was decided.
    pub planned_at: Timestamp,
    /// When the call began.
    pub started_at: Option<Timestamp>,
    /// When the result was known.
    pub finished_at: Option<Timestamp>,
    /// Which action of its remediation, from 1; 0 for a refusal.
    pub attempt: u32,
    /// Which rung, from 1.
    pub step: u32,
    /// Numbers and what was seen.
    pub detail: Value,
    /// The error's text, for people.
    pub error: Option<String>,
    /// Whether it counts against budgets and cooldown.
    pub spends: bool,
}

/// The one change an audit row ever sees.
#[derive(Debug, Clone, PartialEq)]
pub struct ResultRow {
    /// The audit row.
    pub action_id: ActionId,
    /// Did it happen?
    pub result: ActionResult,
    /// Why the result is what it is.
    pub reason: Option<String>,
    /// When the call began; `None` when none was made or nobody knows.
    pub started_at: Option<Timestamp>,
    /// When the result was known.
    pub finished_at: Timestamp,
    /// The error's text, for people.
    pub error: Option<String>,
    /// What was seen afterwards; merged over the intent's detail.
    pub detail: Value,
    /// False only when nothing was ever sent: then the budget is given back.
    pub spends: bool,
}

/// A verdict; appended, never changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerdictRow {
    /// The audit row it judges.
    pub action_id: ActionId,
    /// When.
    pub at: Timestamp,
    /// Did it help?
    pub verdict: Verdict,
    /// Why.
    pub reason: String,
}

/// One step of a remediation's story.
#[derive(Debug, Clone, PartialEq)]
pub struct TransitionRow {
    /// The remediation.
    pub remediation_id: RemediationId,
    /// When.
    pub at: Timestamp,
    /// The state it went to or stayed in.
    pub state: StateName,
    /// What happened, as a sentence's core: `refused by budget`.
    pub what: String,
    /// Numbers.
    pub detail: Value,
}

words! {
    /// How much an event matters.
    Severity {
        /// Worth knowing.
        Info = "info",
        /// Degraded, carried on.
        Warning = "warning",
        /// A person must act.
        Critical = "critical",
    }
}

/// Something that happened and belongs to no single action.
#[derive(Debug, Clone, PartialEq)]
pub struct EventRow {
    /// When.
    pub at: Timestamp,
    /// Its name: `escalated`, `gave_up`, `truncated`.
    pub event: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// Details.
    pub details: Value,
}

/// Everything one decision wants written, besides the remediation itself.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// A new audit row.
    Action(Box<ActionRow>),
    /// The result of an audit row.
    Result(ResultRow),
    /// A verdict on an audit row.
    Verdict {
        /// The rule, for counting.
        rule: String,
        /// The action's name, for counting.
        action: &'static str,
        /// The row.
        row: VerdictRow,
    },
    /// A step of the story.
    Transition(TransitionRow),
    /// A waiting guard said no; counted, and told in the story.
    Refusal {
        /// The rule, for counting.
        rule: String,
        /// Which guard.
        guard: Guard,
    },
    /// A firing alert was repeated, and no remediation was opened for it; counted.
    NotOpened {
        /// The rule, for counting.
        rule: String,
        /// Why: `effect`, or what the last remediation came to.
        reason: Unopened,
    },
    /// An event.
    Event(EventRow),
    /// One of fettle's own alerts, as it is to stand from now on.
    Announce(Box<Announcement>),
    /// A loan, as it is from now on.
    Loan(Box<Loan>),
    /// A rule's breaker, as it is from now on.
    Breaker(BreakerRow),
    /// An alert whose end nobody posted: a look at Alertmanager showed it. Written only over what was heard before.
    Ended(Box<AlertState>),
}

/// What a decision does to a rule's breaker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakerRow {
    /// The rule.
    pub rule: String,
    /// When this was decided.
    pub at: Timestamp,
    /// Since when it is open; `None`: it is closed, and what was unproven before `at` counts no more.
    pub opened_at: Option<Timestamp>,
    /// The one act that is tried while half open.
    pub probe: Option<ActionId>,
    /// The token's name of who reset it by hand.
    pub by: Option<String>,
}
