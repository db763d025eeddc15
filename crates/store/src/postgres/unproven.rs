//! What stands of the rules' breakers, with the verdicts of late that proved nothing. What opens, closes and resets them is
//! shared; how they are read is not: one statement here, where each costs a round trip.

use sqlx::PgConnection;

use crate::around::{self, UNPROVEN_MAX};
use crate::db_types::{DbId, DbTime};
use crate::error::During;
use fettle_core::ports::StoreError;
use fettle_core::surroundings::Breaker;
use fettle_core::time::Timestamp;

const BREAKERS: &str = "
    SELECT b.rule, b.opened_at, b.probe,
           array(SELECT u.at FROM unproven u WHERE u.rule = b.rule AND u.at >= $1 ORDER BY u.at DESC LIMIT $2)
    FROM breakers b
    ORDER BY b.rule";

/// All that were ever opened or reset.
pub(super) async fn breakers(
    connection: &mut PgConnection,
    since: Timestamp,
) -> Result<Vec<(String, Breaker)>, StoreError> {
    type Row = (String, Option<DbTime>, Option<DbId>, Vec<DbTime>);
    let rows: Vec<Row> = sqlx::query_as(BREAKERS)
        .bind(DbTime(since))
        .bind(UNPROVEN_MAX)
        .fetch_all(connection)
        .await
        .during("read the breakers")?;
    let read = |(rule, opened_at, probe, unproven)| (rule, around::breaker(Some((opened_at, probe)), unproven));
    Ok(rows.into_iter().map(read).collect())
}
