//! Migrations: one process at a time, by a lock that only a role that may write can take, and no wait without an end.
//!
//! The driver's own migrator takes an advisory key that any role could hold for ever, so it is not used. A dashboard that
//! reads a view while its table changes makes the change wait: that ends after `lock_timeout` as an error that the caller
//! tries again.

use sqlx::migrate::Migrate;
use sqlx::{Connection, Executor as _, PgConnection};

use crate::error::During;
use fettle_core::ports::StoreError;

const WHAT: &str = "migrate the database";

/// Processes that make the driver's table at the same time conflict; after a conflict it is there.
const TRIES: usize = 5;

/// A lock that conflicts with itself but not with the rows that are written meanwhile. Readers can take only weaker ones, which
/// do not conflict. Its session is idle as long as migrations take; the server ends it when its client is gone.
const LOCK: &str = "
    BEGIN;
    SET LOCAL idle_in_transaction_session_timeout = 0;
    LOCK TABLE _sqlx_migrations IN SHARE UPDATE EXCLUSIVE MODE";

/// A migration may take long; it may not wait long for a lock, because everybody else waits behind it.
const WITHOUT_LIMIT: &str = "SET statement_timeout = 0";
const LIMITED: &str = "SET statement_timeout = '5s'";

/// Migrates through `connection`, while `beside` holds the lock.
pub(super) async fn migrate(connection: &mut PgConnection, mut beside: PgConnection) -> Result<(), StoreError> {
    ensure_table(&mut beside).await?;
    beside.execute(LOCK).await.during(WHAT)?;
    connection.execute(WITHOUT_LIMIT).await.during(WHAT)?;
    let mut migrator = sqlx::migrate!("./migrations/postgres");
    // Not `run`: a future that holds it cannot be sent between threads (rust-lang/rust#100013).
    migrator.set_locking(false).run_direct(None, connection, false).await.during(WHAT)?;
    connection.execute(LIMITED).await.during(WHAT)?;
    // Its end frees the lock.
    beside.close().await.during(WHAT)
}

/// Makes the table in which the driver keeps which migrations were applied.
async fn ensure_table(connection: &mut PgConnection) -> Result<(), StoreError> {
    for _ in 1..TRIES {
        match connection.ensure_migrations_table("_sqlx_migrations").await.during(WHAT) {
            Err(StoreError::Conflict { .. }) => {}
            ended => return ended,
        }
    }
    connection.ensure_migrations_table("_sqlx_migrations").await.during(WHAT)
}
