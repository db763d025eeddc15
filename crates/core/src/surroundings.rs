//! What is the case around a remediation when it is decided: pauses, the storm, the rule's breaker, open loans, other alerts,
//! what people answered. Read by the shell in one round trip; the guards judge it.

use crate::id::{ActionId, AnswerId, LoanId, PauseId, RemediationId};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::alert::episode::AlertState;
use super::target::Target;
use super::time::{Timestamp, since};
use super::upstream::{Picture, Standing, overlay, silenced};
use super::words::words;

/// Everything around one remediation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Surroundings {
    /// Pauses that are not over, whatever they are about.
    pub pauses: Vec<Pause>,
    /// The storm, as it was last found.
    pub storm: Option<Storm>,
    /// The rule's breaker.
    pub breaker: Breaker,
    /// Open loans of this target, of the service it belongs to or of the containers it consists of.
    pub loans: Vec<OpenLoan>,
    /// Firing alerts that one of the rule's `unless` could mean.
    pub related: Vec<AlertState>,
    /// The last answer that a person gave about this remediation.
    pub answer: Option<Answer>,
    /// Whether Alertmanager was asked and answered: the alerts are as it says.
    pub upstream: Upstream,
}

/// What Alertmanager said about the attached alerts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Upstream {
    /// None is configured, or there was no reason to ask.
    #[default]
    NotAsked,
    /// It was asked and none of its peers answered.
    Silent {
        /// Why, for people.
        error: String,
    },
    /// It answered: the alerts handed to the decision are overlaid with what it said.
    Answered {
        /// When.
        at: Timestamp,
        /// All of the alerts that fire are silenced by a person.
        silenced: bool,
    },
}

/// A reason to hold still, given by a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// `UUIDv7`.
    pub id: PauseId,
    /// What it is about.
    pub scope: PauseScope,
    /// Why.
    pub reason: String,
    /// The token's name.
    pub by: String,
    /// Since when.
    pub at: Timestamp,
    /// Until when; `None`: until somebody resumes.
    pub until: Option<Timestamp>,
}

/// What a pause is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PauseScope {
    /// Everything.
    All,
    /// One rule, by name.
    Rule(String),
    /// One target, as written.
    Target(Target),
}

/// So much was wrong at once that fettle holds back. Latched: it ends only when it was not found for `quiet_for`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Storm {
    /// When it began.
    pub since: Timestamp,
    /// When it was last found.
    pub last_at: Timestamp,
    /// How many distinct targets were counted then.
    pub targets: u32,
}

/// The circuit breaker of a rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Breaker {
    /// Since when it is open; `None`: closed.
    pub opened_at: Option<Timestamp>,
    /// The one act that is tried while half open, from its intent on.
    pub probe: Option<ActionId>,
    /// When the last verdicts were given that proved nothing, newest first, none from before it was last closed.
    pub unproven: Vec<Timestamp>,
}

words! {
    /// What a person answered.
    AnswerKind {
        /// Do it.
        Approve = "approve",
        /// Do not do it.
        Reject = "reject",
        /// Stop the whole effort.
        Cancel = "cancel",
    }
}

/// A person's answer about a remediation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// `UUIDv7`.
    pub id: AnswerId,
    /// What was answered.
    pub kind: AnswerKind,
    /// Which plan was meant.
    pub plan: Option<String>,
    /// The token's name.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// An open loan, as other remediations see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenLoan {
    /// The loan.
    pub id: LoanId,
    /// The remediation that lent.
    pub remediation: RemediationId,
    /// The target as written.
    pub target: String,
    /// What was lent, for records.
    pub detail: Value,
    /// When it is to be returned.
    pub due_at: Timestamp,
}

/// What is known of attached alerts once Alertmanager was asked, and what it said altogether.
///
/// While fettle's own alert stands (`working`) it inhibits the notifications, so nothing but this look can say whether the
/// original still fires. The same holds when the last evidence is older than `freshness`. Else what was heard counts, and
/// the look only tells of silences: an alert that was posted by hand to fettle alone is in no Alertmanager.
#[must_use]
pub fn look_upstream(
    alerts: &[AlertState],
    picture: &Picture,
    working: bool,
    freshness: Duration,
    now: Timestamp,
) -> (Vec<AlertState>, Upstream) {
    let stale = |alert: &AlertState| since(now, alert.evidence_at) > freshness;
    let seen: Vec<AlertState> = alerts
        .iter()
        .map(|alert| {
            let listed = picture.standing(&alert.fingerprint) == Standing::Firing;
            if working || stale(alert) || listed { overlay(alert, picture) } else { alert.clone() }
        })
        .collect();
    let mut firing = seen.iter().filter(|alert| alert.firing).peekable();
    let silenced = firing.peek().is_some() && firing.all(|alert| silenced(picture, &alert.fingerprint));
    (seen, Upstream::Answered { at: picture.at, silenced })
}
