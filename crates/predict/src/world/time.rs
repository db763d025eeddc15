//! Virtual time: a runtime of one thread whose clock moves from one instant at which something waits to the next, as soon as
//! nothing is left to be done before it.
//!
//! This is why tokio's `test-util` is in the program: the shipped engine waits on tokio's clock, and only that feature lets
//! whoever hosts it move that clock. Nothing of it is used outside this file, so the service's clock is the machine's.
//!
//! Always holds: the runtime is on a thread of its own, so it can be asked for from within another runtime and never
//! touches that one's clock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fettle_core::time::Timestamp;
use fettle_memory::physics::Clock;
use tokio::time::Instant;

/// The shortest time that the runtime's timers know.
pub(super) const TICK: Duration = Duration::from_millis(1);

/// Runs `work` in virtual time, which begins at `start`.
///
/// # Panics
/// When `work` panics, with the same.
pub fn virtually<T: Send>(start: Timestamp, work: impl AsyncFnOnce(Clock) -> T + Send) -> T {
    std::thread::scope(|scope| match scope.spawn(|| here(start, work)).join() {
        Ok(done) => done,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

/// The same on this thread, which must be nobody else's.
pub(crate) fn here<T>(start: Timestamp, work: impl AsyncFnOnce(Clock) -> T) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().expect("a runtime without I/O needs nothing");
    runtime.block_on(async { work(Clock::new(Instant::now(), start)).await })
}

/// Moves the clock forward at once, past whatever only looks now and then whether there is something to do.
pub(super) async fn skip(length: Duration) {
    tokio::time::advance(length).await;
}

/// The engine's clocks: the wall clock is right, and what is random is the same every time.
#[derive(Debug)]
pub(super) struct Machine {
    clock: Clock,
    began: Instant,
    drawn: AtomicU64,
}

impl Machine {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, began: Instant::now(), drawn: AtomicU64::new(0) }
    }
}

impl fettle_engine::clock::Clock for Machine {
    fn wall(&self) -> Timestamp {
        self.clock.now()
    }

    fn monotonic(&self) -> Duration {
        self.began.elapsed()
    }

    /// Splitmix64 of a counter.
    fn random(&self) -> u64 {
        let drawn = self.drawn.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        let mixed = (drawn ^ (drawn >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
