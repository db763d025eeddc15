//! A model of the engine: processes that step the real core. Written along `engine/{receive,worker,drive,execute,upkeep}.rs`.
//!
//! Between any two steps a process may die, stand still, or find the store failing before or after it did its work.

pub mod drive;
pub mod receive;
pub mod returning;

use std::cell::Cell;
use std::rc::Rc;

use fettle_core::time::{Timestamp, after};
use uuid::Uuid;

use crate::store::Store;
use crate::time::{Micros, SECOND, instant, micros};
use crate::world::{Sleep, Wake, World};

/// How long a claim lasts for deciding.
pub const DECISION_LEASE: std::time::Duration = std::time::Duration::from_secs(20);

/// How often upkeep comes.
const UPKEEP: Micros = 10 * SECOND;

/// A process.
#[derive(Debug)]
pub struct Replica {
    /// Which.
    pub number: usize,
    /// Whether it runs.
    pub alive: Cell<bool>,
    /// Who it is; another after every start.
    pub owner: Cell<Uuid>,
    /// It stands still until then.
    pub stopped_until: Cell<Micros>,
    /// How far the machine's clock is off.
    off: Cell<Micros>,
    /// What it adds to the machine's clock, since it asked the store.
    follows: Cell<Micros>,
    /// The last instant given, and when.
    floor: Cell<(Micros, Micros)>,
    resting: Cell<Option<(usize, u64)>>,
}

/// The store failed: before it did anything, or after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unavailable;

impl Replica {
    /// A process that has not begun.
    pub fn new(number: usize) -> Self {
        Self {
            number,
            alive: Cell::new(false),
            owner: Cell::new(Uuid::nil()),
            stopped_until: Cell::new(0),
            off: Cell::new(0),
            follows: Cell::new(0),
            floor: Cell::new((Micros::MIN / 4, 0)),
            resting: Cell::new(None),
        }
    }

    /// It is started.
    pub fn begin(&self, world: &World, now: Timestamp) {
        self.alive.set(true);
        self.owner.set(world.new_id());
        self.resting.set(None);
        self.follows.set(0);
        // "Now never goes below what is stored."
        let latest = world.store.borrow().latest.unwrap_or(now);
        self.floor.set((micros(latest), world.now()));
        self.follow(world);
    }

    /// Whether it takes requests.
    pub fn is_up(&self, now: Micros) -> bool {
        self.alive.get() && self.stopped_until.get() <= now
    }

    /// The engine's time: the machine's clock and what the store's clock adds, never backwards, at half speed when it would.
    pub fn now(&self, world: &World) -> Timestamp {
        let (given, at) = self.floor.get();
        let shown = world.now() + self.off.get() + self.follows.get();
        let now = shown.max(given + (world.now() - at) / 2);
        if now > given {
            self.floor.set((now, world.now()));
        }
        world.checks.borrow_mut().skew(now - world.now());
        instant(now)
    }

    /// Several processes share a store that has a clock.
    fn follow(&self, world: &World) {
        if world.replicas.len() > 1 {
            self.follows.set(-self.off.get());
        }
    }

    /// The machine's clock is set: by as much as leaves the process ready, where the store's clock leads.
    fn set_clock(&self, world: &World) {
        let wild = world.replicas.len() == 1 && world.plan.weather.wild_clock;
        let most = if wild { 120 * SECOND } else { 3 * SECOND };
        self.off.set(world.below(2 * most) - most);
        world.tell(|| format!("replica {}: its clock is set, off by {} s", self.number, self.off.get() / SECOND));
    }

    /// Some time passes; meanwhile the process may die or stand still.
    pub async fn step(&self, world: &Rc<World>, at_most: Micros) {
        let weather = world.plan.weather;
        if world.chance(weather.crashes) {
            world.push(world.now(), Wake::Crash(self.number));
            // Nothing of this process is polled again.
            std::future::pending::<()>().await;
        }
        if world.chance(weather.stops) {
            let long = 2 * SECOND + world.below(200 * SECOND);
            self.stopped_until.set(world.now() + long);
            world.checks.borrow_mut().count("stops");
            world.tell(|| format!("replica {} stands still for {} s", self.number, long / SECOND));
        }
        if world.chance(weather.clocks) {
            self.set_clock(world);
        }
        Sleep::until(world, world.now() + 200 + world.below(at_most)).await;
    }

    /// One transaction. It may fail before, or its answer may be lost.
    pub async fn ask<R>(&self, world: &Rc<World>, transaction: impl FnOnce(&mut Store) -> R) -> Result<R, Unavailable> {
        self.step(world, 8_000).await;
        let trouble = world.plan.weather.store;
        if world.chance(trouble) {
            return Err(Unavailable);
        }
        let done = transaction(&mut world.store.borrow_mut());
        let lost = world.chance(trouble / 2);
        self.step(world, 8_000).await;
        if lost { Err(Unavailable) } else { Ok(done) }
    }
}

impl World {
    /// Tells every process that something may be due.
    pub fn wake_all(&self) {
        for replica in self.replicas.iter().filter(|it| it.alive.get()) {
            if let Some(sleeper) = replica.resting.get() {
                self.rouse(sleeper, self.now() + 20_000 + self.below(400_000));
            }
        }
    }
}

/// The tasks of a process that was started.
pub fn begin(world: &Rc<World>, replica: &Rc<Replica>) {
    let (w, r) = (world.clone(), replica.clone());
    world.spawn(replica.number, async move { work(w, r).await });
    let (w, r) = (world.clone(), replica.clone());
    world.spawn(replica.number, async move { upkeep(w, r).await });
}

/// The worker: claims what is due and has each of it driven.
async fn work(world: Rc<World>, me: Rc<Replica>) {
    loop {
        let now = me.now(&world);
        let owner = me.owner.get();
        let lease = after(now, DECISION_LEASE);
        let claimed =
            me.ask(&world, |store| (store.claim(owner, now, lease), store.claim_loans(owner, now, lease))).await;
        if let Ok((remediations, loans)) = claimed {
            for (claim, remediation) in remediations {
                drive::spawn(&world, &me, claim, remediation, None);
            }
            for (claim, loan) in loans {
                returning::spawn(&world, &me, claim, loan);
            }
        }
        let next = world.store.borrow().next_work().map_or(60 * SECOND, |due| micros(due) - micros(me.now(&world)));
        let pause = next.clamp(20_000, 60 * SECOND) + world.below(SECOND);
        Sleep::rest(&world, world.now() + pause, &me.resting).await;
    }
}

/// What must be done now and then. The store is asked only when it has something to say: the rest would be steps in which
/// nothing happens.
async fn upkeep(world: Rc<World>, me: Rc<Replica>) {
    loop {
        me.follow(&world);
        let alive: Vec<Uuid> = world.replicas.iter().filter(|it| it.alive.get()).map(|it| it.owner.get()).collect();
        let due = world.store.borrow().needs_upkeep(&alive);
        if due {
            let found = me.ask(&world, |store| (store.adopt(&alive), store.waiting())).await;
            if let Ok((adopted, waiting)) = found {
                if adopted {
                    world.wake_all();
                }
                receive::ask_again(&world, &me, waiting).await;
            }
            receive::catch_up(&world, &me).await;
        }
        Sleep::until(&world, world.now() + UPKEEP + world.below(SECOND)).await;
    }
}
