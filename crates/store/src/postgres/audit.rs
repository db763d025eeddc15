//! Records: audit rows, their results, verdicts, the story, events. Written only together with what they are about.

use sqlx::{Connection, PgConnection};

use super::writes::Writes;
use super::{breakers, ended, lending, outbox};
use crate::columns::{Named, Records, event_id};
use crate::db_types::{DbId, DbTime};
use crate::error::During;
use crate::text::{clean, clean_opt, json};
use fettle_core::id::ActionId;
use fettle_core::ports::StoreError;
use fettle_core::remediation::outcome::ActionResult;
use fettle_core::remediation::record::{ActionRow, EventRow, Record, ResultRow, TransitionRow, VerdictRow};

/// Adds records to `writes`, one part per kind. Results of audit rows that the same statement inserts go to `later`.
pub(super) fn add(writes: &mut Writes, later: &mut Writes, records: &[Record]) {
    let records = Records::from(records);
    actions(writes, &records.actions);
    for row in &records.results {
        let is_new = records.actions.iter().any(|action| action.id == row.action_id);
        result(if is_new { &mut *later } else { &mut *writes }, row);
    }
    verdicts(writes, &records.verdicts);
    transitions(writes, &records.transitions);
    events(writes, &records.events);
}

/// Writes records that belong to no remediation's own statement.
pub(super) async fn write(tx: &mut PgConnection, records: &[Record]) -> Result<(), StoreError> {
    const WHAT: &str = "write the audit";
    let (mut writes, mut later) = (Writes::default(), Writes::default());
    add(&mut writes, &mut later, records);
    for writes in [writes, later] {
        if writes.run(&mut *tx).await.during(WHAT)?.is_some() {
            return Err(sqlx::Error::RowNotFound).during(WHAT);
        }
    }
    beside(tx, records).await
}

/// What has rows of its own that later decisions change: mostly nothing.
pub(super) async fn beside(tx: &mut PgConnection, records: &[Record]) -> Result<(), StoreError> {
    const WHAT: &str = "write the audit";
    let records = Records::from(records);
    breakers::write(tx, &records.breakers).await.during(WHAT)?;
    lending::write(tx, &records.loans).await.during(WHAT)?;
    outbox::write(tx, &records.announcements).await.during(WHAT)?;
    ended::write(tx, &records.ended).await.during(WHAT)
}

/// Locked, so that two who come late say it once.
const GIVEN_UP: &str = "
    SELECT EXISTS (SELECT 1 FROM verdicts WHERE action_id = $1 AND verdict = 'superseded')
    FROM actions WHERE id = $1 AND result IN ('failed', 'unknown')
    FOR NO KEY UPDATE";

/// What a late call says of itself, beside a row that says that nothing happened.
pub(super) async fn late(
    connection: &mut PgConnection,
    action: ActionId,
    records: &[Record],
) -> Result<bool, StoreError> {
    const WHAT: &str = "record a late call";
    let mut tx = connection.begin().await.during(WHAT)?;
    let told: Option<bool> =
        sqlx::query_scalar(GIVEN_UP).bind(DbId::of(action)).fetch_optional(&mut *tx).await.during(WHAT)?;
    if told != Some(false) {
        return Ok(false);
    }
    write(&mut tx, records).await?;
    tx.commit().await.during(WHAT)?;
    Ok(true)
}

fn column<'a, R, T>(rows: &[&'a R], of: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(|row| of(row)).collect()
}

const ACTIONS: &str = "
    INSERT INTO actions (id, remediation_id, rule, action, target, target_key, host, mode, result, reason, actor, alertname,
                         fingerprint, severity, labels, planned_at, started_at, finished_at, attempt, step, detail, error,
                         spends)
    SELECT n.id, n.remediation_id, n.rule, n.action, n.target, n.target_key, n.host, n.mode, n.result, n.reason, n.actor,
           n.alertname, n.fingerprint, n.severity, n.labels::jsonb, n.planned_at, n.started_at, n.finished_at, n.attempt,
           n.step, n.detail::jsonb, n.error, n.spends
    FROM UNNEST($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
                $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::timestamptz[],
                $17::timestamptz[], $18::timestamptz[], $19::bigint[], $20::bigint[], $21::text[], $22::text[],
                $23::boolean[])
        AS n (id, remediation_id, rule, action, target, target_key, host, mode, result, reason, actor, alertname,
              fingerprint, severity, labels, planned_at, started_at, finished_at, attempt, step, detail, error, spends)";

