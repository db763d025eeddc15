//! Admission of an effect: read the ledger, ask the core, store the intent, all in one transaction that has begun
//! `IMMEDIATE`: nobody else writes meanwhile, which is the lock over every budget.

use sqlx::{SqliteConnection, SqlitePool};

use super::connect::BEGIN;
use super::work;
use crate::core::time::{Timestamp, before};
use crate::store::error::During;
use crate::store::instant::{Id, Instant};
use crate::store::model::{Admission, Claim, Ledger, LedgerAsk, Scope, ScopeKind};
use crate::store::text::clean;
use crate::store::{Judge, StoreError};

const WHAT: &str = "admit an effect";

/// Reads the ledger under the lock, lets `judge` decide, stores its commit or nothing.
pub(super) async fn admit(
    pool: &SqlitePool,
    claim: &Claim,
    asks: &[&LedgerAsk],
    judge: Judge<'_>,
) -> Result<Admission, StoreError> {
    let mut tx = pool.begin_with(BEGIN).await.during(WHAT)?;
    let mut ledgers = Vec::with_capacity(asks.len());
    for ask in asks {
        ledgers.push(read(&mut tx, ask).await.during(WHAT)?);
    }
    // Dropping the transaction rolls back and frees the lock.
    let commit = match judge(&ledgers) {
        Ok(commit) => commit,
        Err(refusal) => return Ok(Admission::Refused(refusal)),
    };
    let Some(stored) = work::write(&mut tx, claim, &commit).await? else { return Ok(Admission::Lost) };
    tx.commit().await.during(WHAT)?;
    Ok(Admission::Admitted(stored))
}

const FLEET: &str = "
    SELECT planned_at FROM actions
    WHERE spends AND mode = $1 AND planned_at >= $2
    ORDER BY planned_at DESC LIMIT 1 OFFSET $3 - 1";

const RULE: &str = "
    SELECT planned_at FROM actions
    WHERE spends AND mode = $1 AND planned_at >= $2 AND rule = $4
    ORDER BY planned_at DESC LIMIT 1 OFFSET $3 - 1";

/// The same row found by its target and by its key counts once.
const TARGET: &str = "
    SELECT planned_at FROM (
        SELECT id, planned_at FROM actions
        WHERE spends AND mode = $1 AND planned_at >= $2 AND target = $5
        UNION
        SELECT id, planned_at FROM actions
        WHERE spends AND mode = $1 AND planned_at >= $2 AND target_key = $6
    )
    ORDER BY planned_at DESC LIMIT 1 OFFSET $3 - 1";

const RULE_TARGET: &str = "
    SELECT planned_at FROM (
        SELECT id, planned_at FROM actions
        WHERE spends AND mode = $1 AND planned_at >= $2 AND rule = $4 AND target = $5
        UNION
        SELECT id, planned_at FROM actions
        WHERE spends AND mode = $1 AND planned_at >= $2 AND rule = $4 AND target_key = $6
    )
    ORDER BY planned_at DESC LIMIT 1 OFFSET $3 - 1";

const LAST_EFFECT: &str = "
    SELECT max(at) FROM (
        SELECT max(coalesce(finished_at, planned_at)) AS at FROM actions
        WHERE spends AND mode = $3 AND target = $1 AND remediation_id <> $4
        UNION ALL
        SELECT max(coalesce(finished_at, planned_at)) FROM actions
        WHERE spends AND mode = $3 AND target_key = $2 AND remediation_id <> $4
    )";

const RIVALS: &str = "
    SELECT id FROM remediations
    WHERE target_key = $1 AND state IN ('running', 'verifying') AND id <> $2
    ORDER BY id";

const IN_FLIGHT: &str = "
    SELECT count(*) FROM remediations
    WHERE state IN ('running', 'verifying') AND state = 'running' AND id <> $1";

async fn read(tx: &mut SqliteConnection, ask: &LedgerAsk) -> sqlx::Result<Ledger> {
    let mut full_since = Vec::with_capacity(ask.scopes.len());
    for scope in &ask.scopes {
        full_since.push(read_scope(tx, ask, scope).await?);
    }
    let key = clean(&ask.key);
    let last_effect: Option<Instant> = sqlx::query_scalar(LAST_EFFECT)
        .bind(clean(&ask.target))
        .bind(&key)
        .bind(ask.mode.as_str())
        .bind(Id(ask.remediation))
        .fetch_one(&mut *tx)
        .await?;
    let rivals: Vec<Id> = sqlx::query_scalar(RIVALS).bind(&key).bind(Id(ask.remediation)).fetch_all(&mut *tx).await?;
    let in_flight: i64 = sqlx::query_scalar(IN_FLIGHT).bind(Id(ask.remediation)).fetch_one(tx).await?;
    Ok(Ledger {
        used: vec![0; full_since.len()],
        full_since,
        breaker: crate::core::surroundings::Breaker::default(),
        last_effect: last_effect.map(Into::into),
        rivals: rivals.into_iter().map(|id| id.0).collect(),
        in_flight: u32::try_from(in_flight).unwrap_or(u32::MAX),
    })
}

async fn read_scope(tx: &mut SqliteConnection, ask: &LedgerAsk, scope: &Scope) -> sqlx::Result<Option<Timestamp>> {
    let query = sqlx::query_scalar(match scope.kind {
        ScopeKind::Fleet => FLEET,
        ScopeKind::Rule => RULE,
        ScopeKind::Target => TARGET,
        ScopeKind::RuleTarget => RULE_TARGET,
    });
    let query = query
        .bind(ask.mode.as_str())
        .bind(Instant(before(ask.now, scope.budget.per)))
        .bind(i64::from(scope.budget.max));
    let query = match scope.kind {
        ScopeKind::Fleet => query,
        ScopeKind::Rule => query.bind(clean(&ask.rule)),
        ScopeKind::Target | ScopeKind::RuleTarget => {
            query.bind(clean(&ask.rule)).bind(clean(&ask.target)).bind(clean(&ask.key))
        }
    };
    let since: Option<Instant> = query.fetch_optional(tx).await?;
    Ok(since.map(Into::into))
}
