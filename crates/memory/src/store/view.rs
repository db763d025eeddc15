//! From rows to the views that are the contract.

use fettle_core::ports::view::{ActionView, RemediationView, TransitionView, VerdictView};
use fettle_core::remediation::outcome::{ActionResult, Outcome};
use fettle_core::text::{name, name_opt};
use fettle_core::time::Timestamp;

use super::{Action, RemediationRow, Row, Step};

pub(super) fn remediation(row: &Row<RemediationRow>) -> RemediationView {
    let it = &row.doc.remediation;
    let labels = &it.alert.labels;
    RemediationView {
        id: it.id,
        target: row.doc.target.to_string(),
        rule: row.doc.rule.to_string(),
        state: it.state_name().as_str().to_owned(),
        outcome: it.outcome().map(Outcome::as_str).map(str::to_owned),
        reason: it.reason().map(str::to_owned),
        opened_at: it.opened_at,
        closed_at: it.closed_at(),
        due_at: row.due,
        actions: it.attempts.into(),
        alertname: name(labels.get("alertname")).into_owned(),
        severity: name_opt(labels.find("severity")).map(Into::into),
    }
}

pub(super) fn action(action: &Action) -> ActionView {
    let row = &action.row;
    ActionView {
        id: row.id,
        at: row.planned_at,
        remediation_id: row.remediation_id,
        rule: row.rule.clone(),
        action: row.action.to_owned(),
        target: row.target.clone(),
        host: row.host.clone(),
        mode: row.mode.as_str().to_owned(),
        result: row.result.map(ActionResult::as_str).map(str::to_owned),
        reason: row.reason.clone(),
        verdict: action.verdicts.last().map(|it| it.verdict.as_str().to_owned()),
        actor: row.actor.clone(),
        alertname: name(row.labels.get("alertname")).into_owned(),
        fingerprint: row.fingerprint.to_string(),
        severity: name_opt(row.labels.find("severity")).map(Into::into),
        labels: serde_json::to_value(&row.labels).unwrap_or_default(),
        planned_at: row.planned_at,
        started_at: row.started_at,
        finished_at: row.finished_at,
        duration_ms: row.started_at.zip(row.finished_at).map(|(start, end)| millis(start, end)),
        attempt: row.attempt.into(),
        step: row.step.into(),
        detail: row.detail.clone(),
        error: row.error.clone(),
    }
}

/// To the nearest.
fn millis(start: Timestamp, end: Timestamp) -> i64 {
    (end.as_microsecond() - start.as_microsecond() + 500) / 1000
}

pub(super) fn step(it: &Step) -> TransitionView {
    let state = it.state.as_str().to_owned();
    TransitionView { at: it.at, state, what: it.what.clone(), detail: it.detail.clone() }
}

/// The verdicts on these rows, oldest first.
pub(super) fn verdicts(actions: &[&Action]) -> Vec<VerdictView> {
    let all = actions.iter().flat_map(|action| action.verdicts.iter().map(|it| (it.seq, action.row.id, it)));
    let mut all: Vec<_> = all.collect();
    all.sort_unstable_by_key(|(seq, ..)| *seq);
    let view = |(_, action_id, it): (u64, _, &super::Judged)| VerdictView {
        action_id,
        at: it.at,
        verdict: it.verdict.as_str().to_owned(),
        reason: it.reason.clone(),
    };
    all.into_iter().map(view).collect()
}
