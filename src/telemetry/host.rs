//! How the machine is doing that fettle runs on: processors, memory, the disk that fettle writes to.
//!
//! Looked at every `LOOK`, so that the page is alive; once a minute the mean is stored as an event (`host_sampled`), and where
//! the minute's status is another than the one before, that is an event of its own with a severity. Every replica speaks for
//! its own machine, by the host's name. A look that fails is left out: nothing here keeps fettle from working.
//!
//! Does not decide anything about remediations, and does not see other machines: that is the node exporter's work.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use serde::Serialize;
use serde_json::json;
use sysinfo::System;
use tokio_util::sync::CancellationToken;

use crate::telemetry::events;
use crate::telemetry::metrics::Metrics;
use fettle_core::ports::Store;
use fettle_core::ports::chain;
use fettle_core::ports::model::{SAMPLED, Sample};
use fettle_core::remediation::record::{EventRow, Record, Severity};
use fettle_core::time::Timestamp;
use fettle_engine::clock::Time;

/// How often it is looked at.
const LOOK: Duration = Duration::from_secs(5);

/// So many looks make a stored sample: a minute.
const LOOKS: usize = 12;

/// The first look comes sooner: a share of the processors needs two readings that are not too near.
const FIRST: Duration = Duration::from_millis(500);

/// Percent of processors or memory above which a host is stressed, and critical.
const BUSY: (f64, f64) = (75.0, 90.0);

/// The same for the disk, which is full for long before it matters.
const FULL: (f64, f64) = (80.0, 95.0);

/// How a host is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Load {
    /// All is well.
    Healthy,
    /// Something is above its first threshold.
    Stressed,
    /// Something is above its second.
    Critical,
}

impl Load {
    /// The word in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "HEALTHY",
            Self::Stressed => "STRESSED",
            Self::Critical => "CRITICAL",
        }
    }

    /// The worst of the three; a disk that could not be seen counts for nothing.
    #[must_use]
    pub fn of(cpu: f64, ram: f64, disk: Option<f64>) -> Self {
        let level = |percent: f64, (stressed, critical): (f64, f64)| match percent {
            it if it > critical => Self::Critical,
            it if it > stressed => Self::Stressed,
            _ => Self::Healthy,
        };
        level(cpu, BUSY).max(level(ram, BUSY)).max(disk.map_or(Self::Healthy, |disk| level(disk, FULL)))
    }

    fn change(self) -> (&'static str, Severity) {
        match self {
            Self::Healthy => ("host_recovered", Severity::Info),
            Self::Stressed => ("host_stressed", Severity::Warning),
            Self::Critical => ("host_critical", Severity::Critical),
        }
    }
}

/// One look.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// When.
    pub at: Timestamp,
    /// The machine's name.
    pub host: String,
    /// Percent of the processors in use since the look before.
    pub cpu: f64,
    /// Percent of the memory in use.
    pub ram: f64,
    /// The disk that fettle writes to.
    pub disk: Option<Disk>,
    /// Seconds since the machine was started.
    pub uptime_seconds: u64,
}

/// A disk.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Disk {
    /// Percent in use.
    pub used: f64,
    /// What fettle may still write, in bytes.
    pub free_bytes: u64,
}

/// The last look; `None` before the first.
pub type Latest = Arc<ArcSwapOption<Look>>;

/// The task.
pub struct Sampler {
    /// Where samples are stored.
    pub store: Arc<dyn Store>,
    /// Time.
    pub time: Arc<Time>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// A folder on the disk that fettle writes to.
    pub folder: PathBuf,
    /// Where the last look is shown.
    pub latest: Latest,
}

