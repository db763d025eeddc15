//! Held or blocked: is it time, may we, and on what exactly?

use std::time::Duration;

use serde_json::json;

use super::{Ask, Blind, Decision, Event, Turn, audit_row, transition};
use crate::core::action::Action;
use crate::core::guard::ledger::LedgerAsk;
use crate::core::guard::{self, Admitted, Request, Seen};
use crate::core::remediation::outcome::{ActionResult, Outcome, Verdict};
use crate::core::remediation::record::Record;
use crate::core::remediation::refusal::{Guard, Refusal};
use crate::core::remediation::state::{Attempt, Plan, Remediation, State};
use crate::core::rule::model::{Mode, Rule, Step};
use crate::core::sight::{Found, Pin, Sight};
use crate::core::time::{Timestamp, after};

/// Looks that may fail in a row before the step counts as failed. With the pauses that is 7 s: a daemon that restarts is
/// back by then.
const BLIND_LOOKS: u32 = 4;

/// Pause after the first look that failed; doubled after each further one.
const BLIND_PAUSE: Duration = Duration::from_secs(1);

/// When a waiting guard that knows no time is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// Why people are called when there is no rung left.
const LADDER_ENDED: &str = "nothing on the ladder helped";

pub(super) fn decide(turn: Turn<'_>, event: Event) -> Decision {
    let Some(rule) = turn.facts.rule else {
        return rule_removed(turn);
    };
    let due = turn.remediation.due().is_none_or(|until| until <= turn.facts.now);
    let effect = rule.steps.get(turn.remediation.rung).is_some_and(|step| step.action.has_effect());
    match event {
        Event::Due if due => on_time(turn, rule),
        Event::Due => early(turn),
        // Asked for early or by another rung, answered on time: begin again, an escalation has no target to look at.
        Event::Found(_) if due && !effect => on_time(turn, rule),
        Event::Found(Ok(found)) if due => found_target(turn, rule, &found),
        Event::Found(Err(blind)) if due => blind_target(turn, blind),
        Event::Found(found) => pinned(turn, found),
        Event::Refused(refusal) => refuse(turn, refusal),
        Event::Looked(_) | Event::Returned(_) => turn.done(),
    }
}

fn rule_removed(mut turn: Turn<'_>) -> Decision {
    if turn.remediation.attempts == 0 {
        turn.close(Outcome::Cancelled, "the rule was removed");
        return turn.done();
    }
    turn.escalate_unless_gone("the rule was removed after its step did not help")
}

/// Woken before its time: a resolve cancels what has not begun; else the run of the container is noted, so that anybody
/// who acts before fettle does is seen.
fn early(turn: Turn<'_>) -> Decision {
    match guard::before_look(&turn.known()) {
        Some(refusal) if refusal.guard == Guard::Resolved => refuse(turn, refusal),
        _ if turn.remediation.pin.is_none() => turn.ask(Ask::Find),
        _ => turn.done(),
    }
}

fn pinned(mut turn: Turn<'_>, found: Result<Found, Blind>) -> Decision {
    if let Ok(Found::One(sight)) = found {
        turn.remediation.pin = Some(sight.pin());
        turn.tell("target noted", json!({"container": sight.id, "seen": sight.describe()}));
    }
    turn.done()
}

fn on_time(turn: Turn<'_>, rule: &Rule) -> Decision {
    let step = rule.steps.get(turn.remediation.rung);
    let Some(Step { action: Action::Restart { .. }, .. }) = step else {
        let message = match step {
            Some(Step { action: Action::Escalate { message: Some(message) }, .. }) => message.clone(),
            _ => LADDER_ENDED.to_owned(),
        };
        return turn.escalate_unless_gone(&message);
    };
    match guard::before_look(&turn.known()) {
        Some(refusal) => refuse(turn, refusal),
        None => turn.ask(Ask::Find),
    }
}

