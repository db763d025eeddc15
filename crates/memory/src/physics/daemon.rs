//! The daemon: what it keeps, and how time passes in it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::agenda::{Agenda, Due};
use super::chance::{Chance, Fate, Ordinary};
use super::container::{Container, Key};
use super::events::{Event, Events, What};
use super::hang::Hung;
use super::request::{Answer, Job, Request, Stage, Ticket};
use super::spec::{Generation, HealthCheck, Life, Spec, Timing};
use super::swarm::Service;
use super::truth::{By, Ended, Run};
use fettle_core::sight::{Container as Seen, Health, Space, Status};
use fettle_core::time::{Timestamp, after};

/// One Docker daemon.
pub struct Daemon {
    pub(super) id: String,
    pub(super) generation: Generation,
    pub(super) timing: Timing,
    pub(super) chance: Box<dyn Chance>,
    pub(super) now: Timestamp,
    /// By [`Key`]; removed ones stay.
    pub(super) containers: Vec<Container>,
    pub(super) by_id: HashMap<String, Key>,
    pub(super) by_name: HashMap<String, Key>,
    /// By project, then service; in the order of creation.
    pub(super) by_service: HashMap<String, HashMap<String, Vec<Key>>>,
    pub(super) services: Vec<Service>,
    pub(super) disks: BTreeMap<String, Disk>,
    pub(super) events: Events,
    pub(super) agenda: Agenda,
    /// Due and not to be done while a part hangs, in the order of their instants.
    pub(super) parked: Vec<(Timestamp, Due)>,
    pub(super) hung: Hung,
    /// When it was last started again.
    pub(super) started_again_at: Option<Timestamp>,
    pub(super) jobs: Vec<Job>,
    pub(super) runs: Vec<Run>,
    pub(super) events_denied: bool,
    /// Whether an effect that is performed at once helps; `None`: programs decide.
    pub(super) helps: Option<bool>,
    salt: u64,
}

impl std::fmt::Debug for Daemon {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Daemon").field("id", &self.id).field("now", &self.now).finish_non_exhaustive()
    }
}

/// A disk of the host.
#[derive(Debug, Clone)]
pub struct Disk {
    /// What the configuration permits on it: action names.
    pub allow: BTreeSet<String>,
    /// Its file system; `None`: fettle cannot see it.
    pub space: Option<Space>,
    /// How many bytes a clean-up frees.
    pub frees: u64,
}

impl Daemon {
    /// A daemon without containers, of the newer generation, in which everything takes the time that was measured.
    #[must_use]
    pub fn new(id: impl Into<String>, now: Timestamp) -> Self {
        let id = id.into();
        // Ids of two daemons differ.
        let salt = id
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        Self {
            id,
            generation: Generation::default(),
            timing: Timing::MEASURED,
            chance: Box::new(Ordinary),
            now,
            containers: Vec::new(),
            by_id: HashMap::new(),
            by_name: HashMap::new(),
            by_service: HashMap::new(),
            services: Vec::new(),
            disks: BTreeMap::new(),
            events: Events::default(),
            agenda: Agenda::default(),
            parked: Vec::new(),
            hung: Hung::default(),
            started_again_at: None,
            jobs: Vec::new(),
            runs: Vec::new(),
            events_denied: false,
            helps: None,
            salt,
        }
    }

    /// Of this generation.
    #[must_use]
    pub fn generation(mut self, generation: Generation) -> Self {
        self.generation = generation;
        self
    }

    /// With these times.
    #[must_use]
    pub fn timing(mut self, timing: Timing) -> Self {
        self.timing = timing;
        self
    }

    /// With this chance.
    #[must_use]
    pub fn chance(mut self, chance: impl Chance + 'static) -> Self {
        self.chance = Box::new(chance);
        self
    }

    /// The daemon's own id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Lets everything happen that is due by `now`. Every other function that takes an instant begins with it.
    pub fn advance(&mut self, now: Timestamp) {
        while let Some((at, due)) = self.agenda.pop(now) {
            self.now = self.now.max(at);
            self.happen(at, due);
        }
        self.now = self.now.max(now);
    }

    /// When the next thing happens by itself. A part that hangs may keep it from happening.
    #[must_use]
    pub fn next(&self) -> Option<Timestamp> {
        self.agenda.next()
    }

