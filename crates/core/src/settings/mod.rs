//! The service's own limits, as the core sees them: ceilings that no rule can lift.

pub mod limits;
pub mod overrides;
pub mod raw;
pub mod restraint;

use std::collections::BTreeSet;
use std::time::Duration;

use crate::rule::model::{Budget, Mode};
pub use crate::target::Disks;
use crate::target::Hosts;

/// Limits and permissions of the whole service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The ceiling for every rule.
    pub mode: Mode,
    /// How old the last evidence that an alert fires may be when something is done about it.
    pub freshness: Duration,
    /// How long Docker may be away before it is reported to people.
    pub docker_patience: Duration,
    /// How long after a remediation that closed without an effect its episode is decided again, while the alert fires.
    pub recheck: Duration,
    /// Effects under way at the same time, all targets together.
    pub in_flight: u32,
    /// At most so many effects, all targets together.
    pub budget: Vec<Budget>,
    /// At most so many effects per target, whichever rules.
    pub target_budget: Vec<Budget>,
    /// When so much is wrong at once that fettle holds back.
    pub storm: Option<StormLimit>,
    /// When a rule has failed to prove itself so often that it is held back.
    pub trip: Option<TripLimit>,
    /// Whether Alertmanager can be asked and told.
    pub alertmanager: bool,
    /// Whether there is anybody who could approve.
    pub approvers: bool,
    /// What is never touched.
    pub protected: Protected,
    /// The configured hosts: which machine an alert's `instance` means.
    pub hosts: Hosts,
}

/// The default of [`Settings::docker_patience`]: longer than an upgrade of Docker or a reboot takes.
pub const DOCKER_PATIENCE: Duration = Duration::from_mins(5);

/// The default of [`Settings::recheck`].
pub const RECHECK: Duration = Duration::from_mins(5);

/// When so much is wrong at once that fettle holds back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StormLimit {
    /// So many distinct targets; at least 2.
    pub targets: u32,
    /// Opened within this time.
    pub within: Duration,
    /// The ceiling while it lasts.
    pub then: Mode,
    /// It ends when it was not found for this long.
    pub quiet_for: Duration,
}

/// When a rule has failed to prove itself so often that it is held back: its circuit breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TripLimit {
    /// So many verdicts that do not prove that it helped; at least 1.
    pub unproven: u32,
    /// Given within this time; also how long the breaker stays open before one act is tried.
    pub within: Duration,
    /// The ceiling of the rule while the breaker is open.
    pub then: Mode,
}

impl Default for StormLimit {
    fn default() -> Self {
        Self { targets: 5, within: Duration::from_mins(2), then: Mode::Propose, quiet_for: Duration::from_mins(10) }
    }
}

impl Default for TripLimit {
    fn default() -> Self {
        Self { unproven: 3, within: Duration::from_mins(30), then: Mode::Propose }
    }
}

/// What is never touched, whatever a rule or a label says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Protected {
    /// Container names.
    pub containers: BTreeSet<String>,
    /// Compose projects.
    pub compose_projects: BTreeSet<String>,
    /// fettle's own container, by id or by the beginning of its id.
    pub own_container: Option<String>,
    /// Host names and addresses of fettle's database, or the port of this machine that it is behind.
    pub database: BTreeSet<String>,
}
