//! `stopped`: a person stopped it, or it is in no state from which a restart is meant.
//!
//! A container that ended with exit code 0 or 143 was asked to end; so was one that was stopped or killed through Docker's
//! API lately. Starting it again would undo somebody's decision.

use serde_json::json;

use super::{Basis, Seen, refusal};
use crate::action::Action;
use crate::remediation::refusal::{Guard, Refusal};
use crate::sight::{Container, Found, Sight, Status};

pub(super) fn check(seen: &Seen<'_>) -> Option<Refusal> {
    let Found::One(sight) = seen.found else { return None };
    let Sight::Container(sight) = &**sight else { return None };
    let start_stopped = match seen.action {
        Action::Restart { start_stopped, .. } => *start_stopped,
        // What does not run cannot be stopped, limited or looked into.
        _ => return not_running(sight),
    };
    // A restart of ours that was cut off in its middle leaves a stop by API behind, and nobody's decision.
    let ours = seen.tried.is_some_and(|tried| *tried == sight.pin());
    if ours && matches!(sight.status, Status::Exited | Status::Dead) {
        return None;
    }
    let why = reason(sight).filter(|_| !start_stopped || !by_person(sight))?;
    Some(refusal(
        Guard::Stopped,
        None,
        format!("{} {why}", sight.name),
        json!({"status": sight.status, "exit_code": sight.exit_code, "stopped_by_hand": sight.stopped_by_hand}),
    ))
}

pub(super) fn basis(seen: &Seen<'_>) -> Option<Basis> {
    let Found::One(sight) = seen.found else { return None };
    let Sight::Container(it) = &**sight else { return Some(Basis::new("it is no container", json!({}))) };
    let numbers = json!({"status": it.status, "exit_code": it.exit_code, "stopped_by_hand": it.stopped_by_hand});
    Some(Basis::new(format!("{} is {}", it.name, it.describe()), numbers))
}

/// Whether what stands against it is only that a person stopped it, which a step may overrule.
fn by_person(sight: &Container) -> bool {
    matches!(sight.status, Status::Exited | Status::Dead)
}

fn not_running(sight: &Container) -> Option<Refusal> {
    (sight.status != Status::Running).then(|| {
        let why = format!("{} is {}", sight.name, sight.status.as_str());
        refusal(Guard::Stopped, None, why, json!({"status": sight.status}))
    })
}

fn reason(sight: &Container) -> Option<&'static str> {
    match sight.status {
        Status::Paused => Some("is paused"),
        Status::Created => Some("was never started"),
        Status::Removing => Some("is being removed"),
        Status::Unknown => Some("is in a state this version does not know"),
        Status::Exited | Status::Dead if sight.stopped_by_hand == Some(true) => Some("was stopped by hand"),
        Status::Exited | Status::Dead if matches!(sight.exit_code, 0 | 143) && !sight.oom_killed => {
            Some("ended as asked")
        }
        Status::Exited | Status::Dead | Status::Running | Status::Restarting => None,
    }
}
