//! From stored notifications to open remediations: select, think, write, in one transaction per batch of whole notifications;
//! only one of more alerts or longer labels than a batch has room for takes several.
//!
//! Always holds: a notification is taken in exactly once, by whoever deletes its mark in the same transaction that writes
//! what it changed; a crash before that leaves it pending. What comes through memory is a shortcut: after an overflow, an
//! error or a restart the same notifications are read back from the store. The order of arrival does not matter, because
//! an alert ignores words received before the last one it took in.
//!
//! Nothing that somebody may send holds up the others: when the database cannot take what a batch would write, its notifications
//! are tried one by one, and the one that fails alone is set aside. It stays stored, and an event says that a person must look.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

mod batch;

use self::batch::Batch;
use crate::intake::Received;
use crate::lease::DECISION_LEASE;
use crate::pulse::{Pulse, ROUND};
use crate::readiness::Readiness;
use crate::recheck;
use crate::shell::Shell;
use crate::worker::Queue;
use fettle_core::alert::episode::AlertState;
use fettle_core::alert::webhook::Webhook;
use fettle_core::id::RemediationId;
use fettle_core::ports::StoreError;
use fettle_core::ports::chain;
use fettle_core::ports::model::{Claim, Claimed, ReceiveAsk};
use fettle_core::receive::{Changes, Heard, Notice, Standing, World, receive};
use fettle_core::remediation::outcome::Outcome;
use fettle_core::remediation::record::{EventRow, Record, Severity};
use fettle_core::select::{Selected, select};
use fettle_core::settings::limits::READ_BACK;
use fettle_core::time::{after, before};

/// Notifications in one transaction.
const BATCH: usize = 256;

/// How often pending notifications of others (dead replicas, an overflow) are looked for.
const SWEEP: Duration = Duration::from_secs(2);

/// How old a pending notification must be before a sweep takes it: its own process is faster as long as it lives.
const ORPHAN: Duration = Duration::from_secs(5);

/// Pause after the store failed.
const PAUSE: Duration = Duration::from_millis(250);

/// Tries when somebody else writes the same rows at the same time.
pub(super) const TRIES: u32 = 8;

