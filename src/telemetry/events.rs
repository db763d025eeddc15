//! What was decided, said once: the log line and the count of each record are made together, so they cannot disagree.
//!
//! Called once after each commit, so what is said did happen, and a remediation that is closed was closed by that commit.
//! info: a decision, also one not to act. warn: people have to look. debug: the steps of the story. Lines read alone; the
//! same facts are in fields for queries.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::metrics::Metrics;
use fettle_core::announcement::AnnouncementName;
use fettle_core::id::{ActionId, RemediationId};
use fettle_core::ports::Telemetry;
use fettle_core::ports::upstream::Answers;
use fettle_core::remediation::loan::Loan;
use fettle_core::remediation::outcome::{ActionResult, Outcome, Verdict};
use fettle_core::remediation::record::{ActionRow, EventRow, Record, ResultRow, Severity, TransitionRow, VerdictRow};
use fettle_core::remediation::refusal::Guard;
use fettle_core::remediation::state::{Remediation, Running, State, Verifying};
use fettle_core::time::{Timestamp, since};

/// Says and counts what taking notifications in stored. `remediations` are those it opened, some of them closed at once.
pub fn received(metrics: &Metrics, remediations: &[Remediation], records: &[Record]) {
    // A body may open a hundred thousand remediations: none of them is searched for among all others.
    let by_id: HashMap<RemediationId, &Remediation> = remediations.iter().map(|it| (it.id, it)).collect();
    let apart = counted_apart(records);
    for record in records {
        match record {
            Record::Action(row) => action(metrics, row, &apart),
            Record::Result(row) => {
                if let Some((remediation, action)) = acted(remediations, records, row.action_id) {
                    result(metrics, remediation, action, row);
                }
            }
            Record::Verdict { rule, action, row } => verdict(metrics, rule, action, row),
            Record::Transition(row) => transition(by_id.get(&row.remediation_id).copied(), row),
            Record::Refusal { rule, guard } => refusal(metrics, remediations, rule, *guard),
            Record::NotOpened { rule, reason } => {
                metrics.not_opened(rule, *reason);
                tracing::debug!(rule, reason = reason.as_str(), "a repeat opens no remediation: {reason}");
            }
            Record::Event(row) => event(metrics, row),
            Record::Announce(_) | Record::Loan(_) | Record::Breaker(_) | Record::Ended(_) => {}
        }
    }
    for remediation in remediations {
        closed(metrics, remediation);
    }
}

/// Says and counts what one decision about a loan stored. `loan` is as it was stored, after the decision.
pub fn loan(metrics: &Metrics, loan: &Loan, records: &[Record]) {
    let (id, rule, target) = (loan.remediation, &loan.rule, &loan.target);
    for record in records {
        match record {
            Record::Action(row) => action(metrics, row, &HashSet::new()),
            Record::Result(row) => {
                let took = row.started_at.map(|started| since(row.finished_at, started));
                metrics.action(rule, "restore", row.result, took);
                let (reason, error) = (row.reason.as_deref(), row.error.as_deref());
                tracing::info!(remediation.id = %id, rule, %target, action = "restore", attempt = loan.attempts, reason,
                    error, "restore of {target} {}", row.result);
            }
            Record::Event(row) => event(metrics, row),
            _ => {}
        }
    }
}

/// Refusals that are among the records by themselves, by rule and guard: with the same in an audit row they are one, not two.
fn counted_apart(records: &[Record]) -> HashSet<(&str, Guard)> {
    let refusal = |record| match record {
        &Record::Refusal { ref rule, guard } => Some((rule.as_str(), guard)),
        _ => None,
    };
    records.iter().filter_map(refusal).collect()
}

