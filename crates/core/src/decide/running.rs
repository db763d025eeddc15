//! The intent is stored: did the effect happen?
//!
//! The answer of the call is believed when it is one. Anything else (no answer, a broken one, a process that died) means
//! unknown, and the target is asked: [`proving`] judges what it shows. What leaves no trace stays unknown, and after a result
//! `unknown` nothing follows but `escalate`.
//!
//! Dependents follow one after the other, each with an intent that was stored with the first one's: nothing is sent for the
//! rest once one has failed.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::proving::{self, Known};
use super::{Ask, Blind, Decision, Event, Looked, Turn, away, removing};
use crate::effect::Proof;
use crate::guard::docker_away;
use crate::remediation::loan::{Loan, LoanEnd, LoanState};
use crate::remediation::outcome::{ActionResult, Verdict};
use crate::remediation::record::{Record, ResultRow};
use crate::remediation::state::{Attempt, Running, State, Verifying};
use crate::sight::{Sight, Status, TARGET_GONE};
use crate::time::{Timestamp, after};

/// How often a target is asked whose effect has no answer.
const POLL: Duration = Duration::from_secs(2);

/// How long a target that cannot be seen is asked for after the instant from which a look would be conclusive.
pub(super) const PATIENCE: Duration = Duration::from_mins(10);

/// Why an effect on a target that is no longer there is followed no further: people are not called for a deployment.
pub(super) const GONE: &str = "the target is gone";

/// Why an effect that left no trace is followed no further.
const NO_PROOF: &str = "nobody can tell whether it happened";

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

pub(super) fn decide(mut turn: Turn<'_>, running: Running, event: Event) -> Decision {
    match event {
        // It certainly never left: made now, and from now on its outcome is open.
        Event::Due if running.unsent => {
            let (mut running, now) = (running, turn.facts.now);
            running.attempt.intended_at = now;
            turn.remediation.state = State::Running(Running { until: now, unsent: false, ..running });
            turn.ask(Ask::Perform)
        }
        // Nobody drives the call any more, or its answer was lost: look.
        Event::Due => {
            let attempt = running.attempt;
            let target = attempt.dependent.unwrap_or_else(|| turn.remediation.target.clone());
            let path_of = Some(Box::new(attempt.effect));
            turn.ask(Ask::Look { target, pin: attempt.pin, query: None, path_of })
        }
        Event::Looked(looked) => {
            away::note_sent(&mut turn);
            reconcile(turn, running, looked)
        }
        Event::Returned(call) => {
            if !matches!(call.answer, Err(CallFailure { nothing_sent: true, .. })) {
                away::note_sent(&mut turn);
            }
            returned(turn, running, call)
        }
        Event::Found(_) | Event::Peeked(_) | Event::Refused(_) => turn.done(),
    }
}

fn returned(mut turn: Turn<'_>, running: Running, call: Call) -> Decision {
    let Call { started_at, detail, answer, after: seen, short } = call;
    let (called_at, started_at) = (started_at, Some(started_at));
    let Err(CallFailure { reason, error, nothing_sent, is_answer }) = answer else {
        return succeeded(turn, running, Success { reconciled: false, started_at, seen, short, detail });
    };
    if nothing_sent {
        (turn.remediation.tried, turn.remediation.ended) = (None, None);
        let blind = Blind { reason, error: error.clone() };
        let end = End { sent: false, detail, ..End::failed(reason, Some(error)) };
        let dependent = running.attempt.dependent.is_some();
        if docker_away::keeps_calls(reason) && !(dependent && away::is_over(&turn)) {
            return away::postpone(turn, running, end, &blind);
        }
        return give_up(turn, running, end, Verdict::NotFixed, "nothing was sent");
    }
    match seen {
        Ok(Some(sight)) if has_happened(&running.attempt, &sight) => {
            let seen = Ok(Some(sight));
            succeeded(turn, running, Success { reconciled: true, started_at, seen, short: None, detail })
        }
        Ok(None) if is_answer => {
            let end = End { started_at, ..End::failed(reason, Some(error)) };
            give_up(turn, running, end, Verdict::Superseded, GONE)
        }
        Ok(Some(_)) | Err(_) if is_answer && reason == TARGET_GONE => removing::begin(turn, running, called_at, error),
        Ok(Some(sight)) if is_answer => {
            forget_try(&mut turn, &sight);
            let end = End { started_at, detail, ..End::failed(reason, Some(error.clone())) };
            give_up(turn, running, end, Verdict::NotFixed, &error)
        }
        _ => {
            look_again(&mut turn, running);
            turn.tell("outcome not known, looking", json!({"reason": reason, "error": error}));
            turn.done()
        }
    }
}

