//! One machine with one process of fettle on it: the shipped engine, started as the service starts it, killed, stopped for a
//! while, and started again.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use fettle_core::id::ReplicaId;
use fettle_core::target::Hosts;
use fettle_engine::by_hand::ByHand;
use fettle_engine::clock::Time;
use fettle_engine::heartbeat::Expected;
use fettle_engine::intake::{Accepted, Intake, IntakeError};
use fettle_engine::readiness::{Condition, Readiness};
use fettle_engine::remember::Remembering;
use fettle_engine::run::{Running, build, recover};
use fettle_engine::shell::Shell;
use fettle_engine::upkeep::Retention;
use fettle_memory::physics::Client;
use fettle_memory::store::Process as Store;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::Instant;

use crate::alerts::WATCHDOG;
use crate::desk::{Desk, Way};
use crate::gate::{Enclosure, Gate};
use crate::hands::Hands;
use crate::machine::Machine;
use crate::peer::Peer;
use crate::plan::{Clocks, HOST};
use crate::rng::Rng;
use crate::time::{MINUTE, Micros, SECOND};
use crate::world::{Wake, World};
use fettle_core::ports::telemetry::Silent;

/// Pause between two tries to begin while the store is away.
const AGAIN: Duration = Duration::from_secs(1);

/// A machine and its process.
pub struct Replica {
    /// Its number.
    pub number: u32,
    /// Its clocks.
    pub machine: Arc<Machine>,
    /// Its way to the store.
    pub way: Way,
    gate: Arc<Gate>,
    process: Mutex<Option<Process>>,
    resumes_at: AtomicI64,
    /// Since when it neither started nor stood still.
    steady_since: AtomicI64,
}

/// A process, from its start to its end.
struct Process {
    shell: Arc<Shell>,
    store: Arc<Store>,
    intake: Intake,
    /// `None` until the store was reached.
    running: Option<Running>,
    /// The start, and requests under way.
    tasks: Vec<AbortHandle>,
}

