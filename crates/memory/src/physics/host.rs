//! A host: a daemon that several clients share, the way to it, and every call that they made.
//!
//! Faults are put in through [`Host::with`]; whoever waits for an answer looks again after it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::daemon::Daemon;
use super::request::Ticket;
use fettle_core::effect::Effect;
use fettle_core::sight::Pin;
use fettle_core::target::Target;
use fettle_core::time::{Timestamp, after};

/// Docker's clock: an instant of the runtime and the time that it is then. It runs with the runtime's clock.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    base: Instant,
    at: Timestamp,
    rate: u32,
}

impl Clock {
    /// It is `at` at the runtime's instant `base`.
    #[must_use]
    pub fn new(base: Instant, at: Timestamp) -> Self {
        Self { base, at, rate: 1 }
    }

    /// The same clock, but this many times as fast as the runtime's: for a model beside an engine on a fast clock. 0 counts
    /// as 1.
    #[must_use]
    pub fn times(self, rate: u32) -> Self {
        Self { rate: rate.max(1), ..self }
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        after(self.at, self.base.elapsed() * self.rate)
    }

    /// The runtime's instant at which it is `at`.
    #[must_use]
    pub fn instant(&self, at: Timestamp) -> Instant {
        self.base + fettle_core::time::since(at, self.at) / self.rate
    }
}

/// The way from a client to a daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Link {
    /// It works.
    #[default]
    Up,
    /// Connections are refused: nothing is sent.
    Away,
    /// Connections are accepted; requests do not arrive, and no answer comes.
    Silent,
    /// Requests arrive, and no answer comes back.
    Mute,
}

/// A daemon and the ways to it.
#[derive(Debug)]
pub struct World {
    /// The daemon.
    pub daemon: Daemon,
    /// The way to it for all clients that have none of their own.
    pub link: Link,
    /// The ways of single clients, by their number.
    pub links: BTreeMap<u32, Link>,
    /// Every call that changes something, in the order in which they were made.
    pub calls: Vec<Call>,
}

impl World {
    /// The way for this client.
    #[must_use]
    pub fn link_of(&self, client: u32) -> Link {
        match self.links.get(&client).copied().unwrap_or(self.link) {
            Link::Up if self.daemon.is_away() => Link::Away,
            link => link,
        }
    }
}

/// One call of a fettle to [`Platform::perform`](crate::port::Platform::perform), as it really went.
#[derive(Debug, Clone)]
pub struct Call {
    /// Which client made it.
    pub client: u32,
    /// The target.
    pub target: Target,
    /// What was seen when it was decided.
    pub pin: Pin,
    /// The effect.
    pub effect: Effect,
    /// When it was made.
    pub made_at: Timestamp,
    /// The requests that reached the daemon, or will. Empty: nothing ever arrives.
    pub requests: Vec<Ticket>,
    /// When the client ended it, and the reason of the error if there was one; `None`: not yet, or it was dropped.
    pub ended: Option<(Timestamp, Result<(), &'static str>)>,
}

/// A host.
#[derive(Debug)]
pub struct Host {
    world: Mutex<World>,
    clock: Clock,
    pub(super) changed: Notify,
}

impl Host {
    /// A host with this daemon.
    #[must_use]
    pub fn new(daemon: Daemon, clock: Clock) -> Arc<Self> {
        let world = World { daemon, link: Link::Up, links: BTreeMap::new(), calls: Vec::new() };
        Arc::new(Self { world: Mutex::new(world), clock, changed: Notify::new() })
    }

    /// Docker's clock.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Reads or changes the world as it is now: everything that was due has happened.
    pub fn with<T>(&self, change: impl FnOnce(&mut World, Timestamp) -> T) -> T {
        let it = {
            let (mut world, now) = self.now();
            change(&mut world, now)
        };
        self.changed.notify_waiters();
        it
    }

    /// The calls that were made.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }

    /// The world now, without waking anybody: for looks.
    pub(super) fn now(&self) -> (MutexGuard<'_, World>, Timestamp) {
        let mut world = self.lock();
        let now = self.clock.now();
        world.daemon.advance(now);
        (world, now)
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