/// Whether it happened, though the daemon did not say so. A scaling that was cut off in its middle has changed something
/// that must be returned.
fn has_happened(attempt: &Attempt, sight: &Sight) -> bool {
    match attempt.effect.proof(&attempt.pin, sight) {
        Proof::Happened => true,
        Proof::Perhaps => attempt.action.scales(),
        Proof::Untouched | Proof::Traceless => false,
    }
}

fn reconcile(mut turn: Turn<'_>, mut running: Running, looked: Looked) -> Decision {
    if let Some(removal) = running.removal.clone() {
        return removing::look(turn, running, &removal, matches!(looked.target, Ok(None)));
    }
    let attempt = &running.attempt;
    let conclusive_at = after(attempt.intended_at, attempt.action.conclusive_after());
    let now = turn.facts.now;
    let sight = match looked.target {
        Ok(Some(sight)) => sight,
        Ok(None) => return give_up(turn, running, End::unknown("target_gone", None), Verdict::Superseded, GONE),
        Err(blind) if now >= after(conclusive_at, PATIENCE) => {
            let end = End::unknown(blind.reason, Some(blind.error));
            return give_up(turn, running, end, Verdict::Unknown, NO_PROOF);
        }
        Err(_) => {
            running.path_since = None;
            look_again(&mut turn, running);
            return turn.done();
        }
    };
    match proving::judge(attempt, &sight, looked.path, &mut running.path_since, now) {
        Known::Open => {
            look_again(&mut turn, running);
            turn.done()
        }
        // By this call or by another: doing it twice is the worse mistake.
        Known::Executed => {
            let (seen, detail) = (Ok(Some(sight)), json!({}));
            succeeded(turn, running, Success { reconciled: true, started_at: None, seen, short: None, detail })
        }
        Known::NotExecuted => {
            forget_try(&mut turn, &sight);
            let end = End::failed("not_executed", None);
            give_up(turn, running, end, Verdict::NotFixed, "the target is as it was")
        }
        Known::Never(reason) => give_up(turn, running, End::unknown(reason, None), Verdict::Unknown, NO_PROOF),
    }
}

/// A target that runs on as if nothing had been tried is stopped by others from now on. So is one that waits for its restart
/// policy: this effect has not stopped it.
fn forget_try(turn: &mut Turn<'_>, sight: &Sight) {
    let Some(it) = sight.container() else { return };
    if it.status == Status::Running {
        turn.remediation.tried = None;
    }
    if !matches!(it.status, Status::Exited | Status::Dead) {
        turn.remediation.ended = None;
    }
}

fn look_again(turn: &mut Turn<'_>, running: Running) {
    let conclusive_at = after(running.attempt.intended_at, running.attempt.action.conclusive_after());
    let soon = after(turn.facts.now, POLL);
    // Never past the instant that decides, never a busy loop after it.
    let until = if soon < conclusive_at || turn.facts.now >= conclusive_at { soon } else { conclusive_at };
    turn.remediation.state = State::Running(Running { until, ..running });
}

/// An effect that happened, and how that is known.
struct Success {
    /// A look proved it, not the answer of the call.
    reconciled: bool,
    /// When the request was sent, where this process sent it.
    started_at: Option<Timestamp>,
    /// The look afterwards.
    seen: Result<Option<Box<Sight>>, Blind>,
    /// See [`Call::short`].
    short: Option<String>,
    /// What the call reports, for the audit.
    detail: Value,
}

fn succeeded(mut turn: Turn<'_>, running: Running, success: Success) -> Decision {
    let Success { reconciled, started_at, seen, short, detail } = success;
    let now = turn.facts.now;
    let sight = seen.as_ref().ok().and_then(Option::as_deref);
    let mut detail = if let Value::Object(given) = detail { given } else { Map::new() };
    detail.insert("reconciled".to_owned(), json!(reconciled));
    if let Some(sight) = sight {
        detail.insert("started_at_after".to_owned(), json!(sight.pin().started_at));
        detail.insert("seen".to_owned(), json!(sight.describe()));
    }
    let end = End {
        result: ActionResult::Succeeded,
        reason: reconciled.then_some("reconciled"),
        error: None,
        sent: true,
        started_at,
        detail: detail.into(),
    };
    turn.remediation.blind = 0;
    let Running { attempt, mut queue, mut done, .. } = running;
    let is_main = attempt.dependent.is_none();
    if is_main {
        turn.remediation.pin = sight.map(Sight::pin);
    }
    done.push((*attempt).clone());
    if !queue.is_empty() {
        let mut next = queue.remove(0);
        // From here its own time counts: nothing was sent for it before.
        next.intended_at = now;
        turn.remediation.state = State::Running(Running {
            attempt: Box::new(next),
            queue,
            done,
            path_since: None,
            until: now,
            unsent: false,
            removal: None,
        });
        record_end(&mut turn, &attempt, end);
        return turn.ask(Ask::Perform);
    }
    let mut also = done;
    let main = also.remove(0);
    turn.remediation.state = State::Verifying(Verifying {
        until: after(now, main.verify.settle),
        attempt: Box::new(main),
        also,
        effect_at: now,
        first: turn.remediation.pin.clone(),
        well_since: None,
    });
    record_end(&mut turn, &attempt, end);
    let (verdict, why) = match (seen, short) {
        (Ok(None), _) if is_main => (Verdict::Superseded, GONE.to_owned()),
        (_, Some(why)) => (Verdict::NotFixed, why),
        _ => return turn.done(),
    };
    turn.verdict(attempt.action_id, attempt.action.name(), verdict, &why);
    turn.follow(verdict, &why)
}

