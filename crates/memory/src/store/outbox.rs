//! The outbox: what is to be said through Alertmanager, until every peer has heard it.
//!
//! Always holds: one announcement of each name is up for a remediation. A change that comes while it is being delivered is
//! delivered after it.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use fettle_core::announcement::{Announcement, AnnouncementName};
use fettle_core::id::{AnnouncementId, RemediationId, ReplicaId};
use fettle_core::ports::model::{Outgoing, Sample};
use fettle_core::ports::{Outbox, StoreError};
use fettle_core::remediation::record::Record;
use fettle_core::time::Timestamp;

use super::clean::{labels, text};
use super::lease::Lease;
use super::{Process, Rows};

/// An announcement, and what of it was delivered.
#[derive(Debug, Clone)]
pub struct Announced {
    /// The row.
    pub id: AnnouncementId,
    /// As it stands.
    pub announcement: Announcement,
    /// Since when it stands.
    pub starts_at: Timestamp,
    /// Rises with every change.
    pub version: i64,
    /// The last version that every peer has heard.
    pub delivered_version: i64,
    /// When.
    pub delivered_at: Option<Timestamp>,
    /// It is over, and nothing of it is to be delivered.
    pub ended: bool,
    /// Who delivers it now.
    pub lease: Option<Lease>,
}

impl Announced {
    fn is_due(&self, now: Timestamp, renew_before: Timestamp) -> bool {
        let changed = self.delivered_version < self.version;
        (changed || self.delivered_at.is_some_and(|at| at < renew_before))
            && self.lease.is_none_or(|lease| lease.is_over(now))
    }

    fn outgoing(&self) -> Outgoing {
        Outgoing {
            id: self.id,
            version: self.version,
            starts_at: self.starts_at,
            announcement: self.announcement.clone(),
        }
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Said {
    rows: BTreeMap<AnnouncementId, Announced>,
    /// Those that have not ended.
    standing: BTreeMap<(AnnouncementName, RemediationId), AnnouncementId>,
    by_remediation: BTreeSet<(RemediationId, AnnouncementId)>,
    /// Those that have ended, by when that was.
    ended: BTreeSet<(Timestamp, AnnouncementId)>,
}

impl Said {
    /// By id.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Announced> {
        self.rows.values()
    }

    /// The one that has not ended.
    pub(super) fn standing(&self, name: AnnouncementName, remediation: RemediationId) -> Option<&Announced> {
        self.rows.get(self.standing.get(&(name, remediation))?)
    }

    /// One that stands is changed, and what has changed is to be delivered; one that had ended begins anew. Taking back what
    /// does not stand says nothing.
    pub(super) fn announce(&mut self, id: AnnouncementId, it: &Announcement) {
        let it = Announcement {
            name: it.name,
            remediation: it.remediation,
            labels: labels(&it.labels),
            annotations: it.annotations.iter().map(|(name, value)| (text(name), text(value))).collect(),
            at: it.at,
            until: it.until,
        };
        let about = (it.name, it.remediation);
        if let Some(row) = self.standing.get(&about).and_then(|id| self.rows.get_mut(id)) {
            let known = &row.announcement;
            let same = (&known.labels, &known.annotations, known.until) == (&it.labels, &it.annotations, it.until);
            if !same {
                row.version += 1;
                if known.until <= it.at {
                    row.starts_at = it.at;
                }
                row.announcement = it;
            }
        } else if it.until > it.at {
            self.standing.insert(about, id);
            self.by_remediation.insert((it.remediation, id));
            let (starts_at, version) = (it.at, 1);
            let row = Announced {
                id,
                announcement: it,
                starts_at,
                version,
                delivered_version: 0,
                delivered_at: None,
                ended: false,
                lease: None,
            };
            self.rows.insert(id, row);
        }
    }

    fn end(&mut self, id: AnnouncementId) {
        let Some(row) = self.rows.get_mut(&id) else { return };
        (row.ended, row.lease) = (true, None);
        self.standing.remove(&(row.announcement.name, row.announcement.remediation));
        self.ended.insert((row.announcement.until, id));
    }

    /// Delivered as it stands and over: Alertmanager was told the end with it.
    fn lapse(&mut self, now: Timestamp) {
        let over = |it: &&Announced| it.announcement.until <= now && it.delivered_version == it.version;
        let rows = self.standing.values().filter_map(|id| self.rows.get(id));
        let over: Vec<AnnouncementId> = rows.filter(over).map(|it| it.id).collect();
        for id in over {
            self.end(id);
        }
    }

    fn claim(&mut self, lease: Lease, now: Timestamp, renew_before: Timestamp, limit: u32) -> Vec<Outgoing> {
        let rows = self.standing.values().filter_map(|id| self.rows.get(id));
        let mut due: Vec<_> =
            rows.filter(|it| it.is_due(now, renew_before)).map(|it| (it.delivered_at, it.id)).collect();
        due.sort_unstable();
        due.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let mut claimed = Vec::with_capacity(due.len());
        for (_, id) in due {
            if let Some(row) = self.rows.get_mut(&id) {
                row.lease = Some(lease);
                claimed.push(row.outgoing());
            }
        }
        claimed
    }

    /// A change since then stays to be delivered.
    fn delivered(&mut self, outgoing: &Outgoing, at: Timestamp) {
        let Some(row) = self.rows.get_mut(&outgoing.id).filter(|row| !row.ended) else { return };
        row.delivered_version = row.delivered_version.max(outgoing.version);
        (row.delivered_at, row.lease) = (Some(at), None);
        if row.version == outgoing.version && row.announcement.until <= at {
            self.end(outgoing.id);
        }
    }

    pub(super) fn release(&mut self, of: impl Fn(ReplicaId) -> bool) -> u64 {
        let mut released = 0;
        for id in self.standing.values() {
            let row = self.rows.get_mut(id);
            if let Some(row) = row.filter(|row| row.lease.is_some_and(|lease| of(lease.owner))) {
                row.lease = None;
                released += 1;
            }
        }
        released
    }

    fn remove(&mut self, id: AnnouncementId) {
        if let Some(row) = self.rows.remove(&id) {
            let it = row.announcement;
            self.by_remediation.remove(&(it.remediation, id));
            self.ended.remove(&(it.until, id));
            if !row.ended {
                self.standing.remove(&(it.name, it.remediation));
            }
        }
    }

    /// What speaks of a remediation goes with it; how many.
    pub(super) fn forget_about(&mut self, remediation: RemediationId) -> u64 {
        let about = self
            .by_remediation
            .range((remediation, AnnouncementId::nil())..=(remediation, AnnouncementId(uuid::Uuid::max())));
        let gone: Vec<AnnouncementId> = about.map(|(_, id)| *id).collect();
        for id in &gone {
            self.remove(*id);
        }
        gone.len() as u64
    }

    /// Of those that have ended at most `limit`; how many went.
    pub(super) fn forget(&mut self, before: Timestamp, limit: usize) -> u64 {
        let old = self.ended.iter().take_while(|(until, _)| *until < before).take(limit);
        let gone: Vec<AnnouncementId> = old.map(|(_, id)| *id).collect();
        for id in &gone {
            self.remove(*id);
        }
        gone.len() as u64
    }
}

impl Rows {
    /// People were called for alerts that are all over by now.
    fn take_back(&mut self, now: Timestamp) {
        let called = self.outbox.standing.range((AnnouncementName::GaveUp, RemediationId::nil())..);
        let called = called.take_while(|((name, _), _)| *name == AnnouncementName::GaveUp);
        let rows = called.filter_map(|(_, id)| self.outbox.rows.get(id));
        let over = |it: &&Announced| it.announcement.until > now && !self.still_fires(it.announcement.remediation);
        let over: Vec<AnnouncementId> = rows.filter(over).map(|it| it.id).collect();
        for id in over {
            if let Some(row) = self.outbox.rows.get_mut(&id) {
                (row.announcement.at, row.announcement.until) = (now, now);
                row.version += 1;
            }
        }
    }

