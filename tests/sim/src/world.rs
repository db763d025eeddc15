//! The world: a virtual clock, a queue of what happens when, and the tasks of the processes that live in it.
//!
//! Always holds: one thread, one source of chance, one queue ordered by time and then by insertion: a seed is a schedule. A
//! task is polled only when the very sleep it waits for is over; a process that dies takes its tasks with it between two
//! steps, whatever it was doing, and Docker does not notice.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use uuid::Uuid;

use crate::alerts::Alerts;
use crate::checks::{Checks, Deed, Truth};
use crate::docker::{Docker, Later};
use crate::history::History;
use crate::mutants::Mutant;
use crate::people::People;
use crate::plan::{self, Plan};
use crate::rng::Rng;
use crate::shell::Replica;
use crate::store::Store;
use crate::time::{MINUTE, Micros, SECOND, instant};

/// What happens.
#[derive(Debug, Clone)]
pub enum Wake {
    /// A task's sleep is over.
    Task(usize, u64),
    /// The daemon gets round to a call.
    Land(u64),
    /// Docker does something by itself.
    Docker(Later),
    /// Something gets into trouble.
    Trouble,
    /// A person does something.
    People,
    /// An alert may begin or end.
    Evaluate(usize),
    /// Alertmanager flushes an alert's group: with the number of the plan for it.
    Flush(usize, u64),
    /// A body is sent, for the first time or again.
    Deliver(u64),
    /// The process dies.
    Crash(usize),
    /// It is started again.
    Start(usize),
    /// The random part is over.
    Calm,
}

/// How long the calm may last before everything must be over.
const PATIENCE: Micros = 10 * 60 * MINUTE;

/// More steps than any schedule that comes to an end.
const STEPS_MAX: u64 = 400_000;

type Work = Pin<Box<dyn Future<Output = ()>>>;

struct Task {
    replica: usize,
    token: u64,
    work: Option<Work>,
}

/// Everything.
pub struct World {
    /// What this schedule is about.
    pub plan: Plan,
    /// The source of chance.
    pub rng: RefCell<Rng>,
    /// The database.
    pub store: RefCell<Store>,
    /// The daemon.
    pub docker: RefCell<Docker>,
    /// Alertmanager.
    pub alerts: RefCell<Alerts>,
    /// The people.
    pub people: RefCell<People>,
    /// The processes.
    pub replicas: Vec<Rc<Replica>>,
    /// What must hold.
    pub checks: RefCell<Checks>,
    /// What happened, for people.
    pub history: RefCell<History>,
    /// Whether the random part is over.
    pub calm: Cell<bool>,
    /// Rules that are not loaded at the moment.
    pub unloaded: Cell<Option<usize>>,
    /// A deliberate fault.
    pub mutant: Option<Mutant>,
    clock: Cell<Micros>,
    queue: RefCell<BinaryHeap<Reverse<Entry>>>,
    pushed: Cell<u64>,
    tasks: RefCell<BTreeMap<usize, Task>>,
    spawned: Cell<usize>,
    current: Cell<usize>,
    ids: Cell<u128>,
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
    /// The first check that failed, with its words.
    pub violation: Option<(&'static str, String)>,
    /// The same for the same seed.
    pub hash: u64,
    /// What was seen on the way.
    pub counts: BTreeMap<&'static str, u64>,
    /// Lines, when they were asked for.
    pub history: Vec<String>,
}

impl World {
    /// The world of this seed.
    pub fn new(seed: u64, mutant: Option<Mutant>, tell: bool) -> Rc<Self> {
        let mut rng = Rng::new(seed);
        let plan = plan::draw(&mut rng);
        let docker = Docker::draw(&mut rng);
        let alerts = Alerts::draw(&mut rng, &plan);
        let replicas = (0..plan.weather.replicas).map(|at| Rc::new(Replica::new(at))).collect();
        let world = Rc::new(Self {
            checks: RefCell::new(Checks::new(&plan)),
            rng: RefCell::new(rng),
            store: RefCell::new(Store { mutant, ..Store::default() }),
            docker: RefCell::new(docker),
            alerts: RefCell::new(alerts),
            people: RefCell::default(),
            replicas,
            history: RefCell::new(History::new(tell)),
            calm: Cell::new(false),
            unloaded: Cell::new(None),
            mutant,
            clock: Cell::new(0),
            queue: RefCell::default(),
            pushed: Cell::new(0),
            tasks: RefCell::default(),
            spawned: Cell::new(0),
            current: Cell::new(0),
            ids: Cell::new(1),
            plan,
        });
        world.begin();
        world
    }

