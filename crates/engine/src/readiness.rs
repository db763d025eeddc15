//! What keeps this process from being ready, by name.
//!
//! Ready means: the store is migrated and takes notifications, recovery is done, rules are loaded, and the process was not
//! asked to stop. A process that is not ready claims nothing, decides nothing and prunes nothing. A missing Docker or
//! Alertmanager does not count: decisions that need them end honestly. Nor does a wrong wall clock: nothing is measured by it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// How long a task waits at most before it gives a sign of life.
const WAITS: Duration = Duration::from_secs(5);

/// Something that must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// The database answers and its schema is in place.
    Store,
    /// What an earlier process left open may be decided.
    Recovery,
    /// A valid rule set is loaded.
    Rules,
    /// Nobody asked this process to stop.
    Serving,
}

/// What is unmet, with why.
#[derive(Debug)]
pub struct Readiness {
    unmet: Mutex<BTreeMap<Condition, String>>,
    /// Wakes in the order of waiting, so that a simulation is one history; a `watch` wakes in a random one.
    changed: Notify,
}

impl Default for Readiness {
    fn default() -> Self {
        let unmet = [
            (Condition::Store, "the database is not open yet"),
            (Condition::Recovery, "recovery is not done yet"),
            (Condition::Rules, "rules are not loaded yet"),
        ];
        let unmet = unmet.map(|(condition, why)| (condition, why.to_owned())).into();
        Self { unmet: Mutex::new(unmet), changed: Notify::new() }
    }
}

impl Readiness {
    /// Everything holds from the start: for a host of the engine that opens no database.
    #[must_use]
    pub fn fulfilled() -> Self {
        Self { unmet: Mutex::default(), changed: Notify::new() }
    }

    /// `condition` holds from now on.
    pub fn met(&self, condition: Condition) {
        self.unmet_now().remove(&condition);
        self.changed.notify_waiters();
    }

    /// `condition` does not hold, because of `why`.
    pub fn unmet(&self, condition: Condition, why: impl Into<String>) {
        self.unmet_now().insert(condition, why.into());
    }

    /// `Ok` when everything holds, else why not, in a fixed order.
    pub fn ready(&self) -> Result<(), Vec<String>> {
        let unmet = self.unmet_now();
        if unmet.is_empty() { Ok(()) } else { Err(unmet.values().cloned().collect()) }
    }

    /// Waits until everything holds, until `stop`, or for [`WAITS`]. Cancel safe.
    pub(crate) async fn wait(&self, stop: &CancellationToken) {
        let until = tokio::time::Instant::now() + WAITS;
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.unmet_now().is_empty() {
                return;
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = changed => {}
                () = tokio::time::sleep_until(until) => return,
            }
        }
    }

    fn unmet_now(&self) -> MutexGuard<'_, BTreeMap<Condition, String>> {
        self.unmet.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_ready_only_when_everything_holds_and_says_what_does_not() {
        let readiness = Readiness::default();
        assert_eq!(readiness.ready().map_err(|unmet| unmet.len()), Err(3));
        for condition in [Condition::Store, Condition::Recovery, Condition::Rules] {
            readiness.met(condition);
        }
        assert_eq!(readiness.ready(), Ok(()));
        readiness.unmet(Condition::Serving, "shutting down");
        assert_eq!(readiness.ready(), Err(vec!["shutting down".to_owned()]));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_goes_on_as_soon_as_everything_holds() {
        let (readiness, stop, began) = (Readiness::default(), CancellationToken::new(), tokio::time::Instant::now());
        for condition in [Condition::Store, Condition::Rules] {
            readiness.met(condition);
        }
        let second = Duration::from_secs(1);
        tokio::join!(readiness.wait(&stop), async {
            tokio::time::sleep(second).await;
            readiness.met(Condition::Recovery);
        });
        assert_eq!(began.elapsed(), second);
        readiness.wait(&stop).await;
        assert_eq!(began.elapsed(), second);
        readiness.unmet(Condition::Store, "away");
        readiness.wait(&stop).await;
        assert_eq!(began.elapsed(), second + WAITS, "a task gives a sign of life");
        stop.cancel();
        readiness.wait(&stop).await;
        assert_eq!(began.elapsed(), second + WAITS);
    }
}
