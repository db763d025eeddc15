//! Docker answers that the target is being removed: a person or a deployment replaces it.
//!
//! Nothing is concluded from the answer alone: the target is looked at until it is gone. Then the effort is superseded: not
//! the rule's fault, and nobody is called. A target that is still there after [`PATIENCE`] is not being replaced (Docker fails
//! to remove it, for example): the step failed.

use std::time::Duration;

use super::running::{self, End, GONE};
use super::{Decision, Turn};
use crate::remediation::outcome::Verdict;
use crate::remediation::state::{Removal, Running, State};
use crate::time::{Timestamp, after};

/// How long a removal may take: longer than Docker waits for a process that it has killed.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often it is looked at.
const POLL: Duration = Duration::from_secs(1);

/// Docker has given the answer, and the target is still there or cannot be seen.
pub(super) fn begin(mut turn: Turn<'_>, running: Running, started_at: Timestamp, error: String) -> Decision {
    let until = after(turn.facts.now, PATIENCE);
    turn.tell("the target is being removed", serde_json::json!({"error": error, "until": until}));
    let removal = Some(Removal { started_at, error, until });
    turn.remediation.state = State::Running(Running { until: after(turn.facts.now, POLL), removal, ..running });
    turn.done()
}

/// It was looked at again: `gone`, or still there, or not seen.
pub(super) fn look(mut turn: Turn<'_>, running: Running, removal: &Removal, gone: bool) -> Decision {
    let now = turn.facts.now;
    if !gone && now < removal.until {
        let until = after(now, POLL).min(removal.until);
        turn.remediation.state = State::Running(Running { until, ..running });
        return turn.done();
    }
    let end = End::answered(&removal.error, removal.started_at);
    if gone {
        return running::give_up(turn, running, end, Verdict::Superseded, GONE);
    }
    let why = format!("not removed within {} s: {}", PATIENCE.as_secs(), removal.error);
    running::give_up(turn, running, end, Verdict::NotFixed, &why)
}
