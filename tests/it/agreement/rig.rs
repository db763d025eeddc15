//! Four containers, a Swarm service and what becomes of calls to them, the same for the world and for the service: how the n-th call to a
//! container ends is drawn from the seed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use fettle_core::effect::Effect;
use fettle_core::ports::platform::{Performed, Platform, PlatformError};
use fettle_core::sight::{CallPath, Container, Found, Health, ImageLabel, Pin, Service, Sight, Status, Wanted};
use fettle_core::target::Target;
use fettle_core::time::{Timestamp, after, since};
use fettle_engine::clock::{Clock, SystemClock};
use serde_json::{Value, json};
use tokio::sync::watch;

/// How a call ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Done,
    InVain,
    Refused,
    Lost,
}

/// The containers and services.
#[derive(Debug, Clone)]
pub struct Rig {
    containers: BTreeMap<String, Container>,
    services: BTreeMap<String, Service>,
    calls: BTreeMap<String, u64>,
    seed: u64,
}

impl Rig {
    /// All of them run; `c` has a health check, `d` does not permit fettle, and `e` is a service of three tasks.
    pub fn new(seed: u64) -> Self {
        let made = |(number, name): (usize, &str)| {
            let mut it = container(name, number);
            if name == "c" {
                it.health = Some(Health::Healthy);
            }
            if name == "d" {
                it.labels.clear();
            }
            (name.to_owned(), it)
        };
        let containers = ["a", "b", "c", "d"].into_iter().enumerate().map(made).collect();
        let services = BTreeMap::from([("e".to_owned(), service("e"))]);
        Self { containers, services, calls: BTreeMap::new(), seed }
    }

    /// It crashes.
    pub fn crash(&mut self, name: &str) {
        if let Some(it) = self.containers.get_mut(name) {
            fall_ill(it);
        }
    }

    fn find(&self, target: &Target) -> Found {
        let name = target.name().unwrap_or_default();
        match target {
            Target::Swarm { .. } => self.services.get(name).map(|it| Found::one(Sight::Service(it.clone()))),
            _ => self.containers.get(name).map(|it| Found::one(it.clone())),
        }
        .unwrap_or(Found::Nothing)
    }

    fn look(&self, pin: &Pin) -> Option<Sight> {
        let service = self.services.values().find(|it| it.id == pin.id).cloned().map(Sight::Service);
        service.or_else(|| self.containers.values().find(|it| it.id == pin.id).cloned().map(Sight::from))
    }

