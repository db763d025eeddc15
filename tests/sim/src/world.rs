//! The world: true time, what happens in it and when, and the processes that live in it.
//!
//! Always holds: one thread, one paused clock, one source of chance, one queue ordered by time and then by insertion: a seed
//! is a schedule. Time passes only while every task waits. A process that dies takes its tasks with it between two polls,
//! whatever they were doing, and Docker does not notice.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fettle_core::ports::{Intake, Receiving, Standing};
use fettle_core::rule::set::RuleSet;
use fettle_memory::physics::{Clock, Daemon, Host, World as Docker};
use fettle_memory::store::{Memory, Process};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use crate::alerts::Alerts;
use crate::checks::{Checks, Deed, Violation};
use crate::history::History;
use crate::mutants::Mutant;
use crate::people::People;
use crate::plan::{self, Plan};
use crate::replica::Replica;
use crate::rng::Rng;
use crate::time::{MINUTE, Micros, SECOND, instant};
use crate::town;
use crate::trouble::{Fortune, Troubles};

/// What happens.
#[derive(Debug, Clone)]
pub enum Wake {
    /// A process is started.
    Start(u32),
    /// It dies.
    Crash(u32),
    /// It goes on after it stood still.
    Resume(u32),
    /// A machine's clock is set.
    SetClock(u32),
    /// It is set right again.
    RightClock(u32),
    /// The store, or a way to it, fails.
    Outage,
    /// Something gets into trouble.
    Trouble,
    /// The daemon, or the way to it, fails.
    Daemon,
    /// That is over.
    DaemonOver(u64),
    /// A person does something.
    People,
    /// Prometheus evaluates all rules.
    Evaluate,
    /// Alertmanager flushes a group.
    Flush(usize),
    /// The random part is over.
    Calm,
}

/// How long the calm may last before everything must be over.
const PATIENCE: Micros = 5 * 60 * MINUTE;

/// How often it is checked whether everything is over, and what must hold at any time.
const TICK: Micros = 5 * SECOND;

/// Everything.
pub struct World {
    /// What this schedule is about.
    pub plan: Plan,
    /// A deliberate fault.
    pub mutant: Option<Mutant>,
    /// The daemon, and the way to it.
    pub host: Arc<Host>,
    /// The database.
    pub memory: Arc<Memory>,
    /// The API's way to it, which is always there.
    pub store: Process,
    /// The rules that are loaded.
    pub rules: Arc<arc_swap::ArcSwap<RuleSet>>,
    /// The processes.
    pub replicas: Vec<Arc<Replica>>,
    /// What ails the containers.
    pub troubles: Arc<Mutex<Troubles>>,
    calm: AtomicBool,
    rng: Mutex<Rng>,
    alerts: Mutex<Alerts>,
    people: Mutex<People>,
    checks: Mutex<Checks>,
    history: Mutex<History>,
    began: Instant,
    queue: Mutex<BinaryHeap<Reverse<Entry>>>,
    pushed: AtomicU64,
    roused: Notify,
}

#[derive(Debug, Clone)]
struct Entry(Micros, u64, Wake);

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        (self.0, self.1) == (other.0, other.1)
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.0, self.1).cmp(&(other.0, other.1))
    }
}

/// How a schedule ended.
#[derive(Debug)]
pub struct Ended {
    /// The checks that failed, the first failure of each, in order.
    pub violations: Vec<Violation>,
    /// The same for the same seed.
    pub hash: u64,
    /// What was seen on the way.
    pub counts: BTreeMap<&'static str, u64>,
    /// Lines, when they were asked for.
    pub history: Vec<String>,
}

fn lock<T>(it: &Mutex<T>) -> MutexGuard<'_, T> {
    it.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs the schedule of this seed.
pub fn run(seed: u64, mutant: Option<Mutant>, kept: bool) -> Ended {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().expect("a runtime without I/O needs nothing");
    runtime.block_on(async { World::new(seed, mutant, kept).live().await })
}

