//! Connections: how they are made, tested and limited.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, Executor as _, PgConnection, PgPool};

use super::presence::Presence;
use super::wakes::Wakes;
use super::{Postgres, Serving};
use crate::error::During;
use fettle_core::id::ReplicaId;
use fettle_core::ports::StoreError;

/// Connections at most. Commits wait for the disk, not for the processor: more than this only queue inside the server.
const CONNECTIONS: u32 = 10;
/// For storing what comes in: one commits, one is ready in case that one dies.
const INBOX_CONNECTIONS: u32 = 2;
/// Kept open even when idle: a new one costs a process of the server, and every statement is prepared anew on it.
const WARM: u32 = 4;
/// Waiting for a free connection, or for a server that refuses them, ends here: a sender waits for the answer meanwhile.
const ACQUIRE: Duration = Duration::from_secs(1);
/// The first connection may cross a network and a start-up of the server.
const CONNECT: Duration = Duration::from_secs(10);
/// A connection that lay idle for longer is asked for a sign of life before it is used: the server may have restarted.
/// A busy one is not, it would cost a round trip; if it is dead its next statement says so, and the caller tries again.
const TRUSTED_IDLE: Duration = Duration::from_millis(500);
/// A whole operation ends here, answered or not: a network that swallows packets answers nothing for a quarter of an hour.
/// Longer than a statement may take, so that the server's own word comes first where there is one.
pub(super) const DEADLINE: Duration = Duration::from_secs(6);
/// How a transaction begins that takes in or decides, in one round trip. Its statements find few rows in many tables, so
/// planning them takes longer than executing them: they are planned once per connection, for any values. A plan made while
/// the tables are empty must do when they are full, so it goes by index. Lists for people are planned each time.
pub(super) const BEGIN: &str = "BEGIN; SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL enable_seqscan = off";

/// For every statement of the service: no query of ours is meant to take long, and nobody waits for one that does. A
/// process that is stopped in the middle of a transaction holds the others up no longer than that either. And none is worth
/// compiling: that takes seconds where a plan looks dear, as every plan does that must scan although scans are off.
const SETTINGS: [(&str, &str); 5] = [
    ("jit", "off"),
    ("statement_timeout", "5s"),
    ("lock_timeout", "4s"),
    ("idle_in_transaction_session_timeout", "5s"),
    ("application_name", "fettle"),
];

/// What is acknowledged must be on disk. A server, a database or a role with `synchronous_commit = off` loses commits of the
/// last fraction of a second when it is killed; stronger and weaker waits for standbys are the operator's choice and stay.
const DURABLE: &str =
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";

impl Postgres {
    /// Connects to read what is stored: nothing is migrated, no lock is taken, and the server refuses whatever would write.
    pub async fn open_to_read(url: &str) -> Result<Self, StoreError> {
        const WHAT: &str = "open the database to read it";
        let options = PgConnectOptions::from_str(url).during(WHAT)?.disable_statement_logging();
        let options = options.options([("default_transaction_read_only", "on")]);
        connect(&options).await.during(WHAT)?.close().await.during(WHAT)?;
        let (inbox, pool) = (pool(options.clone(), 1), pool(options, WARM));
        Ok(Self { pool, inbox, admitting: tokio::sync::Mutex::new(()), serving: None })
    }

    /// Connects, migrates, and takes the lock that tells other processes that this one lives.
    pub async fn open(url: &str, owner: ReplicaId) -> Result<Self, StoreError> {
        const WHAT: &str = "open the database";
        // sqlx says what is wrong with the URL without repeating it.
        let options = PgConnectOptions::from_str(url).during(WHAT)?.disable_statement_logging();

        // A plain connection first: a pool would retry silently and only say that it took too long.
        let connection = connect(&options).await.during(WHAT)?;

        // Several processes at once wait for each other: the migrator takes a lock. Without a time limit, unlike the rest.
        let migrating = PgPoolOptions::new().max_connections(1).connect_lazy_with(options.clone());
        sqlx::migrate!("./migrations/postgres").run(&migrating).await.during("migrate the database")?;
        migrating.close().await;

        let presence = Presence::begin(connection, options.clone(), owner).await?;
        let wakes = Wakes::begin(options.clone());
        let (inbox, pool) = (pool(options.clone(), INBOX_CONNECTIONS), pool(options, CONNECTIONS));
        let serving = Some(Serving { presence, wakes });
        Ok(Self { pool, inbox, admitting: tokio::sync::Mutex::new(()), serving })
    }
}

/// One connection, or the reason why not.
pub(super) async fn connect(options: &PgConnectOptions) -> sqlx::Result<PgConnection> {
    let timed_out = |_| sqlx::Error::Io(std::io::ErrorKind::TimedOut.into());
    tokio::time::timeout(CONNECT, PgConnection::connect_with(options)).await.map_err(timed_out)?
}

fn pool(options: PgConnectOptions, connections: u32) -> PgPool {
    PgPoolOptions::new()
        .max_connections(connections)
        .min_connections(connections.min(WARM))
        .acquire_timeout(ACQUIRE)
        .test_before_acquire(false)
        .after_connect(|connection, _| Box::pin(async move { connection.execute(DURABLE).await.map(drop) }))
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for > TRUSTED_IDLE {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .connect_lazy_with(options.options(SETTINGS))
}
