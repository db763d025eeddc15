//! Two small files for whoever watches from outside: a heartbeat that says that this process lives, and its figures.
//!
//! Always holds: a file is replaced as a whole, so nobody reads half of one; it is written every [`EVERY`], first at the
//! start, by the runtime that also does the work: where that stands still, the file grows old. A file that cannot be written
//! is complained about and tried again; nothing else depends on it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::telemetry::metrics::{Metrics, Totals};
use fettle_core::ports::Store;
use fettle_core::time::Timestamp;
use fettle_engine::readiness::Readiness;
use fettle_engine::seldom::Seldom;

/// How often they are written.
pub const EVERY: Duration = Duration::from_secs(30);

/// A heartbeat older than this is late.
pub const LATE: Duration = Duration::from_mins(1);

/// A heartbeat older than this means that nobody is there any more.
pub const GONE: Duration = Duration::from_mins(2);

/// So many rounds in a row in which the database did not answer make it unhealthy.
const FAILURES: u32 = 5;

/// How long the database may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How this process is doing, as the files say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// All is well.
    Healthy,
    /// It works, but not all of it, or the heartbeat is late.
    Degraded,
    /// It does not work, or nobody is there.
    Unhealthy,
}

/// The heartbeat: what both files begin with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beat {
    /// When it was written.
    pub at: Timestamp,
    /// How it was doing.
    pub status: Status,
    /// The process.
    pub pid: u32,
}

impl Beat {
    /// What it says to somebody who reads it at `now`: an old file says less than what is in it.
    #[must_use]
    pub fn read_at(&self, now: Timestamp) -> Status {
        let age = fettle_core::time::since(now, self.at);
        let by_age = match age {
            age if age > GONE => Status::Unhealthy,
            age if age > LATE => Status::Degraded,
            _ => Status::Healthy,
        };
        by_age.max(self.status)
    }
}

/// The figures.
#[derive(Debug, Serialize)]
struct Figures<'a> {
    #[serde(flatten)]
    beat: &'a Beat,
    version: &'static str,
    uptime_seconds: u64,
    last_notification_at: Option<Timestamp>,
    consecutive_failures: u32,
    totals: Totals,
    issues: Vec<String>,
}

/// The task.
pub struct WatchFiles {
    /// Where the heartbeat goes.
    pub heartbeat: Option<PathBuf>,
    /// Where the figures go.
    pub figures: Option<PathBuf>,
    /// Asked whether it answers.
    pub store: Arc<dyn Store>,
    /// Asked what is unmet.
    pub readiness: Arc<Readiness>,
    /// Where the figures come from.
    pub metrics: Arc<Metrics>,
}

impl WatchFiles {
    /// Writes until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        if self.heartbeat.is_none() && self.figures.is_none() {
            return;
        }
        let (began, complaints, mut failures) = (Instant::now(), Seldom::default(), 0);
        let mut every = tokio::time::interval(EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            // Cancel safe: both keep nothing.
            tokio::select! {
                () = stop.cancelled() => return,
                _ = every.tick() => {}
            }
            let answered = matches!(tokio::time::timeout(PATIENCE, self.store.backlog()).await, Ok(Ok(_)));
            failures = if answered { 0 } else { failures + 1 };
            let issues = self.readiness.ready().err().unwrap_or_default();
            let beat = Beat { at: Timestamp::now(), status: status(failures, &issues), pid: std::process::id() };
            let figures = Figures {
                beat: &beat,
                version: env!("CARGO_PKG_VERSION"),
                uptime_seconds: began.elapsed().as_secs(),
                last_notification_at: self.metrics.last_notification(),
                consecutive_failures: failures,
                totals: self.metrics.totals(),
                issues,
            };
            let texts = [(&self.heartbeat, text(&beat)), (&self.figures, text(&figures))];
            for (path, text) in texts.into_iter().filter_map(|(path, text)| Some((path.clone()?, text))) {
                let shown = path.display().to_string();
                // A file system that hangs must not hold up those who work.
                let done = tokio::task::spawn_blocking(move || replace(&path, text.as_bytes())).await;
                if !matches!(done, Ok(Ok(())))
                    && let Some(unsaid) = complaints.due(&shown)
                {
                    let error = done.ok().and_then(Result::err).map(tracing::field::display);
                    tracing::warn!(error, unsaid, "{shown} could not be written");
                }
            }
        }
    }
}

fn status(failures: u32, issues: &[String]) -> Status {
    match failures {
        FAILURES.. => Status::Unhealthy,
        1.. => Status::Degraded,
        0 if !issues.is_empty() => Status::Degraded,
        0 => Status::Healthy,
    }
}

fn text(value: &impl Serialize) -> String {
    // Maps with text keys always have a JSON form.
    let mut text = serde_json::to_string(value).unwrap_or_default();
    text.push('\n');
    text
}

/// Replaces a file as a whole. Not synced: after a power cut there is nothing to watch.
fn replace(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let beside = path.with_file_name(name);
    let mut file = std::fs::File::create(&beside)?;
    file.write_all(text)?;
    std::fs::rename(beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fettle_core::time::before;

    #[test]
    fn five_failures_in_a_row_are_unhealthy_and_one_is_degraded() {
        assert_eq!(status(0, &[]), Status::Healthy);
        assert_eq!(status(0, &["recovery is not done yet".to_owned()]), Status::Degraded);
        assert_eq!(
            [1, 4, 5, 6].map(|failures| status(failures, &[])),
            [Status::Degraded, Status::Degraded, Status::Unhealthy, Status::Unhealthy]
        );
    }

    #[test]
    fn an_old_heartbeat_says_less_than_what_is_in_it() {
        let now = Timestamp::from_second(1_700_000_000).expect("in range");
        let beat = |age, status| Beat { at: before(now, Duration::from_secs(age)), status, pid: 1 }.read_at(now);
        assert_eq!(beat(60, Status::Healthy), Status::Healthy);
        assert_eq!(beat(61, Status::Healthy), Status::Degraded);
        assert_eq!(beat(121, Status::Healthy), Status::Unhealthy);
        assert_eq!(beat(1, Status::Unhealthy), Status::Unhealthy);
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("heartbeat");
        replace(&path, b"one").expect("written");
        replace(&path, b"two").expect("written");
        assert_eq!(std::fs::read(&path).expect("there"), b"two");
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }
}
