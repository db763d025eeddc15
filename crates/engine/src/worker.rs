//! The worker: claims the efforts of one kind that are due and has each of them driven ([`drive`]), a bounded number at a
//! time. One works on remediations, another one on loans, one loan after the other: there are few, and none is in a hurry.
//!
//! Always holds: an effort is decided only under a claim, and a claim that was lost stores nothing. If this process dies
//! during an effect, the next process that claims it finds the intent and looks before anything else.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

use crate::driver::{Driven, Item, drive};
use crate::lease::DECISION_LEASE;
use crate::place::Place;
use crate::pulse::{self, Pulse};
use crate::readiness::Readiness;
use crate::shell::Shell;
use crate::tasks::Tasks;
use fettle_core::alert::episode::AlertState;
use fettle_core::ports::chain;
use fettle_core::ports::model::Claimed;
use fettle_core::remediation::loan::Loan;
use fettle_core::remediation::state::Remediation;
use fettle_core::time::{after, since};

/// New remediations that may wait in memory for their turn.
const QUEUE: usize = 4096;

/// Shortest pause between two claims when many are woken at once: a claim takes all that are due.
const GAP: Duration = Duration::from_millis(20);

/// How long work under way may take to end at shutdown.
pub const DRAIN: Duration = Duration::from_secs(25);

/// How a worker treats one kind of effort.
pub struct Pace {
    /// Efforts decided at the same time.
    at_once: usize,
    /// Efforts that may wait for their admission besides; `None`: each is driven to its end before the next.
    waiting: Option<usize>,
    /// Longest pause between two claims where other processes' wakes are heard: a safety net, for wakes that were lost and
    /// for the timers of a process that died.
    poll: Duration,
    /// The same where they are not heard.
    poll_deaf: Duration,
    /// How long a round may take while all places are taken.
    round: Duration,
    /// Whether decisions and other processes wake this worker.
    woken: bool,
}

/// An effort that a worker can be made for.
pub trait Paced: Driven {
    /// Its pace.
    const PACE: Pace;

    /// The span of everything that is logged while it is driven.
    fn span(&self) -> Span;
}

impl Paced for Remediation {
    const PACE: Pace = Pace {
        // Deciding waits for the database and for Docker's looks, of which more than some sixteen at once make all of them
        // slower; effects have their own, lower limit.
        at_once: 16,
        // Admission goes one by one, at a few milliseconds each: the last of them still has its lease.
        waiting: Some(256),
        poll: Duration::from_secs(5),
        poll_deaf: Duration::from_secs(1),
        // All places may be taken by decisions that wait for a Docker host that hangs, for a few looks of 5 s each, besides
        // the store.
        round: Duration::from_mins(1),
        woken: true,
    };

    /// At info, every line about a remediation carries these fields itself; with debug, the lines of libraries do too.
    fn span(&self) -> Span {
        tracing::debug_span!("remediation", remediation.id = %self.id, rule = self.rule, target = %self.target)
    }
}

impl Paced for Loan {
    const PACE: Pace = Pace {
        at_once: 1,
        waiting: None,
        // They wait for minutes at least, and a call under way is looked at every 2 s.
        poll: Duration::from_secs(1),
        poll_deaf: Duration::from_secs(1),
        // The longest call that returns a loan, and the looks and the store around it.
        round: Duration::from_mins(5),
        woken: false,
    };

    fn span(&self) -> Span {
        tracing::debug_span!("loan", loan.id = %self.id, rule = self.rule, target = %self.target)
    }
}

/// Where new remediations wait for the worker.
#[derive(Clone)]
pub struct Queue(mpsc::Sender<Item<Remediation>>);

impl Queue {
    /// How many more fit.
    #[must_use]
    pub fn room(&self) -> usize {
        self.0.capacity()
    }

    /// Puts a new one in, with the alerts attached to it.
    pub(crate) async fn push(&self, claimed: Claimed<Remediation>, alerts: Vec<AlertState>) {
        // The worker ends only at shutdown: then the lease runs out and another process goes on.
        let _ = self.0.send(Item { claimed, heard: Some(alerts) }).await;
    }
}

/// The task that drives efforts of one kind.
pub struct Worker<T> {
    shell: Arc<Shell>,
    /// Claimed efforts that need no claim from the store; closed and empty where there are none.
    queue: mpsc::Receiver<Item<T>>,
    again: mpsc::Sender<Vec<AlertState>>,
    /// While this process is not ready, nothing is claimed and nothing that is queued is begun.
    readiness: Arc<Readiness>,
    enclosure: Arc<dyn Tasks>,
    /// Shortest pause between two claims.
    gap: Duration,
}

/// The worker for remediations and the queue to it. Alerts whose candidates waited go to `again`.
#[must_use]
pub fn remediations(
    shell: Arc<Shell>,
    again: mpsc::Sender<Vec<AlertState>>,
    readiness: Arc<Readiness>,
) -> (Queue, Worker<Remediation>) {
    let (queue, waiting) = mpsc::channel(QUEUE);
    (Queue(queue), Worker { shell, queue: waiting, again, readiness, enclosure: Arc::new(()), gap: GAP })
}

/// The worker for loans.
#[must_use]
pub fn loans(shell: Arc<Shell>, again: mpsc::Sender<Vec<AlertState>>, readiness: Arc<Readiness>) -> Worker<Loan> {
    let (_, queue) = mpsc::channel(1);
    Worker { shell, queue, again, readiness, enclosure: Arc::new(()), gap: GAP }
}

