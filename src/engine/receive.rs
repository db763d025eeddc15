//! From stored notifications to open remediations: select, think, write, in one transaction per batch.
//!
//! Always holds: a notification is taken in exactly once, by whoever deletes its mark in the same transaction that writes
//! what it changed; a crash before that leaves it pending. What comes through memory is a shortcut: after an overflow, an
//! error or a restart the same notifications are read back from the store. The order of arrival does not matter, because
//! an alert ignores words received before the last one it took in.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::core::alert::episode::AlertState;
use crate::core::alert::webhook::Webhook;
use crate::core::receive::{Changes, Heard, Notice, World, receive};
use crate::core::remediation::outcome::Outcome;
use crate::core::select::{Selected, select};
use crate::core::time::{after, before};
use crate::engine::intake::{Received, chain};
use crate::engine::pulse::{Pulse, ROUND};
use crate::engine::shell::Shell;
use crate::engine::worker::{DECISION_LEASE, Queue};
use crate::store::StoreError;
use crate::store::model::{Claim, Claimed, ReceiveAsk};
use crate::telemetry::events;

/// Notifications in one transaction.
const BATCH: usize = 256;

/// Alerts in one transaction, as far as whole notifications allow.
const BATCH_ALERTS: usize = 4096;

/// How often pending notifications of others (dead replicas, an overflow) are looked for.
const SWEEP: Duration = Duration::from_secs(2);

/// How old a pending notification must be before a sweep takes it: its own process is faster as long as it lives.
const ORPHAN: Duration = Duration::from_secs(5);

/// Pause after the store failed.
const PAUSE: Duration = Duration::from_millis(250);

/// Tries when somebody else writes the same rows at the same time.
pub(super) const TRIES: u32 = 8;

/// The task that takes notifications in.
pub struct Receiver {
    /// The engine's parts.
    pub shell: Arc<Shell>,
    /// What intake stored just now.
    pub stored: mpsc::Receiver<Received>,
    /// Set when something stored did not fit through `stored`.
    pub overflow: Arc<AtomicBool>,
    /// Alerts whose candidates waited for a remediation that is closed now.
    pub again: mpsc::Receiver<Vec<AlertState>>,
    /// Where new remediations go.
    pub queue: Queue,
    /// Told of every round.
    pub pulse: Pulse,
}

