//! Opens what is on record, read only, through connections of its own. What is asked of it is in `shared/record.rs`.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgPool};

use crate::error::During;
use crate::history::fits;
use fettle_core::ports::StoreError;

/// The record in a PostgreSQL database.
#[derive(Debug)]
pub struct Past {
    pub(super) pool: PgPool,
}

/// One question at a time, and room for one more.
const CONNECTIONS: u32 = 2;
/// For a first connection, and for the server's answer to it.
const CONNECT: Duration = Duration::from_secs(10);
/// Whatever is asked here writes nothing. Long lists are read with patience: no sender waits for them.
const SETTINGS: [(&str, &str); 2] = [("default_transaction_read_only", "on"), ("application_name", "fettle replay")];

impl Past {
    /// Connects.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        const WHAT: &str = "open the database";
        let options = PgConnectOptions::from_str(url).during(WHAT)?.disable_statement_logging().options(SETTINGS);
        // A plain connection first: a pool would retry silently and only say that it took too long.
        super::connect::connect(&options).await.during(WHAT)?.close().await.during(WHAT)?;
        let pool =
            PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(CONNECT).connect_lazy_with(options);
        let there: bool = sqlx::query_scalar(MIGRATED).fetch_one(&pool).await.during(WHAT)?;
        let version = if there {
            sqlx::query_scalar(VERSION).fetch_one(&pool).await.during("read the schema's version")?
        } else {
            None
        };
        fits(version, &sqlx::migrate!("./migrations/postgres"))?;
        Ok(Self { pool })
    }
}

const MIGRATED: &str = "SELECT to_regclass('_sqlx_migrations') IS NOT NULL";

const VERSION: &str = "SELECT max(version) FROM _sqlx_migrations WHERE success";
