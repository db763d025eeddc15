//! Work on remediations: claimed by lease, committed by compare-and-set, given back.

use sqlx::{SqliteConnection, SqlitePool};
use uuid::Uuid;

use super::audit;
use super::connect::BEGIN;
use crate::columns::RemediationColumns;
use crate::error::During;
use crate::instant::{Id, Instant};
use crate::rows::{AlertRow, ClaimedRow, read};
use crate::text::clean;
use fettle_core::alert::episode::AlertState;
use fettle_core::ports::StoreError;
use fettle_core::ports::model::{Claim, Claimed, Commit, Stored};
use fettle_core::remediation::outcome::Outcome;
use fettle_core::remediation::refusal::Guard;
use fettle_core::remediation::state::Remediation;
use fettle_core::time::Timestamp;

/// Claiming raises the version too: a claim that ran out stays lost even when its owner claims again.
const CLAIM: &str = "
    UPDATE remediations SET lease_owner = $1, lease_until = $3, version = version + 1
    WHERE id IN (
        SELECT id FROM remediations
        WHERE state <> 'closed' AND due_at <= $2 AND (lease_owner IS NULL OR lease_until < $2)
        ORDER BY due_at, id
        LIMIT $4
    )
    RETURNING id, version, wakes, due_at, doc";

/// Claims what is due, earliest first.
pub(super) async fn claim(
    pool: &SqlitePool,
    owner: Uuid,
    now: Timestamp,
    lease_until: Timestamp,
    limit: u32,
) -> Result<Vec<Claimed<Remediation>>, StoreError> {
    let rows: Vec<ClaimedRow> = sqlx::query_as(CLAIM)
        .bind(Id(owner))
        .bind(Instant(now))
        .bind(Instant(lease_until))
        .bind(i64::from(limit))
        .fetch_all(pool)
        .await
        .during("claim what is due")?;
    Ok(ClaimedRow::read_all(rows, owner))
}

const NEXT_DUE: &str = "
    SELECT min(due_at) FROM remediations
    WHERE state <> 'closed' AND (lease_owner IS NULL OR lease_until < $1)";

/// When the next unclaimed remediation is due.
pub(super) async fn next_due(pool: &SqlitePool, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
    let due: Option<Instant> =
        sqlx::query_scalar(NEXT_DUE).bind(Instant(now)).fetch_one(pool).await.during("ask what is due next")?;
    Ok(due.map(Into::into))
}

/// Stores a decision, or nothing when the claim was lost.
pub(super) async fn commit(
    pool: &SqlitePool,
    claim: &Claim,
    commit: &Commit<Remediation>,
) -> Result<Option<Stored>, StoreError> {
    const WHAT: &str = "store a decision";
    let mut tx = pool.begin_with(BEGIN).await.during(WHAT)?;
    // Dropping the transaction rolls back.
    let Some(closed) = write(&mut tx, claim, commit).await? else { return Ok(None) };
    tx.commit().await.during(WHAT)?;
    Ok(Some(closed))
}

/// Compare and set. Woken since it was read: it keeps the earlier instant at which it became due.
const COMMIT: &str = "
    UPDATE remediations
    SET version = version + 1,
        due_at = CASE WHEN wakes > $4 AND $5 IS NOT NULL THEN min(due_at, $5) ELSE $5 END,
        closed_at = $6, actions = $7, state = $8, outcome = $9, reason = $10, target_key = $11, doc = $12,
        lease_owner = CASE WHEN $13 IS NOT NULL THEN lease_owner END,
        lease_until = $13
    WHERE id = $1 AND version = $2 AND lease_owner = $3";

