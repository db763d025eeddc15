//! Signs of life of the server's workers. Each serves its connections on a thread of its own, so a handler that never comes
//! back (a lock, a disk that hangs) takes with it every request that this worker was or will be given.
//!
//! Always holds: a worker is heard of as long as its thread comes round, whether or not what it was asked can be answered;
//! it says so by a task that waits in the same queue as its requests.
//!
//! Not watched: the thread that accepts. It runs no code of ours, and what goes wrong there is seen from outside only, as
//! `fettle-health.timer` and the container's health check do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fettle_engine::pulse::Pulses;

/// How often a worker says that it lives.
const EVERY: Duration = Duration::from_secs(5);

/// Until when it is heard of again. Nothing that it does itself takes longer than milliseconds; the rest is room for a
/// machine under load.
pub const ROUND: Duration = Duration::from_secs(15);

/// The voices of all workers, given out as they start.
pub(super) struct Workers {
    pulses: Arc<Pulses>,
    began: AtomicUsize,
}

impl Workers {
    pub(super) fn new(count: usize) -> Self {
        Self { pulses: Pulses::of(&vec!["http worker"; count]), began: AtomicUsize::new(0) }
    }

    pub(super) fn pulses(&self) -> Arc<Pulses> {
        self.pulses.clone()
    }

    /// Called by each worker, on its own thread: it is heard of from now on, until its thread ends.
    pub(super) fn begin(&self) {
        let pulse = self.pulses.pulse(self.began.fetch_add(1, Ordering::Relaxed));
        actix_web::rt::spawn(async move {
            loop {
                pulse.again(ROUND);
                tokio::time::sleep(EVERY).await;
            }
        });
    }
}
