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
//! [`ended_by_person`] judges them. A failed start settles it: the person who acted wanted the container to run. `OOMKilled`
//! settles nothing: it is also set when only a child was killed. What Docker has forgotten is `None`, and the guard `stopped`
//! judges by the exit code.
//!
//! Accepted: while a restart by anyone is under way the container looks stopped by hand, for some 0.2 s and the grace time. A
//! restart by fettle itself is by hand, too.

use std::collections::HashMap;
use std::time::Duration;

use bollard::models::EventMessage;
use bollard::query_parameters::{EventsOptions, EventsOptionsBuilder};
use futures_util::{StreamExt, TryStreamExt};
use jiff::Timestamp;

use super::daemon::Daemon;
use super::host::{Host, Op};
use super::is_full_id;
use fettle_core::ports::platform::PlatformError;
use fettle_core::sight::follow::LifeEvent;
use fettle_core::sight::{Lifecycle, ended_by_person};
use fettle_core::time::{after, micros};

/// As many events as the daemon keeps.
pub(super) const EVENTS_MAX: usize = 256;

/// The events that tell how a run ended.
const EVENTS: [&str; 4] = ["start", "kill", "stop", "die"];

/// How long after `FinishedAt` the `die` event may come: 31 to 129 ms were measured on Docker 20.10 with both cores busy.
const DIE_LAG: Duration = Duration::from_millis(500);

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

/// `None` when that is not known: the exit code alone shows that it was asked to end (0, 143), it never ran, or the daemon
/// does not permit its events to be read or has forgotten them.
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
    // An end that is now by the daemon's clock: later, and it would wait for new events until then. Right after the exit that
    // wait is wanted, because the `die` event follows `FinishedAt`.
    let until = daemon.now().max(after(exit.finished.unwrap_or(started), DIE_LAG)).max(started);
    let options = EventsOptionsBuilder::default().until(&seconds(until));
    let filters = HashMap::from([("type", vec!["container"]), ("container", vec![id]), ("event", EVENTS.to_vec())]);
    let of_it = read(host, options.clone().since(&seconds(started)).filters(&filters).build(), EVENTS_MAX).await;
    let Some(of_it) = permitted(host, of_it)? else { return Ok(None) };
    let of_it: Vec<_> = of_it.iter().filter_map(lifecycle).filter(|(at, _)| *at >= started).collect();
    let judge = |oldest| ended_by_person(of_it.iter().copied(), exit.code, started, oldest);
    if judge(Some(started)) != Some(false) {
        return Ok(judge(Some(started)));
    }
    // No person is among what it keeps. The oldest event of anything shows whether it keeps all that matters.
    let oldest = read(host, options.since("0").build(), 1).await;
    Ok(permitted(host, oldest)?.and_then(|events| judge(events.first().and_then(instant))))
}

/// At most `most` events, the oldest first.
pub(super) async fn read(host: &Host, options: EventsOptions, most: usize) -> Result<Vec<EventMessage>, PlatformError> {
    let events =
        |client: bollard::Docker| async move { client.events(Some(options)).take(most).try_collect::<Vec<_>>().await };
    host.see(Op::Events, events).await
}

/// The events; `None` when the daemon, or a proxy in front of it, denies them.
fn permitted<T>(host: &Host, read: Result<T, PlatformError>) -> Result<Option<T>, PlatformError> {
    match read {
        Ok(events) => Ok(Some(events)),
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

pub(super) fn instant(event: &EventMessage) -> Option<Timestamp> {
    event.time_nano.and_then(|nanos| Timestamp::from_nanosecond(nanos.into()).ok())
}

/// What an event of a container is to its life, and when it was.
fn lifecycle(event: &EventMessage) -> Option<(Timestamp, Lifecycle)> {
    let what = match event.action.as_deref()? {
        "start" => Lifecycle::Start,
        "stop" => Lifecycle::Stop,
        "die" => Lifecycle::Die,
        "oom" => Lifecycle::Oom,
        "destroy" => Lifecycle::Destroy,
        "kill" => Lifecycle::Kill(attribute(event, "signal")),
        _ => return None,
    };
    Some((instant(event)?, what))
}

/// An attribute of an event that is a number.
fn attribute(event: &EventMessage, name: &str) -> Option<i64> {
    event.actor.as_ref()?.attributes.as_ref()?.get(name)?.parse().ok()
}

/// A lifecycle event of a container.
pub(super) fn life_event(event: &EventMessage) -> Option<LifeEvent> {
    let (at, what) = lifecycle(event)?;
    let container = event.actor.as_ref()?.id.clone().filter(|id| is_full_id(id))?;
    Some(LifeEvent { at: micros(at), container, what, exit_code: attribute(event, "exitCode") })
}

/// The way Docker's API takes an instant.
pub(super) fn seconds(at: Timestamp) -> String {
    format!("{}.{:09}", at.as_second(), at.subsec_nanosecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_of_docker_becomes_what_it_is_to_the_life_of_its_container() {
        let id = "a".repeat(64);
        let event = |action: &str, signal: Option<&str>| -> EventMessage {
            let attributes = signal.map_or(String::new(), |signal| format!(r#""signal": "{signal}""#));
            let json = format!(
                r#"{{"Type": "container", "Action": "{action}", "timeNano": 1000000000,
                     "Actor": {{"ID": "{id}", "Attributes": {{{attributes}}}}}}}"#
            );
            serde_json::from_str(&json).expect("an event")
        };
        let at = Timestamp::from_second(1).expect("in range");
        for (action, signal, expected) in [
            ("start", None, Some(Lifecycle::Start)),
            ("stop", None, Some(Lifecycle::Stop)),
            ("die", None, Some(Lifecycle::Die)),
            ("kill", Some("15"), Some(Lifecycle::Kill(Some(15)))),
            ("kill", None, Some(Lifecycle::Kill(None))),
            ("health_status: healthy", None, None),
        ] {
            assert_eq!(lifecycle(&event(action, signal)), expected.map(|it| (at, it)), "{action}");
        }
    }

    #[test]
    fn instants_are_written_as_docker_reads_them() {
        let at: Timestamp = "2026-11-21T23:35:33.056134293Z".parse().expect("an instant");
        assert_eq!(seconds(at), "1795304133.056134293");
        assert_eq!(seconds(Timestamp::UNIX_EPOCH), "0.000000000");
    }
}
