//! Rows of what is on record, as both databases give them, and the way from a row to the core's words.
//!
//! Plain tuples, in the order of the columns.

use crate::around::scope_of;
use crate::db_types::{DbId, DbTime};
use crate::rows::Garbled;
use fettle_core::ports::history::{PastAction, PastAnswer, PastPause, PastRemediation, PastStep};
use fettle_core::remediation::outcome::{ActionResult, Outcome, Verdict};
use fettle_core::remediation::state::StateName;
use fettle_core::surroundings::AnswerKind;

/// A word that may be absent, but not unknown.
fn word<T>(text: Option<&str>, read: fn(&str) -> Option<T>, what: &'static str) -> Result<Option<T>, Garbled> {
    text.map(|text| read(text).ok_or(Garbled(what))).transpose()
}

/// Id, rule, target, `opened_at`, `closed_at`, state, outcome.
pub(crate) type RemediationColumns = (DbId, String, String, DbTime, Option<DbTime>, String, Option<String>);

pub(crate) fn remediation(columns: RemediationColumns) -> Result<PastRemediation, Garbled> {
    let (id, rule, target, opened_at, closed_at, state, outcome) = columns;
    Ok(PastRemediation {
        id: id.read(),
        rule,
        target,
        opened_at: opened_at.0,
        closed_at: closed_at.map(|at| at.0),
        state: StateName::from_word(&state).ok_or(Garbled("state"))?,
        outcome: word(outcome.as_deref(), Outcome::from_word, "outcome")?,
    })
}

/// What was done: id, remediation, rule, action, target. What came of it: result, reason, verdict. When: `planned_at`,
/// `finished_at`, step.
pub(crate) type ActionColumns =
    (DbId, DbId, String, String, String, Option<String>, Option<String>, Option<String>, DbTime, Option<DbTime>, i64);

pub(crate) fn action(columns: ActionColumns) -> Result<PastAction, Garbled> {
    let (id, remediation, rule, action, target, result, reason, verdict, planned_at, finished_at, step) = columns;
    Ok(PastAction {
        id: id.read(),
        remediation: remediation.read(),
        rule,
        action,
        target,
        result: word(result.as_deref(), ActionResult::from_word, "result")?,
        reason,
        verdict: word(verdict.as_deref(), Verdict::from_word, "verdict")?,
        planned_at: planned_at.0,
        finished_at: finished_at.map(|at| at.0),
        step: u32::try_from(step).map_err(|_| Garbled("step"))?,
    })
}

/// Number, remediation, at, what.
pub(crate) type StepColumns = (i64, DbId, DbTime, String);

pub(crate) fn step((seq, remediation, at, what): StepColumns) -> PastStep {
    PastStep { seq, remediation: remediation.read(), at: at.0, what }
}

/// Scope, about, reason, by, at, until.
pub(crate) type PauseColumns = (String, Option<String>, String, String, DbTime, Option<DbTime>);

pub(crate) fn pause((scope, about, reason, by, at, until): PauseColumns) -> Result<PastPause, Garbled> {
    Ok(PastPause { scope: scope_of(&scope, about)?, reason, by, at: at.0, until: until.map(|at| at.0) })
}

/// Remediation, kind, by, at.
pub(crate) type AnswerColumns = (DbId, String, String, DbTime);

pub(crate) fn answer((remediation, kind, by, at): AnswerColumns) -> Result<PastAnswer, Garbled> {
    let kind = AnswerKind::from_word(&kind).ok_or(Garbled("kind"))?;
    Ok(PastAnswer { remediation: remediation.read(), kind, by, at: at.0 })
}
