//! What must be done now and then, whoever else fails to: the clock follows the store, claims of the dead are given back,
//! waiting candidates are asked again, old rows go.
//!
//! Each part is idempotent and takes no input, so it does not matter which replica does it, or whether all do. A process that
//! is not ready follows the clock and gives back claims, which is how it finds that the store works again, and does no more.

pub(crate) mod clock;
pub(crate) mod retention;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use self::clock::Jump;
use self::retention::Reach;
use crate::pulse::Pulse;
use crate::readiness::{Condition, Readiness};
use crate::shell::Shell;
use fettle_core::alert::episode::AlertState;
use fettle_core::ports::StoreError;
use fettle_core::ports::chain;
use fettle_core::time::before;

pub use self::clock::follow;

/// How often.
const EVERY: Duration = Duration::from_secs(10);

/// Waiting candidates asked again at once.
const WAITING: u32 = 256;

/// Every so many rounds old rows are deleted: every ten minutes.
const PRUNE_ROUNDS: u32 = 60;

/// How long a round may take: deleting old rows goes in portions, and there may be many of them the first time.
const ROUND: Duration = Duration::from_mins(10);

/// How long rows are kept.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// Bodies as they came.
    pub notifications: Duration,
    /// Closed remediations and their audit.
    pub audit: Duration,
}

/// The task.
pub struct Upkeep {
    /// The engine's parts.
    pub shell: Arc<Shell>,
    /// Where waiting alerts go.
    pub again: mpsc::Sender<Vec<AlertState>>,
    /// Whether the store takes writes is reported here.
    pub readiness: Arc<Readiness>,
    /// How long rows are kept.
    pub retention: Retention,
}

impl Upkeep {
    /// Works until `stop`.
    pub async fn run(self, stop: CancellationToken, pulse: Pulse) {
        let mut every = tokio::time::interval(EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut round, mut reach, mut jump) = (0, Reach::default(), Jump::default());
        loop {
            pulse.again(ROUND);
            // Cancel safe: both keep nothing.
            tokio::select! {
                biased;
                () = stop.cancelled() => {
                    pulse.done();
                    return;
                }
                _ = every.tick() => {}
            }
            if let Err(error) = self.round(round % PRUNE_ROUNDS == 1, &mut reach, &mut jump).await {
                tracing::debug!(error = %chain(&error), "upkeep is put off");
            }
            round += 1;
        }
    }

    async fn round(&self, prune: bool, reach: &mut Reach, jump: &mut Jump) -> Result<(), StoreError> {
        follow(&*self.shell.store, &self.shell.time).await?;
        let adopted = self.shell.store.adopt(self.shell.owner).await?;
        if adopted > 0 {
            tracing::info!(remediations = adopted, "took over from a process that is gone");
            self.shell.wake.notify_one();
        }
        // It writes again; should it not, the next notification says so.
        self.readiness.met(Condition::Store);
        if self.readiness.ready().is_err() {
            return Ok(());
        }
        // What one part cannot do keeps no other from being done.
        let parts = [jump.follow(&self.shell).await, self.ask_again().await, self.retain(prune, reach).await];
        parts.into_iter().collect()
    }

    async fn ask_again(&self) -> Result<(), StoreError> {
        let waiting = self.shell.store.waiting(WAITING).await?;
        if !waiting.is_empty() {
            let _ = self.again.try_send(waiting);
        }
        Ok(())
    }

    /// Advances retention, and deletes what is old when it is time to `prune`.
    async fn retain(&self, prune: bool, reach: &mut Reach) -> Result<(), StoreError> {
        if !prune && reach.has_begun() {
            return Ok(());
        }
        let reached = reach.advance(&*self.shell.store, &self.shell.time).await?;
        if prune {
            let (notifications, audit) =
                (before(reached, self.retention.notifications), before(reached, self.retention.audit));
            let rows = self.shell.store.prune(notifications, audit).await?;
            if rows > 0 {
                tracing::info!(rows, "old rows were deleted");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
