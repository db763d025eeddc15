//! What is left to chance. The model draws nothing itself: a simulator gives its seeded generator, everything else gives
//! [`Ordinary`].

use std::time::Duration;

use super::request::Request;
use super::spec::Life;

/// Decides what is not determined by the model.
pub trait Chance: Send {
    /// The next run of the container of this name, the run's number from 0; `None`: as its program has it.
    fn life(&mut self, name: &str, run: usize) -> Option<Life> {
        let _ = (name, run);
        None
    }

    /// What happens to a request of fettle's. Requests of people are always ordinary.
    fn fate(&mut self, request: &Request) -> Fate {
        let _ = request;
        Fate::ORDINARY
    }
}

/// Nothing unusual happens.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ordinary;

impl Chance for Ordinary {}

/// What happens to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fate {
    /// How long it waits before the daemon begins; the client may have given up by then.
    pub wait: Duration,
    /// Whether the daemon does it.
    pub executed: bool,
    /// What the client receives.
    pub reply: Reply,
    /// A start that belongs to it fails: the container stays stopped with an error.
    pub start_fails: bool,
}

impl Fate {
    /// It is done at once and answered truly.
    pub const ORDINARY: Self = Self { wait: Duration::ZERO, executed: true, reply: Reply::True, start_fails: false };
    /// It is done, and the answer is lost.
    pub const SILENT: Self = Self { reply: Reply::None, ..Self::ORDINARY };
    /// It is lost on the way: not done, not answered.
    pub const LOST: Self = Self { executed: false, reply: Reply::None, ..Self::ORDINARY };
    /// It is answered as done, and nothing was done. Docker does not do this; a faulty proxy can.
    pub const LIE: Self = Self { executed: false, ..Self::ORDINARY };

    /// Refused with this status, without being done.
    #[must_use]
    pub const fn refused(status: u16) -> Self {
        Self { executed: false, reply: Reply::Status(status), ..Self::ORDINARY }
    }

    /// Done, but answered with this status.
    #[must_use]
    pub const fn refused_and_done(status: u16) -> Self {
        Self { reply: Reply::Status(status), ..Self::ORDINARY }
    }
}

/// What the client receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// The daemon's answer; where nothing was done, that it was.
    True,
    /// Nothing.
    None,
    /// The connection breaks when the answer is due.
    Broken,
    /// This HTTP status.
    Status(u16),
}
