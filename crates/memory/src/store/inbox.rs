//! The inbox: notifications as they came, and which of them are still to be taken in.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use fettle_core::id::NotificationId;
use fettle_core::ports::history::Period;
use fettle_core::ports::model::{NewNotification, StoredNotification};
use fettle_core::ports::{Intake, StoreError};
use fettle_core::settings::limits::READ_BACK;
use fettle_core::time::Timestamp;

use super::Process;
use super::clean::text;

/// A notification, and whether it is still to be taken in.
#[derive(Debug, Clone)]
pub struct Received {
    /// As it came.
    pub notification: NewNotification,
    /// Not taken in yet.
    pub is_pending: bool,
}

#[derive(Debug, Default)]
pub(super) struct Inbox {
    pub(super) rows: BTreeMap<NotificationId, Received>,
    pending: BTreeSet<NotificationId>,
    /// By when they were received.
    pub(super) received: BTreeSet<(Timestamp, NotificationId)>,
}

impl Inbox {
    /// Idempotent by id: a batch whose answer was lost may be stored again.
    fn append(&mut self, batch: &[NewNotification]) {
        for it in batch {
            if self.rows.contains_key(&it.id) {
                continue;
            }
            self.pending.insert(it.id);
            self.received.insert((it.received_at, it.id));
            let notification = NewNotification {
                sender: text(&it.sender),
                receiver: text(&it.receiver),
                group_key: text(&it.group_key),
                ..it.clone()
            };
            self.rows.insert(it.id, Received { notification, is_pending: true });
        }
    }

    pub(super) fn is_pending(&self, id: NotificationId) -> bool {
        self.pending.contains(&id)
    }

    /// Taken in, once.
    pub(super) fn take(&mut self, id: NotificationId) {
        if self.pending.remove(&id)
            && let Some(row) = self.rows.get_mut(&id)
        {
            row.is_pending = false;
        }
    }

    /// Those received in a period, in that order.
    pub(super) fn of(&self, period: Period) -> impl Iterator<Item = &NewNotification> {
        let ids = self
            .received
            .range((period.from, NotificationId::nil())..(period.to.max(period.from), NotificationId::nil()));
        ids.filter_map(|(_, id)| self.rows.get(id)).map(|row| &row.notification)
    }

    /// By id, which is their age.
    fn pending(&self, before: Timestamp, limit: u32) -> Vec<StoredNotification> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let rows = self.pending.iter().filter_map(|id| self.rows.get(id)).map(|row| &row.notification);
        let rows = rows.filter(|it| it.received_at < before).take(limit);
        page(rows, READ_BACK)
    }

    /// Of the oldest at most `limit`, leaving those that are pending; how many went.
    pub(super) fn forget(&mut self, before: Timestamp, limit: usize) -> u64 {
        let old = self.received.iter().take_while(|(at, _)| *at < before);
        let gone: Vec<_> = old.filter(|(_, id)| !self.is_pending(*id)).take(limit).copied().collect();
        for row in &gone {
            self.received.remove(row);
            self.rows.remove(&row.1);
        }
        gone.len() as u64
    }
}

/// No more than `most` bytes of bodies, but always one.
pub(super) fn page<'a>(rows: impl Iterator<Item = &'a NewNotification>, most: usize) -> Vec<StoredNotification> {
    let mut bytes = 0;
    let fits = |it: &&NewNotification| {
        let fits = bytes < most;
        bytes += it.body.len();
        fits
    };
    let stored =
        |it: &NewNotification| StoredNotification { id: it.id, received_at: it.received_at, body: it.body.clone() };
    rows.take_while(fits).map(stored).collect()
}

#[async_trait]
impl Intake for Process {
    async fn append(&self, batch: &[NewNotification]) -> Result<(), StoreError> {
        self.write("store notifications", |rows| {
            let last = batch.iter().map(|it| it.received_at).max();
            rows.inbox.append(batch);
            rows.saw(last);
            Ok(())
        })
    }

    async fn backlog(&self) -> Result<u64, StoreError> {
        self.read("count pending notifications", |rows| rows.inbox.pending.len() as u64)
    }
}

impl Process {
    pub(super) fn pending_notifications(
        &self,
        before: Timestamp,
        limit: u32,
    ) -> Result<Vec<StoredNotification>, StoreError> {
        self.read("read pending notifications", |rows| rows.inbox.pending(before, limit))
    }
}
