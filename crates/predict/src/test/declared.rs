//! The platform of a test: what was declared, and what calls, people and time make of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

use super::model::{Answers, Change, ContainerChange, Reachable, Tasks};
use crate::world::{Answered, Docker, Sent};
use fettle_core::action::CALL_MARGIN;
use fettle_core::decide::{Blind, CallFailure};
use fettle_core::effect::Effect;
use fettle_core::sight::{Container, Disk, Found, Health, Pin, Replicas, Service, Sight, Space, Status, Wanted};
use fettle_core::target::{Disks, Target};
use fettle_core::time::Timestamp;

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

    fn is_answered(self) -> bool {
        !matches!(self, Self::Hangs | Self::Silent)
    }
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
    pub(super) depends_on: Vec<String>,
}

/// A disk's file system, and what a clean-up gives back.
#[derive(Debug, Clone)]
pub(super) struct DeclaredDisk {
    pub(super) space: Space,
    pub(super) frees: u64,
}

/// Everything.
#[derive(Debug, Clone)]
pub(super) struct Declared {
    pub(super) containers: Vec<Declaration>,
    /// By host and name.
    pub(super) services: BTreeMap<(String, String), Service>,
    pub(super) disks: BTreeMap<(String, String), DeclaredDisk>,
    /// What the configuration permits on disks.
    pub(super) allowed: Disks,
    pub(super) takes: Duration,
    /// Whether Docker is reached on hosts of which nothing else is said.
    pub(super) reachable: bool,
    /// Whether it is on these.
    pub(super) reachable_on: BTreeMap<String, bool>,
    /// Calls that were sent and not answered: by remediation or loan.
    pub(super) under_way: BTreeSet<Uuid>,
    pub(super) metrics: Metrics,
    /// By action, then name; without a name: every other.
    pub(super) endings: BTreeMap<(&'static str, Option<String>), Ending>,
    pub(super) made: u64,
}

impl Declared {
    /// Nothing, and Docker does what it is told.
    pub(super) fn new(allowed: Disks) -> Self {
        Self {
            containers: Vec::new(),
            services: BTreeMap::new(),
            disks: BTreeMap::new(),
            allowed,
            takes: Duration::from_secs(1),
            reachable: true,
            reachable_on: BTreeMap::new(),
            under_way: BTreeSet::new(),
            metrics: Metrics::Say(true),
            endings: BTreeMap::new(),
            made: 0,
        }
    }

    /// The id of the next thing that is made.
    pub(super) fn next_id(&mut self) -> String {
        self.made += 1;
        // The beginning tells them apart, as it does where ids are cut.
        format!("{:012x}{}", self.made, "0".repeat(52))
    }

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

    /// Something changes without fettle.
    pub(super) fn change(&mut self, change: &Change, now: Timestamp) {
        match change {
            Change::Container { host, name, to } => {
                let meant = |it: &&mut Declaration| it.host == *host && it.seen.name == *name;
                if let Some(it) = self.containers.iter_mut().find(meant) {
                    apply(&mut it.seen, to, now);
                }
            }
            Change::Service { host, name, replicas, running, updating } => {
                if let Some(it) = self.services.get_mut(&(host.clone(), name.clone())) {
                    if replicas.is_some() {
                        it.version += 1;
                    }
                    it.replicas = replicas.map_or(it.replicas, Tasks::count);
                    it.running = running.unwrap_or(it.running);
                    it.updating = updating.unwrap_or(it.updating);
                }
            }
            Change::Disk { host, name, free, frees } => {
                if let Some(it) = self.disks.get_mut(&(host.clone(), name.clone())) {
                    it.space.free = free.unwrap_or(it.space.free);
                    it.frees = frees.unwrap_or(it.frees);
                }
            }
            Change::Restarted { name } => {
                if let Some(it) = self.containers.iter_mut().find(|it| it.seen.name == *name) {
                    start(&mut it.seen, now);
                }
            }
            Change::Removed { name } => self.containers.retain(|it| it.seen.name != *name),
            Change::Docker(answers) => self.answer_as(answers),
        }
    }

    fn ending(&self, action: &'static str, target: &Target) -> Ending {
        let name = target.name().map(str::to_owned);
        let known = |name| self.endings.get(&(action, name)).copied();
        known(name).or_else(|| known(None)).unwrap_or(Ending::Succeeds)
    }

    fn reaches(&self, target: &Target) -> bool {
        self.reachable_on.get(target.host()).copied().unwrap_or(self.reachable)
    }

    fn see(&self, target: &Target) -> Result<(), Blind> {
        if self.reaches(target) {
            return Ok(());
        }
        Err(Blind { reason: "docker_unreachable", error: "docker cannot be reached".to_owned() })
    }

    fn members(&self, host: &str, project: &str, service: &str) -> Vec<Container> {
        let label = |it: &Container, name: &str, value: &str| it.labels.get(name).is_some_and(|it| it == value);
        let is = |it: &&Declaration| {
            it.host == host
                && label(&it.seen, "com.docker.compose.project", project)
                && label(&it.seen, "com.docker.compose.service", service)
        };
        let mut members: Vec<Container> = self.containers.iter().filter(is).map(|it| it.seen.clone()).collect();
        members.sort_by_key(|it| it.number);
        members
    }

