//! What comes next, and when: the engine decides on these facts at the instant at which it is due ([`decided`]), and this describes
//! the state that it comes to. So an instant that is named is the one that the engine will use.
//!
//! Always holds: nothing of it is stored. Where a question of the engine cannot be answered, because nobody looked or nothing
//! is stored, the foresight ends there and says so.

use std::time::Duration;

use super::Next;
use super::dry::{Known, decided};
use super::sources::{Around, Sources};
use fettle_core::action::{Action, CALL_MARGIN};
use fettle_core::duration::show;
use fettle_core::remediation::outcome::Outcome;
use fettle_core::remediation::state::{Attempt, Awaiting, Remediation, Running, State, Verifying};
use fettle_core::rule::model::{Rule, Verify};
use fettle_core::time::{Timestamp, after, before};

/// When a remediation that waits is decided next.
pub(super) fn due(sources: &Sources, remediation: &Remediation) -> Timestamp {
    remediation.due().unwrap_or(sources.now).max(sources.now)
}

/// What happens next to a remediation that waits. `known` is what is known for [`due`].
pub(super) async fn next(sources: &Sources, remediation: &Remediation, rule: Option<&Rule>, known: Known) -> Vec<Next> {
    let due = due(sources, remediation);
    let mut next = Vec::new();
    match &remediation.state {
        State::AwaitingApproval(asked) => return awaits(asked),
        State::Held { .. } if due > sources.now => {
            let why = if remediation.attempts == 0 { "the hold ends" } else { "the pause before this step ends" };
            next.push(told(due, format!("{why}; the guards are asked again, and if they then say the same:")));
        }
        State::Blocked { reason, .. } if due > sources.now => {
            let what =
                format!("blocked by {reason} until then; the guards are asked again, and if nothing else changes:");
            next.push(told(due, what));
        }
        _ => {}
    }
    match decided(sources, due, remediation.clone(), known).await {
        Err(unknown) => next.push(Next { at: None, what: unknown.to_owned() }),
        Ok(then) => next.extend(follows(&then, rule, due)),
    }
    next
}

/// What is known now, as it is at `due` if nothing happens until then. An alert that fires is taken to be heard often enough.
pub(super) fn advance(around: &mut Around, freshness: Duration, due: Timestamp) {
    for alert in around.alerts.iter_mut().filter(|alert| alert.firing) {
        alert.evidence_at = alert.evidence_at.max(before(due, freshness));
    }
}

/// A proposal waits for a person.
fn awaits(asked: &Awaiting) -> Vec<Next> {
    if let Some(at) = asked.look_at {
        let what = "a person agreed and the target could not be seen; it is looked at again";
        return vec![told(at, what.to_owned())];
    }
    vec![
        told(asked.until, "no person answered: closed expired, and people are told".to_owned()),
        Next { at: None, what: format!("a person approves it before then: {}", asked.proposal.action.name()) },
    ]
}

/// What the state means that was foreseen for `from`.
fn follows(then: &Remediation, rule: Option<&Rule>, from: Timestamp) -> Vec<Next> {
    match &then.state {
        State::Held { until } => vec![told(*until, "the target cannot be seen; it is looked at again".to_owned())],
        State::Blocked { reason, until } => {
            vec![told(*until, format!("blocked by {reason} until then; the guards are asked again"))]
        }
        State::AwaitingApproval(asked) => {
            let proposal = &asked.proposal;
            let what = format!("a person is asked: {} ({})", proposal.action.name(), proposal.why);
            std::iter::once(told(from, what)).chain(awaits(asked)).collect()
        }
        State::Running(Running { attempt, queue, .. }) => begun(attempt, queue.len(), rule, from),
        State::Verifying { .. } => Vec::new(),
        State::Closed { outcome: Outcome::Escalated, reason, .. } => {
            vec![told(from, format!("people are told: {reason}"))]
        }
        State::Closed { outcome, reason, .. } => vec![told(from, format!("closed {outcome}: {reason}"))],
    }
}

fn begun(attempt: &Attempt, dependents: usize, rule: Option<&Rule>, at: Timestamp) -> Vec<Next> {
    let also = if dependents == 0 { String::new() } else { format!(", then {dependents} that depend on it") };
    let mut next = vec![told(at, format!("{}{also}", attempt.action.name()))];
    // The time that the effect itself takes is not known; what follows counts from its end.
    next.extend(judged(&attempt.verify, at));
    next.extend(then_comes(rule, attempt.rung));
    next
}

/// When an effect that is over at `from` is judged.
fn judged(verify: &Verify, from: Timestamp) -> Vec<Next> {
    let first = verify.settle.max(verify.healthy_for);
    let metric = if verify.query.is_some() { ", the metric holds" } else { "" };
    let fixed = format!("fixed at the earliest: well for {}{metric} and the alert gone", show(verify.healthy_for));
    let last = "the deadline: well, and nothing heard of the alert: unconfirmed; else not fixed".to_owned();
    vec![told(after(from, first), fixed), told(after(from, verify.resolved_within), last)]
}

/// What follows when that did not help.
fn then_comes(rule: Option<&Rule>, rung: usize) -> Vec<Next> {
    let step = rule.and_then(|rule| rule.steps.get(rung + 1));
    let pause = |length: Duration| if length.is_zero() { String::new() } else { format!(" after {}", show(length)) };
    let what = match step {
        None => "not fixed: people are told, the ladder ends here".to_owned(),
        Some(step) => match &step.action {
            Action::Escalate { .. } => format!("not fixed: people are told{}", pause(step.after)),
            action => format!("not fixed: step {}, {}{}", rung + 2, action.name(), pause(step.after)),
        },
    };
    vec![Next { at: None, what }]
}

/// What happens next to a remediation whose effect is under way or judged.
pub(super) fn under_way(remediation: &Remediation, rule: Option<&Rule>) -> Vec<Next> {
    match &remediation.state {
        State::Running(Running { attempt, .. }) => {
            let conclusive = after(attempt.intended_at, attempt.action.conclusive_after());
            let what = format!(
                "{} is under way; without an answer by then ({} for it, {} for the answer) the target is looked at",
                attempt.action.name(),
                show(attempt.action.takes()),
                show(CALL_MARGIN)
            );
            let mut next = vec![told(conclusive, what)];
            next.extend(then_comes(rule, attempt.rung));
            next
        }
        State::Verifying(Verifying { attempt, effect_at, well_since, .. }) => {
            let mut next = judged(&attempt.verify, *effect_at);
            if let (Some(well), Some(first)) = (well_since, next.first_mut()) {
                first.at = first.at.max(Some(after(*well, attempt.verify.healthy_for)));
            }
            next.extend(then_comes(rule, attempt.rung));
            next
        }
        _ => Vec::new(),
    }
}

fn told(at: Timestamp, what: String) -> Next {
    Next { at: Some(at), what }
}
