//! What `receive` must know before the core can think, locked so that it stays true until the transaction ends.

use sqlx::{Connection, PgConnection};

use super::dialect::BEGIN_SNAPSHOT;
use super::past;
use crate::db_types::DbId;
use crate::error::During;
use crate::rows::{self, CandidateColumns, KnownColumns, OpenColumns, read};
use crate::text::clean;
use fettle_core::ports::StoreError;
use fettle_core::ports::model::{ReceiveAsk, World};

const WHAT: &str = "read what is known";

/// Everything that is locked, in one round trip and in this order: notifications, alerts by fingerprint, remediations by id.
/// Each count makes its part wait for the one before.
///
/// `taken` waits for a replica that is at the same rows; when that one commits, they are not there any more. A remediation
/// that is being closed is waited for and then not among the open ones, and one that we attach to is not closed before the
/// attachment is visible. What somebody else inserted while we waited is not seen here: whoever inserts it a second time
/// is told so by a unique index, and tries again.
///
/// Without labels: whoever speaks of an alert has them.
const LOCK: &str = "
    WITH taken AS (
        DELETE FROM pending WHERE id = ANY($1) RETURNING id
    ), known AS (
        SELECT fingerprint, episode, firing, starts_at, first_at, evidence_at, heard_at, ended_at, end_heard_at
        FROM alerts
        WHERE fingerprint = ANY($2) AND (SELECT count(*) FROM taken) >= 0
        ORDER BY fingerprint
        FOR NO KEY UPDATE
    ), open AS (
        SELECT target, id, rule, state FROM remediations
        WHERE target = ANY($3) AND state <> 'closed' AND (SELECT count(*) FROM known) >= 0
        ORDER BY id
        FOR NO KEY UPDATE
    )
    SELECT
        (SELECT array_agg(id) FROM taken) AS taken,
        (SELECT array_agg(ROW(fingerprint, episode, firing, starts_at, first_at, evidence_at, heard_at, ended_at,
                              end_heard_at)) FROM known) AS known,
        (SELECT array_agg(ROW(target, id, rule, state)) FROM open) AS open";

/// The same rows as they are now: nothing is taken or locked.
const SEE: &str = "
    SELECT
        (SELECT array_agg(id) FROM pending WHERE id = ANY($1)) AS taken,
        (SELECT array_agg(ROW(fingerprint, episode, firing, starts_at, first_at, evidence_at, heard_at, ended_at,
                              end_heard_at)) FROM alerts WHERE fingerprint = ANY($2)) AS known,
        (SELECT array_agg(ROW(target, id, rule, state)) FROM remediations
         WHERE target = ANY($3) AND state <> 'closed') AS open";

/// What the locks protect, as it is now that they are held.
const STANDING: &str = "
    SELECT fingerprint, rule, episode, target, standing, remediation_id, closed_at, conclusion, again_at
    FROM candidates WHERE fingerprint = ANY($1)
    ORDER BY fingerprint, rule";

/// No rows make no array.
type Rows<T> = Option<Vec<T>>;

/// Takes the notifications and reads everything that was asked for but the past.
pub(super) async fn load(tx: &mut PgConnection, ask: &ReceiveAsk) -> Result<World, StoreError> {
    read_by(LOCK, tx, ask).await
}

/// Reads everything that was asked for from one snapshot, takes and locks nothing.
pub(super) async fn foresee(connection: &mut PgConnection, ask: &ReceiveAsk) -> Result<World, StoreError> {
    let mut tx = connection.begin_with(BEGIN_SNAPSHOT).await.during(WHAT)?;
    let world = read_by(SEE, &mut tx, &ReceiveAsk { take: Vec::new(), ..ask.clone() }).await?;
    Ok(World { past: past::load(&mut tx, ask).await?, ..world })
}

async fn read_by(statement: &'static str, tx: &mut PgConnection, ask: &ReceiveAsk) -> Result<World, StoreError> {
    let take: Vec<DbId> = ask.take.iter().map(|id| DbId::of(*id)).collect();
    let fingerprints: Vec<String> = ask.fingerprints.iter().map(ToString::to_string).collect();
    let targets: Vec<_> = ask.targets.iter().map(|target| clean(target)).collect();
    let (taken, known, open): (Rows<DbId>, Rows<KnownColumns>, Rows<OpenColumns>) = sqlx::query_as(statement)
        .bind(take)
        .bind(&fingerprints)
        .bind(&targets)
        .fetch_one(&mut *tx)
        .await
        .during(WHAT)?;
    let alerts = read(WHAT, known.into_iter().flatten(), rows::known)?;
    let mut world = World {
        taken: taken.into_iter().flatten().map(DbId::read).collect(),
        alerts: alerts.into_iter().map(|alert| (alert.fingerprint, alert)).collect(),
        open: read(WHAT, open.into_iter().flatten(), rows::open)?.into_iter().collect(),
        ..World::default()
    };

    // An alert that is not known has no candidates.
    if !world.alerts.is_empty() {
        let standing: Vec<CandidateColumns> =
            sqlx::query_as(STANDING).bind(&fingerprints).fetch_all(tx).await.during(WHAT)?;
        for candidate in read(WHAT, standing, rows::candidate)? {
            world.candidates.entry(candidate.fingerprint).or_default().push(candidate);
        }
    }
    Ok(world)
}
