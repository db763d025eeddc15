//! The seam to where containers live. Looks are facts, calls are effects, and every call has a deadline.
//!
//! Always holds: a call that changes something is given the full container id of a look, never a name; a failed call
//! says whether anything can have been sent. Nothing here decides or retries.

use std::time::Duration;

use async_trait::async_trait;

use serde_json::Value;

use crate::effect::Effect;
use crate::sight::follow::{LifeEvent, Opening};
use crate::sight::{Blind, CallPath, Found, Pin, Sight, TARGET_GONE, Wanted};
use crate::target::Target;
use crate::time::Timestamp;

/// Where containers live.
#[async_trait]
pub trait Platform: Send + Sync {
    /// Looks a target up by its exact names.
    async fn find(&self, target: &Target, wanted: Wanted) -> Result<Found, PlatformError>;

    /// Looks again at what was found before, by its full id; `None` when it is gone.
    async fn look(&self, target: &Target, pin: &Pin) -> Result<Option<Sight>, PlatformError>;

    /// Whether the path that the call of `effect` takes works now; see [`CallPath`]. Looks only, within the deadline of a look.
    async fn call_path(&self, target: &Target, pin: &Pin, effect: &Effect) -> CallPath;

    /// Does it, to the things that `effect` and `pin` name by full id. Ends after the time the effect
    /// [`takes`](crate::action::Action::takes) and [`CALL_MARGIN`](crate::action::CALL_MARGIN) at the latest.
    /// Not cancelled by dropping: the daemon goes on.
    async fn perform(&self, target: &Target, pin: &Pin, effect: &Effect) -> Performed;

    /// What is worth keeping before a container is touched: its last `log_lines` lines of log and its memory figures,
    /// bounded in size and in time. What cannot be had is said in its place; nothing fails for it.
    async fn evidence(&self, target: &Target, pin: &Pin, log_lines: u32) -> Value;

    /// The names of what is there, by host: containers, Compose services, Swarm services, disks, each as a target that
    /// [`find`](Platform::find) finds. Looks only; bounded in number and in time.
    async fn targets(&self) -> Vec<(String, Result<Vec<Target>, PlatformError>)>;

    /// The hosts whose lifecycle events can be followed, by name.
    fn followed(&self) -> Vec<String> {
        Vec::new()
    }

    /// The id of the daemon behind a host.
    async fn daemon(&self, host: &str) -> Result<String, PlatformError> {
        Err(PlatformError::NoHost(host.to_owned()))
    }

    /// Reads the lifecycle events of all containers of a host that the daemon keeps since `since`, by its own clock, and opens
    /// the stream of those that follow. Looks only.
    async fn follow(&self, host: &str, _since: Option<Timestamp>) -> Result<Followed, PlatformError> {
        Err(PlatformError::NoHost(host.to_owned()))
    }

    /// Whether each host answers, by name, for health and readiness. Two names of one daemon are found out here: the
    /// later one is [`PlatformError::SameDaemon`].
    async fn ping(&self) -> Vec<(String, Result<(), PlatformError>)>;
}

/// A stream of lifecycle events.
pub struct Followed {
    /// What the daemon keeps and its clock.
    pub opening: Opening,
    /// Every event from the instant asked for to [`Opening::now`], in the daemon's order.
    pub backlog: Vec<LifeEvent>,
    /// The events since then; one of that very instant may come again.
    pub events: Box<dyn LifeEvents>,
}

/// The events of a stream, in the daemon's order.
#[async_trait]
pub trait LifeEvents: Send {
    /// The events that are there, at least one; waits for one without end. Cancel safe.
    async fn next(&mut self) -> Result<Vec<LifeEvent>, PlatformError>;

    /// Whether the daemon answers on a new connection now.
    async fn answers(&mut self) -> bool;
}

/// How an effect ended.
#[derive(Debug)]
pub struct Performed {
    /// What was touched and what it gave, for the audit; also when it failed half-way.
    pub touched: Value,
    /// Whether it was done.
    pub answer: Result<(), PlatformError>,
    /// It was done, and the platform has seen that it is not enough: why, with the numbers.
    pub short: Option<String>,
}

