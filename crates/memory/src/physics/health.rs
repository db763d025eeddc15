//! Health checks: a probe each interval, failures within the start period do not count.

use super::agenda::Due;
use super::container::Key;
use super::daemon::Daemon;
use super::events::{PER_PROBE, What};
use fettle_core::sight::Health;
use fettle_core::time::{after, since};

impl Daemon {
    /// The monitor of a new run begins.
    pub(super) fn begin_health(&mut self, key: Key, run: usize) {
        let it = self.at(key);
        if it.run == Some(run)
            && let Some(check) = it.spec.check.filter(|check| !check.interval.is_zero())
        {
            self.agenda.enter(after(self.now, check.interval), Due::Probe { key, run });
        }
    }

    /// Where no probes are made: shows what the program is.
    pub(super) fn show_health(&mut self, key: Key) {
        let now = self.now;
        let it = self.at_mut(key);
        if it.run.is_some() && it.is_checked_at_once() {
            let passes = it.life.passes(since(now, it.life_from));
            it.seen.health = Some(if passes { Health::Healthy } else { Health::Unhealthy });
        }
    }

    /// A probe ends.
    pub(super) fn probe(&mut self, key: Key, run: usize) {
        let now = self.now;
        let it = self.at_mut(key);
        let Some(check) = it.spec.check.filter(|_| it.run == Some(run)) else { return };
        let before = it.seen.health;
        if it.life.passes(since(now, it.life_from)) {
            it.failing = 0;
            it.seen.health = Some(Health::Healthy);
        } else {
            let age = since(now, it.seen.started_at.unwrap_or(now));
            if before != Some(Health::Starting) || age >= check.start_period {
                it.failing += 1;
            }
            if it.failing >= check.retries {
                it.seen.health = Some(Health::Unhealthy);
            }
        }
        let health = it.seen.health;
        let now = self.now;
        self.events.others(now, PER_PROBE);
        if health != before {
            self.event(key, if health == Some(Health::Healthy) { What::Healthy } else { What::Unhealthy });
        }
        self.agenda.enter(after(now, check.interval), Due::Probe { key, run });
    }
}
