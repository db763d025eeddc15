//! A loan is brought back when its alert has stayed away for long enough.
//!
//! Always holds: it is tried until it is as it was, or until somebody else changed it, which ends the loan and leaves theirs
//! alone. Only the guards that protect the target itself are asked: `paused`, `protected`, `held_by_label`, `in_flight`. It
//! spends no budget. Its intent is stored before the call, as for every effect.

use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use super::running::{Call, PATIENCE};
use super::{Ask, Event};
use crate::action::Action;
use crate::alert::episode::AlertState;
use crate::effect::{Effect, Proof, Replica};
use crate::guard::ledger::LedgerAsk;
use crate::guard::{self, Admitted, Request};
use crate::remediation::loan::{Loan, LoanEnd, LoanState};
use crate::remediation::outcome::ActionResult;
use crate::remediation::record::{ActionRow, EventRow, Record, ResultRow, Severity};
use crate::remediation::state::{Attempt, Plan};
use crate::rule::model::{Mode, Verify};
use crate::settings::Settings;
use crate::sight::{Found, Replicas, Sight, Status, Wanted};
use crate::surroundings::Pause;
use crate::time::{Timestamp, after, since};

/// How often it is asked again whether the alert has stayed away, or a guard says yes.
const ASK_AGAIN: Duration = Duration::from_mins(1);

/// How often a target is asked whose effect has no answer.
const POLL: Duration = Duration::from_secs(2);

/// Longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_mins(15);

/// What the shell knows when it asks about a loan.
#[derive(Debug, Clone, Copy)]
pub struct LoanFacts<'a> {
    /// The alerts of the remediation that lent.
    pub alerts: &'a [AlertState],
    /// Pauses that are not over.
    pub pauses: &'a [Pause],
    /// The service's limits.
    pub settings: &'a Settings,
    /// Now.
    pub now: Timestamp,
    /// An id that nothing carries yet.
    pub new_id: Uuid,
}

/// One decision about a loan.
#[derive(Debug, Clone, PartialEq)]
pub struct LoanDecision {
    /// The loan from now on.
    pub loan: Loan,
    /// What to write down besides, in order.
    pub records: Vec<Record>,
    /// What to ask before it can be stored.
    pub ask: Ask,
}

/// Decides about a loan.
#[must_use]
pub fn return_loan(loan: Loan, facts: &LoanFacts<'_>, event: Event) -> LoanDecision {
    let turn = Turn { loan, records: Vec::new(), facts: *facts };
    match (turn.loan.state.clone(), event) {
        (LoanState::Lent { until }, Event::Due) if until <= facts.now => on_time(turn),
        (LoanState::Lent { .. }, Event::Found(Ok(Found::One(sight)))) => seen(turn, &sight),
        (LoanState::Lent { .. }, Event::Found(Ok(Found::Nothing))) => {
            superseded(turn, "somebody else removed what was lent")
        }
        (LoanState::Lent { .. }, Event::Found(_)) => {
            let pause = turn.pause();
            turn.later(pause)
        }
        (LoanState::Lent { .. }, Event::Refused(refusal)) => {
            let until = refusal.until.unwrap_or(after(facts.now, POLL));
            turn.until(until)
        }
        (LoanState::Returning { attempt, .. }, Event::Due) => {
            let target = turn.loan.target.clone();
            turn.ask(Ask::Look { target, pin: attempt.pin, query: None, path_of: None })
        }
        (LoanState::Returning { attempt, .. }, Event::Looked(looked)) => reconcile(turn, &attempt, looked.target),
        (LoanState::Returning { attempt, .. }, Event::Returned(call)) => returned(turn, &attempt, call),
        _ => turn.ask(Ask::Nothing),
    }
}

struct Turn<'a> {
    loan: Loan,
    records: Vec<Record>,
    facts: LoanFacts<'a>,
}

