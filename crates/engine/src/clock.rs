//! Time and ids, as the engine hands them to the core: the store's clock where it has one, and never backwards.
//!
//! Always holds: everything is computed from a [`Clock`] alone, so a simulator can put a process on a clock that is wrong,
//! that steps, or that runs at another rate. [`Time::now`] does not go below any instant it gave before or that was stored
//! before this process began, so a clock stepped back can neither re-open a budget window nor undo a cooldown. It runs at
//! half speed instead until the clock has caught up: windows last longer than they should, and nothing waits for ever.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use fettle_core::time::Timestamp;

/// The machine's clocks and its randomness, as they are.
pub trait Clock: Send + Sync {
    /// The wall clock: it may be wrong, and people and NTP set it.
    fn wall(&self) -> Timestamp;

    /// Time since some fixed instant, on a clock that is never set. It may run at another rate than the wall clock.
    fn monotonic(&self) -> Duration;

    /// A random number, for ids and for the jitter of retries.
    fn random(&self) -> u64;
}

/// The clocks of the machine that this process runs on.
#[derive(Debug)]
pub struct SystemClock {
    began: tokio::time::Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { began: tokio::time::Instant::now() }
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's wall clock")]
    fn wall(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Duration {
        self.began.elapsed()
    }

    fn random(&self) -> u64 {
        getrandom::u64().expect("the system gives random numbers")
    }
}

/// The engine's time. Microseconds.
pub struct Time {
    clock: Arc<dyn Clock>,
    offset: AtomicI64,
    floor: Mutex<Floor>,
    ids: Mutex<Ids>,
}

/// The last instant given, and the monotonic time of that.
struct Floor {
    given: i64,
    at: Duration,
}

/// Orders the ids of one millisecond.
#[derive(Default)]
struct Ids {
    millis: u64,
    counter: u64,
}

/// Bits of the counter in an id: the first 12 follow the version, the other 30 the variant. The last 32 bits of an id are
/// random. A new millisecond starts below half of it, so some 2^41 ids fit into one millisecond.
const COUNTER_BITS: u32 = 42;

impl Time {
    /// Time by `clock`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let floor = Mutex::new(Floor { given: i64::MIN, at: clock.monotonic() });
        Self { clock, offset: AtomicI64::new(0), floor, ids: Mutex::default() }
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let shown = self.clock.wall().as_microsecond().saturating_add(self.offset.load(Ordering::Relaxed));
        let mut floor = self.floor.lock().unwrap_or_else(PoisonError::into_inner);
        let at = self.clock.monotonic();
        let half = i64::try_from(at.saturating_sub(floor.at).as_micros() / 2).unwrap_or(i64::MAX);
        let now = shown.max(floor.given.saturating_add(half));
        if now > floor.given {
            *floor = Floor { given: now, at };
        }
        Timestamp::from_microsecond(now).unwrap_or(Timestamp::MAX)
    }

    /// Time since some fixed instant, on a clock that is never set: leases and the age of an intent are measured by it.
    #[must_use]
    pub fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    /// A random number.
    #[must_use]
    pub fn random(&self) -> u64 {
        self.clock.random()
    }

    /// An id that nothing carries yet: `UUIDv7`. Ids order by this time, not by the machine's, so that "newest first" stays
    /// true when the clock is stepped back.
    #[must_use]
    pub fn new_id<T: From<Uuid>>(&self) -> T {
        let [id] = self.new_ids();
        id.into()
    }

    /// Several of them, in order, of one instant.
    #[must_use]
    pub fn new_ids<const N: usize>(&self) -> [Uuid; N] {
        let millis = u64::try_from(self.now().as_millisecond()).unwrap_or(0);
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        std::array::from_fn(|_| self.next_id(&mut ids, millis))
    }

