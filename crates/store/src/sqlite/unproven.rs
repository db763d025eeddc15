//! What stands of the rules' breakers, with the verdicts of late that proved nothing. What opens, closes and resets them is
//! shared; how they are read is not: SQLite has no arrays, and a statement more costs no round trip.

use sqlx::{Connection, SqliteConnection};

use crate::around::{self, BreakerColumns, UNPROVEN_MAX};
use crate::db_types::{DbId, DbTime};
use crate::error::During;
use crate::text::clean;
use fettle_core::ports::StoreError;
use fettle_core::surroundings::Breaker;
use fettle_core::time::Timestamp;

const BREAKERS: &str = "SELECT rule, opened_at, probe FROM breakers ORDER BY rule";

/// When the last verdicts on the rule were given that proved nothing, newest first.
const UNPROVEN: &str = "SELECT at FROM unproven WHERE rule = $1 AND at >= $2 ORDER BY at DESC LIMIT $3";

/// All that were ever opened or reset.
pub(super) async fn breakers(
    connection: &mut SqliteConnection,
    since: Timestamp,
) -> Result<Vec<(String, Breaker)>, StoreError> {
    const WHAT: &str = "read the breakers";
    let mut tx = connection.begin().await.during(WHAT)?;
    let rows: Vec<(String, Option<DbTime>, Option<DbId>)> =
        sqlx::query_as(BREAKERS).fetch_all(&mut *tx).await.during(WHAT)?;
    let mut breakers = Vec::with_capacity(rows.len());
    for (rule, opened_at, probe) in rows {
        let unproven = unproven(&mut tx, &rule, since).await.during(WHAT)?;
        breakers.push((rule, around::breaker(Some((opened_at, probe)), unproven)));
    }
    Ok(breakers)
}

async fn unproven(tx: &mut SqliteConnection, rule: &str, since: Timestamp) -> sqlx::Result<Vec<DbTime>> {
    sqlx::query_scalar(UNPROVEN).bind(clean(rule)).bind(DbTime(since)).bind(UNPROVEN_MAX).fetch_all(tx).await
}

const BREAKER_OF: &str = "SELECT opened_at, probe FROM breakers WHERE rule = $1";

/// The breaker of one rule.
pub(super) async fn breaker(tx: &mut SqliteConnection, rule: &str, since: Timestamp) -> sqlx::Result<Breaker> {
    let row: Option<BreakerColumns> = sqlx::query_as(BREAKER_OF).bind(clean(rule)).fetch_optional(&mut *tx).await?;
    Ok(around::breaker(row, unproven(tx, rule, since).await?))
}
