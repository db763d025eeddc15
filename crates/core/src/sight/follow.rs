//! From the lifecycle events of one daemon to the runs that ended. Pure: the engine feeds it.
//!
//! A daemon that shuts down stops its containers with the events of a stop by a person: `kill`, `die`, `stop`. Measured on Docker
//! 20.10 and 28: from the beginning of the shutdown no new connection is accepted, while the open stream goes on to the end. So
//! an event that asks a run to end is a person's only if the daemon answered on a new connection after it. Until then the
//! events are [held](Follower::hold). If the daemon turns out to have begun since, its shutdown sent them.

use std::collections::BTreeMap;

use super::past::{EndedBy, EndedRun, Gap, Learnt, Watch};
use super::stop::{Lifecycle, ended_by_person};
use crate::time::Timestamp;

/// Containers that are followed at a time; the one without an event for longest is forgotten beyond it.
const CONTAINERS_MAX: usize = 10_000;

/// Events that are kept of one run, the newest.
const EVENTS_MAX: usize = 32;

/// Events that are held at a time. With more, the oldest are forgotten.
const HELD_MAX: usize = 4096;

/// A lifecycle event of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LifeEvent {
    /// When, by the daemon's clock.
    pub at: Timestamp,
    /// The container's full id.
    pub container: String,
    /// What happened.
    pub what: Lifecycle,
    /// The exit code that a `die` reports.
    pub exit_code: Option<i64>,
}

impl LifeEvent {
    /// Whether it asks a run to end.
    #[must_use]
    pub fn asks(&self) -> bool {
        matches!(self.what, Lifecycle::Kill(_) | Lifecycle::Stop)
    }
}

/// What a stream of events shows when it is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// The daemon's clock.
    pub now: Timestamp,
    /// The instant of the oldest event of anything that the daemon keeps.
    pub oldest: Option<Timestamp>,
    /// Whether it keeps fewer events than it can: it has forgotten none since it began.
    pub complete: bool,
}

impl Opening {
    /// Whether it keeps everything that happened since `at`.
    fn keeps(&self, at: Timestamp) -> bool {
        self.oldest.is_some_and(|oldest| oldest <= at)
    }
}

/// One container between its last start and the next one.
#[derive(Debug, Default)]
struct Run {
    started_at: Option<Timestamp>,
    events: Vec<(Timestamp, Lifecycle)>,
    died: Option<(Timestamp, Option<i64>)>,
    oom: bool,
    touched: u64,
}

/// What is known of the runs of one daemon's containers.
#[derive(Debug, Default)]
pub struct Follower {
    runs: BTreeMap<String, Run>,
    held: Vec<LifeEvent>,
    count: u64,
}

impl Follower {
    /// Takes in events, in the daemon's order; those that are held come before them. A run whose end is judged again by what
    /// comes after it is learnt again.
    pub fn take(&mut self, events: Vec<LifeEvent>) -> Learnt {
        let held = std::mem::take(&mut self.held);
        self.learn(held.into_iter().chain(events), EndedBy::Person)
    }

    /// Keeps events until it is known whose they are.
    pub fn hold(&mut self, events: Vec<LifeEvent>) {
        self.held.extend(events);
        let surplus = self.held.len().saturating_sub(HELD_MAX);
        self.held.drain(..surplus);
    }

    /// Whether events are held.
    #[must_use]
    pub fn holds(&self) -> bool {
        !self.held.is_empty()
    }

    /// A stream was opened: notes in `watch` what was not seen, and gives the runs that the daemon's shutdown ended. Held events
    /// that the daemon still keeps come again with the stream.
    pub fn open(&mut self, watch: &mut Watch, opening: &Opening) -> Learnt {
        let held = std::mem::take(&mut self.held);
        let is_lost = held.first().is_some_and(|event| !opening.keeps(event.at));
        // A daemon that has forgotten events since it began may be another one or the same.
        let asked = if opening.complete { EndedBy::Daemon } else { EndedBy::Unknown };
        let learnt = self.learn(held.into_iter().filter(|_| is_lost), asked);
        let seen = watch.seen_to.is_some_and(|at| opening.keeps(at));
        if !seen {
            if opening.complete {
                // Runs and signals from before the daemon began are over.
                self.runs.clear();
            }
            let until = opening.oldest.unwrap_or(opening.now).max(watch.seen_to.unwrap_or(Timestamp::MIN));
            watch.note(Gap { from: watch.seen_to, until, daemon_began: opening.complete });
            watch.advance(until);
        }
        learnt
    }

