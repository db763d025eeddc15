//! A model of one Docker daemon: containers, a Compose service with replicas, a Swarm service, a disk.
//!
//! It fails, hangs and lies: an effect may be done without an answer, late, half, or never; containers crash and are started
//! again by policy; people start, stop, remove and make anew. What really happened is known here, and only to the checks.

use std::collections::{BTreeMap, BTreeSet};

use fettle_core::decide::{Blind, CallFailure};
use fettle_core::effect::Effect;
use fettle_core::remediation::loan::Loan;
use fettle_core::rule::budget;
use fettle_core::settings::Protected;
use fettle_core::sight::{
    Container, Disk, Found, Health, ImageLabel, Pin, Replicas, Service, Sight, Space, Status, Wanted,
};
use fettle_core::target::Target;
use fettle_core::time::Timestamp;
use uuid::Uuid;

use crate::plan::{disk_allow, labels};
use crate::rng::Rng;
use crate::time::{Micros, SECOND, instant};

/// The daemon's own id.
pub const DAEMON: &str = "DAEMON";

/// A container as it really is.
#[derive(Debug, Clone)]
pub struct Real {
    /// As a look shows it.
    pub seen: Container,
    /// Started again by policy when it crashes.
    pub policy: bool,
    /// Does not do what it is there for.
    pub sick: bool,
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Done and said.
    Done,
    /// Said to be done, and nothing was.
    Lie,
    /// The daemon says no.
    Refused,
    /// The daemon says no, and did it.
    RefusedAndDone,
    /// No answer, and done: in time, or long after.
    Silent,
    /// No answer, and never done.
    Lost,
    /// Half of it, and an error.
    Half,
    /// The target is removed meanwhile.
    Gone,
}

/// A call on its way.
#[derive(Debug, Clone)]
pub struct Sent {
    /// The audit row it is made for.
    pub action: Uuid,
    effect: Effect,
    pin: Pin,
    fate: Fate,
    /// When it was sent.
    pub begun_at: Micros,
    /// When the daemon does it; `None`: never.
    pub lands_at: Option<Micros>,
    /// When it answers; `None`: never.
    pub answers_at: Option<Micros>,
    /// What it answers, once it has.
    pub answer: Option<Result<(), CallFailure>>,
    /// What it touches: full ids.
    pub touches: BTreeSet<String>,
    /// Sent by a process that was stopped in the window that design §1 documents.
    pub zombie: bool,
    /// Who sent it: a process, from one start to its end.
    pub by: Uuid,
}

/// The daemon.
#[derive(Debug, Default)]
pub struct Docker {
    /// By id.
    pub containers: BTreeMap<String, Real>,
    /// The Swarm service.
    pub service: Option<Service>,
    /// Free bytes of the disk, of a hundred.
    pub free: u64,
    /// Whether it answers at all.
    pub reachable: bool,
    /// Calls by number.
    pub calls: BTreeMap<u64, Sent>,
    /// Effects that really happened, by audit row.
    pub landed: BTreeMap<Uuid, u32>,
    made: u64,
}

/// What a real change asks the world to do later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Later {
    /// It dies.
    Crash(String),
    /// Its policy starts it.
    Policy(String),
    /// The tasks of the service follow what is asked for.
    Converge,
}

impl Docker {
    /// Draws what there is at the beginning.
    pub fn draw(rng: &mut Rng) -> Self {
        let mut it = Self { free: 50, reachable: true, ..Self::default() };
        for name in ["app-0", "app-1", "app-2", "side-0"] {
            it.make(rng, name, None);
        }
        it.make(rng, "shop-db-1", Some(("db", 1)));
        for number in 1..=rng.between(2, 4) {
            let number = u32::try_from(number).unwrap_or(1);
            it.make(rng, &format!("shop-web-{number}"), Some(("web", number)));
        }
        it.service = Some(Service {
            daemon: DAEMON.to_owned(),
            id: "service-1".to_owned(),
            name: "api".to_owned(),
            labels: labels(rng, None),
            version: 10,
            replicas: (!rng.chance(100)).then_some(3),
            running: 3,
            updating: false,
        });
        it
    }