/// How an effect ended, for its row in the audit.
pub(super) struct End {
    result: ActionResult,
    reason: Option<&'static str>,
    error: Option<String>,
    /// Whether a request may have reached the daemon: then it spends budget.
    sent: bool,
    started_at: Option<Timestamp>,
    detail: Value,
}

impl End {
    fn failed(reason: &'static str, error: Option<String>) -> Self {
        Self {
            result: ActionResult::Failed,
            reason: Some(reason),
            error,
            sent: true,
            started_at: None,
            detail: json!({}),
        }
    }

    /// Docker answered that the target is gone, or being removed.
    pub(super) fn answered(error: &str, started_at: Timestamp) -> Self {
        Self { started_at: Some(started_at), ..Self::failed(TARGET_GONE, Some(error.to_owned())) }
    }

    fn unknown(reason: &'static str, error: Option<String>) -> Self {
        Self { result: ActionResult::Unknown, ..Self::failed(reason, error) }
    }
}

/// The effect did not happen, or its outcome stays unknown: the rest of the step is dropped, and the verdict decides what
/// follows.
pub(super) fn give_up(mut turn: Turn<'_>, running: Running, end: End, verdict: Verdict, why: &str) -> Decision {
    let Running { attempt, queue, done, .. } = running;
    record_end(&mut turn, &attempt, end);
    if verdict != Verdict::Unknown {
        void_loan(&mut turn, &attempt, why);
    }
    // Nothing is sent for the dependents that did not have their turn; those that had share the verdict.
    for rest in &queue {
        record_end(&mut turn, rest, End { sent: false, ..End::failed("not_reached", None) });
        turn.shared_verdict(rest.action_id, rest.action.name(), verdict, "it was not reached");
    }
    for earlier in &done {
        turn.shared_verdict(earlier.action_id, earlier.action.name(), verdict, why);
    }
    turn.verdict(attempt.action_id, attempt.action.name(), verdict, why);
    turn.follow(verdict, why)
}

/// Closes the rows of a step of which nothing was sent. It has no verdict: nothing is known of the rule.
pub(super) fn withdraw(turn: &mut Turn<'_>, running: &Running, end: End) {
    let Running { attempt, queue, .. } = running;
    let why = end.error.clone().unwrap_or_default();
    record_end(turn, attempt, end);
    void_loan(turn, attempt, &why);
    for rest in queue {
        record_end(turn, rest, End { sent: false, ..End::failed("not_reached", None) });
    }
    turn.release_probe(attempt.action_id);
}

/// The scaling did not happen, so nothing was lent.
fn void_loan(turn: &mut Turn<'_>, attempt: &Attempt, why: &str) {
    if !attempt.action.scales() || attempt.dependent.is_some() {
        return;
    }
    let remediation = &turn.remediation;
    turn.records.push(Record::Loan(Box::new(Loan {
        id: attempt.action_id.into(),
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

fn record_end(turn: &mut Turn<'_>, attempt: &Attempt, end: End) {
    let End { result, reason, error, sent, started_at, detail } = end;
    let line = format!("{} {result}", attempt.action.name());
    let numbers = json!({"action_id": attempt.action_id, "reason": reason.unwrap_or_default(), "error": error,
        "seen": detail});
    turn.records.push(Record::Result(ResultRow {
        action_id: attempt.action_id,
        result,
        reason: reason.map(str::to_owned),
        started_at,
        finished_at: turn.facts.now,
        error,
        detail,
        spends: sent,
    }));
    turn.tell(line, numbers);
}
