//! The stores that need no server: a file, and memory.

use std::sync::Arc;

use async_trait::async_trait;
use fettle_core::id::ReplicaId;
use fettle_core::ports::Store;
use fettle_core::ports::history::History;
use fettle_core::time::Timestamp;
use fettle_memory::store::Memory;
use fettle_store::history::open_history;
use fettle_store::{open, open_to_read};
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};

use super::db::{Db, Place};

impl Db {
    /// On SQLite.
    pub async fn sqlite() -> Self {
        Self::at(tempfile::tempdir().expect("a temporary folder")).await
    }

    /// In memory.
    pub async fn memory() -> Self {
        Self::at(Memory::shared(Timestamp::now)).await
    }
}

#[async_trait]
impl Place for tempfile::TempDir {
    async fn open(&self, owner: ReplicaId) -> Arc<dyn Store> {
        open(&self.url(), owner).await.expect("open the store")
    }

    async fn read(&self) -> Arc<dyn Store> {
        open_to_read(&self.url()).await.expect("open the store to read")
    }

    async fn history(&self) -> Arc<dyn History> {
        open_history(&self.url()).await.expect("open the record")
    }

    fn url(&self) -> String {
        format!("sqlite://{}", self.path().join("fettle.db").display())
    }

    async fn sql(&self, sql: &str) -> sqlx::Result<u64> {
        let mut connection = SqliteConnection::connect(&self.url()).await?;
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.map(|done| done.rows_affected())
    }

    async fn texts(&self, sql: &str) -> sqlx::Result<Vec<String>> {
        let mut connection = SqliteConnection::connect(&self.url()).await?;
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut connection).await
    }
}

#[async_trait]
impl Place for Arc<Memory> {
    async fn open(&self, owner: ReplicaId) -> Arc<dyn Store> {
        Arc::new(self.process(owner))
    }

    async fn read(&self) -> Arc<dyn Store> {
        Arc::new(self.reader())
    }

    async fn history(&self) -> Arc<dyn History> {
        Arc::new(Memory::history(self))
    }

    fn url(&self) -> String {
        panic!("memory is nowhere")
    }

    async fn sql(&self, sql: &str) -> sqlx::Result<u64> {
        panic!("memory has no SQL: {sql}")
    }

    async fn texts(&self, sql: &str) -> sqlx::Result<Vec<String>> {
        panic!("memory has no SQL: {sql}")
    }

    fn memory(&self) -> Option<&Memory> {
        Some(self)
    }
}