    /// `asked`: who asked a run to end, where an event asks it.
    fn learn(&mut self, events: impl Iterator<Item = LifeEvent>, asked: EndedBy) -> Learnt {
        let mut learnt = Learnt::default();
        for event in events {
            if event.what == Lifecycle::Destroy {
                self.runs.remove(&event.container);
                learnt.removed.push(event.container);
            } else {
                learnt.ended.extend(self.follow(event, asked));
            }
        }
        learnt
    }

    fn follow(&mut self, event: LifeEvent, asked: EndedBy) -> Option<EndedRun> {
        self.count += 1;
        let LifeEvent { at, container, what, exit_code } = event;
        if !self.runs.contains_key(&container) && self.runs.len() >= CONTAINERS_MAX {
            let oldest = self.runs.iter().min_by_key(|(_, run)| run.touched).map(|(id, _)| id.clone());
            oldest.and_then(|id| self.runs.remove(&id));
        }
        let run = self.runs.entry(container.clone()).or_default();
        run.touched = self.count;
        match what {
            Lifecycle::Start => {
                *run = Run { started_at: Some(at), touched: self.count, ..Run::default() };
                return None;
            }
            Lifecycle::Oom => {
                run.oom = true;
                return None;
            }
            Lifecycle::Die => run.died = Some((at, exit_code)),
            Lifecycle::Kill(_) | Lifecycle::Stop | Lifecycle::Destroy => {}
        }
        // The last ones say who ended it: a long run may have many signals to reload.
        if run.events.len() == EVENTS_MAX {
            run.events.remove(0);
        }
        run.events.push((at, what));
        let (ended_at, exit_code) = run.died?;
        let was_asked = ended_by_person(
            run.events.iter().copied(),
            exit_code.unwrap_or(0),
            run.started_at.unwrap_or(Timestamp::MIN),
            Some(Timestamp::MIN),
        );
        let ended_by = if was_asked == Some(true) { asked } else { EndedBy::Itself };
        Some(EndedRun { container, started_at: run.started_at, ended_at, exit_code, oom: run.oom, ended_by })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::at;
    use Lifecycle::{Die, Kill, Start, Stop};

    fn event(second: i64, what: Lifecycle) -> LifeEvent {
        let exit_code = (what == Die).then_some(1);
        LifeEvent { at: at(second), container: "a".into(), what, exit_code }
    }

    fn events(all: &[(i64, Lifecycle)]) -> Vec<LifeEvent> {
        all.iter().map(|(second, what)| event(*second, *what)).collect()
    }

    /// The end of each run, the last judgement of it.
    fn ends(learnt: Learnt) -> Vec<(i64, EndedBy)> {
        let mut kept = Vec::new();
        for run in learnt.ended {
            crate::sight::past::keep(&mut kept, run);
        }
        kept.iter().map(|run| (crate::time::since(run.ended_at, at(0)).as_secs().cast_signed(), run.ended_by)).collect()
    }

    fn opening(now: i64, oldest: Option<i64>, complete: bool) -> Opening {
        Opening { now: at(now), oldest: oldest.map(at), complete }
    }

    #[test]
    fn each_end_has_who_ended_it_in_both_orders_of_docker() {
        let mut it = Follower::default();
        let older = it.take(events(&[(1, Start), (5, Kill(Some(15))), (6, Die), (6, Stop), (7, Start), (9, Die)]));
        assert_eq!(ends(older), [(6, EndedBy::Person), (9, EndedBy::Itself)]);
        let newer = it.take(events(&[(11, Start), (15, Kill(Some(15))), (16, Stop), (16, Die)]));
        assert_eq!(ends(newer), [(16, EndedBy::Person)]);
    }

    #[test]
    fn a_stop_between_two_starts_by_policy_judges_the_end_anew() {
        let mut it = Follower::default();
        assert_eq!(ends(it.take(events(&[(1, Start), (2, Die)]))), [(2, EndedBy::Itself)]);
        assert_eq!(ends(it.take(events(&[(3, Stop)]))), [(2, EndedBy::Person)]);
    }

    #[test]
    fn what_a_daemon_sent_before_it_began_again_is_its_own_shutdown() {
        let mut it = Follower::default();
        let mut watch = Watch { seen_to: Some(at(3)), gaps: Vec::new() };
        it.hold(events(&[(5, Kill(Some(15))), (6, Die), (6, Stop)]));
        let ended = it.open(&mut watch, &opening(20, Some(15), true));
        assert_eq!(ends(ended), [(6, EndedBy::Daemon)]);
        assert_eq!(watch.gaps, [Gap { from: Some(at(3)), until: at(15), daemon_began: true }]);
        assert!(!it.holds());
    }

    #[test]
    fn what_was_held_and_is_forgotten_by_a_busy_daemon_is_not_known() {
        let mut it = Follower::default();
        let mut watch = Watch { seen_to: Some(at(3)), gaps: Vec::new() };
        it.hold(events(&[(5, Kill(Some(15))), (6, Die), (6, Stop)]));
        assert_eq!(ends(it.open(&mut watch, &opening(20, Some(15), false))), [(6, EndedBy::Unknown)]);
    }

    #[test]
    fn what_is_held_when_the_connection_breaks_comes_again_from_the_same_daemon() {
        let mut it = Follower::default();
        let mut watch = Watch { seen_to: Some(at(3)), gaps: Vec::new() };
        it.hold(events(&[(5, Kill(Some(15))), (6, Die), (6, Stop)]));
        assert!(it.open(&mut watch, &opening(20, Some(2), false)).is_empty());
        assert_eq!((watch.gaps.len(), it.holds()), (0, false));
        let again = it.take(events(&[(5, Kill(Some(15))), (6, Die), (6, Stop)]));
        assert_eq!(ends(again), [(6, EndedBy::Person)]);
    }

    #[test]
    fn a_gap_is_noted_where_docker_has_forgotten_or_nothing_was_seen_before() {
        let opened = |seen_to: Option<i64>, opening: Opening| {
            let mut watch = Watch { seen_to: seen_to.map(at), gaps: Vec::new() };
            Follower::default().open(&mut watch, &opening);
            (watch.gaps.first().map(|gap| (gap.until, gap.daemon_began)), watch.seen_to)
        };
        assert_eq!(opened(None, opening(20, Some(9), false)), (Some((at(9), false)), Some(at(9))));
        assert_eq!(opened(None, opening(20, None, true)), (Some((at(20), true)), Some(at(20))));
        assert_eq!(opened(Some(10), opening(20, Some(9), false)), (None, Some(at(10))));
        assert_eq!(opened(Some(10), opening(20, Some(12), false)), (Some((at(12), false)), Some(at(12))));
    }

    #[test]
    fn a_stop_after_many_reloads_is_a_persons() {
        for reloads in [EVENTS_MAX - 1, EVENTS_MAX, EVENTS_MAX + 1, 3 * EVENTS_MAX] {
            let mut it = Follower::default();
            let reload = vec![event(2, Kill(Some(1))); reloads];
            it.take([vec![event(1, Start)], reload].concat());
            let stopped = it.take(events(&[(5, Kill(Some(15))), (6, Die), (6, Stop)]));
            assert_eq!(ends(stopped), [(6, EndedBy::Person)], "{reloads}");
        }
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut it = Follower::default();
        for number in 0..=CONTAINERS_MAX {
            it.take(vec![LifeEvent { container: number.to_string(), ..event(1, Kill(Some(1))) }]);
        }
        assert_eq!(it.runs.len(), CONTAINERS_MAX);
        assert!(!it.runs.contains_key("0"), "the one without an event for longest");
        it.hold(vec![event(1, Stop); HELD_MAX + 5]);
        assert_eq!(it.held.len(), HELD_MAX);
        for _ in 0..100 {
            it.take(events(&[(2, Kill(Some(1)))]));
        }
        assert_eq!(it.runs["a"].events.len(), EVENTS_MAX);
        assert_eq!(it.take(events(&[(3, Lifecycle::Destroy)])).removed, ["a"]);
        assert!(!it.runs.contains_key("a"));
    }
}
