//! The store on PostgreSQL: any number of fettle processes share one database.
//!
//! Always holds: a transaction is handed down as a connection, never the pool; rows that are going to be written are
//! locked in one order (alerts by fingerprint, then remediations by id), so two replicas wait for each other instead of
//! deadlocking; what a lock protects is read after it is held, in a statement of its own (READ COMMITTED gives each
//! statement a new snapshot).
//!
//! What makes work of others due at once is told by `NOTIFY` when it is committed (`wakes.rs`); what is told to nobody is
//! found by polling. Poolers that share a session between clients (`PgBouncer` in transaction mode) are refused at the start
//! (`pooled.rs`): prepared statements, settings, the sign of life and `LISTEN` belong to a session.
//!
//! Nothing that another role can hold stops fettle: there is no advisory lock, only locks of rows, and other roles may read at
//! most. Reading conflicts with nothing but migrations, which wait a bounded time and are tried again.

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
mod lent;
#[path = "../shared/loans.rs"]
mod loans;
mod migrate;
#[path = "../shared/notes.rs"]
mod notes;
#[path = "../shared/outbox.rs"]
mod outbox;
mod past;
#[path = "../shared/pauses.rs"]
mod pauses;
mod pooled;
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
mod wakes;
#[path = "../shared/work.rs"]
mod work;
mod world;
mod writes;

use tokio::sync::Mutex;

use self::lent::Lender;

/// fettle's memory in a PostgreSQL database.
#[derive(Debug)]
pub struct Postgres {
    pool: Lender,
    /// Of its own, so that no amount of deciding keeps a sender waiting for a connection.
    inbox: Lender,
    admitting: Mutex<()>,
    /// `None` of one who only reads.
    serving: Option<Serving>,
}

/// What a process that works has besides its connections.
#[derive(Debug)]
struct Serving {
    presence: presence::Presence,
    wakes: wakes::Wakes,
}
