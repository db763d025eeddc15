//! One store in memory, with the semantics of PostgreSQL and SQLite: the ports of [`fettle_core::ports::store`].
//!
//! Always holds: each method is one transaction. It runs under one lock, is checked before it writes anything, and so is
//! done as a whole or not at all. Every call ends at once and never waits. Where order is visible it is the order of time,
//! of ids or of names, so two runs of the same calls give the same answers; ids that the store makes are counted, not drawn.
//!
//! Several processes may share one [`Memory`], each through a [`Process`] of its own. A process that is dropped or closed is
//! dead: [`adopt`](fettle_core::ports::Upkeep::adopt) gives back its claims, and its calls fail as unavailable. Faults are
//! not injected here but around it, with `wrap_store!`. Nothing is forgotten but by
//! [`prune`](fettle_core::ports::Upkeep::prune) and [`Memory::forget`].

mod actions;
mod alerts;
mod breakers;
mod clean;
mod events;
mod facts;
mod filed;
mod history;
mod inbox;
mod lease;
mod ledger;
mod loans;
mod outbox;
mod past;
mod people;
mod process;
mod prune;
mod read;
mod receive;
mod records;
mod remediations;
mod rows;
mod runs;
mod standing;
mod upkeep;
mod view;
mod work;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fettle_core::id::ReplicaId;
use fettle_core::time::Timestamp;

pub use actions::{Action, Judged};
pub use alerts::{Alert, Stand};
pub use breakers::Circuit;
pub use events::Event;
pub use history::OnRecord;
pub use inbox::Received;
pub use lease::{Lease, Row};
pub use outbox::Announced;
pub use people::Paused;
pub use process::Process;
pub use remediations::{Given, RemediationRow, Step};
pub use rows::Rows;

/// The clock of a store.
type Clock = Box<dyn Fn() -> Timestamp + Send + Sync>;

/// What the processes share: the rows, and perhaps a clock.
pub struct Memory {
    rows: Mutex<Rows>,
    clock: Option<Clock>,
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("has_clock", &self.clock.is_some()).finish_non_exhaustive()
    }
}

impl Memory {
    /// An empty store for one process, as SQLite is: without a clock of its own, and nobody to hear of.
    #[must_use]
    pub fn alone() -> Arc<Self> {
        Arc::new(Self { rows: Mutex::default(), clock: None })
    }

    /// An empty store that processes share, as PostgreSQL is: `clock` tells them the time, and what one makes due the others
    /// hear of at once.
    #[must_use]
    pub fn shared(clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { rows: Mutex::default(), clock: Some(Box::new(clock)) })
    }

    /// A process begins to work on it. It lives until it is closed or dropped.
    #[must_use]
    pub fn process(self: &Arc<Self>, owner: ReplicaId) -> Process {
        Process::begin(self.clone(), owner)
    }

    /// Somebody who reads beside the processes; whatever it would write is refused.
    #[must_use]
    pub fn reader(self: &Arc<Self>) -> Process {
        Process::reader(self.clone())
    }

    /// What is on record.
    #[must_use]
    pub fn history(self: &Arc<Self>) -> OnRecord {
        OnRecord(self.clone())
    }

    /// Looks at the rows, past the ports: for checks. Nothing is written meanwhile.
    pub fn rows<T>(&self, look: impl FnOnce(&Rows) -> T) -> T {
        look(&self.lock())
    }

    /// Forgets what is older, however much it is and however young the rest: what [`prune`](fettle_core::ports::Upkeep::prune)
    /// would delete at last, without its last day. Work that is open stays. Alerts go when they ended before `ended` and
    /// nothing that is kept speaks of them; those that fire stay. How many rows went.
    pub fn forget(&self, before: Timestamp, ended: Timestamp) -> u64 {
        self.lock().forget(before, ended)
    }

    /// A panic inside a decision happens before anything is written, so the rows are whole.
    fn lock(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
