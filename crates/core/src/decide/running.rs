//! The intent is stored: did the effect happen?
//!
//! The answer of the call is believed when it is one. Anything else (no answer, a broken one, a process that died) means
//! unknown, and the target is asked: what it shows proves that the effect happened, or the contrary, the latter only once
//! the daemon cannot still be at it (intent + time + 30 s). Until then a start by Docker's own policy proves neither: a
//! crashing container starts by itself while the daemon is still at our call, and to take that for ours would make ours look
//! like somebody else's. What leaves no trace stays unknown.
//!
//! Dependents follow one after the other, each with an intent that was stored with the first one's: nothing is sent for the
//! rest once one has failed.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Ask, Blind, Decision, Event, Turn};
use crate::effect::Proof;
use crate::remediation::loan::{Loan, LoanEnd, LoanState};
use crate::remediation::outcome::{ActionResult, Verdict};
use crate::remediation::record::{Record, ResultRow};
use crate::remediation::state::{Attempt, State};
use crate::sight::{Sight, Status};
use crate::time::{Timestamp, after};

/// How often a target is asked whose effect has no answer.
const POLL: Duration = Duration::from_secs(2);

/// How long a target that cannot be seen is asked for after the instant from which a look would be conclusive.
pub(super) const PATIENCE: Duration = Duration::from_mins(10);

/// The end of a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// When the request was sent.
    pub started_at: Timestamp,
    /// What was touched and what it gave, and the evidence that was kept before; for the audit.
    pub detail: Value,
    /// What came back.
    pub answer: Result<(), CallFailure>,
    /// A look right afterwards.
    pub after: Result<Option<Box<Sight>>, Blind>,
    /// It was done, and is known already not to be enough: why, with the numbers. Known where only the call itself can see
    /// it, as the free space inside of a container.
    pub short: Option<String>,
}

/// A call that did not answer "done".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallFailure {
    /// A bounded label.
    pub reason: &'static str,
    /// For people.
    pub error: String,
    /// Certain: nothing was ever sent.
    pub nothing_sent: bool,
    /// The daemon answered, so it is not still at it.
    pub is_answer: bool,
}

pub(super) fn decide(turn: Turn<'_>, event: Event) -> Decision {
    let State::Running { attempt, .. } = &turn.remediation.state else { return turn.done() };
    let attempt = attempt.clone();
    match event {
        // Nobody drives the call any more, or its answer was lost: look.
        Event::Due => {
            let target = attempt.dependent.clone().unwrap_or_else(|| turn.remediation.target.clone());
            turn.ask(Ask::Look { target, pin: attempt.pin, query: None })
        }
        Event::Looked(looked) => reconcile(turn, &attempt, &looked.target),
        Event::Returned(call) => returned(turn, &attempt, call),
        Event::Found(_) | Event::Peeked(_) | Event::Refused(_) => turn.done(),
    }
}

fn returned(mut turn: Turn<'_>, attempt: &Attempt, call: Call) -> Decision {
    let started_at = Some(call.started_at);
    let Err(failure) = call.answer else {
        let seen = call.after.as_ref().ok();
        return succeeded(turn, attempt, started_at, seen, call.short.as_deref(), false, &call.detail);
    };
    if failure.nothing_sent {
        turn.remediation.tried = None;
        let end = Ended::failed(failure.reason, Some(failure.error), false);
        return failed(turn, attempt, None, &end, "nothing was sent", &call.detail);
    }
    match &call.after {
        Ok(Some(sight)) if done(attempt, sight) => {
            succeeded(turn, attempt, started_at, call.after.as_ref().ok(), None, true, &call.detail)
        }
        Ok(None) if failure.is_answer => {
            let end = Ended::failed(failure.reason, Some(failure.error), true);
            gone(turn, attempt, started_at, &end)
        }
        Ok(Some(sight)) if failure.is_answer => {
            untouched(&mut turn, sight);
            let why = failure.error.clone();
            let end = Ended::failed(failure.reason, Some(failure.error), true);
            failed(turn, attempt, started_at, &end, &why, &call.detail)
        }
        _ => {
            wait(&mut turn, attempt);
            turn.tell("outcome not known, looking", json!({"reason": failure.reason, "error": failure.error}));
            turn.done()
        }
    }
}

/// Whether it happened, though the daemon did not say so. A scaling that was cut off in its middle has changed something
/// that must be returned.
fn done(attempt: &Attempt, sight: &Sight) -> bool {
    match attempt.effect.proof(&attempt.pin, sight) {
        Proof::Happened => true,
        Proof::Perhaps => attempt.action.scales(),
        Proof::Untouched | Proof::Traceless => false,
    }
}

