//! The inbox: notifications as they came, and which of them are still to be taken in.

use async_trait::async_trait;
use sqlx::{Connection, PgConnection};

use super::Postgres;
use crate::db_types::{DbId, DbTime};
use crate::error::During;
use crate::rows::{Plain, plain};
use crate::text::clean;
use fettle_core::ports::model::{NewNotification, StoredNotification};
use fettle_core::ports::{Intake, StoreError};
use fettle_core::settings::limits::READ_BACK;
use fettle_core::time::Timestamp;

#[async_trait]
impl Intake for Postgres {
    async fn append(&self, batch: &[NewNotification]) -> Result<(), StoreError> {
        on_connection!(self.inbox, append(batch))
    }

    async fn backlog(&self) -> Result<u64, StoreError> {
        on_connection!(self.pool, backlog())
    }
}

/// Bytes of bodies in one statement. An array may hold 1 GB at most, and the server copies it several times.
const STATEMENT_MAX: usize = 32 << 20;

/// Idempotent by id: a batch whose answer was lost may be stored again.
const APPEND: &str = "
    WITH new AS (
        INSERT INTO notifications
            (id, received_at, sender, receiver, group_key, status, alerts, truncated, bytes, body)
        SELECT * FROM UNNEST($1::uuid[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[],
                             $8::bigint[], $9::bigint[], $10::bytea[])
        ON CONFLICT (id) DO NOTHING
        RETURNING id, received_at
    )
    INSERT INTO pending (id, received_at) SELECT id, received_at FROM new";

/// Stores all or none: one statement, or one transaction when the bodies are too large for one.
pub(super) async fn append(connection: &mut PgConnection, batch: &[NewNotification]) -> Result<(), StoreError> {
    const WHAT: &str = "store notifications";
    let mut chunks = by_size(batch);
    match (chunks.pop(), chunks.is_empty()) {
        (None, _) => {}
        (Some(only), true) => {
            append_chunk(connection, only).await.during(WHAT)?;
        }
        (Some(last), false) => {
            let mut tx = connection.begin().await.during(WHAT)?;
            for chunk in chunks.into_iter().chain([last]) {
                append_chunk(&mut tx, chunk).await.during(WHAT)?;
            }
            tx.commit().await.during(WHAT)?;
        }
    }
    Ok(())
}

fn by_size(batch: &[NewNotification]) -> Vec<&[NewNotification]> {
    let mut chunks = Vec::new();
    let (mut from, mut bytes) = (0, 0);
    for (at, notification) in batch.iter().enumerate() {
        if at > from && bytes + notification.body.len() > STATEMENT_MAX {
            chunks.extend(batch.get(from..at));
            (from, bytes) = (at, 0);
        }
        bytes += notification.body.len();
    }
    chunks.extend(batch.get(from..).filter(|rest| !rest.is_empty()));
    chunks
}

async fn append_chunk(connection: &mut PgConnection, chunk: &[NewNotification]) -> sqlx::Result<()> {
    fn column<'a, T>(chunk: &'a [NewNotification], of: impl Fn(&'a NewNotification) -> T) -> Vec<T> {
        chunk.iter().map(of).collect()
    }
    sqlx::query(APPEND)
        .bind(column(chunk, |n| DbId::of(n.id)))
        .bind(column(chunk, |n| DbTime(n.received_at)))
        .bind(column(chunk, |n| clean(&n.sender)))
        .bind(column(chunk, |n| clean(&n.receiver)))
        .bind(column(chunk, |n| clean(&n.group_key)))
        .bind(column(chunk, |n| n.status))
        .bind(column(chunk, |n| i64::from(n.alerts)))
        .bind(column(chunk, |n| i64::try_from(n.truncated).unwrap_or(i64::MAX)))
        .bind(column(chunk, |n| i64::try_from(n.body.len()).unwrap_or(i64::MAX)))
        .bind(column(chunk, |n| &n.body[..]))
        .execute(connection)
        .await
        .map(drop)
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
    connection: &mut PgConnection,
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
pub(super) async fn backlog(connection: &mut PgConnection) -> Result<u64, StoreError> {
    let count: i64 = sqlx::query_scalar(BACKLOG).fetch_one(connection).await.during("count pending notifications")?;
    Ok(count.unsigned_abs())
}
