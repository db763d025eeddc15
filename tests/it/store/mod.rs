//! What a store must do, written once and run on both: `store::inbox::NAME::postgres`, `store::inbox::NAME::sqlite`.

mod answers;
mod audit;
mod breakers;
mod events;
mod facts;
mod fixture;
mod history;
mod inbox;
mod ledger;
mod loans;
mod opening;
mod outage;
mod outbox;
mod pauses;
mod plans;
mod prune;
mod read;
mod receive;
mod schema;
mod storm;
mod waiting;
mod wakes;
mod work;

use std::sync::Arc;

use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::ports::model::{Candidate, ReceiveAsk};
use fettle_core::ports::{Store, StoreError};
use fettle_store::open;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use uuid::Uuid;

use crate::support::postgres::Database;

/// Runs each named `async fn(Db)` on both stores.
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

/// An empty database of this test's own with a store on it.
pub struct Db {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Who opened it.
    pub owner: Uuid,
    place: Place,
}

enum Place {
    Postgres(Database),
    Sqlite(tempfile::TempDir),
}

impl Db {
    /// On PostgreSQL.
    pub async fn postgres() -> Self {
        Self::at(Place::Postgres(Database::create().await)).await
    }

    /// On SQLite.
    pub async fn sqlite() -> Self {
        Self::at(Place::Sqlite(tempfile::tempdir().expect("a temporary folder"))).await
    }

    async fn at(place: Place) -> Self {
        let owner = Uuid::now_v7();
        let store = open(&place.url(), owner).await.expect("open the store");
        Self { store, owner, place }
    }

    /// Whether it is the embedded one.
    pub fn is_sqlite(&self) -> bool {
        matches!(self.place, Place::Sqlite(_))
    }

    /// Where it is.
    pub fn url(&self) -> String {
        self.place.url()
    }

    /// Another process's view of the same database: PostgreSQL only.
    pub async fn another(&self, owner: Uuid) -> Arc<dyn Store> {
        open(&self.url(), owner).await.expect("open the store a second time")
    }

    /// As when the process ends in good order and starts again.
    pub async fn reopen(mut self) -> Self {
        self.store.close().await;
        self.owner = Uuid::now_v7();
        self.store = open(&self.url(), self.owner).await.expect("open the store again");
        self
    }

    /// Runs SQL past the store, as a person at a shell would. How many rows it touched.
    pub async fn sql(&self, sql: &str) -> sqlx::Result<u64> {
        match &self.place {
            Place::Postgres(_) => {
                let mut connection = PgConnection::connect(&self.url()).await?;
                sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.map(|done| done.rows_affected())
            }
            Place::Sqlite(_) => {
                let mut connection = SqliteConnection::connect(&self.url()).await?;
                sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.map(|done| done.rows_affected())
            }
        }
    }

    /// The first column of the rows of a query, as text.
    pub async fn texts(&self, sql: &str) -> Vec<String> {
        let rows: sqlx::Result<Vec<String>> = match &self.place {
            Place::Postgres(_) => {
                let mut connection = PgConnection::connect(&self.url()).await.expect("connect");
                sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut connection).await
            }
            Place::Sqlite(_) => {
                let mut connection = SqliteConnection::connect(&self.url()).await.expect("connect");
                sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut connection).await
            }
        };
        rows.unwrap_or_else(|e| panic!("{sql}: {e}"))
    }

    /// The candidates of one alert, by rule.
    pub async fn candidates(&self, fingerprint: Fingerprint) -> Vec<Candidate> {
        let mut ask = ReceiveAsk::new(self.owner, fixture::at(0));
        ask.fingerprints = [fingerprint].into();
        let mut known = self.store.foresee(&ask).await.expect("read what is known");
        let mut candidates = known.candidates.remove(&fingerprint).unwrap_or_default();
        candidates.sort_by(|a, b| a.rule.cmp(&b.rule));
        candidates
    }

    /// The number that a query gives.
    pub async fn count(&self, from: &str) -> u64 {
        let text = self.texts(&format!("SELECT CAST(count(*) AS text) FROM {from}")).await;
        text[0].parse().expect("a number")
    }
}

impl Place {
    fn url(&self) -> String {
        match self {
            Self::Postgres(database) => database.url(),
            Self::Sqlite(folder) => format!("sqlite://{}", folder.path().join("fettle.db").display()),
        }
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
