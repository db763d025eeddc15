//! Rows of what is on record, as both databases give them, and the way from a row to the core's words.

use sqlx::FromRow;

use crate::instant::{Id, Instant};
use crate::rows::Garbled;
use fettle_core::ports::history::{PastAction, PastAnswer, PastPause, PastRemediation, PastStep};
use fettle_core::remediation::outcome::{ActionResult, Outcome, Verdict};
use fettle_core::remediation::state::StateName;
use fettle_core::surroundings::{AnswerKind, PauseScope};

/// A word that may be absent, but not unknown.
fn word<T>(text: Option<&str>, read: fn(&str) -> Option<T>, what: &'static str) -> Result<Option<T>, Garbled> {
    text.map(|text| read(text).ok_or(Garbled(what))).transpose()
}

#[derive(FromRow)]
pub(crate) struct PastRemediationRow {
    id: Id,
    rule: String,
    target: String,
    opened_at: Instant,
    closed_at: Option<Instant>,
    state: String,
    outcome: Option<String>,
}

impl TryFrom<PastRemediationRow> for PastRemediation {
    type Error = Garbled;
    fn try_from(row: PastRemediationRow) -> Result<Self, Garbled> {
        Ok(Self {
            id: row.id.0,
            rule: row.rule,
            target: row.target,
            opened_at: row.opened_at.0,
            closed_at: row.closed_at.map(|at| at.0),
            state: StateName::from_word(&row.state).ok_or(Garbled("state"))?,
            outcome: word(row.outcome.as_deref(), Outcome::from_word, "outcome")?,
        })
    }
}

#[derive(FromRow)]
pub(crate) struct PastActionRow {
    id: Id,
    remediation_id: Id,
    rule: String,
    action: String,
    target: String,
    result: Option<String>,
    reason: Option<String>,
    verdict: Option<String>,
    planned_at: Instant,
    finished_at: Option<Instant>,
    step: i64,
}

impl TryFrom<PastActionRow> for PastAction {
    type Error = Garbled;
    fn try_from(row: PastActionRow) -> Result<Self, Garbled> {
        Ok(Self {
            id: row.id.0,
            remediation: row.remediation_id.0,
            rule: row.rule,
            action: row.action,
            target: row.target,
            result: word(row.result.as_deref(), ActionResult::from_word, "result")?,
            reason: row.reason,
            verdict: word(row.verdict.as_deref(), Verdict::from_word, "verdict")?,
            planned_at: row.planned_at.0,
            finished_at: row.finished_at.map(|at| at.0),
            step: u32::try_from(row.step).map_err(|_| Garbled("step"))?,
        })
    }
}

#[derive(FromRow)]
pub(crate) struct PastStepRow {
    seq: i64,
    remediation_id: Id,
    at: Instant,
    what: String,
}

impl From<PastStepRow> for PastStep {
    fn from(row: PastStepRow) -> Self {
        Self { seq: row.seq, remediation: row.remediation_id.0, at: row.at.0, what: row.what }
    }
}

#[derive(FromRow)]
pub(crate) struct PastPauseRow {
    scope: String,
    about: Option<String>,
    reason: String,
    by: String,
    at: Instant,
    until: Option<Instant>,
}

impl TryFrom<PastPauseRow> for PastPause {
    type Error = Garbled;
    fn try_from(row: PastPauseRow) -> Result<Self, Garbled> {
        let scope = match (&*row.scope, row.about) {
            ("all", None) => PauseScope::All,
            ("rule", Some(rule)) => PauseScope::Rule(rule),
            ("target", Some(target)) => PauseScope::Target(target.parse().map_err(|_| Garbled("target"))?),
            _ => return Err(Garbled("scope")),
        };
        Ok(Self { scope, reason: row.reason, by: row.by, at: row.at.0, until: row.until.map(|at| at.0) })
    }
}

#[derive(FromRow)]
pub(crate) struct PastAnswerRow {
    remediation_id: Id,
    kind: String,
    by: String,
    at: Instant,
}

impl TryFrom<PastAnswerRow> for PastAnswer {
    type Error = Garbled;
    fn try_from(row: PastAnswerRow) -> Result<Self, Garbled> {
        let kind = AnswerKind::from_word(&row.kind).ok_or(Garbled("kind"))?;
        Ok(Self { remediation: row.remediation_id.0, kind, by: row.by, at: row.at.0 })
    }
}
