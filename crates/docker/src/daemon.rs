//! Which daemon answers behind a host, and what its clock says.
//!
//! The id tells two names of one daemon apart from two daemons; the clock is needed to ask for past events without
//! waiting for new ones. Both come from `/info` (some 15 ms), so they are remembered until a request fails in a way that
//! may mean that the daemon went away, and for [`AGE_MAX`] at most.

use std::sync::PoisonError;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::host::{Host, Op};
use super::seen::senseless;
use fettle_core::ports::platform::PlatformError;
use fettle_core::time;

/// How long an answer is believed. Long against its cost; short enough that clocks that run 100 ppm apart (a bad
/// crystal) are still together within 0.1 s, and that a daemon that was swapped unseen is noticed.
const AGE_MAX: Duration = Duration::from_mins(10);

/// A daemon as it described itself.
#[derive(Debug, Clone)]
pub(super) struct Daemon {
    /// Its own id.
    pub(super) id: String,
    /// The folder of its data, on its own machine.
    pub(super) data: Option<String>,
    /// Its clock when it answered, the time that its answer took added; `None` if it did not say.
    clock: Option<Timestamp>,
    /// When the answer came, by our monotonic clock.
    at: Instant,
}

/// Longest answer whose time is added to the daemon's clock: asking for events up to now then waits for no longer.
const LAG_MAX: Duration = Duration::from_millis(250);

impl Daemon {
    /// What its clock says now, or a little more: by the time that an answer takes, at most [`LAG_MAX`]. Not less, or
    /// what has just happened would be missed.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.map_or_else(Timestamp::now, |then| time::after(then, self.at.elapsed()))
    }
}

/// What is remembered of a host's daemon.
#[derive(Debug, Default)]
pub(super) struct Memory {
    current: Option<Daemon>,
    /// Kept when the daemon is out of reach, for comparing.
    last_id: Option<String>,
}

impl Host {
    /// The daemon behind this host, asked if it is not known.
    pub(super) async fn daemon(&self) -> Result<Daemon, PlatformError> {
        if let Some(known) = self.memory().current.as_ref().filter(|known| known.at.elapsed() < AGE_MAX) {
            return Ok(known.clone());
        }
        let asked = |client: bollard::Docker| async move {
            let start = Instant::now();
            client.info().await.map(|info| (info, start.elapsed().min(LAG_MAX)))
        };
        let (info, lag) = self.see(Op::Info, asked).await?;
        let Some(id) = info.id.filter(|id| !id.is_empty()) else {
            return Err(senseless(self, "no id of its own"));
        };
        let clock = info.system_time.and_then(|text| text.parse().ok()).map(|clock| time::after(clock, lag));
        let daemon = Daemon { id: id.clone(), data: info.docker_root_dir, clock, at: Instant::now() };
        *self.memory() = Memory { current: Some(daemon.clone()), last_id: Some(id) };
        Ok(daemon)
    }

    /// The id that the daemon had when it was last asked.
    pub(super) fn last_id(&self) -> Option<String> {
        self.memory().last_id.clone()
    }

    /// Asks again next time.
    pub(super) fn forget_daemon(&self) {
        self.memory().current = None;
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.daemon.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
