//! Is so much wrong at once that the cause is elsewhere? What taking in must know of it, and what it found.

use std::collections::HashMap;

use sqlx::PgConnection;

use crate::core::surroundings::Storm;
use crate::store::StoreError;
use crate::store::around::{self, StormColumns};
use crate::store::error::During;
use crate::store::instant::Instant;
use crate::store::model::{ReceiveAsk, World};
use crate::store::text::clean;

const STORM: &str = "SELECT since, last_at, targets FROM storm";

/// As it was last found.
pub(super) async fn storm(connection: &mut PgConnection) -> Result<Option<Storm>, StoreError> {
    let row: Option<StormColumns> =
        sqlx::query_as(STORM).fetch_optional(connection).await.during("ask for the storm")?;
    Ok(row.map(around::storm))
}

/// The storm, the targets of late, and when loans on the targets asked about were last returned.
const AROUND: &str = "
    SELECT
        (SELECT ROW(since, last_at, targets) FROM storm WHERE $1::timestamptz IS NOT NULL),
        array(SELECT DISTINCT target FROM remediations
              WHERE opened_at >= $1 AND opened_at < 'infinity' AND outcome IS DISTINCT FROM 'refused' LIMIT $2),
        (SELECT array_agg(ROW(rule, target, at)) FROM (
            SELECT rule, target, max(closed_at) AS at FROM loans
            WHERE state = 'returned' AND target = ANY($3) AND closed_at >= $4
            GROUP BY rule, target
        ) returned)";

/// Adds it to what is known before the core thinks.
pub(super) async fn load(tx: &mut PgConnection, ask: &ReceiveAsk, world: &mut World) -> Result<(), StoreError> {
    type Row = (Option<StormColumns>, Vec<String>, Option<Vec<(String, String, Instant)>>);
    if ask.recent_since.is_none() && (ask.fixed_since.is_none() || ask.targets.is_empty()) {
        return Ok(());
    }
    let targets: Vec<_> = ask.targets.iter().map(|target| clean(target)).collect();
    let (storm, recent, returned): Row = sqlx::query_as(AROUND)
        .bind(ask.recent_since.map(Instant))
        .bind(i64::from(ask.recent_limit))
        .bind(targets)
        .bind(ask.fixed_since.map(Instant))
        .fetch_one(tx)
        .await
        .during("read what is known")?;
    world.storm = storm.map(around::storm);
    world.recent = recent.into_iter().collect();
    let returned = returned.into_iter().flatten().map(|(rule, target, at)| ((rule, target), at.0));
    world.returned = returned.collect::<HashMap<_, _>>();
    Ok(())
}

/// Two replicas may find the same one: it lasts from the first to the last.
const FOUND: &str = "
    INSERT INTO storm (since, last_at, targets) VALUES ($1, $2, $3)
    ON CONFLICT (id) DO UPDATE
    SET since = CASE WHEN excluded.since <= storm.last_at THEN least(storm.since, excluded.since)
                     ELSE excluded.since END,
        targets = CASE WHEN excluded.last_at >= storm.last_at THEN excluded.targets ELSE storm.targets END,
        last_at = greatest(storm.last_at, excluded.last_at)";

/// Writes what was found, inside the transaction that found it.
pub(super) async fn write(tx: &mut PgConnection, storm: &Storm) -> sqlx::Result<()> {
    sqlx::query(FOUND)
        .bind(Instant(storm.since))
        .bind(Instant(storm.last_at))
        .bind(i64::from(storm.targets))
        .execute(tx)
        .await
        .map(drop)
}
