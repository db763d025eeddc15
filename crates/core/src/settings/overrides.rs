//! The service's limits as a unit test of rules may set them: the same keys as in the configuration, read the same way.
//!
//! A test says all it needs: neither the configuration nor the environment takes part, so it means the same everywhere.

use std::time::Duration;

use super::limits::{Limits, positive, read_budgets};
use super::raw::{RawLimits, RawProtected};
use super::restraint::{self, Said};
use crate::diagnostic::Report;
use crate::rule::mode;
use crate::rule::model::Mode;
use crate::settings::{DOCKER_PATIENCE, Protected, RECHECK, Settings};
use crate::target::Hosts;
use crate::yaml::{Node, number, strings};

/// The keys, where they are given.
#[derive(Debug, Clone, Copy, Default)]
pub struct Overrides<'n> {
    /// The ceiling; without it `act`.
    pub mode: Option<&'n Node>,
    /// As in the configuration.
    pub limits: Option<&'n Node>,
    /// As in the configuration.
    pub storm: Option<&'n Node>,
    /// As in the configuration.
    pub trip: Option<&'n Node>,
    /// As in the configuration.
    pub freshness: Option<&'n Node>,
    /// As in the configuration.
    pub docker_patience: Option<&'n Node>,
    /// As in the configuration.
    pub recheck: Option<&'n Node>,
    /// As in the configuration.
    pub protected: Option<&'n Node>,
}

/// The settings that these make on these hosts; what is not given is as in a service that may act and has somebody who could approve.
pub fn settings(given: &Overrides<'_>, hosts: Hosts, alertmanager: bool, report: &mut Report<'_>) -> Settings {
    let limits = given.limits.and_then(|node| RawLimits::read(node, report)).unwrap_or_default();
    let base = Limits::default();
    let storm = given.storm.and_then(|node| restraint::storm(node, true, report));
    let trip = given.trip.and_then(|node| restraint::trip(node, true, report));
    let in_flight = limits.in_flight.and_then(|node| number(node, 1..=1000, report));
    let budget = limits.budget.and_then(|node| read_budgets(node, report));
    let target_budget = limits.target_budget.and_then(|node| read_budgets(node, report));
    let freshness = given.freshness.and_then(|node| positive(node, report));
    let docker_patience = given.docker_patience.and_then(|node| positive(node, report));
    let recheck = given.recheck.and_then(|node| positive(node, report));
    Settings {
        mode: given.mode.and_then(|node| mode::read(node, true, report)).unwrap_or(Mode::Act),
        freshness: freshness.unwrap_or(Duration::from_mins(10)),
        docker_patience: docker_patience.unwrap_or(DOCKER_PATIENCE),
        recheck: recheck.unwrap_or(RECHECK),
        in_flight: in_flight.unwrap_or(base.in_flight),
        budget: budget.unwrap_or(base.budget),
        target_budget: target_budget.unwrap_or(base.target_budget),
        storm: Said::settle(storm, restraint::default_storm(true)),
        trip: Said::settle(trip, restraint::default_trip(true)),
        alertmanager,
        approvers: true,
        protected: given.protected.map(|node| protected(node, report)).unwrap_or_default(),
        hosts,
    }
}

fn protected(node: &Node, report: &mut Report<'_>) -> Protected {
    let raw = RawProtected::read(node, report).unwrap_or_default();
    let names = |node: Option<&Node>, report: &mut Report<'_>| {
        let names = node.and_then(|node| strings(node, report)).unwrap_or_default();
        names.into_iter().map(str::to_owned).collect()
    };
    Protected {
        containers: names(raw.containers, report),
        compose_projects: names(raw.compose_projects, report),
        ..Protected::default()
    }
}