    /// Makes a container; its full id.
    fn make(&mut self, rng: &mut Rng, name: &str, compose: Option<(&str, u32)>) -> String {
        self.made += 1;
        let id = format!("{:064x}", self.made);
        let image_label = match rng.below(60) {
            0 => ImageLabel::Present,
            1 => ImageLabel::Unreadable,
            _ => ImageLabel::Absent,
        };
        let seen = Container {
            daemon: DAEMON.to_owned(),
            id: id.clone(),
            name: name.to_owned(),
            labels: labels(rng, compose),
            image_label,
            status: Status::Running,
            started_at: Some(instant(-1000 * SECOND)),
            restart_count: 0,
            exit_code: 0,
            oom_killed: false,
            health: rng.chance(500).then_some(Health::Healthy),
            addresses: Vec::new(),
            stopped_by_hand: Some(false),
            number: compose.map(|(_, number)| number),
            memory_limit: None,
            nano_cpus: None,
            health_log: Vec::new(),
            dependents: Vec::new(),
        };
        self.containers.insert(id.clone(), Real { seen, policy: rng.chance(500), sick: false });
        id
    }

    /// The id of the container of this name.
    pub fn id_of(&self, name: &str) -> Option<String> {
        self.containers.values().find(|it| it.seen.name == name).map(|it| it.seen.id.clone())
    }

    fn members(&self, project: &str, service: &str) -> Vec<Container> {
        let is = |it: &&Real| {
            it.seen.labels.get("com.docker.compose.project").is_some_and(|it| it == project)
                && it.seen.labels.get("com.docker.compose.service").is_some_and(|it| it == service)
        };
        let mut members: Vec<_> = self.containers.values().filter(is).map(|it| it.seen.clone()).collect();
        members.sort_by_key(|it| it.number);
        members
    }

    fn disk(&self, name: &str) -> Disk {
        let space = Some(Space { total: 100, free: self.free });
        Disk { daemon: DAEMON.to_owned(), name: name.to_owned(), allow: disk_allow(), space }
    }

    fn see(&self, rng: &mut Rng, trouble: u64) -> Result<(), Blind> {
        if self.reachable && !rng.chance(trouble / 8) {
            return Ok(());
        }
        Err(Blind { reason: "docker_unreachable", error: "docker unreachable: connection refused".to_owned() })
    }

    /// Looks a target up by its names.
    pub fn find(&self, rng: &mut Rng, trouble: u64, target: &Target, wanted: Wanted) -> Result<Found, Blind> {
        self.see(rng, trouble)?;
        Ok(match target {
            Target::Container { name, .. } => match self.id_of(name) {
                Some(id) => self.container(&id, wanted).map_or(Found::Nothing, Found::one),
                None => Found::Nothing,
            },
            Target::Compose { project, service, .. } => {
                let members = self.members(project, service);
                match (members.len(), wanted.replicas) {
                    (0, _) => Found::Nothing,
                    (_, true) => Found::one(Sight::Replicas(Self::group(project, service, members))),
                    (1, false) => self.container(&members[0].id, wanted).map_or(Found::Nothing, Found::one),
                    (many, false) => Found::Many(many),
                }
            }
            Target::Swarm { .. } => self.service.clone().map_or(Found::Nothing, |it| Found::one(Sight::Service(it))),
            Target::Disk { name, .. } => Found::one(Sight::Disk(self.disk(name))),
            Target::Unresolvable { .. } => Found::Nothing,
        })
    }

    fn group(project: &str, service: &str, members: Vec<Container>) -> Replicas {
        Replicas { daemon: DAEMON.to_owned(), project: project.to_owned(), service: service.to_owned(), members }
    }

    fn container(&self, id: &str, wanted: Wanted) -> Option<Container> {
        let mut seen = self.containers.get(id)?.seen.clone();
        if wanted.dependents && seen.name == "app-0" {
            let side = self.id_of("side-0").and_then(|id| self.containers.get(&id));
            seen.dependents = side.map(|it| it.seen.clone()).into_iter().collect();
        }
        Some(seen)
    }

