//! `stopped`: a person stopped it, or it is in no state from which a restart is meant.
//!
//! A container that ended with exit code 0 or 143 was asked to end; so was one that was stopped or killed through Docker's
//! API. Where Docker has forgotten the events of the end, or denies them, exit code 137 without `OOMKilled` counts as a stop as
//! well, because that is how `docker stop` ends a program that ignores SIGTERM; other codes count as a crash. Both are
//! assumptions, and the numbers of the refusal mark them as such. Starting a container that a person stopped would undo a
//! person's decision.

use serde_json::json;

use super::facts::Aim;
use super::ruling::{Basis, Ruling};
use crate::action::Action;
use crate::sight::{Container, Sight, Status};

pub(super) fn ask<'a>(aim: &'a Aim<'_>, sight: &'a Sight) -> Ruling<'a> {
    let Sight::Container(it) = sight else {
        return Ruling::passes(|| Basis::new("it is no container", json!({})));
    };
    let numbers = || {
        let assumed = it.stopped_by_hand.is_none() && matches!(it.status, Status::Exited | Status::Dead);
        json!({"status": it.status, "exit_code": it.exit_code, "stopped_by_hand": it.stopped_by_hand, "assumed": assumed})
    };
    match aim.action {
        Action::Restart { start_stopped, .. } => {
            // A restart of ours that was cut off in its middle leaves a stop by API behind, and nobody's decision.
            let ours = aim.ended.is_some_and(|ended| *ended == it.pin()) && may_be_overruled(it);
            let overruled = ours || (*start_stopped && may_be_overruled(it));
            if let Some(why) = reason(it).filter(|_| !overruled) {
                return Ruling::refuses(None, format!("{} {why}", it.name), numbers());
            }
        }
        // What does not run cannot be stopped, limited or looked into.
        _ if it.status != Status::Running => {
            let why = format!("{} is {}", it.name, it.status.as_str());
            return Ruling::refuses(None, why, json!({"status": it.status}));
        }
        _ => {}
    }
    Ruling::passes(move || Basis::new(format!("{} is {}", it.name, it.describe()), numbers()))
}

/// Whether the only objection is that a person stopped it, which a step may overrule.
fn may_be_overruled(sight: &Container) -> bool {
    matches!(sight.status, Status::Exited | Status::Dead)
}

/// Whether the exit code alone makes a person's stop likely.
fn may_be_a_stop(sight: &Container) -> bool {
    sight.stopped_by_hand.is_none() && sight.exit_code == 137 && !sight.oom_killed
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
        Status::Exited | Status::Dead if may_be_a_stop(sight) => {
            Some("ended with 137, and Docker has no events of it: a person may have stopped it")
        }
        Status::Exited | Status::Dead | Status::Running | Status::Restarting => None,
    }
}