impl Sampler {
    /// Looks until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let Ok(mut system) = System::new() else {
            tracing::warn!("this machine does not tell how it is doing; /api/v1/system stays empty");
            return;
        };
        system.refresh_cpu_usage();
        let (mut looks, mut pause, mut before) = (Vec::with_capacity(LOOKS), FIRST, Load::Healthy);
        loop {
            // Cancel safe: both keep nothing.
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            let folder = self.folder.clone();
            // A file system that hangs holds up this task alone; what stops the process does not wait for it.
            let asked = tokio::task::spawn_blocking(move || {
                let seen = see(&mut system, &folder);
                (system, seen)
            });
            // Cancel safe: a look that is not waited for is lost.
            let done = tokio::select! {
                () = stop.cancelled() => return,
                done = asked => done,
            };
            let Ok((given, (cpu, ram, disk))) = done else { return };
            system = given;
            let host = System::host_name().unwrap_or_else(|_| "localhost".to_owned());
            let uptime_seconds = System::uptime().unwrap_or_default();
            let look = Look { at: self.time.now(), host, cpu, ram, disk, uptime_seconds };
            self.metrics.host(cpu, ram, disk.map(|disk| disk.used));
            self.latest.store(Some(Arc::new(look.clone())));
            let first = pause == FIRST;
            pause = LOOK;
            looks.push(look);
            if first || looks.len() == LOOKS {
                before = self.keep(&std::mem::take(&mut looks), before).await;
            }
        }
    }

    /// Stores the mean of these looks, and that the status changed where it did; the status now.
    async fn keep(&self, looks: &[Look], before: Load) -> Load {
        let Some(last) = looks.last() else { return before };
        let cpu = mean(looks.iter().map(|it| it.cpu));
        let ram = mean(looks.iter().map(|it| it.ram));
        let disk = last.disk.map(|disk| disk.used);
        let load = Load::of(cpu, ram, disk);
        let now = settled(looks.len(), before, load);
        // With the figures: whoever reads the line wants to know what there is too much of.
        let details = json!({"host": last.host, "status": load, "was": before, "cpu": cpu, "ram": ram, "disk": disk});
        let sample = Sample {
            id: self.time.new_id(),
            at: last.at,
            event: SAMPLED,
            severity: Severity::Info,
            details: json!({"host": last.host, "status": load}),
            cpu,
            ram,
            disk,
        };
        let mut samples = vec![sample];
        let changed = (now != before).then(|| load.change());
        if let Some((event, severity)) = changed {
            let (id, details) = (self.time.new_id(), details.clone());
            samples.push(Sample { id, event, severity, details, ..samples[0].clone() });
        }
        if let Err(error) = self.store.sample(&samples).await {
            tracing::debug!(error = %chain(&error), "how this machine is doing could not be stored");
            return before;
        }
        if let Some((event, severity)) = changed {
            let row = EventRow { at: last.at, event, severity, details };
            events::received(&self.metrics, &[], &[Record::Event(row)]);
        }
        now
    }
}

/// How a host is doing from now on. One look alone is a moment, and in that of its own start a process is busy: nobody is called
/// for it.
fn settled(looks: usize, before: Load, load: Load) -> Load {
    if looks > 1 { load } else { before }
}

/// Percent of processors and memory in use, and the disk.
fn see(system: &mut System, folder: &std::path::Path) -> (f64, f64, Option<Disk>) {
    system.refresh_cpu_usage();
    system.refresh_memory();
    let (total, available) = (system.total_memory(), system.available_memory());
    (tenths(f64::from(system.global_cpu_usage())), share(total.saturating_sub(available), total), disk(folder))
}

/// The disk of a folder. Blocks.
#[must_use]
pub fn disk(folder: &std::path::Path) -> Option<Disk> {
    let seen = rustix::fs::statvfs(folder).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(seen.f_frsize);
    let (free, used) = (bytes(seen.f_bavail), bytes(seen.f_blocks.saturating_sub(seen.f_bfree)));
    // As `df` has it: what is kept back for root is neither used nor free.
    (seen.f_blocks > 0).then(|| Disk { used: share(used, used.saturating_add(free)), free_bytes: free })
}

#[expect(clippy::cast_precision_loss, reason = "a share of bytes needs no more than the 53 bits that are exact")]
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { tenths(part as f64 / whole as f64 * 100.0) }
}

fn tenths(percent: f64) -> f64 {
    (percent * 10.0).round() / 10.0
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    if count > 0.0 { tenths(sum / count) } else { 0.0 }
}

/// Gigabytes (10^9 bytes, as disks are sold), to a hundredth.
pub fn gigabytes(bytes: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "hundredths of gigabytes are far below 2^53")]
    let hundredths = (bytes / 10_000_000) as f64;
    hundredths / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_stressed_above_75_and_critical_above_90_percent_of_processors_or_memory() {
        for (cpu, ram, disk, load) in [
            (75.0, 75.0, Some(80.0), Load::Healthy),
            (75.1, 10.0, None, Load::Stressed),
            (10.0, 90.0, None, Load::Stressed),
            (90.1, 10.0, None, Load::Critical),
            (10.0, 90.1, Some(10.0), Load::Critical),
            (10.0, 10.0, Some(80.1), Load::Stressed),
            (10.0, 10.0, Some(95.1), Load::Critical),
        ] {
            assert_eq!(Load::of(cpu, ram, disk), load, "{cpu} {ram} {disk:?}");
        }
    }

    #[test]
    fn one_look_alone_calls_nobody() {
        assert_eq!(settled(1, Load::Healthy, Load::Critical), Load::Healthy);
        assert_eq!(settled(LOOKS, Load::Healthy, Load::Critical), Load::Critical);
    }

    #[test]
    fn a_disk_is_as_full_as_df_says_and_one_that_is_not_there_is_not_seen() {
        let disk = disk(std::path::Path::new("/")).expect("there is a root");
        assert!((0.0..=100.0).contains(&disk.used), "{disk:?}");
        assert_eq!(super::disk(std::path::Path::new("/nowhere/at/all")), None);
        assert!((mean([1.0, 2.0].into_iter()) - 1.5).abs() < 1e-9);
    }
}