impl World {
    /// The world of this seed.
    fn new(seed: u64, mutant: Option<Mutant>, kept: bool) -> Arc<Self> {
        let mut rng = Rng::new(seed);
        let plan = plan::draw(&mut rng);
        let began = Instant::now();
        let troubles = Arc::new(Mutex::new(Troubles::new(&mut rng, plan.weather.docker)));
        let clock = Clock::new(began, instant(0));
        let daemon = Daemon::new(town::DAEMON, instant(0)).chance(Fortune(troubles.clone()));
        let daemon = town::settle(&mut rng, daemon, instant(0));
        let memory = if plan.weather.shared { Memory::shared(move || clock.now()) } else { Memory::alone() };
        let machine = |at| Arc::new(Replica::new(at, began, Rng::new(seed ^ (u64::from(at) + 1) << 32)));
        let replicas = (0..plan.weather.replicas).map(machine).collect();
        let world = Arc::new(Self {
            checks: Mutex::new(Checks::new(&plan)),
            rng: Mutex::new(rng),
            mutant,
            host: Host::new(daemon, clock),
            store: memory.process(Uuid::from_u128(1).into()),
            memory,
            rules: Arc::new(arc_swap::ArcSwap::from_pointee(RuleSet::of(plan.rules.clone()))),
            replicas,
            troubles,
            calm: AtomicBool::new(false),
            alerts: Mutex::new(Alerts::new(&plan)),
            people: Mutex::default(),
            history: Mutex::new(History::new(kept)),
            began,
            queue: Mutex::default(),
            pushed: AtomicU64::new(0),
            roused: Notify::new(),
            plan,
        });
        world.begin();
        world
    }

    fn begin(&self) {
        self.note(|| format!("{:?}", self.plan.weather));
        self.note(|| format!("{:?}", self.plan.settings));
        for (at, rule) in self.plan.rules.iter().enumerate() {
            let steps = || rule.steps.iter().map(|step| step.action.name()).collect::<Vec<_>>();
            self.note(|| {
                format!("rule {at} {} {:?} {:?} budget {:?}", rule.name, rule.target.find, steps(), rule.budget)
            });
        }
        let weather = self.plan.weather;
        for at in 0..weather.replicas {
            if weather.clocks != plan::Clocks::Right {
                self.push(0, Wake::SetClock(at));
            }
            self.push(0, Wake::Start(at));
        }
        self.later(5, Wake::Evaluate);
        self.later(weather.trouble, Wake::Trouble);
        self.later(weather.people * 2, Wake::People);
        if weather.outages > 0 {
            self.later(weather.outages * 2, Wake::Outage);
        }
        if weather.daemon > 0 {
            self.later(weather.daemon * 2, Wake::Daemon);
        }
        self.push(self.calm_at(), Wake::Calm);
    }

    fn calm_at(&self) -> Micros {
        Micros::try_from(self.plan.seconds).unwrap_or(0) * SECOND
    }

    /// True time.
    pub fn now(&self) -> Micros {
        Micros::try_from(self.began.elapsed().as_micros()).unwrap_or(Micros::MAX)
    }

    /// The runtime's instant of this true time.
    pub fn at(&self, at: Micros) -> Instant {
        self.began + Duration::from_micros(at.unsigned_abs())
    }

