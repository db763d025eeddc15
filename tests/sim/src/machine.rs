//! A machine's clocks and its randomness. True time is the runtime's; the wall clock may be off, step, or run at another rate. The monotonic
//! clock is true: it is the runtime's, and nobody sets it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use fettle_core::time::Timestamp;
use fettle_engine::clock::Clock;
use tokio::time::Instant;

use crate::rng::Rng;
use crate::time::{Micros, instant};

/// The wall clock of one machine.
#[derive(Debug)]
pub struct Machine {
    began: Instant,
    setting: Mutex<Setting>,
    rng: Mutex<Rng>,
}

/// How the wall clock was set last.
#[derive(Debug, Clone, Copy, Default)]
struct Setting {
    /// When, by true time.
    at: Micros,
    /// How far ahead it was then.
    ahead: Micros,
    /// How much faster it runs, in millionths.
    rate: i64,
}

impl Machine {
    /// A machine whose clock is right. The world began at `began`.
    pub fn new(began: Instant, rng: Rng) -> Self {
        Self { began, setting: Mutex::default(), rng: Mutex::new(rng) }
    }

    fn true_time(&self) -> Micros {
        Micros::try_from(self.began.elapsed().as_micros()).unwrap_or(Micros::MAX)
    }

    /// How far the wall clock is ahead of true time.
    pub fn ahead(&self) -> Micros {
        let it = *self.setting.lock().unwrap_or_else(PoisonError::into_inner);
        it.ahead + (self.true_time() - it.at) / 1_000_000 * it.rate
    }

    /// Sets it: this far ahead now, and running faster by `rate` millionths from now on.
    pub fn set(&self, ahead: Micros, rate: i64) {
        let at = self.true_time();
        *self.setting.lock().unwrap_or_else(PoisonError::into_inner) = Setting { at, ahead, rate };
    }
}

impl Clock for Machine {
    fn wall(&self) -> Timestamp {
        instant(self.true_time() + self.ahead())
    }

    fn monotonic(&self) -> Duration {
        self.began.elapsed()
    }

    /// It is never started again: only its process is.
    fn boot(&self) -> Option<String> {
        Some("machine".to_owned())
    }

    fn random(&self) -> u64 {
        self.rng.lock().unwrap_or_else(PoisonError::into_inner).below(u64::MAX)
    }
}
