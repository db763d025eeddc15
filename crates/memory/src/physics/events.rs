//! The daemon's memory of events: the last 256, of all containers together.
//!
//! A health check makes three events at each probe, so a daemon with many of them forgets a stop within a minute. Those
//! are counted here, not kept: nothing reads them.

use std::collections::{BTreeMap, VecDeque};

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
    /// Other events that are remembered, as batches: the number of the last one and when they were.
    others: VecDeque<(u64, Timestamp)>,
    count: u64,
    /// The number of the last event before the daemon began.
    began: u64,
    /// What open streams have not read yet, by their number.
    streams: BTreeMap<u64, VecDeque<Event>>,
    opened: u64,
}

impl Events {
    pub(super) fn push(&mut self, at: Timestamp, id: &str, what: What) {
        self.count += 1;
        let event = Event { at, id: id.to_owned(), what, number: self.count };
        for stream in self.streams.values_mut() {
            stream.push_back(event.clone());
        }
        self.kept.push_back(event);
        self.forget();
    }

    /// Other events, `n` of them, that nothing reads.
    pub(super) fn others(&mut self, at: Timestamp, n: u64) {
        self.count += n;
        self.others.push_back((self.count, at));
        self.forget();
    }

    /// Opens a stream of what is remembered since an instant and of what happens from now on. Its number.
    pub(super) fn open(&mut self, since: Timestamp) -> u64 {
        self.opened += 1;
        let kept = self.kept.iter().filter(|event| event.at >= since).cloned().collect();
        self.streams.insert(self.opened, kept);
        self.opened
    }

    /// What a stream has not read yet.
    pub(super) fn read(&mut self, stream: u64) -> VecDeque<Event> {
        self.streams.get_mut(&stream).map(std::mem::take).unwrap_or_default()
    }

    /// A stream is over.
    pub(super) fn close(&mut self, stream: u64) {
        self.streams.remove(&stream);
    }

    /// Whether nothing was forgotten since the daemon began, as far as the number of events shows.
    pub(super) fn complete(&self) -> bool {
        self.count - self.began < MEMORY
    }

    fn forget(&mut self) {
        while self.kept.front().is_some_and(|event| event.number + MEMORY <= self.count) {
            self.kept.pop_front();
        }
        while self.others.front().is_some_and(|(last, _)| last + MEMORY <= self.count) {
            self.others.pop_front();
        }
    }

    pub(super) fn clear(&mut self) {
        self.kept.clear();
        self.others.clear();
        self.began = self.count;
    }

    /// What is remembered of this container since an instant, the oldest first.
    pub(super) fn of<'e>(&'e self, id: &'e str, since: Timestamp) -> impl Iterator<Item = &'e Event> {
        self.kept.iter().filter(move |event| event.at >= since && event.id == id)
    }

    /// When the oldest event was that is remembered.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        let kept = self.kept.front().map(|event| event.at);
        let other = self.others.front().map(|(_, at)| *at);
        kept.into_iter().chain(other).min()
    }

    /// All that is remembered.
    pub(super) fn all(&self) -> impl Iterator<Item = &Event> {
        self.kept.iter()
    }
}
