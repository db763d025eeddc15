//! Time and ids, as the engine hands them to the core: the store's clock where it has one, and never backwards.
//!
//! Always holds: everything is computed from a [`Clock`] alone, so a simulator can put a process on a clock that is wrong,
//! that steps, or that runs at another rate. Until [`Time`] follows a clock it shows the machine's wall clock, for logs and
//! metrics, and none of that binds it. On a store that has a clock, [`Time::now`] is the last reading of it and the steady
//! time since then: the wall clock of this machine changes nothing. On a store without one it follows the wall clock, and
//! a jump of that is caught up slowly: 0.1 % faster or at half speed. So a clock that was set, by a person or by
//! NTP, cannot open a budget window at once, nor undo a cooldown.

pub(crate) mod anchor;
mod ids;
mod line;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use self::anchor::Anchor;
use self::ids::Ids;
pub(crate) use self::line::BINDING;
use self::line::{Line, Nanos};
use fettle_core::time::Timestamp;

/// How far two readings of the steady clock may lie apart that a reading of the wall clock lies between.
const BETWEEN: Duration = Duration::from_millis(1);

/// Tries to read both clocks at one instant.
const TRIES: u32 = 3;

/// The machine's clocks and its randomness, as they are.
pub trait Clock: Send + Sync {
    /// The wall clock: it may be wrong, and people and NTP set it.
    fn wall(&self) -> Timestamp;

    /// Time since some fixed instant, on a clock that is never set. It may run at another rate than the wall clock.
    fn monotonic(&self) -> Duration;

    /// The clock that the wall clock is held against. It is never set either, and goes on from process to process as
    /// [`boot`](Self::boot) says. A test may run it at the rate of its wall clock.
    fn steady(&self) -> Duration {
        self.monotonic()
    }

    /// The start of the machine since which [`steady`](Self::steady) runs; `None` where the next process has another one.
    fn boot(&self) -> Option<String> {
        None
    }

    /// A random number, for ids and for the jitter of retries.
    fn random(&self) -> u64;
}

/// The clocks of the machine that this process runs on.
#[derive(Debug)]
pub struct SystemClock {
    began: Duration,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { began: since_boot() }
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's wall clock")]
    fn wall(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Duration {
        since_boot().saturating_sub(self.began)
    }

    fn steady(&self) -> Duration {
        since_boot()
    }

    fn boot(&self) -> Option<String> {
        let read = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        Some(read.trim().to_owned()).filter(|id| !id.is_empty() && !id.contains(' '))
    }

    fn random(&self) -> u64 {
        getrandom::u64().expect("the system gives random numbers")
    }
}

/// Time since the machine was started, with the time that it was suspended: leases run out meanwhile.
fn since_boot() -> Duration {
    Duration::try_from(rustix::time::clock_gettime(BOOT)).unwrap_or_default()
}

#[cfg(target_os = "linux")]
const BOOT: rustix::time::ClockId = rustix::time::ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const BOOT: rustix::time::ClockId = rustix::time::ClockId::Monotonic;

/// The engine's time. Microseconds.
pub struct Time {
    clock: Arc<dyn Clock>,
    line: Mutex<Line>,
    ids: Mutex<Ids>,
}

/// How far clocks are apart. Microseconds; positive is ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Offset {
    /// fettle's time, against the clock that it follows: the store's, or this machine's where the store has none.
    pub followed: i64,
    /// fettle's time, against this machine's wall clock.
    pub machine: i64,
    /// The latest instant stored before this process began, against fettle's time, where it is too far ahead to bind it.
    pub stored: i64,
}

impl Time {
    /// Time by `clock`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, line: Mutex::default(), ids: Mutex::default() }
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Both clocks at one instant: a process that stands still between the two readings must not see a jump.
    fn read(&self) -> (Nanos, Duration) {
        let mut before = self.clock.steady();
        for tried in 1.. {
            let wall = self.clock.wall().as_nanosecond();
            let at = self.clock.steady();
            if tried == TRIES || at.saturating_sub(before) < BETWEEN {
                return (wall, at);
            }
            before = at;
        }
        unreachable!("it returns at the last try")
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let mut line = self.line();
        let (wall, at) = self.read();
        instant(line.now(wall, at))
    }

    /// Time since some fixed instant, on a clock that is never set: leases and the age of an intent are measured by it.
    #[must_use]
    pub fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    /// The clock that runs as fast as [`now`](Self::now) does where nothing was set. Readings of the store's clock are dated
    /// by it.
    #[must_use]
    pub fn steady(&self) -> Duration {
        self.clock.steady()
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
        std::array::from_fn(|_| ids.next(millis, || self.clock.random()))
    }

    /// Does not go below `stored`, an instant that something stored carries, unless that is more than an hour ahead: then a
    /// clock was wrong when it was stored, and time does not wait for it.
    pub fn not_before(&self, stored: Timestamp) {
        let mut line = self.line();
        let (wall, at) = self.read();
        line.not_before(stored.as_nanosecond(), wall, at);
    }

    /// Follows this machine's wall clock, if it follows no clock yet: the store has none. Goes on from where a process before
    /// this one was, if the machine runs since the same start.
    pub(crate) fn follow_machine(&self, noted: Option<&Anchor>) {
        let mut line = self.line();
        let (wall, at) = self.read();
        if !line.has_begun() {
            self.begin(&line);
            let boot = self.clock.boot();
            let noted = noted.and_then(|noted| Some((noted.extend(boot.as_deref(), at)?, noted.began)));
            let (now, began) = noted.map_or((wall, wall), |(now, began)| (now.as_nanosecond(), began.as_nanosecond()));
            line.follow_wall(now, began, at);
        }
    }

