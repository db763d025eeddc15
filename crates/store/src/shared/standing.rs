//! How things stand: what is open, what is attached to it, what was spent.

use async_trait::async_trait;
use serde_json::Value;
use sqlx::types::Json;

use super::dialect::{Conn, Database};
use super::{pauses, storm, unproven};
use crate::db_types::{DbId, DbTime};
use crate::error::During;
use crate::rows::{AlertRow, Plain, alert, plain, read};
use fettle_core::alert::episode::AlertState;
use fettle_core::id::RemediationId;
use fettle_core::ports::model::Spent;
use fettle_core::ports::{Standing, StoreError};
use fettle_core::remediation::state::Remediation;
use fettle_core::surroundings::{Breaker, Pause, Storm};
use fettle_core::time::Timestamp;

#[async_trait]
impl Standing for Database {
    async fn remediation(&self, id: RemediationId) -> Result<Option<Remediation>, StoreError> {
        reading!(self, remediation(id))
    }

    async fn attached(&self, remediation: RemediationId) -> Result<Vec<AlertState>, StoreError> {
        reading!(self, attached(remediation))
    }

    async fn pauses(&self, now: Timestamp) -> Result<Vec<Pause>, StoreError> {
        reading!(self, pauses::pauses(now))
    }

    async fn breakers(&self, since: Timestamp) -> Result<Vec<(String, Breaker)>, StoreError> {
        reading!(self, unproven::breakers(since))
    }

    async fn storm(&self) -> Result<Option<Storm>, StoreError> {
        reading!(self, storm::storm())
    }

    async fn spent(&self, since: Timestamp) -> Result<Vec<Spent>, StoreError> {
        reading!(self, spent(since))
    }

    async fn open_by_state(&self) -> Result<Vec<(String, u64)>, StoreError> {
        reading!(self, open_by_state())
    }
}

const REMEDIATION: &str = "SELECT doc FROM remediations WHERE id = $1";

/// A remediation as it is stored.
pub(super) async fn remediation(connection: &mut Conn, id: RemediationId) -> Result<Option<Remediation>, StoreError> {
    const WHAT: &str = "read a remediation";
    let doc: Option<Json<Value>> =
        sqlx::query_scalar(REMEDIATION).bind(DbId::of(id)).fetch_optional(connection).await.during(WHAT)?;
    let garbled = |_| StoreError::Unreadable { operation: WHAT, what: "remediation" };
    doc.map(|doc| serde_json::from_value(doc.0).map_err(garbled)).transpose()
}

const ATTACHED: &str = "
    SELECT a.fingerprint, a.labels, a.episode, a.firing, a.starts_at, a.first_at, a.evidence_at, a.heard_at, a.ended_at,
           a.end_heard_at
    FROM candidates c JOIN alerts a ON a.fingerprint = c.fingerprint
    WHERE c.remediation_id = $1 AND c.standing = 'attached'
    ORDER BY a.fingerprint";

/// The alerts attached to an open remediation.
pub(super) async fn attached(connection: &mut Conn, remediation: RemediationId) -> Result<Vec<AlertState>, StoreError> {
    const WHAT: &str = "read the attached alerts";
    let rows: Vec<AlertRow> =
        sqlx::query_as(ATTACHED).bind(DbId::of(remediation)).fetch_all(connection).await.during(WHAT)?;
    read(WHAT, rows, alert)
}

const SPENT: &str = "
    SELECT rule, target, planned_at FROM actions
    WHERE spends AND mode = 'act' AND planned_at >= $1
    ORDER BY planned_at DESC, id DESC";

/// Effects that count, newest first.
pub(super) async fn spent(connection: &mut Conn, since: Timestamp) -> Result<Vec<Spent>, StoreError> {
    let rows: Vec<Plain<Spent>> =
        sqlx::query_as(SPENT).bind(DbTime(since)).fetch_all(connection).await.during("read what was spent")?;
    Ok(plain(rows))
}

const OPEN_BY_STATE: &str =
    "SELECT state, count(*) FROM remediations WHERE state <> 'closed' GROUP BY state ORDER BY state";

/// How many are open, by state.
pub(super) async fn open_by_state(connection: &mut Conn) -> Result<Vec<(String, u64)>, StoreError> {
    let rows: Vec<(String, i64)> =
        sqlx::query_as(OPEN_BY_STATE).fetch_all(connection).await.during("count open remediations")?;
    Ok(rows.into_iter().map(|(state, count)| (state, count.unsigned_abs())).collect())
}
