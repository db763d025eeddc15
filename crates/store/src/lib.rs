//! What fettle remembers, on PostgreSQL or on SQLite: the ports of [`fettle_core::ports::store`].
//!
//! Always holds: each method is one transaction, all or nothing. Invariants that protect production (one open remediation
//! per target, audit rows that nobody edits) live in the schema, not here. The migrations go forward only; a database that
//! a newer fettle has used is refused.
//!
//! What differs by a word only is written once, in `shared/`, and compiled into both stores: each has a `dialect` with its
//! types, its words and the way to a connection. Where the difference is the design (batches, locks, one round trip), the
//! same file stands in `postgres/` and in `sqlite/`. Each port stands beside the statements that serve it.

#![expect(clippy::duplicate_mod, reason = "what is in `shared/` is meant to be compiled against each dialect")]

mod around;
mod columns;
mod connect;
pub mod db_types;
mod document;
mod error;
pub mod history;
mod labels;
pub mod late;
pub mod postgres;
mod rows;
pub mod sqlite;

use fettle_core::text;

pub use connect::{open, open_to_read, server};
pub use labels::recorded_labels;
