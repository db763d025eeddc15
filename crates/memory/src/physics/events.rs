//! The daemon's memory of events: the last 256, of all containers together.
//!
//! A health check makes three events at each probe, so a daemon with many of them forgets a stop within a minute. Those
//! are counted here, not kept: nothing reads them.

use std::collections::VecDeque;

use fettle_core::time::Timestamp;

/// How many events the daemon keeps.
pub const MEMORY: u64 = 256;

/// Events that one probe of a health check makes: `exec_create`, `exec_start`, `exec_die`.
pub(super) const PER_PROBE: u64 = 3;

/// One event of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// The container's full id.
    pub id: String,
    /// What happened.
    pub what: What,
    number: u64,
}

/// What an event reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// `create`
    Create,
    /// `start`
    Start,
    /// `restart`
    Restart,
    /// `kill`, with the signal's number.
    Kill(u8),
    /// `die`, with the exit code.
    Die(i64),
    /// `oom`
    Oom,
    /// `stop`
    Stop,
    /// `pause`
    Pause,
    /// `unpause`
    Unpause,
    /// `rename`
    Rename,
    /// `destroy`
    Destroy,
    /// `update`
    Update,
    /// `health_status: healthy`
    Healthy,
    /// `health_status: unhealthy`
    Unhealthy,
}

impl What {
    /// Docker's word, as in `docker events`; the signal and the exit code behind it.
    #[must_use]
    pub fn describe(self) -> String {
        let plain = match self {
            Self::Kill(signal) => return format!("kill {signal}"),
            Self::Die(code) => return format!("die {code}"),
            Self::Create => "create",
            Self::Start => "start",
            Self::Restart => "restart",
            Self::Oom => "oom",
            Self::Stop => "stop",
            Self::Pause => "pause",
            Self::Unpause => "unpause",
            Self::Rename => "rename",
            Self::Destroy => "destroy",
            Self::Update => "update",
            Self::Healthy => "health_status: healthy",
            Self::Unhealthy => "health_status: unhealthy",
        };
        plain.to_owned()
    }
}

/// The daemon's memory.
#[derive(Debug, Default)]
pub(super) struct Events {
    kept: VecDeque<Event>,
    count: u64,
}

impl Events {
    pub(super) fn push(&mut self, at: Timestamp, id: &str, what: What) {
        self.count += 1;
        self.kept.push_back(Event { at, id: id.to_owned(), what, number: self.count });
        self.forget();
    }

    /// Other events, `n` of them, that nothing reads.
    pub(super) fn others(&mut self, n: u64) {
        self.count += n;
        self.forget();
    }

    fn forget(&mut self) {
        while self.kept.front().is_some_and(|event| event.number + MEMORY <= self.count) {
            self.kept.pop_front();
        }
    }

    pub(super) fn clear(&mut self) {
        self.kept.clear();
    }

    /// What is remembered of this container since an instant, the oldest first.
    pub(super) fn of<'e>(&'e self, id: &'e str, since: Timestamp) -> impl Iterator<Item = &'e Event> {
        self.kept.iter().filter(move |event| event.at >= since && event.id == id)
    }

    /// When the oldest event was that is remembered. Those of [`Events::others`] have no instant: with them it is the oldest
    /// of the rest.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.kept.front().map(|event| event.at)
    }

    /// All that is remembered.
    pub(super) fn all(&self) -> impl Iterator<Item = &Event> {
        self.kept.iter()
    }
}
