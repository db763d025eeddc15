//! Candidates whose remediation had no effect: when it is decided whether their alerts are decided again.

use sqlx::Connection;

use super::dialect::{BEGIN_DECIDING, Conn};
use crate::db_types::DbTime;
use crate::error::During;
use crate::rows::{AgainRow, Garbled};
use fettle_core::ports::StoreError;
use fettle_core::ports::model::Again;
use fettle_core::time::Timestamp;

/// An alert that is being taken in is locked: it is left to the next time.
const DUE: &str = sql!("
    SELECT a.fingerprint, a.labels, a.episode, a.firing, a.starts_at, a.first_at, a.evidence_at, a.heard_at, a.ended_at,
           a.end_heard_at, c.rule, c.target, c.standing, c.remediation_id, c.closed_at, c.conclusion,
           c.episode AS of_episode
    FROM candidates c JOIN alerts a ON a.fingerprint = c.fingerprint
    WHERE c.again_at <= $1
    ORDER BY c.again_at, c.fingerprint, c.rule
    LIMIT $2
    " LOCKED_IF_FREE);

const MOVE: &str = "UPDATE candidates SET again_at = $3 WHERE fingerprint = $1 AND rule = $2";

/// Takes what is due and moves it to `next`. What does not fire any more in its episode waits for nothing.
pub(super) async fn take(
    connection: &mut Conn,
    now: Timestamp,
    next: Timestamp,
    limit: u32,
) -> Result<Vec<Again>, StoreError> {
    const WHAT: &str = "take what is decided again";
    let mut tx = connection.begin_with(BEGIN_DECIDING).await.during(WHAT)?;
    let rows: Vec<AgainRow> =
        sqlx::query_as(DUE).bind(DbTime(now)).bind(i64::from(limit)).fetch_all(&mut *tx).await.during(WHAT)?;
    let mut taken = Vec::new();
    for row in rows {
        let again = row.read(next).map_err(|garbled: Garbled| garbled.during(WHAT))?;
        let fires = again.alert.firing && again.alert.episode == again.candidate.episode;
        sqlx::query(MOVE)
            .bind(again.alert.fingerprint.to_string())
            .bind(&again.candidate.rule)
            .bind(fires.then_some(DbTime(next)))
            .execute(&mut *tx)
            .await
            .during(WHAT)?;
        taken.extend(Some(again).filter(|_| fires));
    }
    tx.commit().await.during(WHAT)?;
    Ok(taken)
}

const NEXT: &str = "SELECT min(again_at) FROM candidates WHERE again_at IS NOT NULL";

/// When the earliest is due.
pub(super) async fn next(connection: &mut Conn) -> Result<Option<Timestamp>, StoreError> {
    let next: Option<DbTime> =
        sqlx::query_scalar(NEXT).fetch_one(connection).await.during("ask when something is decided again")?;
    Ok(next.map(Into::into))
}