impl Turn<'_> {
    fn ask(self, ask: Ask) -> LoanDecision {
        LoanDecision { loan: self.loan, records: self.records, ask }
    }

    fn until(mut self, until: Timestamp) -> LoanDecision {
        self.loan.state = LoanState::Lent { until };
        self.ask(Ask::Nothing)
    }

    fn later(self, pause: Duration) -> LoanDecision {
        let until = after(self.facts.now, pause);
        self.until(until)
    }

    /// The pause before the next try, doubled with each.
    fn pause(&self) -> Duration {
        ASK_AGAIN.saturating_mul(1 << self.loan.attempts.min(8)).min(PAUSE_MAX)
    }

    fn close(mut self, end: LoanEnd, reason: &str) -> LoanDecision {
        let now = self.facts.now;
        self.loan.state = LoanState::Closed { end, reason: reason.to_owned(), at: now };
        let severity = if end == LoanEnd::Superseded { Severity::Warning } else { Severity::Info };
        let event = match end {
            LoanEnd::Returned => "loan_returned",
            LoanEnd::Superseded => "loan_superseded",
            LoanEnd::Void => "loan_void",
        };
        let details = json!({"loan": self.loan.id, "remediation_id": self.loan.remediation, "rule": self.loan.rule,
            "target": self.loan.target, "reason": reason, "lent": self.loan.effect.describe()});
        self.records.push(Record::Event(EventRow { at: now, event, severity, details }));
        self.ask(Ask::Nothing)
    }
}

/// When an alert stopped counting as firing; `None` while it counts.
///
/// Its end may never be heard: the notification was lost, or Alertmanager was started again. Where Alertmanager can be asked,
/// only its answer ends the alert. Elsewhere evidence is good for `freshness`, as it is for a remediation: a loan that waited
/// for more would be open for ever.
fn over_at(alert: &AlertState, settings: &Settings, now: Timestamp) -> Option<Timestamp> {
    if !alert.firing {
        return alert.end_heard_at;
    }
    let stale_at = after(alert.evidence_at, settings.freshness);
    (!settings.alertmanager && stale_at < now).then_some(stale_at)
}

fn on_time(turn: Turn<'_>) -> LoanDecision {
    let (now, loan, settings) = (turn.facts.now, &turn.loan, turn.facts.settings);
    let over_at = |alert: &AlertState| over_at(alert, settings, now);
    if turn.facts.alerts.iter().any(|alert| alert.firing && over_at(alert).is_none()) {
        return turn.later(ASK_AGAIN);
    }
    let ended = turn.facts.alerts.iter().filter_map(over_at).max();
    let away_at = after(ended.map_or(loan.opened_at, |ended| ended.max(loan.opened_at)), loan.after);
    if now < away_at {
        return turn.until(away_at);
    }
    if guard::paused_by(turn.facts.pauses, &loan.rule, &loan.target, now).is_some() {
        return turn.later(ASK_AGAIN);
    }
    turn.ask(Ask::Find(Wanted { replicas: true, ..Wanted::default() }))
}

fn superseded(turn: Turn<'_>, why: &str) -> LoanDecision {
    turn.close(LoanEnd::Superseded, why)
}

