//! Questions that change nothing: lists, one remediation's story.

use serde_json::Value;
use sqlx::SqlitePool;
use sqlx::types::Json;
use uuid::Uuid;

use crate::error::During;
use crate::instant::{Id, Instant};
use crate::rows::{ActionViewRow, AlertRow, RemediationRow, SpentRow, TransitionViewRow, VerdictViewRow, read};
use crate::text::clean_opt;
use fettle_core::alert::episode::AlertState;
use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::ports::StoreError;
use fettle_core::ports::model::Spent;
use fettle_core::ports::view::{
    ActionFilter, ActionView, AlertFilter, AlertView, RemediationFilter, RemediationView, Story,
};
use fettle_core::remediation::state::Remediation;
use fettle_core::time::Timestamp;

/// By indexes, or by sequences, which follow time closely: what every decision and every request writes.
const LATEST: &str = "
    SELECT max(at) FROM (
        SELECT max(received_at) AS at FROM notifications
        UNION ALL SELECT max(at) FROM (SELECT at FROM transitions ORDER BY seq DESC LIMIT 100)
        UNION ALL SELECT max(at) FROM (SELECT at FROM verdicts ORDER BY seq DESC LIMIT 100)
        UNION ALL SELECT max(at) FROM events
        UNION ALL SELECT max(planned_at) FROM actions
        UNION ALL SELECT max(closed_at) FROM remediations WHERE state = 'closed'
    )";

/// The latest instant stored.
pub(super) async fn latest(pool: &SqlitePool) -> Result<Option<Timestamp>, StoreError> {
    let at: Option<Instant> = sqlx::query_scalar(LATEST).fetch_one(pool).await.during("ask the latest instant")?;
    Ok(at.map(Into::into))
}

const WAITING: &str = "
    SELECT fingerprint, labels, episode, firing, starts_at, first_at, evidence_at, heard_at, ended_at, end_heard_at
    FROM alerts
    WHERE firing AND (fingerprint, episode) IN (
        SELECT c.fingerprint, c.episode FROM candidates c
        WHERE c.standing = 'waiting'
          AND NOT EXISTS (SELECT 1 FROM remediations r WHERE r.target = c.target AND r.state <> 'closed'))
    ORDER BY heard_at, fingerprint
    LIMIT $1";

/// Alerts that wait for a target which is free by now.
pub(super) async fn waiting(pool: &SqlitePool, limit: u32) -> Result<Vec<AlertState>, StoreError> {
    const WHAT: &str = "ask who waits";
    let rows: Vec<AlertRow> = sqlx::query_as(WAITING).bind(i64::from(limit)).fetch_all(pool).await.during(WHAT)?;
    read(WHAT, rows)
}

const UNATTENDED: &str = "
    SELECT fingerprint, labels, episode, firing, starts_at, first_at, evidence_at, heard_at, ended_at, end_heard_at
    FROM alerts
    WHERE firing AND ($1 IS NULL OR fingerprint > $1)
      AND NOT EXISTS (
          SELECT 1 FROM candidates c WHERE c.fingerprint = alerts.fingerprint AND c.standing = 'attached')
    ORDER BY fingerprint
    LIMIT $2";

/// Firing alerts that no open remediation is attached to.
pub(super) async fn unattended(
    pool: &SqlitePool,
    after: Option<Fingerprint>,
    limit: u32,
) -> Result<Vec<AlertState>, StoreError> {
    const WHAT: &str = "ask what fires unattended";
    let rows: Vec<AlertRow> = sqlx::query_as(UNATTENDED)
        .bind(after.map(|it| it.to_string()))
        .bind(i64::from(limit))
        .fetch_all(pool)
        .await
        .during(WHAT)?;
    read(WHAT, rows)
}

const ATTACHED: &str = "
    SELECT a.fingerprint, a.labels, a.episode, a.firing, a.starts_at, a.first_at, a.evidence_at, a.heard_at, a.ended_at,
           a.end_heard_at
    FROM candidates c JOIN alerts a ON a.fingerprint = c.fingerprint
    WHERE c.remediation_id = $1 AND c.standing = 'attached'
    ORDER BY a.fingerprint";

