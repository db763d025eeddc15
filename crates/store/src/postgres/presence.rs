//! Who lives: each process has its own session in the server and a row with its id. A process whose session is gone, or
//! that was not seen for [`QUIET`], is dead.
//!
//! Always holds: no lock decides this, so no other role can look alive or keep a dead process alive. A killed process loses its
//! session at once (the kernel closes its connection), so its work is taken over without waiting for leases. Accepted: when
//! only this connection breaks, another process may take our claims until the next one is made; then our commits find the
//! claim lost and store nothing.

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

/// How often the connection is asked for a sign of life.
const PERIOD: Duration = Duration::from_secs(2);

/// Seconds after which a process that was not seen is dead although its session is there: several signs of life, so that a
/// server whose disk stalls does not make its clients dead.
const QUIET: f64 = 30.0;

/// This process's sign of life. Ends with [`Presence::end`], or when dropped.
#[derive(Debug)]
pub struct Presence {
    stop: CancellationToken,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// Waits while another process takes over the claims of this one.
const SHOW: &str = "
    INSERT INTO processes (owner, pid, started_at, seen_at)
    SELECT $1, pid, backend_start, clock_timestamp() FROM pg_stat_activity WHERE pid = pg_backend_pid()
    ON CONFLICT (owner) DO UPDATE
    SET pid = excluded.pid, started_at = excluded.started_at, seen_at = excluded.seen_at";

const LEAVE: &str = "DELETE FROM processes WHERE owner = $1 AND pid = pg_backend_pid()";

impl Presence {
    /// Returns when other processes see this one by its `connection`; `options` are for the next one, should it die.
    pub(super) async fn begin(
        mut connection: PgConnection,
        options: PgConnectOptions,
        owner: ReplicaId,
    ) -> Result<Self, StoreError> {
        show(&mut connection, owner).await.during("show that this process lives")?;
        let stop = CancellationToken::new();
        let task = tokio::spawn(keep(connection, options, owner, stop.clone()));
        Ok(Self { stop, task: Mutex::new(Some(task)) })
    }

    /// Other processes see that this one ended.
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

/// A sign of life.
async fn show(connection: &mut PgConnection, owner: ReplicaId) -> sqlx::Result<()> {
    sqlx::query(SHOW).bind(DbId::of(owner)).execute(connection).await.map(drop)
}

/// Gives signs of life until stopped, on another connection when the first one dies.
async fn keep(first: PgConnection, options: PgConnectOptions, owner: ReplicaId, stop: CancellationToken) {
    let mut connection = Some(first);
    // Cancel safe: a connection that is given up in the middle of a statement is closed.
    let _ = stop.run_until_cancelled(keep_seen(&mut connection, &options, owner)).await;
    if let Some(mut connection) = connection {
        // The server notices the end of the connection in any case.
        let leave = async {
            let _ = sqlx::query(LEAVE).bind(DbId::of(owner)).execute(&mut connection).await;
            let _ = connection.close().await;
        };
        let _ = tokio::time::timeout(PERIOD, leave).await;
    }
}

/// Never ends. What is in `connection` is between two statements: it is taken out for each sign of life.
async fn keep_seen(connection: &mut Option<PgConnection>, options: &PgConnectOptions, owner: ReplicaId) {
    loop {
        tokio::time::sleep(PERIOD).await;
        let live = match connection.take() {
            Some(live) => Some(live),
            None => connect(options).await.ok(),
        };
        let Some(mut live) = live else { continue };
        if let Ok(Ok(())) = tokio::time::timeout(PERIOD, show(&mut live, owner)).await {
            *connection = Some(live);
        }
    }
}

const OTHERS: &str = "
    SELECT lease_owner FROM remediations WHERE state <> 'closed' AND lease_owner <> $1
    UNION SELECT lease_owner FROM loans WHERE closed_at IS NULL AND lease_owner <> $1
    UNION SELECT lease_owner FROM announcements WHERE NOT ended AND lease_owner <> $1
    UNION SELECT lease_owner FROM docker_watches WHERE lease_owner <> $1
    UNION SELECT owner FROM processes WHERE owner <> $1";

/// Until the claims are taken over, the owner's sign of life waits: should it live after all, it is seen after that.
const LOCK: &str = "SELECT owner FROM processes WHERE owner = $1 FOR UPDATE";

/// The row of one who lives. Another role's session shows no start: then its id alone counts.
const LIVES: &str = "
    SELECT true FROM processes p JOIN pg_stat_activity a USING (pid)
    WHERE p.owner = $1 AND p.started_at = coalesce(a.backend_start, p.started_at)
      AND p.seen_at > clock_timestamp() - make_interval(secs => $2)";

const BURY: &str = "DELETE FROM processes WHERE owner = $1";

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
        sqlx::query(LOCK).bind(other).execute(&mut *tx).await.during(WHAT)?;
        let lives: Option<bool> =
            sqlx::query_scalar(LIVES).bind(other).bind(QUIET).fetch_optional(&mut *tx).await.during(WHAT)?;
        if lives.is_some() {
            tx.rollback().await.during(WHAT)?;
            continue;
        }
        sqlx::query(BURY).bind(other).execute(&mut *tx).await.during(WHAT)?;
        for statement in [TAKE, TAKE_LOANS, TAKE_OUTBOX] {
            adopted += sqlx::query(statement).bind(other).execute(&mut *tx).await.during(WHAT)?.rows_affected();
        }
        runs::release(&mut tx, other).await.during(WHAT)?;
        tx.commit().await.during(WHAT)?;
    }
    Ok(adopted)
}