    /// Creates a container. A name that is in use is taken from its container, as after a rename.
    pub fn create(&mut self, spec: Spec, now: Timestamp) -> String {
        self.advance(now);
        let key = self.insert(spec);
        self.containers[key.0 as usize].seen.id.clone()
    }

    /// Creates and starts a container; it runs at `now`.
    pub fn run(&mut self, spec: Spec, now: Timestamp) -> String {
        let id = self.create(spec, now);
        if let Some(key) = self.key(&id) {
            self.begin(key, By::Person);
        }
        id
    }

    /// Adds a container exactly as it is seen, for tools that declare states. Its id must be new.
    pub fn declare(&mut self, seen: Seen, spec: Spec, now: Timestamp) {
        self.advance(now);
        let check = spec.check.or(seen.health.map(|_| HealthCheck::AT_ONCE));
        let mut it = Container::of(seen, Spec { check, ..spec }, now);
        it.hand_declared = it.seen.stopped_by_hand.is_some();
        it.life = match it.seen.health {
            Some(Health::Unhealthy) => Life::UNHEALTHY,
            _ => Life::WELL,
        };
        it.health_declared = true;
        let key = self.enter(it);
        self.follow_declared(key);
    }

    /// Changes what a look shows of a container, for tools that declare states. Gives whether there is such a container.
    pub fn declare_change(&mut self, id: &str, now: Timestamp, change: impl FnOnce(&mut Seen)) -> bool {
        self.advance(now);
        let Some(key) = self.key(id) else { return false };
        let it = &mut self.containers[key.0 as usize];
        let (hand, health) = (it.seen.stopped_by_hand, it.seen.health);
        change(&mut it.seen);
        it.hand_declared |= it.seen.stopped_by_hand != hand;
        it.health_declared |= it.seen.health != health;
        self.follow_declared(key);
        true
    }

    /// A declared state has a process, or none.
    fn follow_declared(&mut self, key: Key) {
        let it = &mut self.containers[key.0 as usize];
        match (it.is_alive(), it.run) {
            (true, None) => {
                let begun_at = it.seen.started_at.unwrap_or(self.now);
                // A change that nobody made is Docker's own.
                let begun_by = if it.runs == 0 { By::Person } else { By::Policy };
                let (id, name) = (it.seen.id.clone(), it.seen.name.clone());
                (it.run, it.runs) = (Some(self.runs.len()), it.runs + 1);
                self.runs.push(Run { id, name, begun_at, begun_by, ended: None });
            }
            (false, Some(run)) => {
                let (code, oom) = (it.seen.exit_code, it.seen.oom_killed);
                it.run = None;
                self.runs[run].ended = Some(Ended { at: self.now, code, oom, by: By::Itself });
            }
            _ => {}
        }
    }

    /// The program of later runs.
    pub fn set_program(&mut self, id: &str, program: super::spec::Program) {
        if let Some(key) = self.key(id) {
            self.containers[key.0 as usize].spec.program = program;
        }
    }

    /// Whether later starts of a container fail, as they do when its program is gone.
    pub fn break_starts(&mut self, id: &str, broken: bool) {
        if let Some(key) = self.key(id) {
            self.containers[key.0 as usize].broken = broken;
        }
    }

    /// The rest of the current run: its times count from `now`.
    pub fn set_life(&mut self, id: &str, life: Life, now: Timestamp) {
        self.advance(now);
        if let Some(key) = self.key(id) {
            self.live(key, life);
        }
    }

    /// Adds a disk.
    pub fn add_disk(&mut self, name: impl Into<String>, disk: Disk) {
        self.disks.insert(name.into(), disk);
    }

    /// The disk of this name.
    pub fn disk_mut(&mut self, name: &str) -> Option<&mut Disk> {
        self.disks.get_mut(name)
    }

    /// Sends a request. What becomes of it says [`job`](Self::job).
    pub fn ask(&mut self, request: Request, by: By, now: Timestamp) -> Ticket {
        self.advance(now);
        let fate = if by.is_fettle() { self.chance.fate(&request) } else { Fate::ORDINARY };
        let ticket = Ticket(self.jobs.len());
        let wait = fate.wait;
        self.jobs.push(Job {
            request,
            by,
            asked_at: now,
            executed_at: None,
            finished: None,
            fate,
            stage: Stage::Fresh,
        });
        if wait.is_zero() && !self.hung.stops(Due::Arrive(ticket)) {
            self.proceed(ticket);
        } else {
            self.agenda.enter(after(self.now, wait), Due::Arrive(ticket));
            self.advance(now);
        }
        ticket
    }

