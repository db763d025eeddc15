//! Admission of an effect: read the ledger under one lock, ask the core, store the intent.
//!
//! One lock covers every budget: each admission counts against the fleet's, so locks per scope would all meet in that one
//! anyway, and would only cost round trips. It is held until the intent is visible, so the next admission counts it.

use sqlx::{Connection, PgConnection};

use super::work;
use crate::core::time::before;
use crate::store::error::During;
use crate::store::instant::{Id, Instant};
use crate::store::model::{Admission, Claim, Ledger, LedgerAsk};
use crate::store::text::clean;
use crate::store::{Judge, StoreError};

const WHAT: &str = "admit an effect";

/// One round trip, with the settings of [`super::connect::BEGIN`]. The key is "fttb" and 1, apart from every other advisory lock in the database.
const BEGIN_LOCKED: &str = "
    BEGIN;
    SET LOCAL plan_cache_mode = force_generic_plan;
    SET LOCAL enable_seqscan = off;
    SELECT pg_advisory_xact_lock(1718908002, 1)";

/// Reads the ledger under the lock, lets `judge` decide, stores its commit or nothing.
pub(super) async fn admit(
    connection: &mut PgConnection,
    claim: &Claim,
    asks: &[&LedgerAsk],
    judge: Judge<'_>,
) -> Result<Admission, StoreError> {
    let mut tx = connection.begin_with(BEGIN_LOCKED).await.during(WHAT)?;
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

/// Everything in one statement, because the lock is held meanwhile: the `max`-th newest intent of every scope, and what
/// others do on this target.
///
/// Each branch has its index; those of other kinds are not executed. The same row found by its target and by its key
/// counts once. No limit inside where the target selects: it would tempt the planner to walk through everybody's rows by
/// time until it has found that many of one target's.
const LEDGER: &str = "
    WITH spent AS (
        SELECT s.ord, newest.planned_at
        FROM UNNEST($1::text[], $2::timestamptz[], $3::bigint[]) WITH ORDINALITY AS s (kind, since, max, ord)
        CROSS JOIN LATERAL (
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
            ORDER BY planned_at DESC OFFSET s.max - 1 LIMIT 1
        ) newest
    )
    SELECT
        coalesce((SELECT array_agg(ord ORDER BY ord) FROM spent), '{}') AS full_scopes,
        coalesce((SELECT array_agg(planned_at ORDER BY ord) FROM spent), '{}') AS full_since,
        greatest(
            (SELECT max(coalesce(finished_at, planned_at)) FROM actions
             WHERE spends AND mode = $4 AND target = $6 AND remediation_id <> $8),
            (SELECT max(coalesce(finished_at, planned_at)) FROM actions
             WHERE spends AND mode = $4 AND target_key = $7 AND remediation_id <> $8)) AS last_effect,
        (SELECT coalesce(array_agg(id ORDER BY id), '{}') FROM remediations
         WHERE target_key = $7 AND state IN ('running', 'verifying') AND id <> $8) AS rivals,
        (SELECT count(*) FROM remediations
         WHERE state IN ('running', 'verifying') AND state = 'running' AND id <> $8) AS in_flight";

async fn read(tx: &mut PgConnection, ask: &LedgerAsk) -> sqlx::Result<Ledger> {
    type Row = (Vec<i64>, Vec<Instant>, Option<Instant>, Vec<Id>, i64);
    let kinds: Vec<&str> = ask.scopes.iter().map(|scope| scope.kind.as_str()).collect();
    let since: Vec<Instant> = ask.scopes.iter().map(|scope| Instant(before(ask.now, scope.budget.per))).collect();
    let max: Vec<i64> = ask.scopes.iter().map(|scope| scope.budget.max.into()).collect();
    let (full_scopes, times, last_effect, rivals, in_flight): Row = sqlx::query_as(LEDGER)
        .bind(kinds)
        .bind(since)
        .bind(max)
        .bind(ask.mode.as_str())
        .bind(clean(&ask.rule))
        .bind(clean(&ask.target))
        .bind(clean(&ask.key))
        .bind(Id(ask.remediation))
        .fetch_one(tx)
        .await?;
    let mut full_since = vec![None; ask.scopes.len()];
    for (ord, at) in full_scopes.into_iter().zip(times) {
        // Ordinality counts from 1.
        if let Some(scope) = usize::try_from(ord - 1).ok().and_then(|at| full_since.get_mut(at)) {
            *scope = Some(at.0);
        }
    }
    Ok(Ledger {
        used: vec![0; full_since.len()],
        full_since,
        breaker: crate::core::surroundings::Breaker::default(),
        last_effect: last_effect.map(Into::into),
        rivals: rivals.into_iter().map(|id| id.0).collect(),
        in_flight: u32::try_from(in_flight).unwrap_or(u32::MAX),
    })
}
