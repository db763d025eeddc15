//! `docker_away`: Docker does not answer, so nothing is known of the target. A wait, never a failure.
//!
//! Docker is *away* when a look ends without an answer of the daemon, for whatever reason: no connection (socket gone,
//! refused, daemon stopped), no answer in time (the daemon hangs), an answer that broke off or was a proxy's. A look changes
//! nothing, so in all of these cases nothing was done, and the next look may succeed. A call is different: only a call that
//! could not be connected certainly never left.
//!
//! Docker is *not* away when it answers and refuses (403 of a proxy, 500), when the host is not configured any more, or when
//! two hosts are one daemon: that does not end by itself, so the step fails and people are called.

use serde_json::json;

use super::answer::Answer;
use super::ruling::{Basis, Ruling};
use crate::remediation::refusal::{Guard, Refusal};
use crate::sight::Blind;
use crate::time::{Timestamp, since as elapsed};

/// The reasons of looks that ended without an answer of the daemon, as
/// [`PlatformError::reason`](crate::ports::platform::PlatformError::reason) names them.
const NO_ANSWER: [&str; 3] = [UNREACHABLE, "docker_timeout", "docker_broken"];

/// The reason of a request that was never sent because no connection was made.
const UNREACHABLE: &str = "docker_unreachable";

/// Whether a look that failed for this reason means that Docker is away.
pub fn hides_target(reason: &str) -> bool {
    NO_ANSWER.contains(&reason)
}

/// Whether a call that was not sent for this reason found Docker away: it can be made when Docker is back.
pub(crate) fn keeps_calls(reason: &str) -> bool {
    reason == UNREACHABLE
}

/// The refusal of a target that cannot be seen since `since`.
pub(crate) fn refusal(blind: &Blind, since: Timestamp, now: Timestamp, until: Option<Timestamp>) -> Refusal {
    let seconds = elapsed(now, since).as_secs();
    let why = match seconds {
        0 => format!("docker does not answer: {}", blind.error),
        _ => format!("docker has not answered for {seconds} s: {}", blind.error),
    };
    Refusal {
        guard: Guard::DockerAway,
        until,
        why,
        detail: json!({"since": since, "seconds": seconds, "reason": blind.reason, "error": blind.error}),
    }
}

/// A look that was answered.
pub(super) fn answered<'a>() -> Ruling<'a> {
    Ruling::passes(|| Basis::new("docker answers", json!({})))
}

/// The guard's answer about a look: `None` when nobody looked, otherwise what failed, if anything.
pub(super) fn answer(looked: Option<Result<(), &Blind>>, since: Option<Timestamp>, now: Timestamp) -> Answer {
    match looked {
        Some(Ok(())) => answered().answer(Guard::DockerAway),
        Some(Err(blind)) if hides_target(blind.reason) => Answer::no(refusal(blind, since.unwrap_or(now), now, None)),
        Some(Err(blind)) => Answer::not_asked(Guard::DockerAway, &format!("the look failed: {}", blind.error)),
        None => Answer::not_asked(Guard::DockerAway, "the target was not looked at"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::platform::PlatformError;
    use std::time::Duration;

    fn endpoint() -> String {
        "unix:///docker.sock".to_owned()
    }

    fn answered(status: u16) -> PlatformError {
        PlatformError::Answered { endpoint: endpoint(), status, message: String::new() }
    }

    #[test]
    fn docker_is_away_when_a_look_ends_without_its_answer() {
        let cause = String::new;
        let away = [
            PlatformError::Unreachable { endpoint: endpoint(), cause: cause() },
            PlatformError::TimedOut { endpoint: endpoint(), after: Duration::from_secs(5) },
            PlatformError::Broken { endpoint: endpoint(), cause: cause() },
        ];
        for error in away {
            assert!(hides_target(error.reason()), "{error}");
            assert_eq!(keeps_calls(error.reason()), error.nothing_sent(), "{error}");
        }
        let there = [
            PlatformError::NoHost("b".into()),
            PlatformError::SameDaemon { host: "a".into(), other: "b".into() },
            PlatformError::Unfit(cause()),
            PlatformError::Incomplete(cause()),
            PlatformError::NotAnId(cause()),
        ];
        for error in there.into_iter().chain([400, 403, 404, 409, 500].map(answered)) {
            assert!(!hides_target(error.reason()) && !keeps_calls(error.reason()), "{error}");
        }
    }
}
