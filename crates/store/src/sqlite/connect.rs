//! Connections: one that writes, some that read.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use super::Sqlite;
use super::place::Place;
use super::presence::Presence;
use crate::error::During;
use fettle_core::ports::StoreError;

/// For the owner alone: bodies and labels tell much about the machines. Files that are there already stay as they are.
pub(super) const PRIVATE: u32 = 0o600;

/// Readers at most; they are people and dashboards.
const READERS: u32 = 4;
/// Waiting for the writer ends here. A batch takes milliseconds.
const ACQUIRE: Duration = Duration::from_secs(5);
/// Waiting for a lock of the file ends here: only a backup or a person's shell can hold one.
const BUSY: Duration = Duration::from_secs(5);

impl Sqlite {
    /// Reads a file that is there and current; nothing is written, migrated or locked, so a fettle may run on it meanwhile.
    pub async fn open_to_read(url: &str) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::from_str(url)
            .during("read the database's url")?
            .busy_timeout(BUSY)
            .disable_statement_logging()
            .read_only(true);
        let path = options.get_filename().to_path_buf();
        let pool = || SqlitePoolOptions::new().max_connections(READERS).acquire_timeout(ACQUIRE);
        let readers = pool().connect_with(options).await.during("open the database to read it")?;
        let suspect = Arc::new(AtomicBool::new(false));
        // Who writes by these connections is refused by SQLite itself.
        let place = Place::of(&path);
        Ok(Self { writer: readers.clone(), readers, suspect, presence: Presence::none(), place })
    }

    /// Makes the file if need be, takes it for this process, migrates.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let common = SqliteConnectOptions::from_str(url)
            .during("read the database's url")?
            .busy_timeout(BUSY)
            .foreign_keys(true)
            .disable_statement_logging();
        let path = common.get_filename().to_path_buf();
        if url.contains(":memory:") || url.contains("mode=memory") || path == Path::new("") {
            return Err(StoreError::Unusable(
                "a database in memory forgets what it acknowledged: write sqlite://PATH with a path to a file".into(),
            ));
        }
        if path.is_dir() {
            let path = path.display();
            return Err(StoreError::Unusable(format!(
                "{path} is a folder: write the path of a file, such as {path}/fettle.db"
            )));
        }
        // Migrations of SQLite take no lock of their own, so the file must be ours before.
        let presence = Presence::begin(&path)?;

        // SQLite would make it for everybody to read; what it makes beside it is as private as this. A file that cannot be
        // made is told by SQLite below.
        let _ = File::options().create(true).truncate(false).write(true).mode(PRIVATE).open(&path);

        let writing = common
            .clone()
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let pool = |max| {
            SqlitePoolOptions::new()
                .max_connections(max)
                .acquire_timeout(ACQUIRE)
                .idle_timeout(None)
                .max_lifetime(None)
                .test_before_acquire(false)
        };
        let suspect = Arc::new(AtomicBool::new(false));
        let asked = suspect.clone();
        let trusted = pool(1).before_acquire(move |_, _| {
            // Closed and replaced by a new one.
            let suspect = asked.swap(false, Ordering::AcqRel);
            Box::pin(async move { Ok(!suspect) })
        });
        let writer = trusted.connect_with(writing).await.during("open the database")?;
        sqlx::migrate!("./migrations/sqlite").run(&writer).await.during("migrate the database")?;
        let readers = pool(READERS).connect_lazy_with(common.read_only(true));
        Ok(Self { writer, readers, suspect, presence, place: Place::of(&path) })
    }
}
