//! Opens what is on record, read only, through connections of its own. What is asked of it is in `shared/record.rs`.

use std::str::FromStr;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{ConnectOptions, SqlitePool};

use crate::error::During;
use crate::history::fits;
use fettle_core::ports::StoreError;

/// The record in a SQLite file.
#[derive(Debug)]
pub struct Past {
    pub(super) pool: SqlitePool,
}

/// One question at a time, and room for one more.
const CONNECTIONS: u32 = 2;
/// Waiting for a lock of the file ends here: only a backup or a person's shell can hold one.
const BUSY: Duration = Duration::from_secs(5);

impl Past {
    /// Opens the file for reading; it must be there.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::from_str(url)
            .during("read the database's url")?
            .read_only(true)
            .busy_timeout(BUSY)
            .disable_statement_logging();
        let path = options.get_filename().to_path_buf();
        if !path.is_file() {
            return Err(StoreError::Unusable(format!("there is no database at {}", path.display())));
        }
        let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS).connect_lazy_with(options);
        let there: i64 = sqlx::query_scalar(MIGRATED).fetch_one(&pool).await.during("open the database")?;
        let version = if there == 0 {
            None
        } else {
            sqlx::query_scalar(VERSION).fetch_one(&pool).await.during("read the schema's version")?
        };
        fits(version, &sqlx::migrate!("./migrations/sqlite"))?;
        Ok(Self { pool })
    }
}

const MIGRATED: &str = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = '_sqlx_migrations'";

const VERSION: &str = "SELECT max(version) FROM _sqlx_migrations WHERE success";
