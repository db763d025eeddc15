//! What only the tables tell: what is claimed and so being worked on, and when loans are due.

use fettle_core::time::Timestamp;
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{PgPool, SqlitePool};

/// The database of a scenario, beside the store.
pub enum Tables {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// Whether it is claimed, and when it is due, of everything that is open.
const SQLITE: &str = "
    SELECT lease_owner IS NOT NULL, due_at FROM remediations WHERE state <> 'closed'
    UNION ALL SELECT lease_owner IS NOT NULL, due_at FROM loans WHERE closed_at IS NULL";

const POSTGRES: &str = r#"
    SELECT claimed, to_char(due_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') FROM (
        SELECT lease_owner IS NOT NULL AS claimed, due_at FROM remediations WHERE state <> 'closed'
        UNION ALL SELECT lease_owner IS NOT NULL, due_at FROM loans WHERE closed_at IS NULL) AS found"#;

/// What is open.
pub struct Open {
    /// How many are claimed: somebody decides about them, or their call is under way.
    pub claimed: usize,
    /// When each is due.
    pub due: Vec<Timestamp>,
}

impl Tables {
    pub async fn of(url: &str) -> Self {
        if url.starts_with("sqlite") {
            let pool = SqlitePoolOptions::new().max_connections(1).connect(url).await;
            Self::Sqlite(pool.expect("the database opens"))
        } else {
            let pool = PgPoolOptions::new().max_connections(1).connect(url).await;
            Self::Postgres(pool.expect("the database opens"))
        }
    }

    /// Remediations and loans that are open.
    pub async fn open(&self) -> Open {
        let rows: Vec<(bool, Option<String>)> = match self {
            Self::Sqlite(pool) => sqlx::query_as(SQLITE).fetch_all(pool).await.expect("readable"),
            Self::Postgres(pool) => sqlx::query_as(POSTGRES).fetch_all(pool).await.expect("readable"),
        };
        let claimed = rows.iter().filter(|(claimed, _)| *claimed).count();
        let due = rows.iter().filter_map(|(_, due)| due.as_deref()).map(|at| at.parse().expect("an instant")).collect();
        Open { claimed, due }
    }
}
