//! Loans: opened and voided by the remediation that lends, claimed and returned by themselves.
//!
//! As with remediations, a loan is changed only by whoever holds its claim. The one exception is the remediation that lent
//! and found that nothing happened: it closes the loan whoever holds it, and that one's commit finds its claim lost.

use async_trait::async_trait;
use sqlx::Connection;

use super::dialect::{BEGIN, Conn, Database};
use super::{audit, ledger, lending};
use crate::around::{self, ClaimedLoanColumns};
use crate::db_types::{DbId, DbTime};
use crate::document::Document;
use crate::error::During;
use crate::text::clean_opt;
use fettle_core::id::ReplicaId;
use fettle_core::ports::model::{Admission, Claim, Claimed, Commit, LedgerAsk, LoanFacts, LoanFactsAsk, Stored};
use fettle_core::ports::{Judge, StoreError, Work};
use fettle_core::remediation::loan::Loan;
use fettle_core::time::Timestamp;

#[async_trait]
impl Work<Loan> for Database {
    async fn claim(
        &self,
        owner: ReplicaId,
        now: Timestamp,
        lease_until: Timestamp,
        limit: u32,
    ) -> Result<Vec<Claimed<Loan>>, StoreError> {
        writing!(self, claim(owner, now, lease_until, limit))
    }

    async fn next_due(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        reading!(self, next_due(now))
    }

    async fn facts(&self, ask: &LoanFactsAsk) -> Result<LoanFacts, StoreError> {
        reading!(self, lending::facts(ask))
    }

    async fn admit(
        &self,
        claim: &Claim,
        asks: &[&LedgerAsk],
        judge: Judge<'_, Loan>,
    ) -> Result<Admission<Loan>, StoreError> {
        admitting!(self, ledger::admit_return(claim, asks, judge))
    }

    async fn commit(&self, claim: &Claim, decision: &Commit<Loan>) -> Result<Option<Stored>, StoreError> {
        writing!(self, commit(claim, decision))
    }
}

const CLAIM: &str = sql!("
    WITH due AS (
        SELECT id AS due_id FROM loans
        WHERE closed_at IS NULL AND due_at <= $2 AND (lease_owner IS NULL OR lease_until < $2)
        ORDER BY due_at, id
        LIMIT $4
        " LOCKED_IF_FREE "
    )
    UPDATE loans SET lease_owner = $1, lease_until = $3, version = version + 1
    FROM due WHERE id = due_id
    RETURNING id, version, due_at, doc");

/// Claims what is due, earliest first.
pub(super) async fn claim(
    connection: &mut Conn,
    owner: ReplicaId,
    now: Timestamp,
    lease_until: Timestamp,
    limit: u32,
) -> Result<Vec<Claimed<Loan>>, StoreError> {
    let rows: Vec<ClaimedLoanColumns> = sqlx::query_as(CLAIM)
        .bind(DbId::of(owner))
        .bind(DbTime(now))
        .bind(DbTime(lease_until))
        .bind(i64::from(limit))
        .fetch_all(connection)
        .await
        .during("claim the loans that are due")?;
    Ok(around::claimed_loans(rows, owner))
}

const NEXT_DUE: &str =
    "SELECT min(due_at) FROM loans WHERE closed_at IS NULL AND (lease_owner IS NULL OR lease_until < $1)";

/// When the next unclaimed loan is due.
pub(super) async fn next_due(connection: &mut Conn, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
    let due: Option<DbTime> = sqlx::query_scalar(NEXT_DUE)
        .bind(DbTime(now))
        .fetch_one(connection)
        .await
        .during("read when the next loan is due")?;
    Ok(due.map(Into::into))
}

/// Compare and set.
const COMMIT: &str = sql!("
    UPDATE loans
    SET version = version + 1, state = $4, reason = $5, closed_at = $6, due_at = $7, doc = $8,
        lease_owner = CASE WHEN $9 " INSTANT " IS NOT NULL THEN lease_owner END,
        lease_until = $9
    WHERE id = $1 AND version = $2 AND lease_owner = $3");

/// Stores a decision, or nothing when the claim was lost.
pub(super) async fn commit(
    connection: &mut Conn,
    claim: &Claim,
    commit: &Commit<Loan>,
) -> Result<Option<Stored>, StoreError> {
    const WHAT: &str = "store a decision about a loan";
    let mut tx = connection.begin_with(BEGIN).await.during(WHAT)?;
    // Dropping the transaction rolls back.
    let Some(stored) = write_claimed(&mut tx, claim, commit).await? else { return Ok(None) };
    tx.commit().await.during(WHAT)?;
    Ok(Some(stored))
}

/// Writes a decision inside a transaction. `None` when the claim was lost; the transaction must then be rolled back.
pub(super) async fn write_claimed(
    tx: &mut Conn,
    claim: &Claim,
    commit: &Commit<Loan>,
) -> Result<Option<Stored>, StoreError> {
    let loan = &commit.effort;
    let end = around::loan_end(loan);
    let keep_until = commit.keep_until.filter(|_| end.is_none());
    let done = sqlx::query(COMMIT)
        .bind(DbId::of(claim.id))
        .bind(claim.version)
        .bind(DbId::of(claim.owner))
        .bind(loan.word())
        .bind(clean_opt(end.map(|(_, reason)| reason)))
        .bind(end.map(|(at, _)| DbTime(at)))
        .bind(loan.due().map(DbTime))
        .bind(Document::of(loan))
        .bind(keep_until.map(DbTime))
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
