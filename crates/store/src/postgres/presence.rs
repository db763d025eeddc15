//! Who lives: each process holds a session advisory lock on a connection of its own, and whose lock is free is dead.
//!
//! A killed process loses its lock at once (the kernel closes its connection), so its work is taken over without waiting
//! for leases. Accepted: when only this connection breaks, another process may take our claims until the lock is held
//! again; then our commits find the claim lost and store nothing.

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::connect::connect;
use super::runs;
use crate::db_types::DbId;
use crate::error::During;
use fettle_core::id::ReplicaId;
use fettle_core::ports::StoreError;

/// The first half of the lock's key, "fttl": apart from every other advisory lock in the database.
const CLASS: i32 = 0x6674_746c;
/// How often the connection is asked for a sign of life.
const PERIOD: Duration = Duration::from_secs(2);

/// The second half of the lock's key: the last, random bytes of the owner's id. Two owners with one key would only mean
/// that the dead one's claims run out instead of being taken over.
fn key(owner: ReplicaId) -> i32 {
    let [.., a, b, c, d] = *owner.0.as_bytes();
    i32::from_be_bytes([a, b, c, d])
}

/// This process's sign of life. Ends with [`Presence::end`], or when dropped.
#[derive(Debug)]
pub struct Presence {
    stop: CancellationToken,
    task: Mutex<Option<JoinHandle<()>>>,
}

const HOLD: &str = "SELECT pg_try_advisory_lock($1, $2)";

impl Presence {
    /// Returns with the lock held by `connection`; `options` are for the next one, should it die.
    pub(super) async fn begin(
        mut connection: PgConnection,
        options: PgConnectOptions,
        owner: ReplicaId,
    ) -> Result<Self, StoreError> {
        hold(&mut connection, owner).await.during("take the lock of this process")?;
        let stop = CancellationToken::new();
        let task = tokio::spawn(keep(connection, options, owner, stop.clone()));
        Ok(Self { stop, task: Mutex::new(Some(task)) })
    }

    /// Gives the lock back.
    pub(super) async fn end(&self) {
        self.stop.cancel();
        if let Some(task) = self.task.lock().await.take() {
            // It has nothing to say; if it panicked, the runtime has already said so.
            let _ = task.await;
        }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Takes the lock, or counts once more what this connection holds already.
async fn hold(connection: &mut PgConnection, owner: ReplicaId) -> sqlx::Result<bool> {
    sqlx::query_scalar(HOLD).bind(CLASS).bind(key(owner)).fetch_one(connection).await
}

/// Holds the lock until stopped, on another connection when the first one dies.
async fn keep(first: PgConnection, options: PgConnectOptions, owner: ReplicaId, stop: CancellationToken) {
    let mut connection = Some(first);
    loop {
        // Both arms are cancel-safe.
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(PERIOD) => {}
        }
        connection = match connection {
            Some(held) => held_by(held, owner).await,
            None => match connect(&options).await {
                Ok(new) => held_by(new, owner).await,
                Err(_) => None,
            },
        };
    }
    if let Some(connection) = connection {
        // The server notices the end of the connection in any case.
        let _ = tokio::time::timeout(PERIOD, connection.close()).await;
    }
}

/// The connection, if it lives and holds the lock. Not while an earlier one of ours still does: the next look will tell.
async fn held_by(mut connection: PgConnection, owner: ReplicaId) -> Option<PgConnection> {
    match tokio::time::timeout(PERIOD, hold(&mut connection, owner)).await {
        Ok(Ok(true)) => Some(connection),
        _ => None,
    }
}

const OTHERS: &str = "
    SELECT lease_owner FROM remediations WHERE state <> 'closed' AND lease_owner <> $1
    UNION SELECT lease_owner FROM loans WHERE closed_at IS NULL AND lease_owner <> $1
    UNION SELECT lease_owner FROM announcements WHERE NOT ended AND lease_owner <> $1
    UNION SELECT lease_owner FROM docker_watches WHERE lease_owner <> $1";

const IS_DEAD: &str = "SELECT pg_try_advisory_xact_lock($1, $2)";

/// A running effect too: whoever claims it looks at the platform, and what is unchanged there proves nothing before the
/// intent is old enough, whoever looks. Should its owner live after all, its late commit finds the claim lost.
const TAKE: &str = "
    UPDATE remediations SET lease_owner = NULL, lease_until = NULL
    WHERE state <> 'closed' AND lease_owner = $1";

const TAKE_LOANS: &str = "
    UPDATE loans SET lease_owner = NULL, lease_until = NULL
    WHERE closed_at IS NULL AND lease_owner = $1";

/// It may have been delivered: then it is delivered twice.
const TAKE_OUTBOX: &str = "
    UPDATE announcements SET lease_owner = NULL, lease_until = NULL
    WHERE NOT ended AND lease_owner = $1";

/// Gives back the claims of the dead.
pub(super) async fn adopt(connection: &mut PgConnection, owner: ReplicaId) -> Result<u64, StoreError> {
    const WHAT: &str = "take over the claims of dead processes";
    let others: Vec<DbId> =
        sqlx::query_scalar(OTHERS).bind(DbId::of(owner)).fetch_all(&mut *connection).await.during(WHAT)?;
    let mut adopted = 0;
    for other in others {
        let mut tx = connection.begin().await.during(WHAT)?;
        let is_dead: bool =
            sqlx::query_scalar(IS_DEAD).bind(CLASS).bind(key(other.read())).fetch_one(&mut *tx).await.during(WHAT)?;
        if is_dead {
            for statement in [TAKE, TAKE_LOANS, TAKE_OUTBOX] {
                adopted += sqlx::query(statement).bind(other).execute(&mut *tx).await.during(WHAT)?.rows_affected();
            }
            runs::release(&mut tx, other).await.during(WHAT)?;
        }
        tx.commit().await.during(WHAT)?;
    }
    Ok(adopted)
}
