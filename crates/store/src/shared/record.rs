//! What is on record of a period, read only.

use async_trait::async_trait;

use super::history::Past;
use crate::db_types::{DbId, DbTime};
use crate::error::During;
use crate::history::PAGE_MAX;
use crate::history::rows::{
    ActionColumns, AnswerColumns, PauseColumns, RemediationColumns, StepColumns, action, answer, pause, remediation,
    step,
};
use crate::rows::{Plain, plain, read};
use fettle_core::id::{ActionId, NotificationId, RemediationId};
use fettle_core::ports::StoreError;
use fettle_core::ports::history::{
    Extent, History, PastAction, PastAnswer, PastPause, PastRemediation, PastStep, Period,
};
use fettle_core::ports::model::StoredNotification;
use fettle_core::time::Timestamp;

const EXTENT: &str = "
    SELECT count(*), CAST(coalesce(sum(alerts), 0) AS bigint)
    FROM notifications WHERE received_at >= $1 AND received_at < $2";

/// As many as `$5`, and no more than `$6` bytes of bodies, but always one.
const NOTIFICATIONS: &str = "
    SELECT n.id, n.received_at, n.body
    FROM notifications n
    JOIN (
        SELECT p.id, sum(p.bytes) OVER (ORDER BY p.received_at, p.id) - p.bytes AS bytes_before
        FROM (SELECT id, received_at, bytes FROM notifications
              WHERE received_at >= $1 AND received_at < $2 AND (received_at, id) > ($3, $4)
              ORDER BY received_at, id LIMIT $5) p
    ) p ON p.id = n.id
    WHERE p.bytes_before < $6
    ORDER BY n.received_at, n.id";

const REMEDIATIONS: &str = "
    SELECT id, rule, target, opened_at, closed_at, state, outcome FROM remediations
    WHERE id > $3 AND opened_at >= $1 AND opened_at < $2
    ORDER BY id LIMIT $4";

const ACTIONS: &str = "
    SELECT id, remediation_id, rule, action, target, result, reason,
           (SELECT v.verdict FROM verdicts v WHERE v.action_id = actions.id ORDER BY v.seq LIMIT 1) AS verdict,
           planned_at, finished_at, CAST(step AS bigint) AS step
    FROM actions
    WHERE id > $3 AND planned_at >= $1 AND planned_at < $2
    ORDER BY id LIMIT $4";

const STEPS: &str = "
    SELECT seq, remediation_id, at, what FROM transitions
    WHERE seq > $3 AND at >= $1 AND at < $2 AND (what LIKE 'blocked by %' OR what = 'approval asked for')
    ORDER BY seq LIMIT $4";

const PAUSES: &str = sql!("
    SELECT scope, about, reason, by, at, " LEAST "(coalesce(ended_at, until), coalesce(until, ended_at)) AS until
    FROM pauses
    WHERE at < $2 AND (ended_at IS NULL OR ended_at > $1) AND (until IS NULL OR until > $1)
    ORDER BY at, id");

const ANSWERS: &str = "
    SELECT remediation_id, kind, by, at FROM answers WHERE at >= $1 AND at < $2 ORDER BY at, id";

#[async_trait]
impl History for Past {
    async fn extent(&self, period: Period) -> Result<Extent, StoreError> {
        let (notifications, alerts): (i64, i64) = sqlx::query_as(EXTENT)
            .bind(DbTime(period.from))
            .bind(DbTime(period.to))
            .fetch_one(&self.pool)
            .await
            .during("count the notifications of a period")?;
        Ok(Extent { notifications: notifications.unsigned_abs(), alerts: alerts.unsigned_abs() })
    }

    async fn notifications(
        &self,
        period: Period,
        after: Option<(Timestamp, NotificationId)>,
        limit: u32,
    ) -> Result<Vec<StoredNotification>, StoreError> {
        let (at, id) = after.unwrap_or((period.from, NotificationId::nil()));
        let rows: Vec<Plain<StoredNotification>> = sqlx::query_as(NOTIFICATIONS)
            .bind(DbTime(period.from))
            .bind(DbTime(period.to))
            .bind(DbTime(at))
            .bind(DbId::of(id))
            .bind(i64::from(limit))
            .bind(PAGE_MAX)
            .fetch_all(&self.pool)
            .await
            .during("read the notifications of a period")?;
        Ok(plain(rows))
    }

    async fn remediations(
        &self,
        period: Period,
        after: Option<RemediationId>,
        limit: u32,
    ) -> Result<Vec<PastRemediation>, StoreError> {
        const WHAT: &str = "read the remediations of a period";
        let rows: Vec<RemediationColumns> = sqlx::query_as(REMEDIATIONS)
            .bind(DbTime(period.from))
            .bind(DbTime(period.to))
            .bind(DbId::of(after.unwrap_or_default()))
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await
            .during(WHAT)?;
        read(WHAT, rows, remediation)
    }

    async fn actions(
        &self,
        period: Period,
        after: Option<ActionId>,
        limit: u32,
    ) -> Result<Vec<PastAction>, StoreError> {
        const WHAT: &str = "read the actions of a period";
        let rows: Vec<ActionColumns> = sqlx::query_as(ACTIONS)
            .bind(DbTime(period.from))
            .bind(DbTime(period.to))
            .bind(DbId::of(after.unwrap_or_default()))
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await
            .during(WHAT)?;
        read(WHAT, rows, action)
    }

    async fn steps(&self, period: Period, after: i64, limit: u32) -> Result<Vec<PastStep>, StoreError> {
        let rows: Vec<StepColumns> = sqlx::query_as(STEPS)
            .bind(DbTime(period.from))
            .bind(DbTime(period.to))
            .bind(after)
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await
            .during("read the stories of a period")?;
        Ok(rows.into_iter().map(step).collect())
    }

    async fn pauses(&self, period: Period) -> Result<Vec<PastPause>, StoreError> {
        const WHAT: &str = "read the pauses of a period";
        let rows: Vec<PauseColumns> = sqlx::query_as(PAUSES)
            .bind(DbTime(period.from))
            .bind(DbTime(period.to))
            .fetch_all(&self.pool)
            .await
            .during(WHAT)?;
        read(WHAT, rows, pause)
    }

    async fn answers(&self, period: Period) -> Result<Vec<PastAnswer>, StoreError> {
        const WHAT: &str = "read the answers of a period";
        let rows: Vec<AnswerColumns> = sqlx::query_as(ANSWERS)
            .bind(DbTime(period.from))
            .bind(DbTime(period.to))
            .fetch_all(&self.pool)
            .await
            .during(WHAT)?;
        read(WHAT, rows, answer)
    }

    async fn close(&self) {
        self.pool.close().await;
    }
}
