//! Cleaning logs: emptying what grows, deleting what is rotated and aged.
//!
//! Two places: inside a container, by programs of its image (`inside.rs`), and on a disk of the host that fettle sees itself
//! (`folder.rs`). What is done is the same: list, choose (`plan.rs`), act in small batches, and look after each whether
//! enough is free.
//!
//! Always holds: no shell is involved; a file is touched only below a root, by a name that the rule lists, if it is a regular
//! file with one name and, at the moment of the act, still the one that was listed. Links are not followed and other file
//! systems not entered. Every file that was touched is listed, up to a number.
//!
//! Freed bytes are those of the disk, not of the length: a file with holes takes less than it is long, and one that is
//! deleted while a process has it open frees nothing before that ends.

mod folder;
mod inside;
mod json_log;
mod plan;
mod report;
mod walk;

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::time::Instant;

use self::plan::{Deed, Entry, Job, Skipped, plan};
use self::report::Report;
use super::host::Host;
use super::{full_id, unsent};
use fettle_core::action::{CALL_MARGIN, CLEAN_LIMIT, CleanLogs};
use fettle_core::ports::platform::{Performed, PlatformError};
use fettle_core::sight::Space;

/// What is left of the time for the look at the end.
const LAST_LOOK: Duration = Duration::from_secs(10);

/// Where logs are.
#[async_trait]
trait Place: Send + Sync {
    /// How many files are cleaned before it is looked at what is free.
    fn batch(&self, careful: bool) -> usize;
    /// What is free of the file system of a root, where it can be seen.
    async fn free(&self, root: &str) -> Option<Space>;
    /// The files below a root whose names are among those of the rule.
    async fn list(&self, root: &str, clean: &CleanLogs) -> Result<Listing, PlatformError>;
    /// Does one thing to these files, which are still as they were listed, and to no other.
    async fn act(&self, root: &str, deed: Deed, entries: &[Entry]) -> Result<Acted, PlatformError>;
    /// The time there, in seconds since 1970.
    fn now(&self) -> i64;
}

/// What was found below a root.
#[derive(Debug, Default)]
struct Listing {
    entries: Vec<Entry>,
    skipped: Skipped,
    /// Whether it was seen which files are open.
    open_files: Option<&'static str>,
    /// What went wrong on the way.
    said: Option<String>,
}

