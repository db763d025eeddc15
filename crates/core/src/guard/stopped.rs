//! `stopped`: a person stopped it, or it is in no state from which a restart is meant.
//!
//! Who ended the last run is known from the stored history of the container's runs, or from the events that Docker keeps. Where
//! neither shows it, the exit code is all there is: 0, 143 and 137 without `OOMKilled` count as a person's stop, because that is
//! how `docker stop` ends a program; other codes count as a crash. Both are assumptions, and the numbers of the refusal mark them
//! as such. Where the daemon itself began after the end, as at a reboot, 143 and 137 may be the machine's shutdown as well: a
//! person is asked. Starting a container that a person stopped would undo a person's decision.

use serde_json::json;

use super::facts::Aim;
use super::ruling::{Basis, Ruling};
use crate::action::Action;
use crate::sight::{Container, EndedBy, Pin, Sight, Status};

pub(super) fn ask<'a>(aim: &'a Aim<'_>, sight: &'a Sight) -> Ruling<'a> {
    let Sight::Container(it) = sight else {
        return Ruling::passes(|| Basis::new("it is no container", json!({})));
    };
    let numbers = || {
        let is_known = ended_by(it).is_some_and(|by| by != EndedBy::Unknown);
        let assumed = !is_known && may_be_overruled(it);
        json!({"status": it.status, "exit_code": it.exit_code, "stopped_by_hand": it.stopped_by_hand,
            "ended_by": it.ended_by, "assumed": assumed})
    };
    match aim.action {
        Action::Restart { start_stopped, .. } => {
            let overruled = (is_ours(it, aim.ended) || *start_stopped) && may_be_overruled(it);
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

/// A restart of ours that was cut off in its middle leaves a stop through the API behind, which is no person's decision.
fn is_ours(sight: &Container, ended: Option<&Pin>) -> bool {
    ended.is_some_and(|ended| *ended == sight.pin())
}

/// Whether a person must be asked before `action` starts it: whether a person stopped it is not known. `ended`: see
/// [`Aim::ended`].
#[must_use]
pub fn asks(action: &Action, sight: &Sight, ended: Option<&Pin>) -> bool {
    let (Action::Restart { start_stopped: false, .. }, Sight::Container(it)) = (action, sight) else { return false };
    may_be_overruled(it) && !is_ours(it, ended) && may_be_a_shutdown(it)
}

/// Who ended the last run: what the look itself shows comes first. A restart whose start failed has the events of a stop, and
/// the look shows that nobody meant it to stay stopped; the history has only the events.
fn ended_by(sight: &Container) -> Option<EndedBy> {
    match sight.stopped_by_hand {
        Some(true) => Some(EndedBy::Person),
        Some(false) => Some(EndedBy::Itself),
        None => sight.ended_by,
    }
}

/// Whether a person's stop and the shutdown of the machine are equally likely.
fn may_be_a_shutdown(sight: &Container) -> bool {
    ended_by(sight) == Some(EndedBy::Unknown) && matches!(sight.exit_code, 137 | 143) && !sight.oom_killed
}

fn reason(sight: &Container) -> Option<&'static str> {
    match sight.status {
        Status::Paused => Some("is paused"),
        Status::Created => Some("was never started"),
        Status::Removing => Some("is being removed"),
        Status::Unknown => Some("is in a state this version does not know"),
        Status::Running | Status::Restarting => None,
        Status::Exited | Status::Dead => match ended_by(sight) {
            Some(EndedBy::Person) => Some("was stopped by hand"),
            Some(EndedBy::Itself | EndedBy::Daemon) => None,
            Some(EndedBy::Unknown) if may_be_a_shutdown(sight) => None,
            Some(EndedBy::Unknown) | None => likely_stop(sight),
        },
    }
}

/// What the exit code makes likely where nothing else is known.
fn likely_stop(sight: &Container) -> Option<&'static str> {
    match sight.exit_code {
        _ if sight.oom_killed => None,
        0 | 143 => Some("ended as asked"),
        137 => Some("ended with 137, and Docker has no events of it: a person may have stopped it"),
        _ => None,
    }
}