    /// Whether the random part is over.
    pub fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Relaxed)
    }

    /// The source of chance.
    pub fn rng(&self) -> MutexGuard<'_, Rng> {
        lock(&self.rng)
    }

    /// Prometheus and Alertmanager.
    pub fn alerts(&self) -> MutexGuard<'_, Alerts> {
        lock(&self.alerts)
    }

    /// What people have set.
    pub fn people(&self) -> MutexGuard<'_, People> {
        lock(&self.people)
    }

    /// What must hold.
    pub fn checks(&self) -> MutexGuard<'_, Checks> {
        lock(&self.checks)
    }

    /// A number of chance, from 0 to `n - 1`.
    pub fn below(&self, n: u64) -> u64 {
        self.rng().below(n)
    }

    /// A time of chance within so many seconds.
    pub fn within(&self, seconds: u64) -> Micros {
        Micros::try_from(self.below(seconds * 1_000_000)).unwrap_or(0)
    }

    /// True so often in a thousand while the random part lasts.
    pub fn chance(&self, per_mille: u64) -> bool {
        !self.is_calm() && self.rng().chance(per_mille)
    }

    /// Puts something in the queue.
    pub fn push(&self, at: Micros, wake: Wake) {
        let order = self.pushed.fetch_add(1, Ordering::Relaxed);
        lock(&self.queue).push(Reverse(Entry(at, order, wake)));
        self.roused.notify_one();
    }

    /// Some time within `seconds` from now.
    pub fn later(&self, seconds: u64, wake: Wake) {
        self.push(self.now() + 1 + self.within(seconds), wake);
    }

    /// A line of the history.
    pub fn note(&self, line: impl FnOnce() -> String) {
        lock(&self.history).note(self.now(), line);
    }

    /// The same, where there may be nothing worth a line.
    pub fn tell(&self, line: impl FnOnce() -> Option<String>) {
        lock(&self.history).tell(self.now(), line);
    }

    /// The daemon as it is now.
    pub fn docker<T>(&self, look: impl FnOnce(&mut Docker) -> T) -> T {
        self.host.with(|docker, _| look(docker))
    }

    /// Something was done that checks look at.
    pub fn deed(&self, deed: &Deed<'_>) {
        self.docker(|docker| self.checks().look(deed, self, &docker.daemon, &docker.calls));
    }

    /// Lives until nothing is left to be done.
    async fn live(self: Arc<Self>) -> Ended {
        let mut ticked = 0;
        loop {
            let next = lock(&self.queue).peek().map(|Reverse(entry)| entry.0);
            let next = next.unwrap_or(Micros::MAX).min(ticked + TICK);
            if next > self.now() {
                // Cancel safe: both keep nothing.
                tokio::select! {
                    biased;
                    () = sleep_until(self.at(next)) => {}
                    () = self.roused.notified() => {}
                }
                continue;
            }
            let due = {
                let mut queue = lock(&self.queue);
                queue.peek().is_some_and(|Reverse(entry)| entry.0 <= self.now()).then(|| queue.pop()).flatten()
            };
            if let Some(Reverse(Entry(_, _, wake))) = due {
                self.happen(&wake);
            } else {
                ticked = self.now();
                self.deed(&Deed::Tick);
                if self.is_over().await {
                    break;
                }
            }
            if self.checks().is_broken() || self.checks().is_stuck() {
                break;
            }
        }
        self.end().await
    }

    async fn end(self: Arc<Self>) -> Ended {
        if !self.checks().is_broken() {
            let left = self.left_open().await;
            self.docker(|docker| self.checks().end(&left, &self, &docker.daemon, &docker.calls));
        }
        for replica in &self.replicas {
            replica.die(&self);
        }
        let mut checks = self.checks();
        let (violations, hash, counts) = checks.close();
        Ended { violations, hash, counts, history: lock(&self.history).take() }
    }

    async fn is_over(&self) -> bool {
        if !self.is_calm() {
            return false;
        }
        let since = self.now() - self.calm_at();
        since > PATIENCE || (since > MINUTE && self.alerts().is_quiet() && self.left_open().await.is_empty())
    }

    /// What the store has left open, in words; empty when everything is over.
    async fn left_open(&self) -> Vec<String> {
        let mut left = Vec::new();
        match self.store.open_by_state().await {
            Ok(open) => left.extend(open.into_iter().filter(|it| it.1 > 0).map(|(state, n)| format!("{n} {state}"))),
            Err(error) => left.push(error.to_string()),
        }
        match self.store.backlog().await {
            Ok(0) => {}
            other => left.push(format!("{other:?} notifications that were never taken in")),
        }
        match self.store.waiting(100).await {
            Ok(waiting) if waiting.is_empty() => {}
            other => left.push(format!("alerts that wait: {other:?}")),
        }
        let protected = &self.plan.settings.protected;
        let loans = self.docker(|docker| self.checks().open_loans(&docker.daemon, protected));
        left.extend(loans.into_iter().map(|id| format!("loan {id}")));
        left
    }

    fn happen(self: &Arc<Self>, wake: &Wake) {
        match *wake {
            Wake::Start(at) => self.replicas[at as usize].start(self),
            Wake::Crash(at) => self.replicas[at as usize].crash(self),
            Wake::Resume(at) => self.replicas[at as usize].resume(self),
            Wake::SetClock(at) => self.set_clock(at),
            Wake::RightClock(at) => self.right_clock(at),
            Wake::Outage => self.outage(),
            Wake::Trouble => self.trouble(),
            Wake::Daemon => self.daemon_fails(),
            Wake::DaemonOver(number) => self.daemon_recovers(number),
            Wake::People => self.person(),
            Wake::Evaluate => self.evaluate(),
            Wake::Flush(group) => self.flush(group),
            Wake::Calm => self.become_calm(),
        }
    }

    /// From here on nothing goes wrong, nobody does anything, and every alert resolves.
    fn become_calm(self: &Arc<Self>) {
        self.calm.store(true, Ordering::Relaxed);
        self.note(|| "calm".to_owned());
        self.daemon_is_well();
        self.rules.store(Arc::new(RuleSet::of(self.plan.rules.clone())));
        self.deed(&Deed::Reloaded);
        self.people_rest();
        for replica in &self.replicas {
            replica.machine.set(0, 0);
            replica.way.clear();
            replica.resume(self);
            if !replica.is_up() {
                self.push(self.now() + SECOND, Wake::Start(replica.number));
            }
        }
    }
}
