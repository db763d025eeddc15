//! Parts of Docker that stand still, and what is still answered then.
//!
//! | stopped part | ping, list | inspect | `top` of a running container | requests |
//! |---|---|---|---|---|
//! | dockerd | no answer | no answer | no answer | wait, and are carried out afterwards |
//! | containerd | answered | answered, but for a container that a request waits for | no answer | wait inside |
//! | the shim of a container | answered | the same | no answer for that container | wait inside, for that container |
//!
//! A process that ends meanwhile has ended; the daemon notices it afterwards.

use std::collections::BTreeSet;

use super::agenda::Due;
use super::container::Key;
use super::daemon::Daemon;
use super::request::Answer;
use fettle_core::effect::Effect;
use fettle_core::sight::{CallPath, Pin, Through};
use fettle_core::time::Timestamp;

/// A part of Docker that can stand still.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// The daemon.
    Dockerd,
    /// containerd.
    Containerd,
    /// The shim of the container with this id.
    Shim(String),
}

/// What stands still.
#[derive(Debug, Default)]
pub(super) struct Hung {
    pub(super) dockerd: bool,
    pub(super) containerd: bool,
    pub(super) shims: BTreeSet<Key>,
    /// dockerd is not there at all.
    pub(super) away: bool,
}

/// The answer to `GET /containers/{id}/top`, which takes the same path as a call that changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Top {
    /// 200: the whole path works.
    Processes,
    /// 409 for one that does not run, 404 for one that is not there: this proves nothing.
    Failed(u16),
    /// No answer.
    None,
}

impl Hung {
    /// Whether this waits.
    pub(super) fn stops(&self, due: Due) -> bool {
        if self.dockerd || self.away {
            return true;
        }
        match due {
            Due::Arrive(_) | Due::Policy { .. } | Due::Removed { .. } | Due::Reconcile { .. } | Due::Replace { .. } => {
                false
            }
            Due::Started { .. } => self.containerd,
            Due::End { key, .. } | Due::Term { key, .. } | Due::Grace { key, .. } | Due::Probe { key, .. } => {
                self.containerd || self.shims.contains(&key)
            }
        }
    }

    /// Whether a call to this container would not come back.
    pub(super) fn closes_path(&self, key: Key, alive: bool) -> bool {
        self.containerd || (alive && self.shims.contains(&key))
    }
}

impl Daemon {
    /// A part stands still from now on.
    pub fn hang(&mut self, part: &Part, now: Timestamp) {
        self.advance(now);
        match part {
            Part::Dockerd => self.hung.dockerd = true,
            Part::Containerd => self.hung.containerd = true,
            Part::Shim(id) => self.hung.shims.extend(self.key(id)),
        }
    }

    /// A part goes on: everything that waited happens now.
    pub fn resume(&mut self, part: &Part, now: Timestamp) {
        self.advance(now);
        match part {
            Part::Dockerd => self.hung.dockerd = false,
            Part::Containerd => self.hung.containerd = false,
            // Also one that was removed meanwhile.
            Part::Shim(id) => {
                let containers = &self.containers;
                self.hung.shims.retain(|key| containers[key.0 as usize].seen.id != *id);
            }
        }
        self.unpark();
    }

    /// Everything that stands still goes on.
    pub fn resume_all(&mut self, now: Timestamp) {
        self.advance(now);
        let away = self.hung.away;
        self.hung = Hung { away, ..Hung::default() };
        self.unpark();
    }

    pub(super) fn park(&mut self, at: Timestamp, due: Due) {
        // The daemon's own calls hold the lock as a client's do.
        if matches!(due, Due::Grace { .. } | Due::Started { .. })
            && let Some(key) = due.container()
        {
            self.at_mut(key).held = true;
        }
        self.parked.push((at, due));
    }

    pub(super) fn unpark(&mut self) {
        for it in &mut self.containers {
            it.held = false;
        }
        for (at, due) in std::mem::take(&mut self.parked) {
            self.happen(at, due);
        }
    }

    /// Whether the daemon answers: `GET /_ping` and lists.
    #[must_use]
    pub fn answers(&self) -> bool {
        !self.hung.dockerd && !self.hung.away
    }

    /// Whether no daemon listens: a connection is refused, and nothing is sent.
    #[must_use]
    pub fn is_away(&self) -> bool {
        self.hung.away
    }

    /// Whether an inspect of this container is answered.
    #[must_use]
    pub fn answers_inspect(&self, id: &str) -> bool {
        self.answers() && self.key(id).is_none_or(|key| !self.at(key).held)
    }

    /// The answer to `top`.
    #[must_use]
    pub fn top(&self, id: &str) -> Top {
        if !self.answers() {
            return Top::None;
        }
        match self.key(id) {
            None => Top::Failed(404),
            Some(key) if self.at(key).held => Top::None,
            Some(key) if !self.at(key).is_alive() => Top::Failed(409),
            Some(key) if self.hung.closes_path(key, true) => Top::None,
            Some(_) => Top::Processes,
        }
    }

    /// The path of the call of `effect`, as `top` of each container shows it; silent while one of them gives no answer.
    #[must_use]
    pub fn call_path(&self, pin: &Pin, effect: &Effect) -> CallPath {
        let of = |id: &&str| match self.top(id) {
            Top::Processes => CallPath::Works,
            Top::Failed(_) => CallPath::NotShown,
            Top::None => CallPath::Silent,
        };
        match effect.through(pin) {
            Through::Containers(ids) => ids.iter().map(of).reduce(CallPath::and).unwrap_or_default(),
            Through::Manager if self.answers() => CallPath::Works,
            Through::Manager => CallPath::Silent,
            Through::Other => CallPath::NotShown,
        }
    }

    /// Requests under way are cut off: the connection broke.
    pub(super) fn cut_off(&mut self) {
        let open: Vec<_> = (0..self.jobs.len()).filter(|n| self.jobs[*n].finished.is_none()).collect();
        for number in open {
            self.finish(super::request::Ticket(number), Answer::Broken);
        }
    }
}
