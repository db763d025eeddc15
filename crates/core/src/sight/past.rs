//! The stored history of a container: how its runs ended, as the follower of the daemon's events saw it.
//!
//! Docker keeps 256 events and none across its own restart, so a look alone does not show for long who ended a run. The follower
//! stores each end while it is connected. What happened while nothing was connected is a [`Gap`].

use serde::{Deserialize, Serialize};

use super::{Container, Sight, Status};
use crate::time::Timestamp;

/// Ended runs that are kept of one container, the newest.
pub const RUNS_MAX: usize = 8;

/// Containers of one daemon whose runs are kept, those that ended last. A removed container is forgotten at once, so the bound
/// matters only where removals were not seen.
pub const CONTAINERS_MAX: u32 = 10_000;

/// Gaps that are kept of one daemon, the newest.
pub const GAPS_MAX: usize = 32;

/// Who ended a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedBy {
    /// A stop or a deadly kill through Docker's API. A stop by fettle is told apart by its intent.
    Person,
    /// The program itself, the kernel, or a process beside Docker.
    Itself,
    /// The daemon's own shutdown.
    Daemon,
    /// Not known: the daemon began after the end, and nothing was connected at the end.
    Unknown,
}

/// A run that ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedRun {
    /// The container's full id.
    pub container: String,
    /// When the run began; `None` where its start was not seen.
    pub started_at: Option<Timestamp>,
    /// When it ended, by the daemon's clock.
    pub ended_at: Timestamp,
    /// The exit code.
    pub exit_code: Option<i64>,
    /// Whether the kernel killed a process of it for memory.
    #[serde(default)]
    pub oom: bool,
    /// Who ended it.
    pub ended_by: EndedBy,
}

/// A time in which ends of runs were not seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Since when; `None`: from the beginning.
    pub from: Option<Timestamp>,
    /// Until when.
    pub until: Timestamp,
    /// Whether the daemon itself began in it: a container that exited before may have ended with the machine.
    pub daemon_began: bool,
}

impl Gap {
    fn contains(&self, at: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= at) && at <= self.until
    }
}

/// What the follower of one daemon has stored about its own work.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// Everything until then was seen, but for the gaps; by the daemon's clock. `None`: nothing yet.
    #[serde(default)]
    pub seen_to: Option<Timestamp>,
    /// Times that were not seen, the oldest first; at most [`GAPS_MAX`].
    #[serde(default)]
    pub gaps: Vec<Gap>,
}

impl Watch {
    /// Everything until `at` was seen.
    pub fn advance(&mut self, at: Timestamp) {
        self.seen_to = self.seen_to.max(Some(at));
    }

    /// Notes a gap; one that continues the last one of its kind extends it. Beyond [`GAPS_MAX`] the oldest is forgotten, and
    /// first one in which the daemon did not begin: no judgement rests on it.
    pub fn note(&mut self, gap: Gap) {
        match self.gaps.last_mut().filter(|last| last.daemon_began == gap.daemon_began) {
            Some(last) if gap.from.is_some_and(|from| from <= last.until) => last.until = last.until.max(gap.until),
            _ => self.gaps.push(gap),
        }
        if self.gaps.len() > GAPS_MAX {
            let least = self.gaps.iter().position(|it| !it.daemon_began).unwrap_or(0);
            self.gaps.remove(least);
        }
    }
}

/// What events show that is worth storing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Learnt {
    /// Runs that ended, in the daemon's order. A later entry about the same end counts.
    pub ended: Vec<EndedRun>,
    /// Containers that were removed, by full id: their history goes with them.
    pub removed: Vec<String>,
}

impl Learnt {
    /// Whether there is nothing to store.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ended.is_empty() && self.removed.is_empty()
    }

    /// Adds what was learnt after it.
    pub fn extend(&mut self, later: Self) {
        self.ended.extend(later.ended);
        self.removed.extend(later.removed);
    }
}

/// What is stored about a few containers of one daemon.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Past {
    /// Their ended runs, in any order.
    pub runs: Vec<EndedRun>,
    /// See [`Watch::gaps`].
    pub gaps: Vec<Gap>,
}

/// Adds an ended run to those of its container, `runs`, the oldest first: one that is known is replaced, and the oldest beyond
/// [`RUNS_MAX`] are forgotten.
pub fn keep(runs: &mut Vec<EndedRun>, run: EndedRun) {
    runs.retain(|it| it.ended_at != run.ended_at);
    let at = runs.partition_point(|it| it.ended_at < run.ended_at);
    runs.insert(at, run);
    let surplus = runs.len().saturating_sub(RUNS_MAX);
    runs.drain(..surplus);
}

impl Sight {
    /// The id of the daemon that it was seen at.
    #[must_use]
    pub fn daemon(&self) -> &str {
        match self {
            Self::Container(it) => &it.daemon,
            Self::Replicas(it) => &it.daemon,
            Self::Service(it) => &it.daemon,
            Self::Disk(it) => &it.daemon,
        }
    }