    /// Where its time is, for the next process; `None` unless it follows this machine's wall clock.
    pub(crate) fn anchor(&self) -> Option<Anchor> {
        let mut line = self.line();
        let (wall, at) = self.read();
        let began = line.began()?;
        Some(Anchor { boot: self.clock.boot()?, at, now: instant(line.now(wall, at)), began: instant(began) })
    }

    /// Follows the store's clock. It showed `store` between `asked` and now; `asked` is a reading of [`steady`](Self::steady).
    pub fn follow(&self, store: Timestamp, asked: Duration) {
        let mut line = self.line();
        self.begin(&line);
        line.follow_store(store.as_nanosecond(), asked, self.clock.steady());
    }

    /// Ids that were dated by the machine's wall clock do not bind those that are stored.
    fn begin(&self, line: &Line) {
        if !line.has_begun() {
            *self.ids.lock().unwrap_or_else(PoisonError::into_inner) = Ids::default();
        }
    }

    /// How far clocks are apart.
    #[must_use]
    pub fn offset(&self) -> Offset {
        let mut line = self.line();
        let (wall, at) = self.read();
        let micros = |nanos: Nanos| i64::try_from(nanos / 1000).unwrap_or(i64::MAX);
        Offset {
            followed: micros(line.ahead(wall, at)),
            machine: micros(line.now(wall, at) - wall),
            stored: micros(line.stored_ahead(wall, at)),
        }
    }

    /// Gives what the followed clock shows from now on.
    pub(crate) fn reset(&self) {
        let mut line = self.line();
        let (wall, at) = self.read();
        line.reset(wall, at);
    }
}

fn instant(nanos: Nanos) -> Timestamp {
    let micros = i64::try_from(nanos.div_euclid(1000)).unwrap_or(i64::MAX);
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Hand;

    fn second(at: i64) -> Timestamp {
        Timestamp::from_second(at).expect("in range")
    }

    #[test]
    fn a_clock_stepped_back_moves_time_on_slowly_until_it_has_caught_up() {
        let hand = Hand::at(1000);
        let time = Time::new(hand.clone());
        time.follow_machine(None);
        assert_eq!(time.now().as_second(), 1000);
        hand.set_wall(400);
        assert_eq!(time.now().as_second(), 1000, "never backwards");
        for half in 1..=100 {
            hand.pass(Duration::from_secs(2));
            assert_eq!(time.now().as_second(), 1000 + half, "at half speed");
        }
        assert_eq!(time.offset(), Offset { followed: 500_000_000, machine: 500_000_000, stored: 0 });
        hand.set_wall(1100);
        assert_eq!(time.now().as_second(), 1100);
    }

    #[test]
    fn on_a_store_with_a_clock_the_machines_wall_clock_changes_nothing() {
        let hand = Hand::at(9000);
        let time = Time::new(hand.clone());
        assert_eq!(time.now().as_second(), 9000, "the rules were loaded before the store was open");
        time.follow(second(3000), time.steady());
        assert_eq!(time.now().as_second(), 3000);
        for wall in [0, 3000, 1_000_000] {
            hand.set_wall(wall);
            hand.pass(Duration::from_secs(1));
            time.follow_machine(None);
        }
        assert_eq!(time.now().as_second(), 3003);
        assert_eq!(time.offset().machine, (3003 - 1_000_001) * 1_000_000);
        time.not_before(second(3500));
        assert_eq!((time.now().as_second(), time.offset().followed), (3500, 497_000_000));
    }

    #[test]
    fn the_next_process_goes_on_from_where_the_one_before_was() {
        let hand = Hand::at(1000);
        let time = Time::new(hand.clone());
        time.follow_machine(None);
        let noted = time.anchor().expect("it follows the machine");
        hand.pass(Duration::from_mins(1));
        hand.set_wall(100_000_000);
        let time = Time::new(hand.clone());
        time.follow_machine(Some(&noted));
        assert_eq!(time.now().as_second(), 1060, "three years ahead at the start");
        assert_eq!(time.anchor().map(|it| it.began), Some(second(1000)));
        let elsewhere = Anchor { boot: "another start".to_owned(), ..noted };
        let time = Time::new(hand);
        time.follow_machine(Some(&elsewhere));
        assert_eq!(time.now().as_second(), 100_000_000);
    }

    #[test]
    fn a_stored_instant_that_is_far_ahead_is_reported_and_does_not_bind() {
        let time = Time::new(Hand::at(1000));
        time.follow_machine(None);
        time.not_before(second(100_000_000));
        assert_eq!(time.now().as_second(), 1000);
        assert_eq!(time.offset(), Offset { followed: 0, machine: 0, stored: 99_999_000_000_000 });
    }

    #[test]
    fn ids_go_up_even_when_the_clock_is_stepped_back() {
        let hand = Hand::at(1_900_000_000);
        let time = Time::new(hand.clone());
        let unbound: Uuid = time.new_id();
        hand.set_wall(1_800_000_000);
        time.follow_machine(None);
        let mut ids: Vec<Uuid> = (0..100).map(|_| time.new_id()).collect();
        hand.set_wall(1_700_000_000);
        ids.extend((0..100).map(|_| time.new_id::<Uuid>()));
        assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
        let id = ids[0];
        assert!(id < unbound, "an id from before the store was open binds none");
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
    fn the_machines_steady_clock_goes_on() {
        let clock = SystemClock::default();
        let (one, other) = (clock.monotonic(), clock.monotonic());
        assert!(one <= other && Duration::ZERO < since_boot(), "{one:?} {other:?}");
    }
}
