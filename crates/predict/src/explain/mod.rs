//! `explain`: what would be done about an alert, or is about to be done by a remediation, and why not.
//!
//! ```text
//! alerts ── selection ──▶ every rule: selects, or the first matcher that says no
//!    │
//!    └── core::receive ──▶ what would be opened, attached or refused
//!                              ▼
//!          effort: facts, a look, ledgers ── core::decide::survey ──▶ every guard with its numbers
//!                              └──────────── engine::driver (dry) ──▶ what comes next, and when (foresee)
//! ```
//!
//! Always holds: the store is read and not written, not even the inbox; Docker and Alertmanager are only looked at. What
//! could not be asked is said to be unknown, never taken for a yes. What comes next is what the engine's driver comes to on
//! these facts; the guards are asked by the lists that it asks.
//!
//! Deliberately not: no guess about what is not known yet. A hold that ends later is judged by the facts of now, and so are
//! the steps after the next one only named.

mod dry;
mod effort;
mod foresee;
mod selection;
mod sources;

#[cfg(test)]
mod tests;

use serde::Serialize;
use serde_json::Value;

pub use self::effort::explain_remediation;
pub use self::selection::{UNKNOWN_START, explain_alerts};
pub use self::sources::Sources;
use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::alert::labels::Labels;
use fettle_core::decide::Ceiling;
use fettle_core::guard::survey::Answer;
use fettle_core::id::RemediationId;
use fettle_core::remediation::refusal::Guard;
use fettle_core::rule::model::Mode;
use fettle_core::time::Timestamp;

/// What would be done about alerts.
#[derive(Debug, Clone, Serialize)]
pub struct Explanation {
    /// As of when.
    pub at: Timestamp,
    /// What could be asked.
    pub asked: Asked,
    /// The alerts, in the order in which they were given.
    pub alerts: Vec<AlertSaid>,
    /// How many more there were.
    pub alerts_left_out: usize,
}

/// What a running or waiting remediation is about to do.
#[derive(Debug, Clone, Serialize)]
pub struct Now {
    /// As of when.
    pub at: Timestamp,
    /// What could be asked.
    pub asked: Asked,
    /// What it is about to do.
    #[serde(flatten)]
    pub effort: Effort,
}

/// What could be asked: `asked`, `not asked`, `not configured`, or why it did not answer.
#[derive(Debug, Clone, Serialize)]
pub struct Asked {
    /// What is stored.
    pub database: String,
    /// The targets.
    pub docker: String,
    /// What fires and what is silenced.
    pub alertmanager: String,
}

/// What follows from one alert.
#[derive(Debug, Clone, Serialize)]
pub struct AlertSaid {
    /// Its labels.
    pub labels: Labels,
    /// Its fingerprint.
    pub fingerprint: Fingerprint,
    /// Whether it fires. What is resolved selects nothing.
    pub firing: bool,
    /// Why nothing is selected, where that is not for the rules to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Every rule, in the order in which they are asked.
    pub rules: Vec<RuleSaid>,
    /// How many more rules there are that do not select it.
    pub rules_left_out: usize,
    /// What comes of it, for each rule that selects it.
    pub efforts: Vec<Effort>,
}

/// What one rule says to an alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleSaid {
    /// The rule.
    pub rule: String,
    /// Where it is written.
    pub source: String,
    /// Whether it selects the alert.
    pub says: Selects,
    /// The first matcher that says no.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matcher: Option<String>,
    /// The value that the matcher saw; `""` for an absent label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saw: Option<String>,
    /// The rule that took the alert before this one was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub behind: Option<String>,
    /// Whether rules after it are asked too.
    #[serde(rename = "continue")]
    pub proceed: bool,
}

/// Whether a rule selects an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Selects {
    /// It does.
    Yes,
    /// A matcher says no.
    No,
    /// It would, but a rule before it took the alert.
    Behind,
    /// The alert is fettle's own, or does not fire: no rule is asked.
    NotAsked,
}

/// How an alert and a remediation come together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// A remediation would be opened.
    New,
    /// It belongs to one that is open.
    Attached,
    /// Another rule's remediation of the same target is open: this one waits for its end.
    Waiting,
    /// This episode of the alert was dealt with: nothing is opened.
    Spent,
    /// It would be refused as soon as it is taken in.
    Refused,
}

/// One effort: a rule, a target, and everything that is asked before something is done.
#[derive(Debug, Clone, Serialize)]
pub struct Effort {
    /// The rule.
    pub rule: String,
    /// The target as written.
    pub target: String,
    /// How the alert and the remediation come together.
    pub standing: Standing,
    /// The remediation, when there is one.
    pub remediation: Option<RemediationId>,
    /// Its state, when there is one.
    pub state: Option<String>,
    /// How far fettle may go, and what sets that: the lowest counts.
    pub mode: Option<Mode>,
    /// See `mode`.
    pub ceilings: Vec<Ceiling>,
    /// The step that is next.
    pub plan: Option<Plan>,
    /// Every guard in the order in which they are asked.
    pub guards: Vec<Answer>,
    /// The first that stands against it.
    pub stopped_by: Option<Guard>,
    /// What happens next, and when.
    pub next: Vec<Next>,
}

/// The step that is next.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// Which rung, from 1.
    pub step: usize,
    /// How many there are.
    pub steps: usize,
    /// What is done.
    pub action: &'static str,
    /// How.
    pub parameters: Value,
    /// What exactly, as far as a look tells.
    pub effect: Value,
    /// What the look showed.
    pub seen: Option<String>,
    /// Why a person would be asked.
    pub approval: Option<String>,
}

/// One thing that happens next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Next {
    /// When; `None`: when it comes to that.
    pub at: Option<Timestamp>,
    /// What.
    pub what: String,
}
