//! Held, blocked or waiting for a person: is it time, and is there still a reason?

use serde_json::json;

use super::refusing::refuse;
use super::{Ask, Decision, Event, Turn, approving, planning};
use crate::action::Action;
use crate::decide::Blind;
use crate::guard;
use crate::remediation::outcome::Outcome;
use crate::remediation::refusal::Guard;
use crate::remediation::state::State;
use crate::rule::model::{Rule, Step};
use crate::sight::{Found, Wanted};

/// Why people are called when there is no rung left.
pub(super) const LADDER_ENDED: &str = "nothing on the ladder helped";

pub(super) fn decide(turn: Turn<'_>, event: Event) -> Decision {
    let Some(rule) = turn.facts.rule else {
        return rule_removed(turn);
    };
    let asked = matches!(turn.remediation.state, State::AwaitingApproval { .. });
    let answered = approving::fresh_answer(&turn).is_some();
    let due = answered || taken_back(&turn) || turn.remediation.due().is_none_or(|until| until <= turn.facts.now);
    let effect = rule.steps.get(turn.remediation.rung).is_some_and(|step| step.action.has_effect());
    match event {
        Event::Due if answered => approving::answered(turn, rule),
        Event::Due if asked => approving::unanswered(turn, due),
        Event::Due if due => on_time(turn, rule),
        Event::Due => early(turn),
        // Asked for early or by another rung, answered on time: begin again, an escalation has no target to look at.
        Event::Found(_) if due && !effect => on_time(turn, rule),
        Event::Found(Ok(found)) if due => planning::found_target(turn, rule, &found),
        Event::Found(Err(blind)) if due => planning::blind_target(turn, blind),
        Event::Found(found) => pinned(turn, found),
        Event::Peeked(answer) => approving::peeked(turn, rule, answer),
        Event::Refused(refusal) => refuse(turn, refusal),
        Event::Looked(_) | Event::Returned(_) => turn.done(),
    }
}

/// What blocks is a person's to take back before its time: whoever is woken asks again.
fn taken_back(turn: &Turn<'_>) -> bool {
    matches!(turn.remediation.state, State::Blocked { reason: Guard::Paused | Guard::Tripped, .. })
}

fn rule_removed(mut turn: Turn<'_>) -> Decision {
    if turn.remediation.attempts == 0 {
        // Not `cancelled`: nothing was tried for this episode, so a rule that comes back selects it again.
        turn.close(Outcome::Superseded, "the rule was removed");
        return turn.done();
    }
    turn.escalate_unless_gone("the rule was removed after its step did not help")
}

/// Woken before its time: a resolve cancels what has not begun; else the run of the container is noted, so that anybody
/// who acts before fettle does is seen.
pub(super) fn early(turn: Turn<'_>) -> Decision {
    match guard::before_look(&turn.known()) {
        Some(refusal) if refusal.guard == Guard::Resolved => refuse(turn, refusal),
        _ if turn.remediation.pin.is_none() => {
            let wanted = wanted(&turn);
            turn.ask(Ask::Find(wanted))
        }
        _ => turn.done(),
    }
}

fn pinned(mut turn: Turn<'_>, found: Result<Found, Blind>) -> Decision {
    if let Ok(Found::One(sight)) = found {
        turn.remediation.pin = Some(sight.pin());
        turn.tell("target noted", json!({"seen": sight.describe(), "pin": sight.pin()}));
    }
    turn.done()
}

/// What the current step must see.
pub(super) fn wanted(turn: &Turn<'_>) -> Wanted {
    let step = turn.facts.rule.and_then(|rule| rule.steps.get(turn.remediation.rung));
    step.map_or_else(Wanted::default, wanted_by)
}

/// What must be seen for a step.
#[must_use]
pub fn wanted_by(step: &Step) -> Wanted {
    Wanted {
        replicas: step.action.scales(),
        dependents: matches!(step.action, Action::Restart { dependents: Some(_), .. }),
    }
}

pub(super) fn on_time(turn: Turn<'_>, rule: &Rule) -> Decision {
    let step = rule.steps.get(turn.remediation.rung);
    if !step.is_some_and(|step| step.action.has_effect()) {
        let message = match step {
            Some(Step { action: Action::Escalate { message: Some(message) }, .. }) => message.clone(),
            _ => LADDER_ENDED.to_owned(),
        };
        return turn.escalate_unless_gone(&message);
    }
    if let Some(refusal) = guard::before_look(&turn.known()) {
        return refuse(turn, refusal);
    }
    let wanted = wanted(&turn);
    turn.ask(Ask::Find(wanted))
}
