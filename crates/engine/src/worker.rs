//! The worker: claims what is due and has each of it driven (`drive.rs`), a bounded number at a time.
//!
//! Always holds: a remediation is decided only under a claim, and a claim that was lost stores nothing. If this process
//! dies during an effect, whoever claims it next finds `running` and looks before anything else.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::drive::drive;
use crate::pulse::Pulse;
use crate::shell::Shell;
use crate::tasks::Tasks;
use fettle_core::alert::episode::AlertState;
use fettle_core::ports::chain;
use fettle_core::ports::model::Claimed;
use fettle_core::remediation::state::Remediation;
use fettle_core::time::{after, since};

/// How long a claim lasts for deciding: several store and Docker time-outs of 5 s.
pub const DECISION_LEASE: Duration = Duration::from_secs(20);

/// Remediations decided at the same time. Deciding waits for the database and for Docker's looks, of which more than some
/// sixteen at once make all of them slower; effects have their own, lower limit.
const AT_ONCE: usize = 16;

/// Remediations that may wait for their admission, which goes one by one: deciding about others does not wait for them. At
/// a few milliseconds each the last of them still has its lease.
const WAITING: usize = 256;

/// New remediations that may wait in memory for their turn.
const QUEUE: usize = 4096;

/// Longest pause between two looks for due work where other processes' wakes are heard: a safety net, for what was told to
/// nobody and for the timers of a process that died.
const POLL: Duration = Duration::from_secs(5);

/// The same where they are not heard.
const POLL_DEAF: Duration = Duration::from_secs(1);

/// Shortest pause between two claims when many are woken at once: a claim takes all that are due.
const GAP: Duration = Duration::from_millis(20);

/// How long a round may take: all places may be taken by decisions that wait for a Docker host that hangs, for a few looks
/// of 5 s each, besides the store.
const ROUND: Duration = Duration::from_mins(1);

/// How long work under way may take to end at shutdown.
pub const DRAIN: Duration = Duration::from_secs(25);

/// Where new remediations wait for the worker.
#[derive(Clone)]
pub struct Queue(mpsc::Sender<Work>);

/// A claimed remediation, with its alerts where they are known already.
pub(super) struct Work {
    /// The claim and what it holds.
    pub(super) claimed: Claimed<Remediation>,
    /// Its alerts.
    pub(super) alerts: Option<Vec<AlertState>>,
}

impl Queue {
    /// How many more fit.
    #[must_use]
    pub fn room(&self) -> usize {
        self.0.capacity()
    }

    /// Puts a new one in, with the alerts attached to it.
    pub(crate) async fn push(&self, claimed: Claimed<Remediation>, alerts: Vec<AlertState>) {
        // The worker ends only at shutdown: then the lease runs out and another process goes on.
        let _ = self.0.send(Work { claimed, alerts: Some(alerts) }).await;
    }
}

/// The task that drives remediations.
pub struct Worker {
    shell: Arc<Shell>,
    queue: mpsc::Receiver<Work>,
    again: mpsc::Sender<Vec<AlertState>>,
    enclosure: Arc<dyn Tasks>,
}

/// A place among those that are decided at the same time, and the way out of it.
pub(super) struct Place {
    deciding: OwnedSemaphorePermit,
    anteroom: Arc<Semaphore>,
}

impl Place {
    /// Makes room for others; the seat is for waiting.
    pub(super) async fn leave(self) -> Option<OwnedSemaphorePermit> {
        // Closed never: then only the bound would be missing.
        let seat = self.anteroom.acquire_owned().await.ok();
        drop(self.deciding);
        seat
    }
}

/// The worker and the queue to it. Alerts whose candidates waited go to `again`.
#[must_use]
pub fn worker(shell: Arc<Shell>, again: mpsc::Sender<Vec<AlertState>>) -> (Queue, Worker) {
    let (queue, waiting) = mpsc::channel(QUEUE);
    (Queue(queue), Worker { shell, queue: waiting, again, enclosure: Arc::new(()) })
}

