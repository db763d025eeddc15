//! Time, as the engine hands it to the core: the store's clock where it has one, and never backwards.
//!
//! Always holds: [`Time::now`] does not go below any instant it gave before or that was stored before this process
//! began, so a clock stepped back can neither re-open a budget window nor undo a cooldown. It stands still instead until
//! the clock has caught up.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::core::time::Timestamp;

/// A wall clock.
pub trait Clock: Send + Sync {
    /// What it shows.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// The engine's time. Microseconds.
pub struct Time {
    clock: Arc<dyn Clock>,
    floor: AtomicI64,
    offset: AtomicI64,
}

impl Time {
    /// Time by `clock`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, floor: AtomicI64::new(i64::MIN), offset: AtomicI64::new(0) }
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let shown = self.clock.now().as_microsecond().saturating_add(self.offset.load(Ordering::Relaxed));
        let floor = self.floor.fetch_max(shown, Ordering::Relaxed);
        Timestamp::from_microsecond(shown.max(floor)).unwrap_or(Timestamp::MAX)
    }

    /// Never go below `instant`: something stored carries it.
    pub fn not_before(&self, instant: Timestamp) {
        self.floor.fetch_max(instant.as_microsecond(), Ordering::Relaxed);
    }

    /// Follow the store's clock from now on. How far this machine's clock is off, in microseconds.
    pub fn follow(&self, store: Timestamp) -> i64 {
        let offset = store.as_microsecond().saturating_sub(self.clock.now().as_microsecond());
        self.offset.store(offset, Ordering::Relaxed);
        offset
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    struct Hand(Mutex<i64>);

    impl Clock for Hand {
        fn now(&self) -> Timestamp {
            Timestamp::from_second(*self.0.lock().expect("test")).expect("in range")
        }
    }

    #[test]
    fn a_clock_stepped_back_stands_still_until_it_has_caught_up() {
        let hand = Arc::new(Hand(Mutex::new(1000)));
        let time = Time::new(hand.clone());
        assert_eq!(time.now().as_second(), 1000);
        *hand.0.lock().expect("test") = 400;
        assert_eq!(time.now().as_second(), 1000);
        *hand.0.lock().expect("test") = 1001;
        assert_eq!(time.now().as_second(), 1001);
    }

    #[test]
    fn what_was_stored_before_bounds_it_and_the_stores_clock_leads() {
        let time = Time::new(Arc::new(Hand(Mutex::new(1000))));
        time.not_before(Timestamp::from_second(1500).expect("in range"));
        assert_eq!(time.now().as_second(), 1500);
        assert_eq!(time.follow(Timestamp::from_second(3000).expect("in range")), 2_000_000_000);
        assert_eq!(time.now().as_second(), 3000);
    }
}
