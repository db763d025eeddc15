//! Admission of an effect: read the ledger under one lock, ask the core, store the intent.
//!
//! One lock covers every budget: each admission counts against the fleet's, so locks per scope would all meet in that one
//! anyway, and would only cost round trips. It is held until the intent is visible, so the next admission counts it.

use sqlx::{Connection, PgConnection, Postgres, Transaction};

use super::connect::BEGIN;
use super::{decision, loans};
use crate::around::{self, BreakerColumns, LoanColumns, UNPROVEN_MAX};
use crate::db_types::{DbId, DbTime};
use crate::error::During;
use crate::text::clean;
use fettle_core::id::RemediationId;
use fettle_core::ports::model::{Admission, Claim, Ledger, LedgerAsk};
use fettle_core::ports::{Judge, StoreError};
use fettle_core::remediation::loan::Loan;
use fettle_core::remediation::state::Remediation;
use fettle_core::time::before;

const WHAT: &str = "admit an effect";

/// Only fettle's role can lock this row. A statement after [`BEGIN`], not part of it: when the wait for the lock ends in an
/// error, the driver knows that a transaction is open and rolls it back.
const TAKE_TURN: &str = "SELECT name FROM turns WHERE name = 'admission' FOR NO KEY UPDATE";

/// Begins the one transaction that may admit.
async fn begin(connection: &mut PgConnection) -> sqlx::Result<Transaction<'_, Postgres>> {
    let mut tx = connection.begin_with(BEGIN).await?;
    sqlx::query(TAKE_TURN).fetch_one(&mut *tx).await?;
    Ok(tx)
}

/// Reads the ledger under the lock, lets `judge` decide, stores its commit or nothing.
pub(super) async fn admit(
    connection: &mut PgConnection,
    claim: &Claim,
    asks: &[&LedgerAsk],
    judge: Judge<'_, Remediation>,
) -> Result<Admission<Remediation>, StoreError> {
    let mut tx = begin(connection).await.during(WHAT)?;
    let ledgers = peek(&mut tx, asks).await?;
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
    connection: &mut PgConnection,
    claim: &Claim,
    asks: &[&LedgerAsk],
    judge: Judge<'_, Loan>,
) -> Result<Admission<Loan>, StoreError> {
    let asks: Vec<_> = asks.iter().map(|&ask| LedgerAsk { remediation: RemediationId::nil(), ..ask.clone() }).collect();
    let asks: Vec<_> = asks.iter().collect();
    let mut tx = begin(connection).await.during(WHAT)?;
    let ledgers = peek(&mut tx, &asks).await?;
    let commit = match around::judged(judge, &ledgers) {
        Ok(commit) => commit,
        Err(no) => return Ok(no),
    };
    let Some(stored) = loans::write_claimed(&mut tx, claim, &commit).await? else { return Ok(Admission::Lost) };
    tx.commit().await.during(WHAT)?;
    Ok(Admission::Admitted { stored, commit })
}

/// Reads the ledger for each of `asks` as it is, locked or not.
pub(super) async fn peek(connection: &mut PgConnection, asks: &[&LedgerAsk]) -> Result<Vec<Ledger>, StoreError> {
    let mut ledgers = Vec::with_capacity(asks.len());
    for ask in asks {
        ledgers.push(read(connection, ask).await.during("read the ledger")?);
    }
    Ok(ledgers)
}

