//! What is the case around a remediation: everything a decision is made from, in one statement.

use sqlx::PgConnection;

use crate::around::{
    self, AlertColumns, AnswerColumns, BreakerColumns, LoanColumns, PauseColumns, RELATED_MAX, StormColumns,
    UNPROVEN_MAX,
};
use crate::db_types::{DbId, DbTime};
use crate::error::During;
use crate::rows::Garbled;
use crate::text::{clean, clean_opt, json, name, name_opt};
use fettle_core::alert::episode::AlertState;
use fettle_core::ports::StoreError;
use fettle_core::ports::model::{Facts, FactsAsk};
use fettle_core::surroundings::Surroundings;
use fettle_core::time::Timestamp;

/// Each branch has its index, and most find nothing. The limits inside keep the branches apart: alerts without a name are
/// looked for among all of them only where an `unless` names none. Verdicts until infinity and a limit on what is meant tell
/// the planner that both are few, whatever the parameters: planning it for each call would take longer than executing it.
const FACTS: &str = "
    SELECT
        (SELECT array_agg(ROW(ROW(a.fingerprint, a.episode, a.firing, a.starts_at, a.first_at, a.evidence_at, a.heard_at,
                                  a.ended_at, a.end_heard_at), a.labels) ORDER BY a.fingerprint)
         FROM candidates c JOIN alerts a ON a.fingerprint = c.fingerprint
         WHERE c.remediation_id = $1 AND c.standing = 'attached'),
        (SELECT array_agg(ROW(id, scope, about, reason, by, at, until) ORDER BY at DESC, id DESC) FROM pauses
         WHERE ended_at IS NULL AND (until IS NULL OR until > $2)),
        (SELECT ROW(opened_at, probe) FROM breakers WHERE rule = $3),
        array(SELECT at FROM unproven WHERE rule = $3 AND at >= $4 AND at < 'infinity' ORDER BY at DESC LIMIT $5),
        (SELECT ROW(since, last_at, targets) FROM storm WHERE id = 1),
        (SELECT array_agg(ROW(id, remediation_id, target, doc -> 'effect', due_at) ORDER BY opened_at, id) FROM loans
         WHERE closed_at IS NULL AND (target = $6 OR $7 = ANY(keys))),
        (SELECT ROW(id, kind, plan, by, at) FROM answers WHERE remediation_id = $1 ORDER BY at DESC, id DESC LIMIT 1),
        (SELECT array_agg(ROW(ROW(fingerprint, episode, firing, starts_at, first_at, evidence_at, heard_at, ended_at,
                                  end_heard_at), labels))
         FROM (
            SELECT DISTINCT ON (a.fingerprint) a.*
            FROM (SELECT * FROM UNNEST($8::text[], $9::text[]) AS it (alertname, labels) LIMIT $11) meant
            CROSS JOIN LATERAL (
                (SELECT * FROM alerts
                 WHERE alertname = meant.alertname AND firing AND evidence_at >= $10
                   AND labels @> meant.labels::jsonb LIMIT $11)
                UNION ALL
                (SELECT * FROM alerts
                 WHERE meant.alertname IS NULL AND firing AND evidence_at >= $10
                   AND labels @> meant.labels::jsonb LIMIT $11)
            ) a
            ORDER BY a.fingerprint LIMIT $11
         ) related)";

/// No rows make no array.
type Rows<T> = Option<Vec<T>>;

/// Everything in one round trip.
pub(super) async fn facts(connection: &mut PgConnection, ask: &FactsAsk) -> Result<Facts, StoreError> {
    const WHAT: &str = "read the facts";
    type Row = (
        Rows<AlertColumns>,
        Rows<PauseColumns>,
        Option<BreakerColumns>,
        Vec<DbTime>,
        Option<StormColumns>,
        Rows<LoanColumns>,
        Option<AnswerColumns>,
        Rows<AlertColumns>,
    );
    let row: Row = sqlx::query_as(FACTS)
        .bind(DbId::of(ask.remediation))
        .bind(DbTime(ask.now))
        .bind(clean(&ask.rule))
        .bind(DbTime(ask.unproven_since))
        .bind(UNPROVEN_MAX)
        .bind(clean(&ask.target))
        .bind(clean_opt(ask.key.as_deref()))
        .bind(ask.unless.iter().map(|it| name_opt(it.find("alertname"))).collect::<Vec<_>>())
        .bind(ask.unless.iter().map(json).collect::<Vec<_>>())
        .bind(DbTime(ask.unless_since))
        .bind(RELATED_MAX)
        .fetch_one(connection)
        .await
        .during(WHAT)?;
    let (attached, pauses, breaker, unproven, storm, loans, answer, related) = row;
    let read = || {
        Ok(Facts {
            alerts: alerts(attached)?,
            surroundings: Surroundings {
                pauses: pauses.into_iter().flatten().map(around::pause).collect::<Result<_, _>>()?,
                storm: storm.map(around::storm),
                breaker: around::breaker(breaker, unproven),
                loans: loans.into_iter().flatten().map(around::open_loan).collect(),
                related: alerts(related)?,
                answer: answer.map(around::answer).transpose()?,
                ..Surroundings::default()
            },
        })
    };
    read().map_err(|garbled: Garbled| garbled.during(WHAT))
}

fn alerts(rows: Rows<AlertColumns>) -> Result<Vec<AlertState>, Garbled> {
    rows.into_iter().flatten().map(around::alert).collect()
}

/// Evidence of an alert is what was heard of it while it fired.
const LAST_HEARD: &str = "SELECT max(evidence_at) FROM alerts WHERE alertname = $1";

/// When the alert of this name was last heard firing.
pub(super) async fn last_heard(
    connection: &mut PgConnection,
    alertname: &str,
) -> Result<Option<Timestamp>, StoreError> {
    let at: Option<DbTime> = sqlx::query_scalar(LAST_HEARD)
        .bind(name(alertname))
        .fetch_one(connection)
        .await
        .during("ask for the heartbeat")?;
    Ok(at.map(Into::into))
}
