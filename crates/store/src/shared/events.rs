//! Events: what belongs to no single action, and how hosts were doing.

use sqlx::Connection;

use super::dialect::{BEGIN, Conn};
use crate::db_types::{DbId, DbTime};
use crate::document::Document;
use crate::error::During;
use crate::rows::{Plain, plain};
use crate::text::clean_opt;
use fettle_core::ports::StoreError;
use fettle_core::ports::model::Sample;
use fettle_core::ports::view::{EventFilter, EventView};

/// Idempotent by id: one whose answer was lost may be stored again. SQLite's triggers refuse a second row of one id before
/// it comes to the conflict.
const SAMPLE: &str = "
    INSERT INTO events (id, at, event, severity, details, cpu, ram, disk)
    SELECT $1, $2, $3, $4, $5, $6, $7, $8 WHERE NOT EXISTS (SELECT 1 FROM events WHERE id = $1)
    ON CONFLICT (id) DO NOTHING";

/// Stores samples, all or none.
pub(super) async fn sample(connection: &mut Conn, samples: &[Sample]) -> Result<(), StoreError> {
    const WHAT: &str = "store how a host is doing";
    let mut tx = connection.begin_with(BEGIN).await.during(WHAT)?;
    for it in samples {
        sqlx::query(SAMPLE)
            .bind(DbId::of(it.id))
            .bind(DbTime(it.at))
            .bind(it.event)
            .bind(it.severity.as_str())
            .bind(Document::of(&it.details))
            .bind(it.cpu)
            .bind(it.ram)
            .bind(it.disk)
            .execute(&mut *tx)
            .await
            .during(WHAT)?;
    }
    tx.commit().await.during(WHAT)
}

/// Without a name the samples are left out: one a minute would hide everything else.
const EVENTS: &str = "
    SELECT id, at, event, severity, details, cpu, ram, disk
    FROM fettle_events
    WHERE event <> 'host_sampled'
      AND (severity = $1 OR $1 IS NULL)
      AND (event = $2 OR $2 IS NULL)
      AND (at >= $3 OR $3 IS NULL)
      AND (id < $4 OR $4 IS NULL)
    ORDER BY id DESC
    LIMIT $5";

const SAMPLES: &str = sql!("
    SELECT id, at, event, severity, details, cpu, ram, disk
    FROM fettle_events
    WHERE event = 'host_sampled'
      AND (severity = $1 OR $1 IS NULL)
      AND (event = $2 OR $2 IS NULL)
      AND at >= coalesce($3, " BEGINNING ")
      AND (id < $4 OR $4 IS NULL)
    ORDER BY at DESC, id DESC
    LIMIT $5");

/// Events, newest first.
pub(super) async fn events(connection: &mut Conn, filter: &EventFilter) -> Result<Vec<EventView>, StoreError> {
    let samples = filter.event.as_deref() == Some(fettle_core::ports::model::SAMPLED);
    let rows: Vec<Plain<EventView>> = sqlx::query_as(if samples { SAMPLES } else { EVENTS })
        .bind(clean_opt(filter.severity.as_deref()))
        .bind(clean_opt(filter.event.as_deref()))
        .bind(filter.since.map(DbTime))
        .bind(filter.after.map(DbId::of))
        .bind(i64::from(filter.limit))
        .fetch_all(connection)
        .await
        .during("list events")?;
    Ok(plain(rows))
}