/// Everything in one statement, because the lock is held meanwhile: how many intents lie in the window of every scope, and
/// which is the `max`-th newest; what others do on this target; the rule's breaker.
///
/// Each branch has its index; those of other kinds are not executed. The same row found by its target and by its key
/// counts once. No limit inside where the target selects: it would tempt the planner to walk through everybody's rows by
/// time until it has found that many of one target's.
const LEDGER: &str = "
    WITH spent AS (
        SELECT s.ord, newest.used, CASE WHEN newest.used >= s.max THEN coalesce(newest.since, $12) END AS full_since
        FROM UNNEST($1::text[], $2::timestamptz[], $3::bigint[]) WITH ORDINALITY AS s (kind, since, max, ord)
        CROSS JOIN LATERAL (
            SELECT count(*) AS used, min(planned_at) AS since FROM (
                SELECT planned_at FROM (
                    (SELECT id, planned_at FROM actions
                     WHERE s.kind = 'fleet' AND spends AND mode = $4 AND planned_at >= s.since
                     ORDER BY planned_at DESC LIMIT s.max)
                    UNION ALL
                    (SELECT id, planned_at FROM actions
                     WHERE s.kind = 'rule' AND spends AND mode = $4 AND planned_at >= s.since AND rule = $5
                     ORDER BY planned_at DESC LIMIT s.max)
                    UNION ALL
                    SELECT id, planned_at FROM actions
                    WHERE s.kind IN ('target', 'rule_target') AND spends AND mode = $4 AND planned_at >= s.since
                      AND target = $6 AND (s.kind = 'target' OR rule = $5)
                    UNION ALL
                    SELECT id, planned_at FROM actions
                    WHERE s.kind IN ('target', 'rule_target') AND spends AND mode = $4 AND planned_at >= s.since
                      AND target_key = $7 AND target <> $6 AND (s.kind = 'target' OR rule = $5)
                ) found
                ORDER BY planned_at DESC LIMIT s.max
            ) counted
        ) newest
    )
    SELECT
        array(SELECT full_since FROM spent ORDER BY ord) AS full_since,
        array(SELECT used FROM spent ORDER BY ord) AS used,
        greatest(
            (SELECT max(coalesce(finished_at, planned_at)) FROM actions
             WHERE spends AND mode = $4 AND target = $6 AND remediation_id <> $8),
            (SELECT max(coalesce(finished_at, planned_at)) FROM actions
             WHERE spends AND mode = $4 AND target_key = $7 AND remediation_id <> $8)) AS last_effect,
        array(SELECT id FROM remediations
              WHERE target_key = ANY($9) AND state IN ('running', 'verifying') AND id <> $8
              UNION
              SELECT remediation_id FROM actions
              WHERE target_key = ANY($9) AND result IS NULL AND remediation_id <> $8
              UNION ALL
              SELECT id FROM loans WHERE state = 'returning' AND keys && $9
              ORDER BY id) AS rivals,
        (SELECT array_agg(ROW(id, remediation_id, target, doc -> 'effect', due_at) ORDER BY opened_at, id) FROM loans
         WHERE closed_at IS NULL AND keys && $9) AS loans,
        (SELECT count(*) FROM remediations
         WHERE state IN ('running', 'verifying') AND state = 'running' AND id <> $8)
            + (SELECT count(*) FROM loans WHERE state = 'returning') AS in_flight,
        (SELECT ROW(opened_at, probe) FROM breakers WHERE rule = $5) AS breaker,
        array(SELECT at FROM unproven WHERE rule = $5 AND at >= $10 AND at < 'infinity'
              ORDER BY at DESC LIMIT $11) AS unproven";

async fn read(connection: &mut PgConnection, ask: &LedgerAsk) -> sqlx::Result<Ledger> {
    type Row = (
        Vec<Option<DbTime>>,
        Vec<i64>,
        Option<DbTime>,
        Vec<DbId>,
        Option<Vec<LoanColumns>>,
        i64,
        Option<BreakerColumns>,
        Vec<DbTime>,
    );
    let kinds: Vec<&str> = ask.scopes.iter().map(|scope| scope.kind.as_str()).collect();
    let since: Vec<DbTime> = ask.scopes.iter().map(|scope| DbTime(before(ask.now, scope.budget.per))).collect();
    let max: Vec<i64> = ask.scopes.iter().map(|scope| scope.budget.max.into()).collect();
    let (full_since, used, last_effect, rivals, loans, in_flight, breaker, unproven): Row = sqlx::query_as(LEDGER)
        .bind(kinds)
        .bind(since)
        .bind(max)
        .bind(ask.mode.as_str())
        .bind(clean(&ask.rule))
        .bind(clean(&ask.target))
        .bind(clean(&ask.key))
        .bind(DbId::of(ask.remediation))
        .bind(ask.keys.iter().map(|key| clean(key)).collect::<Vec<_>>())
        .bind(DbTime(ask.unproven_since))
        .bind(UNPROVEN_MAX)
        .bind(DbTime(ask.now))
        .fetch_one(connection)
        .await?;
    Ok(Ledger {
        full_since: full_since.into_iter().map(|at| at.map(Into::into)).collect(),
        used: used.into_iter().map(|used| u32::try_from(used).unwrap_or(u32::MAX)).collect(),
        last_effect: last_effect.map(Into::into),
        rivals: rivals.into_iter().map(DbId::read).collect(),
        loans: loans.into_iter().flatten().map(around::open_loan).collect(),
        in_flight: u32::try_from(in_flight).unwrap_or(u32::MAX),
        breaker: around::breaker(breaker, unproven),
    })
}
