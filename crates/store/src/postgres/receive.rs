//! Taking notifications in: one transaction that locks, asks the core, and writes what it says in batches.

use std::collections::HashSet;

use sqlx::{Connection, PgConnection};

use super::connect::BEGIN;
use super::writes::Writes;
use super::{audit, past, storm, wakes, world};
use crate::columns::{Named, RemediationColumns, new_and_changed};
use crate::db_types::{DbId, DbTime};
use crate::error::During;
use crate::text::{self, clean};
use fettle_core::alert::episode::AlertState;
use fettle_core::id::RemediationId;
use fettle_core::ports::model::{Candidate, Changes, ReceiveAsk, World};
use fettle_core::ports::{StoreError, Think};
use fettle_core::remediation::state::Remediation;

const WHAT: &str = "take notifications in";

/// Takes notifications in.
pub(super) async fn receive(
    connection: &mut PgConnection,
    ask: &ReceiveAsk,
    think: Think<'_>,
) -> Result<Changes, StoreError> {
    let mut tx = connection.begin_with(BEGIN).await.during(WHAT)?;
    let mut world = world::load(&mut tx, ask).await?;
    let mut changes = think(&world);
    if changes.opens() {
        world.past = past::load(&mut tx, ask).await?;
        changes = think(&world);
    }
    write(&mut tx, ask, &world, &changes).await?;
    tx.commit().await.during(WHAT)?;
    Ok(changes)
}

/// Remediations are touched before candidates, in the order in which `commit` does it.
async fn write(tx: &mut PgConnection, ask: &ReceiveAsk, world: &World, changes: &Changes) -> Result<(), StoreError> {
    let (mut writes, mut later) = (Writes::default(), Writes::default());
    let (new, moved) = new_and_changed(&changes.alerts, &world.alerts);
    insert_alerts(&mut writes, &new);
    update_alerts(&mut writes, &moved);
    open(&mut writes, ask, &changes.opened);
    // An alert may fire and end within one batch: what this statement opens, it cannot wake.
    let opened: HashSet<RemediationId> = changes.opened.iter().map(|it| it.id).collect();
    let (born, known): (Vec<&RemediationId>, Vec<&RemediationId>) =
        changes.woken.iter().partition(|id| opened.contains(id));
    wake(&mut writes, &known, ask);
    wake(&mut later, &born, ask);
    upsert_candidates(&mut writes, &changes.candidates);
    audit::add(&mut writes, &mut later, &changes.records);
    for writes in [writes, later] {
        if writes.run(tx).await.during(WHAT)?.is_some() {
            return Err(sqlx::Error::RowNotFound).during(WHAT);
        }
    }
    if let Some(storm) = &changes.storm {
        storm::write(tx, storm).await.during(WHAT)?;
    }
    // What is opened claimed is worked on already.
    let unclaimed = ask.lease_until.is_none() && changes.opened.iter().any(|it| it.outcome().is_none());
    if unclaimed || !changes.woken.is_empty() {
        wakes::tell(tx).await.during(WHAT)?;
    }
    audit::beside(tx, &changes.records).await
}

fn column<'a, R: ?Sized, T>(rows: &[&'a R], of: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(|row| of(row)).collect()
}

/// No `ON CONFLICT`: an alert that somebody else inserted since is a conflict, and the core must think again.
const INSERT_ALERTS: &str = "
    INSERT INTO alerts (fingerprint, alertname, severity, labels, episode, firing, starts_at, first_at, evidence_at,
                        heard_at, ended_at, end_heard_at)
    SELECT n.fingerprint, n.alertname, n.severity, n.labels::jsonb, n.episode, n.firing, n.starts_at, n.first_at,
           n.evidence_at, n.heard_at, n.ended_at, n.end_heard_at
    FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::boolean[], $7::timestamptz[],
                $8::timestamptz[], $9::timestamptz[], $10::timestamptz[], $11::timestamptz[], $12::timestamptz[])
        AS n (fingerprint, alertname, severity, labels, episode, firing, starts_at, first_at, evidence_at, heard_at,
              ended_at, end_heard_at)";

