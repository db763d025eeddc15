//! Who lives: the process that holds the lock file beside the database. There is no other, so every claim that is not
//! ours is a dead process's.

use std::fs::{File, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use sqlx::SqliteConnection;

use super::connect::PRIVATE;
use crate::db_types::DbId;
use crate::error::During;
use fettle_core::id::ReplicaId;
use fettle_core::ports::StoreError;

/// The lock, held until [`Presence::end`] or until dropped.
#[derive(Debug)]
pub struct Presence(Mutex<Option<File>>);

impl Presence {
    /// Of one who only reads.
    pub(super) fn none() -> Self {
        Self(Mutex::new(None))
    }

    /// Takes `PATH.lock`. Two names of one file have one lock.
    pub(super) fn begin(database: &Path) -> Result<Self, StoreError> {
        let database = database.canonicalize().unwrap_or_else(|_| database.to_owned());
        let mut name = database.clone().into_os_string();
        name.push(".lock");
        let path = PathBuf::from(name);
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(PRIVATE)
            .open(&path)
            .map_err(|e| StoreError::Unusable(format!("open {}: {e}", path.display())))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(Mutex::new(Some(file)))),
            Err(TryLockError::WouldBlock) => Err(StoreError::Unusable(format!(
                "another process has {} open: a SQLite database belongs to one fettle; several share a PostgreSQL",
                database.display()
            ))),
            Err(TryLockError::Error(e)) => Err(StoreError::Unusable(format!("lock {}: {e}", path.display()))),
        }
    }

    /// Gives the lock back.
    #[expect(clippy::unused_async, reason = "the same call as the other store's, which waits")]
    pub(super) async fn end(&self) {
        // Closing the file frees the lock. The file stays: removing it would free the lock of whoever opened it meanwhile.
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// Effects under way included: their process is certainly dead, and the core looks before it judges.
const TAKE: &str = "
    UPDATE remediations SET lease_owner = NULL, lease_until = NULL
    WHERE state <> 'closed' AND lease_owner <> $1";

const TAKE_LOANS: &str = "
    UPDATE loans SET lease_owner = NULL, lease_until = NULL
    WHERE closed_at IS NULL AND lease_owner <> $1";

/// It may have been delivered: then it is delivered twice.
const TAKE_OUTBOX: &str = "
    UPDATE announcements SET lease_owner = NULL, lease_until = NULL
    WHERE NOT ended AND lease_owner <> $1";

/// What it saw is stored already.
const TAKE_WATCHES: &str = "
    UPDATE docker_watches SET lease_owner = NULL, lease_until = NULL
    WHERE lease_owner <> $1";

/// Gives back the claims of the dead.
pub(super) async fn adopt(connection: &mut SqliteConnection, owner: ReplicaId) -> Result<u64, StoreError> {
    let mut adopted = 0;
    for statement in [TAKE, TAKE_LOANS, TAKE_OUTBOX] {
        let done = sqlx::query(statement).bind(DbId::of(owner)).execute(&mut *connection).await;
        adopted += done.during("take over the claims of dead processes")?.rows_affected();
    }
    let watches = sqlx::query(TAKE_WATCHES).bind(DbId::of(owner)).execute(connection).await;
    watches.during("take over the claims of dead processes")?;
    Ok(adopted)
}
