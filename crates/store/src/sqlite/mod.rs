//! The store on SQLite, embedded: one process owns the file.
//!
//! Always holds: writes go through one connection and begin `IMMEDIATE`, so they never meet; reads go through others and
//! never wait for a write. Done means synced: `synchronous=FULL`.
//!
//! Batches go in as one JSON text that `json_each` takes apart: a statement per row would cost a hop to the connection's
//! thread each.

#[macro_use]
mod dialect;

#[path = "../shared/again.rs"]
mod again;
#[path = "../shared/answers.rs"]
mod answers;
mod audit;
#[path = "../shared/breakers.rs"]
mod breakers;
mod connect;
mod decision;
#[path = "../shared/ended.rs"]
mod ended;
#[path = "../shared/events.rs"]
mod events;
mod facts;
pub(super) mod history;
mod inbox;
mod ledger;
mod lending;
#[path = "../shared/loans.rs"]
mod loans;
#[path = "../shared/notes.rs"]
mod notes;
#[path = "../shared/outbox.rs"]
mod outbox;
mod past;
#[path = "../shared/pauses.rs"]
mod pauses;
mod place;
mod presence;
#[path = "../shared/prune.rs"]
mod prune;
#[path = "../shared/read.rs"]
mod read;
mod receive;
#[path = "../shared/receiving.rs"]
mod receiving;
#[path = "../shared/record.rs"]
mod record;
#[path = "../shared/runs.rs"]
mod runs;
#[path = "../shared/standing.rs"]
mod standing;
#[path = "../shared/storm.rs"]
mod storm;
mod unproven;
mod upkeep;
#[path = "../shared/work.rs"]
mod work;
mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::SqlitePool;

use fettle_core::ports::StoreError;

/// fettle's memory in a SQLite file.
#[derive(Debug)]
pub struct Sqlite {
    /// The only connection that writes.
    writer: SqlitePool,
    readers: SqlitePool,
    /// Whether the writing connection may be in the middle of something. After some errors (a full disk) SQLite ends the
    /// transaction by itself, and the driver does not know: such a connection is not used again.
    suspect: Arc<AtomicBool>,
    presence: presence::Presence,
    place: place::Place,
}

impl Sqlite {
    fn watched<T>(&self, done: Result<T, StoreError>) -> Result<T, StoreError> {
        if done.as_ref().is_err_and(|error| !matches!(error, StoreError::Conflict { .. })) {
            self.suspect.store(true, Ordering::Release);
        }
        done
    }
}