    /// Looks again at what was found before.
    pub fn look(&self, rng: &mut Rng, trouble: u64, target: &Target, pin: &Pin) -> Result<Option<Box<Sight>>, Blind> {
        self.see(rng, trouble)?;
        let sight = match target {
            Target::Compose { project, service, .. } if pin.id.contains(':') => {
                let members = self.members(project, service);
                (!members.is_empty()).then(|| Sight::Replicas(Self::group(project, service, members)))
            }
            Target::Container { .. } | Target::Compose { .. } => {
                self.container(&pin.id, Wanted::default()).map(Sight::from)
            }
            Target::Swarm { .. } => self.service.clone().filter(|it| it.id == pin.id).map(Sight::Service),
            Target::Disk { name, .. } => Some(Sight::Disk(self.disk(name))),
            Target::Unresolvable { .. } => None,
        };
        Ok(sight.map(Box::new))
    }

    /// Takes a call. `None`: nothing was sent.
    pub fn send(
        &mut self,
        rng: &mut Rng,
        trouble: u64,
        now: Micros,
        takes: Micros,
        call: (Uuid, &Effect, &Pin),
    ) -> Option<Sent> {
        let (action, effect, pin) = call;
        if !self.reachable || rng.chance(trouble / 10) {
            return None;
        }
        let fates = [
            Fate::Refused,
            Fate::RefusedAndDone,
            Fate::Silent,
            Fate::Silent,
            Fate::Lost,
            Fate::Half,
            Fate::Gone,
            Fate::Lie,
        ];
        let fate = match *rng.pick(&fates) {
            _ if !rng.chance(trouble) => Fate::Done,
            Fate::Lie if !matches!(effect, Effect::Restart { .. }) => Fate::Done,
            fate => fate,
        };
        let soon = now + SECOND / 10 + Micros::try_from(rng.below(2_000_000)).unwrap_or(0);
        // The daemon may be at it for as long as the grace time and then some, but not beyond the margin: that is what
        // "conclusive" rests on.
        let longest = u64::try_from(takes + 12 * SECOND).unwrap_or(0);
        let late = now + Micros::try_from(rng.below(longest)).unwrap_or(0);
        let (lands_at, answers_at) = match fate {
            Fate::Done | Fate::RefusedAndDone | Fate::Half | Fate::Gone => (Some(soon), Some(soon)),
            Fate::Lie | Fate::Refused => (None, Some(soon)),
            Fate::Silent => (Some(if rng.chance(500) { soon } else { late }), None),
            Fate::Lost => (None, None),
        };
        let touches = touched(effect, pin);
        let (effect, pin) = (effect.clone(), pin.clone());
        Some(Sent {
            action,
            effect,
            pin,
            fate,
            begun_at: now,
            lands_at,
            answers_at,
            answer: None,
            touches,
            zombie: false,
            by: Uuid::nil(),
        })
    }

    /// The daemon gets round to it.
    pub fn land(&mut self, rng: &mut Rng, number: u64, at: Micros) -> Vec<Later> {
        let Some(call) = self.calls.get(&number).cloned() else { return Vec::new() };
        if call.fate == Fate::Gone {
            self.containers.remove(&call.pin.id);
        }
        let (done, later) = self.carry_out(rng, &call, at);
        if done.is_ok() && call.fate != Fate::Gone {
            *self.landed.entry(call.action).or_default() += 1;
        }
        let answer = match call.fate {
            Fate::RefusedAndDone | Fate::Half => Err(failure("docker_error")),
            _ => done,
        };
        if let Some(call) = self.calls.get_mut(&number) {
            call.answer = Some(answer);
        }
        later
    }

    /// The answer of a call that has had its time.
    pub fn answered(&self, number: u64) -> Result<(), CallFailure> {
        let Some(call) = self.calls.get(&number) else { return Err(failure("docker_error")) };
        match (&call.answer, call.fate) {
            (Some(answer), _) => answer.clone(),
            (None, Fate::Lie) => Ok(()),
            (None, _) => Err(failure("docker_conflict")),
        }
    }

