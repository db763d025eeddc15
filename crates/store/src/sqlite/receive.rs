//! Taking notifications in: one transaction that reads, asks the core, and writes what it says in batches.

use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection};

use super::dialect::BEGIN;
use super::{audit, past, storm, world};
use crate::columns::{Named, RemediationColumns, new_and_changed};
use crate::db_types::{DbId, DbTime};
use crate::error::During;
use crate::text;
use fettle_core::alert::episode::AlertState;
use fettle_core::id::RemediationId;
use fettle_core::ports::model::{Candidate, Changes, ReceiveAsk, World};
use fettle_core::ports::{StoreError, Think};
use fettle_core::remediation::state::Remediation;
use fettle_core::time::Timestamp;

const WHAT: &str = "take notifications in";

/// Takes notifications in.
pub(super) async fn receive(
    connection: &mut SqliteConnection,
    ask: &ReceiveAsk,
    think: Think<'_>,
) -> Result<Changes, StoreError> {
    let mut tx = connection.begin_with(BEGIN).await.during(WHAT)?;
    let mut world = world::load(&mut tx, ask).await?;
    let mut changes = think(&world);
    if changes.opens() {
        world.past = past::load(&mut tx, ask).await?;
        changes = think(&world);
    }
    write(&mut tx, ask, &world, &changes).await?;
    tx.commit().await.during(WHAT)?;
    Ok(changes)
}

/// What is referred to goes first.
async fn write(
    tx: &mut SqliteConnection,
    ask: &ReceiveAsk,
    world: &World,
    changes: &Changes,
) -> Result<(), StoreError> {
    let (new, moved) = new_and_changed(&changes.alerts, &world.alerts);
    batch(tx, INSERT_ALERTS, new.into_iter().map(new_alert)).await.during(WHAT)?;
    batch(tx, UPDATE_ALERTS, moved.into_iter().map(known_alert)).await.during(WHAT)?;
    for remediation in &changes.opened {
        open(tx, ask, remediation).await.during(WHAT)?;
    }
    wake(tx, &changes.woken, ask).await.during(WHAT)?;
    batch(tx, UPSERT_CANDIDATES, changes.candidates.iter().map(candidate)).await.during(WHAT)?;
    if let Some(storm) = &changes.storm {
        storm::write(tx, storm).await.during(WHAT)?;
    }
    audit::write(tx, &changes.records).await
}

/// Gives the rows to `statement` as `$1`; does nothing when there are none.
async fn batch(
    tx: &mut SqliteConnection,
    statement: &'static str,
    rows: impl Iterator<Item = Value>,
) -> sqlx::Result<()> {
    let rows: Vec<Value> = rows.collect();
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(statement).bind(text::json(&rows)).execute(tx).await.map(drop)
}

fn instant(at: Timestamp) -> String {
    DbTime(at).to_text()
}

/// No `ON CONFLICT`: an alert that somebody else inserted since is a conflict, and the core must think again.
const INSERT_ALERTS: &str = "
    INSERT INTO alerts (fingerprint, episode, firing, starts_at, first_at, evidence_at, heard_at, ended_at, end_heard_at,
                        alertname, severity, labels)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
           value ->> 8, value ->> 9, value ->> 10, value ->> 11
    FROM json_each($1)";

fn new_alert(a: &AlertState) -> Value {
    let named = Named::from(&a.labels);
    let mut row = known_alert(a);
    if let Value::Array(columns) = &mut row {
        columns.extend([json!(named.alertname), json!(named.severity), json!(named.labels)]);
    }
    row
}

/// Labels never change: they are what the fingerprint is made of.
const UPDATE_ALERTS: &str = "
    UPDATE alerts
    SET episode = n.value ->> 1, firing = n.value ->> 2, starts_at = n.value ->> 3, first_at = n.value ->> 4,
        evidence_at = n.value ->> 5, heard_at = n.value ->> 6, ended_at = n.value ->> 7, end_heard_at = n.value ->> 8
    FROM json_each($1) AS n
    WHERE fingerprint = n.value ->> 0";

fn known_alert(a: &AlertState) -> Value {
    json!([
        a.fingerprint,
        a.episode,
        a.firing,
        instant(a.starts_at),
        instant(a.first_at),
        instant(a.evidence_at),
        instant(a.heard_at),
        a.ended_at.map(instant),
        a.end_heard_at.map(instant),
    ])
}

/// The partial unique index decides who opens.
const OPEN: &str = "
    INSERT INTO remediations (id, opened_at, closed_at, due_at, actions, state, outcome, reason, rule, target, target_key,
                              host, alertname, severity, fingerprint, doc, lease_owner, lease_until)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)";

async fn open(tx: &mut SqliteConnection, ask: &ReceiveAsk, opened: &Remediation) -> sqlx::Result<()> {
    let row = RemediationColumns::from(opened);
    let lease = ask.lease_until.filter(|_| row.closed_at.is_none());
    sqlx::query(OPEN)
        .bind(row.id)
        .bind(row.opened_at)
        .bind(row.closed_at)
        .bind(row.due_at)
        .bind(row.actions)
        .bind(row.state)
        .bind(row.outcome)
        .bind(row.reason)
        .bind(row.rule)
        .bind(row.target)
        .bind(row.target_key)
        .bind(row.host)
        .bind(row.alertname)
        .bind(row.severity)
        .bind(row.fingerprint)
        .bind(row.doc)
        .bind(lease.map(|_| DbId::of(ask.owner)))
        .bind(lease.map(DbTime))
        .execute(tx)
        .await
        .map(drop)
}

/// Counted as well, so that whoever holds it sees at the end of its work that it must look again.
const WAKE: &str = "
    UPDATE remediations SET due_at = min(due_at, $2), wakes = wakes + 1
    WHERE id IN (SELECT value FROM json_each($1)) AND state <> 'closed'";

async fn wake(tx: &mut SqliteConnection, woken: &[RemediationId], ask: &ReceiveAsk) -> sqlx::Result<()> {
    if woken.is_empty() {
        return Ok(());
    }
    sqlx::query(WAKE).bind(text::json(&woken)).bind(DbTime(ask.now)).execute(tx).await.map(drop)
}

const UPSERT_CANDIDATES: &str = "
    INSERT INTO candidates (fingerprint, rule, episode, target, standing, remediation_id, closed_at, conclusion, again_at)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
           value ->> 8
    FROM json_each($1)
    WHERE true
    ON CONFLICT (fingerprint, rule) DO UPDATE
    SET episode = excluded.episode, target = excluded.target, standing = excluded.standing,
        remediation_id = excluded.remediation_id, closed_at = excluded.closed_at, conclusion = excluded.conclusion,
        again_at = excluded.again_at";

fn candidate(c: &Candidate) -> Value {
    json!([
        c.fingerprint,
        c.rule,
        c.episode,
        c.target,
        c.standing.as_str(),
        c.remediation,
        c.closed_at.map(instant),
        c.conclusion.as_ref().map(text::json),
        c.again_at.map(instant),
    ])
}