    /// A container with those that depend on it, where they are wanted.
    fn whole(&self, seen: &Container, wanted: Wanted) -> Container {
        let mut seen = seen.clone();
        if wanted.dependents {
            let depends = |it: &&Declaration| it.seen.daemon == seen.daemon && it.depends_on.contains(&seen.name);
            let dependents = self.containers.iter().filter(depends).map(|it| it.seen.clone()).collect();
            seen.dependents = dependents;
        }
        seen
    }

    fn disk(&self, host: &str, name: &str) -> Option<Disk> {
        let allow = self.allowed.get(host)?.get(name)?.clone();
        let space = self.disks.get(&(host.to_owned(), name.to_owned())).map(|it| it.space);
        Some(Disk { daemon: daemon(host), name: name.to_owned(), allow, space })
    }

    fn by_id(&mut self, id: &str) -> Option<&mut Container> {
        self.containers.iter_mut().map(|it| &mut it.seen).find(|it| it.id == id)
    }

    /// Does it. `helps`: what was unwell is well afterwards.
    fn perform(&mut self, sent: &Sent<'_>, helps: bool, now: Timestamp) -> Result<(), CallFailure> {
        let gone = || failure("container_gone", "there is no such container", true);
        let id = &sent.attempt.pin.id;
        match &sent.attempt.effect {
            Effect::Restart { .. } => {
                let seen = self.by_id(id).ok_or_else(gone)?;
                start(seen, now);
                if !helps {
                    fall_ill(seen);
                }
            }
            Effect::Stop { .. } => stop(self.by_id(id).ok_or_else(gone)?),
            Effect::StopReplicas { replicas, .. } => {
                for replica in replicas {
                    stop(self.by_id(&replica.id).ok_or_else(gone)?);
                }
            }
            Effect::StartReplicas { replicas, .. } => {
                for replica in replicas {
                    start(self.by_id(&replica.id).ok_or_else(gone)?, now);
                }
            }
            Effect::SetReplicas { version, to, .. } => {
                let service = self.service(sent.target).filter(|it| it.version == *version);
                let service = service.ok_or_else(|| failure("docker_error", "update out of sequence", true))?;
                (service.version, service.replicas) = (service.version + 1, Some(*to));
                if helps {
                    service.running = *to;
                }
            }
            Effect::ForceUpdate { version } => {
                let service = self.service(sent.target).filter(|it| it.version == *version);
                let service = service.ok_or_else(|| failure("docker_error", "update out of sequence", true))?;
                service.version += 1;
                if helps {
                    service.running = service.replicas.unwrap_or(service.running.max(1));
                }
            }
            Effect::Clean(_) | Effect::Prune(_) => {
                if let Target::Disk { host, name } = sent.target
                    && let Some(disk) = self.disks.get_mut(&(host.clone(), name.clone()))
                    && helps
                {
                    disk.space.free = (disk.space.free + disk.frees).min(disk.space.total);
                }
            }
            Effect::SetLimits { memory, nano_cpus } => {
                let seen = self.by_id(id).ok_or_else(gone)?;
                seen.memory_limit = memory.or(seen.memory_limit);
                seen.nano_cpus = nano_cpus.or(seen.nano_cpus);
            }
        }
        Ok(())
    }

    fn service(&mut self, target: &Target) -> Option<&mut Service> {
        let Target::Swarm { host, service } = target else { return None };
        self.services.get_mut(&(host.clone(), service.clone()))
    }
}

impl Docker for Declared {
    fn find(&mut self, target: &Target, wanted: Wanted, _: Timestamp) -> Result<Found, Blind> {
        self.see(target)?;
        Ok(match target {
            Target::Container { host, name } => {
                let found = self.containers.iter().find(|it| it.host == *host && it.seen.name == *name);
                found.map_or(Found::Nothing, |it| Found::one(self.whole(&it.seen, wanted)))
            }
            Target::Compose { host, project, service } => {
                let members = self.members(host, project, service);
                match (&members[..], wanted.replicas) {
                    ([], _) => Found::Nothing,
                    (_, true) => Found::one(group(host, project, service, members)),
                    ([one], false) => Found::one(self.whole(one, wanted)),
                    (many, false) => Found::Many(many.len()),
                }
            }
            Target::Swarm { host, service } => {
                let found = self.services.get(&(host.clone(), service.clone()));
                found.map_or(Found::Nothing, |it| Found::one(Sight::Service(it.clone())))
            }
            Target::Disk { host, name } => {
                self.disk(host, name).map_or(Found::Nothing, |it| Found::one(Sight::Disk(it)))
            }
            Target::Unresolvable { .. } => Found::Nothing,
        })
    }

