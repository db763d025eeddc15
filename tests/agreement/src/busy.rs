//! Whether the service comes to rest: telemetry that counts decisions at one instant.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fettle_core::announcement::AnnouncementName;
use fettle_core::ports::Telemetry;
use fettle_core::remediation::loan::Loan;
use fettle_core::remediation::record::Record;
use fettle_core::remediation::state::Remediation;
use fettle_core::time::Timestamp;
use fettle_memory::physics::Clock;
use tokio::sync::Notify;

/// More decisions at one instant are no work that comes to an end by itself.
const DECISIONS_MAX: u32 = 5_000;

/// Counts.
pub struct Busy {
    clock: Clock,
    /// The last instant, and the decisions at it.
    seen: Mutex<(Timestamp, u32)>,
    restless: Notify,
}

impl Busy {
    /// Nothing was decided yet.
    pub fn new(clock: Clock) -> Arc<Self> {
        Arc::new(Self { clock, seen: Mutex::new((clock.now(), 0)), restless: Notify::new() })
    }

    /// Whether there was no end to it.
    pub fn is_restless(&self) -> bool {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).1 >= DECISIONS_MAX
    }

    /// Ends when there is no end to it. Cancel safe.
    pub async fn restless(&self) {
        self.restless.notified().await;
    }

    fn decided(&self) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.1 < DECISIONS_MAX {
            let now = self.clock.now();
            *seen = if seen.0 == now { (now, seen.1 + 1) } else { (now, 1) };
        }
        if seen.1 == DECISIONS_MAX {
            self.restless.notify_one();
        }
    }
}

impl Telemetry for Busy {
    fn recorded(&self, _: &[Remediation], _: &[Record]) {
        self.decided();
    }
    fn loan(&self, _: &Loan, _: &[Record]) {
        self.decided();
    }
    fn late(&self, _: &[Record]) {}
    fn reaction(&self, _: Duration) {}
    fn announced(&self, _: AnnouncementName, _: bool) {}
    fn heartbeat(&self, _: Timestamp) {}
}