    /// The next call to this container: how it ends, and how long that takes.
    fn begin(&mut self, name: &str) -> (Fate, Duration) {
        let number = self.calls.entry(name.to_owned()).or_default();
        *number += 1;
        let mut mixed =
            self.seed ^ (*number).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (u64::from(name.as_bytes()[0]) << 32);
        mixed = (mixed ^ (mixed >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        // Each takes a time of its own, so that calls of one instant end apart.
        let place = self.containers.keys().chain(self.services.keys()).position(|it| it == name).unwrap_or_default();
        let own = Duration::from_secs(5 * u64::try_from(place).expect("small"));
        let (fate, takes) = match (mixed >> 40) % 10 {
            0 | 1 => (Fate::InVain, 3),
            2 => (Fate::Refused, 3),
            3 => (Fate::Lost, 35),
            _ => (Fate::Done, 3),
        };
        (fate, Duration::from_secs(takes) + own)
    }

    fn land(&mut self, name: &str, effect: &Effect, fate: Fate, at: Timestamp) {
        if let (Effect::SetReplicas { to, .. }, Some(it)) = (effect, self.services.get_mut(name)) {
            if matches!(fate, Fate::Done | Fate::InVain) {
                (it.version, it.replicas) = (it.version + 1, Some(*to));
            }
            if fate == Fate::Done {
                it.running = *to;
            }
            return;
        }
        let Some(it) = self.containers.get_mut(name).filter(|_| matches!(fate, Fate::Done | Fate::InVain)) else {
            return;
        };
        (it.status, it.started_at, it.restart_count, it.exit_code) = (Status::Running, Some(at), 0, 0);
        it.health = it.health.map(|_| Health::Healthy);
        if fate == Fate::InVain {
            fall_ill(it);
        }
    }
}

fn fall_ill(it: &mut Container) {
    if it.health.is_some() {
        it.health = Some(Health::Unhealthy);
    } else {
        (it.status, it.exit_code) = (Status::Exited, 1);
    }
}

fn service(name: &str) -> Service {
    Service {
        daemon: "rig".into(),
        id: format!("{name:0>25}"),
        name: name.into(),
        labels: [("fettle.enable".to_owned(), "true".to_owned())].into(),
        version: 1,
        replicas: Some(3),
        running: 3,
        updating: false,
    }
}

fn container(name: &str, number: usize) -> Container {
    Container {
        daemon: "rig".into(),
        id: format!("{:064x}", number + 1),
        name: name.into(),
        labels: [("fettle.enable".to_owned(), "true".to_owned())].into(),
        image_label: ImageLabel::Absent,
        status: Status::Running,
        started_at: Timestamp::from_second(1_000_000).ok(),
        restart_count: 0,
        exit_code: 0,
        oom_killed: false,
        health: None,
        start_period: std::time::Duration::ZERO,
        addresses: Vec::new(),
        stopped_by_hand: Some(false),
        ended_at: None,
        ended_by: None,
        number: None,
        memory_limit: None,
        nano_cpus: None,
        health_log: Vec::new(),
        siblings_well: 0,
        dependents: Vec::new(),
    }
}

/// The rig as the world of `predict` sees it, in virtual time.
pub struct Foretold {
    rig: Mutex<Rig>,
    clock: fettle_predict::world::Clock,
}

impl Foretold {
    pub fn new(rig: Rig, clock: fettle_predict::world::Clock) -> Arc<Self> {
        Arc::new(Self { rig: Mutex::new(rig), clock })
    }

    /// Changes it by hand.
    pub fn change(&self, how: impl FnOnce(&mut Rig)) {
        how(&mut self.rig.lock().expect("one at a time"));
    }
}

#[async_trait]
impl Platform for Foretold {
    async fn find(&self, target: &Target, _: Wanted) -> Result<Found, PlatformError> {
        Ok(self.rig.lock().expect("one at a time").find(target))
    }

    async fn look(&self, _: &Target, pin: &Pin) -> Result<Option<Sight>, PlatformError> {
        Ok(self.rig.lock().expect("one at a time").look(pin))
    }

    async fn call_path(&self, _: &Target, _: &Pin, _: &Effect) -> CallPath {
        CallPath::Works
    }

    async fn perform(&self, target: &Target, _: &Pin, effect: &Effect) -> Performed {
        let name = target.name().expect("a name").to_owned();
        let (fate, takes) = self.rig.lock().expect("one at a time").begin(&name);
        tokio::time::sleep(takes).await;
        self.rig.lock().expect("one at a time").land(&name, effect, fate, self.clock.now());
        answered(fate, takes)
    }

    async fn evidence(&self, _: &Target, _: &Pin, _: u32) -> Value {
        json!({})
    }

    async fn targets(&self) -> Vec<(String, Result<Vec<Target>, PlatformError>)> {
        Vec::new()
    }

    async fn ping(&self) -> Vec<(String, Result<(), PlatformError>)> {
        vec![("local".to_owned(), Ok(()))]
    }
}

fn answered(fate: Fate, takes: Duration) -> Performed {
    let endpoint = || "rig".to_owned();
    let answer = match fate {
        Fate::Done | Fate::InVain => Ok(()),
        Fate::Refused => Err(PlatformError::Answered { endpoint: endpoint(), status: 500, message: "no".into() }),
        Fate::Lost => Err(PlatformError::TimedOut { endpoint: endpoint(), after: takes }),
    };
    Performed { touched: json!({}), answer, short: None }
}

/// A machine whose clocks show what the test says: both stand still between two settings. A monotonic clock that ran on would
/// make the engine's time run on after it, past the ends of calls that wait for the wall clock.
#[derive(Debug)]
pub struct Hand {
    start: Timestamp,
    wall: watch::Sender<Timestamp>,
    machine: SystemClock,
}

impl Hand {
    pub fn at(start: Timestamp) -> Arc<Self> {
        Arc::new(Self { start, wall: watch::Sender::new(start), machine: SystemClock::default() })
    }

    /// Forward, never back.
    pub fn set(&self, at: Timestamp) {
        self.wall.send_if_modified(|now| {
            let forward = *now < at;
            *now = at.max(*now);
            forward
        });
    }
}

impl Clock for Hand {
    fn wall(&self) -> Timestamp {
        *self.wall.borrow()
    }

    fn monotonic(&self) -> Duration {
        since(self.wall(), self.start)
    }

    fn random(&self) -> u64 {
        self.machine.random()
    }
}

/// The rig as the service sees it.
pub struct Really {
    rig: Mutex<Rig>,
    clock: Arc<Hand>,
    /// When the calls end that are under way.
    pending: Mutex<Vec<Timestamp>>,
}

impl Really {
    pub fn new(rig: Rig, clock: Arc<Hand>) -> Arc<Self> {
        Arc::new(Self { rig: Mutex::new(rig), clock, pending: Mutex::new(Vec::new()) })
    }

    /// Changes it by hand.
    pub fn change(&self, how: impl FnOnce(&mut Rig)) {
        how(&mut self.rig.lock().expect("one at a time"));
    }

    /// Calls that end later than `now`.
    pub fn under_way(&self, now: Timestamp) -> usize {
        self.pending.lock().expect("one at a time").iter().filter(|end| **end > now).count()
    }

    /// When the next call ends.
    pub fn next_end(&self) -> Option<Timestamp> {
        self.pending.lock().expect("one at a time").iter().min().copied()
    }
}

#[async_trait]
impl Platform for Really {
    async fn find(&self, target: &Target, _: Wanted) -> Result<Found, PlatformError> {
        Ok(self.rig.lock().expect("one at a time").find(target))
    }

    async fn look(&self, _: &Target, pin: &Pin) -> Result<Option<Sight>, PlatformError> {
        Ok(self.rig.lock().expect("one at a time").look(pin))
    }

    async fn call_path(&self, _: &Target, _: &Pin, _: &Effect) -> CallPath {
        CallPath::Works
    }

    async fn perform(&self, target: &Target, _: &Pin, effect: &Effect) -> Performed {
        let name = target.name().expect("a name").to_owned();
        let (fate, takes) = self.rig.lock().expect("one at a time").begin(&name);
        let end = after(self.clock.wall(), takes);
        self.pending.lock().expect("one at a time").push(end);
        let mut clock = self.clock.wall.subscribe();
        clock.wait_for(|now| *now >= end).await.expect("the clock outlives the call");
        self.rig.lock().expect("one at a time").land(&name, effect, fate, end);
        let mut pending = self.pending.lock().expect("one at a time");
        let at = pending.iter().position(|it| *it == end).expect("it is under way");
        pending.remove(at);
        answered(fate, takes)
    }

    async fn evidence(&self, _: &Target, _: &Pin, _: u32) -> Value {
        json!({})
    }

    async fn targets(&self) -> Vec<(String, Result<Vec<Target>, PlatformError>)> {
        Vec::new()
    }

    async fn ping(&self) -> Vec<(String, Result<(), PlatformError>)> {
        vec![("local".to_owned(), Ok(()))]
    }
}