fn lock<T>(it: &Mutex<T>) -> MutexGuard<'_, T> {
    it.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Replica {
    /// A machine without a process. The world began at `began`.
    pub fn new(number: u32, began: Instant, rng: Rng) -> Self {
        Self {
            number,
            machine: Arc::new(Machine::new(began, rng)),
            way: Way::default(),
            gate: Arc::default(),
            process: Mutex::default(),
            resumes_at: AtomicI64::new(0),
            steady_since: AtomicI64::new(0),
        }
    }

    /// For how long its process has been at work without a break.
    pub fn steady_for(&self, now: Micros) -> Micros {
        if self.by_hand().is_some() { now - self.steady_since.load(Ordering::Relaxed) } else { 0 }
    }

    /// Whether its process lives, also one that stands still.
    pub fn is_up(&self) -> bool {
        lock(&self.process).is_some()
    }

    /// The process that lives.
    pub fn owner(&self) -> Option<ReplicaId> {
        lock(&self.process).as_ref().map(|it| it.shell.owner)
    }

    /// What its process shows as the time now.
    pub fn time(&self) -> Option<fettle_core::time::Timestamp> {
        lock(&self.process).as_ref().map(|it| it.shell.time.now())
    }

    /// Where people order by hand, when it lives and does not stand still.
    pub fn by_hand(&self) -> Option<ByHand> {
        let process = lock(&self.process);
        let process = process.as_ref().filter(|it| it.running.is_some() && !self.gate.is_closed())?;
        Some(ByHand { shell: process.shell.clone() })
    }

    /// Has its worker look for what is due, as the API does after a person's answer.
    pub fn wake(&self) {
        if let Some(process) = &*lock(&self.process) {
            process.shell.wake.notify_one();
        }
    }

    /// Starts a process, as `app.rs` does: settings and rules first, then the store, recovery, and the engine.
    pub fn start(self: &Arc<Self>, world: &Arc<World>) {
        if self.is_up() {
            return;
        }
        let owner = world.new_id();
        let time = Arc::new(Time::new(self.machine.clone()));
        // The time is asked for before the database is there: when the rules were loaded.
        let _ = time.now();
        let store = Arc::new(world.memory.process(owner));
        let desk = Arc::new(Desk::new(world, self.clone(), owner, store.clone()));
        let client = Client::new(self.number, [(HOST.to_owned(), world.host.clone())]);
        let peer = world.plan.settings.alertmanager.then(|| Arc::new(Peer::new(world, self.clone())) as _);
        let hands = Arc::new(Hands::new(world, self.clone(), owner, client));
        let shell = Arc::new(Shell {
            store: desk.clone(),
            platform: Arc::new(Remembering::new(hands, desk.clone())),
            time,
            rules: world.rules.clone(),
            hosts: Hosts::new([(HOST, &[][..])]),
            settings: world.settings(),
            upstream: peer,
            query: None,
            telemetry: Arc::new(Silent),
            owner,
            wake: tokio::sync::Notify::new(),
            recheck: tokio::sync::Notify::new(),
            announce: tokio::sync::Notify::new(),
        });
        let readiness = Arc::new(Readiness::default());
        readiness.met(Condition::Rules);
        let days = |days: u64| Duration::from_hours(24 * days);
        let retention = Retention { notifications: days(30), audit: days(400) };
        let expected = Expected { alertname: WATCHDOG.to_owned(), max_silence: Duration::from_mins(5) };
        let (intake, engine) = build(shell.clone(), readiness.clone(), retention, Some(expected));
        let engine = engine.enclosed(Arc::new(Enclosure(self.gate.clone())));
        readiness.met(Condition::Store);
        world.note(|| format!("replica {} starts, its clock {} s ahead", self.number, self.machine.ahead() / SECOND));
        let (me, its, began) = (self.clone(), world.clone(), shell.clone());
        let start = tokio::spawn(self.gate.behind(async move {
            while recover(&began, &readiness).await.is_err() {
                tokio::time::sleep(AGAIN).await;
            }
            if let Some(process) = &mut *lock(&me.process) {
                me.steady_since.fetch_max(its.now(), Ordering::Relaxed);
                process.running = Some(engine.start());
            }
        }));
        let tasks = vec![start.abort_handle()];
        *lock(&self.process) = Some(Process { shell, store, intake, running: None, tasks });
    }

    /// Its process dies: everything that it was doing ends here.
    pub fn die(&self, world: &World) -> bool {
        let Some(process) = lock(&self.process).take() else { return false };
        process.tasks.iter().for_each(AbortHandle::abort);
        process.store.end();
        drop(process.running);
        self.gate.open();
        world.note(|| format!("replica {} dies", self.number));
        true
    }

    /// It dies and is started again some time later.
    pub fn crash(&self, world: &World) {
        if self.die(world) {
            world.checks().count("crashes");
            let after = if world.is_calm() { SECOND } else { world.within(60) };
            world.push(world.now() + SECOND + after, Wake::Start(self.number));
        }
    }

    /// It is told to stop, ends what it is doing, and is started again.
    pub fn restart(self: &Arc<Self>, world: &Arc<World>) {
        let running = lock(&self.process).as_mut().and_then(|it| it.running.take());
        let Some(running) = running else { return };
        world.note(|| format!("replica {} is told to stop", self.number));
        world.checks().count("restarts");
        let (me, its) = (self.clone(), world.clone());
        let stop = tokio::spawn(self.gate.behind(async move {
            running.stop().await;
            its.push(its.now(), Wake::Crash(me.number));
        }));
        if let Some(process) = &mut *lock(&self.process) {
            process.tasks.push(stop.abort_handle());
        }
    }

    /// It stands still for so long from now on.
    pub fn stand_still(&self, world: &World, lasts: Micros) {
        self.gate.close();
        let until = world.now() + lasts;
        self.resumes_at.fetch_max(until, Ordering::Relaxed);
        world.checks().count("stops");
        world.note(|| format!("replica {} stands still for {} s", self.number, lasts / SECOND));
        world.push(until, Wake::Resume(self.number));
    }

    /// It goes on, unless it was stopped for longer meanwhile.
    pub fn resume(&self, world: &World) {
        if world.is_calm() || world.now() >= self.resumes_at.load(Ordering::Relaxed) {
            self.steady_since.fetch_max(world.now(), Ordering::Relaxed);
            self.gate.open();
        }
    }

    /// Posts a body to it, as the HTTP server hands it in; `None`: no process listens.
    pub fn post(&self, body: Bytes) -> Option<JoinHandle<Result<Accepted, IntakeError>>> {
        let mut process = lock(&self.process);
        let process = process.as_mut()?;
        let intake = process.intake.clone();
        let posted = tokio::spawn(self.gate.behind(async move { intake.submit("alertmanager", body).await }));
        process.tasks.retain(|it| !it.is_finished());
        process.tasks.push(posted.abort_handle());
        Some(posted)
    }
}

impl World {
    /// A machine's clock is set, by chance and by how wrong clocks are here.
    pub fn set_clock(&self, at: u32) {
        if self.is_calm() {
            return;
        }
        let machine = &self.replicas[at as usize].machine;
        let (ahead, rate, lasts, next) = {
            let mut rng = self.rng();
            let sign = if rng.chance(700) { 1 } else { -1 };
            let number = |rng: &mut Rng, from: u64, to: u64| Micros::try_from(rng.between(from, to)).unwrap_or(0);
            match self.plan.weather.clocks {
                Clocks::Right => return,
                Clocks::Near => (sign * number(&mut rng, 0, 3000) * 1000, sign * number(&mut rng, 0, 200), None, 120),
                Clocks::Wild => {
                    let rate = if rng.chance(200) { sign * number(&mut rng, 1000, 500_000) } else { 0 };
                    let most = *rng.pick(&[10, 150, 3600]);
                    let lasts = rng.chance(600).then(|| number(&mut rng, 1, 10) * SECOND);
                    (sign * number(&mut rng, 1, most) * SECOND, rate, lasts, 300)
                }
            }
        };
        machine.set(ahead, rate);
        self.note(|| format!("clock of {at}: {} ms ahead, {rate} ppm faster", ahead / 1000));
        match lasts {
            Some(lasts) => self.push(self.now() + lasts, Wake::RightClock(at)),
            None => self.later(2 * next, Wake::RightClock(at)),
        }
    }

    /// It is set right, until the next time.
    pub fn right_clock(&self, at: u32) {
        if self.plan.weather.clocks == Clocks::Wild {
            self.replicas[at as usize].machine.set(0, 0);
            self.note(|| format!("clock of {at} is right again"));
        }
        self.push(self.now() + 2 * MINUTE + self.within(300), Wake::SetClock(at));
    }
}