/// Is told of every request that a platform makes, for metrics. Called inline: it must not block.
pub trait Observer: Send + Sync {
    /// One request to `host` ended after `took`. `op` is one of `fettle_docker::OPS`; `code` is the HTTP status as text, or
    /// the [`reason`](PlatformError::reason) why there is none.
    fn call(&self, host: &str, op: &'static str, code: &str, took: Duration);
}

/// Tells nobody.
impl Observer for () {
    fn call(&self, _: &str, _: &'static str, _: &str, _: Duration) {}
}

/// Why a look or a call failed.
#[derive(Debug, thiserror::Error)]
pub enum PlatformError {
    /// No host of that name is configured.
    #[error("no host named {0} is configured")]
    NoHost(String),
    /// Nothing was sent that changes something: the daemon could not be reached, or a look before it got no answer.
    #[error("docker unreachable at {endpoint}: {cause}")]
    Unreachable {
        /// The endpoint, without secrets.
        endpoint: String,
        /// The innermost cause.
        cause: String,
    },
    /// The request may have been taken; no answer came.
    #[error("docker at {endpoint} did not answer within {} s", after.as_secs())]
    TimedOut {
        /// The endpoint, without secrets.
        endpoint: String,
        /// The deadline that passed.
        after: Duration,
    },
    /// The request may have been taken; the answer broke off or made no sense.
    #[error("docker at {endpoint}: {cause}")]
    Broken {
        /// The endpoint, without secrets.
        endpoint: String,
        /// The innermost cause.
        cause: String,
    },
    /// The daemon answered and said no.
    #[error("docker at {endpoint} answered {status}: {message}")]
    Answered {
        /// The endpoint, without secrets.
        endpoint: String,
        /// The HTTP status.
        status: u16,
        /// The daemon's words, cut.
        message: String,
    },
    /// Two configured hosts are one daemon: nothing is found through the later one, by order of names. Machines cloned
    /// with their `/etc/docker/key.json` or `/var/lib/docker/engine-id` look like one daemon, too.
    #[error("hosts {host} and {other} are one and the same docker daemon")]
    SameDaemon {
        /// The host that was asked.
        host: String,
        /// The host that comes first.
        other: String,
    },
    /// The target is of a kind that this cannot be done to, or its own limits forbid it: nothing was sent.
    #[error("{0}")]
    Unfit(String),
    /// Something was done, but not all of it.
    #[error("{0}")]
    Incomplete(String),
    /// What was given as a container id is not a full one: nothing was sent. A fault of ours.
    #[error("{0:?} is not a full container id")]
    NotAnId(String),
}

impl From<&PlatformError> for Blind {
    fn from(error: &PlatformError) -> Self {
        Self { reason: error.reason(), error: error.to_string() }
    }
}

/// Whether Docker's answer says that the target was removed, or is being removed. Which status a removal under way is answered
/// with depends on Docker's version: 500 and 409 were seen for the same sentence.
fn is_removal(status: u16, message: &str) -> bool {
    match status {
        404 => true,
        409 | 500 => {
            let message = message.to_ascii_lowercase();
            message.contains("marked for removal")
                || message.contains("removal in progress")
                || (message.contains("removal of container") && message.contains("in progress"))
        }
        _ => false,
    }
}

impl PlatformError {
    /// Whether it is certain that nothing was ever sent.
    #[must_use]
    pub fn nothing_sent(&self) -> bool {
        matches!(
            self,
            Self::NoHost(_) | Self::Unreachable { .. } | Self::SameDaemon { .. } | Self::Unfit(_) | Self::NotAnId(_)
        )
    }

    /// Whether the last word is said: the daemon is not still at it.
    #[must_use]
    pub fn is_answer(&self) -> bool {
        matches!(self, Self::Answered { .. } | Self::Incomplete(_))
    }

    /// A bounded label for the audit and for metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoHost(_) => "unknown_host",
            Self::Unreachable { .. } => "docker_unreachable",
            Self::TimedOut { .. } => "docker_timeout",
            Self::Broken { .. } => "docker_broken",
            Self::Answered { status, message, .. } if is_removal(*status, message) => TARGET_GONE,
            Self::Answered { status: 409, .. } => "docker_conflict",
            Self::Answered { .. } => "docker_error",
            Self::SameDaemon { .. } => "same_daemon",
            Self::Unfit(_) => "unfit",
            Self::Incomplete(_) => "incomplete",
            Self::NotAnId(_) => "not_an_id",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removal_is_known_by_its_sentence_whatever_its_status() {
        let reason = |status, message: &str| {
            PlatformError::Answered { endpoint: String::new(), status, message: message.to_owned() }.reason()
        };
        let start = "Cannot restart container a: container is marked for removal and cannot be started";
        let twice = "removal of container a is already in progress";
        let gone = [(404, "No such container: a"), (500, start), (409, start), (409, twice), (500, twice)];
        for (status, message) in gone {
            assert_eq!(reason(status, message), TARGET_GONE, "{status} {message}");
        }
        let others = [
            (500, "driver failed", "docker_error"),
            (409, "Container a is not running", "docker_conflict"),
            (403, start, "docker_error"),
        ];
        for (status, message, expected) in others {
            assert_eq!(reason(status, message), expected, "{status} {message}");
        }
    }
}
