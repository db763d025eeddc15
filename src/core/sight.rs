//! What a look at the platform shows of one container, and what that says about its health.
//!
//! A look is a fact with no opinion in it: guards and verdicts read it, the platform only fills it in.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::time::Timestamp;

/// The result of looking a target up by its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Nothing has that name.
    Nothing,
    /// More than one container answers to it; how many.
    Many(usize),
    /// Exactly one.
    One(Box<Sight>),
}

/// One container as it was when looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    /// The Docker daemon's own id, so that two host names of one daemon are one.
    pub daemon: String,
    /// The full 64-digit id: the only name ever put into a call that changes something.
    pub id: String,
    /// The name without the slash Docker puts before it.
    pub name: String,
    /// The container's labels, those of its image included, as Docker merges them.
    pub labels: BTreeMap<String, String>,
    /// Whether its image carries `fettle.enable` itself.
    pub image_label: ImageLabel,
    /// What it is doing.
    pub status: Status,
    /// When it was last started; `None` when it never was.
    pub started_at: Option<Timestamp>,
    /// Restarts by Docker's own policy since the last start by anyone else.
    pub restart_count: u64,
    /// Exit code of the last run; meaningful only when it is not running.
    pub exit_code: i64,
    /// Whether the kernel killed it for memory.
    pub oom_killed: bool,
    /// `None` when it has no health check.
    pub health: Option<Health>,
    /// The addresses and aliases it is reached by, for knowing fettle's own database.
    pub addresses: Vec<String>,
    /// Whether a person stopped or killed it through Docker's API lately; `None` when that was not looked up.
    pub stopped_by_hand: Option<bool>,
}

/// Whether the image of a container carries the label that only the container itself may carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageLabel {
    /// It does not.
    Absent,
    /// It does, whatever the value: the container's label may be inherited, so it proves nothing.
    Present,
    /// The image could not be looked at.
    Unreadable,
}

/// Docker's container states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Made, never started.
    Created,
    /// Running.
    Running,
    /// Frozen.
    Paused,
    /// Between a crash and the next start by policy.
    Restarting,
    /// Being removed.
    Removing,
    /// Stopped or crashed.
    Exited,
    /// Docker failed to remove it.
    Dead,
    /// A state this version does not know.
    Unknown,
}

/// Docker's health-check states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Not yet known.
    Starting,
    /// The last check passed.
    Healthy,
    /// Enough checks failed.
    Unhealthy,
}

/// What tells one run of a container from another: changed means that somebody acted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// The full container id.
    pub id: String,
    /// When the run began.
    pub started_at: Option<Timestamp>,
    /// Restarts by policy at that time.
    pub restart_count: u64,
}

impl Pin {
    /// Whether somebody other than Docker's own restart policy acted between this pin and `now`: the id is another, or
    /// `StartedAt` moved without `RestartCount` rising.
    #[must_use]
    pub fn superseded_by(&self, now: &Self) -> bool {
        self.id != now.id || (self.started_at != now.started_at && now.restart_count <= self.restart_count)
    }
}

impl Sight {
    /// What identifies this run.
    #[must_use]
    pub fn pin(&self) -> Pin {
        Pin { id: self.id.clone(), started_at: self.started_at, restart_count: self.restart_count }
    }

    /// What exclusion, cooldown and budget are keyed by: the daemon's id and the container's, never a spelling.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}/{}", self.daemon, self.id)
    }

    /// Whether it runs and, where there is a health check, passes it.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.status == Status::Running && self.health.is_none_or(|health| health == Health::Healthy)
    }

    /// What is wrong, for records: `exited (137, out of memory)`, `unhealthy`, `running`.
    #[must_use]
    pub fn describe(&self) -> String {
        match (self.status, self.health) {
            (Status::Running, Some(Health::Healthy)) => "running and healthy".into(),
            (Status::Running, Some(Health::Starting)) => "running, health not yet known".into(),
            (Status::Running, Some(Health::Unhealthy)) => "running but unhealthy".into(),
            (Status::Running, None) => "running".into(),
            (Status::Exited | Status::Dead | Status::Restarting, _) => {
                let memory = if self.oom_killed { ", out of memory" } else { "" };
                format!("{} ({}{memory})", self.status.as_str(), self.exit_code)
            }
            (status, _) => status.as_str().into(),
        }
    }
}

impl Status {
    /// Docker's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Removing => "removing",
            Self::Exited => "exited",
            Self::Dead => "dead",
            Self::Unknown => "unknown",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pin(id: &str, second: i64, restart_count: u64) -> Pin {
        Pin { id: id.into(), started_at: Timestamp::from_second(second).ok(), restart_count }
    }

    #[test]
    fn a_restart_by_policy_supersedes_nothing_and_one_by_anyone_else_does() {
        let before = pin("a", 1, 2);
        assert!(!before.superseded_by(&pin("a", 1, 2)));
        assert!(!before.superseded_by(&pin("a", 9, 3)));
        assert!(before.superseded_by(&pin("a", 9, 2)));
        assert!(before.superseded_by(&pin("a", 9, 0)));
        assert!(before.superseded_by(&pin("b", 1, 2)));
    }
}
