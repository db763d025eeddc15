//! What `receive` must know before the core can think. The transaction has begun `IMMEDIATE`: nobody else writes meanwhile.

use sqlx::{Connection, SqliteConnection};

use super::past;
use crate::db_types::DbId;
use crate::error::During;
use crate::rows::{CandidateColumns, KnownColumns, OpenColumns, candidate, known, open, read};
use crate::text::json;
use fettle_core::alert::episode::AlertState;
use fettle_core::ports::StoreError;
use fettle_core::ports::model::{ReceiveAsk, World};

const WHAT: &str = "read what is known";

const TAKE: &str = "DELETE FROM pending WHERE id IN (SELECT value FROM json_each($1)) RETURNING id";

/// Without labels: whoever speaks of an alert has them.
const ALERTS: &str = "
    SELECT fingerprint, episode, firing, starts_at, first_at, evidence_at, heard_at, ended_at, end_heard_at
    FROM alerts WHERE fingerprint IN (SELECT value FROM json_each($1))";

const CANDIDATES: &str = "
    SELECT fingerprint, rule, episode, target, standing, remediation_id, closed_at, conclusion, again_at
    FROM candidates WHERE fingerprint IN (SELECT value FROM json_each($1))
    ORDER BY fingerprint, rule";

const OPEN: &str = "
    SELECT target, id, rule, state FROM remediations
    WHERE target IN (SELECT value FROM json_each($1)) AND state <> 'closed'";

/// Reads everything that was asked for, takes nothing.
pub(super) async fn foresee(connection: &mut SqliteConnection, ask: &ReceiveAsk) -> Result<World, StoreError> {
    let mut tx = connection.begin().await.during(WHAT)?;
    let world = load(&mut tx, &ReceiveAsk { take: Vec::new(), ..ask.clone() }).await?;
    Ok(World { past: past::load(&mut tx, ask).await?, ..world })
}

/// Takes the notifications and reads everything that was asked for but the past.
pub(super) async fn load(tx: &mut SqliteConnection, ask: &ReceiveAsk) -> Result<World, StoreError> {
    let mut world = World::default();
    if !ask.take.is_empty() {
        let taken: Vec<DbId> = sqlx::query_scalar(TAKE).bind(json(&ask.take)).fetch_all(&mut *tx).await.during(WHAT)?;
        world.taken = taken.into_iter().map(DbId::read).collect();
    }
    if !ask.fingerprints.is_empty() {
        let fingerprints = json(&ask.fingerprints);
        let rows: Vec<KnownColumns> =
            sqlx::query_as(ALERTS).bind(&fingerprints).fetch_all(&mut *tx).await.during(WHAT)?;
        let alerts: Vec<AlertState> = read(WHAT, rows, known)?;
        world.alerts = alerts.into_iter().map(|alert| (alert.fingerprint, alert)).collect();
        // An alert that is not known has no candidates.
        if !world.alerts.is_empty() {
            let rows: Vec<CandidateColumns> =
                sqlx::query_as(CANDIDATES).bind(fingerprints).fetch_all(&mut *tx).await.during(WHAT)?;
            for candidate in read(WHAT, rows, candidate)? {
                world.candidates.entry(candidate.fingerprint).or_default().push(candidate);
            }
        }
    }
    if !ask.targets.is_empty() {
        let targets = json(&ask.targets);
        let rows: Vec<OpenColumns> = sqlx::query_as(OPEN).bind(targets).fetch_all(tx).await.during(WHAT)?;
        world.open = read(WHAT, rows, open)?.into_iter().collect();
    }
    Ok(world)
}
