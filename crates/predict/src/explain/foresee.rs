//! What comes next, and when: the engine decides on these facts as if it were due ([`decided`]), and this says in words what
//! the state means that it comes to.
//!
//! Always holds: nothing of it is stored. Where a question of the engine cannot be answered, because nobody looked or nothing
//! is stored, the foresight ends there and says so.

use std::time::Duration;

use super::Next;
use super::dry::{Known, decided};
use super::sources::Sources;
use fettle_core::action::{Action, CALL_MARGIN};
use fettle_core::duration::show;
use fettle_core::remediation::outcome::Outcome;
use fettle_core::remediation::state::{Attempt, Awaiting, Remediation, Running, State, Verifying};
use fettle_core::rule::model::{Rule, Verify};
use fettle_core::time::{Timestamp, after, since};

/// What happens next to a remediation that waits.
pub(super) async fn next(sources: &Sources, remediation: &Remediation, rule: Option<&Rule>, known: Known) -> Vec<Next> {
    let now = sources.now;
    let due = remediation.due().unwrap_or(now).max(now);
    let mut next = Vec::new();
    if let (State::Held { .. }, true) = (&remediation.state, due > now) {
        let why = if remediation.attempts == 0 { "the hold ends" } else { "the pause before this step ends" };
        next.push(told(due, format!("{why}; the guards are asked again, and if they then say the same:")));
    }
    let mut as_if_due = remediation.clone();
    if let State::Held { until } | State::Blocked { until, .. } = &mut as_if_due.state {
        *until = now;
    }
    match decided(sources, as_if_due, known).await {
        Err(unknown) => next.push(Next { at: None, what: unknown.to_owned() }),
        Ok(then) => next.extend(follows(&then, rule, now, due)),
    }
    next
}

/// What the state that was foreseen means. It was foreseen for now; `from` is when it comes to that.
fn follows(then: &Remediation, rule: Option<&Rule>, now: Timestamp, from: Timestamp) -> Vec<Next> {
    let later = |at: Timestamp| after(at, since(from, now));
    match &then.state {
        State::Held { until } => {
            vec![told(later(*until), "the target cannot be seen; it is looked at again".to_owned())]
        }
        State::Blocked { reason, until } => {
            vec![told(later(*until), format!("blocked by {reason} until then; the guards are asked again"))]
        }
        State::AwaitingApproval(Awaiting { look_at: Some(at), .. }) => {
            vec![told(later(*at), "a person agreed and the target could not be seen; it is looked at again".to_owned())]
        }
        State::AwaitingApproval(Awaiting { proposal, until, .. }) => vec![
            told(from, format!("a person is asked: {} ({})", proposal.action.name(), proposal.why)),
            told(later(*until), "nobody answered: closed expired, and people are told".to_owned()),
        ],
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
