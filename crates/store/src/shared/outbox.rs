//! The outbox: what is to be said through Alertmanager, until every peer has heard it.
//!
//! Always holds: what a decision announces is stored with the decision; it is delivered at least once, and a change that comes
//! while it is being delivered is delivered after it.

use async_trait::async_trait;
use sqlx::Connection;

use super::dialect::{BEGIN, Conn, Database};
use super::{audit, events, facts};
use crate::around::{self, OutgoingColumns};
use crate::columns::event_id;
use crate::db_types::{DbId, DbTime};
use crate::document::Document;
use crate::error::During;
use fettle_core::announcement::Announcement;
use fettle_core::id::ReplicaId;
use fettle_core::ports::model::{Outgoing, Sample};
use fettle_core::ports::{Outbox, StoreError};
use fettle_core::remediation::record::Record;
use fettle_core::time::Timestamp;

#[async_trait]
impl Outbox for Database {
    async fn announcements(
        &self,
        owner: ReplicaId,
        now: Timestamp,
        renew_before: Timestamp,
        lease_until: Timestamp,
        limit: u32,
    ) -> Result<Vec<Outgoing>, StoreError> {
        writing!(self, announcements(owner, now, renew_before, lease_until, limit))
    }

    async fn announced(&self, outgoing: &Outgoing, at: Timestamp) -> Result<(), StoreError> {
        writing!(self, announced(outgoing, at))
    }

    async fn record(&self, records: &[Record]) -> Result<(), StoreError> {
        writing!(self, record(records))
    }

    async fn sample(&self, samples: &[Sample]) -> Result<(), StoreError> {
        writing!(self, events::sample(samples))
    }

    async fn last_heard(&self, alertname: &str) -> Result<Option<Timestamp>, StoreError> {
        reading!(self, facts::last_heard(alertname))
    }
}

/// One that stands is changed, and what has changed is to be delivered; one that had ended begins anew. Taking back what does
/// not stand says nothing.
const ANNOUNCE: &str = sql!("
    INSERT INTO announcements (id, name, remediation_id, labels, annotations, starts_at, at, until)
    SELECT $1, $2, $3, $4, $5, $6, $6, $7
    WHERE $7 " INSTANT " > $6 " INSTANT "
       OR EXISTS (SELECT 1 FROM announcements WHERE name = $2 AND remediation_id = $3 AND NOT ended)
    ON CONFLICT (name, remediation_id) WHERE NOT ended DO UPDATE
    SET version = announcements.version + 1, labels = excluded.labels, annotations = excluded.annotations,
        starts_at = CASE WHEN announcements.until <= excluded.at THEN excluded.at ELSE announcements.starts_at END,
        at = excluded.at, until = excluded.until
    WHERE announcements.labels <> excluded.labels OR announcements.annotations <> excluded.annotations
       OR announcements.until <> excluded.until");

/// Writes what decisions announce, inside their transaction.
pub(super) async fn write(tx: &mut Conn, rows: &[&Announcement]) -> sqlx::Result<()> {
    for it in rows {
        sqlx::query(ANNOUNCE)
            .bind(event_id(it.at))
            .bind(it.name.as_str())
            .bind(DbId::of(it.remediation))
            .bind(Document::of(&it.labels))
            .bind(Document::of(&it.annotations))
            .bind(DbTime(it.at))
            .bind(DbTime(it.until))
            .execute(&mut *tx)
            .await?;
    }
    Ok(())
}

/// Stores records that belong to no decision.
pub(super) async fn record(connection: &mut Conn, records: &[Record]) -> Result<(), StoreError> {
    const WHAT: &str = "store an announcement";
    let mut tx = connection.begin_with(BEGIN).await.during(WHAT)?;
    audit::write(&mut tx, records).await?;
    tx.commit().await.during(WHAT)
}

/// People were called for alerts that are all over by now.
const TAKE_BACK: &str = "
    UPDATE announcements AS n SET at = $1, until = $1, version = version + 1
    WHERE NOT n.ended AND n.name = 'FettleGaveUp' AND n.until > $1
      AND NOT EXISTS (
        SELECT 1 FROM candidates c JOIN alerts a ON a.fingerprint = c.fingerprint AND a.episode = c.episode
        WHERE c.remediation_id = n.remediation_id AND a.firing)";

/// Delivered as it stands and over: Alertmanager was told the end with it.
const LAPSE: &str = "
    UPDATE announcements SET ended = true, lease_owner = NULL, lease_until = NULL
    WHERE NOT ended AND until <= $1 AND delivered_version = version";

const CLAIM: &str = sql!("
    WITH due AS (
        SELECT id AS due_id FROM announcements
        WHERE NOT ended AND (delivered_version < version OR delivered_at < $3)
          AND (lease_owner IS NULL OR lease_until < $2)
        ORDER BY delivered_at NULLS FIRST, id
        LIMIT $5
        " LOCKED_IF_FREE "
    )
    UPDATE announcements SET lease_owner = $1, lease_until = $4
    FROM due WHERE id = due_id
    RETURNING id, version, name, remediation_id, labels, annotations, starts_at, at, until");

/// Claims what is to be delivered now.
pub(super) async fn announcements(
    connection: &mut Conn,
    owner: ReplicaId,
    now: Timestamp,
    renew_before: Timestamp,
    lease_until: Timestamp,
    limit: u32,
) -> Result<Vec<Outgoing>, StoreError> {
    const WHAT: &str = "read the outbox";
    for statement in [TAKE_BACK, LAPSE] {
        sqlx::query(statement).bind(DbTime(now)).execute(&mut *connection).await.during(WHAT)?;
    }
    let rows: Vec<OutgoingColumns> = sqlx::query_as(CLAIM)
        .bind(DbId::of(owner))
        .bind(DbTime(now))
        .bind(DbTime(renew_before))
        .bind(DbTime(lease_until))
        .bind(i64::from(limit))
        .fetch_all(connection)
        .await
        .during(WHAT)?;
    rows.into_iter().map(around::outgoing).collect::<Result<_, _>>().map_err(|garbled| garbled.during(WHAT))
}

/// A change since then stays to be delivered.
const ANNOUNCED: &str = sql!("
    UPDATE announcements
    SET delivered_version = " GREATEST "(delivered_version, $2), delivered_at = $3, lease_owner = NULL, lease_until = NULL,
        ended = version = $2 AND until <= $3
    WHERE id = $1 AND NOT ended");

/// Every peer has heard it.
pub(super) async fn announced(connection: &mut Conn, outgoing: &Outgoing, at: Timestamp) -> Result<(), StoreError> {
    sqlx::query(ANNOUNCED)
        .bind(DbId::of(outgoing.id))
        .bind(outgoing.version)
        .bind(DbTime(at))
        .execute(connection)
        .await
        .map(drop)
        .during("note a delivery")
}