/// What became of writing a batch.
enum Written {
    /// It is stored.
    Done,
    /// Not now; it is read back.
    Later,
    /// The database cannot take something of it, and says why.
    Never(String),
}

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
    /// While this process is not ready, nothing is taken in: it waits in the store.
    pub readiness: Arc<Readiness>,
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
            if self.readiness.ready().is_err() {
                if stop.is_cancelled() {
                    break;
                }
                self.readiness.wait(&stop).await;
                continue;
            }
            // Every arm is cancel safe: recv and tick keep what they did not give. Biased, so that a schedule can be replayed; the
            // arm that is always ready under load comes last and keeps no other waiting.
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                _ = sweep.tick() => self.catch_up(ORPHAN, &stop).await,
                Some(alerts) = self.again.recv() => self.ask_again(alerts).await,
                taken = self.stored.recv_many(&mut batch, BATCH) => {
                    if taken == 0 {
                        break;
                    }
                    self.take_in(std::mem::take(&mut batch), &stop).await;
                }
            }
            if self.overflow.swap(false, Ordering::AcqRel) {
                self.catch_up(Duration::ZERO, &stop).await;
            }
        }
        while self.stored.recv_many(&mut batch, BATCH).await > 0 {
            self.take_in(std::mem::take(&mut batch), &stop).await;
        }
        self.pulse.done();
    }

    /// Takes in what is stored already; what cannot be taken in now is read back. A host that stores notifications itself may
    /// call this in place of [`run`](Self::run).
    pub async fn take_in(&self, received: Vec<Received>, stop: &CancellationToken) {
        let mut rest = received.into_iter().peekable();
        while rest.peek().is_some() {
            let mut notices = Vec::new();
            // Given back when what it is for is written.
            let mut held = Vec::new();
            let mut size = Batch::default();
            while let Some(mut next) = rest.next_if(|next| {
                size.add(next.webhook.alerts.iter().map(|alert| alert.labels.bytes()));
                notices.is_empty() || size.fits()
            }) {
                held.extend(next.held.take());
                notices.push(self.notice(next));
            }
            match &notices[..] {
                [alone] => self.alone(alone, stop).await,
                _ => match self.write(&notices).await {
                    Written::Done => {}
                    Written::Later => self.later().await,
                    // Whichever it is, it does not hold up the others.
                    Written::Never(_) => {
                        for notice in &notices {
                            self.alone(notice, stop).await;
                        }
                    }
                },
            }
        }
    }

    async fn alone(&self, notice: &Notice, stop: &CancellationToken) {
        match self.write_alone(notice, stop).await {
            Written::Done => {}
            Written::Later => self.later().await,
            Written::Never(why) => self.set_aside(notice, &why).await,
        }
    }

    /// Writes one, in as many transactions as it needs. The last one takes its mark: should one fail, all of it is read back, and
    /// what was taken in before is known then. Who stops the process does not wait for all of it.
    async fn write_alone(&self, notice: &Notice, stop: &CancellationToken) -> Written {
        let mut rest = &notice.alerts[..];
        loop {
            let (piece, more) = rest.split_at(batch::next(rest.iter().map(|alert| alert.labels.bytes())));
            if more.is_empty() {
                break;
            }
            if stop.is_cancelled() {
                return Written::Later;
            }
            let written = self.write(&[Notice { notification: None, alerts: piece.to_vec(), ..*notice }]).await;
            if !matches!(written, Written::Done) {
                return written;
            }
            rest = more;
        }
        if rest.len() == notice.alerts.len() {
            return self.write(std::slice::from_ref(notice)).await;
        }
        self.write(&[Notice { alerts: rest.to_vec(), ..*notice }]).await
    }

    /// Leaves it to be read back.
    async fn later(&self) {
        self.overflow.store(true, Ordering::Release);
        tokio::time::sleep(PAUSE).await;
    }

    /// Takes a notification as if it said nothing.
    async fn set_aside(&self, notice: &Notice, why: &str) {
        let Some(id) = notice.notification else { return };
        let (at, alerts) = (self.shell.time.now(), notice.alerts.len());
        tracing::error!(notification.id = %id, alerts, error = why,
            "the alerts of a notification cannot be stored and nothing is done about them");
        let details = json!({"notification": id, "alerts": alerts, "error": why});
        let event = EventRow { at, event: "notification_set_aside", severity: Severity::Critical, details };
        let nothing = [Notice { alerts: Vec::new(), ..*notice }];
        let ask = self.ask(&nothing);
        let think = |_: &World| Changes { records: vec![Record::Event(event.clone())], ..Changes::default() };
        match self.shell.store.receive(&ask, &think).await {
            Ok(changes) => self.hand_on(changes, false).await,
            Err(error) => {
                tracing::warn!(notification.id = %id, error = %chain(&error), "it cannot be set aside yet");
                self.later().await;
            }
        }
    }

    /// Reads back what is pending for at least `age`, oldest first, until nothing is left.
    async fn catch_up(&self, age: Duration, stop: &CancellationToken) {
        while !stop.is_cancelled() {
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
            let bytes: usize = pending.iter().map(|row| row.body.len()).sum();
            let last = pending.len() < BATCH && bytes < READ_BACK;
            let received = pending.into_iter().map(|row| {
                let webhook = Webhook::parse(&row.body).unwrap_or_else(|error| {
                    // It was read before it was stored; only a newer version's stricter reading ends here.
                    tracing::error!(notification.id = %row.id, %error, "a stored notification does not read back");
                    Webhook { receiver: String::new(), group_key: String::new(), truncated: 0, alerts: Vec::new() }
                });
                Received { id: row.id, received_at: row.received_at, webhook, held: None }
            });
            self.take_in(received.collect(), stop).await;
            if last || self.overflow.load(Ordering::Acquire) {
                return;
            }
        }
    }

    /// Asks the rules again about alerts that waited for a target. As [`take_in`](Self::take_in), for such a host.
    pub async fn ask_again(&self, alerts: Vec<AlertState>) {
        let now = self.shell.time.now();
        let alerts = alerts.into_iter().map(|alert| {
            let selected = self.select(&alert.labels);
            Heard::again(alert, selected)
        });
        let notice = Notice { notification: None, received_at: now, alerts: alerts.collect() };
        // Should it fail, upkeep finds them waiting.
        if let Written::Never(why) = self.write(&[notice]).await {
            tracing::error!(error = why, "alerts that waited for their target cannot be stored");
        }
    }

    fn notice(&self, received: Received) -> Notice {
        let heard = |alert: fettle_core::alert::webhook::Alert| Heard {
            fingerprint: alert.fingerprint,
            word: Some(alert.word(received.received_at)),
            selected: if alert.firing { self.select(&alert.labels) } else { Vec::new() },
            labels: alert.labels,
            reconsidered: Vec::new(),
        };
        Notice {
            notification: Some(received.id),
            received_at: received.received_at,
            alerts: received.webhook.alerts.into_iter().map(heard).collect(),
        }
    }

    fn select(&self, labels: &fettle_core::alert::labels::Labels) -> Vec<Selected> {
        select(&self.shell.rules.load(), &self.shell.hosts, labels)
    }

    async fn write(&self, notices: &[Notice]) -> Written {
        let shell = &*self.shell;
        let ask = self.ask(notices);
        let think = |world: &World| receive(world, notices, &shell.settings, &mut || shell.time.new_id());
        for _ in 0..TRIES {
            self.pulse.again(ROUND);
            match shell.store.receive(&ask, &think).await {
                Ok(changes) => {
                    self.hand_on(changes, ask.lease_until.is_some()).await;
                    return Written::Done;
                }
                Err(StoreError::Conflict { .. }) => {}
                Err(error) if error.is_of_the_data() => return Written::Never(chain(&error)),
                Err(error) => {
                    tracing::warn!(notifications = notices.len(), error = %chain(&error), "notifications could not be taken in");
                    return Written::Later;
                }
            }
        }
        tracing::warn!(
            notifications = notices.len(),
            "notifications could not be taken in: others write the same alerts"
        );
        Written::Later
    }

    fn ask(&self, notices: &[Notice]) -> ReceiveAsk {
        let now = self.shell.time.now();
        let ask = ReceiveAsk::about(notices, &self.shell.settings, self.shell.owner, now);
        // Born claimed only when the queue can take them all: the worker need not ask the store for them.
        let room = self.queue.room() >= ask.targets.len();
        ReceiveAsk { lease_until: room.then(|| after(now, DECISION_LEASE)), ..ask }
    }

    async fn hand_on(&self, changes: Changes, claimed: bool) {
        if recheck::is_due(&changes, self.shell.time.now()) {
            self.shell.recheck.notify_one();
        }
        self.shell.telemetry.recorded(&changes.opened, &changes.records);
        let mut unclaimed = !changes.woken.is_empty();
        // Everything attached to a new remediation is in the batch that opened it. What waits for it names it as well, and says
        // nothing of whether its own alerts fire.
        let by_fingerprint: BTreeMap<_, _> = changes.alerts.iter().map(|alert| (alert.fingerprint, alert)).collect();
        let mut attached: BTreeMap<RemediationId, Vec<AlertState>> = BTreeMap::new();
        for candidate in changes.candidates.iter().filter(|it| it.standing == Standing::Attached) {
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
            let claim = Claim { id: remediation.id.into(), owner: self.shell.owner, version: 1, wakes: 0 };
            let alerts = attached.remove(&remediation.id).unwrap_or_default();
            self.queue.push(Claimed { claim, effort: remediation }, alerts).await;
        }
        if unclaimed {
            self.shell.wake.notify_one();
        }
    }
}

#[cfg(test)]
mod tests;
