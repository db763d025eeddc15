//! The intent is stored: did the effect happen?
//!
//! The answer of the call is believed when it is one. Anything else (no answer, a broken one, a process that died) means
//! unknown, and the container is asked: another `StartedAt` proves that it was restarted; the same one proves the contrary
//! only once the daemon cannot still be at it (intent + grace + 30 s). Until then a start by Docker's own policy proves
//! neither: a crashing container starts by itself while the daemon is still at our call, and to take that for ours would
//! make ours look like somebody else's.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Ask, Blind, Decision, Event, Turn};
use crate::core::remediation::outcome::{ActionResult, Verdict};
use crate::core::remediation::record::{Record, ResultRow};
use crate::core::remediation::state::{Attempt, State};
use crate::core::sight::{Sight, Status};
use crate::core::time::{Timestamp, after};

/// How often a container is asked whose restart has no answer.
const POLL: Duration = Duration::from_secs(2);

/// How long a target that cannot be seen is asked for after the instant from which a look would be conclusive.
const PATIENCE: Duration = Duration::from_mins(10);

/// The end of a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// When the request was sent.
    pub started_at: Timestamp,
    /// What came back.
    pub answer: Result<(), CallFailure>,
    /// A look right afterwards.
    pub after: Result<Option<Box<Sight>>, Blind>,
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
        Event::Due => turn.ask(Ask::Look { id: attempt.pin.id }),
        Event::Looked(look) => reconcile(turn, &attempt, &look),
        Event::Returned(call) => returned(turn, &attempt, call),
        Event::Found(_) | Event::Refused(_) => turn.done(),
    }
}

fn returned(mut turn: Turn<'_>, attempt: &Attempt, call: Call) -> Decision {
    let started_at = Some(call.started_at);
    let Err(failure) = call.answer else {
        return succeeded(turn, attempt, started_at, call.after.as_ref().ok(), false);
    };
    if failure.nothing_sent {
        turn.remediation.tried = None;
        let result =
            Ended { result: ActionResult::Failed, reason: failure.reason, error: Some(failure.error), sent: false };
        return failed(turn, attempt, None, &result, "nothing was sent");
    }
    match &call.after {
        Ok(Some(sight)) if attempt.pin.superseded_by(&sight.pin()) => {
            succeeded(turn, attempt, started_at, call.after.as_ref().ok(), true)
        }
        Ok(None) if failure.is_answer => {
            let result =
                Ended { result: ActionResult::Failed, reason: failure.reason, error: Some(failure.error), sent: true };
            gone(turn, attempt, started_at, &result)
        }
        Ok(Some(sight)) if failure.is_answer => {
            untouched(&mut turn, sight);
            let why = format!("docker refused: {}", failure.error);
            let result =
                Ended { result: ActionResult::Failed, reason: failure.reason, error: Some(failure.error), sent: true };
            failed(turn, attempt, started_at, &result, &why)
        }
        _ => {
            wait(&mut turn, attempt);
            turn.tell("outcome not known, looking", json!({"reason": failure.reason, "error": failure.error}));
            turn.done()
        }
    }
}

fn reconcile(mut turn: Turn<'_>, attempt: &Attempt, look: &Result<Option<Box<Sight>>, Blind>) -> Decision {
    let conclusive_at = after(attempt.intended_at, attempt.action.conclusive_after());
    let now = turn.facts.now;
    match look {
        Ok(Some(sight)) if restarted(attempt, sight, now >= conclusive_at) => {
            succeeded(turn, attempt, None, look.as_ref().ok(), true)
        }
        Ok(Some(sight)) if now >= conclusive_at => {
            untouched(&mut turn, sight);
            let result = Ended { result: ActionResult::Failed, reason: "not_executed", error: None, sent: true };
            failed(turn, attempt, None, &result, "the container was not restarted")
        }
        Ok(None) => {
            let result = Ended { result: ActionResult::Unknown, reason: "container_gone", error: None, sent: true };
            gone(turn, attempt, None, &result)
        }
        Err(blind) if now >= after(conclusive_at, PATIENCE) => {
            let result = Ended {
                result: ActionResult::Unknown,
                reason: blind.reason,
                error: Some(blind.error.clone()),
                sent: true,
            };
            ended(&mut turn, attempt, None, &result, &json!({}));
            let why = "nobody can tell whether it happened";
            turn.verdict(attempt.action_id, attempt.action.name(), Verdict::Unknown, why);
            turn.follow(Verdict::Unknown, why)
        }
        Ok(Some(_)) | Err(_) => {
            wait(&mut turn, attempt);
            turn.done()
        }
    }
}