fn insert_alerts(writes: &mut Writes, alerts: &[&AlertState]) {
    if alerts.is_empty() {
        return;
    }
    let named: Vec<Named<'_>> = alerts.iter().map(|alert| Named::from(&alert.labels)).collect();
    writes
        .part(INSERT_ALERTS)
        .bind(column(alerts, |a| a.fingerprint.to_string()))
        .bind(named.iter().map(|n| &*n.alertname).collect::<Vec<_>>())
        .bind(named.iter().map(|n| n.severity.as_deref()).collect::<Vec<_>>())
        .bind(named.iter().map(|n| &*n.labels).collect::<Vec<_>>())
        .bind(column(alerts, |a| a.episode))
        .bind(column(alerts, |a| a.firing))
        .bind(column(alerts, |a| DbTime(a.starts_at)))
        .bind(column(alerts, |a| DbTime(a.first_at)))
        .bind(column(alerts, |a| DbTime(a.evidence_at)))
        .bind(column(alerts, |a| DbTime(a.heard_at)))
        .bind(column(alerts, |a| a.ended_at.map(DbTime)))
        .bind(column(alerts, |a| a.end_heard_at.map(DbTime)));
}

/// Labels never change: they are what the fingerprint is made of.
const UPDATE_ALERTS: &str = "
    UPDATE alerts a
    SET episode = n.episode, firing = n.firing, starts_at = n.starts_at, first_at = n.first_at,
        evidence_at = n.evidence_at, heard_at = n.heard_at, ended_at = n.ended_at, end_heard_at = n.end_heard_at
    FROM UNNEST($1::text[], $2::bigint[], $3::boolean[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[],
                $7::timestamptz[], $8::timestamptz[], $9::timestamptz[])
        AS n (fingerprint, episode, firing, starts_at, first_at, evidence_at, heard_at, ended_at, end_heard_at)
    WHERE a.fingerprint = n.fingerprint";

fn update_alerts(writes: &mut Writes, alerts: &[&AlertState]) {
    if alerts.is_empty() {
        return;
    }
    writes
        .part(UPDATE_ALERTS)
        .bind(column(alerts, |a| a.fingerprint.to_string()))
        .bind(column(alerts, |a| a.episode))
        .bind(column(alerts, |a| a.firing))
        .bind(column(alerts, |a| DbTime(a.starts_at)))
        .bind(column(alerts, |a| DbTime(a.first_at)))
        .bind(column(alerts, |a| DbTime(a.evidence_at)))
        .bind(column(alerts, |a| DbTime(a.heard_at)))
        .bind(column(alerts, |a| a.ended_at.map(DbTime)))
        .bind(column(alerts, |a| a.end_heard_at.map(DbTime)));
}

/// The partial unique index decides who opens; the lease columns go only to those that are open.
const OPEN: &str = "
    INSERT INTO remediations (id, opened_at, closed_at, due_at, actions, state, outcome, reason, rule, target, target_key,
                              host, alertname, severity, fingerprint, doc, lease_owner, lease_until)
    SELECT n.id, n.opened_at, n.closed_at, n.due_at, n.actions, n.state, n.outcome, n.reason, n.rule, n.target,
           n.target_key, n.host, n.alertname, n.severity, n.fingerprint, n.doc::jsonb,
           CASE WHEN n.state <> 'closed' AND $18::timestamptz IS NOT NULL THEN $17::uuid END,
           CASE WHEN n.state <> 'closed' THEN $18::timestamptz END
    FROM UNNEST($1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::timestamptz[], $5::bigint[], $6::text[], $7::text[],
                $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[],
                $16::text[])
        AS n (id, opened_at, closed_at, due_at, actions, state, outcome, reason, rule, target, target_key, host, alertname,
              severity, fingerprint, doc)";

fn open(writes: &mut Writes, ask: &ReceiveAsk, opened: &[Remediation]) {
    if opened.is_empty() {
        return;
    }
    let mut rows: Vec<RemediationColumns<'_>> = opened.iter().map(Into::into).collect();
    // As with alerts: two replicas that open the same targets meet at the first.
    rows.sort_by(|a, b| a.target.cmp(&b.target));
    let rows: Vec<&RemediationColumns<'_>> = rows.iter().collect();
    writes
        .part(OPEN)
        .bind(column(&rows, |r| r.id))
        .bind(column(&rows, |r| r.opened_at))
        .bind(column(&rows, |r| r.closed_at))
        .bind(column(&rows, |r| r.due_at))
        .bind(column(&rows, |r| r.actions))
        .bind(column(&rows, |r| r.state))
        .bind(column(&rows, |r| r.outcome))
        .bind(column(&rows, |r| r.reason.as_deref()))
        .bind(column(&rows, |r| &*r.rule))
        .bind(column(&rows, |r| &*r.target))
        .bind(column(&rows, |r| r.target_key.as_deref()))
        .bind(column(&rows, |r| &*r.host))
        .bind(column(&rows, |r| &*r.alertname))
        .bind(column(&rows, |r| r.severity.as_deref()))
        .bind(column(&rows, |r| &*r.fingerprint))
        .bind(column(&rows, |r| &*r.doc))
        .bind(DbId::of(ask.owner))
        .bind(ask.lease_until.map(DbTime));
}

/// Counted as well, so that whoever holds it sees at the end of its work that it must look again.
const WAKE: &str = "
    UPDATE remediations SET due_at = least(due_at, $2), wakes = wakes + 1
    WHERE id = ANY($1) AND state <> 'closed'";

fn wake(writes: &mut Writes, woken: &[&RemediationId], ask: &ReceiveAsk) {
    if woken.is_empty() {
        return;
    }
    writes.part(WAKE).bind(column(woken, |id| DbId::of(*id))).bind(DbTime(ask.now));
}

const UPSERT_CANDIDATES: &str = "
    INSERT INTO candidates (fingerprint, rule, episode, target, standing, remediation_id, closed_at, conclusion, again_at)
    SELECT n.fingerprint, n.rule, n.episode, n.target, n.standing, n.remediation_id, n.closed_at, n.conclusion::jsonb,
           n.again_at
    FROM UNNEST($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::uuid[], $7::timestamptz[], $8::text[],
                $9::timestamptz[])
        AS n (fingerprint, rule, episode, target, standing, remediation_id, closed_at, conclusion, again_at)
    ON CONFLICT (fingerprint, rule) DO UPDATE
    SET episode = excluded.episode, target = excluded.target, standing = excluded.standing,
        remediation_id = excluded.remediation_id, closed_at = excluded.closed_at, conclusion = excluded.conclusion,
        again_at = excluded.again_at";

fn upsert_candidates(writes: &mut Writes, candidates: &[Candidate]) {
    if candidates.is_empty() {
        return;
    }
    let rows: Vec<&Candidate> = candidates.iter().collect();
    writes
        .part(UPSERT_CANDIDATES)
        .bind(column(&rows, |c| c.fingerprint.to_string()))
        .bind(column(&rows, |c| clean(&c.rule)))
        .bind(column(&rows, |c| c.episode))
        .bind(column(&rows, |c| clean(&c.target)))
        .bind(column(&rows, |c| c.standing.as_str()))
        .bind(column(&rows, |c| c.remediation.map(DbId::of)))
        .bind(column(&rows, |c| c.closed_at.map(DbTime)))
        .bind(column(&rows, |c| c.conclusion.as_ref().map(text::json)))
        .bind(column(&rows, |c| c.again_at.map(DbTime)));
}