/// The alerts attached to an open remediation.
pub(super) async fn attached(pool: &SqlitePool, remediation: Uuid) -> Result<Vec<AlertState>, StoreError> {
    const WHAT: &str = "read the attached alerts";
    let rows: Vec<AlertRow> = sqlx::query_as(ATTACHED).bind(Id(remediation)).fetch_all(pool).await.during(WHAT)?;
    read(WHAT, rows)
}

const SPENT: &str = "
    SELECT rule, target, planned_at FROM actions
    WHERE spends AND mode = 'act' AND planned_at >= $1
    ORDER BY planned_at DESC, id DESC";

/// Effects that count, newest first.
pub(super) async fn spent(pool: &SqlitePool, since: Timestamp) -> Result<Vec<Spent>, StoreError> {
    let rows: Vec<SpentRow> =
        sqlx::query_as(SPENT).bind(Instant(since)).fetch_all(pool).await.during("read what was spent")?;
    Ok(rows.into_iter().map(Into::into).collect())
}

const OPEN_BY_STATE: &str =
    "SELECT state, count(*) FROM remediations WHERE state <> 'closed' GROUP BY state ORDER BY state";

/// How many are open, by state.
pub(super) async fn open_by_state(pool: &SqlitePool) -> Result<Vec<(String, u64)>, StoreError> {
    let rows: Vec<(String, i64)> =
        sqlx::query_as(OPEN_BY_STATE).fetch_all(pool).await.during("count open remediations")?;
    Ok(rows.into_iter().map(|(state, count)| (state, count.unsigned_abs())).collect())
}

const REMEDIATIONS: &str = "
    SELECT id, target, rule, state, outcome, reason, opened_at, closed_at, due_at, actions, alertname, severity
    FROM remediations
    WHERE ($1 IS NULL OR state = $1 OR ($1 = 'open' AND state <> 'closed'))
      AND ($2 IS NULL OR rule = $2)
      AND ($3 IS NULL OR target = $3)
      AND ($4 IS NULL OR id < $4)
    ORDER BY id DESC
    LIMIT $5";

/// Remediations, newest first.
pub(super) async fn remediations(
    pool: &SqlitePool,
    filter: &RemediationFilter,
) -> Result<Vec<RemediationView>, StoreError> {
    let rows: Vec<RemediationRow> = sqlx::query_as(REMEDIATIONS)
        .bind(clean_opt(filter.state.as_deref()))
        .bind(clean_opt(filter.rule.as_deref()))
        .bind(clean_opt(filter.target.as_deref()))
        .bind(filter.after.map(Id))
        .bind(i64::from(filter.limit))
        .fetch_all(pool)
        .await
        .during("list remediations")?;
    Ok(rows.into_iter().map(Into::into).collect())
}

const ACTIONS: &str = "
    SELECT id, at, remediation_id, rule, action, target, host, mode, result, reason, verdict, actor, alertname, fingerprint,
           severity, labels, planned_at, started_at, finished_at, duration_ms, attempt, step, detail, error
    FROM fettle_audit
    WHERE ($1 IS NULL OR rule = $1)
      AND ($2 IS NULL OR target = $2)
      AND ($3 IS NULL OR result = $3)
      AND ($4 IS NULL OR remediation_id = $4)
      AND ($5 IS NULL OR id < $5)
    ORDER BY id DESC
    LIMIT $6";

/// Audit rows, newest first.
pub(super) async fn actions(pool: &SqlitePool, filter: &ActionFilter) -> Result<Vec<ActionView>, StoreError> {
    let rows: Vec<ActionViewRow> = sqlx::query_as(ACTIONS)
        .bind(clean_opt(filter.rule.as_deref()))
        .bind(clean_opt(filter.target.as_deref()))
        .bind(clean_opt(filter.result.as_deref()))
        .bind(filter.remediation.map(Id))
        .bind(filter.after.map(Id))
        .bind(i64::from(filter.limit))
        .fetch_all(pool)
        .await
        .during("list actions")?;
    Ok(rows.into_iter().map(Into::into).collect())
}

const ALERTS: &str = "
    SELECT fingerprint, labels, episode, firing, starts_at, first_at, evidence_at, heard_at, ended_at, end_heard_at
    FROM alerts
    WHERE ($1 IS NULL OR firing = ($1 = 'firing'))
    ORDER BY heard_at DESC, fingerprint
    LIMIT $2";

