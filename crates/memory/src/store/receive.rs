//! Taking notifications in: read, ask the core, check what it says, and write it.

use std::collections::HashSet;

use async_trait::async_trait;
use fettle_core::alert::episode::AlertState;
use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::id::RemediationId;
use fettle_core::ports::model::{Again, Changes, OpenTarget, ReceiveAsk, StoredNotification, World};
use fettle_core::ports::{Receiving, StoreError, Think};
use fettle_core::text::clean;
use fettle_core::time::Timestamp;

use super::alerts::{Alert, shallow};
use super::lease::Lease;
use super::records::refused;
use super::{Process, Rows};

const WHAT: &str = "take notifications in";

impl Rows {
    /// Everything that was asked for but the past.
    fn world(&self, ask: &ReceiveAsk) -> World {
        let mut world = World::default();
        for fingerprint in &ask.fingerprints {
            let Some(known) = self.alerts.get(*fingerprint) else { continue };
            // Without labels: whoever speaks of an alert has them.
            world.alerts.insert(*fingerprint, shallow(&known.state));
            if !known.candidates.is_empty() {
                let candidates = known.candidates.iter().map(|it| it.of(*fingerprint)).collect();
                world.candidates.insert(*fingerprint, candidates);
            }
        }
        for target in &ask.targets {
            let target = clean(target);
            let Some(row) = self.open_on(&target) else { continue };
            let it = &row.doc.remediation;
            let open = OpenTarget { id: it.id, rule: it.rule.clone(), state: it.state_name() };
            world.open.insert(target.into_owned(), open);
        }
        world
    }

    fn receive(&mut self, ask: &ReceiveAsk, think: Think<'_>) -> Result<Changes, StoreError> {
        let mut world = self.world(ask);
        world.taken = ask.take.iter().copied().filter(|id| self.inbox.is_pending(*id)).collect();
        let mut changes = think(&world);
        if changes.opens() {
            world.past = self.past(ask);
            changes = think(&world);
        }
        self.check(ask, &changes)?;
        self.apply(ask, &changes);
        Ok(changes)
    }

    fn check(&self, ask: &ReceiveAsk, changes: &Changes) -> Result<(), StoreError> {
        let conflict = || StoreError::Conflict { operation: WHAT };
        // An alert that was not asked about is thought to be new.
        let unseen = |it: &&AlertState| !ask.fingerprints.contains(&it.fingerprint);
        if changes.alerts.iter().filter(unseen).any(|it| self.alerts.get(it.fingerprint).is_some()) {
            return Err(conflict());
        }
        let (mut ids, mut targets) = (HashSet::new(), HashSet::new());
        for it in &changes.opened {
            let target = it.target.to_string();
            if self.remediations.has(it.id) || !ids.insert(it.id) {
                return Err(conflict());
            }
            let is_open = it.outcome().is_none();
            if is_open && (self.remediations.open_on(&clean(&target)).is_some() || !targets.insert(target)) {
                return Err(conflict());
            }
        }
        let heard: HashSet<Fingerprint> = if changes.candidates.is_empty() {
            HashSet::new()
        } else {
            changes.alerts.iter().map(|it| it.fingerprint).collect()
        };
        for it in &changes.candidates {
            if !heard.contains(&it.fingerprint) && self.alerts.get(it.fingerprint).is_none() {
                return Err(refused(WHAT, "a candidate of no alert"));
            }
            if it.remediation.is_some_and(|id| !ids.contains(&id) && !self.remediations.has(id)) {
                return Err(refused(WHAT, "a candidate of no remediation"));
            }
        }
        self.check_records(&changes.records, &changes.opened)
    }

    /// Writes what is checked.
    fn apply(&mut self, ask: &ReceiveAsk, changes: &Changes) {
        ask.take.iter().for_each(|id| self.inbox.take(*id));
        for alert in &changes.alerts {
            self.alerts.put(&mut self.names, alert);
        }
        let lease = ask.lease_until.map(|until| Lease { owner: ask.owner, until });
        for it in &changes.opened {
            self.saw(it.closed_at());
            self.remediations.open(&mut self.names, it, lease);
        }
        changes.woken.iter().for_each(|id| self.remediations.wake(*id, ask.now));
        for candidate in &changes.candidates {
            let before = self.alerts.stand(&mut self.names, candidate);
            self.link(candidate.fingerprint, before, candidate.remediation);
        }
        self.write_records(&changes.records);
        if let Some(storm) = changes.storm {
            self.found(storm);
        }
        // What is opened claimed is worked on already.
        let unclaimed = lease.is_none() && changes.opened.iter().any(|it| it.outcome().is_none());
        if unclaimed || !changes.woken.is_empty() {
            self.processes.tell();
        }
    }

    /// An alert's candidate spoke of one remediation and speaks of another now.
    fn link(&mut self, fingerprint: Fingerprint, before: Option<RemediationId>, after: Option<RemediationId>) {
        if before == after {
            return;
        }
        if let Some(of) = after.and_then(|id| self.remediations.beside(id)) {
            of.alerts.insert(fingerprint);
        }
        // Another rule's candidate may speak of it still.
        let Some(before) = before else { return };
        let still = self.alerts.get(fingerprint).is_some_and(|alert| alert.is_of(before, |_| true));
        if !still && let Some(of) = self.remediations.beside(before) {
            of.alerts.remove(&fingerprint);
        }
    }

    /// Alerts that wait for a target which is free by now, those first of which was heard last the longest ago.
    pub(super) fn free_again(&self) -> Vec<&Alert> {
        let free = self.alerts.awaited().filter(|target| self.remediations.open_on(target).is_none());
        let mut alerts: Vec<&Alert> = free.flat_map(|target| self.alerts.waiting_for(target)).collect();
        alerts.sort_unstable_by_key(|it| (it.state.heard_at, it.state.fingerprint));
        alerts.dedup_by_key(|it| it.state.fingerprint);
        alerts
    }
}

#[async_trait]
impl Receiving for Process {
    async fn pending(&self, before: Timestamp, limit: u32) -> Result<Vec<StoredNotification>, StoreError> {
        self.pending_notifications(before, limit)
    }

    async fn receive(&self, ask: &ReceiveAsk, think: Think<'_>) -> Result<Changes, StoreError> {
        self.write(WHAT, |rows| rows.receive(ask, think))
    }

    async fn foresee(&self, ask: &ReceiveAsk) -> Result<World, StoreError> {
        self.read("read what is known", |rows| World { past: rows.past(ask), ..rows.world(ask) })
    }

    async fn waiting(&self, limit: u32) -> Result<Vec<AlertState>, StoreError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        self.read("ask who waits", |rows| {
            rows.free_again().into_iter().take(limit).map(|it| it.state.clone()).collect()
        })
    }

    async fn take_again(&self, now: Timestamp, next: Timestamp, limit: u32) -> Result<Vec<Again>, StoreError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        self.write("take what is decided again", |rows| Ok(rows.alerts.take_again(now, next, limit)))
    }

    async fn next_again(&self) -> Result<Option<Timestamp>, StoreError> {
        self.read("ask when something is decided again", |rows| rows.alerts.next_again())
    }

    async fn unattended(&self, after: Option<Fingerprint>, limit: u32) -> Result<Vec<AlertState>, StoreError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        self.read("ask what fires unattended", |rows| {
            rows.alerts.unattended(after).take(limit).map(|it| it.state.clone()).collect()
        })
    }
}
