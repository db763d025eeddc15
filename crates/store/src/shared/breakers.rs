//! The circuit breakers of the rules: opened and closed by decisions, reset by hand.

use sqlx::Connection;

use super::dialect::{BEGIN, Conn};
use super::work;
use crate::db_types::{DbId, DbTime};
use crate::error::During;
use crate::text::clean;
use fettle_core::ports::StoreError;
use fettle_core::remediation::record::BreakerRow;
use fettle_core::remediation::refusal::Guard;
use fettle_core::time::Timestamp;

/// What was decided before what stands says nothing any more: else a verdict that was long on its way would forget a probe.
const BREAKER: &str = sql!("
    INSERT INTO breakers (rule, at, opened_at, probe, closed_at, by)
    VALUES ($1, $2, $3, $4, CASE WHEN $3 " INSTANT " IS NULL THEN $2 " INSTANT " END, $5)
    ON CONFLICT (rule) DO UPDATE
    SET at = excluded.at, opened_at = excluded.opened_at, probe = excluded.probe, by = excluded.by,
        closed_at = coalesce(excluded.closed_at, breakers.closed_at)
    WHERE excluded.at >= breakers.at");

/// Writes what decisions do to breakers, inside their transaction.
pub(super) async fn write(tx: &mut Conn, rows: &[&BreakerRow]) -> sqlx::Result<()> {
    for row in rows {
        sqlx::query(BREAKER)
            .bind(clean(&row.rule))
            .bind(DbTime(row.at))
            .bind(row.opened_at.map(DbTime))
            .bind(row.probe.filter(|_| row.opened_at.is_some()).map(DbId::of))
            .bind(row.by.as_deref().map(clean))
            .execute(&mut *tx)
            .await?;
    }
    Ok(())
}

const IS_TO_RESET: &str = "
    SELECT EXISTS (SELECT 1 FROM breakers WHERE rule = $1 AND opened_at IS NOT NULL)
        OR EXISTS (SELECT 1 FROM unproven WHERE rule = $1)";

/// Closes a rule's breaker; false when there is nothing to reset.
pub(super) async fn reset(connection: &mut Conn, rule: &str, by: &str, now: Timestamp) -> Result<bool, StoreError> {
    const WHAT: &str = "reset a breaker";
    let mut tx = connection.begin_with(BEGIN).await.during(WHAT)?;
    let is_to_reset: bool = sqlx::query_scalar(IS_TO_RESET).bind(clean(rule)).fetch_one(&mut *tx).await.during(WHAT)?;
    if is_to_reset {
        let row = BreakerRow { rule: rule.to_owned(), at: now, opened_at: None, probe: None, by: Some(by.to_owned()) };
        write(&mut tx, &[&row]).await.during(WHAT)?;
        work::wake_blocked(&mut tx, Guard::Tripped, Some(rule), now).await.during(WHAT)?;
    }
    tx.commit().await.during(WHAT)?;
    Ok(is_to_reset)
}
