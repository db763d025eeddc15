//! Loans: opened and voided by the remediation that lends, claimed and returned by themselves.
//!
//! As with remediations, a loan is changed only by whoever holds its claim. The one exception is the remediation that lent
//! and found that nothing happened: it closes the loan whoever holds it, and that one's commit finds its claim lost.

use sqlx::{SqliteConnection, SqlitePool};
use uuid::Uuid;

use super::connect::BEGIN;
use super::{audit, pauses};
use crate::around::{self, ClaimedLoanColumns};
use crate::error::During;
use crate::instant::{Id, Instant};
use crate::rows::{AlertRow, read};
use crate::text::{clean, clean_opt, json};
use fettle_core::ports::StoreError;
use fettle_core::ports::model::{Claim, Claimed, Commit, LoanFacts, LoanFactsAsk, Stored};
use fettle_core::remediation::loan::Loan;
use fettle_core::time::Timestamp;

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
            .bind(Id(loan.id))
            .bind(Id(loan.remediation))
            .bind(clean(&loan.rule))
            .bind(clean(&loan.target.to_string()))
            .bind(clean(&loan.key))
            .bind(json(&loan.keys))
            .bind(loan.word())
            .bind(end.map(|(_, reason)| clean(reason)))
            .bind(Instant(loan.opened_at))
            .bind(end.map(|(at, _)| Instant(at)))
            .bind(loan.due().map(Instant))
            .bind(json(loan))
            .execute(&mut *tx)
            .await?;
    }
    Ok(())
}

const CLAIM: &str = "
    UPDATE loans SET lease_owner = $1, lease_until = $3, version = version + 1
    WHERE id IN (
        SELECT id FROM loans
        WHERE closed_at IS NULL AND due_at <= $2 AND (lease_owner IS NULL OR lease_until < $2)
        ORDER BY due_at, id
        LIMIT $4
    )
    RETURNING id, version, due_at, doc";

/// Claims what is due, earliest first.
pub(super) async fn claim(
    pool: &SqlitePool,
    owner: Uuid,
    now: Timestamp,
    lease_until: Timestamp,
    limit: u32,
) -> Result<Vec<Claimed<Loan>>, StoreError> {
    let rows: Vec<ClaimedLoanColumns> = sqlx::query_as(CLAIM)
        .bind(Id(owner))
        .bind(Instant(now))
        .bind(Instant(lease_until))
        .bind(i64::from(limit))
        .fetch_all(pool)
        .await
        .during("claim the loans that are due")?;
    Ok(around::claimed_loans(rows, owner))
}

const NEXT_DUE: &str =
    "SELECT min(due_at) FROM loans WHERE closed_at IS NULL AND (lease_owner IS NULL OR lease_until < $1)";

/// When the next unclaimed loan is due.
pub(super) async fn next_due(pool: &SqlitePool, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
    let due: Option<Instant> = sqlx::query_scalar(NEXT_DUE)
        .bind(Instant(now))
        .fetch_one(pool)
        .await
        .during("read when the next loan is due")?;
    Ok(due.map(Into::into))
}

/// The alerts of every remediation of this rule and target: a later one may have taken over what fires by now.
const ALERTS: &str = "
    SELECT fingerprint, labels, episode, firing, starts_at, first_at, evidence_at, heard_at, ended_at, end_heard_at
    FROM alerts WHERE fingerprint IN (
        SELECT c.fingerprint FROM remediations r JOIN candidates c ON c.remediation_id = r.id
        WHERE r.target = $1 AND r.rule = $2)
    ORDER BY fingerprint";

/// What the return of a loan is decided from.
pub(super) async fn facts(pool: &SqlitePool, ask: &LoanFactsAsk) -> Result<LoanFacts, StoreError> {
    const WHAT: &str = "read what is around a loan";
    let rows: Vec<AlertRow> =
        sqlx::query_as(ALERTS).bind(clean(&ask.target)).bind(clean(&ask.rule)).fetch_all(pool).await.during(WHAT)?;
    Ok(LoanFacts { alerts: read(WHAT, rows)?, pauses: pauses::pauses(pool, ask.now).await? })
}

/// Compare and set.
const COMMIT: &str = "
    UPDATE loans
    SET version = version + 1, state = $4, reason = $5, closed_at = $6, due_at = $7, doc = $8,
        lease_owner = CASE WHEN $9 IS NOT NULL THEN lease_owner END,
        lease_until = $9
    WHERE id = $1 AND version = $2 AND lease_owner = $3";

/// Stores a decision, or nothing when the claim was lost.
pub(super) async fn commit(
    pool: &SqlitePool,
    claim: &Claim,
    commit: &Commit<Loan>,
) -> Result<Option<Stored>, StoreError> {
    const WHAT: &str = "store a decision about a loan";
    let mut tx = pool.begin_with(BEGIN).await.during(WHAT)?;
    // Dropping the transaction rolls back.
    let Some(stored) = write_claimed(&mut tx, claim, commit).await? else { return Ok(None) };
    tx.commit().await.during(WHAT)?;
    Ok(Some(stored))
}

/// Writes a decision inside a transaction. `None` when the claim was lost; the transaction must then be rolled back.
pub(super) async fn write_claimed(
    tx: &mut SqliteConnection,
    claim: &Claim,
    commit: &Commit<Loan>,
) -> Result<Option<Stored>, StoreError> {
    let loan = &commit.effort;
    let end = around::loan_end(loan);
    let keep_until = commit.keep_until.filter(|_| end.is_none());
    let done = sqlx::query(COMMIT)
        .bind(Id(claim.id))
        .bind(claim.version)
        .bind(Id(claim.owner))
        .bind(loan.word())
        .bind(clean_opt(end.map(|(_, reason)| reason)))
        .bind(end.map(|(at, _)| Instant(at)))
        .bind(loan.due().map(Instant))
        .bind(json(loan))
        .bind(keep_until.map(Instant))
        .execute(&mut *tx)
        .await
        .during("store a decision about a loan")?;
    if done.rows_affected() == 0 {
        return Ok(None);
    }
    audit::write(tx, &commit.records).await?;
    let claim = Claim { version: claim.version + 1, ..claim.clone() };
    Ok(Some(Stored { claim, waiting: Vec::new() }))
}