/// What brings back what was lent, from how it is now.
enum Way {
    Back(Effect),
    BackAlready,
    Changed(&'static str),
}

fn way(loan: &Loan, sight: &Sight) -> Way {
    match (&loan.effect, sight) {
        (Effect::StopReplicas { replicas, .. }, Sight::Replicas(group)) => {
            replicas_back(loan, group, replicas, false, "somebody else started what was stopped")
        }
        (Effect::StartReplicas { replicas, .. }, Sight::Replicas(group)) => {
            replicas_back(loan, group, replicas, true, "somebody else stopped what was started")
        }
        (Effect::SetReplicas { from, to, .. }, Sight::Service(service)) => match service.replicas {
            Some(now) if now == *to => {
                Way::Back(Effect::SetReplicas { version: service.version, from: *to, to: *from })
            }
            Some(now) if now == *from && loan.attempts > 0 => Way::BackAlready,
            _ => Way::Changed("somebody else scaled the service"),
        },
        _ => Way::Changed("it is not the same kind of thing any more"),
    }
}

/// `lent_running`: whether what was lent runs now and is to be stopped.
fn replicas_back(loan: &Loan, group: &Replicas, lent: &[Replica], lent_running: bool, changed: &'static str) -> Way {
    let member = |it: &Replica| group.members.iter().find(|member| member.id == it.id);
    let states: Vec<_> =
        lent.iter().map(|it| member(it).map(|member| (member, member.status == Status::Running))).collect();
    let of_loan = states.iter().flatten().filter(|(_, running)| *running == lent_running);
    let mut rest: Vec<Replica> = of_loan.map(|(member, _)| Replica::of(member)).collect();
    // A try of our own that was cut off in its middle has brought some of them back.
    if rest.len() < lent.len() && loan.attempts == 0 {
        return Way::Changed(changed);
    }
    if rest.is_empty() {
        return if states.iter().all(Option::is_some) { Way::BackAlready } else { Way::Changed(changed) };
    }
    let from = u32::try_from(group.running().len()).unwrap_or(u32::MAX);
    rest.reverse();
    Way::Back(if lent_running {
        Effect::StopReplicas { replicas: rest, grace: crate::action::SCALE_GRACE, from }
    } else {
        Effect::StartReplicas { replicas: rest, from }
    })
}

fn seen(turn: Turn<'_>, sight: &Sight) -> LoanDecision {
    let effect = match way(&turn.loan, sight) {
        Way::Changed(why) => return superseded(turn, why),
        Way::BackAlready => return turn.close(LoanEnd::Returned, "it is as it was"),
        Way::Back(effect) => effect,
    };
    if guard::is_protected(sight, &turn.facts.settings.protected).is_some() || guard::is_held(sight).is_some() {
        return turn.later(ASK_AGAIN);
    }
    let (loan, now) = (&turn.loan, turn.facts.now);
    let attempt = Attempt {
        action_id: turn.facts.new_id.into(),
        rung: usize::try_from(loan.step.saturating_sub(1)).unwrap_or(0),
        action: Action::Restore,
        effect,
        dependent: None,
        verify: Verify::default(),
        pin: sight.pin(),
        intended_at: now,
    };
    let ask = LedgerAsk {
        remediation: loan.remediation,
        rule: loan.rule.clone(),
        target: loan.target.to_string(),
        key: loan.key.clone(),
        keys: loan.keys.clone(),
        mode: Mode::Act,
        now,
        unproven_since: now,
        scopes: Vec::new(),
    };
    let request = Request {
        plan: Plan { attempt, key: loan.key.clone(), ends_run: false, mode: Mode::Act, approved: None, restore: None },
        also: Vec::new(),
        ask,
        cooldown: Duration::ZERO,
        in_flight: turn.facts.settings.in_flight,
        heeds_loans: false,
        trip: None,
        proposing: None,
    };
    turn.ask(Ask::Admit(Box::new(request)))
}

/// The return is admitted: the state and the rows that must be stored, in the admission's own transaction, before the call.
#[must_use]
pub fn begin_return(mut loan: Loan, admitted: Admitted) -> (Loan, Vec<Record>) {
    let (plan, _, _) = admitted.into_parts();
    let attempt = plan.attempt;
    loan.attempts += 1;
    let row = ActionRow {
        id: attempt.action_id,
        remediation_id: loan.remediation,
        rule: loan.rule.clone(),
        action: attempt.action.name(),
        target: loan.target.to_string(),
        key: Some(loan.key.clone()),
        host: loan.target.host().to_owned(),
        mode: Mode::Act,
        result: None,
        reason: None,
        actor: "fettle".to_owned(),
        fingerprint: loan.alert.fingerprint,
        labels: loan.alert.labels.clone(),
        planned_at: attempt.intended_at,
        started_at: None,
        finished_at: None,
        attempt: loan.attempts,
        step: loan.step,
        detail: json!({"loan": loan.id, "lent": loan.effect.describe(), "effect": attempt.effect.describe()}),
        error: None,
        spends: false,
    };
    let until = attempt.intended_at;
    loan.state = LoanState::Returning { attempt: Box::new(attempt), until };
    (loan, vec![Record::Action(Box::new(row))])
}

fn returned(mut turn: Turn<'_>, attempt: &Attempt, call: Call) -> LoanDecision {
    let started_at = Some(call.started_at);
    let failure = match call.answer {
        Ok(()) => return succeeded(turn, attempt, started_at, None, &call.detail),
        Err(failure) => failure,
    };
    if failure.nothing_sent {
        return failed(turn, attempt, None, failure.reason, Some(failure.error), &call.detail);
    }
    match &call.after {
        Ok(Some(sight)) if attempt.effect.proof(&attempt.pin, sight) == Proof::Happened => {
            succeeded(turn, attempt, started_at, None, &call.detail)
        }
        Ok(_) if failure.is_answer => {
            failed(turn, attempt, started_at, failure.reason, Some(failure.error), &call.detail)
        }
        _ => {
            wait(&mut turn, attempt);
            turn.ask(Ask::Nothing)
        }
    }
}

fn reconcile(mut turn: Turn<'_>, attempt: &Attempt, look: Result<Option<Box<Sight>>, super::Blind>) -> LoanDecision {
    let conclusive_at = after(attempt.intended_at, attempt.action.conclusive_after());
    let conclusive = turn.facts.now >= conclusive_at;
    match look {
        Ok(Some(sight)) if attempt.effect.proof(&attempt.pin, &sight) == Proof::Happened => {
            succeeded(turn, attempt, None, Some("reconciled"), &json!({"reconciled": true}))
        }
        // Some of it, or nothing so far: the daemon may still hold the call. What is left is tried again, which does no harm:
        // a replica that runs is not started, and one that is stopped is not stopped.
        Ok(_) if conclusive => unknown(turn, attempt, "no_proof", None),
        Err(blind) if since(turn.facts.now, conclusive_at) >= PATIENCE => {
            unknown(turn, attempt, blind.reason, Some(blind.error))
        }
        Ok(_) | Err(_) => {
            wait(&mut turn, attempt);
            turn.ask(Ask::Nothing)
        }
    }
}

fn wait(turn: &mut Turn<'_>, attempt: &Attempt) {
    let until = after(turn.facts.now, POLL);
    turn.loan.state = LoanState::Returning { attempt: Box::new(attempt.clone()), until };
}

fn result(turn: &mut Turn<'_>, attempt: &Attempt, started_at: Option<Timestamp>, row: ResultRow) {
    turn.records.push(Record::Result(ResultRow {
        action_id: attempt.action_id,
        started_at,
        finished_at: turn.facts.now,
        spends: false,
        ..row
    }));
}

fn row(
    attempt: &Attempt,
    result: ActionResult,
    reason: Option<&str>,
    error: Option<String>,
    detail: &Value,
) -> ResultRow {
    ResultRow {
        action_id: attempt.action_id,
        result,
        reason: reason.map(str::to_owned),
        started_at: None,
        finished_at: attempt.intended_at,
        error,
        detail: detail.clone(),
        spends: false,
    }
}

fn succeeded(
    mut turn: Turn<'_>,
    attempt: &Attempt,
    started_at: Option<Timestamp>,
    reason: Option<&str>,
    detail: &Value,
) -> LoanDecision {
    result(&mut turn, attempt, started_at, row(attempt, ActionResult::Succeeded, reason, None, detail));
    turn.close(LoanEnd::Returned, "the alert has stayed away")
}

fn unknown(mut turn: Turn<'_>, attempt: &Attempt, reason: &str, error: Option<String>) -> LoanDecision {
    result(&mut turn, attempt, None, row(attempt, ActionResult::Unknown, Some(reason), error, &json!({})));
    let pause = turn.pause();
    turn.later(pause)
}

fn failed(
    mut turn: Turn<'_>,
    attempt: &Attempt,
    started_at: Option<Timestamp>,
    reason: &str,
    error: Option<String>,
    detail: &Value,
) -> LoanDecision {
    result(&mut turn, attempt, started_at, row(attempt, ActionResult::Failed, Some(reason), error, detail));
    let pause = turn.pause();
    turn.later(pause)
}
