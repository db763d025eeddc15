//! Held, blocked or waiting for a person: is it time, and is there still a reason?
//!
//! Hands on to `planning` what was found, and to `approving` what a person answered; neither calls back.

use serde_json::json;

use super::ending::LADDER_ENDED;
use super::refusing::refuse;
use super::{Ask, Decision, Event, Turn, Wait, approving, planning};
use crate::action::Action;
use crate::decide::Blind;
use crate::guard;
use crate::remediation::conclusion::Came;
use crate::remediation::outcome::Outcome;
use crate::remediation::refusal::Guard;
use crate::rule::model::{Rule, Step};
use crate::sight::{Found, Wanted};
use crate::surroundings::AnswerKind;

pub(super) fn decide(turn: Turn<'_>, wait: &Wait, event: Event) -> Decision {
    let Some(rule) = turn.facts.rule else {
        return rule_removed(turn);
    };
    let cancelled = approving::cancellation(&turn);
    let answer = wait.asked().and_then(|asked| approving::answer_to(&turn, asked).map(|answer| (asked, answer)));
    let due = cancelled.is_some()
        || answer.is_some()
        || wait.may_end_early()
        || turn.remediation.due().is_none_or(|until| until <= turn.facts.now);
    let effect = rule.steps.get(turn.remediation.rung).is_some_and(|step| step.action.has_effect());
    match event {
        Event::Due => match (cancelled, answer, wait) {
            (Some(answer), ..) => approving::cancelled(turn, answer),
            (None, Some((asked, answer)), _) if answer.kind == AnswerKind::Reject => {
                approving::rejected(turn, asked, answer)
            }
            // Agreed: all guards are asked once more; the intent uses the answer up.
            (None, Some(_), _) => on_time(turn, rule),
            (None, None, Wait::Person(asked)) if due => approving::unanswered(turn, asked),
            (None, None, _) if due => on_time(turn, rule),
            (None, None, _) => early(turn),
        },
        // Asked for early or by another rung, answered on time: begin again, an escalation has no target to look at.
        Event::Found(_) if due && !effect => on_time(turn, rule),
        Event::Found(Ok(found)) if due => planning::found_target(turn, rule, wait.asked(), &found),
        Event::Found(Err(blind)) if due => planning::blind_target(turn, wait, blind),
        Event::Found(found) => note_target(turn, found),
        Event::Peeked(answer) => approving::peeked(turn, rule, answer),
        Event::Refused(refusal) => refuse(turn, &refusal),
        Event::Looked(_) | Event::Returned(_) => turn.done(),
    }
}

fn rule_removed(mut turn: Turn<'_>) -> Decision {
    if turn.remediation.attempts == 0 {
        // Not `cancelled`: nothing was tried for this episode, so a rule that comes back selects it again.
        turn.close(Outcome::Superseded, "the rule was removed");
        turn.leave(Came::Superseded);
        return turn.done();
    }
    turn.escalate_unless_gone("the rule was removed after its step did not help")
}

/// Woken before its time: a resolve cancels what has not begun; else the run of the container is recorded, so that an action
/// of a person before fettle acts is seen.
fn early(turn: Turn<'_>) -> Decision {
    match guard::before_look(&turn.known()) {
        Some(refusal) if refusal.guard == Guard::Resolved => refuse(turn, &refusal),
        _ if turn.remediation.pin.is_none() => {
            let wanted = wanted(&turn);
            turn.ask(Ask::Find(wanted))
        }
        _ => turn.done(),
    }
}

/// Records the run of the container that was found.
fn note_target(mut turn: Turn<'_>, found: Result<Found, Blind>) -> Decision {
    if let Ok(Found::One(sight)) = found {
        turn.remediation.pin = Some(sight.pin());
        turn.tell("target noted", json!({"seen": sight.describe(), "pin": sight.pin()}));
    }
    turn.done()
}

/// What the current step must see.
fn wanted(turn: &Turn<'_>) -> Wanted {
    let Some(rule) = turn.facts.rule else { return Wanted::default() };
    let step = rule.steps.get(turn.remediation.rung);
    step.map_or_else(Wanted::default, |step| wanted_by(rule, step))
}

/// What must be seen for a step of a rule.
#[must_use]
pub fn wanted_by(rule: &Rule, step: &Step) -> Wanted {
    let takes_away = matches!(step.action, Action::Restart { .. } | Action::Stop { .. });
    Wanted {
        siblings: takes_away && rule.target.min_healthy > 0,
        replicas: step.action.scales(),
        dependents: matches!(step.action, Action::Restart { dependents: Some(_), .. }),
    }
}

fn on_time(turn: Turn<'_>, rule: &Rule) -> Decision {
    let step = rule.steps.get(turn.remediation.rung);
    if !step.is_some_and(|step| step.action.has_effect()) {
        let message = match step {
            Some(Step { action: Action::Escalate { message: Some(message) }, .. }) => message.clone(),
            _ => LADDER_ENDED.to_owned(),
        };
        return turn.escalate_unless_gone(&message);
    }
    if let Some(refusal) = guard::before_look(&turn.known()) {
        return refuse(turn, &refusal);
    }
    let wanted = wanted(&turn);
    turn.ask(Ask::Find(wanted))
}
