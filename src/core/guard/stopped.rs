//! `stopped`: a person stopped it, or it is in no state from which a restart is meant.
//!
//! A container that ended with exit code 0 or 143 was asked to end; so was one that was stopped or killed through Docker's
//! API lately. Starting it again would undo somebody's decision.

use serde_json::json;

use super::{Seen, refusal};
use crate::core::action::Action;
use crate::core::remediation::refusal::{Guard, Refusal};
use crate::core::sight::{Found, Sight, Status};

pub(super) fn check(seen: &Seen<'_>) -> Option<Refusal> {
    let (Found::One(sight), Action::Restart { .. }) = (seen.found, seen.action) else { return None };
    // A restart of ours that was cut off in its middle leaves a stop by API behind, and nobody's decision.
    let ours = seen.tried.is_some_and(|tried| *tried == sight.pin());
    if ours && matches!(sight.status, Status::Exited | Status::Dead) {
        return None;
    }
    let why = reason(sight)?;
    Some(refusal(
        Guard::Stopped,
        None,
        format!("{} {why}", sight.name),
        json!({"status": sight.status, "exit_code": sight.exit_code, "stopped_by_hand": sight.stopped_by_hand}),
    ))
}

fn reason(sight: &Sight) -> Option<&'static str> {
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