fn reconcile(mut turn: Turn<'_>, attempt: &Attempt, look: &Result<Option<Box<Sight>>, Blind>) -> Decision {
    let conclusive_at = after(attempt.intended_at, attempt.action.conclusive_after());
    let now = turn.facts.now;
    let sight = match look {
        Ok(Some(sight)) => sight,
        Ok(None) => return gone(turn, attempt, None, &Ended::unknown("target_gone", None)),
        Err(blind) if now >= after(conclusive_at, PATIENCE) => {
            let end = Ended::unknown(blind.reason, Some(blind.error.clone()));
            return unknown(turn, attempt, &end);
        }
        Err(_) => {
            wait(&mut turn, attempt);
            return turn.done();
        }
    };
    match attempt.effect.proof(&attempt.pin, sight) {
        Proof::Happened => succeeded(turn, attempt, None, look.as_ref().ok(), None, true, &json!({})),
        _ if now < conclusive_at => {
            wait(&mut turn, attempt);
            turn.done()
        }
        // By this call or not, does not matter once it is conclusive: doing it twice is the worse mistake.
        Proof::Perhaps => succeeded(turn, attempt, None, look.as_ref().ok(), None, true, &json!({})),
        Proof::Untouched => {
            untouched(&mut turn, sight);
            let end = Ended::failed("not_executed", None, true);
            failed(turn, attempt, None, &end, "the target is as it was", &json!({}))
        }
        Proof::Traceless => unknown(turn, attempt, &Ended::unknown("no_trace", None)),
    }
}

/// It runs on as if nothing had been tried: whoever stops it from now on is not us.
fn untouched(turn: &mut Turn<'_>, sight: &Sight) {
    if sight.container().is_some_and(|it| it.status == Status::Running) {
        turn.remediation.tried = None;
    }
}

fn wait(turn: &mut Turn<'_>, attempt: &Attempt) {
    let conclusive_at = after(attempt.intended_at, attempt.action.conclusive_after());
    let soon = after(turn.facts.now, POLL);
    // Never past the instant that decides, never a busy loop after it.
    let next = if soon < conclusive_at || turn.facts.now >= conclusive_at { soon } else { conclusive_at };
    if let State::Running { until, .. } = &mut turn.remediation.state {
        *until = next;
    }
}

fn succeeded(
    mut turn: Turn<'_>,
    attempt: &Attempt,
    started_at: Option<Timestamp>,
    seen: Option<&Option<Box<Sight>>>,
    short: Option<&str>,
    reconciled: bool,
    given: &Value,
) -> Decision {
    let now = turn.facts.now;
    let sight = seen.and_then(Option::as_deref);
    let mut detail = given.as_object().cloned().unwrap_or_default();
    detail.insert("reconciled".to_owned(), json!(reconciled));
    if let Some(sight) = sight {
        detail.insert("started_at_after".to_owned(), json!(sight.pin().started_at));
        detail.insert("seen".to_owned(), json!(sight.describe()));
    }
    let reason = if reconciled { "reconciled" } else { "" };
    let end = Ended { result: ActionResult::Succeeded, reason, error: None, sent: true };
    turn.remediation.blind = 0;
    let State::Running { mut queue, mut done, .. } = turn.remediation.state.clone() else { return turn.done() };
    if attempt.dependent.is_none() {
        turn.remediation.pin = sight.map(Sight::pin);
    }
    done.push(attempt.clone());
    if queue.is_empty() {
        let mut also = done;
        let main = also.remove(0);
        turn.remediation.state = State::Verifying {
            until: after(now, main.verify.settle),
            attempt: Box::new(main),
            also,
            effect_at: now,
            well_since: None,
        };
        ended(&mut turn, attempt, started_at, &end, &Value::Object(detail));
        if seen.is_some_and(Option::is_none) && attempt.dependent.is_none() {
            turn.verdict(attempt.action_id, attempt.action.name(), Verdict::Superseded, "the target is gone");
            return turn.follow(Verdict::Superseded, "the target is gone");
        }
        if let Some(why) = short {
            turn.verdict(attempt.action_id, attempt.action.name(), Verdict::NotFixed, why);
            return turn.follow(Verdict::NotFixed, why);
        }
        return turn.done();
    }
    let mut next = queue.remove(0);
    // From here its own time counts: nothing was sent for it before.
    next.intended_at = now;
    turn.remediation.state = State::Running { attempt: Box::new(next), queue, done, until: now };
    ended(&mut turn, attempt, started_at, &end, &Value::Object(detail));
    turn.ask(Ask::Perform)
}

