//! Restarting, stopping and starting one container.
//!
//! The daemon answers a restart when the container has been started again. It is not stopped by a dropped or timed-out call:
//! what did not end with an answer is unknown, and must be looked at. A restart of a paused container ends with a running one.

use std::time::Duration;

use bollard::query_parameters::{RestartContainerOptionsBuilder, StartContainerOptions, StopContainerOptionsBuilder};

use super::full_id;
use super::host::{Host, Op};
use fettle_core::action::CALL_MARGIN;
use fettle_core::effect::whole_seconds;
use fettle_core::ports::platform::PlatformError;

/// Restarts the container with this full id; `grace` is rounded up to whole seconds, Docker knows no less.
pub(super) async fn restart(host: &Host, id: &str, grace: Duration) -> Result<(), PlatformError> {
    let (id, t) = (full_id(id)?, seconds(grace));
    let options = RestartContainerOptionsBuilder::default().t(t).build();
    host.act(Op::Restart, limit(t), |client| async move { client.restart_container(id, Some(options)).await }).await
}

/// Stops the container with this full id; one that is stopped already is left as it is.
pub(super) async fn stop(host: &Host, id: &str, grace: Duration) -> Result<(), PlatformError> {
    stop_within(host, id, grace, limit(seconds(grace))).await
}

/// The same, waiting for no longer than `limit`.
pub(super) async fn stop_within(host: &Host, id: &str, grace: Duration, limit: Duration) -> Result<(), PlatformError> {
    let (id, t) = (full_id(id)?, seconds(grace));
    let options = StopContainerOptionsBuilder::default().t(t).build();
    host.act(Op::Stop, limit, |client| async move { client.stop_container(id, Some(options)).await }).await
}

/// Starts the container with this full id within `limit`; one that runs already is left as it is.
pub(super) async fn start(host: &Host, id: &str, limit: Duration) -> Result<(), PlatformError> {
    let (id, options) = (full_id(id)?, None::<StartContainerOptions>);
    host.act(Op::Start, limit, |client| async move { client.start_container(id, options).await }).await
}

fn seconds(grace: Duration) -> i32 {
    i32::try_from(whole_seconds(grace).as_secs()).unwrap_or(i32::MAX)
}

/// The process's time to end, and the daemon's for all the rest: after that the daemon is not still at it.
fn limit(t: i32) -> Duration {
    Duration::from_secs(u64::from(t.unsigned_abs())) + CALL_MARGIN
}

#[cfg(test)]
mod tests {
    use super::*;
    use fettle_core::action::Action;

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