impl<T: Paced> Worker<T> {
    /// Each effort is driven in what `enclosure` makes of it.
    pub(crate) fn enclosed(self, enclosure: Arc<dyn Tasks>) -> Self {
        Self { enclosure, ..self }
    }

    /// Claims again at once, however many are woken together: for a store to which a claim costs nothing, on a virtual clock,
    /// where what is due at an instant is to be decided at that instant.
    #[must_use]
    pub fn eager(self) -> Self {
        Self { gap: Duration::ZERO, ..self }
    }

    /// Works until `stop`, then lets what is under way end for at most [`DRAIN`].
    pub async fn run(mut self, stop: CancellationToken, pulse: Pulse) {
        let places = Arc::new(Semaphore::new(T::PACE.at_once));
        let anteroom = T::PACE.waiting.map(|seats| Arc::new(Semaphore::new(seats)));
        let mut tasks = JoinSet::new();
        let (mut next, mut claimed_at) = (Instant::now(), Instant::now());
        while !stop.is_cancelled() {
            pulse.again(if tasks.is_empty() { pulse::ROUND } else { T::PACE.round });
            if self.readiness.ready().is_err() {
                // What is under way goes on.
                self.readiness.wait(&stop).await;
                continue;
            }
            let Ok(place) = places.clone().acquire_owned().await else { break };
            // Cancel safe: recv, notified, woken, sleep and cancelled keep what they did not give; join_next too.
            let due = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(item) = self.queue.recv() => vec![item],
                Some(ended) = tasks.join_next(), if !tasks.is_empty() => {
                    watch::<T>(ended);
                    continue;
                }
                () = self.shell.wake.notified(), if T::PACE.woken => {
                    next = next.min(claimed_at + self.gap);
                    continue;
                }
                Ok(()) = self.shell.store.woken(), if T::PACE.woken => {
                    next = next.min(claimed_at + self.gap);
                    continue;
                }
                () = tokio::time::sleep_until(next) => {
                    claimed_at = Instant::now();
                    self.claim(&places, &mut next).await
                }
            };
            let mut place = Some(place);
            for item in due {
                let place = match place.take() {
                    Some(place) => place,
                    None => match places.clone().acquire_owned().await {
                        Ok(place) => place,
                        Err(_) => break,
                    },
                };
                let (shell, again) = (self.shell.clone(), self.again.clone());
                let (place, span) = (Place::new(place, anteroom.clone()), item.claimed.effort.span());
                let driven = async move { drive_one(&shell, &again, item, place).instrument(span).await };
                tasks.spawn(self.enclosure.enclose("effort", Box::pin(driven)));
            }
        }
        pulse.done();
        let drained = tokio::time::timeout(DRAIN, async {
            while let Some(ended) = tasks.join_next().await {
                watch::<T>(ended);
            }
        });
        if drained.await.is_err() {
            tracing::warn!(
                kind = T::NAME,
                under_way = tasks.len(),
                "shutdown did not wait for all effects; they are looked at after the next start"
            );
        }
    }

    /// Claims what is due and sets when to look next.
    async fn claim(&self, places: &Semaphore, next: &mut Instant) -> Vec<Item<T>> {
        let now = self.shell.time.now();
        // The caller holds one place already.
        let limit = u32::try_from(places.available_permits() + 1).unwrap_or(u32::MAX);
        let lease = after(now, DECISION_LEASE);
        let poll = if self.shell.store.hears() { T::PACE.poll } else { T::PACE.poll_deaf };
        *next = Instant::now() + poll;
        let work = T::work(&*self.shell.store);
        match work.claim(self.shell.owner, now, lease, limit).await {
            Ok(claimed) if claimed.is_empty() => {
                if let Ok(Some(due)) = work.next_due(now).await {
                    *next = Instant::now() + since(due, now).clamp(self.gap, poll);
                }
                Vec::new()
            }
            Ok(claimed) => {
                // There may be more than there were places.
                let all = claimed.len() < limit as usize;
                *next = Instant::now() + if all { self.gap } else { Duration::ZERO };
                claimed.into_iter().map(|claimed| Item { claimed, heard: None }).collect()
            }
            Err(error) => {
                tracing::warn!(kind = T::NAME, error = %chain(&error), "cannot claim due work");
                Vec::new()
            }
        }
    }
}

async fn drive_one<T: Paced>(shell: &Shell, again: &mpsc::Sender<Vec<AlertState>>, item: Item<T>, place: Place) {
    let id = item.claimed.claim.id;
    match drive(shell, item, place).await {
        Ok(Some(stored)) if !stored.waiting.is_empty() => {
            // Should the queue be full, upkeep finds them waiting.
            let _ = again.try_send(stored.waiting);
        }
        Ok(Some(_)) => {}
        Ok(None) => tracing::info!(kind = T::NAME, %id, "the claim was lost; nothing was stored"),
        Err(error) => {
            tracing::warn!(kind = T::NAME, %id, error = %chain(&error), "cannot store a decision; it is made again");
        }
    }
    if T::PACE.woken {
        shell.wake.notify_one();
    }
}

fn watch<T: Driven>(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(kind = T::NAME, %error, "a task ended unexpectedly; its lease runs out and its work is claimed again");
    }
}

#[cfg(test)]
mod tests;
