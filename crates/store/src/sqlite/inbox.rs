//! The inbox: notifications as they came, and which of them are still to be taken in.

use async_trait::async_trait;
use serde_json::json;
use sqlx::{Connection, SqliteConnection};

use super::Sqlite;
use super::dialect::BEGIN;
use crate::db_types::DbTime;
use crate::error::During;
use crate::rows::{Plain, plain};
use crate::text;
use fettle_core::ports::model::{NewNotification, StoredNotification};
use fettle_core::ports::{Intake, StoreError};
use fettle_core::settings::limits::READ_BACK;
use fettle_core::time::Timestamp;

#[async_trait]
impl Intake for Sqlite {
    async fn append(&self, batch: &[NewNotification]) -> Result<(), StoreError> {
        self.place.check()?;
        let stored = writing!(self, append(batch));
        // Once more: what was there before may be gone by the time that it is stored.
        self.place.check()?;
        stored
    }

    async fn backlog(&self) -> Result<u64, StoreError> {
        self.place.check()?;
        reading!(self, backlog())
    }
}

/// Bytes of bodies in one statement: they are copied into one blob.
const STATEMENT_MAX: usize = 32 << 20;

/// Idempotent by id: a batch whose answer was lost may be stored again. Before [`APPEND`], which makes them known.
const APPEND_PENDING: &str = "
    INSERT INTO pending (id, received_at)
    SELECT value ->> 0, value ->> 1 FROM json_each($1)
    WHERE NOT EXISTS (SELECT 1 FROM notifications n WHERE n.id = value ->> 0)";

/// `$1` has each row with the place of its body in `$2`, which has all bodies one after the other.
const APPEND: &str = "
    INSERT INTO notifications (id, received_at, sender, receiver, group_key, status, alerts, truncated, bytes, body)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
           value ->> 8, substr($2, value ->> 9, value ->> 8)
    FROM json_each($1)
    WHERE true
    ON CONFLICT (id) DO NOTHING";

/// Stores all or none.
pub(super) async fn append(connection: &mut SqliteConnection, batch: &[NewNotification]) -> Result<(), StoreError> {
    const WHAT: &str = "store notifications";
    if batch.is_empty() {
        return Ok(());
    }
    let mut tx = connection.begin_with(BEGIN).await.during(WHAT)?;
    let mut rest = batch;
    while !rest.is_empty() {
        let mut bodies = Vec::new();
        let mut rows = Vec::new();
        for notification in rest {
            if !rows.is_empty() && bodies.len() + notification.body.len() > STATEMENT_MAX {
                break;
            }
            // SQLite counts from 1.
            rows.push(row(notification, bodies.len() + 1));
            bodies.extend_from_slice(&notification.body);
        }
        rest = rest.get(rows.len()..).unwrap_or_default();
        let rows = text::json(&rows);
        sqlx::query(APPEND_PENDING).bind(&rows).execute(&mut *tx).await.during(WHAT)?;
        sqlx::query(APPEND).bind(rows).bind(bodies).execute(&mut *tx).await.during(WHAT)?;
    }
    tx.commit().await.during(WHAT)
}

fn row(n: &NewNotification, body_at: usize) -> serde_json::Value {
    json!([
        n.id,
        DbTime(n.received_at).to_text(),
        n.sender,
        n.receiver,
        n.group_key,
        n.status,
        n.alerts,
        i64::try_from(n.truncated).unwrap_or(i64::MAX),
        n.body.len(),
        body_at,
    ])
}

/// As many as `$2`, and no more than `$3` bytes of bodies, but always one.
const PENDING: &str = "
    SELECT n.id, n.received_at, n.body
    FROM notifications n
    JOIN (
        SELECT p.id, sum(s.bytes) OVER (ORDER BY p.id) - s.bytes AS bytes_before
        FROM (SELECT id FROM pending WHERE received_at < $1 ORDER BY id LIMIT $2) p
        JOIN notifications s ON s.id = p.id
    ) p ON p.id = n.id
    WHERE p.bytes_before < $3
    ORDER BY n.id";

/// Oldest first.
pub(super) async fn pending(
    connection: &mut SqliteConnection,
    before: Timestamp,
    limit: u32,
) -> Result<Vec<StoredNotification>, StoreError> {
    let rows: Vec<Plain<StoredNotification>> = sqlx::query_as(PENDING)
        .bind(DbTime(before))
        .bind(i64::from(limit))
        .bind(i64::try_from(READ_BACK).unwrap_or(i64::MAX))
        .fetch_all(connection)
        .await
        .during("read pending notifications")?;
    Ok(plain(rows))
}

const BACKLOG: &str = "SELECT count(*) FROM pending";

/// How many are still to be taken in.
pub(super) async fn backlog(connection: &mut SqliteConnection) -> Result<u64, StoreError> {
    let count: i64 = sqlx::query_scalar(BACKLOG).fetch_one(connection).await.during("count pending notifications")?;
    Ok(count.unsigned_abs())
}
