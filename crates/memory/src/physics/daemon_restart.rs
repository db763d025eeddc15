//! The daemon stops and starts: which containers run on, which come back, and what it forgets.
//!
//! Without `live-restore` its containers end with it. When it starts, the restart policy decides: `always` comes back even
//! if a person had stopped it, `unless-stopped` does not, `on-failure` does after an exit code other than 0. With
//! `live-restore` they run on. Events are forgotten in either case.

use super::container::Key;
use super::daemon::Daemon;
use super::events::What;
use super::spec::Term;
use super::truth::By;
use fettle_core::sight::Status;
use fettle_core::time::Timestamp;

impl Daemon {
    /// dockerd ends: connections are refused, requests under way break off.
    pub fn stop_daemon(&mut self, live_restore: bool, now: Timestamp) {
        self.advance(now);
        self.hung = super::hang::Hung { away: true, ..super::hang::Hung::default() };
        self.cut_off();
        for key in self.keys() {
            let it = self.at_mut(key);
            it.enders.clear();
            it.after_start.clear();
            it.starting = None;
            it.held = false;
            if it.seen.status == Status::Restarting {
                it.set_exited();
            }
            if !live_restore && it.is_alive() {
                // A stop by the daemon itself is nobody's, and has the events of a stop by a person.
                it.cancelled = true;
                let (code, signals) = match it.spec.program.term {
                    Term::Ends { code, .. } => (code, &[15][..]),
                    Term::Ignores => (137, &[15, 9][..]),
                };
                for signal in signals {
                    self.event(key, What::Kill(*signal));
                }
                self.ended(key, now, code, false, By::Daemon);
            }
        }
    }

    /// dockerd is there again.
    pub fn start_daemon(&mut self, now: Timestamp) {
        self.advance(now);
        self.hung.away = false;
        self.started_again_at = Some(now);
        self.events.clear();
        for key in self.keys() {
            let it = self.at_mut(key);
            it.cancelled = false;
            let (code, count) = (it.seen.exit_code, it.seen.restart_count);
            let returns = it.spec.policy.returns_with_daemon(code, it.stopped_through_api, count);
            if it.seen.status == Status::Exited && returns {
                self.begin_start(key, By::Daemon, false, None);
            }
        }
        self.resume_services();
        self.unpark();
    }

    /// When the daemon was last started again.
    #[must_use]
    pub fn started_again_at(&self) -> Option<Timestamp> {
        self.started_again_at
    }

    pub(super) fn keys(&self) -> Vec<Key> {
        let numbered = self.containers.iter().zip(0..);
        numbered.filter(|(it, _)| !it.removed).map(|(_, number)| Key(number)).collect()
    }
}
