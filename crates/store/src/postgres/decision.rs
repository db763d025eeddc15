//! How a decision is stored: compared and set under its claim, with its records, and with what becomes of the alerts when it
//! closes the remediation. In as few round trips as its locks allow, so it is not one text with the other store.

use sqlx::PgConnection;

use super::audit;
use super::writes::Writes;
use crate::columns::{RemediationColumns, Settled};
use crate::db_types::{DbId, DbTime};
use crate::error::During;
use crate::rows::{AlertRow, alert, read};
use fettle_core::alert::episode::AlertState;
use fettle_core::ports::StoreError;
use fettle_core::ports::model::{Claim, Commit, Stored};
use fettle_core::remediation::state::Remediation;

/// Compare and set. Woken since it was read: it keeps the earlier instant at which it became due.
const COMMIT: &str = "
    UPDATE remediations
    SET version = version + 1,
        due_at = CASE WHEN wakes > $4 AND $5::timestamptz IS NOT NULL THEN least(due_at, $5) ELSE $5 END,
        closed_at = $6, actions = $7, state = $8, outcome = $9, reason = $10, target_key = $11, doc = $12::text::jsonb,
        lease_owner = CASE WHEN $13::timestamptz IS NOT NULL THEN lease_owner END,
        lease_until = $13
    WHERE id = $1 AND version = $2 AND lease_owner = $3";

/// Writes a decision inside a transaction. `None` when the claim was lost; the transaction must then be rolled back.
pub(super) async fn write(
    tx: &mut PgConnection,
    claim: &Claim,
    commit: &Commit<Remediation>,
) -> Result<Option<Stored>, StoreError> {
    const WHAT: &str = "store a decision";
    let row = RemediationColumns::from(&commit.effort);
    let outcome = commit.effort.outcome();
    // A closed remediation is nobody's.
    let keep_until = commit.keep_until.filter(|_| outcome.is_none());
    let (mut writes, mut later) = (Writes::default(), Writes::default());
    writes
        .part_that_must_touch(COMMIT)
        .bind(DbId::of(claim.id))
        .bind(claim.version)
        .bind(DbId::of(claim.owner))
        .bind(claim.wakes)
        .bind(row.due_at)
        .bind(row.closed_at)
        .bind(row.actions)
        .bind(row.state)
        .bind(row.outcome)
        .bind(row.reason)
        .bind(row.target_key)
        .bind(row.doc)
        .bind(keep_until.map(DbTime));
    audit::add(&mut writes, &mut later, &commit.records);
    match writes.run(tx).await.during(WHAT)? {
        None => {}
        Some(0) => return Ok(None),
        Some(_) => return Err(sqlx::Error::RowNotFound).during(WHAT),
    }
    if later.run(tx).await.during(WHAT)?.is_some() {
        return Err(sqlx::Error::RowNotFound).during(WHAT);
    }
    audit::beside(tx, &commit.records).await?;
    let waiting = match outcome {
        Some(_) => settle(tx, &commit.effort, &row.target).await?,
        None => Vec::new(),
    };
    let next = Claim { version: claim.version + 1, ..claim.clone() };
    Ok(Some(Stored { claim: next, waiting }))
}

/// Those who wait are others than those who are settled, so both may look at the same time.
const SETTLE: &str = "
    WITH settled AS (
        UPDATE candidates SET standing = $2, closed_at = $4, conclusion = $5::text::jsonb, again_at = $6
        WHERE remediation_id = $1 AND standing = 'attached'
    )
    SELECT fingerprint, labels, episode, firing, starts_at, first_at, evidence_at, heard_at, ended_at, end_heard_at
    FROM alerts
    WHERE firing AND (fingerprint, episode) IN
        (SELECT fingerprint, episode FROM candidates WHERE target = $3 AND standing = 'waiting')
    ORDER BY fingerprint";

/// A remediation was closed: what becomes of its alerts, and who waited for the target. A statement of its own after the
/// one that locked the remediation, so that it sees what `receive` attached meanwhile.
async fn settle(tx: &mut PgConnection, closed: &Remediation, target: &str) -> Result<Vec<AlertState>, StoreError> {
    const WHAT: &str = "close a remediation";
    let settled = Settled::from(closed);
    let rows: Vec<AlertRow> = sqlx::query_as(SETTLE)
        .bind(DbId::of(closed.id))
        .bind(settled.standing)
        .bind(target)
        .bind(settled.closed_at)
        .bind(settled.conclusion)
        .bind(settled.again_at)
        .fetch_all(tx)
        .await
        .during(WHAT)?;
    read(WHAT, rows, alert)
}
