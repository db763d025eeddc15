//! What a schedule is about: the service's limits, the rules, the alerts there can be, and what goes wrong. Drawn once from
//! the seed.

use std::sync::Arc;
use std::time::Duration;

use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::alert::labels::Labels;
use fettle_core::rule::model::Rule;
use fettle_core::settings::Settings;

use crate::rng::Rng;
use crate::rules;
use crate::time::{Micros, SECOND};

/// The one host.
pub const HOST: &str = "local";

/// Names that rules and alerts speak of; the last is nobody's.
pub const SERVICES: [&str; 8] = ["app-0", "app-0", "app-1", "app-2", "side-0", "side-0", "shop-db-1", "ghost"];

/// The few that they speak of in a crowd: many alerts and rules that are about the same thing, under one name or two.
const CROWDS: [&[&str]; 3] = [&["app-0"], &["app-0", "side-0"], &["shop-db-1"]];

/// How wrong the machines' wall clocks are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clocks {
    /// Right.
    Right,
    /// Off by a few seconds, which a replica reports, and slowly drifting.
    Near,
    /// Ahead or behind by up to an hour, stepping, or running at another rate. The store's clock stays right.
    Wild,
}

/// What can go wrong around fettle in this schedule. Not everything in each: what is quiet lets the rest go far.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    /// Processes on one database.
    pub replicas: u32,
    /// Whether the store has a clock of its own and may be shared, as PostgreSQL has.
    pub shared: bool,
    /// Crashes in a hundred thousand calls to a port.
    pub crashes: u64,
    /// `kill -STOP` in a hundred thousand calls to a port.
    pub stops: u64,
    /// The store fails in ten thousand calls, before or after it did its work.
    pub store: u64,
    /// Mean seconds between two outages of the store, of a replica's way to it, or of connections that swallow; 0: none.
    pub outages: u64,
    /// Docker misbehaves in a thousand requests of fettle's.
    pub docker: u64,
    /// Mean seconds between two times when the daemon hangs, is away, or is started again; 0: none.
    pub daemon: u64,
    /// People act: mean seconds between two deeds.
    pub people: u64,
    /// The machines' clocks.
    pub clocks: Clocks,
    /// Mean seconds between two troubles of a container.
    pub trouble: u64,
    /// A process may be stopped between the last check of its lease and the write of the request: design §1 documents that
    /// window.
    pub zombies: bool,
}

/// An alert there can be.
#[derive(Debug, Clone)]
pub struct AlertPlan {
    /// Its labels.
    pub labels: Labels,
    /// Its identity.
    pub fingerprint: Fingerprint,
    /// The container or service whose trouble it reports.
    pub about: String,
    /// Prometheus' `for`.
    pub pending: Micros,
    /// The group that it belongs to.
    pub group: usize,
}

/// A group of alerts at Alertmanager, with its route's times.
#[derive(Debug, Clone, Copy)]
pub struct GroupPlan {
    /// `group_wait`
    pub wait: Micros,
    /// `group_interval`
    pub interval: Micros,
    /// `repeat_interval`
    pub repeat: Micros,
}

/// Everything drawn at the beginning.
#[derive(Debug, Clone)]
pub struct Plan {
    /// See [`Weather`].
    pub weather: Weather,
    /// The service's limits.
    pub settings: Settings,
    /// The rules, in order.
    pub rules: Vec<Arc<Rule>>,
    /// The alerts.
    pub alerts: Vec<AlertPlan>,
    /// The groups.
    pub groups: Vec<GroupPlan>,
    /// Whether `FettleWorking` inhibits the original alert.
    pub inhibits: bool,
    /// How long the random part lasts, in seconds.
    pub seconds: u64,
}

/// Draws a plan.
pub fn draw(rng: &mut Rng) -> Plan {
    let crowd = rng.chance(250).then(|| *rng.pick(&CROWDS));
    let mut settings = rules::settings(rng);
    let count = rng.between(3, 6);
    let rules = rules::rules(rng, count, &settings, crowd.is_some());
    let mut groups: Vec<_> = (0..rng.between(1, 4)).map(|_| group(rng)).collect();
    if crowd.is_some() {
        // Some are heard all the time, others are stale long before they are heard again, and nobody else can be asked.
        settings.alertmanager &= rng.chance(300);
        settings.freshness = Duration::from_mins(2).max(rules.iter().map(|rule| rule.hold).max().unwrap_or_default());
        groups.push(GroupPlan { repeat: 20 * SECOND, ..group(rng) });
        groups.push(GroupPlan { repeat: 300 * SECOND, ..group(rng) });
    }
    let services = crowd.unwrap_or(&SERVICES);
    let alerts = (0..rng.between(3, 8)).map(|at| alert(rng, at, count, groups.len() as u64, services)).collect();
    let weather = weather(rng);
    let inhibits = settings.alertmanager && rng.chance(500);
    Plan { weather, inhibits, settings, rules, alerts, groups, seconds: *rng.pick(&[300, 300, 300, 600, 600, 1500]) }
}

fn weather(rng: &mut Rng) -> Weather {
    let per_mille = |rng: &mut Rng, at_most: u64| if rng.chance(500) { 0 } else { rng.between(1, at_most) };
    let replicas = if rng.chance(500) { 2 } else { 1 };
    Weather {
        replicas,
        shared: replicas > 1 || rng.chance(500),
        crashes: per_mille(rng, 200),
        stops: per_mille(rng, 150),
        store: per_mille(rng, 100),
        outages: if rng.chance(600) { 0 } else { rng.between(60, 300) },
        docker: if rng.chance(400) { 0 } else { rng.between(20, 300) },
        daemon: if rng.chance(500) { 0 } else { rng.between(60, 300) },
        people: *rng.pick(&[20, 60, 200, 1_000_000]),
        clocks: match rng.below(10) {
            0 | 1 => Clocks::Wild,
            2..5 => Clocks::Near,
            _ => Clocks::Right,
        },
        trouble: *rng.pick(&[40, 100, 300]),
        zombies: rng.chance(150),
    }
}

fn group(rng: &mut Rng) -> GroupPlan {
    let seconds = |rng: &mut Rng, from: &[i64]| *rng.pick(from) * SECOND;
    GroupPlan {
        wait: seconds(rng, &[0, 5, 30]),
        interval: seconds(rng, &[10, 30, 60]),
        repeat: seconds(rng, &[20, 60, 200]),
    }
}

fn alert(rng: &mut Rng, at: u64, rules: u64, groups: u64, services: &[&'static str]) -> AlertPlan {
    let service = if rng.chance(30) { "../../etc" } else { rng.pick(services) };
    let severity = if rng.chance(500) { "critical" } else { "warning" };
    // One more name than there are rules: some alerts are nobody's.
    let name = format!("A{}", rng.below(rules + 1));
    let instance = format!("node-{at}");
    let pairs = [("alertname", &*name), ("service", service), ("severity", severity), ("instance", &*instance)];
    let labels = Labels::from_iter(pairs);
    AlertPlan {
        fingerprint: Fingerprint::of(&labels),
        labels,
        about: service.to_owned(),
        pending: *rng.pick(&[0, 0, 20, 60]) * SECOND,
        group: usize::try_from(rng.below(groups)).unwrap_or(0),
    }
}