    /// Every request, by number.
    #[must_use]
    pub fn jobs(&self) -> &[Job] {
        &self.jobs
    }

    /// One request.
    #[must_use]
    pub fn job(&self, ticket: Ticket) -> &Job {
        &self.jobs[ticket.0]
    }

    /// Every run of every container, in the order in which they began.
    #[must_use]
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// What the daemon remembers of events.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.events.all()
    }

    /// This many other events happen: with 256 the daemon has forgotten all before.
    pub fn forget_events(&mut self, n: u64) {
        let now = self.now;
        self.events.others(now, n);
    }

    /// Whether a proxy answers `/events` with 403.
    pub fn deny_events(&mut self, denied: bool) {
        self.events_denied = denied;
    }

    /// The full id of the container of this name.
    #[must_use]
    pub fn id_of(&self, name: &str) -> Option<&str> {
        self.by_name.get(name).map(|key| self.containers[key.0 as usize].seen.id.as_str())
    }

    /// A container as it is now, whatever hangs; `None`: it was removed, or never was.
    #[must_use]
    pub fn container(&self, id: &str) -> Option<&Seen> {
        self.key(id).map(|key| &self.containers[key.0 as usize].seen)
    }

    /// Every container that is there, in the order of creation.
    pub fn containers(&self) -> impl Iterator<Item = &Seen> {
        self.containers.iter().filter(|it| !it.removed).map(|it| &it.seen)
    }

    pub(super) fn key(&self, id: &str) -> Option<Key> {
        self.by_id.get(id).copied()
    }

    pub(super) fn at(&self, key: Key) -> &Container {
        &self.containers[key.0 as usize]
    }

    pub(super) fn at_mut(&mut self, key: Key) -> &mut Container {
        &mut self.containers[key.0 as usize]
    }

    pub(super) fn event(&mut self, key: Key, what: What) {
        let id = &self.containers[key.0 as usize].seen.id;
        self.events.push(self.now, id, what);
    }

    /// Creates a container.
    pub(super) fn insert(&mut self, spec: Spec) -> Key {
        let number = self.containers.len() + 1;
        // The beginning tells ids apart, also where they are cut.
        let id = format!("{number:012x}{:016x}{:036x}", self.salt, number);
        let it = Container::new(&self.id, id, spec, self.now);
        let key = self.enter(it);
        self.event(key, What::Create);
        key
    }

    fn enter(&mut self, it: Container) -> Key {
        let key = Key(u32::try_from(self.containers.len()).unwrap_or(u32::MAX));
        self.by_id.insert(it.seen.id.clone(), key);
        self.by_name.insert(it.seen.name.clone(), key);
        if let Some((project, service)) = it.service() {
            let services = self.by_service.entry(project.to_owned()).or_default();
            services.entry(service.to_owned()).or_default().push(key);
        }
        self.containers.push(it);
        key
    }

    /// Forgets a container; its history stays.
    pub(super) fn forget(&mut self, key: Key) {
        let it = &mut self.containers[key.0 as usize];
        it.removed = true;
        it.seen.status = Status::Removing;
        let it = &self.containers[key.0 as usize];
        self.by_id.remove(&it.seen.id);
        if self.by_name.get(&it.seen.name) == Some(&key) {
            self.by_name.remove(&it.seen.name);
        }
        if let Some((project, service)) = it.service()
            && let Some(members) = self.by_service.get_mut(project).and_then(|it| it.get_mut(service))
        {
            members.retain(|it| *it != key);
        }
    }

    /// The daemon is through with a request.
    pub(super) fn finish(&mut self, ticket: Ticket, answer: Answer) {
        let job = &mut self.jobs[ticket.0];
        job.stage = Stage::Over;
        job.finished.get_or_insert((self.now, answer));
    }

    /// A request changes something now.
    pub(super) fn executed(&mut self, ticket: Ticket) {
        self.jobs[ticket.0].executed_at.get_or_insert(self.now);
    }
}