    fn next_id(&self, ids: &mut Ids, millis: u64) -> Uuid {
        const OVERFLOW: u64 = 1 << COUNTER_BITS;
        let random = self.clock.random();
        if millis > ids.millis {
            *ids = Ids { millis, counter: self.clock.random() >> (u64::BITS - COUNTER_BITS + 1) };
        } else {
            ids.counter += 1;
            if ids.counter == OVERFLOW {
                *ids = Ids { millis: ids.millis + 1, counter: 0 };
            }
        }
        let (high, low) = (ids.counter >> 30, ids.counter & ((1 << 30) - 1));
        let head = (ids.millis << 16) | (7 << 12) | high;
        let tail = (0b10 << 62) | (low << 32) | (random >> 32);
        Uuid::from_u64_pair(head, tail)
    }

    /// Never go below `instant`: something stored carries it.
    pub fn not_before(&self, instant: Timestamp) {
        let mut floor = self.floor.lock().unwrap_or_else(PoisonError::into_inner);
        if instant.as_microsecond() > floor.given {
            *floor = Floor { given: instant.as_microsecond(), at: self.clock.monotonic() };
        }
    }

    /// Follow the store's clock from now on. How far this machine's clock is off, in microseconds.
    pub fn follow(&self, store: Timestamp) -> i64 {
        let offset = store.as_microsecond().saturating_sub(self.clock.wall().as_microsecond());
        self.offset.store(offset, Ordering::Relaxed);
        offset
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Hand;

    #[test]
    fn a_clock_stepped_back_moves_time_on_slowly_until_it_has_caught_up() {
        let hand = Hand::at(1000);
        let time = Time::new(hand.clone());
        assert_eq!(time.now().as_second(), 1000);
        hand.set_wall(400);
        assert_eq!(time.now().as_second(), 1000, "never backwards");
        for half in 1..=100 {
            hand.pass(Duration::from_secs(2));
            assert_eq!(time.now().as_second(), 1000 + half, "at half speed");
        }
        hand.set_wall(2000);
        assert_eq!(time.now().as_second(), 2000);
    }

    #[test]
    fn what_was_stored_before_bounds_it_and_the_stores_clock_leads() {
        let time = Time::new(Hand::at(1000));
        time.not_before(Timestamp::from_second(1500).expect("in range"));
        assert_eq!(time.now().as_second(), 1500);
        assert_eq!(time.follow(Timestamp::from_second(3000).expect("in range")), 2_000_000_000);
        assert_eq!(time.now().as_second(), 3000);
    }

    #[test]
    fn ids_go_up_even_when_the_clock_is_stepped_back() {
        let hand = Hand::at(1_800_000_000);
        let time = Time::new(hand.clone());
        let mut ids: Vec<Uuid> = (0..100).map(|_| time.new_id()).collect();
        hand.set_wall(1_700_000_000);
        ids.extend((0..100).map(|_| time.new_id::<Uuid>()));
        assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
        let id = ids[0];
        assert_eq!((id.get_version_num(), id.get_variant()), (7, uuid::Variant::RFC4122));
        assert_eq!(id.get_timestamp().map(|at| at.to_unix().0), Some(1_800_000_000));
    }

    #[test]
    fn the_same_clock_and_randomness_give_the_same_ids() {
        let ids = || {
            let time = Time::new(Hand::at(1_800_000_000));
            (0..10).map(|_| time.new_id()).collect::<Vec<Uuid>>()
        };
        assert_eq!(ids(), ids());
    }

    #[test]
    fn an_exhausted_counter_goes_on_in_the_next_millisecond() {
        let time = Time::new(Hand::at(1));
        let first: Uuid = time.new_id();
        time.ids.lock().expect("test").counter = (1 << COUNTER_BITS) - 1;
        let (last, next) = (first.get_timestamp(), time.new_id::<Uuid>());
        assert!(next > first);
        assert_eq!(
            (last.map(|at| at.to_unix()), next.get_timestamp().map(|at| at.to_unix())),
            (Some((1, 0)), Some((1, 1_000_000)))
        );
    }
}
