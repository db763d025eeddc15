//! Is so much wrong at once that the cause is elsewhere? As it was last found.

use super::dialect::Conn;
use crate::around::{self, StormColumns};
use crate::db_types::DbTime;
use crate::error::During;
use fettle_core::ports::StoreError;
use fettle_core::surroundings::Storm;

const STORM: &str = "SELECT since, last_at, targets FROM storm WHERE id = 1";

/// As it was last found.
pub(super) async fn storm(connection: &mut Conn) -> Result<Option<Storm>, StoreError> {
    let row: Option<StormColumns> =
        sqlx::query_as(STORM).fetch_optional(connection).await.during("ask for the storm")?;
    Ok(row.map(around::storm))
}

/// Two replicas may find the same one: it lasts from the first to the last.
const FOUND: &str = sql!("
    INSERT INTO storm (id, since, last_at, targets) VALUES (1, $1, $2, $3)
    ON CONFLICT (id) DO UPDATE
    SET since = CASE WHEN excluded.since <= storm.last_at THEN " LEAST "(storm.since, excluded.since)
                     ELSE excluded.since END,
        targets = CASE WHEN excluded.last_at >= storm.last_at THEN excluded.targets ELSE storm.targets END,
        last_at = " GREATEST "(storm.last_at, excluded.last_at)");

/// Writes what was found, inside the transaction that found it.
pub(super) async fn write(tx: &mut Conn, storm: &Storm) -> sqlx::Result<()> {
    sqlx::query(FOUND)
        .bind(DbTime(storm.since))
        .bind(DbTime(storm.last_at))
        .bind(i64::from(storm.targets))
        .execute(tx)
        .await
        .map(drop)
}
