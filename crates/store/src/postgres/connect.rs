//! Connections: how they are made, tested and limited.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, Executor as _, PgConnection, PgPool};

use super::lent::Lender;
use super::presence::Presence;
use super::wakes::Wakes;
use super::{Postgres, Serving, migrate, pooled};
use crate::error::During;
use fettle_core::id::ReplicaId;
use fettle_core::ports::{APPEND_PATIENCE, StoreError};

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
const DEADLINE: Duration = Duration::from_secs(6);
/// As [`DEADLINE`], for storing what comes in: shorter than its caller waits, so that the end of an operation and what becomes
/// of its connection has one owner.
const INBOX_DEADLINE: Duration = Duration::from_secs(4);
const _: () = assert!(INBOX_DEADLINE.as_secs() < APPEND_PATIENCE.as_secs());
/// How a transaction begins that takes in or decides, in one round trip. Its statements find few rows in many tables, so
/// planning them takes longer than executing them: they are planned once per connection, for any values. A plan made while
/// the tables are empty must do when they are full, so it goes by index. Lists for people are planned each time.
pub(super) const BEGIN: &str = "BEGIN; SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL enable_seqscan = off";

/// For every session. Set by a statement, not by the start of the connection: `PgBouncer` refuses start options that it does
/// not know.
///
/// A query of fettle is short, and its caller does not wait longer. A process that is stopped in the middle of a transaction holds
/// the others up no longer than that either. No query is worth compiling: that takes seconds where a plan
/// looks dear, as every plan does that must scan although scans are off.
///
/// What is acknowledged must be on disk. A server, a database or a role with `synchronous_commit = off` loses commits of the
/// last fraction of a second when it is killed; stronger and weaker waits for standbys are the operator's choice and stay.
///
/// The server ends the session of a client whose machine is gone, and with it the locks: after 10 s idle it asks, and
/// 10 s without an answer are the end. Servers that do not have one of these settings do without.
const SETTINGS: &str = "
    SET jit = off;
    SET statement_timeout = '5s';
    SET lock_timeout = '4s';
    SET idle_in_transaction_session_timeout = '5s';
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
    SELECT set_config(name, value, false)
    FROM (VALUES ('tcp_keepalives_idle', '10'), ('tcp_keepalives_interval', '3'), ('tcp_keepalives_count', '3'),
                 ('tcp_user_timeout', '10000')) wanted (name, value)
    WHERE current_setting(name, true) IS NOT NULL";

/// Besides, where something is stored that comes in: within [`INBOX_DEADLINE`].
const INBOX_SETTINGS: &str = "SET statement_timeout = '3s'; SET lock_timeout = '2s'";

/// Besides, where nothing may be written.
const READ_ONLY: &str = "SET default_transaction_read_only = on";

impl Postgres {
    /// Connects to read what is stored: nothing is migrated, no lock is taken, and the server refuses whatever would write.
    pub async fn open_to_read(url: &str) -> Result<Self, StoreError> {
        const WHAT: &str = "open the database to read it";
        let options = options(url).during(WHAT)?;
        connect(&options).await.during(WHAT)?.close().await.during(WHAT)?;
        let inbox = Lender::new(pool(options.clone(), 1, READ_ONLY), DEADLINE);
        let pool = Lender::new(pool(options, WARM, READ_ONLY), DEADLINE);
        Ok(Self { pool, inbox, admitting: tokio::sync::Mutex::new(()), serving: None })
    }

    /// Connects, migrates, and shows other processes that this one lives.
    pub async fn open(url: &str, owner: ReplicaId) -> Result<Self, StoreError> {
        const WHAT: &str = "open the database";
        let options = options(url).during(WHAT)?;

        // Plain connections first: a pool retries silently, and its error is only that it took too long.
        let mut connection = connect(&options).await.during(WHAT)?;
        let mut beside = connect(&options).await.during(WHAT)?;
        pooled::refuse_shared_sessions(&mut connection, &mut beside).await?;
        migrate::migrate(&mut connection, beside).await?;

        let presence = Presence::begin(connection, options.clone(), owner).await?;
        let wakes = Wakes::begin(options.clone());
        let inbox = Lender::new(pool(options.clone(), INBOX_CONNECTIONS, INBOX_SETTINGS), INBOX_DEADLINE);
        let pool = Lender::new(pool(options, CONNECTIONS, ""), DEADLINE);
        let serving = Some(Serving { presence, wakes });
        Ok(Self { pool, inbox, admitting: tokio::sync::Mutex::new(()), serving })
    }
}

/// The options of each connection. An error of sqlx names the fault of the URL and does not repeat the URL.
fn options(url: &str) -> sqlx::Result<PgConnectOptions> {
    let options = PgConnectOptions::from_str(url)?.disable_statement_logging().application_name("fettle");
    // A start option that `PgBouncer` refuses; fettle stores no floats.
    Ok(options.extra_float_digits(None))
}

/// One connection with the settings of every session, or the reason why not.
pub(super) async fn connect(options: &PgConnectOptions) -> sqlx::Result<PgConnection> {
    let timed_out = |_| sqlx::Error::Io(std::io::ErrorKind::TimedOut.into());
    let connecting = async {
        let mut connection = PgConnection::connect_with(options).await?;
        connection.execute(SETTINGS).await?;
        Ok(connection)
    };
    tokio::time::timeout(CONNECT, connecting).await.map_err(timed_out)?
}

fn pool(options: PgConnectOptions, connections: u32, besides: &'static str) -> PgPool {
    PgPoolOptions::new()
        .max_connections(connections)
        .min_connections(connections.min(WARM))
        .acquire_timeout(ACQUIRE)
        .test_before_acquire(false)
        .after_connect(move |connection, _| {
            Box::pin(async move {
                connection.execute(SETTINGS).await?;
                connection.execute(besides).await.map(drop)
            })
        })
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for > TRUSTED_IDLE {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .connect_lazy_with(options)
}
