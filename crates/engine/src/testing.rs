//! For the engine's tests: clocks that a test moves.

pub mod script;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::clock::Clock;
use fettle_core::time::{Timestamp, after};

/// A clock that moves only by hand, with randomness that is the same each time.
pub struct Hand(Mutex<Hands>);

struct Hands {
    wall: Timestamp,
    monotonic: Duration,
    random: u64,
}

impl Hand {
    /// Shows this second since the epoch.
    pub fn at(second: i64) -> Arc<Self> {
        let wall = Timestamp::from_second(second).expect("in range");
        Arc::new(Self(Mutex::new(Hands { wall, monotonic: Duration::from_hours(1), random: 0 })))
    }

    /// Sets the wall clock alone, as a person does.
    pub fn set_wall(&self, second: i64) {
        self.0.lock().expect("test").wall = Timestamp::from_second(second).expect("in range");
    }

    /// Lets time pass on both clocks.
    pub fn pass(&self, length: Duration) {
        let mut hands = self.0.lock().expect("test");
        hands.wall = after(hands.wall, length);
        hands.monotonic += length;
    }
}

/// A clock that shows tokio's time, for tests on a paused runtime; a process that stood still is one whose clock jumped.
pub struct Paused {
    began: tokio::time::Instant,
    stood_still: Mutex<Duration>,
    random: Arc<Hand>,
}

impl Paused {
    /// Begins now.
    pub fn begin() -> Arc<Self> {
        let (began, random) = (tokio::time::Instant::now(), Hand::at(0));
        Arc::new(Self { began, stood_still: Mutex::new(Duration::ZERO), random })
    }

    /// As if the process had not run for that long.
    pub fn stand_still(&self, length: Duration) {
        *self.stood_still.lock().expect("test") += length;
    }
}

impl Clock for Paused {
    fn wall(&self) -> Timestamp {
        after(Timestamp::from_second(1_000_000).expect("in range"), self.monotonic())
    }

    fn monotonic(&self) -> Duration {
        self.began.elapsed() + *self.stood_still.lock().expect("test")
    }

    fn random(&self) -> u64 {
        self.random.random()
    }
}

impl Clock for Hand {
    fn wall(&self) -> Timestamp {
        self.0.lock().expect("test").wall
    }

    fn monotonic(&self) -> Duration {
        self.0.lock().expect("test").monotonic
    }

    fn boot(&self) -> Option<String> {
        Some("test".to_owned())
    }

    fn random(&self) -> u64 {
        let mut hands = self.0.lock().expect("test");
        // SplitMix64: every seed gives a full period, and 0 is as good as any.
        hands.random = hands.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = hands.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}