    fn begin(self: &Rc<Self>) {
        let tell = |at: usize, rule: &fettle_core::rule::model::Rule| {
            let steps: Vec<_> = rule.steps.iter().map(|step| step.action.name()).collect();
            format!("rule {at} {} {:?} {steps:?} budget {:?}", rule.name, rule.target.find, rule.budget)
        };
        self.tell(|| format!("{:?}", self.plan.weather));
        self.tell(|| format!("{:?}", self.plan.settings));
        for (at, rule) in self.plan.rules.iter().enumerate() {
            self.tell(|| tell(at, rule));
        }
        for at in 0..self.replicas.len() {
            self.push(0, Wake::Start(at));
        }
        for at in 0..self.plan.alerts.len() {
            self.later(20, Wake::Evaluate(at));
        }
        self.later(self.plan.weather.trouble, Wake::Trouble);
        self.later(self.plan.weather.people * 2, Wake::People);
        self.push(Micros::try_from(self.plan.seconds).unwrap_or(0) * SECOND, Wake::Calm);
    }

    /// True time.
    pub fn now(&self) -> Micros {
        self.clock.get()
    }

    /// An id that nothing carries yet.
    pub fn new_id(&self) -> Uuid {
        self.ids.set(self.ids.get() + 1);
        Uuid::from_u128(self.ids.get())
    }

    /// A number of chance, from 0 to `n - 1`, as a time.
    pub fn below(&self, n: Micros) -> Micros {
        let n = u64::try_from(n).unwrap_or(0);
        Micros::try_from(self.rng.borrow_mut().below(n)).unwrap_or(0)
    }

    /// True so often in a thousand while the random part lasts.
    pub fn chance(&self, per_mille: u64) -> bool {
        !self.calm.get() && self.rng.borrow_mut().chance(per_mille)
    }

    /// How much Docker misbehaves.
    pub fn docker_trouble(&self) -> u64 {
        if self.calm.get() { 0 } else { self.plan.weather.docker }
    }

    /// Puts something in the queue.
    pub fn push(&self, at: Micros, wake: Wake) {
        let order = self.pushed.get();
        self.pushed.set(order + 1);
        self.queue.borrow_mut().push(Reverse(Entry(at, order, wake)));
    }

    /// Some time within `seconds` from now.
    pub fn later(&self, seconds: u64, wake: Wake) {
        let at = self.now() + 1 + self.below(Micros::try_from(seconds).unwrap_or(0) * SECOND);
        self.push(at, wake);
    }

    /// A line of the history.
    pub fn tell(&self, line: impl FnOnce() -> String) {
        self.history.borrow_mut().tell(self.now(), line);
    }

    /// Something was done that checks look at.
    pub fn deed(&self, deed: &Deed<'_>) {
        let (store, docker) = (self.store.borrow(), self.docker.borrow());
        let truth = self.truth(&store, &docker);
        self.checks.borrow_mut().look(deed, &truth);
    }