fn found_target(mut turn: Turn<'_>, rule: &Rule, found: &Found) -> Decision {
    turn.remediation.blind = 0;
    // Asked again: the alert may have gone while Docker was asked.
    if let Some(refusal) = guard::before_look(&turn.known()) {
        return refuse(turn, refusal);
    }
    let Some(step) = rule.steps.get(turn.remediation.rung) else {
        return turn.escalate_unless_gone(LADDER_ENDED);
    };
    if let Some(pin) = &turn.remediation.pin
        && let Some((what, now)) = somebody_acted(pin, found)
    {
        turn.tell("somebody else acted", json!({"before": pin, "now": now}));
        turn.close(Outcome::Superseded, what);
        return turn.done();
    }
    if let Found::One(sight) = found {
        // From now on whoever acts before fettle does is seen, whatever makes it wait.
        turn.remediation.pin = Some(sight.pin());
    }
    let (target, tried) = (turn.remediation.target.clone(), turn.remediation.tried.clone());
    let seen = Seen {
        rule,
        action: &step.action,
        target: &target,
        found,
        tried: tried.as_ref(),
        settings: turn.facts.settings,
    };
    match guard::after_look(&seen) {
        Err(refusal) => refuse(turn, refusal),
        Ok(sight) => plan(turn, rule, step, sight),
    }
}

/// What somebody else did since `pin` was noted, and what there is now.
fn somebody_acted(pin: &Pin, found: &Found) -> Option<(&'static str, Option<Pin>)> {
    match found {
        Found::Nothing => Some(("somebody else removed the container", None)),
        Found::One(sight) if pin.superseded_by(&sight.pin()) => {
            Some(("somebody else restarted or replaced the container", Some(sight.pin())))
        }
        Found::One(_) | Found::Many(_) => None,
    }
}

fn plan(mut turn: Turn<'_>, rule: &Rule, step: &Step, sight: &Sight) -> Decision {
    turn.remediation.key = Some(sight.key());
    let mode = turn.mode();
    let attempt = Attempt {
        action_id: turn.new_id(),
        rung: turn.remediation.rung,
        action: step.action.clone(),
        verify: step.verify,
        pin: sight.pin(),
        intended_at: turn.facts.now,
    };
    let ask = LedgerAsk {
        remediation: turn.remediation.id,
        rule: rule.name.clone(),
        target: turn.remediation.target.to_string(),
        key: sight.key(),
        mode,
        now: turn.facts.now,
        scopes: guard::scopes(rule, turn.facts.settings, sight),
    };
    let request = Request {
        plan: Plan { attempt, key: sight.key(), mode },
        ask,
        cooldown: rule.cooldown,
        in_flight: turn.facts.settings.in_flight,
    };
    turn.ask(Ask::Admit(Box::new(request)))
}

/// The effect is admitted: the state and the rows that must be stored, in the admission's own transaction, before the call.
#[must_use]
pub fn begin(mut remediation: Remediation, admitted: Admitted) -> (Remediation, Vec<Record>) {
    let plan = admitted.into_plan();
    let now = plan.attempt.intended_at;
    remediation.attempts += 1;
    remediation.last_action = Some(plan.attempt.action_id);
    let name = plan.attempt.action.name();
    let mut row = audit_row(&remediation, plan.attempt.action_id, name, plan.mode, now);
    row.attempt = remediation.attempts;
    row.spends = true;
    row.detail = json!({"container": plan.attempt.pin.id, "parameters": plan.attempt.action.parameters(),
        "started_at_before": plan.attempt.pin.started_at});
    if plan.mode == Mode::Observe {
        row.result = Some(ActionResult::Observed);
        row.finished_at = Some(now);
        remediation.state =
            State::Closed { outcome: Outcome::Observed, reason: format!("would {name}, mode is observe"), at: now };
        let told = transition(&remediation, now, format!("would {name}"), json!({"action_id": row.id}));
        return (remediation, vec![Record::Action(Box::new(row)), told]);
    }
    let told_detail = json!({"action_id": row.id, "container": plan.attempt.pin.id, "attempt": row.attempt});
    remediation.tried = Some(plan.attempt.pin.clone());
    // Due at once: as long as the claim lasts nobody asks, and whoever takes it over looks at once.
    remediation.state = State::Running { attempt: plan.attempt, until: now };
    let told = transition(&remediation, now, format!("{name} intended"), told_detail);
    (remediation, vec![Record::Action(Box::new(row)), told])
}

