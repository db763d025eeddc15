//! What people and dashboards read: the rows of the views that are the contract, as the API gives them.

use serde::Serialize;
use serde_json::Value;

use crate::alert::episode::AlertState;
use crate::id::{ActionId, EventId, RemediationId};
use crate::receive::{Candidate, Standing};
use crate::remediation::conclusion::Unopened;
use crate::time::Timestamp;

/// A row of `fettle_remediations`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the columns are the contract and named there")]
pub struct RemediationView {
    pub id: RemediationId,
    pub target: String,
    pub rule: String,
    pub state: String,
    pub outcome: Option<String>,
    pub reason: Option<String>,
    pub opened_at: Timestamp,
    pub closed_at: Option<Timestamp>,
    pub due_at: Option<Timestamp>,
    pub actions: i64,
    pub alertname: String,
    pub severity: Option<String>,
}

/// A row of `fettle_audit`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the columns are the contract and named there")]
pub struct ActionView {
    pub id: ActionId,
    pub at: Timestamp,
    pub remediation_id: RemediationId,
    pub rule: String,
    pub action: String,
    pub target: String,
    pub host: String,
    pub mode: String,
    pub result: Option<String>,
    pub reason: Option<String>,
    pub verdict: Option<String>,
    pub actor: String,
    pub alertname: String,
    pub fingerprint: String,
    pub severity: Option<String>,
    pub labels: Value,
    pub planned_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub duration_ms: Option<i64>,
    pub attempt: i64,
    pub step: i64,
    pub detail: Value,
    pub error: Option<String>,
}

/// One alert as it is known.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[expect(missing_docs, reason = "named after Alertmanager's fields")]
pub struct AlertView {
    pub fingerprint: String,
    pub status: String,
    pub labels: Value,
    pub episode: i64,
    pub starts_at: Timestamp,
    pub first_at: Timestamp,
    pub evidence_at: Timestamp,
    pub heard_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    /// What came of it for each rule that selected it in this episode, by rule; `None` where it is not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rules: Option<Vec<CandidateView>>,
}

/// What came of an alert for one rule.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CandidateView {
    /// The rule, by name.
    pub rule: String,
    /// The target as written.
    pub target: String,
    /// Its state: `attached`, `waiting`, `free`, `spent`.
    pub standing: &'static str,
    /// The remediation that it is or was attached to.
    pub remediation_id: Option<RemediationId>,
    /// Why a repeat opens no remediation: `effect`, or what the last one came to (a guard, `observed`, ...); `None` unless `spent`.
    pub reason: Option<&'static str>,
    /// When that is decided again, should nothing be heard before.
    pub again_at: Option<Timestamp>,
}

impl AlertView {
    /// An alert with what came of it: those of `candidates` that are of its episode.
    #[must_use]
    pub fn with_candidates(alert: AlertState, candidates: Vec<Candidate>) -> Self {
        let of_episode = candidates.into_iter().filter(|it| it.episode == alert.episode);
        let mut rules: Vec<_> = of_episode.map(CandidateView::from).collect();
        rules.sort_by(|one, other| one.rule.cmp(&other.rule));
        Self { rules: Some(rules), ..alert.into() }
    }
}

impl From<Candidate> for CandidateView {
    fn from(it: Candidate) -> Self {
        let came = it.conclusion.as_ref().map_or(Unopened::Effect.as_str(), |conclusion| conclusion.came.as_str());
        Self {
            rule: it.rule,
            target: it.target,
            standing: it.standing.as_str(),
            remediation_id: it.remediation,
            reason: (it.standing == Standing::Spent).then_some(came),
            again_at: it.again_at,
        }
    }
}

impl From<AlertState> for AlertView {
    fn from(alert: AlertState) -> Self {
        Self {
            fingerprint: alert.fingerprint.to_string(),
            status: if alert.firing { "firing" } else { "resolved" }.into(),
            labels: serde_json::to_value(&alert.labels).unwrap_or_default(),
            episode: alert.episode,
            starts_at: alert.starts_at,
            first_at: alert.first_at,
            evidence_at: alert.evidence_at,
            heard_at: alert.heard_at,
            ended_at: alert.ended_at,
            rules: None,
        }
    }
}

/// A row of `fettle_events`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the columns are the contract and named there")]
pub struct EventView {
    pub id: EventId,
    pub at: Timestamp,
    pub event: String,
    pub severity: String,
    pub details: Value,
    pub cpu: Option<f64>,
    pub ram: Option<f64>,
    pub disk: Option<f64>,
}

/// One step of a story.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[expect(missing_docs, reason = "said by their names")]
pub struct TransitionView {
    pub at: Timestamp,
    pub state: String,
    pub what: String,
    pub detail: Value,
}

/// A verdict on an action.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the columns are the contract and named there")]
pub struct VerdictView {
    pub action_id: ActionId,
    pub at: Timestamp,
    pub verdict: String,
    pub reason: String,
}

/// One remediation with everything that happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Story {
    /// The remediation.
    #[serde(flatten)]
    pub remediation: RemediationView,
    /// What happened, oldest first.
    pub timeline: Vec<TransitionView>,
    /// Its audit rows, oldest first.
    #[serde(rename = "action_rows")]
    pub actions: Vec<ActionView>,
    /// Verdicts on them, oldest first.
    pub verdicts: Vec<VerdictView>,
    /// Alerts attached to it.
    pub alerts: Vec<AlertView>,
}

/// Which remediations. Empty fields ask nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RemediationFilter {
    /// A state's word; `open` means any but closed.
    pub state: Option<String>,
    /// The rule's name.
    pub rule: Option<String>,
    /// The target as written.
    pub target: Option<String>,
    /// At most so many.
    pub limit: u32,
    /// Only those older than this one.
    pub after: Option<RemediationId>,
}

/// Which audit rows. Empty fields ask nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActionFilter {
    /// The rule's name.
    pub rule: Option<String>,
    /// The target as written.
    pub target: Option<String>,
    /// The result's word.
    pub result: Option<String>,
    /// One remediation's.
    pub remediation: Option<RemediationId>,
    /// At most so many.
    pub limit: u32,
    /// Only those older than this one.
    pub after: Option<ActionId>,
}

/// Which alerts. Empty fields ask nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlertFilter {
    /// `firing` or `resolved`.
    pub status: Option<String>,
    /// At most so many.
    pub limit: u32,
}

/// Which events. Empty fields ask nothing; without a name, the samples of hosts are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// The severity's word.
    pub severity: Option<String>,
    /// The event's name.
    pub event: Option<String>,
    /// Only those from then on.
    pub since: Option<Timestamp>,
    /// At most so many.
    pub limit: u32,
    /// Only those older than this one.
    pub after: Option<EventId>,
}
