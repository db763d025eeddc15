//! Poolers between fettle and its database: each connection needs its own session.

use sqlx::{Connection, Executor as _, PgConnection, Row};

use crate::error::During;
use fettle_core::ports::StoreError;

const WHAT: &str = "open the database";

/// The session that answers.
const SESSION: &str = "SELECT pg_backend_pid()::text";

/// Fails when a pooler shares sessions between clients. While `other` holds a transaction, `one` must still be answered by the
/// session that answered it before, and `other` by another: a pooler in transaction mode has either given `other` the session
/// of `one`, or gives `one` another one now.
pub(super) async fn refuse_shared_sessions(one: &mut PgConnection, other: &mut PgConnection) -> Result<(), StoreError> {
    let before = session(one).await.during(WHAT)?;
    let mut held = other.begin().await.during(WHAT)?;
    let beside = session(&mut held).await.during(WHAT)?;
    let after = session(one).await.during(WHAT)?;
    held.rollback().await.during(WHAT)?;
    if before == beside || before != after {
        return Err(StoreError::Unusable(
            "a pooler between fettle and PostgreSQL shares sessions between connections (PgBouncer: `pool_mode = transaction`); \
             prepared statements, settings and LISTEN need a session for each connection: set `pool_mode = session` for \
             fettle's database, or connect without the pooler"
                .into(),
        ));
    }
    Ok(())
}

/// In the simple protocol, without a prepared statement: those fail first with a pooler that shares sessions.
async fn session(connection: &mut PgConnection) -> sqlx::Result<String> {
    connection.fetch_one(SESSION).await?.try_get(0)
}