    fn carry_out(&mut self, rng: &mut Rng, call: &Sent, at: Micros) -> (Result<(), CallFailure>, Vec<Later>) {
        let half = call.fate == Fate::Half;
        match &call.effect {
            Effect::Restart { .. } => {
                let cures = !rng.chance(300);
                let Some(real) = self.containers.get_mut(&call.pin.id) else { return gone() };
                if half {
                    real.stop(137, true);
                    return (Ok(()), Vec::new());
                }
                real.sick &= !cures;
                real.start(instant(at), 0);
                return (Ok(()), real.fate_of_sickness());
            }
            Effect::Stop { .. } => match self.containers.get_mut(&call.pin.id) {
                Some(real) => real.stop(143, true),
                None => return gone(),
            },
            Effect::StopReplicas { replicas, .. } => {
                for replica in some(replicas, half) {
                    match self.containers.get_mut(&replica.id) {
                        Some(real) => real.stop(143, true),
                        None => return gone(),
                    }
                }
            }
            Effect::StartReplicas { replicas, .. } => {
                for replica in some(replicas, half) {
                    match self.containers.get_mut(&replica.id) {
                        Some(real) if real.seen.status != Status::Running => real.start(instant(at), 0),
                        Some(_) => {}
                        None => return gone(),
                    }
                }
            }
            Effect::SetReplicas { version, to, .. } => match &mut self.service {
                Some(service) if service.version == *version && !half => {
                    service.version += 1;
                    service.replicas = Some(*to);
                    return (Ok(()), vec![Later::Converge]);
                }
                Some(_) => return (Err(failure("docker_error")), Vec::new()),
                None => return gone(),
            },
            Effect::ForceUpdate { version } => match &mut self.service {
                Some(service) if service.version == *version && !half => service.version += 1,
                Some(_) => return (Err(failure("docker_error")), Vec::new()),
                None => return gone(),
            },
            Effect::Clean(_) | Effect::Prune(_) => {
                if !half {
                    self.free = 60;
                }
            }
            Effect::SetLimits { memory, nano_cpus } => match self.containers.get_mut(&call.pin.id) {
                Some(real) => {
                    real.seen.memory_limit = memory.or(real.seen.memory_limit);
                    real.seen.nano_cpus = nano_cpus.or(real.seen.nano_cpus);
                }
                None => return gone(),
            },
        }
        (Ok(()), Vec::new())
    }

    /// Calls that the daemon may still be at.
    pub fn under_way(&self, now: Micros) -> impl Iterator<Item = &Sent> {
        let at_it = move |it: &&Sent| it.answer.is_none() && it.lands_at.is_some_and(|at| at > now);
        self.calls.values().filter(at_it)
    }

    /// Trouble, or the end of it, for the container of this name.
    pub fn sicken(&mut self, name: &str, sick: bool) -> Vec<Later> {
        let Some(real) = self.id_of(name).and_then(|id| self.containers.get_mut(&id)) else { return Vec::new() };
        real.sick = sick;
        real.fate_of_sickness()
    }

    /// It dies, unless it is well again or not running.
    pub fn crash(&mut self, id: &str) -> Vec<Later> {
        match self.containers.get_mut(id) {
            Some(real) if real.sick && real.seen.status == Status::Running => {
                real.stop(1, false);
                if real.policy { vec![Later::Policy(id.to_owned())] } else { Vec::new() }
            }
            _ => Vec::new(),
        }
    }

    /// Its policy starts it again.
    pub fn policy(&mut self, id: &str, at: Micros) -> Vec<Later> {
        match self.containers.get_mut(id) {
            Some(real) if real.seen.status == Status::Exited && real.seen.stopped_by_hand != Some(true) => {
                let count = real.seen.restart_count + 1;
                real.start(instant(at), count);
                real.fate_of_sickness()
            }
            _ => Vec::new(),
        }
    }

    /// The service's tasks are what is asked for.
    pub fn converge(&mut self) {
        if let Some(service) = &mut self.service {
            service.running = service.replicas.unwrap_or(1);
        }
    }

    /// Whether what this alert is about is in trouble.
    pub fn in_trouble(&self, name: &str) -> bool {
        let real = self.containers.values().find(|it| it.seen.name == name);
        real.is_some_and(|it| it.sick || it.seen.status != Status::Running)
    }