/// Whose action has this id, and its name: it is being judged, judged in the same breath, or the intent lies beside it.
fn acted<'a>(
    remediations: &'a [Remediation],
    records: &'a [Record],
    action_id: ActionId,
) -> Option<(&'a Remediation, &'static str)> {
    let attempt = remediations.iter().find_map(|it| {
        let (first, rest) = match &it.state {
            State::Running(Running { attempt, done, .. }) => (attempt, done),
            State::Verifying(Verifying { attempt, also, .. }) => (attempt, also),
            _ => return None,
        };
        let mut attempts = std::iter::once(&**first).chain(rest);
        attempts.find(|attempt| attempt.action_id == action_id).map(|attempt| (it, attempt.action.name()))
    });
    let beside = || {
        let name = records.iter().find_map(|record| match record {
            Record::Action(row) if row.id == action_id => Some(row.action),
            Record::Verdict { action, row, .. } if row.action_id == action_id => Some(*action),
            _ => None,
        });
        let whose = remediations.iter().find(|it| it.last_action == Some(action_id)).or_else(|| remediations.first());
        whose.zip(name)
    };
    attempt.or_else(beside)
}

fn action(metrics: &Metrics, row: &ActionRow, counted_apart: &HashSet<(&str, Guard)>) {
    let ActionRow { remediation_id: id, rule, action, target, attempt, .. } = row;
    let (reason, error) = (row.reason.as_deref().unwrap_or("no reason given"), row.error.as_deref());
    let Some(result) = row.result else {
        tracing::info!(remediation.id = %id, rule, target, action, attempt,
            "{action} of {target} begins (attempt {attempt})");
        return;
    };
    metrics.action(rule, action, result, None);
    match result {
        ActionResult::Refused => {
            let guard = row.reason.as_deref().and_then(Guard::from_word);
            if let Some(guard) = guard.filter(|guard| !counted_apart.contains(&(rule.as_str(), *guard))) {
                metrics.refusal(rule, guard);
            }
            let end = if guard.is_some_and(Guard::is_final) { "for good" } else { "for now" };
            tracing::info!(remediation.id = %id, rule, target, action, reason, error,
                "{action} of {target} refused {end} by {reason}");
        }
        ActionResult::Observed => {
            tracing::info!(remediation.id = %id, rule, target, action, attempt,
                "{action} of {target} would be done now (observing only)");
        }
        ActionResult::Succeeded => {
            tracing::info!(remediation.id = %id, rule, target, action, attempt, "{action} of {target} succeeded");
        }
        ActionResult::Failed | ActionResult::Unknown | ActionResult::Expired => {
            let why = error.unwrap_or(reason);
            tracing::warn!(remediation.id = %id, rule, target, action, attempt, reason, error,
                "{action} of {target} {result}: {why}");
        }
    }
}

fn result(metrics: &Metrics, remediation: &Remediation, action: &'static str, row: &ResultRow) {
    let (id, rule, target) = (remediation.id, &remediation.rule, &remediation.target);
    let took = row.started_at.map(|started| since(row.finished_at, started));
    let ended = matches!(row.result, ActionResult::Succeeded | ActionResult::Failed);
    metrics.action(rule, action, row.result, took.filter(|_| ended));
    let (result, attempt) = (row.result.as_str(), remediation.attempts);
    let (reason, error, duration_ms) = (row.reason.as_deref(), row.error.as_deref(), took.map(millis));
    if row.result == ActionResult::Succeeded {
        tracing::info!(remediation.id = %id, rule, %target, action, attempt, duration_ms, reason,
            "{action} of {target} {result}");
    } else {
        let why = error.or(reason).unwrap_or("no reason given");
        tracing::warn!(remediation.id = %id, rule, %target, action, attempt, duration_ms, reason, error,
            "{action} of {target} {result}: {why}");
    }
}

