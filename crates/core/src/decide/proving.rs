//! What a look proves about an effect whose call gave no answer.
//!
//! Always holds: an effect is `failed (not_executed)` only with proof. The daemon may hold a request that its client has given
//! up, and carry it out when a hang ends; until then the target is unchanged. Proof is two looks that took the whole path of
//! the call and showed the target unchanged, the second at least grace + 30 s after the first, with no other look in between
//! that failed to: after the first one the path was free, so a request that waited in it had its time. Without proof the
//! outcome stays unknown. A start by Docker's restart policy proves nothing either.

use std::time::Duration;

use super::running::PATIENCE;
use crate::effect::Proof;
use crate::remediation::state::Attempt;
use crate::sight::{CallPath, Sight, Status};
use crate::time::{Timestamp, after};

/// What is known of an effect without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing yet: look again.
    Open,
    /// It was carried out.
    Executed,
    /// It was not, and will not be.
    NotExecuted,
    /// Nothing, and no look will show more; why, for the audit.
    Never(&'static str),
}

/// Judges a look at `now` that showed the target. `path_since` is kept from look to look and begins as `None`.
pub(super) fn judge(
    attempt: &Attempt,
    sight: &Sight,
    path: CallPath,
    path_since: &mut Option<Timestamp>,
    now: Timestamp,
) -> Known {
    let wait = attempt.action.conclusive_after();
    let conclusive_at = after(attempt.intended_at, wait);
    let proof = attempt.effect.proof(&attempt.pin, sight);
    let shows = path == CallPath::Works && proof == Proof::Untouched;
    *path_since = if shows { path_since.or(Some(now)) } else { None };
    match proof {
        Proof::Happened => Known::Executed,
        _ if now < conclusive_at => Known::Open,
        // A scaling that was cut off in its middle has changed something that must be returned.
        Proof::Perhaps if attempt.action.scales() => Known::Executed,
        Proof::Perhaps if attempt.pin.superseded_by(&sight.pin()) => Known::Never("started_since"),
        Proof::Perhaps => Known::Never("restarted_by_policy"),
        Proof::Traceless => Known::Never("no_trace"),
        Proof::Untouched => match *path_since {
            Some(since) if now >= after(since, wait) => Known::NotExecuted,
            None if now >= after(conclusive_at, patience(attempt, path, sight)) => Known::Never("no_proof"),
            _ => Known::Open,
        },
    }
}

/// How long proof is waited for: as long as a hang may last where the path is silent, and once more the time of the call where
/// nothing will show the path.
fn patience(attempt: &Attempt, path: CallPath, sight: &Sight) -> Duration {
    let runs = sight.container().is_none_or(|it| it.status == Status::Running);
    if path == CallPath::Silent && runs { PATIENCE } else { attempt.action.conclusive_after() }
}
