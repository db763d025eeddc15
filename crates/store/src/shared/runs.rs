//! How the runs of containers ended, and who follows each Docker daemon.
//!
//! Always holds: only the holder of a daemon's watch stores anything about its containers, so what is read and written again is
//! not another's.

use std::collections::BTreeMap;

use async_trait::async_trait;
use sqlx::Connection;
use sqlx::types::Json;

use super::dialect::{BEGIN, Conn, Database};
use crate::db_types::{DbId, DbTime};
use crate::document::Document;
use crate::error::During;
use fettle_core::id::ReplicaId;
use fettle_core::ports::{Runs, StoreError};
use fettle_core::sight::past::{CONTAINERS_MAX, EndedRun, Learnt, Past, Watch, keep};
use fettle_core::time::Timestamp;

/// Containers beyond the bound that go at a time.
const STEP: i64 = 500;

#[async_trait]
impl Runs for Database {
    async fn watch(
        &self,
        daemon: &str,
        owner: ReplicaId,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<Option<Watch>, StoreError> {
        writing!(self, watch(daemon, owner, now, lease_until))
    }

    async fn seen(&self, daemon: &str, owner: ReplicaId, watch: &Watch, learnt: &Learnt) -> Result<bool, StoreError> {
        writing!(self, seen(daemon, owner, watch, learnt))
    }

    async fn past(&self, daemon: &str, containers: &[String]) -> Result<Past, StoreError> {
        reading!(self, past(daemon, containers))
    }
}

const WATCH: &str = "
    INSERT INTO docker_watches (daemon, lease_owner, lease_until, watch) VALUES ($1, $2, $3, $4)
    ON CONFLICT (daemon) DO UPDATE SET lease_owner = excluded.lease_owner, lease_until = excluded.lease_until
    WHERE docker_watches.lease_owner IS NULL OR docker_watches.lease_owner = excluded.lease_owner
        OR docker_watches.lease_until <= $5
    RETURNING watch";

async fn watch(
    connection: &mut Conn,
    daemon: &str,
    owner: ReplicaId,
    now: Timestamp,
    until: Timestamp,
) -> Result<Option<Watch>, StoreError> {
    let held: Option<Json<Watch>> = sqlx::query_scalar(WATCH)
        .bind(daemon)
        .bind(DbId::of(owner))
        .bind(DbTime(until))
        .bind(Document::of(&Watch::default()))
        .bind(DbTime(now))
        .fetch_optional(connection)
        .await
        .during("watch a daemon")?;
    Ok(held.map(|it| it.0))
}

const SEEN: &str = "UPDATE docker_watches SET watch = $3 WHERE daemon = $1 AND lease_owner = $2";

async fn seen(
    connection: &mut Conn,
    daemon: &str,
    owner: ReplicaId,
    watch: &Watch,
    learnt: &Learnt,
) -> Result<bool, StoreError> {
    const WHAT: &str = "store ended runs";
    let mut tx = connection.begin_with(BEGIN).await.during(WHAT)?;
    let held = sqlx::query(SEEN).bind(daemon).bind(DbId::of(owner)).bind(Document::of(watch));
    if held.execute(&mut *tx).await.during(WHAT)?.rows_affected() == 0 {
        return Ok(false);
    }
    learn(&mut tx, daemon, learnt).await.during(WHAT)?;
    tx.commit().await.during(WHAT)?;
    Ok(true)
}

const RUNS: &str = "SELECT runs FROM container_runs WHERE container = $1 AND daemon = $2";

const KEEP: &str = "
    INSERT INTO container_runs (container, daemon, ended_at, runs) VALUES ($1, $2, $3, $4)
    ON CONFLICT (container) DO UPDATE
    SET daemon = excluded.daemon, ended_at = excluded.ended_at, runs = excluded.runs";

const REMOVE: &str = "DELETE FROM container_runs WHERE container = $1 AND daemon = $2";

const BOUND: &str = "
    DELETE FROM container_runs WHERE container IN (
        SELECT container FROM container_runs WHERE daemon = $1 ORDER BY ended_at DESC LIMIT $2 OFFSET $3)";

async fn learn(tx: &mut Conn, daemon: &str, learnt: &Learnt) -> sqlx::Result<()> {
    let mut by_container: BTreeMap<&str, Vec<&EndedRun>> = BTreeMap::new();
    for run in &learnt.ended {
        by_container.entry(&run.container).or_default().push(run);
    }
    for (container, ended) in &by_container {
        let stored = sqlx::query_scalar(RUNS).bind(*container).bind(daemon).fetch_optional(&mut *tx).await?;
        let mut runs = stored.map_or_else(Vec::new, |Json(runs): Json<Vec<EndedRun>>| runs);
        for run in ended {
            keep(&mut runs, (*run).clone());
        }
        let Some(last) = runs.last().map(|run| run.ended_at) else { continue };
        let row = sqlx::query(KEEP).bind(*container).bind(daemon).bind(DbTime(last)).bind(Document::of(&runs));
        row.execute(&mut *tx).await?;
    }
    for container in &learnt.removed {
        sqlx::query(REMOVE).bind(container).bind(daemon).execute(&mut *tx).await?;
    }
    if !by_container.is_empty() {
        sqlx::query(BOUND).bind(daemon).bind(STEP).bind(i64::from(CONTAINERS_MAX)).execute(tx).await?;
    }
    Ok(())
}

const GAPS: &str = "SELECT watch FROM docker_watches WHERE daemon = $1";

async fn past(connection: &mut Conn, daemon: &str, containers: &[String]) -> Result<Past, StoreError> {
    const WHAT: &str = "read ended runs";
    let mut runs = Vec::new();
    for container in containers {
        let row = sqlx::query_scalar(RUNS).bind(container).bind(daemon).fetch_optional(&mut *connection);
        let stored: Option<Json<Vec<EndedRun>>> = row.await.during(WHAT)?;
        runs.extend(stored.into_iter().flat_map(|it| it.0));
    }
    let watch: Option<Json<Watch>> =
        sqlx::query_scalar(GAPS).bind(daemon).fetch_optional(connection).await.during(WHAT)?;
    Ok(Past { runs, gaps: watch.map(|it| it.0.gaps).unwrap_or_default() })
}

const RELEASE: &str = "UPDATE docker_watches SET lease_owner = NULL, lease_until = NULL WHERE lease_owner = $1";

/// Gives back the watches of `owner`.
pub(super) async fn release(connection: &mut Conn, owner: DbId) -> sqlx::Result<()> {
    sqlx::query(RELEASE).bind(owner).execute(connection).await.map(drop)
}