    fn truth<'a>(&'a self, store: &'a Store, docker: &'a Docker) -> Truth<'a> {
        let alive = self.replicas.iter().filter(|it| it.alive.get());
        Truth { now: self.now(), plan: &self.plan, store, docker, running: alive.map(|it| it.owner.get()).collect() }
    }

    /// Work for a process; it ends with the process.
    pub fn spawn(&self, replica: usize, work: impl Future<Output = ()> + 'static) {
        let task = self.spawned.get() + 1;
        self.spawned.set(task);
        self.tasks.borrow_mut().insert(task, Task { replica, token: 0, work: Some(Box::pin(work)) });
        self.push(self.now(), Wake::Task(task, 0));
    }

    fn arm(&self, until: Micros) -> (usize, u64) {
        let task = self.current.get();
        let mut tasks = self.tasks.borrow_mut();
        let token = match tasks.get_mut(&task) {
            Some(it) => {
                it.token += 1;
                it.token
            }
            None => 0,
        };
        drop(tasks);
        self.push(until, Wake::Task(task, token));
        (task, token)
    }

    /// Ends a task's sleep early.
    pub fn rouse(&self, sleeper: (usize, u64), at: Micros) {
        self.push(at, Wake::Task(sleeper.0, sleeper.1));
    }

    fn poll(&self, task: usize, token: u64) {
        let work = {
            let mut tasks = self.tasks.borrow_mut();
            let Some(it) = tasks.get_mut(&task).filter(|it| it.token == token) else { return };
            let until = self.replicas[it.replica].stopped_until.get();
            if until > self.now() {
                drop(tasks);
                self.push(until + 1 + self.below(50_000), Wake::Task(task, token));
                return;
            }
            it.work.take()
        };
        let Some(mut work) = work else { return };
        self.current.set(task);
        let ended = work.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
        let mut tasks = self.tasks.borrow_mut();
        if ended {
            tasks.remove(&task);
        } else if let Some(it) = tasks.get_mut(&task) {
            it.work = Some(work);
        }
    }

    /// The process dies: everything it was doing ends here.
    pub fn bury(&self, replica: usize) {
        let theirs: Vec<usize> =
            self.tasks.borrow().iter().filter(|(_, task)| task.replica == replica).map(|(at, _)| *at).collect();
        for task in theirs {
            let dropped = self.tasks.borrow_mut().remove(&task);
            drop(dropped);
        }
    }

    /// Runs until nothing is left to be done.
    pub fn run(self: &Rc<Self>) -> Ended {
        let mut steps = 0;
        loop {
            let Some(Reverse(Entry(at, _, wake))) = self.queue.borrow_mut().pop() else { break };
            self.clock.set(at.max(self.now()));
            self.happen(wake);
            self.deed(&Deed::Settle);
            steps += 1;
            if self.checks.borrow().violation.is_some() || self.over(steps) {
                break;
            }
        }
        let mut checks = self.checks.borrow_mut();
        if checks.violation.is_none() {
            let (store, docker) = (self.store.borrow(), self.docker.borrow());
            checks.end(&self.truth(&store, &docker));
        }
        let violation = checks.violation.take();
        let hash = checks.hash();
        let mut counts = checks.counts.clone();
        counts.insert("steps", steps);
        self.queue.borrow_mut().clear();
        let tasks = std::mem::take(&mut *self.tasks.borrow_mut());
        drop(tasks);
        Ended { violation, hash, counts, history: self.history.borrow_mut().take() }
    }

    fn over(&self, steps: u64) -> bool {
        if !self.calm.get() {
            return false;
        }
        let began = Micros::try_from(self.plan.seconds).unwrap_or(0) * SECOND;
        self.is_quiet() || self.now() > began + PATIENCE || steps > STEPS_MAX
    }

    /// Nothing is open, nothing is under way.
    fn is_quiet(&self) -> bool {
        let began = Micros::try_from(self.plan.seconds).unwrap_or(0) * SECOND;
        if self.now() < began + 11 * MINUTE {
            return false;
        }
        let (store, docker) = (self.store.borrow(), self.docker.borrow());
        store.open.is_empty()
            && store.pending.is_empty()
            && store
                .loans
                .values()
                .all(|row| row.due.is_none() || docker.hands_off(&row.doc, &self.plan.settings.protected))
            && store.waiting().is_empty()
            && self.alerts.borrow().is_quiet()
            && docker.under_way(self.now()).next().is_none()
    }

    fn happen(self: &Rc<Self>, wake: Wake) {
        match wake {
            Wake::Task(task, token) => self.poll(task, token),
            Wake::Land(call) => {
                let mut docker = self.docker.borrow_mut();
                let later = docker.land(&mut self.rng.borrow_mut(), call, self.now());
                let about = docker.calls.get(&call).map(|it| (it.action, it.answer.clone()));
                let landed = docker.calls.get(&call).filter(|it| docker.landed.contains_key(&it.action));
                let landed = landed.map(|it| (it.action, it.zombie));
                drop(docker);
                if let Some((action, zombie)) = landed {
                    self.deed(&Deed::Landed { action, zombie });
                }
                self.tell(|| format!("  docker: call {call} lands {about:?}"));
                self.follow(later);
                self.reevaluate();
            }
            Wake::Docker(later) => {
                let mut docker = self.docker.borrow_mut();
                let next = match &later {
                    Later::Crash(id) => docker.crash(id),
                    Later::Policy(id) => docker.policy(id, self.now()),
                    Later::Converge => {
                        docker.converge();
                        Vec::new()
                    }
                };
                drop(docker);
                self.follow(next);
                self.reevaluate();
            }
            Wake::Trouble => self.trouble(),
            Wake::People => self.person(),
            Wake::Evaluate(alert) => self.evaluate(alert),
            Wake::Flush(alert, number) => self.flush(alert, number),
            Wake::Deliver(number) => self.deliver(number),
            Wake::Crash(replica) => self.crash(replica),
            Wake::Start(replica) => self.start(replica),
            Wake::Calm => self.become_calm(),
        }
    }

    /// What Docker does later by itself.
    pub fn follow(&self, later: Vec<Later>) {
        for it in later {
            let within = match it {
                Later::Crash(_) => 20,
                Later::Policy(_) => 2,
                Later::Converge => 6,
            };
            self.later(within, Wake::Docker(it));
        }
    }

    fn trouble(&self) {
        if self.calm.get() {
            return;
        }
        let mut rng = self.rng.borrow_mut();
        let names = ["app-0", "app-1", "app-2", "side-0", "shop-db-1", "shop-web-1", "shop-web-2"];
        // Troubles seldom come alone: that is what a storm is.
        let many = if rng.chance(100) { 5 } else { 1 };
        let chosen: Vec<&str> = (0..many).map(|_| *rng.pick(&names)).collect();
        let sick = !rng.chance(200);
        let unreachable = rng.chance(40) && self.plan.weather.docker > 0;
        drop(rng);
        let mut docker = self.docker.borrow_mut();
        let later: Vec<Later> = chosen.iter().flat_map(|name| docker.sicken(name, sick)).collect();
        docker.reachable = !unreachable;
        drop(docker);
        self.tell(|| format!("  docker: {chosen:?} sick={sick} reachable={}", !unreachable));
        self.follow(later);
        self.reevaluate();
        self.later(self.plan.weather.trouble * 2, Wake::Trouble);
    }

    /// From here on nothing goes wrong, nobody does anything, and every alert resolves.
    fn become_calm(self: &Rc<Self>) {
        self.calm.set(true);
        self.tell(|| "calm".to_owned());
        self.docker.borrow_mut().recover();
        self.unloaded.set(None);
        let pauses = std::mem::take(&mut self.store.borrow_mut().pauses);
        for pause in pauses {
            self.deed(&Deed::Resumed { pause: pause.id });
        }
        self.people.borrow_mut().silences = false;
        self.people.borrow_mut().upstream_down = false;
        for (at, replica) in self.replicas.iter().enumerate() {
            replica.stopped_until.set(replica.stopped_until.get().min(self.now()));
            if !replica.alive.get() {
                self.push(self.now() + SECOND, Wake::Start(at));
            }
        }
        for at in 0..self.plan.alerts.len() {
            self.later(60, Wake::Evaluate(at));
            // Once more, when nothing that was frozen before is still on its way.
            self.push(self.now() + 10 * MINUTE, Wake::Evaluate(at));
        }
    }

    fn crash(&self, replica: usize) {
        let it = &self.replicas[replica];
        if !it.alive.get() {
            return;
        }
        it.alive.set(false);
        it.stopped_until.set(0);
        self.bury(replica);
        self.checks.borrow_mut().count("crashes");
        self.tell(|| format!("replica {replica} dies"));
        self.later(90, Wake::Start(replica));
    }

    fn start(self: &Rc<Self>, replica: usize) {
        let it = &self.replicas[replica];
        if it.alive.get() {
            return;
        }
        it.begin(self, instant(self.now()));
        self.tell(|| format!("replica {replica} begins"));
        crate::shell::begin(self, it);
    }
}

/// Waits until an instant of true time.
pub struct Sleep<'w> {
    world: &'w World,
    until: Micros,
    armed: bool,
    /// Where to leave the name of this sleep, so that it can be ended early.
    leave: Option<&'w Cell<Option<(usize, u64)>>>,
}

impl<'w> Sleep<'w> {
    /// Until `until`.
    pub fn until(world: &'w World, until: Micros) -> Self {
        Self { world, until, armed: false, leave: None }
    }

    /// Until `until`, or until somebody rouses the sleeper whose name is left in `leave`.
    pub fn rest(world: &'w World, until: Micros, leave: &'w Cell<Option<(usize, u64)>>) -> Self {
        Self { world, until, armed: false, leave: Some(leave) }
    }
}

impl Future for Sleep<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.armed {
            if let Some(leave) = self.leave {
                leave.set(None);
            }
            return Poll::Ready(());
        }
        self.armed = true;
        let name = self.world.arm(self.until);
        if let Some(leave) = self.leave {
            leave.set(Some(name));
        }
        Poll::Pending
    }
}
