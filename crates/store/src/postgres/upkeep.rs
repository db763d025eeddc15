//! Upkeep: the server's clock, what other processes say and leave behind, retention, and the end.

use async_trait::async_trait;
use sqlx::PgConnection;

use super::Postgres;
use super::{notes, presence, prune, work};
use crate::db_types::DbTime;
use crate::error::During;
use fettle_core::id::ReplicaId;
use fettle_core::ports::{StoreError, Upkeep};
use fettle_core::time::Timestamp;

#[async_trait]
impl Upkeep for Postgres {
    async fn now(&self) -> Result<Option<Timestamp>, StoreError> {
        on_connection!(self.pool, now()).map(Some)
    }

    async fn latest(&self) -> Result<Option<Timestamp>, StoreError> {
        on_connection!(self.pool, latest())
    }

    async fn woken(&self) -> Result<(), StoreError> {
        match &self.serving {
            Some(serving) => serving.wakes.heard().await,
            None => std::future::pending().await,
        }
        Ok(())
    }

    fn hears(&self) -> bool {
        self.serving.as_ref().is_some_and(|serving| serving.wakes.are_heard())
    }

    async fn release(&self, owner: ReplicaId) -> Result<u64, StoreError> {
        on_connection!(self.pool, work::release(owner))
    }

    async fn adopt(&self, owner: ReplicaId) -> Result<u64, StoreError> {
        on_connection!(self.pool, presence::adopt(owner))
    }

    async fn prune(&self, notifications: Timestamp, audit: Timestamp) -> Result<u64, StoreError> {
        on_connection!(self.pool, prune::prune(notifications, audit))
    }

    async fn noted(&self, name: &'static str) -> Result<Option<String>, StoreError> {
        on_connection!(self.pool, notes::noted(name))
    }

    async fn note(&self, name: &'static str, value: &str) -> Result<(), StoreError> {
        on_connection!(self.pool, notes::note(name, value))
    }

    fn kind(&self) -> &'static str {
        "postgres"
    }

    async fn close(&self) {
        tokio::join!(self.inbox.close(), self.pool.close());
        if let Some(serving) = &self.serving {
            serving.wakes.end().await;
            serving.presence.end().await;
        }
    }
}

const NOW: &str = "SELECT clock_timestamp()";

/// The server's clock.
pub(super) async fn now(connection: &mut PgConnection) -> Result<Timestamp, StoreError> {
    let now: DbTime = sqlx::query_scalar(NOW).fetch_one(connection).await.during("ask the database's clock")?;
    Ok(now.0)
}

/// By ids and sequences, which follow time closely: the latest rows of what every decision and every request writes.
const LATEST: &str = "
    SELECT max(at) FROM (
        (SELECT received_at AS at FROM notifications ORDER BY id DESC LIMIT 100)
        UNION ALL (SELECT at FROM transitions ORDER BY seq DESC LIMIT 100)
        UNION ALL (SELECT at FROM verdicts ORDER BY seq DESC LIMIT 100)
        UNION ALL (SELECT at FROM events ORDER BY at DESC LIMIT 1)
        UNION ALL (SELECT planned_at FROM actions ORDER BY planned_at DESC LIMIT 1)
        UNION ALL (SELECT closed_at FROM remediations WHERE state = 'closed' ORDER BY closed_at DESC LIMIT 1)
    ) latest";

/// The latest instant stored.
pub(super) async fn latest(connection: &mut PgConnection) -> Result<Option<Timestamp>, StoreError> {
    let at: Option<DbTime> = sqlx::query_scalar(LATEST).fetch_one(connection).await.during("ask the latest instant")?;
    Ok(at.map(Into::into))
}
