//! Time, as the engine hands it to the core: the store's clock where it has one, and never backwards.
//!
//! Always holds: [`Time::now`] does not go below any instant it gave before or that was stored before this process
//! began, so a clock stepped back can neither re-open a budget window nor undo a cooldown. It runs at half speed instead
//! until the clock has caught up: windows last longer than they should, and nothing waits for ever.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use uuid::{ContextV7, Uuid};

use fettle_core::time::Timestamp;

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
    offset: AtomicI64,
    floor: Mutex<Floor>,
    /// Tells apart the ids of one millisecond.
    ids: Mutex<ContextV7>,
}

/// The last instant given, and when that was on a clock that nobody sets.
struct Floor {
    given: i64,
    at: Instant,
}

impl Time {
    /// Time by `clock`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let floor = Mutex::new(Floor { given: i64::MIN, at: Instant::now() });
        Self { clock, offset: AtomicI64::new(0), floor, ids: Mutex::new(ContextV7::new()) }
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let shown = self.clock.now().as_microsecond().saturating_add(self.offset.load(Ordering::Relaxed));
        let mut floor = self.floor.lock().unwrap_or_else(PoisonError::into_inner);
        let half = i64::try_from(floor.at.elapsed().as_micros() / 2).unwrap_or(i64::MAX);
        let now = shown.max(floor.given.saturating_add(half));
        if now > floor.given {
            *floor = Floor { given: now, at: Instant::now() };
        }
        Timestamp::from_microsecond(now).unwrap_or(Timestamp::MAX)
    }

    /// An id that nothing carries yet. Ids order by this time, not by the machine's, so that "newest first" stays true
    /// when the clock is stepped back.
    #[must_use]
    pub fn new_id(&self) -> Uuid {
        let now = self.now().as_microsecond();
        let (seconds, nanos) = (now.div_euclid(1_000_000), now.rem_euclid(1_000_000) * 1000);
        let context = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        let (seconds, nanos) = (u64::try_from(seconds).unwrap_or(0), u32::try_from(nanos).unwrap_or(0));
        Uuid::new_v7(uuid::Timestamp::from_unix(&*context, seconds, nanos))
    }

    /// Never go below `instant`: something stored carries it.
    pub fn not_before(&self, instant: Timestamp) {
        let mut floor = self.floor.lock().unwrap_or_else(PoisonError::into_inner);
        if instant.as_microsecond() > floor.given {
            *floor = Floor { given: instant.as_microsecond(), at: Instant::now() };
        }
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
    use super::*;

    struct Hand(Mutex<i64>);

    impl Clock for Hand {
        fn now(&self) -> Timestamp {
            Timestamp::from_second(*self.0.lock().expect("test")).expect("in range")
        }
    }

    #[test]
    fn a_clock_stepped_back_moves_time_on_slowly_until_it_has_caught_up() {
        let hand = Arc::new(Hand(Mutex::new(1000)));
        let time = Time::new(hand.clone());
        let before = time.now();
        *hand.0.lock().expect("test") = 400;
        let began = Instant::now();
        let mut last = before;
        while last.as_microsecond() < before.as_microsecond() + 1000 {
            let now = time.now();
            assert!(now >= last, "never backwards");
            last = now;
        }
        let moved = u128::try_from(last.as_microsecond() - before.as_microsecond()).expect("forwards");
        assert!(moved <= began.elapsed().as_micros() / 2 + 1, "no faster than half");
        *hand.0.lock().expect("test") = 2000;
        assert_eq!(time.now().as_second(), 2000);
    }

    #[test]
    fn what_was_stored_before_bounds_it_and_the_stores_clock_leads() {
        let time = Time::new(Arc::new(Hand(Mutex::new(1000))));
        time.not_before(Timestamp::from_second(1500).expect("in range"));
        assert_eq!(time.now().as_second(), 1500);
        assert_eq!(time.follow(Timestamp::from_second(3000).expect("in range")), 2_000_000_000);
        assert_eq!(time.now().as_second(), 3000);
    }

    #[test]
    fn ids_go_up_even_when_the_clock_is_stepped_back() {
        let hand = Arc::new(Hand(Mutex::new(1_800_000_000)));
        let time = Time::new(hand.clone());
        let mut ids: Vec<_> = (0..100).map(|_| time.new_id()).collect();
        *hand.0.lock().expect("test") = 1_700_000_000;
        ids.extend((0..100).map(|_| time.new_id()));
        assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
    }
}
