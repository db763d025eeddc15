//! What comes next, and when: the state machine itself, asked on these facts as if it were due.
//!
//! Always holds: pure, and nothing of what it returns is stored. Where a question of the machine cannot be answered, because
//! nobody looked or nothing is stored, the foresight ends there and says so.

use std::time::Duration;

use super::Next;
use fettle_core::action::{Action, CALL_MARGIN};
use fettle_core::decide::{Ask, Blind, Decision, Event, Facts, begin, decide};
use fettle_core::duration::show;
use fettle_core::guard::admit;
use fettle_core::guard::ledger::Ledger;
use fettle_core::remediation::outcome::Outcome;
use fettle_core::remediation::state::{Attempt, Remediation, State};
use fettle_core::rule::model::{Rule, Verify};
use fettle_core::sight::Found;
use fettle_core::time::{Timestamp, after, since};

/// The answers that are at hand.
pub(super) struct Known<'a> {
    /// What a look at the target showed.
    pub(super) looked: Option<&'a Result<Found, Blind>>,
    /// The ledgers of what would be done.
    pub(super) ledgers: Option<&'a [Ledger]>,
}

/// What happens next to a remediation that waits.
pub(super) fn next(remediation: &Remediation, facts: &Facts<'_>, known: &Known<'_>) -> Vec<Next> {
    let now = facts.now;
    let due = remediation.due().unwrap_or(now).max(now);
    let mut next = Vec::new();
    if let (State::Held { .. }, true) = (&remediation.state, due > now) {
        let why = if remediation.attempts == 0 { "the hold ends" } else { "the pause before this step ends" };
        next.push(told(due, format!("{why}; the guards are asked again, and if they then say the same:")));
    }
    match asked(remediation, facts, known) {
        Err(unknown) => next.push(Next { at: None, what: unknown.to_owned() }),
        Ok(then) => next.extend(follows(&then, facts, due)),
    }
    next
}

/// The remediation as a decision leaves it that is made now, or what is not known.
fn asked(remediation: &Remediation, facts: &Facts<'_>, known: &Known<'_>) -> Result<Remediation, &'static str> {
    let mut then = remediation.clone();
    if let State::Held { until } | State::Blocked { until, .. } = &mut then.state {
        *until = facts.now;
    }
    let mut event = Event::Due;
    loop {
        let Decision { remediation, ask, .. } = decide(then, facts, event);
        then = remediation;
        event = match ask {
            Ask::Find(_) => {
                Event::Found(known.looked.ok_or("what comes of it is not known: Docker was not asked")?.clone())
            }
            Ask::Peek(request) => {
                let ledgers = known.ledgers.ok_or(UNCOUNTED)?;
                Event::Peeked(admit(&request, ledgers).map(|_| request))
            }
            Ask::Admit(request) => match admit(&request, known.ledgers.ok_or(UNCOUNTED)?) {
                Err(refusal) => Event::Refused(refusal),
                Ok(admitted) => return Ok(begin(then, admitted, facts.rule, facts.settings).0),
            },
            Ask::Nothing | Ask::Look { .. } | Ask::Perform => return Ok(then),
        };
    }
}

const UNCOUNTED: &str = "if cooldown, exclusion and budgets let it, it is done at once; the database was not asked";

/// What the state that was foreseen means. It was foreseen for now; `from` is when it comes to that.
fn follows(then: &Remediation, facts: &Facts<'_>, from: Timestamp) -> Vec<Next> {
    let later = |at: Timestamp| after(at, since(from, facts.now));
    match &then.state {
        State::Held { until } => {
            vec![told(later(*until), "the target cannot be seen; it is looked at again".to_owned())]
        }
        State::Blocked { reason, until } => {
            vec![told(later(*until), format!("blocked by {reason} until then; the guards are asked again"))]
        }
        State::AwaitingApproval { look_at: Some(at), .. } => {
            vec![told(later(*at), "a person agreed and the target could not be seen; it is looked at again".to_owned())]
        }
        State::AwaitingApproval { proposal, until, .. } => vec![
            told(from, format!("a person is asked: {} ({})", proposal.action.name(), proposal.why)),
            told(later(*until), "nobody answered: closed expired, and people are told".to_owned()),
        ],
        State::Running { attempt, queue, .. } => begun(attempt, queue.len(), facts.rule, from),
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
        State::Running { attempt, .. } => {
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
        State::Verifying { attempt, effect_at, well_since, .. } => {
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
