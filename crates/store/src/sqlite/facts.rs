//! What is the case around a remediation: everything a decision is made from, in one transaction that sees one state.

use sqlx::{Connection, SqliteConnection};

use super::{pauses, standing, storm, unproven};
use crate::around::{self, AnswerColumns, LoanColumns, RELATED_MAX};
use crate::db_types::{DbId, DbTime};
use crate::error::During;
use crate::rows::{AlertRow, Garbled, alert, read};
use crate::text::{self, clean, clean_opt, json};
use fettle_core::alert::episode::AlertState;
use fettle_core::alert::labels::Labels;
use fettle_core::ports::StoreError;
use fettle_core::ports::model::{Facts, FactsAsk};
use fettle_core::surroundings::Surroundings;
use fettle_core::time::Timestamp;

const WHAT: &str = "read the facts";

const LOANS: &str = "
    SELECT id, remediation_id, target, doc -> 'effect', due_at FROM loans
    WHERE closed_at IS NULL AND (target = $1 OR EXISTS (SELECT 1 FROM json_each(keys) WHERE value = $2))
    ORDER BY opened_at, id";

const ANSWER: &str = "
    SELECT id, kind, plan, by, at FROM answers WHERE remediation_id = $1 ORDER BY at DESC, id DESC LIMIT 1";

/// Everything, in one transaction.
pub(super) async fn facts(connection: &mut SqliteConnection, ask: &FactsAsk) -> Result<Facts, StoreError> {
    let mut tx = connection.begin().await.during(WHAT)?;
    let id = DbId::of(ask.remediation);
    let alerts = standing::attached(&mut tx, ask.remediation).await?;
    let pauses = pauses::pauses(&mut tx, ask.now).await?;
    let storm = storm::storm(&mut tx).await?;
    let breaker = unproven::breaker(&mut tx, &ask.rule, ask.unproven_since).await.during(WHAT)?;
    let loans: Vec<LoanColumns> = sqlx::query_as(LOANS)
        .bind(clean(&ask.target))
        .bind(clean_opt(ask.key.as_deref()))
        .fetch_all(&mut *tx)
        .await
        .during(WHAT)?;
    let answer: Option<AnswerColumns> = sqlx::query_as(ANSWER).bind(id).fetch_optional(&mut *tx).await.during(WHAT)?;
    let related = related(&mut tx, ask).await?;
    let told = |garbled: Garbled| garbled.during(WHAT);
    Ok(Facts {
        alerts,
        surroundings: Surroundings {
            pauses,
            storm,
            breaker,
            loans: loans.into_iter().map(around::open_loan).collect(),
            related,
            answer: answer.map(around::answer).transpose().map_err(told)?,
            ..Surroundings::default()
        },
    })
}

/// A label is compared as a key and a value: its name may be anything, so it makes no path.
const NAMED: &str = "
    SELECT fingerprint, labels, episode, firing, starts_at, first_at, evidence_at, heard_at, ended_at, end_heard_at
    FROM alerts a
    WHERE alertname = $4 AND firing AND evidence_at >= $2 AND NOT EXISTS (
        SELECT 1 FROM json_each($1) meant WHERE NOT EXISTS (
            SELECT 1 FROM json_each(a.labels) has WHERE has.key = meant.key AND has.value = meant.value))
    LIMIT $3";

const UNNAMED: &str = "
    SELECT fingerprint, labels, episode, firing, starts_at, first_at, evidence_at, heard_at, ended_at, end_heard_at
    FROM alerts a
    WHERE firing AND evidence_at >= $2 AND NOT EXISTS (
        SELECT 1 FROM json_each($1) meant WHERE NOT EXISTS (
            SELECT 1 FROM json_each(a.labels) has WHERE has.key = meant.key AND has.value = meant.value))
    LIMIT $3";

/// Firing alerts that one of the rule's `unless` could mean, each once.
async fn related(tx: &mut SqliteConnection, ask: &FactsAsk) -> Result<Vec<AlertState>, StoreError> {
    let mut related: Vec<AlertState> = Vec::new();
    for meant in &ask.unless {
        let rows = meant_by(tx, meant, ask.unless_since).await.during(WHAT)?;
        related.extend(read(WHAT, rows, alert)?);
    }
    related.sort_by_key(|alert| alert.fingerprint);
    related.dedup_by_key(|alert| alert.fingerprint);
    related.truncate(usize::try_from(RELATED_MAX).unwrap_or(usize::MAX));
    Ok(related)
}

async fn meant_by(tx: &mut SqliteConnection, meant: &Labels, since: Timestamp) -> sqlx::Result<Vec<AlertRow>> {
    let name = meant.find("alertname");
    let query = sqlx::query_as(if name.is_some() { NAMED } else { UNNAMED });
    let query = query.bind(json(meant)).bind(DbTime(since)).bind(RELATED_MAX);
    let query = if let Some(name) = name { query.bind(text::name(name)) } else { query };
    query.fetch_all(tx).await
}

/// Evidence of an alert is what was heard of it while it fired.
const LAST_HEARD: &str = "SELECT max(evidence_at) FROM alerts WHERE alertname = $1";

/// When the alert of this name was last heard firing.
pub(super) async fn last_heard(
    connection: &mut SqliteConnection,
    alertname: &str,
) -> Result<Option<Timestamp>, StoreError> {
    let at: Option<DbTime> = sqlx::query_scalar(LAST_HEARD)
        .bind(text::name(alertname))
        .fetch_one(connection)
        .await
        .during("ask for the heartbeat")?;
    Ok(at.map(Into::into))
}
