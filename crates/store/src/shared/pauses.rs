//! What people order. Pauses are here: given by a person, ended once.

use async_trait::async_trait;
use sqlx::Connection;

use super::dialect::{BEGIN, Conn, Database};
use super::{answers, breakers, work};
use crate::around::{self, PauseColumns};
use crate::db_types::{DbId, DbTime};
use crate::error::During;
use crate::text::clean;
use fettle_core::id::{PauseId, RemediationId};
use fettle_core::ports::model::Answered;
use fettle_core::ports::{People, StoreError};
use fettle_core::remediation::refusal::Guard;
use fettle_core::surroundings::{Answer, Pause};
use fettle_core::time::Timestamp;

#[async_trait]
impl People for Database {
    async fn pause(&self, it: &Pause) -> Result<(), StoreError> {
        writing!(self, pause(it))
    }

    async fn resume(&self, id: PauseId, by: &str, now: Timestamp) -> Result<bool, StoreError> {
        writing!(self, resume(id, by, now))
    }

    async fn answer(&self, remediation: RemediationId, answer: &Answer) -> Result<Answered, StoreError> {
        writing!(self, answers::answer(remediation, answer))
    }

    async fn reset_breaker(&self, rule: &str, by: &str, now: Timestamp) -> Result<bool, StoreError> {
        writing!(self, breakers::reset(rule, by, now))
    }
}

/// Idempotent by id: one whose answer was lost may be stored again. SQLite's triggers refuse a second row of one id before
/// it comes to the conflict.
const PAUSE: &str = "
    INSERT INTO pauses (id, scope, about, reason, by, at, until)
    SELECT $1, $2, $3, $4, $5, $6, $7 WHERE NOT EXISTS (SELECT 1 FROM pauses WHERE id = $1)
    ON CONFLICT (id) DO NOTHING";

/// Stores a pause.
pub(super) async fn pause(connection: &mut Conn, pause: &Pause) -> Result<(), StoreError> {
    let (scope, about) = around::scope(pause);
    sqlx::query(PAUSE)
        .bind(DbId::of(pause.id))
        .bind(scope)
        .bind(about)
        .bind(clean(&pause.reason))
        .bind(clean(&pause.by))
        .bind(DbTime(pause.at))
        .bind(pause.until.map(DbTime))
        .execute(connection)
        .await
        .map(drop)
        .during("store a pause")
}

const RESUME: &str = "
    UPDATE pauses SET ended_at = $3, ended_by = $2
    WHERE id = $1 AND ended_at IS NULL AND (until IS NULL OR until > $3)";

/// Ends a pause; false when there is none that is not over.
pub(super) async fn resume(connection: &mut Conn, id: PauseId, by: &str, now: Timestamp) -> Result<bool, StoreError> {
    const WHAT: &str = "end a pause";
    let mut tx = connection.begin_with(BEGIN).await.during(WHAT)?;
    let done = sqlx::query(RESUME).bind(DbId::of(id)).bind(clean(by)).bind(DbTime(now)).execute(&mut *tx).await;
    let ended = done.during(WHAT)?.rows_affected() > 0;
    if ended {
        work::wake_blocked(&mut tx, Guard::Paused, None, now).await.during(WHAT)?;
    }
    tx.commit().await.during(WHAT)?;
    Ok(ended)
}

const PAUSES: &str = "
    SELECT id, scope, about, reason, by, at, until FROM pauses
    WHERE ended_at IS NULL AND (until IS NULL OR until > $1)
    ORDER BY at DESC, id DESC";

/// Pauses that are not over, newest first.
pub(super) async fn pauses(connection: &mut Conn, now: Timestamp) -> Result<Vec<Pause>, StoreError> {
    const WHAT: &str = "read the pauses";
    let rows: Vec<PauseColumns> = sqlx::query_as(PAUSES).bind(DbTime(now)).fetch_all(connection).await.during(WHAT)?;
    rows.into_iter().map(around::pause).collect::<Result<_, _>>().map_err(|garbled| garbled.during(WHAT))
}
