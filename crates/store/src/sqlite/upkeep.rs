//! Upkeep: what a process before this one left behind, retention, and the end.

use async_trait::async_trait;
use sqlx::SqliteConnection;

use super::Sqlite;
use super::{notes, presence, prune, work};
use crate::db_types::DbTime;
use crate::error::During;
use fettle_core::id::ReplicaId;
use fettle_core::ports::{StoreError, Upkeep};
use fettle_core::time::Timestamp;

#[async_trait]
impl Upkeep for Sqlite {
    async fn now(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(None)
    }

    async fn latest(&self) -> Result<Option<Timestamp>, StoreError> {
        reading!(self, latest())
    }

    async fn woken(&self) -> Result<(), StoreError> {
        std::future::pending().await
    }

    fn hears(&self) -> bool {
        false
    }

    async fn release(&self, owner: ReplicaId) -> Result<u64, StoreError> {
        writing!(self, work::release(owner))
    }

    /// One process has the database to itself.
    async fn adopt(&self, owner: ReplicaId) -> Result<u64, StoreError> {
        self.place.check()?;
        writing!(self, presence::adopt(owner))
    }

    async fn prune(&self, notifications: Timestamp, audit: Timestamp) -> Result<u64, StoreError> {
        writing!(self, prune::prune(notifications, audit))
    }

    async fn noted(&self, name: &'static str) -> Result<Option<String>, StoreError> {
        reading!(self, notes::noted(name))
    }

    async fn note(&self, name: &'static str, value: &str) -> Result<(), StoreError> {
        writing!(self, notes::note(name, value))
    }

    fn kind(&self) -> &'static str {
        "sqlite"
    }

    async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
        self.presence.end().await;
    }
}

/// By indexes, or by sequences, which follow time closely: what every decision and every request writes.
const LATEST: &str = "
    SELECT max(at) FROM (
        SELECT max(received_at) AS at FROM notifications
        UNION ALL SELECT max(at) FROM (SELECT at FROM transitions ORDER BY seq DESC LIMIT 100)
        UNION ALL SELECT max(at) FROM (SELECT at FROM verdicts ORDER BY seq DESC LIMIT 100)
        UNION ALL SELECT max(at) FROM events
        UNION ALL SELECT max(planned_at) FROM actions
        UNION ALL SELECT max(closed_at) FROM remediations WHERE state = 'closed'
    )";

/// The latest instant stored.
pub(super) async fn latest(connection: &mut SqliteConnection) -> Result<Option<Timestamp>, StoreError> {
    let at: Option<DbTime> = sqlx::query_scalar(LATEST).fetch_one(connection).await.during("ask the latest instant")?;
    Ok(at.map(Into::into))
}