struct Ended {
    result: ActionResult,
    reason: &'static str,
    error: Option<String>,
    sent: bool,
}

impl Ended {
    fn failed(reason: &'static str, error: Option<String>, sent: bool) -> Self {
        Self { result: ActionResult::Failed, reason, error, sent }
    }

    fn unknown(reason: &'static str, error: Option<String>) -> Self {
        Self { result: ActionResult::Unknown, reason, error, sent: true }
    }
}

fn failed(
    mut turn: Turn<'_>,
    attempt: &Attempt,
    started_at: Option<Timestamp>,
    end: &Ended,
    why: &str,
    given: &Value,
) -> Decision {
    ended(&mut turn, attempt, started_at, end, given);
    void(&mut turn, attempt, why);
    drop_rest(&mut turn, Verdict::NotFixed, why);
    turn.verdict(attempt.action_id, attempt.action.name(), Verdict::NotFixed, why);
    turn.follow(Verdict::NotFixed, why)
}

/// Whoever removed the target acted; people are not called for a deployment.
fn gone(mut turn: Turn<'_>, attempt: &Attempt, started_at: Option<Timestamp>, end: &Ended) -> Decision {
    ended(&mut turn, attempt, started_at, end, &json!({}));
    void(&mut turn, attempt, "the target is gone");
    drop_rest(&mut turn, Verdict::Superseded, "the target is gone");
    turn.verdict(attempt.action_id, attempt.action.name(), Verdict::Superseded, "the target is gone");
    turn.follow(Verdict::Superseded, "the target is gone")
}

fn unknown(mut turn: Turn<'_>, attempt: &Attempt, end: &Ended) -> Decision {
    let why = "nobody can tell whether it happened";
    ended(&mut turn, attempt, None, end, &json!({}));
    drop_rest(&mut turn, Verdict::Unknown, why);
    turn.verdict(attempt.action_id, attempt.action.name(), Verdict::Unknown, why);
    turn.follow(Verdict::Unknown, why)
}

/// Nothing is sent for the dependents that did not have their turn; those that had share the verdict.
fn drop_rest(turn: &mut Turn<'_>, verdict: Verdict, why: &str) {
    let State::Running { queue, done, .. } = turn.remediation.state.clone() else { return };
    for attempt in &queue {
        ended(turn, attempt, None, &Ended::failed("not_reached", None, false), &json!({}));
        turn.shared_verdict(attempt.action_id, attempt.action.name(), verdict, "it was not reached");
    }
    for attempt in &done {
        turn.shared_verdict(attempt.action_id, attempt.action.name(), verdict, why);
    }
}

/// The scaling did not happen, so nothing was lent.
fn void(turn: &mut Turn<'_>, attempt: &Attempt, why: &str) {
    if !attempt.action.scales() || attempt.dependent.is_some() {
        return;
    }
    let remediation = &turn.remediation;
    turn.records.push(Record::Loan(Box::new(Loan {
        id: attempt.action_id,
        remediation: remediation.id,
        rule: remediation.rule.clone(),
        target: remediation.target.clone(),
        key: remediation.key.clone().unwrap_or_default(),
        keys: remediation.key.iter().cloned().collect(),
        alert: remediation.alert.clone(),
        step: u32::try_from(attempt.rung + 1).unwrap_or(u32::MAX),
        effect: attempt.effect.clone(),
        after: Duration::ZERO,
        opened_at: attempt.intended_at,
        attempts: 0,
        blind: 0,
        state: LoanState::Closed { end: LoanEnd::Void, reason: why.to_owned(), at: turn.facts.now },
    })));
}

fn ended(turn: &mut Turn<'_>, attempt: &Attempt, started_at: Option<Timestamp>, end: &Ended, detail: &Value) {
    let name = attempt.action.name();
    turn.records.push(Record::Result(ResultRow {
        action_id: attempt.action_id,
        result: end.result,
        reason: (!end.reason.is_empty()).then(|| end.reason.to_owned()),
        started_at,
        finished_at: turn.facts.now,
        error: end.error.clone(),
        detail: detail.clone(),
        spends: end.sent,
    }));
    let told = json!({"action_id": attempt.action_id, "reason": end.reason, "error": end.error, "seen": detail});
    turn.tell(format!("{name} {}", end.result), told);
}
