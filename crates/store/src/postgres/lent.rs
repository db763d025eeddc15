//! Connections on loan: each operation borrows one from a pool and returns it, or has it closed.
//!
//! Always holds: a connection returns to its pool only after an operation that ended well, or in a conflict that the driver
//! rolled back. Every other one is closed at once: one whose time ran out, whose caller went away, whose `BEGIN` or `ROLLBACK`
//! failed (the driver then does not know that a transaction is open), whose session became read-only. No return waits for
//! longer than [`RETURN`]: the driver asks a connection for a sign of life before it takes it back, without a limit, and the
//! place in the pool is taken meanwhile.

use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, PgPool, Postgres};

use fettle_core::ports::StoreError;

/// A connection that does not answer for this long when it is returned is closed.
const RETURN: Duration = Duration::from_secs(1);

/// When a pool is closed, connections that do not end are left behind.
const CLOSE: Duration = Duration::from_secs(2);

/// A pool, and the time that an operation on one of its connections may take, the wait for a free one included.
#[derive(Debug)]
pub(super) struct Lender {
    pool: PgPool,
    limit: Duration,
}

impl Lender {
    /// Lends connections of `pool` for at most `limit`.
    pub(super) fn new(pool: PgPool, limit: Duration) -> Self {
        Self { pool, limit }
    }

    /// How long an operation may take.
    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    /// Waits for a connection, as long as the pool waits.
    pub(super) async fn lend(&self) -> sqlx::Result<Lent> {
        Ok(Lent(Some(self.pool.acquire().await?)))
    }

    /// Ends all connections, or leaves them behind after [`CLOSE`].
    pub(super) async fn close(&self) {
        if tokio::time::timeout(CLOSE, self.pool.close()).await.is_err() {
            tracing::debug!("connections to the database did not end in time and are left behind");
        }
    }
}

/// A connection for one operation. Dropped before it is settled, the connection is closed.
#[derive(Debug)]
pub(super) struct Lent(Option<PoolConnection<Postgres>>);

impl Lent {
    /// To work on.
    #[expect(clippy::expect_used, reason = "only `settle` and `drop` take it, and nothing comes after them")]
    pub(super) fn connection(&mut self) -> &mut PgConnection {
        self.0.as_mut().expect("a connection that is not settled yet")
    }

    /// The operation ended so: returns the connection to its pool, or closes it.
    pub(super) fn settle<T>(mut self, done: &Result<T, StoreError>) {
        if !matches!(done, Ok(_) | Err(StoreError::Conflict { .. })) {
            return;
        }
        if let Some(mut connection) = self.0.take() {
            tokio::spawn(async move {
                if tokio::time::timeout(RETURN, connection.return_to_pool()).await.is_err() {
                    tracing::debug!("a connection to the database did not answer when it was returned and is closed");
                }
            });
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            // Without a farewell, which would wait for an answer too: the server notices the end of the connection.
            drop(connection.detach());
        }
    }
}
