//! Intake: an authenticated body becomes a durable row before it is acknowledged.
//!
//! Always holds: [`Intake::submit`] answers `Ok` only after the commit. Everything between request and commit is bounded,
//! in rows and in bytes; what does not fit is refused at once, never parked. A body that is not a notification reaches
//! neither queue nor database.
//!
//! **Group commit.** One task writes: it takes whatever has gathered while the last commit was under way and stores it in
//! one transaction. A lone request finds the task idle and is written at once; nothing ever waits for company. When the
//! database refuses a batch, its rows are tried one by one, so a poisonous one fails alone.
//!
//! **Memory.** A notification holds its reservation ([`Bounds::cost`]) from the moment at which it is read until it is taken in, also
//! after the commit. One that does not fit waits for a second.
//!
//! After the commit the parsed notification is handed on in memory. That is a shortcut, not the record: what does not fit
//! through it is read back from the store by [`receive`](crate::receive).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::clock::Time;
use crate::pulse::{Pulse, ROUND};
use crate::readiness::{Condition, Readiness};
use crate::seldom::Seldom;
use fettle_core::alert::bounds::Bounds;
use fettle_core::alert::webhook::{Malformed, Webhook};
use fettle_core::id::NotificationId;
use fettle_core::ports::chain;
use fettle_core::ports::model::NewNotification;
use fettle_core::ports::{APPEND_PATIENCE, Store, StoreError};
use fettle_core::settings::limits::Limits;
use fettle_core::time::Timestamp;

/// Requests that may wait for the writer. At 10,000 a second this is a twentieth of a second of waiting; it is a quarter of
/// the connections that the server takes, so in a flood the rest is told to come again instead of waiting unseen.
const QUEUE: usize = 512;

/// Rows in one transaction: where PostgreSQL's cost per row stops falling (facts: 256 rows, 18-24 us each).
const BATCH: usize = 256;

/// The unit in which memory is counted.
const KIB: usize = 1024;

/// How long a notification waits for memory before its sender is asked to come again.
const ROOM: Duration = Duration::from_secs(1);

/// How often the writer shows that it lives when nothing comes in.
const IDLE: Duration = Duration::from_secs(5);

/// Between two lines that say that the database does not take notifications.
const COMPLAINT: Duration = Duration::from_secs(10);

/// The door's states.
const NOT_YET: u8 = 0;
const OPEN: u8 = 1;
const CLOSED: u8 = 2;

/// A notification that is stored, with what was read from it.
#[derive(Debug)]
pub struct Received {
    /// The stored row.
    pub id: NotificationId,
    /// When its last byte arrived.
    pub received_at: Timestamp,
    /// What it says.
    pub webhook: Webhook,
    /// The memory that it holds; `None` where another bound holds.
    pub held: Option<Held>,
}

/// Memory that a notification may take, given back when this is dropped.
#[derive(Debug)]
pub struct Held {
    _permit: OwnedSemaphorePermit,
}

/// The answer to a sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// The stored row.
    pub id: NotificationId,
    /// Alerts in the body that fire.
    pub firing: usize,
    /// Alerts in the body that are resolved.
    pub resolved: usize,
    /// Alerts that Alertmanager cut off.
    pub truncated: u64,
}

/// Why a notification was not taken.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// It is no notification or exceeds a limit, and is never accepted.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// Too much is waiting already.
    #[error("the intake queue is full")]
    Full,
    /// It could not be stored in time; it may have been stored all the same.
    #[error("the notification could not be stored")]
    NotStored,
    /// This process is going away.
    #[error("fettle is shutting down")]
    Closing,
}

/// The door. Cheap to clone.
#[derive(Clone)]
pub struct Intake {
    queue: mpsc::Sender<Job>,
    room: Arc<Semaphore>,
    state: Arc<AtomicU8>,
    time: Arc<Time>,
    bounds: Bounds,
}

struct Job {
    row: NewNotification,
    webhook: Webhook,
    answer: oneshot::Sender<bool>,
    held: Held,
}

