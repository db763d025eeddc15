//! Loans as the remediations that make them write them, and what the return of one is decided from. Two texts: keys are an array
//! here, and the facts come in one round trip.

use sqlx::PgConnection;

use crate::around::{self, AlertColumns, PauseColumns};
use crate::db_types::{DbId, DbTime};
use crate::document::Document;
use crate::error::During;
use crate::text::clean;
use fettle_core::ports::StoreError;
use fettle_core::ports::model::{LoanFacts, LoanFactsAsk};
use fettle_core::remediation::loan::Loan;

/// A loan that is over before it was opened was never one. What is over stays as it is. Whoever voids a loan may know fewer
/// of its keys than whoever opened it.
const LOAN: &str = "
    INSERT INTO loans (id, remediation_id, rule, target, target_key, keys, state, reason, opened_at, closed_at, due_at, doc)
    SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12
    WHERE $10::timestamptz IS NULL OR EXISTS (SELECT 1 FROM loans WHERE id = $1)
    ON CONFLICT (id) DO UPDATE
    SET keys = CASE WHEN cardinality(excluded.keys) < cardinality(loans.keys) THEN loans.keys ELSE excluded.keys END,
        doc = CASE WHEN cardinality(excluded.keys) < cardinality(loans.keys)
                   THEN excluded.doc || jsonb_build_object('keys', to_jsonb(loans.keys)) ELSE excluded.doc END,
        state = excluded.state, reason = excluded.reason, closed_at = excluded.closed_at, due_at = excluded.due_at,
        version = loans.version + 1, lease_owner = NULL, lease_until = NULL
    WHERE loans.closed_at IS NULL";

/// Writes loans as the remediations that lend want them, inside their transaction.
pub(super) async fn write(tx: &mut PgConnection, rows: &[&Loan]) -> sqlx::Result<()> {
    for loan in rows {
        let end = around::loan_end(loan);
        sqlx::query(LOAN)
            .bind(DbId::of(loan.id))
            .bind(DbId::of(loan.remediation))
            .bind(clean(&loan.rule))
            .bind(clean(&loan.target.to_string()))
            .bind(clean(&loan.key))
            .bind(loan.keys.iter().map(|key| clean(key)).collect::<Vec<_>>())
            .bind(loan.word())
            .bind(end.map(|(_, reason)| clean(reason)))
            .bind(DbTime(loan.opened_at))
            .bind(end.map(|(at, _)| DbTime(at)))
            .bind(loan.due().map(DbTime))
            .bind(Document::of(loan))
            .execute(&mut *tx)
            .await?;
    }
    Ok(())
}

/// The alerts of every remediation of this rule and target: a later one may have taken over what fires by now.
const FACTS: &str = "
    SELECT
        (SELECT array_agg(ROW(ROW(fingerprint, episode, firing, starts_at, first_at, evidence_at, heard_at, ended_at,
                                  end_heard_at), labels) ORDER BY fingerprint)
         FROM alerts WHERE fingerprint IN (
            SELECT c.fingerprint FROM remediations r JOIN candidates c ON c.remediation_id = r.id
            WHERE r.target = $1 AND r.rule = $2)),
        (SELECT array_agg(ROW(id, scope, about, reason, by, at, until) ORDER BY at DESC, id DESC) FROM pauses
         WHERE ended_at IS NULL AND (until IS NULL OR until > $3))";

/// What the return of a loan is decided from.
pub(super) async fn facts(connection: &mut PgConnection, ask: &LoanFactsAsk) -> Result<LoanFacts, StoreError> {
    const WHAT: &str = "read what is around a loan";
    let (alerts, pauses): (Option<Vec<AlertColumns>>, Option<Vec<PauseColumns>>) = sqlx::query_as(FACTS)
        .bind(clean(&ask.target))
        .bind(clean(&ask.rule))
        .bind(DbTime(ask.now))
        .fetch_one(connection)
        .await
        .during(WHAT)?;
    let alerts: Result<_, _> = alerts.into_iter().flatten().map(around::alert).collect();
    let pauses: Result<_, _> = pauses.into_iter().flatten().map(around::pause).collect();
    alerts.and_then(|alerts| Ok(LoanFacts { alerts, pauses: pauses? })).map_err(|garbled| garbled.during(WHAT))
}
