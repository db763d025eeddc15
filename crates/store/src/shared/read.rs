//! What people and dashboards read: lists, and one remediation's story.

use std::collections::HashMap;

use async_trait::async_trait;
use sqlx::Connection;

use super::dialect::{BEGIN_SNAPSHOT, Conn, Database};
use super::events;
use crate::db_types::DbId;
use crate::error::During;
use crate::rows::{AlertRow, CandidateColumns, Plain, alert, candidate, plain, read};
use crate::text::clean_opt;
use fettle_core::alert::episode::AlertState;
use fettle_core::id::RemediationId;
use fettle_core::ports::view::{
    ActionFilter, ActionView, AlertFilter, AlertView, EventFilter, EventView, RemediationFilter, RemediationView,
    Story, TransitionView, VerdictView,
};
use fettle_core::ports::{Reading, StoreError};

#[async_trait]
impl Reading for Database {
    async fn remediations(&self, filter: &RemediationFilter) -> Result<Vec<RemediationView>, StoreError> {
        reading!(self, remediations(filter))
    }

    async fn story(&self, id: RemediationId) -> Result<Option<Story>, StoreError> {
        reading!(self, story(id))
    }

    async fn actions(&self, filter: &ActionFilter) -> Result<Vec<ActionView>, StoreError> {
        reading!(self, actions(filter))
    }

    async fn alerts(&self, filter: &AlertFilter) -> Result<Vec<AlertView>, StoreError> {
        reading!(self, alerts(filter))
    }

    async fn events(&self, filter: &EventFilter) -> Result<Vec<EventView>, StoreError> {
        reading!(self, events::events(filter))
    }
}

const REMEDIATIONS: &str = "
    SELECT id, target, rule, state, outcome, reason, opened_at, closed_at, due_at, actions, alertname, severity
    FROM remediations
    WHERE (state = $1 OR ($1 = 'open' AND state <> 'closed') OR $1 IS NULL)
      AND (rule = $2 OR $2 IS NULL)
      AND (target = $3 OR $3 IS NULL)
      AND (id < $4 OR $4 IS NULL)
    ORDER BY id DESC
    LIMIT $5";

/// Remediations, newest first.
pub(super) async fn remediations(
    connection: &mut Conn,
    filter: &RemediationFilter,
) -> Result<Vec<RemediationView>, StoreError> {
    let rows: Vec<Plain<RemediationView>> = sqlx::query_as(REMEDIATIONS)
        .bind(clean_opt(filter.state.as_deref()))
        .bind(clean_opt(filter.rule.as_deref()))
        .bind(clean_opt(filter.target.as_deref()))
        .bind(filter.after.map(DbId::of))
        .bind(i64::from(filter.limit))
        .fetch_all(connection)
        .await
        .during("list remediations")?;
    Ok(plain(rows))
}

const ACTIONS: &str = "
    SELECT id, at, remediation_id, rule, action, target, host, mode, result, reason, verdict, actor, alertname, fingerprint,
           severity, labels, planned_at, started_at, finished_at, duration_ms, attempt, step, detail, error
    FROM fettle_audit
    WHERE (rule = $1 OR $1 IS NULL)
      AND (target = $2 OR $2 IS NULL)
      AND (result = $3 OR $3 IS NULL)
      AND (remediation_id = $4 OR $4 IS NULL)
      AND (id < $5 OR $5 IS NULL)
    ORDER BY id DESC
    LIMIT $6";

/// Audit rows, newest first.
pub(super) async fn actions(connection: &mut Conn, filter: &ActionFilter) -> Result<Vec<ActionView>, StoreError> {
    let rows: Vec<Plain<ActionView>> = sqlx::query_as(ACTIONS)
        .bind(clean_opt(filter.rule.as_deref()))
        .bind(clean_opt(filter.target.as_deref()))
        .bind(clean_opt(filter.result.as_deref()))
        .bind(filter.remediation.map(DbId::of))
        .bind(filter.after.map(DbId::of))
        .bind(i64::from(filter.limit))
        .fetch_all(connection)
        .await
        .during("list actions")?;
    Ok(plain(rows))
}

