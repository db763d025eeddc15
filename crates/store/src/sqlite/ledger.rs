//! Admission of an effect: read the ledger, ask the core, store the intent, all in one transaction that has begun
//! `IMMEDIATE`: nobody else writes meanwhile, which is the lock over every budget.

use sqlx::{Connection, SqliteConnection};

use super::dialect::BEGIN;
use super::{decision, loans, unproven};
use crate::around::{self, LoanColumns};
use crate::db_types::{DbId, DbTime};
use crate::error::During;
use crate::text::{clean, json};
use fettle_core::id::RemediationId;
use fettle_core::ports::model::{Admission, Claim, Ledger, LedgerAsk, Scope, ScopeKind};
use fettle_core::ports::{Judge, StoreError};
use fettle_core::remediation::loan::Loan;
use fettle_core::remediation::state::Remediation;
use fettle_core::time::{Timestamp, before};

const WHAT: &str = "admit an effect";

/// Reads the ledger under the lock, lets `judge` decide, stores its commit or nothing.
pub(super) async fn admit(
    connection: &mut SqliteConnection,
    claim: &Claim,
    asks: &[&LedgerAsk],
    judge: Judge<'_, Remediation>,
) -> Result<Admission<Remediation>, StoreError> {
    let mut tx = connection.begin_with(BEGIN).await.during(WHAT)?;
    let ledgers = read_all(&mut tx, asks).await?;
    // Dropping the transaction rolls back and frees the lock.
    let commit = match around::judged(judge, &ledgers) {
        Ok(commit) => commit,
        Err(no) => return Ok(no),
    };
    let Some(stored) = decision::write(&mut tx, claim, &commit).await? else { return Ok(Admission::Lost) };
    tx.commit().await.during(WHAT)?;
    Ok(Admission::Admitted { stored, commit })
}

/// As [`admit`], for the return of a loan. The remediation that made the loan is like any other here: while it acts or
/// verifies, its loan is not returned.
pub(super) async fn admit_return(
    connection: &mut SqliteConnection,
    claim: &Claim,
    asks: &[&LedgerAsk],
    judge: Judge<'_, Loan>,
) -> Result<Admission<Loan>, StoreError> {
    let asks: Vec<_> = asks.iter().map(|&ask| LedgerAsk { remediation: RemediationId::nil(), ..ask.clone() }).collect();
    let asks: Vec<_> = asks.iter().collect();
    let mut tx = connection.begin_with(BEGIN).await.during(WHAT)?;
    let ledgers = read_all(&mut tx, &asks).await?;
    let commit = match around::judged(judge, &ledgers) {
        Ok(commit) => commit,
        Err(no) => return Ok(no),
    };
    let Some(stored) = loans::write_claimed(&mut tx, claim, &commit).await? else { return Ok(Admission::Lost) };
    tx.commit().await.during(WHAT)?;
    Ok(Admission::Admitted { stored, commit })
}

/// Reads the ledger for each of `asks` in a transaction that changes nothing.
pub(super) async fn peek(connection: &mut SqliteConnection, asks: &[&LedgerAsk]) -> Result<Vec<Ledger>, StoreError> {
    let mut tx = connection.begin().await.during("read the ledger")?;
    read_all(&mut tx, asks).await
}

async fn read_all(tx: &mut SqliteConnection, asks: &[&LedgerAsk]) -> Result<Vec<Ledger>, StoreError> {
    let mut ledgers = Vec::with_capacity(asks.len());
    for ask in asks {
        ledgers.push(read(tx, ask).await.during("read the ledger")?);
    }
    Ok(ledgers)
}

const FLEET: &str = "
    SELECT count(*), min(planned_at) FROM (
        SELECT planned_at FROM actions
        WHERE spends AND mode = $1 AND planned_at >= $2
        ORDER BY planned_at DESC LIMIT $3
    )";

const RULE: &str = "
    SELECT count(*), min(planned_at) FROM (
        SELECT planned_at FROM actions
        WHERE spends AND mode = $1 AND planned_at >= $2 AND rule = $4
        ORDER BY planned_at DESC LIMIT $3
    )";

/// The same row found by its target and by its key counts once.
const TARGET: &str = "
    SELECT count(*), min(planned_at) FROM (
        SELECT planned_at FROM (
            SELECT id, planned_at FROM actions
            WHERE spends AND mode = $1 AND planned_at >= $2 AND target = $5
            UNION
            SELECT id, planned_at FROM actions
            WHERE spends AND mode = $1 AND planned_at >= $2 AND target_key = $6
        )
        ORDER BY planned_at DESC LIMIT $3
    )";