/// Another `StartedAt` than the one decided about: it was started again. By this call or not, does not matter once it is
/// conclusive: doing it twice is the worse mistake.
fn restarted(attempt: &Attempt, sight: &Sight, conclusive: bool) -> bool {
    attempt.pin.superseded_by(&sight.pin()) || (conclusive && sight.started_at != attempt.pin.started_at)
}

/// It runs on as if nothing had been tried: whoever stops it from now on is not us.
fn untouched(turn: &mut Turn<'_>, sight: &Sight) {
    if sight.status == Status::Running {
        turn.remediation.tried = None;
    }
}

fn wait(turn: &mut Turn<'_>, attempt: &Attempt) {
    let conclusive_at = after(attempt.intended_at, attempt.action.conclusive_after());
    let soon = after(turn.facts.now, POLL);
    // Never past the instant that decides, never a busy loop after it.
    let until = if soon < conclusive_at || turn.facts.now >= conclusive_at { soon } else { conclusive_at };
    turn.remediation.state = State::Running { attempt: attempt.clone(), until };
}

fn succeeded(
    mut turn: Turn<'_>,
    attempt: &Attempt,
    started_at: Option<Timestamp>,
    seen: Option<&Option<Box<Sight>>>,
    reconciled: bool,
) -> Decision {
    let now = turn.facts.now;
    let sight = seen.and_then(Option::as_deref);
    let detail = match sight {
        Some(sight) => {
            json!({"started_at_after": sight.started_at, "seen": sight.describe(), "reconciled": reconciled})
        }
        None => json!({"reconciled": reconciled}),
    };
    let reason = if reconciled { "reconciled" } else { "" };
    let result = Ended { result: ActionResult::Succeeded, reason, error: None, sent: true };
    turn.remediation.pin = sight.map(Sight::pin);
    turn.remediation.blind = 0;
    turn.remediation.state = State::Verifying {
        attempt: attempt.clone(),
        effect_at: now,
        well_since: None,
        until: after(now, attempt.verify.settle),
    };
    ended(&mut turn, attempt, started_at, &result, &detail);
    if seen.is_some_and(Option::is_none) {
        turn.verdict(attempt.action_id, attempt.action.name(), Verdict::Superseded, "the container is gone");
        return turn.follow(Verdict::Superseded, "the container is gone");
    }
    turn.done()
}

struct Ended {
    result: ActionResult,
    reason: &'static str,
    error: Option<String>,
    sent: bool,
}

fn failed(mut turn: Turn<'_>, attempt: &Attempt, started_at: Option<Timestamp>, result: &Ended, why: &str) -> Decision {
    ended(&mut turn, attempt, started_at, result, &json!({}));
    turn.verdict(attempt.action_id, attempt.action.name(), Verdict::NotFixed, why);
    turn.follow(Verdict::NotFixed, why)
}

/// Whoever removed the container acted; people are not called for a deployment.
fn gone(mut turn: Turn<'_>, attempt: &Attempt, started_at: Option<Timestamp>, result: &Ended) -> Decision {
    ended(&mut turn, attempt, started_at, result, &json!({}));
    turn.verdict(attempt.action_id, attempt.action.name(), Verdict::Superseded, "the container is gone");
    turn.follow(Verdict::Superseded, "the container is gone")
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
