//! Is so much wrong at once that the cause is elsewhere? What taking in must know of it, and what it found.

use sqlx::{SqliteConnection, SqlitePool};

use crate::core::surroundings::Storm;
use crate::store::StoreError;
use crate::store::around::{self, StormColumns};
use crate::store::error::During;
use crate::store::instant::Instant;
use crate::store::model::{ReceiveAsk, World};
use crate::store::text::json;

const STORM: &str = "SELECT since, last_at, targets FROM storm";

/// As it was last found.
pub(super) async fn storm(pool: &SqlitePool) -> Result<Option<Storm>, StoreError> {
    let row: Option<StormColumns> = sqlx::query_as(STORM).fetch_optional(pool).await.during("ask for the storm")?;
    Ok(row.map(around::storm))
}

const RECENT: &str = "
    SELECT DISTINCT target FROM remediations WHERE opened_at >= $1 AND outcome IS NOT 'refused' LIMIT $2";

const RETURNED: &str = "
    SELECT rule, target, max(closed_at) FROM loans
    WHERE state = 'returned' AND target IN (SELECT value FROM json_each($1)) AND closed_at >= $2
    GROUP BY rule, target";

/// Adds the storm, the targets of late, and when loans on the targets asked about were last returned to what is known before
/// the core thinks.
pub(super) async fn load(tx: &mut SqliteConnection, ask: &ReceiveAsk, world: &mut World) -> Result<(), StoreError> {
    const WHAT: &str = "read what is known";
    if let Some(since) = ask.recent_since {
        let storm: Option<StormColumns> = sqlx::query_as(STORM).fetch_optional(&mut *tx).await.during(WHAT)?;
        world.storm = storm.map(around::storm);
        let recent: Vec<String> = sqlx::query_scalar(RECENT)
            .bind(Instant(since))
            .bind(i64::from(ask.recent_limit))
            .fetch_all(&mut *tx)
            .await
            .during(WHAT)?;
        world.recent = recent.into_iter().collect();
    }
    if let (Some(since), false) = (ask.fixed_since, ask.targets.is_empty()) {
        let rows: Vec<(String, String, Instant)> =
            sqlx::query_as(RETURNED).bind(json(&ask.targets)).bind(Instant(since)).fetch_all(tx).await.during(WHAT)?;
        world.returned = rows.into_iter().map(|(rule, target, at)| ((rule, target), at.0)).collect();
    }
    Ok(())
}

/// As PostgreSQL does it, where two replicas may find the same one: it lasts from the first to the last.
const FOUND: &str = "
    INSERT INTO storm (id, since, last_at, targets) VALUES (1, $1, $2, $3)
    ON CONFLICT (id) DO UPDATE
    SET since = CASE WHEN excluded.since <= storm.last_at THEN min(storm.since, excluded.since)
                     ELSE excluded.since END,
        targets = CASE WHEN excluded.last_at >= storm.last_at THEN excluded.targets ELSE storm.targets END,
        last_at = max(storm.last_at, excluded.last_at)";

/// Writes what was found, inside the transaction that found it.
pub(super) async fn write(tx: &mut SqliteConnection, storm: &Storm) -> sqlx::Result<()> {
    sqlx::query(FOUND)
        .bind(Instant(storm.since))
        .bind(Instant(storm.last_at))
        .bind(i64::from(storm.targets))
        .execute(tx)
        .await
        .map(drop)
}
