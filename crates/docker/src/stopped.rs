//! Whether a person stopped a container that has exited, as far as the daemon remembers.
//!
//! Seen on Docker 20.10, in the order of the events since `StartedAt`:
//!
//! | what happened | events | exit code |
//! |---|---|---|
//! | `docker stop`, SIGTERM handled | `kill` 15, `die`, `stop` | 0 or 143 |
//! | `docker stop`, SIGTERM ignored | `kill` 15, `kill` 9, `die`, `stop` | 137 |
//! | `docker kill`, also of a paused one | `kill` 9, `die` | 137 |
//! | `docker kill -s TERM` | `kill` 15, `die` | 0 or 143 |
//! | `docker kill -s HUP`, and much later a crash | `kill` 1, `die` | the crash's |
//! | crash, end by itself, killed by another process | `die` | any, 137 too |
//! | out of memory | `oom`, `die` | 137 |
//! | `docker stop` between two starts by policy | `die`, `stop` | the crash's |
//! | `docker restart`, then a crash | `die` (the restart's events lie before `StartedAt`) | the crash's |
//! | `docker restart` whose start fails | `kill` 15, `die`, `stop`; `StartedAt` stays, `State.Error` is set | 127 and others |
//! | `docker stop` of one that has crashed | nothing new: it leaves no trace | the crash's |
//!
//! So since `StartedAt` a `stop`, or a `kill` by a signal that ends things, means a person, unless a start failed after it:
//! then whoever acted wanted it to run. SIGHUP, SIGUSR1, SIGUSR2 and SIGWINCH ask for a reload by custom; they count only
//! if the container died of them. `OOMKilled` settles nothing: it is also set when only a child was killed.
//!
//! Accepted: while a restart by somebody is under way the container looks stopped by hand, for some 0.2 s and the grace
//! time. The daemon keeps 256 events and none across its own restart; what it forgot is `Some(false)`. Stopping a whole
//! daemon stops its containers with no event that survives. A restart by fettle itself is by hand, too.

use std::collections::HashMap;

use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::{StreamExt, TryStreamExt};
use jiff::Timestamp;

use super::daemon::Daemon;
use super::host::{Host, Op};
use fettle_core::ports::platform::PlatformError;

/// As many events as the daemon keeps.
const EVENTS_MAX: usize = 256;

/// SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH.
const RELOAD: [i64; 4] = [1, 10, 12, 28];

/// What an inspect shows of how a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Exit {
    /// The exit code.
    pub(super) code: i64,
    /// Whether Docker failed to start it since.
    pub(super) start_failed: bool,
    /// When the run began.
    pub(super) started: Option<Timestamp>,
    /// When it ended.
    pub(super) finished: Option<Timestamp>,
}

/// `None` when that was not looked up: the exit code alone says that it was asked to end (0, 143), it never ran, or the
/// daemon does not let us read its events.
pub(super) async fn by_hand(
    host: &Host,
    daemon: &Daemon,
    id: &str,
    exit: &Exit,
) -> Result<Option<bool>, PlatformError> {
    if exit.start_failed {
        return Ok(Some(false));
    }
    match exit.started {
        Some(started) if !matches!(exit.code, 0 | 143) => events(host, daemon, id, exit, started).await,
        _ => Ok(None),
    }
}

async fn events(
    host: &Host,
    daemon: &Daemon,
    id: &str,
    exit: &Exit,
    started: Timestamp,
) -> Result<Option<bool>, PlatformError> {
    // An end that is now by the daemon's clock: later, and it would wait for new events until then.
    let until = daemon.now().max(exit.finished.unwrap_or(started)).max(started);
    let filters =
        HashMap::from([("type", vec!["container"]), ("container", vec![id]), ("event", vec!["kill", "stop"])]);
    let options =
        EventsOptionsBuilder::default().since(&seconds(started)).until(&seconds(until)).filters(&filters).build();
    let seen = host.see(Op::Events, |client| async move {
        client.events(Some(options)).take(EVENTS_MAX).try_collect::<Vec<_>>().await
    });
    match seen.await {
        Ok(events) => Ok(Some(events.iter().any(|event| ends_it(event, exit.code)))),
        Err(error @ PlatformError::Answered { .. }) => {
            tracing::warn!(
                host = host.name,
                error = %error,
                "docker's events cannot be read: whether a person killed a container stays unknown"
            );
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Whether this event is somebody's wish that the container end, and it ended with `code`.
fn ends_it(event: &EventMessage, code: i64) -> bool {
    match event.action.as_deref() {
        Some("stop") => true,
        Some("kill") => {
            let attributes = event.actor.as_ref().and_then(|actor| actor.attributes.as_ref());
            let signal = attributes.and_then(|them| them.get("signal")).and_then(|text| text.parse::<i64>().ok());
            signal.is_none_or(|signal| !RELOAD.contains(&signal) || code == 128 + signal)
        }
        _ => false,
    }
}

/// The way Docker's API takes an instant.
fn seconds(at: Timestamp) -> String {
    format!("{}.{:09}", at.as_second(), at.subsec_nanosecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(action: &str, signal: Option<&str>) -> EventMessage {
        let attributes = signal.map(|signal| HashMap::from([("signal".to_owned(), signal.to_owned())]));
        let actor = bollard::models::EventActor { id: None, attributes };
        EventMessage { action: Some(action.into()), actor: Some(actor), ..EventMessage::default() }
    }

    #[test]
    fn a_stop_and_a_deadly_kill_are_by_hand_and_a_reload_is_not() {
        for (action, signal, code, expected) in [
            ("stop", None, 1, true),
            ("kill", Some("15"), 137, true),
            ("kill", Some("9"), 137, true),
            ("kill", Some("3"), 131, true),
            ("kill", None, 137, true),
            ("kill", Some("1"), 3, false),
            ("kill", Some("1"), 129, true),
            ("kill", Some("28"), 137, false),
            ("die", None, 1, false),
            ("oom", None, 137, false),
        ] {
            assert_eq!(ends_it(&event(action, signal), code), expected, "{action} {signal:?} {code}");
        }
    }

    #[test]
    fn instants_are_written_as_docker_reads_them() {
        let at: Timestamp = "2026-11-21T23:35:33.056134293Z".parse().expect("an instant");
        assert_eq!(seconds(at), "1795304133.056134293");
        assert_eq!(seconds(Timestamp::UNIX_EPOCH), "0.000000000");
    }
}
