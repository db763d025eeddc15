//! The service's own limits, as the core sees them: ceilings that no rule can lift.

use std::collections::BTreeSet;
use std::time::Duration;

use super::rule::model::{Budget, Mode};

/// Limits and permissions of the whole service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The ceiling for every rule.
    pub mode: Mode,
    /// How old the last evidence that an alert fires may be when something is done about it.
    pub freshness: Duration,
    /// Effects under way at the same time, all targets together.
    pub in_flight: u32,
    /// At most so many effects, all targets together.
    pub budget: Vec<Budget>,
    /// At most so many effects per target, whichever rules.
    pub target_budget: Vec<Budget>,
    /// What is never touched.
    pub protected: Protected,
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
    /// Host names and addresses of fettle's database.
    pub database: BTreeSet<String>,
}
