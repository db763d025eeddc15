//! Work on remediations: claimed by lease, committed by compare-and-set, given back.

use async_trait::async_trait;
use sqlx::Connection;

use super::dialect::{BEGIN_DECIDING, Conn, Database, tell};
use super::{audit, decision, facts, ledger, runs};
use crate::db_types::{DbId, DbTime};
use crate::error::During;
use crate::rows::ClaimedRow;
use crate::text::clean;
use fettle_core::id::{ActionId, ReplicaId};
use fettle_core::ports::model::{Admission, Claim, Claimed, Commit, Facts, FactsAsk, Ledger, LedgerAsk, Stored};
use fettle_core::ports::{Effects, Judge, StoreError, Work};
use fettle_core::remediation::record::Record;
use fettle_core::remediation::refusal::Guard;
use fettle_core::remediation::state::Remediation;
use fettle_core::time::Timestamp;

#[async_trait]
impl Work<Remediation> for Database {
    async fn claim(
        &self,
        owner: ReplicaId,
        now: Timestamp,
        lease_until: Timestamp,
        limit: u32,
    ) -> Result<Vec<Claimed<Remediation>>, StoreError> {
        writing!(self, claim(owner, now, lease_until, limit))
    }

    async fn next_due(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        reading!(self, next_due(now))
    }

    async fn facts(&self, ask: &FactsAsk) -> Result<Facts, StoreError> {
        reading!(self, facts::facts(ask))
    }

    async fn admit(
        &self,
        claim: &Claim,
        asks: &[&LedgerAsk],
        judge: Judge<'_, Remediation>,
    ) -> Result<Admission<Remediation>, StoreError> {
        admitting!(self, ledger::admit(claim, asks, judge))
    }

    async fn commit(&self, claim: &Claim, decision: &Commit<Remediation>) -> Result<Option<Stored>, StoreError> {
        writing!(self, commit(claim, decision))
    }
}

#[async_trait]
impl Effects for Database {
    async fn peek(&self, asks: &[&LedgerAsk]) -> Result<Vec<Ledger>, StoreError> {
        reading!(self, ledger::peek(asks))
    }

    async fn late(&self, action: ActionId, records: &[Record]) -> Result<bool, StoreError> {
        writing!(self, audit::late(action, records))
    }
}

/// Claiming raises the version too: a claim that ran out stays lost even when its owner claims again.
const CLAIM: &str = sql!("
    WITH due AS (
        SELECT id AS due_id FROM remediations
        WHERE state <> 'closed' AND due_at <= $2 AND (lease_owner IS NULL OR lease_until < $2)
        ORDER BY due_at, id
        LIMIT $4
        " LOCKED_IF_FREE "
    )
    UPDATE remediations SET lease_owner = $1, lease_until = $3, version = version + 1
    FROM due WHERE id = due_id
    RETURNING id, version, wakes, due_at, doc");

/// Claims what is due, earliest first.
pub(super) async fn claim(
    connection: &mut Conn,
    owner: ReplicaId,
    now: Timestamp,
    lease_until: Timestamp,
    limit: u32,
) -> Result<Vec<Claimed<Remediation>>, StoreError> {
    let rows: Vec<ClaimedRow> = sqlx::query_as(CLAIM)
        .bind(DbId::of(owner))
        .bind(DbTime(now))
        .bind(DbTime(lease_until))
        .bind(i64::from(limit))
        .fetch_all(connection)
        .await
        .during("claim what is due")?;
    Ok(ClaimedRow::read_all(rows, owner))
}

const NEXT_DUE: &str = "
    SELECT min(due_at) FROM remediations
    WHERE state <> 'closed' AND (lease_owner IS NULL OR lease_until < $1)";

/// When the next unclaimed remediation is due.
pub(super) async fn next_due(connection: &mut Conn, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
    let due: Option<DbTime> =
        sqlx::query_scalar(NEXT_DUE).bind(DbTime(now)).fetch_one(connection).await.during("ask what is due next")?;
    Ok(due.map(Into::into))
}

/// Stores a decision, or nothing when the claim was lost.
pub(super) async fn commit(
    connection: &mut Conn,
    claim: &Claim,
    commit: &Commit<Remediation>,
) -> Result<Option<Stored>, StoreError> {
    const WHAT: &str = "store a decision";
    if commit.records.is_empty() && commit.effort.outcome().is_none() {
        // One statement that nothing depends on needs no transaction around it.
        return decision::write(connection, claim, commit).await;
    }
    let mut tx = connection.begin_with(BEGIN_DECIDING).await.during(WHAT)?;
    // Dropping the transaction rolls back.
    let Some(closed) = decision::write(&mut tx, claim, commit).await? else { return Ok(None) };
    tx.commit().await.during(WHAT)?;
    Ok(Some(closed))
}

const RELEASE: &str = "UPDATE remediations SET lease_owner = NULL, lease_until = NULL WHERE lease_owner = $1";
const RELEASE_LOANS: &str = "UPDATE loans SET lease_owner = NULL, lease_until = NULL WHERE lease_owner = $1";
const RELEASE_OUTBOX: &str = "UPDATE announcements SET lease_owner = NULL, lease_until = NULL WHERE lease_owner = $1";

/// Gives back every claim of `owner`, whatever it is on.
pub(super) async fn release(connection: &mut Conn, owner: ReplicaId) -> Result<u64, StoreError> {
    let mut released = 0;
    for statement in [RELEASE, RELEASE_LOANS, RELEASE_OUTBOX] {
        let done =
            sqlx::query(statement).bind(DbId::of(owner)).execute(&mut *connection).await.during("give back claims")?;
        released += done.rows_affected();
    }
    runs::release(connection, DbId::of(owner)).await.during("give back claims")?;
    if released > 0 {
        tell(connection).await.during("give back claims")?;
    }
    Ok(released)
}

/// What a person took back need not be waited for any longer.
const WAKE_BLOCKED: &str = sql!("
    UPDATE remediations SET due_at = " LEAST "(due_at, $3), wakes = wakes + 1
    WHERE state = 'blocked' AND reason = $1 AND (rule = $2 OR $2 IS NULL)");

/// Remediations that this guard blocks are due now, those of one rule or all.
pub(super) async fn wake_blocked(tx: &mut Conn, guard: Guard, rule: Option<&str>, now: Timestamp) -> sqlx::Result<()> {
    let rule = rule.map(clean);
    let woken = sqlx::query(WAKE_BLOCKED).bind(guard.as_str()).bind(rule).bind(DbTime(now)).execute(&mut *tx).await?;
    if woken.rows_affected() > 0 { tell(tx).await } else { Ok(()) }
}