const RULE_TARGET: &str = "
    SELECT count(*), min(planned_at) FROM (
        SELECT planned_at FROM (
            SELECT id, planned_at FROM actions
            WHERE spends AND mode = $1 AND planned_at >= $2 AND rule = $4 AND target = $5
            UNION
            SELECT id, planned_at FROM actions
            WHERE spends AND mode = $1 AND planned_at >= $2 AND rule = $4 AND target_key = $6
        )
        ORDER BY planned_at DESC LIMIT $3
    )";

const LAST_EFFECT: &str = "
    SELECT max(at) FROM (
        SELECT max(coalesce(finished_at, planned_at)) AS at FROM actions
        WHERE spends AND mode = $3 AND target = $1 AND remediation_id <> $4
        UNION ALL
        SELECT max(coalesce(finished_at, planned_at)) FROM actions
        WHERE spends AND mode = $3 AND target_key = $2 AND remediation_id <> $4
    )";

/// Effects without a result too: a dependent is acted on under the key of what it depends on.
const RIVALS: &str = "
    SELECT id FROM remediations
    WHERE target_key IN (SELECT value FROM json_each($1)) AND state IN ('running', 'verifying') AND id <> $2
    UNION
    SELECT remediation_id FROM actions
    WHERE target_key IN (SELECT value FROM json_each($1)) AND result IS NULL AND remediation_id <> $2
    UNION ALL
    SELECT id FROM loans
    WHERE state = 'returning'
      AND EXISTS (SELECT 1 FROM json_each(keys) WHERE value IN (SELECT value FROM json_each($1)))
    ORDER BY id";

const LOANS: &str = "
    SELECT id, remediation_id, target, doc -> 'effect', due_at FROM loans
    WHERE closed_at IS NULL
      AND EXISTS (SELECT 1 FROM json_each(keys) WHERE value IN (SELECT value FROM json_each($1)))
    ORDER BY opened_at, id";

const IN_FLIGHT: &str = "
    SELECT (SELECT count(*) FROM remediations
            WHERE state IN ('running', 'verifying') AND state = 'running' AND id <> $1)
        + (SELECT count(*) FROM loans WHERE state = 'returning')";

async fn read(tx: &mut SqliteConnection, ask: &LedgerAsk) -> sqlx::Result<Ledger> {
    let mut ledger = Ledger::default();
    for scope in &ask.scopes {
        let (used, oldest) = read_scope(tx, ask, scope).await?;
        ledger.full_since.push((used >= scope.budget.max).then_some(oldest.unwrap_or(ask.now)));
        ledger.used.push(used);
    }
    let last_effect: Option<DbTime> = sqlx::query_scalar(LAST_EFFECT)
        .bind(clean(&ask.target))
        .bind(clean(&ask.key))
        .bind(ask.mode.as_str())
        .bind(DbId::of(ask.remediation))
        .fetch_one(&mut *tx)
        .await?;
    let rivals: Vec<DbId> =
        sqlx::query_scalar(RIVALS).bind(json(&ask.keys)).bind(DbId::of(ask.remediation)).fetch_all(&mut *tx).await?;
    let loans: Vec<LoanColumns> = sqlx::query_as(LOANS).bind(json(&ask.keys)).fetch_all(&mut *tx).await?;
    let in_flight: i64 = sqlx::query_scalar(IN_FLIGHT).bind(DbId::of(ask.remediation)).fetch_one(&mut *tx).await?;
    ledger.last_effect = last_effect.map(Into::into);
    ledger.rivals = rivals.into_iter().map(DbId::read).collect();
    ledger.loans = loans.into_iter().map(around::open_loan).collect();
    ledger.in_flight = u32::try_from(in_flight).unwrap_or(u32::MAX);
    ledger.breaker = unproven::breaker(tx, &ask.rule, ask.unproven_since).await?;
    Ok(ledger)
}

/// How many intents lie in the window, counted up to the budget, and when the oldest of those counted was stored.
async fn read_scope(
    tx: &mut SqliteConnection,
    ask: &LedgerAsk,
    scope: &Scope,
) -> sqlx::Result<(u32, Option<Timestamp>)> {
    let query = sqlx::query_as(match scope.kind {
        ScopeKind::Fleet => FLEET,
        ScopeKind::Rule => RULE,
        ScopeKind::Target => TARGET,
        ScopeKind::RuleTarget => RULE_TARGET,
    });
    let query =
        query.bind(ask.mode.as_str()).bind(DbTime(before(ask.now, scope.budget.per))).bind(i64::from(scope.budget.max));
    let query = match scope.kind {
        ScopeKind::Fleet => query,
        ScopeKind::Rule => query.bind(clean(&ask.rule)),
        ScopeKind::Target | ScopeKind::RuleTarget => {
            query.bind(clean(&ask.rule)).bind(clean(&ask.target)).bind(clean(&ask.key))
        }
    };
    let (used, oldest): (i64, Option<DbTime>) = query.fetch_one(tx).await?;
    Ok((u32::try_from(used).unwrap_or(u32::MAX), oldest.map(Into::into)))
}
