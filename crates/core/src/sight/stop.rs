//! Whether a person ended a run, by the events that Docker keeps.
//!
//! A `stop`, or a `kill` by a signal that ends a program, is a person's. SIGHUP, SIGUSR1, SIGUSR2 and SIGWINCH ask for a reload by
//! custom: they count only if the container died of them. Docker keeps 256 events (a health check makes three) and none across
//! its own restart, so the answer is `None` where it may have forgotten how the run ended.

use std::time::Duration;

use crate::time::{Timestamp, before};

/// An event about one container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifecycle {
    /// A run began.
    Start,
    /// A signal was sent through the API; `None` where Docker does not name it.
    Kill(Option<i64>),
    /// A stop through the API is over.
    Stop,
    /// The run ended.
    Die,
    /// The kernel killed a process of it for memory.
    Oom,
    /// The container was removed.
    Destroy,
}

/// SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH.
const RELOAD: [i64; 4] = [1, 10, 12, 28];

/// How long before the end of a run the signal for it may have been sent: longer than the grace time of most stops.
const SIGNAL_BEFORE: Duration = Duration::from_mins(1);

/// Whether a person ended the run that began at `started` with `exit_code`. `events` are those about the container since then, in
/// Docker's order; `oldest` is the instant of the oldest event that Docker keeps of anything.
#[must_use]
pub fn ended_by_person(
    events: impl IntoIterator<Item = (Timestamp, Lifecycle)>,
    exit_code: i64,
    started: Timestamp,
    oldest: Option<Timestamp>,
) -> Option<bool> {
    let (mut asked, mut died_at) = (false, None);
    for (at, event) in events {
        match event {
            // Where nothing takes time, the signal that ended the run before is of the same instant: the start comes after it.
            Lifecycle::Start => (asked, died_at) = (false, None),
            Lifecycle::Stop => asked = true,
            Lifecycle::Kill(signal) => {
                asked |= signal.is_none_or(|signal| !RELOAD.contains(&signal) || exit_code == 128 + signal);
            }
            Lifecycle::Die => died_at = Some(at),
            Lifecycle::Oom | Lifecycle::Destroy => {}
        }
    }
    let remembers = |died_at| oldest.is_some_and(|oldest| oldest <= started.max(before(died_at, SIGNAL_BEFORE)));
    if asked { Some(true) } else { died_at.filter(|at| remembers(*at)).map(|_| false) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::at;

    const KILL: fn(i64) -> Lifecycle = |signal| Lifecycle::Kill(Some(signal));

    fn ended(events: &[Lifecycle], exit_code: i64) -> Option<bool> {
        ended_by_person(events.iter().map(|it| (at(900), *it)), exit_code, at(0), Some(at(0)))
    }

    #[test]
    fn a_stop_and_a_deadly_kill_are_a_persons_and_a_reload_is_not() {
        use Lifecycle::{Die, Start, Stop};
        for (events, code, expected) in [
            (vec![Die, Stop], 1, true),
            (vec![KILL(15), Die], 137, true),
            (vec![KILL(9), Die], 137, true),
            (vec![KILL(3), Die], 131, true),
            (vec![Lifecycle::Kill(None), Die], 137, true),
            (vec![KILL(1), Die], 3, false),
            (vec![KILL(1), Die], 129, true),
            (vec![KILL(28), Die], 137, false),
            (vec![Die], 1, false),
            (vec![KILL(15), Start, Die], 1, false),
        ] {
            assert_eq!(ended(&events, code), Some(expected), "{events:?} {code}");
        }
    }

    #[test]
    fn what_docker_has_forgotten_is_not_known() {
        use Lifecycle::{Die, Stop};
        assert_eq!(ended(&[], 1), None);
        assert_eq!(ended(&[KILL(1)], 1), None, "a reload, and the end is forgotten");
        let since = |events: &[Lifecycle], oldest: i64| {
            ended_by_person(events.iter().map(|it| (at(900), *it)), 137, at(0), Some(at(oldest)))
        };
        assert_eq!(since(&[Stop], 900), Some(true), "the rest is forgotten");
        assert_eq!(since(&[Die], 840), Some(false), "a signal would be remembered");
        assert_eq!(since(&[Die], 841), None, "the signal may be forgotten");
        assert_eq!(
            ended_by_person([(at(30), Die)], 137, at(0), Some(at(0))),
            Some(false),
            "the whole run is remembered"
        );
        assert_eq!(ended_by_person([(at(30), Die)], 137, at(0), Some(at(1))), None);
    }
}
