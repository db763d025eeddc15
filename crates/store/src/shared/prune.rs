//! Retention: what is old goes, oldest first, in bounded steps.
//!
//! A remediation goes with its whole story or not at all. Notifications that are still to be taken in stay, however old.

use sqlx::Connection;

use super::dialect::{BEGIN, Conn, many};
use crate::db_types::{DbId, DbTime};
use crate::error::During;
use fettle_core::ports::StoreError;
use fettle_core::time::Timestamp;

/// Rows of each kind per call; a remediation counts as one and has a handful of rows beside it.
const STEP: i64 = 500;

/// Deletes what is older; how many rows went. Zero when nothing is left to do.
pub(super) async fn prune(
    connection: &mut Conn,
    notifications: Timestamp,
    audit: Timestamp,
) -> Result<u64, StoreError> {
    const WHAT: &str = "prune";
    let received = prune_notifications(connection, notifications).await.during(WHAT)?;
    let mut tx = connection.begin_with(BEGIN).await.during(WHAT)?;
    let kept = prune_audit(&mut tx, audit).await.during(WHAT)?;
    tx.commit().await.during(WHAT)?;
    Ok(received + kept)
}

const NOTIFICATIONS: &str = "
    DELETE FROM notifications WHERE id IN (
        SELECT n.id FROM notifications n
        WHERE n.received_at < $1 AND NOT EXISTS (SELECT 1 FROM pending p WHERE p.id = n.id)
        LIMIT $2
    )";

async fn prune_notifications(connection: &mut Conn, before: Timestamp) -> sqlx::Result<u64> {
    Ok(sqlx::query(NOTIFICATIONS).bind(DbTime(before)).bind(STEP).execute(connection).await?.rows_affected())
}

/// What the triggers ask: in this transaction, rows from before this instant may go. The last day of the audit never does.
const PERMIT: &str =
    sql!("INSERT INTO retention (cutoff) SELECT " LEAST "($1, cutoff) FROM retention_bound RETURNING cutoff");
const FORBID: &str = "DELETE FROM retention";

/// What was lent belongs to the story until long after it was brought back.
const FINISHED: &str = sql!("
    SELECT id FROM remediations r
    WHERE state = 'closed' AND closed_at < $1 AND NOT EXISTS (
        SELECT 1 FROM loans l WHERE l.remediation_id = r.id AND (l.closed_at IS NULL OR l.closed_at >= $1))
    ORDER BY closed_at LIMIT $2
    " LOCKED_TO_DELETE);
const VERDICTS: &str =
    sql!("DELETE FROM verdicts WHERE action_id IN (SELECT id FROM actions WHERE remediation_id " AMONG_MANY ")");
const ACTIONS: &str = sql!("DELETE FROM actions WHERE remediation_id " AMONG_MANY);
const TRANSITIONS: &str = sql!("DELETE FROM transitions WHERE remediation_id " AMONG_MANY);
const ANSWERS: &str = sql!("DELETE FROM answers WHERE remediation_id " AMONG_MANY);
const LOANS: &str = sql!("DELETE FROM loans WHERE remediation_id " AMONG_MANY);
const ANNOUNCEMENTS: &str = sql!("DELETE FROM announcements WHERE remediation_id " AMONG_MANY);
const REMEDIATIONS: &str = sql!("DELETE FROM remediations WHERE id " AMONG_MANY);

const EVENTS: &str = "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE at < $1 ORDER BY at LIMIT $2)";

/// Pauses that are over for as long as that.
const PAUSES: &str = sql!("
    DELETE FROM pauses WHERE id IN (
        SELECT id FROM pauses WHERE " LEAST "(coalesce(ended_at, until), coalesce(until, ended_at)) < $1 LIMIT $2)");

/// What was said and is over. What speaks of a remediation goes with it.
const SAID: &str = "
    DELETE FROM announcements WHERE id IN (
        SELECT id FROM announcements WHERE ended AND until < $1 LIMIT $2)";

/// Alerts that nobody has spoken of for as long as that, unless something is still being done about them.
const ALERTS: &str = "
    DELETE FROM alerts WHERE fingerprint IN (
        SELECT a.fingerprint FROM alerts a
        WHERE a.heard_at < $1 AND NOT EXISTS (
            SELECT 1 FROM candidates c WHERE c.fingerprint = a.fingerprint AND c.standing IN ('attached', 'waiting'))
        LIMIT $2
    ) AND heard_at < $1";

async fn prune_audit(tx: &mut Conn, before: Timestamp) -> sqlx::Result<u64> {
    let permitted: DbTime = sqlx::query_scalar(PERMIT).bind(DbTime(before)).fetch_one(&mut *tx).await?;
    let ids: Vec<DbId> = sqlx::query_scalar(FINISHED).bind(permitted).bind(STEP).fetch_all(&mut *tx).await?;
    let mut gone = 0;
    if !ids.is_empty() {
        for statement in [VERDICTS, ACTIONS, TRANSITIONS, ANSWERS, LOANS, ANNOUNCEMENTS, REMEDIATIONS] {
            gone += sqlx::query(statement).bind(many(&ids)).execute(&mut *tx).await?.rows_affected();
        }
    }
    for (statement, before) in [(EVENTS, permitted), (PAUSES, permitted), (SAID, permitted), (ALERTS, DbTime(before))] {
        gone += sqlx::query(statement).bind(before).bind(STEP).execute(&mut *tx).await?.rows_affected();
    }
    sqlx::query(FORBID).execute(tx).await?;
    Ok(gone)
}
