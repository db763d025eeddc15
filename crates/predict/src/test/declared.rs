//! What a test declares that there is, and how Docker answers.

use std::collections::BTreeMap;
use std::time::Duration;

use super::model::{Answers, Reachable};
use fettle_core::sight::{Container, Service, Space};
use fettle_core::target::{Disks, Target};
use fettle_core::time::{Timestamp, before};
use fettle_memory::physics::{self, Daemon, Spec, Timing};

/// How an action ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Succeeds,
    InVain,
    Fails,
    Hangs,
    Silent,
    Unreachable,
}

impl Ending {
    pub(super) const WORDS: [(&'static str, Self); 6] = [
        ("succeeds", Self::Succeeds),
        ("in_vain", Self::InVain),
        ("fails", Self::Fails),
        ("hangs", Self::Hangs),
        ("silent", Self::Silent),
        ("unreachable", Self::Unreachable),
    ];
}

/// What every metric query says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Metrics {
    Say(bool),
    Blind,
}

/// A container and what it depends on.
#[derive(Debug, Clone)]
pub(super) struct Declaration {
    pub(super) host: String,
    pub(super) seen: Container,
    /// How long before the beginning it was started; `None`: long before.
    pub(super) started_ago: Option<Duration>,
    pub(super) depends_on: Vec<String>,
}

/// A disk's file system, and what a clean-up gives back.
#[derive(Debug, Clone)]
pub(super) struct DeclaredDisk {
    pub(super) space: Space,
    pub(super) frees: u64,
}

/// Everything that there is at the beginning.
#[derive(Debug, Clone)]
pub(super) struct Declared {
    pub(super) containers: Vec<Declaration>,
    /// By host and name.
    pub(super) services: BTreeMap<(String, String), Service>,
    pub(super) disks: BTreeMap<(String, String), DeclaredDisk>,
    /// What the configuration permits on disks.
    pub(super) allowed: Disks,
    pub(super) answering: Answering,
    pub(super) made: u64,
}

/// How Docker answers.
#[derive(Debug, Clone)]
pub(super) struct Answering {
    pub(super) takes: Duration,
    /// Whether Docker is reached on hosts of which nothing else is said.
    reachable: bool,
    /// Whether it is on these.
    reachable_on: BTreeMap<String, bool>,
    pub(super) metrics: Metrics,
    /// By action, then name; without a name: every other.
    endings: BTreeMap<(&'static str, Option<String>), Ending>,
}

impl Answering {
    pub(super) fn answer_as(&mut self, answers: &Answers) {
        self.takes = answers.takes.unwrap_or(self.takes);
        match &answers.reachable {
            Some(Reachable::All(reachable)) => {
                self.reachable = *reachable;
                self.reachable_on.clear();
            }
            Some(Reachable::Hosts(hosts)) => self.reachable_on.extend(hosts.iter().cloned()),
            None => {}
        }
        self.metrics = answers.metrics.unwrap_or(self.metrics);
        for (action, name, ending) in &answers.endings {
            self.endings.insert((*action, name.clone()), *ending);
        }
    }

    pub(super) fn ending(&self, action: &str, target: &Target) -> Ending {
        let of = |name: Option<&str>| {
            let meant = |((known, of), _): &(&(&'static str, Option<String>), &Ending)| {
                *known == action && of.as_deref() == name
            };
            self.endings.iter().find(meant).map(|(_, ending)| *ending)
        };
        target.name().and_then(|name| of(Some(name))).or_else(|| of(None)).unwrap_or(Ending::Succeeds)
    }

    pub(super) fn reaches(&self, host: &str) -> bool {
        self.reachable_on.get(host).copied().unwrap_or(self.reachable)
    }
}

impl Declared {
    /// Nothing, and Docker does what it is told.
    pub(super) fn new(allowed: Disks) -> Self {
        let answering = Answering {
            takes: Duration::from_secs(1),
            reachable: true,
            reachable_on: BTreeMap::new(),
            metrics: Metrics::Say(true),
            endings: BTreeMap::new(),
        };
        let (containers, services, disks) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        Self { containers, services, disks, allowed, answering, made: 0 }
    }

    /// The id of the next thing that is made.
    pub(super) fn next_id(&mut self) -> String {
        self.made += 1;
        // The beginning tells them apart, as it does where ids are cut.
        format!("{:012x}{}", self.made, "0".repeat(52))
    }

    /// The model's daemon of a host, with what is declared on it.
    pub(super) fn daemon(&self, host: &str, now: Timestamp) -> Daemon {
        let mut daemon = Daemon::new(daemon(host), now).timing(Timing::NONE);
        for it in self.containers.iter().filter(|it| it.host == host) {
            let spec = Spec { depends_on: it.depends_on.clone(), ..Spec::named(it.seen.name.clone()) };
            let mut seen = it.seen.clone();
            if let Some(ago) = it.started_ago.filter(|_| seen.started_at.is_some()) {
                seen.started_at = Some(before(now, ago));
            }
            daemon.declare(seen, spec, now);
        }
        for (_, service) in self.services.iter().filter(|((on, _), _)| on == host) {
            daemon.declare_service(service.clone());
        }
        for (name, allow) in self.allowed.get(host).into_iter().flatten() {
            let declared = self.disks.get(&(host.to_owned(), name.clone()));
            let (space, frees) = declared.map_or((None, 0), |it| (Some(it.space), it.frees));
            daemon.add_disk(name.clone(), physics::Disk { allow: allow.clone(), space, frees });
        }
        daemon
    }
}

/// One daemon per host.
pub(super) fn daemon(host: &str) -> String {
    format!("daemon-of-{host}")
}