    /// Whether an alert fires in an episode that a remediation was about.
    fn still_fires(&self, remediation: RemediationId) -> bool {
        let alerts = self.remediations.get(remediation).map(|row| &row.doc.alerts);
        let mut alerts = alerts.into_iter().flatten().filter_map(|it| self.alerts.get(*it));
        alerts.any(|it| it.state.firing && it.is_of(remediation, |candidate| candidate.episode == it.state.episode))
    }
}

#[async_trait]
impl Outbox for Process {
    async fn announcements(
        &self,
        owner: ReplicaId,
        now: Timestamp,
        renew_before: Timestamp,
        lease_until: Timestamp,
        limit: u32,
    ) -> Result<Vec<Outgoing>, StoreError> {
        self.write("read the outbox", |rows| {
            rows.take_back(now);
            rows.outbox.lapse(now);
            Ok(rows.outbox.claim(Lease { owner, until: lease_until }, now, renew_before, limit))
        })
    }

    async fn announced(&self, outgoing: &Outgoing, at: Timestamp) -> Result<(), StoreError> {
        self.write("note a delivery", |rows| {
            rows.outbox.delivered(outgoing, at);
            Ok(())
        })
    }

    async fn record(&self, records: &[Record]) -> Result<(), StoreError> {
        self.write("store an announcement", |rows| {
            rows.check_records(records, &[])?;
            rows.write_records(records);
            Ok(())
        })
    }

    async fn sample(&self, samples: &[Sample]) -> Result<(), StoreError> {
        self.store_samples(samples)
    }

    /// Evidence of an alert is what was heard of it while it fired.
    async fn last_heard(&self, alertname: &str) -> Result<Option<Timestamp>, StoreError> {
        self.read("ask for the heartbeat", |rows| rows.alerts.named(alertname).map(|it| it.state.evidence_at).max())
    }
}