    /// The containers in it that have exited, by full id: their history says who ended them.
    #[must_use]
    pub fn ended_containers(&self) -> Vec<String> {
        self.containers().filter(|it| it.is_over()).map(|it| it.id.clone()).collect()
    }

    /// Fills in who ended the runs of exited containers.
    pub fn recall(&mut self, past: &Past) {
        match self {
            Self::Container(it) => {
                it.recall(past);
                it.dependents.iter_mut().for_each(|dependent| dependent.recall(past));
            }
            Self::Replicas(it) => it.members.iter_mut().for_each(|member| member.recall(past)),
            Self::Service(_) | Self::Disk(_) => {}
        }
    }

    fn containers(&self) -> Box<dyn Iterator<Item = &Container> + '_> {
        match self {
            Self::Container(it) => Box::new(std::iter::once(&**it).chain(&it.dependents)),
            Self::Replicas(it) => Box::new(it.members.iter()),
            Self::Service(_) | Self::Disk(_) => Box::new(std::iter::empty()),
        }
    }
}

impl Container {
    /// Whether its last run has ended, and no start by policy is to come.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.status, Status::Exited | Status::Dead)
    }

    fn recall(&mut self, past: &Past) {
        let Some(started_at) = self.started_at.filter(|_| self.is_over()) else { return };
        // It has not run since: an end after its last start is the end of that run.
        let runs = past.runs.iter().filter(|run| run.container == self.id && run.ended_at >= started_at);
        let last = runs.max_by_key(|run| run.ended_at).map(|run| run.ended_by);
        let began = |at| past.gaps.iter().any(|gap| gap.daemon_began && gap.contains(at));
        let unseen = || self.ended_at.filter(|at| began(*at)).map(|_| EndedBy::Unknown);
        self.ended_by = last.or_else(unseen);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, container};

    fn run(ended_at: i64, ended_by: EndedBy) -> EndedRun {
        let container = container().id;
        EndedRun { container, started_at: None, ended_at: at(ended_at), exit_code: Some(1), oom: false, ended_by }
    }

    fn recalled(past: &Past) -> Option<EndedBy> {
        let mut sight = Sight::from(Container { ended_at: Some(at(50)), ..container().restarted_at(10).exited(1) });
        sight.recall(past);
        sight.container().and_then(|it| it.ended_by)
    }

    #[test]
    fn the_end_of_the_last_run_counts_and_an_earlier_one_does_not() {
        let past = |runs| Past { runs, gaps: Vec::new() };
        assert_eq!(recalled(&past(vec![run(5, EndedBy::Person)])), None, "an earlier run");
        let both = vec![run(51, EndedBy::Person), run(5, EndedBy::Itself)];
        assert_eq!(recalled(&past(both)), Some(EndedBy::Person));
        let another = EndedRun { container: "b".repeat(64), ..run(51, EndedBy::Person) };
        assert_eq!(recalled(&past(vec![another])), None);
    }

    #[test]
    fn an_end_in_a_gap_in_which_the_daemon_began_is_not_known() {
        let past = |from: i64, daemon_began| Past {
            runs: Vec::new(),
            gaps: vec![Gap { from: Some(at(from)), until: at(60), daemon_began }],
        };
        assert_eq!(recalled(&past(40, true)), Some(EndedBy::Unknown));
        assert_eq!(recalled(&past(40, false)), None);
        assert_eq!(recalled(&past(55, true)), None, "it ended before the gap");
    }

    #[test]
    fn a_running_container_has_no_end() {
        let mut sight = Sight::from(container());
        sight.recall(&Past { runs: vec![run(5000, EndedBy::Person)], gaps: Vec::new() });
        assert_eq!((sight.ended_containers(), sight.container().and_then(|it| it.ended_by)), (Vec::new(), None));
    }

    #[test]
    fn the_newest_runs_and_gaps_are_kept_and_one_end_is_stored_once() {
        let mut runs = Vec::new();
        for second in (0..20).rev() {
            keep(&mut runs, run(second, EndedBy::Itself));
        }
        keep(&mut runs, run(19, EndedBy::Person));
        let ends: Vec<_> = runs.iter().map(|run| run.ended_at).collect();
        assert_eq!(ends, (12..20).map(at).collect::<Vec<_>>());
        assert_eq!(runs.last().map(|it| it.ended_by), Some(EndedBy::Person), "what is learnt later counts");
    }

    #[test]
    fn gaps_are_bounded_and_those_in_which_the_daemon_began_stay_longest() {
        let gap = |from: i64, until: i64, daemon_began| Gap { from: Some(at(from)), until: at(until), daemon_began };
        let mut watch = Watch::default();
        watch.note(gap(0, 1, true));
        for second in 1..60 {
            watch.note(gap(second * 10, second * 10 + 5, false));
        }
        let last = watch.gaps.last().cloned();
        assert_eq!(
            (watch.gaps.len(), watch.gaps[0].clone(), last),
            (GAPS_MAX, gap(0, 1, true), Some(gap(590, 595, false)))
        );
        watch.note(gap(595, 600, false));
        assert_eq!(watch.gaps.last(), Some(&gap(590, 600, false)), "it goes on");
    }
}