fn blind_target(mut turn: Turn<'_>, blind: Blind) -> Decision {
    turn.remediation.blind += 1;
    let detail = json!({"reason": blind.reason, "error": blind.error, "looks": turn.remediation.blind});
    if turn.remediation.blind < BLIND_LOOKS {
        let until = after(turn.facts.now, BLIND_PAUSE * (1 << (turn.remediation.blind - 1)));
        turn.remediation.state = match turn.remediation.state {
            State::Blocked { reason, .. } => State::Blocked { reason, until },
            _ => State::Held { until },
        };
        turn.tell("target could not be seen", detail);
        return turn.done();
    }
    // Nothing was sent, so nothing is spent.
    turn.remediation.blind = 0;
    turn.remediation.attempts += 1;
    let action = turn.step_action();
    let id = turn.new_id();
    let mut row = audit_row(&turn.remediation, id, action, turn.mode(), turn.facts.now);
    row.result = Some(ActionResult::Failed);
    row.reason = Some(blind.reason.to_owned());
    row.error = Some(blind.error);
    row.finished_at = Some(turn.facts.now);
    row.attempt = turn.remediation.attempts;
    row.detail = detail.clone();
    turn.records.push(Record::Action(Box::new(row)));
    turn.tell(format!("{action} failed"), detail);
    turn.verdict(id, action, Verdict::NotFixed, "the target could not be seen, nothing was sent");
    turn.next_rung("the target could not be seen")
}

/// One guard's "no": final ones close, waiting ones block, and the two that speak of the alert end the effort.
pub(super) fn refuse(mut turn: Turn<'_>, refusal: Refusal) -> Decision {
    let guard = refusal.guard;
    match guard {
        Guard::Expired => {
            turn.tell("refused by expired", refusal.detail.clone());
            turn.count(guard);
            if turn.remediation.attempts > 0 {
                // What was tried did not help, and nobody says whether the alert still fires: not a thing to end in silence.
                turn.gave_up(&refusal);
            }
            turn.close(Outcome::Expired, &refusal.why);
        }
        Guard::Resolved if turn.remediation.attempts == 0 => turn.close(Outcome::Cancelled, &refusal.why),
        Guard::Resolved => turn.cleared("the alert resolved before the next step"),
        _ if guard.is_final() => {
            turn.audit_refusal(&refusal);
            turn.close_as(Outcome::Refused, guard.as_str());
            turn.tell(format!("refused by {guard}"), refusal.detail);
        }
        _ => block(&mut turn, &refusal),
    }
    turn.done()
}

fn block(turn: &mut Turn<'_>, refusal: &Refusal) {
    let guard = refusal.guard;
    let again = after(turn.facts.now, ASK_AGAIN);
    let until = refusal.until.unwrap_or(again).max(turn.facts.now);
    let same = matches!(turn.remediation.state, State::Blocked { reason, .. } if reason == guard);
    turn.remediation.state = State::Blocked { reason: guard, until };
    if same {
        return;
    }
    turn.count(guard);
    if guard == Guard::Budget && !turn.remediation.told {
        // The limit that protects production is reached and the alert still fires.
        turn.audit_refusal(refusal);
        turn.gave_up(refusal);
    }
    turn.tell(format!("blocked by {guard}"), with_why(refusal, until));
}

fn with_why(refusal: &Refusal, until: Timestamp) -> serde_json::Value {
    json!({"why": refusal.why, "until": until, "numbers": refusal.detail})
}
