//! What fettle remembers, on PostgreSQL or on SQLite: the ports of [`fettle_core::ports::store`].
//!
//! Always holds: each method is one transaction, all or nothing. Invariants that protect production (one open remediation
//! per target, audit rows that nobody edits) live in the schema, not here. The migrations go forward only; a database that
//! a newer fettle has used is refused.

mod around;
mod columns;
mod connect;
mod error;
pub mod history;
pub mod instant;
mod labels;
pub mod late;
pub mod postgres;
mod rows;
pub mod sqlite;

use fettle_core::text;

pub use connect::{open, open_to_read, server};
pub use labels::recorded_labels;
