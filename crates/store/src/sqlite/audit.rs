//! Records: audit rows, their results, verdicts, the story, events. Written only inside somebody's transaction.

use serde_json::Value;
use sqlx::types::Json;
use sqlx::{Connection, SqliteConnection};

use super::dialect::BEGIN;
use super::{breakers, ended, lending, outbox};
use crate::columns::{Named, Records, event_id};
use crate::db_types::{DbId, DbTime};
use crate::error::During;
use crate::text::{clean, clean_opt, json};
use fettle_core::id::ActionId;
use fettle_core::ports::StoreError;
use fettle_core::ports::common::merged;
use fettle_core::remediation::outcome::ActionResult;
use fettle_core::remediation::record::{ActionRow, EventRow, Record, ResultRow, TransitionRow, VerdictRow};

const WHAT: &str = "write the audit";

/// Writes records.
pub(super) async fn write(tx: &mut SqliteConnection, records: &[Record]) -> Result<(), StoreError> {
    let records = Records::from(records);
    for row in records.actions {
        action(tx, row).await.during(WHAT)?;
    }
    for row in records.results {
        result(tx, row).await.during(WHAT)?;
    }
    for row in records.verdicts {
        verdict(tx, row).await.during(WHAT)?;
    }
    for row in records.transitions {
        transition(tx, row).await.during(WHAT)?;
    }
    for row in records.events {
        event(tx, row).await.during(WHAT)?;
    }
    breakers::write(tx, &records.breakers).await.during(WHAT)?;
    lending::write(tx, &records.loans).await.during(WHAT)?;
    outbox::write(tx, &records.announcements).await.during(WHAT)?;
    ended::write(tx, &records.ended).await.during(WHAT)
}

const GIVEN_UP: &str = "
    SELECT EXISTS (SELECT 1 FROM verdicts WHERE action_id = $1 AND verdict = 'superseded')
    FROM actions WHERE id = $1 AND result IN ('failed', 'unknown')";

/// What a late call says of itself, beside a row that says that nothing happened.
pub(super) async fn late(
    connection: &mut SqliteConnection,
    action: ActionId,
    records: &[Record],
) -> Result<bool, StoreError> {
    const WHAT: &str = "record a late call";
    let mut tx = connection.begin_with(BEGIN).await.during(WHAT)?;
    let told: Option<bool> =
        sqlx::query_scalar(GIVEN_UP).bind(DbId::of(action)).fetch_optional(&mut *tx).await.during(WHAT)?;
    if told != Some(false) {
        return Ok(false);
    }
    write(&mut tx, records).await?;
    tx.commit().await.during(WHAT)?;
    Ok(true)
}

const ACTION: &str = "
    INSERT INTO actions (id, remediation_id, rule, action, target, target_key, host, mode, result, reason, actor, alertname,
                         fingerprint, severity, labels, planned_at, started_at, finished_at, attempt, step, detail, error,
                         spends)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23)";

async fn action(tx: &mut SqliteConnection, row: &ActionRow) -> sqlx::Result<()> {
    let named = Named::from(&row.labels);
    sqlx::query(ACTION)
        .bind(DbId::of(row.id))
        .bind(DbId::of(row.remediation_id))
        .bind(clean(&row.rule))
        .bind(row.action)
        .bind(clean(&row.target))
        .bind(clean_opt(row.key.as_deref()))
        .bind(clean(&row.host))
        .bind(row.mode.as_str())
        .bind(row.result.map(ActionResult::as_str))
        .bind(clean_opt(row.reason.as_deref()))
        .bind(clean(&row.actor))
        .bind(named.alertname)
        .bind(row.fingerprint.to_string())
        .bind(named.severity)
        .bind(named.labels)
        .bind(DbTime(row.planned_at))
        .bind(row.started_at.map(DbTime))
        .bind(row.finished_at.map(DbTime))
        .bind(i64::from(row.attempt))
        .bind(i64::from(row.step))
        .bind(json(&row.detail))
        .bind(clean_opt(row.error.as_deref()))
        .bind(row.spends)
        .execute(tx)
        .await
        .map(drop)
}

const DETAIL: &str = "SELECT detail FROM actions WHERE id = $1 AND result IS NULL";

/// The one change an audit row sees.
const RESULT: &str = "
    UPDATE actions
    SET result = $2, reason = $3, started_at = $4, finished_at = $5, error = $6, detail = $7, spends = $8
    WHERE id = $1 AND result IS NULL";

/// The claim was held, so nobody else can have set the result: without a row, it is not there or has its result.
async fn result(tx: &mut SqliteConnection, row: &ResultRow) -> sqlx::Result<()> {
    let Json(intended): Json<Value> =
        sqlx::query_scalar(DETAIL).bind(DbId::of(row.action_id)).fetch_one(&mut *tx).await?;
    let done = sqlx::query(RESULT)
        .bind(DbId::of(row.action_id))
        .bind(row.result.as_str())
        .bind(clean_opt(row.reason.as_deref()))
        .bind(row.started_at.map(DbTime))
        .bind(DbTime(row.finished_at))
        .bind(clean_opt(row.error.as_deref()))
        // SQLite's `json_patch` would go deeper and drop nulls.
        .bind(json(&merged(intended, &row.detail)))
        .bind(row.spends)
        .execute(tx)
        .await?;
    if done.rows_affected() == 1 { Ok(()) } else { Err(sqlx::Error::RowNotFound) }
}

const VERDICT: &str = "INSERT INTO verdicts (action_id, at, verdict, reason) VALUES ($1, $2, $3, $4)";

async fn verdict(tx: &mut SqliteConnection, row: &VerdictRow) -> sqlx::Result<()> {
    sqlx::query(VERDICT)
        .bind(DbId::of(row.action_id))
        .bind(DbTime(row.at))
        .bind(row.verdict.as_str())
        .bind(clean(&row.reason))
        .execute(tx)
        .await
        .map(drop)
}

const TRANSITION: &str =
    "INSERT INTO transitions (remediation_id, at, state, what, detail) VALUES ($1, $2, $3, $4, $5)";

async fn transition(tx: &mut SqliteConnection, row: &TransitionRow) -> sqlx::Result<()> {
    sqlx::query(TRANSITION)
        .bind(DbId::of(row.remediation_id))
        .bind(DbTime(row.at))
        .bind(row.state.as_str())
        .bind(clean(&row.what))
        .bind(json(&row.detail))
        .execute(tx)
        .await
        .map(drop)
}

const EVENT: &str = "INSERT INTO events (id, at, event, severity, details) VALUES ($1, $2, $3, $4, $5)";

async fn event(tx: &mut SqliteConnection, row: &EventRow) -> sqlx::Result<()> {
    sqlx::query(EVENT)
        .bind(event_id(row.at))
        .bind(DbTime(row.at))
        .bind(row.event)
        .bind(row.severity.as_str())
        .bind(json(&row.details))
        .execute(tx)
        .await
        .map(drop)
}
