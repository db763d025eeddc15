//! From stored notifications to open remediations, and the alerts that are looked at again: those that wait for a target,
//! and those that nothing is done about.

use async_trait::async_trait;

use super::dialect::{Conn, Database};
use super::{again, inbox, receive, world};
use crate::error::During;
use crate::rows::{AlertRow, alert, read};
use fettle_core::alert::episode::AlertState;
use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::ports::model::{Again, Changes, ReceiveAsk, StoredNotification, World};
use fettle_core::ports::{Receiving, StoreError, Think};
use fettle_core::time::Timestamp;

#[async_trait]
impl Receiving for Database {
    async fn pending(&self, before: Timestamp, limit: u32) -> Result<Vec<StoredNotification>, StoreError> {
        reading!(self, inbox::pending(before, limit))
    }

    async fn receive(&self, ask: &ReceiveAsk, think: Think<'_>) -> Result<Changes, StoreError> {
        writing!(self, receive::receive(ask, think))
    }

    async fn foresee(&self, ask: &ReceiveAsk) -> Result<World, StoreError> {
        reading!(self, world::foresee(ask))
    }

    async fn waiting(&self, limit: u32) -> Result<Vec<AlertState>, StoreError> {
        reading!(self, waiting(limit))
    }

    async fn take_again(&self, now: Timestamp, next: Timestamp, limit: u32) -> Result<Vec<Again>, StoreError> {
        writing!(self, again::take(now, next, limit))
    }

    async fn next_again(&self) -> Result<Option<Timestamp>, StoreError> {
        reading!(self, again::next())
    }

    async fn unattended(&self, after: Option<Fingerprint>, limit: u32) -> Result<Vec<AlertState>, StoreError> {
        reading!(self, unattended(after, limit))
    }
}

const WAITING: &str = "
    SELECT fingerprint, labels, episode, firing, starts_at, first_at, evidence_at, heard_at, ended_at, end_heard_at
    FROM alerts
    WHERE firing AND (fingerprint, episode) IN (
        SELECT c.fingerprint, c.episode FROM candidates c
        WHERE c.standing = 'waiting'
          AND NOT EXISTS (SELECT 1 FROM remediations r WHERE r.target = c.target AND r.state <> 'closed'))
    ORDER BY heard_at, fingerprint
    LIMIT $1";

/// Alerts that wait for a target which is free by now.
pub(super) async fn waiting(connection: &mut Conn, limit: u32) -> Result<Vec<AlertState>, StoreError> {
    const WHAT: &str = "ask who waits";
    let rows: Vec<AlertRow> =
        sqlx::query_as(WAITING).bind(i64::from(limit)).fetch_all(connection).await.during(WHAT)?;
    read(WHAT, rows, alert)
}

const UNATTENDED: &str = "
    SELECT fingerprint, labels, episode, firing, starts_at, first_at, evidence_at, heard_at, ended_at, end_heard_at
    FROM alerts
    WHERE firing AND (fingerprint > $1 OR $1 IS NULL)
      AND NOT EXISTS (
          SELECT 1 FROM candidates c WHERE c.fingerprint = alerts.fingerprint AND c.standing = 'attached')
    ORDER BY fingerprint
    LIMIT $2";

/// Firing alerts that no open remediation is attached to.
pub(super) async fn unattended(
    connection: &mut Conn,
    after: Option<Fingerprint>,
    limit: u32,
) -> Result<Vec<AlertState>, StoreError> {
    const WHAT: &str = "ask what fires unattended";
    let rows: Vec<AlertRow> = sqlx::query_as(UNATTENDED)
        .bind(after.map(|it| it.to_string()))
        .bind(i64::from(limit))
        .fetch_all(connection)
        .await
        .during(WHAT)?;
    read(WHAT, rows, alert)
}
