//! What really happened, for checks: the runs of each container, who began and who ended each, and every request.
//!
//! fettle never sees any of this. It is kept whole, also for containers that were removed.

use crate::fettle_core::time::Timestamp;

/// Who made something happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum By {
    /// The program itself.
    Itself,
    /// Docker's restart policy.
    Policy,
    /// A person, through Docker.
    Person,
    /// A deployment of a Compose project.
    Deploy,
    /// The daemon's own stop or start.
    Daemon,
    /// Swarm.
    Swarm,
    /// fettle: the number of the call at its [`Host`](super::host::Host).
    Fettle(u64),
}

impl By {
    /// Whether it is fettle.
    #[must_use]
    pub fn is_fettle(self) -> bool {
        matches!(self, Self::Fettle(_))
    }

    /// Whether it is a person or a deployment.
    #[must_use]
    pub fn is_person(self) -> bool {
        matches!(self, Self::Person | Self::Deploy)
    }
}

/// One run of a container's process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The container's full id.
    pub id: String,
    /// The container's name.
    pub name: String,
    /// When it began.
    pub begun_at: Timestamp,
    /// Who began it.
    pub begun_by: By,
    /// How it ended; `None`: it has not.
    pub ended: Option<Ended>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// When the process ended; the daemon may have noticed it later.
    pub at: Timestamp,
    /// The exit code.
    pub code: i64,
    /// Whether the kernel killed it for memory.
    pub oom: bool,
    /// Who ended it.
    pub by: By,
}