fn actions(writes: &mut Writes, rows: &[&ActionRow]) {
    if rows.is_empty() {
        return;
    }
    let named: Vec<Named<'_>> = rows.iter().map(|row| Named::from(&row.labels)).collect();
    writes
        .part(ACTIONS)
        .bind(column(rows, |r| DbId::of(r.id)))
        .bind(column(rows, |r| DbId::of(r.remediation_id)))
        .bind(column(rows, |r| clean(&r.rule)))
        .bind(column(rows, |r| r.action))
        .bind(column(rows, |r| clean(&r.target)))
        .bind(column(rows, |r| clean_opt(r.key.as_deref())))
        .bind(column(rows, |r| clean(&r.host)))
        .bind(column(rows, |r| r.mode.as_str()))
        .bind(column(rows, |r| r.result.map(ActionResult::as_str)))
        .bind(column(rows, |r| clean_opt(r.reason.as_deref())))
        .bind(column(rows, |r| clean(&r.actor)))
        .bind(named.iter().map(|n| &*n.alertname).collect::<Vec<_>>())
        .bind(column(rows, |r| r.fingerprint.to_string()))
        .bind(named.iter().map(|n| n.severity.as_deref()).collect::<Vec<_>>())
        .bind(named.iter().map(|n| &*n.labels).collect::<Vec<_>>())
        .bind(column(rows, |r| DbTime(r.planned_at)))
        .bind(column(rows, |r| r.started_at.map(DbTime)))
        .bind(column(rows, |r| r.finished_at.map(DbTime)))
        .bind(column(rows, |r| i64::from(r.attempt)))
        .bind(column(rows, |r| i64::from(r.step)))
        .bind(column(rows, |r| json(&r.detail)))
        .bind(column(rows, |r| clean_opt(r.error.as_deref())))
        .bind(column(rows, |r| r.spends));
}

/// The one change an audit row sees. `detail` is merged key by key, one level deep.
const RESULT: &str = "
    UPDATE actions
    SET result = $2, reason = $3, started_at = $4, finished_at = $5, error = $6, spends = $8,
        detail = CASE WHEN jsonb_typeof($7::text::jsonb) = 'null' THEN detail
                      WHEN jsonb_typeof($7::text::jsonb) = 'object' AND jsonb_typeof(detail) = 'object'
                      THEN detail || $7::text::jsonb
                      ELSE $7::text::jsonb END
    WHERE id = $1 AND result IS NULL";

fn result(writes: &mut Writes, row: &ResultRow) {
    // The claim was held, so nobody else can have set it: without a row, it is not there or has its result.
    writes
        .part_that_must_touch(RESULT)
        .bind(DbId::of(row.action_id))
        .bind(row.result.as_str())
        .bind(clean_opt(row.reason.as_deref()))
        .bind(row.started_at.map(DbTime))
        .bind(DbTime(row.finished_at))
        .bind(clean_opt(row.error.as_deref()))
        .bind(json(&row.detail))
        .bind(row.spends);
}

const VERDICTS: &str = "
    INSERT INTO verdicts (action_id, at, verdict, reason)
    SELECT * FROM UNNEST($1::uuid[], $2::timestamptz[], $3::text[], $4::text[])";

fn verdicts(writes: &mut Writes, rows: &[&VerdictRow]) {
    if rows.is_empty() {
        return;
    }
    writes
        .part(VERDICTS)
        .bind(column(rows, |r| DbId::of(r.action_id)))
        .bind(column(rows, |r| DbTime(r.at)))
        .bind(column(rows, |r| r.verdict.as_str()))
        .bind(column(rows, |r| clean(&r.reason)));
}

const TRANSITIONS: &str = "
    INSERT INTO transitions (remediation_id, at, state, what, detail)
    SELECT n.remediation_id, n.at, n.state, n.what, n.detail::jsonb
    FROM UNNEST($1::uuid[], $2::timestamptz[], $3::text[], $4::text[], $5::text[])
        AS n (remediation_id, at, state, what, detail)";

fn transitions(writes: &mut Writes, rows: &[&TransitionRow]) {
    if rows.is_empty() {
        return;
    }
    writes
        .part(TRANSITIONS)
        .bind(column(rows, |r| DbId::of(r.remediation_id)))
        .bind(column(rows, |r| DbTime(r.at)))
        .bind(column(rows, |r| r.state.as_str()))
        .bind(column(rows, |r| clean(&r.what)))
        .bind(column(rows, |r| json(&r.detail)));
}

const EVENTS: &str = "
    INSERT INTO events (id, at, event, severity, details)
    SELECT n.id, n.at, n.event, n.severity, n.details::jsonb
    FROM UNNEST($1::uuid[], $2::timestamptz[], $3::text[], $4::text[], $5::text[]) AS n (id, at, event, severity, details)";

fn events(writes: &mut Writes, rows: &[&EventRow]) {
    if rows.is_empty() {
        return;
    }
    writes
        .part(EVENTS)
        .bind(column(rows, |r| event_id(r.at)))
        .bind(column(rows, |r| DbTime(r.at)))
        .bind(column(rows, |r| r.event))
        .bind(column(rows, |r| r.severity.as_str()))
        .bind(column(rows, |r| json(&r.details)));
}
