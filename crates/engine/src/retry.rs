//! Tries again after a failure that may pass: pauses that grow, with full jitter, until a bound.
//!
//! Always holds: a pause is random between zero and its upper bound, so that processes that failed together do not come back
//! together. The randomness comes from the clock port ([`Time::random`]), so a simulator replays the same pauses.

use std::time::Duration;

use crate::clock::Time;
use crate::lease::{PAUSE, PAUSE_MAX};

/// How long and how often to try again.
#[derive(Debug, Clone, Copy)]
pub struct Retry {
    /// Upper bound of the first pause; doubled each time.
    pub first: Duration,
    /// Upper bound of any pause.
    pub longest: Duration,
    /// No try begins after this instant of [`Time::monotonic`]; `None`: no bound, the caller ends it.
    pub until: Option<Duration>,
}

impl Retry {
    /// For writes to the store, until an instant of [`Time::monotonic`].
    #[must_use]
    pub fn store_until(until: Duration) -> Self {
        Self { first: PAUSE, longest: PAUSE_MAX, until: Some(until) }
    }

    /// Calls `attempt` until it succeeds, until it fails in a way that `passes` denies, or until the bound. Its last answer.
    /// `passes` is asked about each failure and may report it. Cancel safe where `attempt` is.
    pub async fn run<T, E, F: Future<Output = Result<T, E>>>(
        self,
        time: &Time,
        mut passes: impl FnMut(&E) -> bool,
        mut attempt: impl FnMut() -> F,
    ) -> Result<T, E> {
        let mut bound = self.first.min(self.longest);
        loop {
            match attempt().await {
                Err(error) if self.open(time) && passes(&error) => {
                    tokio::time::sleep(jitter(bound, time.random())).await;
                    bound = (bound * 2).min(self.longest);
                }
                done => return done,
            }
        }
    }

    fn open(self, time: &Time) -> bool {
        self.until.is_none_or(|until| time.monotonic() < until)
    }
}

/// A pause below `bound`, by a random number.
fn jitter(bound: Duration, random: u64) -> Duration {
    let nanos = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
    let scaled = (u128::from(nanos) * u128::from(random)) >> u64::BITS;
    Duration::from_nanos(u64::try_from(scaled).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::testing::Paused;

    async fn failures(retry: Retry, time: &Time, passes: bool) -> u32 {
        let tried = AtomicU32::new(0);
        let attempt = || async {
            tried.fetch_add(1, Ordering::Relaxed);
            Err::<(), _>("away")
        };
        assert_eq!(retry.run(time, |_| passes, attempt).await, Err("away"));
        tried.into_inner()
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_at_its_bound_and_at_a_failure_that_does_not_pass() {
        let time = Time::new(Paused::begin());
        let began = time.monotonic();
        let until = began + Duration::from_secs(30);
        let tried = failures(Retry::store_until(until), &time, true).await;
        let took = time.monotonic() - began;
        assert!((Duration::from_secs(30)..Duration::from_secs(32)).contains(&took), "{took:?}");
        assert!((15..200).contains(&tried), "some thirty pauses of about a second: {tried}");
        assert_eq!(failures(Retry::store_until(until + PAUSE_MAX * 9), &time, false).await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_passes_in_between_succeeds() {
        let (time, tried) = (Time::new(Paused::begin()), AtomicU32::new(0));
        let attempt = || async { if tried.fetch_add(1, Ordering::Relaxed) < 3 { Err("away") } else { Ok(7) } };
        let retry = Retry { first: PAUSE, longest: PAUSE_MAX, until: None };
        assert_eq!(retry.run(&time, |_| true, attempt).await, Ok(7));
        assert_eq!(tried.into_inner(), 4);
    }

    #[test]
    fn a_pause_is_anything_below_its_bound() {
        let bound = Duration::from_secs(2);
        assert_eq!(jitter(bound, 0), Duration::ZERO);
        assert_eq!(jitter(bound, u64::MAX / 2 + 1), Duration::from_secs(1));
        assert!(jitter(bound, u64::MAX) < bound);
    }
}