impl Receiver {
    /// Takes in until `stop`, then what is left in memory.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut sweep = tokio::time::interval(SWEEP);
        sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // What an earlier process left behind comes first.
        self.overflow.store(true, Ordering::Release);
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            self.pulse.again(ROUND);
            // Every arm is cancel safe: recv and tick keep what they did not give.
            tokio::select! {
                taken = self.stored.recv_many(&mut batch, BATCH) => {
                    if taken == 0 {
                        break;
                    }
                    self.take_in(std::mem::take(&mut batch)).await;
                }
                Some(alerts) = self.again.recv() => self.ask_again(alerts).await,
                _ = sweep.tick() => self.catch_up(ORPHAN).await,
                () = stop.cancelled() => break,
            }
            if self.overflow.swap(false, Ordering::AcqRel) {
                self.catch_up(Duration::ZERO).await;
            }
        }
        while self.stored.recv_many(&mut batch, BATCH).await > 0 {
            self.take_in(std::mem::take(&mut batch)).await;
        }
        self.pulse.done();
    }

    async fn take_in(&self, received: Vec<Received>) {
        let mut rest = received.into_iter().peekable();
        while rest.peek().is_some() {
            let mut notices = Vec::new();
            let mut alerts = 0;
            while let Some(next) =
                rest.next_if(|next| notices.is_empty() || alerts + next.webhook.alerts.len() <= BATCH_ALERTS)
            {
                alerts += next.webhook.alerts.len();
                notices.push(self.notice(next));
            }
            if !self.write(&notices).await {
                self.overflow.store(true, Ordering::Release);
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Reads back what is pending for at least `age`, oldest first, until nothing is left.
    async fn catch_up(&self, age: Duration) {
        loop {
            self.pulse.again(ROUND);
            let limit = u32::try_from(BATCH).unwrap_or(u32::MAX);
            // The store's own instants are compared, so a microsecond more includes those of this very instant.
            let until = after(before(self.shell.time.now(), age), Duration::from_micros(1));
            let pending = match self.shell.store.pending(until, limit).await {
                Ok(pending) => pending,
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "pending notifications could not be read");
                    self.overflow.store(true, Ordering::Release);
                    tokio::time::sleep(PAUSE).await;
                    return;
                }
            };
            let last = pending.len() < BATCH;
            let received = pending.into_iter().map(|row| {
                let webhook = Webhook::parse(&row.body).unwrap_or_else(|error| {
                    // It was read before it was stored; only a newer version's stricter reading ends here.
                    tracing::error!(notification.id = %row.id, %error, "a stored notification does not read back");
                    Webhook { receiver: String::new(), group_key: String::new(), truncated: 0, alerts: Vec::new() }
                });
                Received { id: row.id, received_at: row.received_at, webhook }
            });
            self.take_in(received.collect()).await;
            if last || self.overflow.load(Ordering::Acquire) {
                return;
            }
        }
    }

    async fn ask_again(&self, alerts: Vec<AlertState>) {
        let now = self.shell.time.now();
        let alerts = alerts.into_iter().map(|alert| Heard {
            fingerprint: alert.fingerprint,
            selected: self.select(&alert.labels),
            labels: alert.labels,
            word: None,
        });
        let notice = Notice { notification: None, received_at: now, alerts: alerts.collect() };
        // Should it fail, upkeep finds them waiting.
        self.write(&[notice]).await;
    }

    fn notice(&self, received: Received) -> Notice {
        let heard = |alert: crate::core::alert::webhook::Alert| Heard {
            fingerprint: alert.fingerprint,
            word: Some(alert.word(received.received_at)),
            selected: if alert.firing { self.select(&alert.labels) } else { Vec::new() },
            labels: alert.labels,
        };
        Notice {
            notification: Some(received.id),
            received_at: received.received_at,
            alerts: received.webhook.alerts.into_iter().map(heard).collect(),
        }
    }

    fn select(&self, labels: &crate::core::alert::labels::Labels) -> Vec<Selected> {
        select(&self.shell.rules.load(), &self.shell.hosts, labels)
    }

    /// Whether it is written.
    async fn write(&self, notices: &[Notice]) -> bool {
        let shell = &*self.shell;
        let ask = self.ask(notices);
        let think = |world: &World| receive(world, notices, &shell.settings, &mut || shell.time.new_id());
        for _ in 0..TRIES {
            self.pulse.again(ROUND);
            match shell.store.receive(&ask, &think).await {
                Ok(changes) => {
                    self.hand_on(changes, ask.lease_until.is_some()).await;
                    return true;
                }
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => {
                    tracing::warn!(notifications = notices.len(), error = %chain(&error), "notifications could not be taken in");
                    return false;
                }
            }
        }
        tracing::warn!(
            notifications = notices.len(),
            "notifications could not be taken in: others write the same alerts"
        );
        false
    }

    fn ask(&self, notices: &[Notice]) -> ReceiveAsk {
        let now = self.shell.time.now();
        let ask = ReceiveAsk::about(notices, &self.shell.settings, self.shell.owner, now);
        // Born claimed only when the queue can take them all: the worker need not ask the store for them.
        let room = self.queue.room() >= ask.targets.len();
        ReceiveAsk { lease_until: room.then(|| after(now, DECISION_LEASE)), ..ask }
    }

    async fn hand_on(&self, changes: Changes, claimed: bool) {
        events::received(&self.shell.metrics, &changes.opened, &changes.records);
        let mut unclaimed = !changes.woken.is_empty();
        // Everything attached to a new remediation is in the batch that opened it, unless it waited and is only asked again:
        // then the worker reads it from the store.
        let by_fingerprint: HashMap<_, _> = changes.alerts.iter().map(|alert| (alert.fingerprint, alert)).collect();
        let mut attached: HashMap<Uuid, Vec<AlertState>> = HashMap::new();
        for candidate in &changes.candidates {
            if let (Some(id), Some(alert)) = (candidate.remediation, by_fingerprint.get(&candidate.fingerprint)) {
                attached.entry(id).or_default().push((*alert).clone());
            }
        }
        for remediation in changes.opened {
            if matches!(remediation.outcome(), Some(Outcome::Refused)) {
                continue;
            }
            if !claimed {
                unclaimed = true;
                continue;
            }
            let claim = Claim { id: remediation.id, owner: self.shell.owner, version: 1, wakes: 0 };
            let alerts = attached.remove(&remediation.id);
            self.queue.push(Claimed { claim, remediation }, alerts).await;
        }
        if unclaimed {
            self.shell.wake.notify_one();
        }
    }
}