/// Writes a decision inside a transaction. `None` when the claim was lost; the transaction must then be rolled back.
pub(super) async fn write(
    tx: &mut SqliteConnection,
    claim: &Claim,
    commit: &Commit<Remediation>,
) -> Result<Option<Stored>, StoreError> {
    const WHAT: &str = "store a decision";
    let row = RemediationColumns::from(&commit.effort);
    let outcome = commit.effort.outcome();
    // A closed remediation is nobody's.
    let keep_until = commit.keep_until.filter(|_| outcome.is_none());
    let done = sqlx::query(COMMIT)
        .bind(Id(claim.id))
        .bind(claim.version)
        .bind(Id(claim.owner))
        .bind(claim.wakes)
        .bind(row.due_at)
        .bind(row.closed_at)
        .bind(row.actions)
        .bind(row.state)
        .bind(row.outcome)
        .bind(row.reason)
        .bind(row.target_key)
        .bind(row.doc)
        .bind(keep_until.map(Instant))
        .execute(&mut *tx)
        .await
        .during(WHAT)?;
    if done.rows_affected() == 0 {
        return Ok(None);
    }
    audit::write(tx, &commit.records).await?;
    let waiting = match outcome {
        Some(outcome) => settle(tx, claim.id, &row.target, outcome).await?,
        None => Vec::new(),
    };
    let next = Claim { version: claim.version + 1, ..claim.clone() };
    Ok(Some(Stored { claim: next, waiting }))
}

const SETTLE: &str = "UPDATE candidates SET standing = $2 WHERE remediation_id = $1 AND standing = 'attached'";

const WAITING_FOR: &str = "
    SELECT fingerprint, labels, episode, firing, starts_at, first_at, evidence_at, heard_at, ended_at, end_heard_at
    FROM alerts
    WHERE firing AND (fingerprint, episode) IN
        (SELECT fingerprint, episode FROM candidates WHERE target = $1 AND standing = 'waiting')
    ORDER BY fingerprint";

/// A remediation was closed: what becomes of its alerts, and who waited for the target.
async fn settle(
    tx: &mut SqliteConnection,
    remediation: Uuid,
    target: &str,
    outcome: Outcome,
) -> Result<Vec<AlertState>, StoreError> {
    const WHAT: &str = "close a remediation";
    let standing = if outcome.leaves_episode_open() { "free" } else { "spent" };
    sqlx::query(SETTLE).bind(Id(remediation)).bind(standing).execute(&mut *tx).await.during(WHAT)?;
    let rows: Vec<AlertRow> = sqlx::query_as(WAITING_FOR).bind(target).fetch_all(tx).await.during(WHAT)?;
    read(WHAT, rows)
}

const RELEASE: &str = "UPDATE remediations SET lease_owner = NULL, lease_until = NULL WHERE lease_owner = $1";
const RELEASE_LOANS: &str = "UPDATE loans SET lease_owner = NULL, lease_until = NULL WHERE lease_owner = $1";
const RELEASE_OUTBOX: &str = "UPDATE announcements SET lease_owner = NULL, lease_until = NULL WHERE lease_owner = $1";

/// Gives back every claim of `owner`, whatever it is on.
pub(super) async fn release(pool: &SqlitePool, owner: Uuid) -> Result<u64, StoreError> {
    let mut released = 0;
    for statement in [RELEASE, RELEASE_LOANS, RELEASE_OUTBOX] {
        let done = sqlx::query(statement).bind(Id(owner)).execute(pool).await.during("give back claims")?;
        released += done.rows_affected();
    }
    Ok(released)
}

/// What a person took back need not be waited for any longer.
const WAKE_BLOCKED: &str = "
    UPDATE remediations SET due_at = min(due_at, $3), wakes = wakes + 1
    WHERE state = 'blocked' AND reason = $1 AND ($2 IS NULL OR rule = $2)";

/// Remediations that this guard blocks are due now, those of one rule or all.
pub(super) async fn wake_blocked(
    tx: &mut SqliteConnection,
    guard: Guard,
    rule: Option<&str>,
    now: Timestamp,
) -> sqlx::Result<()> {
    let rule = rule.map(clean);
    sqlx::query(WAKE_BLOCKED).bind(guard.as_str()).bind(rule).bind(Instant(now)).execute(tx).await.map(drop)
}