const ALERTS: &str = "
    SELECT fingerprint, labels, episode, firing, starts_at, first_at, evidence_at, heard_at, ended_at, end_heard_at
    FROM alerts
    WHERE (firing = ($1 = 'firing') OR $1 IS NULL)
    ORDER BY heard_at DESC, fingerprint
    LIMIT $2";

const CANDIDATES: &str = "
    SELECT fingerprint, rule, episode, target, standing, remediation_id, closed_at, conclusion, again_at
    FROM candidates
    WHERE fingerprint IN (
        SELECT fingerprint FROM alerts
        WHERE (firing = ($1 = 'firing') OR $1 IS NULL)
        ORDER BY heard_at DESC, fingerprint
        LIMIT $2)";

/// Alerts, last heard first, with what came of them.
pub(super) async fn alerts(connection: &mut Conn, filter: &AlertFilter) -> Result<Vec<AlertView>, StoreError> {
    const WHAT: &str = "list alerts";
    let (status, limit) = (clean_opt(filter.status.as_deref()), i64::from(filter.limit));
    let mut tx = connection.begin_with(BEGIN_SNAPSHOT).await.during(WHAT)?;
    let rows: Vec<AlertRow> =
        sqlx::query_as(ALERTS).bind(status.clone()).bind(limit).fetch_all(&mut *tx).await.during(WHAT)?;
    let alerts = read(WHAT, rows, alert)?;
    let rows: Vec<CandidateColumns> =
        sqlx::query_as(CANDIDATES).bind(status).bind(limit).fetch_all(&mut *tx).await.during(WHAT)?;
    tx.commit().await.during(WHAT)?;
    let mut candidates: HashMap<_, Vec<_>> = HashMap::new();
    for it in read(WHAT, rows, candidate)? {
        candidates.entry(it.fingerprint).or_default().push(it);
    }
    let view = |it: AlertState| {
        let of_it = candidates.remove(&it.fingerprint).unwrap_or_default();
        AlertView::with_candidates(it, of_it)
    };
    Ok(alerts.into_iter().map(view).collect())
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

/// One remediation with everything that happened.
pub(super) async fn story(connection: &mut Conn, id: RemediationId) -> Result<Option<Story>, StoreError> {
    const WHAT: &str = "read a remediation's story";
    let mut tx = connection.begin_with(BEGIN_SNAPSHOT).await.during(WHAT)?;
    let one: Option<Plain<RemediationView>> =
        sqlx::query_as(ONE).bind(DbId::of(id)).fetch_optional(&mut *tx).await.during(WHAT)?;
    let Some(one) = one else { return Ok(None) };
    let timeline: Vec<Plain<TransitionView>> =
        sqlx::query_as(TIMELINE).bind(DbId::of(id)).fetch_all(&mut *tx).await.during(WHAT)?;
    let actions: Vec<Plain<ActionView>> =
        sqlx::query_as(STORY_ACTIONS).bind(DbId::of(id)).fetch_all(&mut *tx).await.during(WHAT)?;
    let verdicts: Vec<Plain<VerdictView>> =
        sqlx::query_as(STORY_VERDICTS).bind(DbId::of(id)).fetch_all(&mut *tx).await.during(WHAT)?;
    let alerts: Vec<AlertRow> =
        sqlx::query_as(STORY_ALERTS).bind(DbId::of(id)).fetch_all(&mut *tx).await.during(WHAT)?;
    tx.commit().await.during(WHAT)?;
    Ok(Some(Story {
        remediation: one.0,
        timeline: plain(timeline),
        actions: plain(actions),
        verdicts: plain(verdicts),
        alerts: read(WHAT, alerts, alert)?.into_iter().map(Into::into).collect(),
    }))
}
