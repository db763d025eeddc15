//! The circuit breakers of the rules: opened and closed by decisions, reset by hand.

use sqlx::{SqliteConnection, SqlitePool};

use super::connect::BEGIN;
use super::work;
use crate::around::{self, BreakerColumns, UNPROVEN_MAX};
use crate::error::During;
use crate::instant::{Id, Instant};
use crate::text::clean;
use fettle_core::ports::StoreError;
use fettle_core::remediation::record::BreakerRow;
use fettle_core::remediation::refusal::Guard;
use fettle_core::surroundings::Breaker;
use fettle_core::time::Timestamp;

/// What was decided before what stands says nothing any more: else a verdict that was long on its way would forget a probe.
const BREAKER: &str = "
    INSERT INTO breakers (rule, at, opened_at, probe, closed_at, by)
    VALUES ($1, $2, $3, $4, CASE WHEN $3 IS NULL THEN $2 END, $5)
    ON CONFLICT (rule) DO UPDATE
    SET at = excluded.at, opened_at = excluded.opened_at, probe = excluded.probe, by = excluded.by,
        closed_at = coalesce(excluded.closed_at, breakers.closed_at)
    WHERE excluded.at >= breakers.at";

/// Writes what decisions do to breakers, inside their transaction.
pub(super) async fn write(tx: &mut SqliteConnection, rows: &[&BreakerRow]) -> sqlx::Result<()> {
    for row in rows {
        sqlx::query(BREAKER)
            .bind(clean(&row.rule))
            .bind(Instant(row.at))
            .bind(row.opened_at.map(Instant))
            .bind(row.probe.filter(|_| row.opened_at.is_some()).map(Id))
            .bind(row.by.as_deref().map(clean))
            .execute(&mut *tx)
            .await?;
    }
    Ok(())
}

const BREAKERS: &str = "SELECT rule, opened_at, probe FROM breakers ORDER BY rule";

/// When the last verdicts on the rule were given that proved nothing, newest first.
const UNPROVEN: &str = "SELECT at FROM unproven WHERE rule = $1 AND at >= $2 ORDER BY at DESC LIMIT $3";

/// All that were ever opened or reset.
pub(super) async fn breakers(pool: &SqlitePool, since: Timestamp) -> Result<Vec<(String, Breaker)>, StoreError> {
    const WHAT: &str = "read the breakers";
    let mut tx = pool.begin().await.during(WHAT)?;
    let rows: Vec<(String, Option<Instant>, Option<Id>)> =
        sqlx::query_as(BREAKERS).fetch_all(&mut *tx).await.during(WHAT)?;
    let mut breakers = Vec::with_capacity(rows.len());
    for (rule, opened_at, probe) in rows {
        let unproven = unproven(&mut tx, &rule, since).await.during(WHAT)?;
        breakers.push((rule, around::breaker(Some((opened_at, probe)), unproven)));
    }
    Ok(breakers)
}

async fn unproven(tx: &mut SqliteConnection, rule: &str, since: Timestamp) -> sqlx::Result<Vec<Instant>> {
    sqlx::query_scalar(UNPROVEN).bind(clean(rule)).bind(Instant(since)).bind(UNPROVEN_MAX).fetch_all(tx).await
}

const BREAKER_OF: &str = "SELECT opened_at, probe FROM breakers WHERE rule = $1";

/// The breaker of one rule.
pub(super) async fn breaker(tx: &mut SqliteConnection, rule: &str, since: Timestamp) -> sqlx::Result<Breaker> {
    let row: Option<BreakerColumns> = sqlx::query_as(BREAKER_OF).bind(clean(rule)).fetch_optional(&mut *tx).await?;
    Ok(around::breaker(row, unproven(tx, rule, since).await?))
}

const IS_TO_RESET: &str = "
    SELECT EXISTS (SELECT 1 FROM breakers WHERE rule = $1 AND opened_at IS NOT NULL)
        OR EXISTS (SELECT 1 FROM unproven WHERE rule = $1)";

/// Closes a rule's breaker; false when there is nothing to reset.
pub(super) async fn reset(pool: &SqlitePool, rule: &str, by: &str, now: Timestamp) -> Result<bool, StoreError> {
    const WHAT: &str = "reset a breaker";
    let mut tx = pool.begin_with(BEGIN).await.during(WHAT)?;
    let is_to_reset: bool = sqlx::query_scalar(IS_TO_RESET).bind(clean(rule)).fetch_one(&mut *tx).await.during(WHAT)?;
    if is_to_reset {
        let row = BreakerRow { rule: rule.to_owned(), at: now, opened_at: None, probe: None, by: Some(by.to_owned()) };
        write(&mut tx, &[&row]).await.during(WHAT)?;
        work::wake_blocked(&mut tx, Guard::Tripped, Some(rule), now).await.during(WHAT)?;
    }
    tx.commit().await.during(WHAT)?;
    Ok(is_to_reset)
}
