//! An empty store of a test's own, wherever it is.

use std::sync::Arc;

use async_trait::async_trait;
use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::id::ReplicaId;
use fettle_core::ports::history::History;
use fettle_core::ports::model::{Candidate, ReceiveAsk};
use fettle_core::ports::{Store, StoreError};
use fettle_core::time::Timestamp;
use fettle_memory::store::{Memory, Rows};
use uuid::Uuid;

/// Where a store is, and the ways to it.
#[async_trait]
pub trait Place: Send + Sync {
    /// A process begins to work on it.
    async fn open(&self, owner: ReplicaId) -> Arc<dyn Store>;

    /// Somebody reads beside it.
    async fn read(&self) -> Arc<dyn Store>;

    /// What is on record there.
    async fn history(&self) -> Arc<dyn History>;

    /// Where it is, for those that are somewhere.
    fn url(&self) -> String;

    /// Runs SQL past the store, as a person at a shell would. How many rows it touched.
    async fn sql(&self, sql: &str) -> sqlx::Result<u64>;

    /// The first column of the rows of a query, as text.
    async fn texts(&self, sql: &str) -> sqlx::Result<Vec<String>>;

    /// The rows, of the one that has no SQL.
    fn memory(&self) -> Option<&Memory> {
        None
    }
}

/// An empty database of this test's own with a store on it.
pub struct Db {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Who opened it.
    pub owner: ReplicaId,
    place: Box<dyn Place>,
}

impl Db {
    /// A store there.
    pub async fn at(place: impl Place + 'static) -> Self {
        let owner = Uuid::now_v7().into();
        Self { store: place.open(owner).await, owner, place: Box::new(place) }
    }

    /// Whether it is the embedded one.
    pub fn is_sqlite(&self) -> bool {
        self.store.kind() == "sqlite"
    }

    /// Where it is.
    pub fn url(&self) -> String {
        self.place.url()
    }

    /// Somebody's who only reads.
    pub async fn reader(&self) -> Arc<dyn Store> {
        self.place.read().await
    }

    /// What is on record.
    pub async fn history(&self) -> Arc<dyn History> {
        self.place.history().await
    }

    /// The candidates of one alert, by rule.
    pub async fn candidates(&self, fingerprint: Fingerprint) -> Vec<Candidate> {
        let mut ask = ReceiveAsk::new(self.owner, Timestamp::UNIX_EPOCH);
        ask.fingerprints = [fingerprint].into();
        let mut known = self.store.foresee(&ask).await.expect("read what is known");
        let mut candidates = known.candidates.remove(&fingerprint).unwrap_or_default();
        candidates.sort_by(|a, b| a.rule.cmp(&b.rule));
        candidates
    }

    /// As when the process ends in good order and starts again.
    pub async fn reopen(mut self) -> Self {
        self.store.close().await;
        self.owner = Uuid::now_v7().into();
        self.store = self.place.open(self.owner).await;
        self
    }

    /// Runs SQL past the store, as a person at a shell would. How many rows it touched.
    pub async fn sql(&self, sql: &str) -> sqlx::Result<u64> {
        self.place.sql(sql).await
    }

    /// The first column of the rows of a query, as text.
    pub async fn texts(&self, sql: &str) -> Vec<String> {
        self.place.texts(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"))
    }

    /// What a query says, or the rows themselves where there is no SQL.
    pub async fn told(&self, sql: &str, look: impl FnOnce(&Rows) -> Vec<String>) -> Vec<String> {
        match self.place.memory() {
            Some(memory) => memory.rows(look),
            None => self.texts(sql).await,
        }
    }

    /// How many rows a table has.
    pub async fn count(&self, table: &str) -> u64 {
        if let Some(memory) = self.place.memory() {
            return memory.rows(|rows| counted(rows, table)) as u64;
        }
        let text = self.texts(&format!("SELECT CAST(count(*) AS text) FROM {table}")).await;
        text[0].parse().expect("a number")
    }
}

fn counted(rows: &Rows, table: &str) -> usize {
    match table {
        "fettle_notifications" => rows.notifications().count(),
        "alerts" => rows.alerts().count(),
        "remediations" => rows.remediations().count(),
        "transitions" => rows.remediations().map(|row| row.doc.steps.len()).sum(),
        "answers" => rows.remediations().map(|row| row.doc.answers.len()).sum(),
        "actions" => rows.actions().count(),
        "verdicts" => rows.actions().map(|action| action.verdicts.len()).sum(),
        "loans" => rows.loans().count(),
        "announcements" => rows.announcements().count(),
        "events" => rows.events().count(),
        "fettle_breakers" => rows.breakers().count(),
        other => panic!("nobody counts {other} in memory"),
    }
}

/// The same call again as long as somebody else was first, as every caller does.
pub async fn retry<T, F: Future<Output = Result<T, StoreError>>>(mut call: impl FnMut() -> F) -> Result<T, StoreError> {
    loop {
        match call().await {
            Err(StoreError::Conflict { .. }) => {}
            other => return other,
        }
    }
}
