//! Loans as the remediations that make them write them, and what the return of one is decided from. Two texts: keys are JSON
//! here, and a statement more costs no round trip.

use sqlx::SqliteConnection;

use super::pauses;
use crate::around;
use crate::db_types::{DbId, DbTime};
use crate::error::During;
use crate::rows::{AlertRow, alert, read};
use crate::text::{clean, json};
use fettle_core::ports::StoreError;
use fettle_core::ports::model::{LoanFacts, LoanFactsAsk};
use fettle_core::remediation::loan::Loan;

/// A loan that is over before it was opened was never one. What is over stays as it is. Whoever voids a loan may know fewer
/// of its keys than whoever opened it.
const LOAN: &str = "
    INSERT INTO loans (id, remediation_id, rule, target, target_key, keys, state, reason, opened_at, closed_at, due_at, doc)
    SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12
    WHERE $10 IS NULL OR EXISTS (SELECT 1 FROM loans WHERE id = $1)
    ON CONFLICT (id) DO UPDATE
    SET keys = CASE WHEN json_array_length(excluded.keys) < json_array_length(loans.keys) THEN loans.keys
                    ELSE excluded.keys END,
        doc = CASE WHEN json_array_length(excluded.keys) < json_array_length(loans.keys)
                   THEN json_set(excluded.doc, '$.keys', json(loans.keys)) ELSE excluded.doc END,
        state = excluded.state, reason = excluded.reason, closed_at = excluded.closed_at, due_at = excluded.due_at,
        version = loans.version + 1, lease_owner = NULL, lease_until = NULL
    WHERE loans.closed_at IS NULL";

/// Writes loans as the remediations that lend want them, inside their transaction.
pub(super) async fn write(tx: &mut SqliteConnection, rows: &[&Loan]) -> sqlx::Result<()> {
    for loan in rows {
        let end = around::loan_end(loan);
        sqlx::query(LOAN)
            .bind(DbId::of(loan.id))
            .bind(DbId::of(loan.remediation))
            .bind(clean(&loan.rule))
            .bind(clean(&loan.target.to_string()))
            .bind(clean(&loan.key))
            .bind(json(&loan.keys))
            .bind(loan.word())
            .bind(end.map(|(_, reason)| clean(reason)))
            .bind(DbTime(loan.opened_at))
            .bind(end.map(|(at, _)| DbTime(at)))
            .bind(loan.due().map(DbTime))
            .bind(json(loan))
            .execute(&mut *tx)
            .await?;
    }
    Ok(())
}

/// The alerts of every remediation of this rule and target: a later one may have taken over what fires by now.
const ALERTS: &str = "
    SELECT fingerprint, labels, episode, firing, starts_at, first_at, evidence_at, heard_at, ended_at, end_heard_at
    FROM alerts WHERE fingerprint IN (
        SELECT c.fingerprint FROM remediations r JOIN candidates c ON c.remediation_id = r.id
        WHERE r.target = $1 AND r.rule = $2)
    ORDER BY fingerprint";

/// What the return of a loan is decided from.
pub(super) async fn facts(connection: &mut SqliteConnection, ask: &LoanFactsAsk) -> Result<LoanFacts, StoreError> {
    const WHAT: &str = "read what is around a loan";
    let rows: Vec<AlertRow> = sqlx::query_as(ALERTS)
        .bind(clean(&ask.target))
        .bind(clean(&ask.rule))
        .fetch_all(&mut *connection)
        .await
        .during(WHAT)?;
    Ok(LoanFacts { alerts: read(WHAT, rows, alert)?, pauses: pauses::pauses(connection, ask.now).await? })
}
