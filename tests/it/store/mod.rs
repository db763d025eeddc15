//! What a store must do, written once and run on all: `store::inbox::NAME::postgres`, `store::inbox::NAME::sqlite`,
//! `store::inbox::NAME::memory`. The tests that look at the schema run on both databases.

mod again;
mod answers;
mod audit;
mod breakers;
mod db;
mod durable;
mod events;
mod facts;
mod fixture;
mod held;
mod history;
mod inbox;
mod ledger;
mod loans;
mod locks;
mod migrations;
mod opening;
mod outage;
mod outbox;
mod pauses;
mod places;
mod plans;
mod prune;
mod read;
mod receive;
mod runs;
mod schema;
mod storm;
mod waiting;
mod wakes;
mod work;

use std::sync::Arc;

use async_trait::async_trait;
use fettle_core::id::ReplicaId;
use fettle_core::ports::Store;
use fettle_core::ports::history::History;
use fettle_store::history::open_history;
use fettle_store::{open, open_to_read};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

pub use self::db::{Db, Place, retry};
use crate::support::postgres::Database;

/// Runs each named `async fn(Db)` on both databases.
macro_rules! on_both {
    ($($test:ident),* $(,)?) => { $(
        mod $test {
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn postgres() {
                super::$test(crate::store::Db::postgres().await).await;
            }
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn sqlite() {
                super::$test(crate::store::Db::sqlite().await).await;
            }
        }
    )* };
}
use on_both;

/// Runs each named `async fn(Db)` on every store.
macro_rules! on_all {
    ($($test:ident),* $(,)?) => { $(
        mod $test {
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn postgres() {
                super::$test(crate::store::Db::postgres().await).await;
            }
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn sqlite() {
                super::$test(crate::store::Db::sqlite().await).await;
            }
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn memory() {
                super::$test(crate::store::Db::memory().await).await;
            }
        }
    )* };
}
use on_all;

impl Db {
    /// On PostgreSQL.
    pub async fn postgres() -> Self {
        Self::at(Database::create().await).await
    }
}

#[async_trait]
impl Place for Database {
    async fn open(&self, owner: ReplicaId) -> Arc<dyn Store> {
        open(&Database::url(self), owner).await.expect("open the store")
    }

    async fn read(&self) -> Arc<dyn Store> {
        open_to_read(&Database::url(self)).await.expect("open the store to read")
    }

    async fn history(&self) -> Arc<dyn History> {
        open_history(&Database::url(self)).await.expect("open the record")
    }

    fn url(&self) -> String {
        Self::url(self)
    }

    async fn sql(&self, sql: &str) -> sqlx::Result<u64> {
        let mut connection = PgConnection::connect(&Database::url(self)).await?;
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.map(|done| done.rows_affected())
    }

    async fn texts(&self, sql: &str) -> sqlx::Result<Vec<String>> {
        let mut connection = PgConnection::connect(&Database::url(self)).await?;
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut connection).await
    }
}