fn millis(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

fn verdict(metrics: &Metrics, rule: &str, action: &'static str, row: &VerdictRow) {
    metrics.verdict(rule, action, row.verdict);
    let (verdict, reason) = (row.verdict.as_str(), &row.reason);
    let bad = matches!(row.verdict, Verdict::NotFixed | Verdict::StillFiring | Verdict::Unknown | Verdict::Regressed);
    if bad {
        tracing::warn!(action.id = %row.action_id, rule, action, verdict, reason,
            "{action} by rule {rule} judged {verdict}: {reason}");
    } else {
        tracing::info!(action.id = %row.action_id, rule, action, verdict, reason,
            "{action} by rule {rule} judged {verdict}: {reason}");
    }
}

fn transition(of: Option<&Remediation>, row: &TransitionRow) {
    let (id, state, what) = (row.remediation_id, row.state.as_str(), &row.what);
    if let Some(remediation) = of {
        let (rule, target) = (&remediation.rule, &remediation.target);
        if row.what == "opened" {
            let alertname = remediation.alert.labels.get("alertname");
            tracing::info!(remediation.id = %id, rule, %target, alert.fingerprint = %remediation.alert.fingerprint,
                "remediation of {target} opened by rule {rule} for {alertname:?}");
            return;
        }
        tracing::debug!(remediation.id = %id, rule, %target, state, "{target} {state}: {what}");
    } else {
        tracing::debug!(remediation.id = %id, state, "remediation {id} {state}: {what}");
    }
}

fn closed(metrics: &Metrics, remediation: &Remediation) {
    let (Some(outcome), Some(at)) = (remediation.outcome(), remediation.closed_at()) else { return };
    let (id, rule, target, attempts) = (remediation.id, &remediation.rule, &remediation.target, remediation.attempts);
    metrics.closed(rule, outcome);
    let duration_ms = millis(since(at, remediation.opened_at));
    let (word, reason) = (outcome.as_str(), remediation.reason().unwrap_or_default());
    if matches!(outcome, Outcome::Escalated | Outcome::Cleared) {
        tracing::warn!(remediation.id = %id, rule, %target, outcome = word, reason, attempts, duration_ms,
            "remediation of {target} closed {word}: {reason}");
    } else {
        tracing::info!(remediation.id = %id, rule, %target, outcome = word, reason, attempts, duration_ms,
            "remediation of {target} closed {word}: {reason}");
    }
}

fn refusal(metrics: &Metrics, remediations: &[Remediation], rule: &str, guard: Guard) {
    metrics.refusal(rule, guard);
    let reason = guard.as_str();
    // Of several remediations that were received together it is not known whose refusal this is.
    if let [one] = remediations {
        let (id, target) = (one.id, &one.target);
        tracing::info!(remediation.id = %id, rule, %target, reason, "{target} waits: refused by {reason}");
    } else {
        tracing::info!(rule, reason, "a remediation by rule {rule} waits: refused by {reason}");
    }
}

fn event(metrics: &Metrics, row: &EventRow) {
    metrics.event(row.event);
    let (event, details) = (row.event, &row.details);
    match row.severity {
        Severity::Info => tracing::info!(event, %details, "event {event}"),
        Severity::Warning => tracing::warn!(event, %details, "event {event}"),
        Severity::Critical => tracing::error!(event, %details, "event {event}: a person has to look"),
    }
}

impl Telemetry for Metrics {
    fn recorded(&self, remediations: &[Remediation], records: &[Record]) {
        received(self, remediations, records);
    }

    fn loan(&self, of: &Loan, records: &[Record]) {
        loan(self, of, records);
    }

    fn late(&self, records: &[Record]) {
        received(self, &[], records);
    }

    fn reaction(&self, took: Duration) {
        Metrics::reaction(self, took);
    }

    fn announced(&self, name: AnnouncementName, ok: bool) {
        Metrics::announced(self, name, ok);
    }

    fn heartbeat(&self, at: Timestamp) {
        Metrics::heartbeat(self, at);
    }
}

impl Answers for Metrics {
    fn answered(&self, kind: &'static str, code: &str) {
        self.upstream(kind, code);
    }
}

#[cfg(test)]
mod tests;