/// What became of each file of a batch, in its order.
#[derive(Debug, Default)]
struct Acted {
    outcomes: Vec<Outcome>,
    said: Option<String>,
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// It was cleaned, which freed so many bytes.
    Done(u64),
    /// It was left alone.
    Skipped(&'static str),
}

/// Cleans inside the container with this full id.
pub(super) async fn in_container(host: &Host, id: &str, clean: &CleanLogs) -> Performed {
    let (mut report, deadline) = (Report::default(), deadline());
    let answer = async {
        let id = full_id(id)?;
        let log = if clean.container_log { Some(json_log::find(host, id).await.map_err(unsent)?) } else { None };
        let now = host.daemon().await.map_err(unsent)?.now().as_second();
        let place = inside::Inside { host, id, user: clean.user.as_deref(), now, deadline };
        let mut answer = run(&place, clean, &mut report).await;
        if let Some(log) = log {
            match answer {
                Ok(()) | Err(PlatformError::Unfit(_)) => {
                    let emptied = log.empty(clean).await;
                    report.container_log = Some(emptied.0);
                    if emptied.1 {
                        answer = Ok(());
                    }
                }
                Err(_) => {}
            }
        }
        answer?;
        Ok(short(&place, clean, &mut report).await)
    };
    match answer.await {
        Ok(short) => Performed { touched: report.value(), answer: Ok(()), short },
        Err(error) => Performed { touched: report.value(), answer: Err(error), short: None },
    }
}

/// Cleans on a disk of the host.
pub(super) async fn on_disk(host: &Host, name: &str, clean: &CleanLogs) -> Performed {
    let mut report = Report::default();
    let answer = async {
        if clean.container_log {
            return Err(PlatformError::Unfit("a disk has no container's log".to_owned()));
        }
        let Some(disk) = host.disks.get(name) else {
            return Err(PlatformError::Unfit(format!("no disk named {name} is configured")));
        };
        if !host.is_local() {
            let why = "the host is reached over the network, so its disks cannot be seen".to_owned();
            return Err(PlatformError::Unfit(why));
        }
        let place = folder::Folder { disk: disk.path.clone(), deadline: deadline() };
        run(&place, clean, &mut report).await
    };
    let answer = answer.await;
    Performed { touched: report.value(), answer, short: None }
}

fn deadline() -> Instant {
    Instant::now() + (CLEAN_LIMIT + CALL_MARGIN).saturating_sub(LAST_LOOK)
}

/// Lists, chooses, and cleans until all is done or enough is free.
async fn run(place: &dyn Place, clean: &CleanLogs, report: &mut Report) -> Result<(), PlatformError> {
    let roots = roots(clean)?;
    let mut listed = Vec::new();
    let (mut failure, mut needed, mut seen) = (None, false, false);
    for root in &roots {
        let free = place.free(root).await;
        report.free(root, "free_percent_before", free);
        if is_enough(clean, free) {
            report.root(root, "left", json!("enough is free"));
            listed.push(Vec::new());
            continue;
        }
        needed = true;
        match place.list(root, clean).await {
            Ok(listing) => {
                seen = true;
                report.skip_all(&listing.skipped);
                report.open_files = listing.open_files.or(report.open_files);
                report.said = listing.said.or(report.said.take());
                listed.push(listing.entries);
            }
            Err(error) => {
                report.root(root, "error", json!(error.to_string()));
                failure = failure.or(Some(error));
                listed.push(Vec::new());
            }
        }
    }
    if !needed {
        return Ok(());
    }
    if let Some(error) = failure.filter(|_| !seen) {
        return Err(unsent(error));
    }
    let (jobs, skipped) = plan(&listed, clean, place.now());
    report.skip_all(&skipped);
    if jobs.is_empty() {
        return Err(PlatformError::Unfit(format!("nothing is there to be cleaned; {}", report.skips())));
    }
    let answer = all(place, &roots, jobs, clean, report).await;
    for root in &roots {
        report.free(root, "free_percent_after", place.free(root).await);
    }
    answer?;
    if report.count == 0 {
        let said = report.said.as_deref().unwrap_or_default();
        return Err(PlatformError::Incomplete(format!("nothing could be cleaned; {} {said}", report.skips())));
    }
    Ok(())
}

async fn all(
    place: &dyn Place,
    roots: &[String],
    jobs: Vec<Job>,
    clean: &CleanLogs,
    report: &mut Report,
) -> Result<(), PlatformError> {
    let at_once = place.batch(clean.stop_when_free.is_some()).max(1);
    let mut enough = vec![false; roots.len()];
    for same in jobs.chunk_by(|a, b| (a.root, a.deed) == (b.root, b.deed)) {
        for batch in same.chunks(at_once) {
            let Some(Job { root: at, deed, .. }) = batch.first() else { continue };
            let Some(root) = roots.get(*at) else { continue };
            if enough.get(*at).copied().unwrap_or(false) {
                report.skip_all(&Skipped::from([("enough_free", u64::try_from(batch.len()).unwrap_or(u64::MAX))]));
                continue;
            }
            let entries: Vec<Entry> = batch.iter().map(|job| job.entry.clone()).collect();
            let acted = place.act(root, *deed, &entries).await?;
            for (job, outcome) in batch.iter().zip(&acted.outcomes) {
                match outcome {
                    Outcome::Done(freed) => report.done(root, job, *freed),
                    Outcome::Skipped(why) => report.skip(why),
                }
            }
            report.said = acted.said.or(report.said.take());
            if clean.stop_when_free.is_some() && is_enough(clean, place.free(root).await) {
                enough[*at] = true;
            }
        }
    }
    Ok(())
}

fn is_enough(clean: &CleanLogs, free: Option<Space>) -> bool {
    clean.stop_when_free.is_some_and(|wanted| free.is_some_and(|space| space.free_percent() >= wanted))
}

/// Why less is free than the rule asks for; `None` when it is enough. Only what is inside of a container is asked here: of a
/// disk of the host a later look shows it.
async fn short(place: &dyn Place, clean: &CleanLogs, report: &mut Report) -> Option<String> {
    let wanted = clean.free_above?;
    for root in roots(clean).ok()? {
        let space = place.free(&root).await;
        report.free(&root, "free_percent_after", space);
        match space.map(Space::free_percent) {
            Some(free) if free >= wanted => {}
            Some(free) => {
                return Some(format!(
                    "{free} % of the file system of {root} are free after it, and {wanted} % were asked for"
                ));
            }
            None => {
                return Some(format!(
                    "how much of the file system of {root} is free cannot be seen, and {wanted} % were asked for"
                ));
            }
        }
    }
    None
}

/// The roots, without a slash at their ends. A root is a folder below `/`, and says so plainly.
fn roots(clean: &CleanLogs) -> Result<Vec<String>, PlatformError> {
    let root = |root: &String| {
        let plain = root.strip_prefix('/').map(|rest| rest.strip_suffix('/').unwrap_or(rest));
        match plain.filter(|rest| plan::is_plain(rest)) {
            Some(rest) => Ok(format!("/{rest}")),
            None => Err(PlatformError::Unfit(format!("{root:?} is not a folder to clean in"))),
        }
    };
    clean.roots.iter().map(root).collect()
}

/// Shows what a program said: one line, printable, cut.
fn said(bytes: &[u8]) -> Option<String> {
    let text: String = String::from_utf8_lossy(bytes).chars().take(500).collect();
    let words: Vec<String> = text.split_whitespace().map(super::evidence::printable).collect();
    Some(words.join(" ")).filter(|it| !it.is_empty())
}

/// A value for the audit that says why nothing was done.
fn left(why: &str) -> Value {
    json!({"left": why})
}