    fn look(&mut self, target: &Target, pin: &Pin, _: Timestamp) -> Result<Option<Box<Sight>>, Blind> {
        self.see(target)?;
        let sight = match target {
            Target::Compose { host, project, service } if pin.id.contains(':') => {
                let members = self.members(host, project, service);
                (!members.is_empty()).then(|| group(host, project, service, members))
            }
            Target::Container { .. } | Target::Compose { .. } => {
                let found = self.containers.iter().find(|it| it.seen.id == pin.id);
                found.map(|it| Sight::from(it.seen.clone()))
            }
            Target::Swarm { host, service } => {
                let found = self.services.get(&(host.clone(), service.clone()));
                found.filter(|it| it.id == pin.id).map(|it| Sight::Service(it.clone()))
            }
            Target::Disk { host, name } => self.disk(host, name).map(Sight::Disk),
            Target::Unresolvable { .. } => None,
        };
        Ok(sight.map(Box::new))
    }

    fn send(&mut self, sent: Sent<'_>, now: Timestamp) -> Duration {
        let ending = self.ending(sent.attempt.action.name(), sent.target);
        if !self.reaches(sent.target) || ending == Ending::Unreachable {
            return Duration::ZERO;
        }
        self.under_way.insert(sent.about);
        if ending.is_answered() {
            return self.takes;
        }
        if ending == Ending::Silent {
            // It is done at once, and nobody hears of it; what it says is lost with the answer.
            let _ = self.perform(&sent, true, now);
        }
        sent.attempt.action.takes() + CALL_MARGIN
    }

    fn answer(&mut self, sent: Sent<'_>, now: Timestamp) -> Answered {
        let ending = self.ending(sent.attempt.action.name(), sent.target);
        let was_sent = self.under_way.remove(&sent.about);
        let answer = match ending {
            _ if !was_sent => Err(failure("docker_unreachable", "docker cannot be reached", false)),
            // The host went away with it: nobody knows whether it is done, until somebody can look.
            _ if !self.reaches(sent.target) => Err(failure("docker_broken", "the connection to docker broke", false)),
            Ending::Fails => Err(failure("docker_error", "docker says no", true)),
            Ending::Hangs | Ending::Silent => Err(failure("docker_timeout", "docker did not answer in time", false)),
            Ending::Succeeds | Ending::InVain | Ending::Unreachable => {
                self.perform(&sent, ending != Ending::InVain, now)
            }
        };
        Answered { answer: answer.map_err(|it| CallFailure { nothing_sent: !was_sent, ..it }), touched: Value::Null }
    }

    fn metric(&mut self, _: &str, _: Timestamp) -> Result<bool, Blind> {
        match self.metrics {
            Metrics::Say(says) => Ok(says),
            Metrics::Blind => {
                Err(Blind { reason: "prometheus_unreachable", error: "prometheus cannot be reached".to_owned() })
            }
        }
    }
}

/// One daemon per host.
pub(super) fn daemon(host: &str) -> String {
    format!("daemon-of-{host}")
}

fn group(host: &str, project: &str, service: &str, members: Vec<Container>) -> Sight {
    let (daemon, project, service) = (daemon(host), project.to_owned(), service.to_owned());
    Sight::Replicas(Replicas { daemon, project, service, members })
}

fn failure(reason: &'static str, error: &str, is_answer: bool) -> CallFailure {
    CallFailure { reason, error: error.to_owned(), nothing_sent: false, is_answer }
}

fn start(seen: &mut Container, now: Timestamp) {
    seen.status = Status::Running;
    seen.started_at = Some(now);
    seen.restart_count = 0;
    (seen.exit_code, seen.oom_killed, seen.stopped_by_hand) = (0, false, Some(false));
    seen.health = seen.health.map(|_| Health::Healthy);
}

fn stop(seen: &mut Container) {
    (seen.status, seen.exit_code, seen.stopped_by_hand) = (Status::Exited, 143, Some(true));
}

/// A start did not help: its check fails again, or it ends again.
fn fall_ill(seen: &mut Container) {
    if seen.health.is_some() {
        seen.health = Some(Health::Unhealthy);
    } else {
        (seen.status, seen.exit_code) = (Status::Exited, 1);
    }
}

fn apply(seen: &mut Container, to: &ContainerChange, now: Timestamp) {
    if let Some(labels) = &to.labels {
        seen.labels.extend(labels.iter().cloned());
    }
    if let Some(status) = to.status {
        if status == Status::Running && seen.status != Status::Running {
            // By itself: Docker's restart policy counts.
            let count = seen.restart_count + 1;
            start(seen, now);
            seen.restart_count = count;
        }
        seen.status = status;
        if to.exit_code.is_none() && status == Status::Exited && seen.exit_code == 0 {
            // What ends by itself while it should run has crashed.
            seen.exit_code = 1;
        }
    }
    seen.health = to.health.or(seen.health);
    seen.exit_code = to.exit_code.unwrap_or(seen.exit_code);
    seen.oom_killed = to.oom_killed.unwrap_or(seen.oom_killed);
    seen.stopped_by_hand = to.stopped_by_hand.or(seen.stopped_by_hand);
}