impl Worker {
    /// Each remediation is driven in what `enclosure` makes of it.
    pub(crate) fn enclosed(self, enclosure: Arc<dyn Tasks>) -> Self {
        Self { enclosure, ..self }
    }

    /// Works until `stop`, then lets what is under way end for at most [`DRAIN`].
    pub async fn run(mut self, stop: CancellationToken, pulse: Pulse) {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        let anteroom = Arc::new(Semaphore::new(WAITING));
        let mut tasks = JoinSet::new();
        let (mut next, mut claimed_at) = (Instant::now(), Instant::now());
        while !stop.is_cancelled() {
            pulse.again(ROUND);
            let Ok(place) = places.clone().acquire_owned().await else { break };
            // Cancel safe: recv, notified, woken, sleep and cancelled keep what they did not give; join_next too.
            let due = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(work) = self.queue.recv() => vec![work],
                Some(ended) = tasks.join_next(), if !tasks.is_empty() => {
                    watch(ended);
                    continue;
                }
                () = self.shell.wake.notified() => {
                    next = next.min(claimed_at + GAP);
                    continue;
                }
                Ok(()) = self.shell.store.woken() => {
                    next = next.min(claimed_at + GAP);
                    continue;
                }
                () = tokio::time::sleep_until(next) => {
                    claimed_at = Instant::now();
                    self.claim(&places, &mut next).await
                }
            };
            let mut place = Some(place);
            for work in due {
                let place = match place.take() {
                    Some(place) => place,
                    None => match places.clone().acquire_owned().await {
                        Ok(place) => place,
                        Err(_) => break,
                    },
                };
                let (shell, again) = (self.shell.clone(), self.again.clone());
                let place = Place { deciding: place, anteroom: anteroom.clone() };
                let driven = async move {
                    // At info every line about a remediation carries these fields itself; with debug, what others log does too.
                    let span = tracing::debug_span!("remediation", remediation.id = %work.claimed.claim.id,
                        rule = work.claimed.effort.rule, target = %work.claimed.effort.target);
                    drive(&shell, &again, work, place).instrument(span).await;
                };
                tasks.spawn(self.enclosure.enclose("remediation", Box::pin(driven)));
            }
        }
        pulse.done();
        let drained = tokio::time::timeout(DRAIN, async {
            while let Some(ended) = tasks.join_next().await {
                watch(ended);
            }
        });
        if drained.await.is_err() {
            tracing::warn!(
                under_way = tasks.len(),
                "shutdown did not wait for all effects; they are looked at after the next start"
            );
        }
    }

    /// Claims what is due and sets when to look next.
    async fn claim(&self, places: &Semaphore, next: &mut Instant) -> Vec<Work> {
        let now = self.shell.time.now();
        // The caller holds one place already.
        let limit = u32::try_from(places.available_permits() + 1).unwrap_or(u32::MAX);
        let lease = after(now, DECISION_LEASE);
        let poll = if self.shell.store.hears() { POLL } else { POLL_DEAF };
        *next = Instant::now() + poll;
        match self.shell.store.work().claim(self.shell.owner, now, lease, limit).await {
            Ok(claimed) if claimed.is_empty() => {
                if let Ok(Some(due)) = self.shell.store.work().next_due(now).await {
                    *next = Instant::now() + since(due, now).clamp(GAP, poll);
                }
                Vec::new()
            }
            Ok(claimed) => {
                // There may be more than there were places.
                let all = claimed.len() < limit as usize;
                *next = Instant::now() + if all { GAP } else { Duration::ZERO };
                claimed.into_iter().map(|claimed| Work { claimed, alerts: None }).collect()
            }
            Err(error) => {
                tracing::warn!(error = %chain(&error), "due remediations could not be claimed");
                Vec::new()
            }
        }
    }
}

fn watch(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a remediation's task ended unasked; its lease runs out and it is claimed again");
    }
}
