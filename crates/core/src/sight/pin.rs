//! One run of a container: from a start to the end that follows it.
//!
//! Docker updates a restart by policy in two steps (measured on 20.10 and 28.5): `RestartCount` increases when a run ends,
//! `StartedAt` changes when the next run begins. Between the two the state is `restarting`. [`Container::pin`] subtracts the
//! pending start, so here both change together: a run that the policy began has a higher count than the run before it, a run
//! that anyone else began has the count 0 (Docker resets the count at every start through its API).
//!
//! Not seen: a start through the API that is followed by more restarts by policy than there were before it, and a start by a
//! daemon that itself restarted, which also resets the count.
//!
//! [`Container::pin`]: super::Container::pin

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::{Timestamp, since};

/// What identifies one run of a container, or one state of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// The full container id.
    pub id: String,
    /// When the run began.
    pub started_at: Option<Timestamp>,
    /// Starts by Docker's restart policy that led to this run, since the last start by anyone else.
    pub restart_count: u64,
    /// How many tasks a Swarm service was asked for.
    #[serde(default)]
    pub size: Option<u64>,
}

/// Restarts by Docker's policy between two runs of one container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyRestarts {
    /// How many.
    pub count: u64,
    /// From the start of the first run to the start of the last one, by the daemon's clock.
    pub spent: Duration,
}

impl Pin {
    /// Whether something other than Docker's restart policy acted between this pin and `now`: the id or the size is another, or
    /// another run began without the policy.
    #[must_use]
    pub fn superseded_by(&self, now: &Self) -> bool {
        self.id != now.id
            || self.size != now.size
            || (self.started_at != now.started_at && now.restart_count <= self.restart_count)
    }

    /// The restarts by Docker's policy from this run to `now`; a count of 0 when there were none.
    #[must_use]
    pub fn policy_restarts(&self, now: &Self) -> PolicyRestarts {
        let same = self.id == now.id;
        let spent = match (self.started_at, now.started_at) {
            (Some(first), Some(last)) if same => since(last, first),
            _ => Duration::ZERO,
        };
        let count = if same { now.restart_count.saturating_sub(self.restart_count) } else { 0 };
        PolicyRestarts { count, spent }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::container;

    fn pin(id: &str, second: i64, restart_count: u64) -> Pin {
        Pin { id: id.into(), started_at: Timestamp::from_second(second).ok(), restart_count, size: None }
    }

    #[test]
    fn a_restart_by_policy_supersedes_nothing_and_any_other_start_does() {
        let before = pin("a", 1, 2);
        assert!(!before.superseded_by(&pin("a", 1, 2)));
        assert!(!before.superseded_by(&pin("a", 9, 3)));
        assert!(before.superseded_by(&pin("a", 9, 2)));
        assert!(before.superseded_by(&pin("a", 9, 0)));
        assert!(before.superseded_by(&pin("b", 1, 2)));
    }

    /// The sequence that Docker shows: running, restarting with the raised count, running with the new start.
    #[test]
    fn a_look_between_the_two_steps_of_a_restart_by_policy_shows_the_run_that_ended() {
        let run = container().restarted_at(0);
        let between = run.clone().awaiting_policy();
        let next = between.clone().started_by_policy_at(9);
        assert_eq!(run.pin(), between.pin(), "the next run has not begun");
        for earlier in [&run, &between] {
            assert!(!earlier.pin().superseded_by(&next.pin()), "the policy began it");
            assert!(earlier.pin().superseded_by(&run.clone().restarted_at(9).pin()), "a person began it");
        }
        assert_eq!(next.clone().awaiting_policy().pin(), next.pin());
        let restarts = run.pin().policy_restarts(&next.clone().awaiting_policy().started_by_policy_at(30).pin());
        assert_eq!(restarts, PolicyRestarts { count: 2, spent: Duration::from_secs(30) });
        assert_eq!(run.pin().policy_restarts(&between.pin()).count, 0);
    }
}