/// Alerts, last heard first.
pub(super) async fn alerts(pool: &SqlitePool, filter: &AlertFilter) -> Result<Vec<AlertView>, StoreError> {
    const WHAT: &str = "list alerts";
    let rows: Vec<AlertRow> = sqlx::query_as(ALERTS)
        .bind(clean_opt(filter.status.as_deref()))
        .bind(i64::from(filter.limit))
        .fetch_all(pool)
        .await
        .during(WHAT)?;
    Ok(read::<_, AlertState>(WHAT, rows)?.into_iter().map(Into::into).collect())
}

const REMEDIATION: &str = "SELECT doc FROM remediations WHERE id = $1";

/// A remediation as it is stored.
pub(super) async fn remediation(pool: &SqlitePool, id: Uuid) -> Result<Option<Remediation>, StoreError> {
    const WHAT: &str = "read a remediation";
    let doc: Option<Json<Value>> =
        sqlx::query_scalar(REMEDIATION).bind(Id(id)).fetch_optional(pool).await.during(WHAT)?;
    let garbled = |_| StoreError::Unreadable { operation: WHAT, what: "remediation" };
    doc.map(|doc| serde_json::from_value(doc.0).map_err(garbled)).transpose()
}

const ONE: &str = "
    SELECT id, target, rule, state, outcome, reason, opened_at, closed_at, due_at, actions, alertname, severity
    FROM remediations WHERE id = $1";

const TIMELINE: &str = "SELECT at, state, what, detail FROM transitions WHERE remediation_id = $1 ORDER BY seq";

const STORY_ACTIONS: &str = "
    SELECT id, at, remediation_id, rule, action, target, host, mode, result, reason, verdict, actor, alertname, fingerprint,
           severity, labels, planned_at, started_at, finished_at, duration_ms, attempt, step, detail, error
    FROM fettle_audit WHERE remediation_id = $1 ORDER BY planned_at, id";

const STORY_VERDICTS: &str = "
    SELECT v.action_id, v.at, v.verdict, v.reason
    FROM verdicts v JOIN actions a ON a.id = v.action_id
    WHERE a.remediation_id = $1 ORDER BY v.seq";

const STORY_ALERTS: &str = "
    SELECT a.fingerprint, a.labels, a.episode, a.firing, a.starts_at, a.first_at, a.evidence_at, a.heard_at, a.ended_at,
           a.end_heard_at
    FROM candidates c JOIN alerts a ON a.fingerprint = c.fingerprint
    WHERE c.remediation_id = $1
    ORDER BY a.first_at, a.fingerprint";

/// One remediation with everything that happened, from one snapshot.
pub(super) async fn story(pool: &SqlitePool, id: Uuid) -> Result<Option<Story>, StoreError> {
    const WHAT: &str = "read a remediation's story";
    let mut tx = pool.begin().await.during(WHAT)?;
    let one: Option<RemediationRow> = sqlx::query_as(ONE).bind(Id(id)).fetch_optional(&mut *tx).await.during(WHAT)?;
    let Some(one) = one else { return Ok(None) };
    let timeline: Vec<TransitionViewRow> =
        sqlx::query_as(TIMELINE).bind(Id(id)).fetch_all(&mut *tx).await.during(WHAT)?;
    let actions: Vec<ActionViewRow> =
        sqlx::query_as(STORY_ACTIONS).bind(Id(id)).fetch_all(&mut *tx).await.during(WHAT)?;
    let verdicts: Vec<VerdictViewRow> =
        sqlx::query_as(STORY_VERDICTS).bind(Id(id)).fetch_all(&mut *tx).await.during(WHAT)?;
    let alerts: Vec<AlertRow> = sqlx::query_as(STORY_ALERTS).bind(Id(id)).fetch_all(&mut *tx).await.during(WHAT)?;
    tx.commit().await.during(WHAT)?;
    Ok(Some(Story {
        remediation: one.into(),
        timeline: timeline.into_iter().map(Into::into).collect(),
        actions: actions.into_iter().map(Into::into).collect(),
        verdicts: verdicts.into_iter().map(Into::into).collect(),
        alerts: read::<_, AlertState>(WHAT, alerts)?.into_iter().map(Into::into).collect(),
    }))
}
