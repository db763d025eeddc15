//! The store on PostgreSQL: any number of fettle processes share one database.
//!
//! Always holds: a transaction is handed down as a connection, never the pool; rows that are going to be written are
//! locked in one order (alerts by fingerprint, then remediations by id), so two replicas wait for each other instead of
//! deadlocking; what a lock protects is read after it is held, in a statement of its own (READ COMMITTED gives each
//! statement a new snapshot).
//!
//! Not done: `LISTEN`/`NOTIFY`. A replica sees work of another at its next poll.

mod audit;
mod connect;
mod inbox;
mod ledger;
mod presence;
mod prune;
mod read;
mod receive;
mod work;
mod world;

use async_trait::async_trait;
use sqlx::PgPool;
use uuid::Uuid;

use super::model::{
    Admission, Candidate, Changes, Claim, Claimed, Closed, Commit, LedgerAsk, NewNotification, ReceiveAsk, Spent,
    StoredNotification,
};
use super::view::{ActionFilter, ActionView, AlertFilter, AlertView, RemediationFilter, RemediationView, Story};
use super::{Judge, Store, StoreError, Think};
use crate::core::alert::episode::AlertState;
use crate::core::time::Timestamp;

/// fettle's memory in a PostgreSQL database.
#[derive(Debug)]
pub struct Postgres {
    pool: PgPool,
    presence: presence::Presence,
}

#[async_trait]
impl Store for Postgres {
    fn kind(&self) -> &'static str {
        "postgres"
    }

    async fn now(&self) -> Result<Option<Timestamp>, StoreError> {
        read::now(&self.pool).await.map(Some)
    }

    async fn latest(&self) -> Result<Option<Timestamp>, StoreError> {
        read::latest(&self.pool).await
    }

    async fn append(&self, batch: &[NewNotification]) -> Result<(), StoreError> {
        inbox::append(&self.pool, batch).await
    }

    async fn pending(&self, before: Timestamp, limit: u32) -> Result<Vec<StoredNotification>, StoreError> {
        inbox::pending(&self.pool, before, limit).await
    }

    async fn backlog(&self) -> Result<u64, StoreError> {
        inbox::backlog(&self.pool).await
    }

    async fn receive(&self, ask: &ReceiveAsk, think: Think<'_>) -> Result<Changes, StoreError> {
        receive::receive(&self.pool, ask, think).await
    }

    async fn waiting(&self, limit: u32) -> Result<Vec<AlertState>, StoreError> {
        read::waiting(&self.pool, limit).await
    }

    async fn claim(
        &self,
        owner: Uuid,
        now: Timestamp,
        lease_until: Timestamp,
        limit: u32,
    ) -> Result<Vec<Claimed>, StoreError> {
        work::claim(&self.pool, owner, now, lease_until, limit).await
    }

    async fn next_due(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        work::next_due(&self.pool, now).await
    }

    async fn attached(&self, remediation: Uuid) -> Result<Vec<AlertState>, StoreError> {
        read::attached(&self.pool, remediation).await
    }

    async fn admit(&self, claim: &Claim, ask: &LedgerAsk, judge: Judge<'_>) -> Result<Admission, StoreError> {
        ledger::admit(&self.pool, claim, ask, judge).await
    }

    async fn commit(&self, claim: &Claim, commit: &Commit) -> Result<Option<Closed>, StoreError> {
        work::commit(&self.pool, claim, commit).await
    }

    async fn release(&self, owner: Uuid) -> Result<u64, StoreError> {
        work::release(&self.pool, owner).await
    }

    async fn adopt(&self, owner: Uuid) -> Result<u64, StoreError> {
        presence::adopt(&self.pool, owner).await
    }

    async fn spent(&self, since: Timestamp) -> Result<Vec<Spent>, StoreError> {
        read::spent(&self.pool, since).await
    }

    async fn open_by_state(&self) -> Result<Vec<(String, u64)>, StoreError> {
        read::open_by_state(&self.pool).await
    }

    async fn remediations(&self, filter: &RemediationFilter) -> Result<Vec<RemediationView>, StoreError> {
        read::remediations(&self.pool, filter).await
    }

    async fn story(&self, id: Uuid) -> Result<Option<Story>, StoreError> {
        read::story(&self.pool, id).await
    }

    async fn actions(&self, filter: &ActionFilter) -> Result<Vec<ActionView>, StoreError> {
        read::actions(&self.pool, filter).await
    }

    async fn alerts(&self, filter: &AlertFilter) -> Result<Vec<AlertView>, StoreError> {
        read::alerts(&self.pool, filter).await
    }

    async fn candidates(&self, fingerprint: &str) -> Result<Vec<Candidate>, StoreError> {
        read::candidates(&self.pool, fingerprint).await
    }

    async fn prune(&self, notifications: Timestamp, audit: Timestamp) -> Result<u64, StoreError> {
        prune::prune(&self.pool, notifications, audit).await
    }

    async fn close(&self) {
        self.pool.close().await;
        self.presence.end().await;
    }
}