    /// Whether what was lent asks to be left alone by now: then the loan waits for as long as it does.
    pub fn hands_off(&self, loan: &Loan, protected: &Protected) -> bool {
        let sight = match &loan.target {
            Target::Compose { project, service, .. } => {
                Some(Sight::Replicas(Self::group(project, service, self.members(project, service))))
            }
            Target::Swarm { .. } => self.service.clone().map(Sight::Service),
            _ => None,
        };
        sight.is_some_and(|sight| hands_off(&sight, protected).is_some())
    }

    /// Nothing is in trouble any more.
    pub fn recover(&mut self) {
        self.reachable = true;
        for real in self.containers.values_mut() {
            real.sick = false;
            drop(real.fate_of_sickness());
        }
    }

    /// Somebody removes it and makes it anew under the same name.
    pub fn make_anew(&mut self, rng: &mut Rng, name: &str) {
        let Some(id) = self.id_of(name) else { return };
        let old = self.containers.remove(&id);
        let compose =
            old.and_then(|it| Some((it.seen.labels.get("com.docker.compose.service")?.clone(), it.seen.number?)));
        self.make(rng, name, compose.as_ref().map(|(service, number)| (service.as_str(), *number)));
    }
}

impl Real {
    /// Starts, or starts anew.
    pub fn start(&mut self, at: Timestamp, restart_count: u64) {
        self.seen.status = Status::Running;
        self.seen.started_at = Some(at);
        self.seen.restart_count = restart_count;
        self.seen.exit_code = 0;
        self.seen.stopped_by_hand = Some(false);
    }

    /// Ends; `by_api` when somebody asked Docker for it.
    pub fn stop(&mut self, exit_code: i64, by_api: bool) {
        if self.seen.status == Status::Running {
            self.seen.status = Status::Exited;
            self.seen.exit_code = exit_code;
            self.seen.stopped_by_hand = Some(by_api);
        }
    }

    /// With a health check it is seen unhealthy; without one it dies.
    fn fate_of_sickness(&mut self) -> Vec<Later> {
        if self.seen.health.is_some() {
            self.seen.health = Some(if self.sick { Health::Unhealthy } else { Health::Healthy });
            return Vec::new();
        }
        if self.sick { vec![Later::Crash(self.seen.id.clone())] } else { Vec::new() }
    }
}

/// Why this is not to be touched at all; judged here once more.
pub fn hands_off(sight: &Sight, protected: &Protected) -> Option<String> {
    sight.parts().into_iter().find_map(|part| {
        let label = |name: &str| part.labels.get(name).map(String::as_str);
        let project = label("com.docker.compose.project").is_some_and(|it| protected.compose_projects.contains(it));
        let known_as = [Some(part.name), label("com.docker.compose.service")];
        let database = known_as.iter().flatten().any(|it| protected.database.contains(*it));
        let garbled = label("fettle.budget").is_some_and(|it| it.split(',').any(|one| budget::parse(one).is_err()));
        let why = match () {
            () if protected.containers.contains(part.name) || project || database => "is protected",
            () if label("fettle.hold").is_some() => "carries fettle.hold",
            () if garbled => "carries a budget that does not read",
            () => return None,
        };
        Some(format!("{why}: {}", part.name))
    })
}

/// What an effect touches: full ids.
pub fn touched(effect: &Effect, pin: &Pin) -> BTreeSet<String> {
    match effect {
        Effect::StopReplicas { replicas, .. } | Effect::StartReplicas { replicas, .. } => {
            replicas.iter().map(|it| it.id.clone()).collect()
        }
        _ => BTreeSet::from([pin.id.clone()]),
    }
}

fn some<T>(all: &[T], half: bool) -> &[T] {
    if half { &all[..all.len() / 2] } else { all }
}

fn gone() -> (Result<(), CallFailure>, Vec<Later>) {
    (Err(failure("container_gone")), Vec::new())
}

fn failure(reason: &'static str) -> CallFailure {
    CallFailure { reason, error: format!("docker: {reason}"), nothing_sent: false, is_answer: true }
}
