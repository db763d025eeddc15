//! Labels of recorded alerts, for who only looks: nothing is created, migrated or locked.

use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};

use super::error::During;
use fettle_core::alert::labels::Labels;
use fettle_core::ports::StoreError;

const WHAT: &str = "read the labels of recorded alerts";

/// In both databases; the newest first.
const LABELS: &str = "SELECT CAST(labels AS TEXT) FROM alerts ORDER BY heard_at DESC LIMIT $1";

/// The labels of at most `limit` alerts that the database at `url` knows, those heard of last first.
pub async fn recorded_labels(url: &str, limit: u32) -> Result<Vec<Labels>, StoreError> {
    let unusable = || StoreError::Unusable("a database is written sqlite://PATH or postgres://USER@HOST/NAME".into());
    let texts: Vec<String> = match url.split_once(':').map(|(scheme, _)| scheme) {
        Some("postgres" | "postgresql") => {
            let options = PgConnectOptions::from_str(url).map_err(|_| unusable())?;
            let mut connection = options.connect().await.during(WHAT)?;
            let texts = sqlx::query_scalar(LABELS).bind(i64::from(limit)).fetch_all(&mut connection).await;
            let _ = connection.close().await;
            texts.during(WHAT)?
        }
        Some("sqlite") => {
            let options = SqliteConnectOptions::from_str(url).map_err(|_| unusable())?;
            let options = options.read_only(true).create_if_missing(false);
            let mut connection = options.connect().await.during(WHAT)?;
            let texts = sqlx::query_scalar(LABELS).bind(i64::from(limit)).fetch_all(&mut connection).await;
            let _ = connection.close().await;
            texts.during(WHAT)?
        }
        _ => return Err(unusable()),
    };
    let read = |text: &String| serde_json::from_str(text).ok();
    Ok(texts.iter().filter_map(read).collect())
}