/// The task behind the door.
pub struct Writer {
    jobs: mpsc::Receiver<Job>,
    store: Arc<dyn Store>,
    onward: mpsc::Sender<Received>,
    overflow: Arc<AtomicBool>,
    readiness: Arc<Readiness>,
    /// A flood that meets a full disk must not fill it with lines.
    complaints: Seldom,
}

/// A door, not open yet, and the task behind it. `onward` gets what was stored; what does not fit sets `overflow` and is left to be read
/// back.
#[must_use]
pub fn intake(
    store: Arc<dyn Store>,
    time: Arc<Time>,
    onward: mpsc::Sender<Received>,
    overflow: Arc<AtomicBool>,
    readiness: Arc<Readiness>,
) -> (Intake, Writer) {
    let (queue, jobs) = mpsc::channel(QUEUE);
    let room = Arc::new(Semaphore::new(Limits::default().working_bytes().div_ceil(KIB)));
    let intake = Intake { queue, room, state: Arc::new(AtomicU8::new(NOT_YET)), time, bounds: Bounds::default() };
    (intake, Writer { jobs, store, onward, overflow, readiness, complaints: Seldom::new(COMPLAINT) })
}

impl Intake {
    /// Refuses notifications that exceed the limits, and those that exceed the memory together with others.
    #[must_use]
    pub fn within(self, limits: &Limits) -> Self {
        Self { bounds: limits.bounds, room: Arc::new(Semaphore::new(limits.working_bytes().div_ceil(KIB))), ..self }
    }

    /// Waits for the memory of a notification of `body` bytes, for a second at most. Cancel safe.
    pub async fn hold(&self, body: usize) -> Result<Held, IntakeError> {
        let cost = u32::try_from(self.bounds.cost(body).div_ceil(KIB)).map_err(|_| IntakeError::Full)?;
        let permit = tokio::time::timeout(ROOM, self.room.clone().acquire_many_owned(cost)).await;
        let permit = permit.ok().and_then(Result::ok).ok_or(IntakeError::Full)?;
        Ok(Held { _permit: permit })
    }

    /// Stores one notification. Cancel safe: dropped, it may still be stored, which only makes a repeat of the sender's.
    pub async fn submit(&self, sender: &str, body: Bytes) -> Result<Accepted, IntakeError> {
        let held = self.hold(body.len()).await?;
        self.submit_held(sender, body, held).await
    }

    /// As [`submit`](Self::submit), with the memory that [`hold`](Self::hold) gave.
    pub async fn submit_held(&self, sender: &str, body: Bytes, held: Held) -> Result<Accepted, IntakeError> {
        let received_at = self.time.now();
        let webhook = Webhook::parse_within(&body, &self.bounds)?;
        match self.state.load(Ordering::Relaxed) {
            OPEN => {}
            NOT_YET => return Err(IntakeError::NotStored),
            _ => return Err(IntakeError::Closing),
        }
        let id = self.time.new_id();
        let resolved = webhook.alerts.iter().filter(|alert| !alert.firing).count();
        let accepted = Accepted { id, firing: webhook.alerts.len() - resolved, resolved, truncated: webhook.truncated };
        let row = NewNotification {
            id,
            received_at,
            sender: sender.to_owned(),
            receiver: webhook.receiver.clone(),
            group_key: webhook.group_key.clone(),
            status: if webhook.firing() { "firing" } else { "resolved" },
            alerts: u32::try_from(webhook.alerts.len()).unwrap_or(u32::MAX),
            truncated: webhook.truncated,
            body,
        };
        let (answer, stored) = oneshot::channel();
        match self.queue.try_send(Job { row, webhook, answer, held }) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => return Err(IntakeError::Full),
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(IntakeError::Closing),
        }
        match tokio::time::timeout(APPEND_PATIENCE, stored).await {
            Ok(Ok(true)) => Ok(accepted),
            _ => Err(IntakeError::NotStored),
        }
    }

    /// Takes notifications from now on: the store is there.
    pub fn open(&self) {
        self.state.store(OPEN, Ordering::Relaxed);
    }

    /// Takes nothing more; what waits is still stored.
    pub fn close(&self) {
        self.state.store(CLOSED, Ordering::Relaxed);
    }

    /// Requests waiting for the writer.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }
}

