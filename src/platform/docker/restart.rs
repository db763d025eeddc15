//! Restarting one container.
//!
//! The daemon answers when the container has been started again. It is not stopped by a dropped or timed-out call: what
//! did not end with an answer is unknown, and must be looked at. A restart of a paused container ends with a running one.

use std::time::Duration;

use bollard::query_parameters::RestartContainerOptionsBuilder;

use super::host::{Host, Op};
use super::is_full_id;
use crate::core::action::CALL_MARGIN;
use crate::platform::PlatformError;

/// Restarts the container with this full id; `grace` is rounded up to whole seconds, Docker knows no less.
pub(super) async fn restart(host: &Host, id: &str, grace: Duration) -> Result<(), PlatformError> {
    if !is_full_id(id) {
        return Err(PlatformError::NotAnId(id.chars().take(64).collect()));
    }
    let t = seconds(grace);
    let limit = limit(t);
    let options = RestartContainerOptionsBuilder::default().t(t).build();
    host.act(Op::Restart, limit, |client| async move { client.restart_container(id, Some(options)).await }).await
}

/// Whole seconds, rounded up: a process is never given less time than the rule says.
fn seconds(grace: Duration) -> i32 {
    let whole = grace.as_secs().saturating_add(u64::from(grace.subsec_nanos() > 0));
    i32::try_from(whole).unwrap_or(i32::MAX)
}

/// The process's time to end, and the daemon's for all the rest: after that the daemon is not still at it.
fn limit(t: i32) -> Duration {
    Duration::from_secs(u64::from(t.unsigned_abs())) + CALL_MARGIN
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::action::Action;

    #[test]
    fn grace_is_whole_seconds_rounded_up() {
        let table = [(0, 0), (1, 1), (999, 1), (1000, 1), (1001, 2), (20_000, 20)];
        for (millis, expected) in table {
            assert_eq!(seconds(Duration::from_millis(millis)), expected, "{millis} ms");
        }
        assert_eq!(seconds(Duration::MAX), i32::MAX);
    }

    #[test]
    fn a_call_may_take_as_long_as_what_makes_its_outcome_conclusive() {
        for grace in [0, 10, 600].map(Duration::from_secs) {
            assert_eq!(
                limit(seconds(grace)),
                Action::Restart { grace, dependents: None, start_stopped: false }.conclusive_after()
            );
        }
    }
}
