//! Where alerts come from: Alertmanager is asked what fires and told what fettle does, Prometheus is asked whether a metric
//! says that the target is well.
//!
//! Always holds: every request has a deadline and every answer a bound; no secret is in an error's text. Nothing here
//! decides or repeats a request: an announcement that did not arrive is the outbox's business.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::alert::labels::Labels;
use crate::time::Timestamp;
use crate::upstream::{Announcement, Picture};

/// Every Alertmanager that fettle knows: the peers of one cluster, or several that get the same alerts.
#[async_trait]
pub trait Upstream: Send + Sync {
    /// The peers' names, in the order configured: URLs without secrets.
    fn peers(&self) -> Vec<String>;

    /// What the peers say. `now` is the caller's time; a picture whose instant is at most `max_age` before it is used
    /// again. Callers at the same time share one look. Fails only if no peer answers.
    ///
    /// Cancel safe: a caller that goes away leaves the look to the next one.
    async fn picture(&self, now: Timestamp, max_age: Duration) -> Result<Arc<Picture>, UpstreamError>;

    /// Posts to every peer, each with its own result, by name. Posting the same again changes nothing but the end. A peer
    /// that refuses a batch may have kept the good part of it.
    async fn post(&self, announcements: &[Announcement]) -> Vec<(String, Result<(), UpstreamError>)>;
}

/// Something that answers instant queries.
#[async_trait]
pub trait Query: Send + Sync {
    /// Evaluates `expr` as of `at`; `None` is now, by the server's clock, which is the one that its samples have.
    async fn query(&self, expr: &str, at: Option<Timestamp>) -> Result<Answer, UpstreamError>;
}

/// What a query gave.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// No series at all.
    Empty,
    /// At least one series.
    Vector(Vec<Sample>),
    /// One number.
    Scalar(f64),
    /// Something, but the server says that it may be wrong or incomplete: its words.
    Doubtful(String),
}

/// The value of one series.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Its labels.
    pub labels: Labels,
    /// Its value; NaN for a histogram.
    pub value: f64,
}

/// Whether the condition that was asked for holds; `None` when the answer proves nothing.
#[must_use]
pub fn judge(answer: &Answer) -> Option<bool> {
    match answer {
        Answer::Empty => Some(false),
        Answer::Vector(samples) => samples.iter().any(|sample| !sample.value.is_nan()).then_some(true),
        Answer::Scalar(value) => (!value.is_nan()).then_some(*value != 0.0),
        Answer::Doubtful(_) => None,
    }
}

/// When a series had a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    /// Its labels, its name among them.
    pub labels: Labels,
    /// The instants of the grid at which there was a value, in order.
    pub at: Vec<Timestamp>,
}

/// Something that answers queries over a stretch of time.
#[async_trait]
pub trait RangeQuery: Send + Sync {
    /// Evaluates `expr` at `from`, `from + step`, … up to `to`, both included.
    async fn range(
        &self,
        expr: &str,
        from: Timestamp,
        to: Timestamp,
        step: Duration,
    ) -> Result<Vec<Series>, UpstreamError>;
}

/// Is told of every answer of a peer, for metrics. Called inline: it must not block.
pub trait Answers: Send + Sync {
    /// A peer of this kind (`alertmanager`, `prometheus`) answered; `code` is the HTTP status as text, or the
    /// [`reason`](UpstreamError::reason) why there is none.
    fn answered(&self, kind: &'static str, code: &str);
}

/// Why a question or an announcement failed. `peer` is a URL without secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// The client could not be made: the machine's certificates, mostly.
    #[error("set up the client for {peer}: {cause}")]
    Setup {
        /// The peer.
        peer: String,
        /// The innermost cause.
        cause: String,
    },
    /// A file of credentials cannot be read any more, or holds none. Nothing was sent.
    #[error("credentials in {}: {cause}", path.display())]
    Credentials {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// Nothing was sent: the peer could not be reached.
    #[error("{peer} is unreachable: {cause}")]
    Unreachable {
        /// The peer.
        peer: String,
        /// The innermost cause.
        cause: String,
    },
    /// No answer, or not all of it, came in time.
    #[error("{peer} did not answer within {} s", after.as_secs())]
    TimedOut {
        /// The peer.
        peer: String,
        /// The deadline that passed.
        after: Duration,
    },
    /// The connection broke before the answer was complete.
    #[error("{peer} broke off: {cause}")]
    Broken {
        /// The peer.
        peer: String,
        /// The innermost cause.
        cause: String,
    },
    /// The peer answered and said no.
    #[error("{peer} answered {status}: {message}")]
    Answered {
        /// The peer.
        peer: String,
        /// The HTTP status.
        status: u16,
        /// Its words, on one line and cut.
        message: String,
    },
    /// The answer was longer than any that makes sense.
    #[error("{peer} answered more than {} KiB", limit_bytes >> 10)]
    TooLarge {
        /// The peer.
        peer: String,
        /// The bound.
        limit_bytes: usize,
    },
    /// The answer is not one to this question: something else serves there.
    #[error("{peer} makes no sense: {cause}")]
    Senseless {
        /// The peer.
        peer: String,
        /// What is wrong with it.
        cause: String,
    },
    /// Of several peers none answered.
    #[error("no peer answers: {}", told(causes))]
    NoAnswer {
        /// Why, for each.
        causes: Vec<UpstreamError>,
    },
}

fn told(causes: &[UpstreamError]) -> String {
    causes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl UpstreamError {
    /// Whether the same request may work later, with nothing changed by a person.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            // Files of credentials are swapped while a service runs.
            Self::Unreachable { .. } | Self::TimedOut { .. } | Self::Broken { .. } | Self::Credentials { .. } => true,
            Self::Answered { status, .. } => *status >= 500 || matches!(status, 408 | 429),
            Self::Setup { .. } | Self::TooLarge { .. } | Self::Senseless { .. } => false,
            Self::NoAnswer { causes } => causes.iter().any(Self::is_transient),
        }
    }

    /// A bounded label for the audit and for metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Setup { .. } => "upstream_setup",
            Self::Credentials { .. } => "upstream_credentials",
            Self::Unreachable { .. } => "upstream_unreachable",
            Self::TimedOut { .. } => "upstream_timeout",
            Self::Broken { .. } => "upstream_broken",
            Self::Answered { status: 401 | 403, .. } => "upstream_denied",
            Self::Answered { .. } => "upstream_error",
            Self::TooLarge { .. } => "upstream_too_large",
            Self::Senseless { .. } => "upstream_senseless",
            Self::NoAnswer { .. } => "upstream_no_answer",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_must_change_is_not_transient() {
        let peer = || "http://am:9093".to_owned();
        let answered = |status| UpstreamError::Answered { peer: peer(), status, message: "no".into() };
        for (error, transient, reason) in [
            (answered(503), true, "upstream_error"),
            (answered(429), true, "upstream_error"),
            (answered(400), false, "upstream_error"),
            (answered(401), false, "upstream_denied"),
            (UpstreamError::TimedOut { peer: peer(), after: Duration::from_secs(2) }, true, "upstream_timeout"),
            (UpstreamError::NoAnswer { causes: vec![answered(404), answered(500)] }, true, "upstream_no_answer"),
            (UpstreamError::NoAnswer { causes: vec![answered(404)] }, false, "upstream_no_answer"),
        ] {
            assert_eq!((error.is_transient(), error.reason()), (transient, reason), "{error}");
        }
    }
}
