//! Connections: how they are made, tested and limited.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgConnection, PgPool};
use uuid::Uuid;

use super::Postgres;
use super::presence::Presence;
use crate::store::StoreError;
use crate::store::error::During;

/// Connections at most. Commits wait for the disk, not for the processor: more than this only queue inside the server.
const CONNECTIONS: u32 = 10;
/// Waiting for a free connection, or for a server that refuses them, ends here: a sender waits for the answer meanwhile.
const ACQUIRE: Duration = Duration::from_secs(1);
/// The first connection may cross a network and a start-up of the server.
const CONNECT: Duration = Duration::from_secs(10);
/// A connection that lay idle for longer is asked for a sign of life before it is used: the server may have restarted.
/// A busy one is not, it would cost a round trip; if it is dead its next statement says so, and the caller tries again.
const TRUSTED_IDLE: Duration = Duration::from_millis(500);
/// For every statement of the service: no query of ours is meant to take long, and nobody waits for one that does.
/// Keep-alives: a connection through a network that silently drops it must not be held for hours.
const SETTINGS: [(&str, &str); 4] = [
    ("statement_timeout", "5s"),
    ("lock_timeout", "4s"),
    ("idle_in_transaction_session_timeout", "15s"),
    ("application_name", "fettle"),
];

impl Postgres {
    /// Connects, migrates, and takes the lock that tells other processes that this one lives.
    pub async fn open(url: &str, owner: Uuid) -> Result<Self, StoreError> {
        const WHAT: &str = "open the database";
        // sqlx says what is wrong with the URL without repeating it.
        let options = PgConnectOptions::from_str(url).during(WHAT)?.disable_statement_logging();

        // A plain connection first: the pool would retry silently and only say that it took too long.
        let mut connection = connect(&options).await.during(WHAT)?;
        sqlx::migrate!("./migrations/postgres").run(&mut connection).await.during("migrate the database")?;
        connection.close().await.during(WHAT)?;

        let presence = Presence::begin(options.clone(), owner).await?;
        Ok(Self { pool: pool(options), presence })
    }
}

/// One connection, or the reason why not.
pub(super) async fn connect(options: &PgConnectOptions) -> sqlx::Result<PgConnection> {
    let timed_out = |_| sqlx::Error::Io(std::io::ErrorKind::TimedOut.into());
    tokio::time::timeout(CONNECT, PgConnection::connect_with(options)).await.map_err(timed_out)?
}

fn pool(options: PgConnectOptions) -> PgPool {
    PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .min_connections(1)
        .acquire_timeout(ACQUIRE)
        .test_before_acquire(false)
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