/// What became of a batch.
struct Appended {
    /// Which rows are durable.
    stored: Vec<bool>,
    /// Whether the store works.
    works: bool,
}

impl Writer {
    /// Writes until `stop`, then what still waits.
    pub async fn run(mut self, stop: CancellationToken, pulse: Pulse) {
        let mut jobs = Vec::with_capacity(BATCH);
        let mut idle = tokio::time::interval(IDLE);
        idle.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            pulse.again(ROUND);
            // Cancel safe: recv_many leaves what it did not give in the queue, and a tick is nothing.
            tokio::select! {
                biased;
                taken = self.jobs.recv_many(&mut jobs, BATCH) => {
                    if taken == 0 {
                        pulse.done();
                        return;
                    }
                }
                () = stop.cancelled(), if !self.jobs.is_closed() => {
                    self.jobs.close();
                    continue;
                }
                _ = idle.tick() => continue,
            }
            // A sender that was sent away already comes again: its row would only be a duplicate.
            jobs.retain(|job: &Job| !job.answer.is_closed());
            if !jobs.is_empty() {
                self.write(std::mem::take(&mut jobs), &pulse).await;
            }
        }
    }

    async fn write(&self, jobs: Vec<Job>, pulse: &Pulse) {
        let (rows, rest): (Vec<_>, Vec<_>) =
            jobs.into_iter().map(|job| (job.row, (job.webhook, job.answer, job.held))).unzip();
        let Appended { stored, works } = self.append(&rows, pulse).await;
        if works {
            self.readiness.met(Condition::Store);
        } else {
            self.readiness.unmet(Condition::Store, "notifications cannot be stored");
        }
        for ((row, (webhook, answer, held)), stored) in rows.into_iter().zip(rest).zip(stored) {
            if stored {
                let received = Received { id: row.id, received_at: row.received_at, webhook, held: Some(held) };
                if self.onward.try_send(received).is_err() {
                    self.overflow.store(true, Ordering::Release);
                }
            }
            // The sender may have gone; the row is stored and counts all the same.
            let _ = answer.send(stored);
        }
    }

    /// Which of `rows` are durable. A store that cannot take what is in a row works all the same: nothing waits for it.
    async fn append(&self, rows: &[NewNotification], pulse: &Pulse) -> Appended {
        match self.append_in_time(rows).await {
            Ok(()) => Appended { stored: vec![true; rows.len()], works: true },
            Err(StoreError::Refused { .. }) if rows.len() > 1 => {
                let (mut stored, mut works) = (Vec::with_capacity(rows.len()), false);
                for row in rows {
                    pulse.again(ROUND);
                    let alone = self.append_in_time(std::slice::from_ref(row)).await;
                    if let Err(error) = &alone {
                        tracing::error!(notification.id = %row.id, error = %chain(error), "a notification could not be stored");
                    }
                    works |= alone.as_ref().map_or_else(StoreError::is_of_the_data, |()| true);
                    stored.push(alone.is_ok());
                }
                Appended { stored, works }
            }
            Err(error) => {
                let works = error.is_of_the_data();
                if let Some(unsaid) = self.complaints.due(error.reason()) {
                    let (notifications, error) = (rows.len(), chain(&error));
                    tracing::warn!(notifications, error, unsaid, "notifications could not be stored");
                }
                Appended { stored: vec![false; rows.len()], works }
            }
        }
    }

    async fn append_in_time(&self, rows: &[NewNotification]) -> Result<(), StoreError> {
        tokio::time::timeout(APPEND_PATIENCE, self.store.append(rows)).await.unwrap_or_else(|_| {
            Err(StoreError::Unavailable { operation: "append notifications", source: "no answer in time".into() })
        })
    }
}
