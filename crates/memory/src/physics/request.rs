//! Requests that change something, and their answers.
//!
//! A request is a number, and its [`Job`] says how far the daemon is with it. An answer exists from an instant on, or never.

use std::time::Duration;

use super::chance::Fate;
use super::truth::By;
use fettle_core::time::Timestamp;

/// What is asked of the daemon. Containers are named by full id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// `POST /containers/{id}/start`
    Start {
        /// The full id.
        id: String,
    },
    /// `POST /containers/{id}/stop`
    Stop {
        /// The full id.
        id: String,
        /// From SIGTERM to SIGKILL.
        grace: Duration,
    },
    /// `POST /containers/{id}/restart`
    Restart {
        /// The full id.
        id: String,
        /// From SIGTERM to SIGKILL.
        grace: Duration,
    },
    /// `POST /containers/{id}/kill`
    Kill {
        /// The full id.
        id: String,
        /// The signal's number.
        signal: u8,
    },
    /// `POST /containers/{id}/update`
    Update {
        /// The full id.
        id: String,
        /// Bytes of memory.
        memory: Option<u64>,
        /// Billionths of a processor.
        nano_cpus: Option<u64>,
    },
    /// `DELETE /containers/{id}`
    Remove {
        /// The full id.
        id: String,
        /// Also a running one.
        force: bool,
    },
    /// Stop, remove, create and start under the same name, as `compose up` does when the configuration changed.
    Recreate {
        /// The full id of the old one.
        id: String,
        /// From SIGTERM to SIGKILL.
        grace: Duration,
    },
    /// An `exec` in a running container whose effect is inside.
    Exec {
        /// The full id.
        id: String,
    },
    /// `POST /services/{id}/update`
    UpdateService {
        /// The service's id.
        id: String,
        /// The version that the change was made from.
        version: u64,
        /// The change.
        change: ServiceChange,
    },
    /// A clean-up of the host: prune, or files of a disk.
    CleanUp {
        /// The disk that it frees, by its name in the configuration.
        disk: String,
    },
}

/// A change of a Swarm service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceChange {
    /// This many tasks.
    Replicas(u64),
    /// New tasks in place of all.
    Force,
}

impl Request {
    /// The container it is about.
    #[must_use]
    pub fn container(&self) -> Option<&str> {
        match self {
            Self::Start { id }
            | Self::Stop { id, .. }
            | Self::Restart { id, .. }
            | Self::Kill { id, .. }
            | Self::Update { id, .. }
            | Self::Remove { id, .. }
            | Self::Recreate { id, .. }
            | Self::Exec { id } => Some(id),
            Self::UpdateService { .. } | Self::CleanUp { .. } => None,
        }
    }
}

/// The daemon's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It was done: 200, 201 or 204.
    Done,
    /// It was so already: 304.
    Already,
    /// It was not done: an HTTP status and the daemon's words.
    Failed(u16, &'static str),
    /// The connection broke.
    Broken,
}

impl Answer {
    pub(super) const GONE: Self = Self::Failed(404, "No such container");
    pub(super) const REMOVING: Self = Self::Failed(409, "removal of container is already in progress");
    pub(super) const REMOVED: Self = Self::Failed(500, "container is marked for removal and cannot be started");

    /// The HTTP status; `None` when the connection broke.
    #[must_use]
    pub fn status(self) -> Option<u16> {
        match self {
            Self::Done => Some(204),
            Self::Already => Some(304),
            Self::Failed(status, _) => Some(status),
            Self::Broken => None,
        }
    }
}

/// The number of a request at its daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub(super) usize);

/// A request and how far the daemon is with it.
#[derive(Debug, Clone)]
pub struct Job {
    /// The request.
    pub request: Request,
    /// Who made it.
    pub by: By,
    /// When it was sent.
    pub asked_at: Timestamp,
    /// When it first changed something; `None`: it did not, or not yet.
    pub executed_at: Option<Timestamp>,
    /// When the daemon was through with it, and its answer. A lost answer stays `None` in [`received`](Self::received).
    pub finished: Option<(Timestamp, Answer)>,
    pub(super) fate: Fate,
    pub(super) stage: Stage,
}

/// How far the daemon is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Not begun.
    Fresh,
    /// The container is being ended.
    Ending,
    /// The container has ended and is to be started.
    Ended,
    /// Over.
    Over,
}

impl Job {
    /// What the client received, and when.
    #[must_use]
    pub fn received(&self) -> Option<(Timestamp, Answer)> {
        use super::chance::Reply;
        let (at, answer) = self.finished?;
        match self.fate.reply {
            Reply::True => Some((at, answer)),
            Reply::None => None,
            Reply::Broken => Some((at, Answer::Broken)),
            Reply::Status(status) => Some((at, Answer::Failed(status, "the daemon refused"))),
        }
    }

    /// Whether the daemon may still do it.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        self.finished.is_none() && self.fate.executed
    }
}
