//! What processes and the machine use, from `/proc`: CPU of process trees, memory, and the noise of everything else.

use std::collections::HashMap;
use std::fs;
use std::time::{Duration, Instant};

/// Ticks per second of every number in `/proc/*/stat` on Linux, whatever the kernel's own HZ.
const TICKS: f64 = 100.0;
/// Above this many cores used by others, a round is noisy.
pub const NOISY: f64 = 0.3;

/// CPU seconds (user and system) of these processes and all below them, those that ended and were waited for included.
pub fn cpu(roots: &[u32]) -> f64 {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    let mut used = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Some(stat) = stat(pid) else { continue };
        children.entry(stat.parent).or_default().push(pid);
        used.insert(pid, stat.ticks);
    }
    let mut todo = roots.to_vec();
    let mut ticks = 0;
    while let Some(pid) = todo.pop() {
        ticks += used.remove(&pid).unwrap_or(0);
        todo.extend(children.get(&pid).into_iter().flatten());
    }
    ticks as f64 / TICKS
}

struct Stat {
    parent: u32,
    ticks: u64,
}

fn stat(pid: u32) -> Option<Stat> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold spaces and brackets; what follows its last bracket does not.
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let number = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok());
    // user, system, and the same of children that were waited for
    let ticks = (11..=14).filter_map(number).sum();
    Some(Stat { parent: u32::try_from(number(1)?).ok()?, ticks })
}

/// Resident memory of one process in MB; 0 when it is gone.
pub fn rss_mb(pid: u32) -> f64 {
    status_mb(pid, "VmRSS:")
}

/// The most that was ever resident of one process, in MB; 0 when it is gone.
pub fn peak_mb(pid: u32) -> f64 {
    status_mb(pid, "VmHWM:")
}

fn status_mb(pid: u32, name: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

/// A stretch of time in which the rest of the machine is watched.
#[derive(Debug)]
pub struct Watch {
    start: Instant,
    busy: f64,
    ours: f64,
}

impl Watch {
    /// From now on.
    pub fn start() -> Self {
        Self { start: Instant::now(), busy: busy(), ours: cpu(&[std::process::id()]) }
    }

    /// Cores that neither the bench nor its servers used since then.
    pub fn other_cores(&self) -> f64 {
        let seconds = self.start.elapsed().as_secs_f64();
        let ours = cpu(&[std::process::id()]) - self.ours;
        ((busy() - self.busy - ours) / seconds).max(0.0)
    }
}

/// CPU seconds of the whole machine, stolen time included.
fn busy() -> f64 {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields = stat.lines().next().unwrap_or_default().split_whitespace().skip(1).take(8);
    let fields: Vec<u64> = fields.filter_map(|field| field.parse().ok()).collect();
    let idle: u64 = fields.iter().skip(3).take(2).sum();
    (fields.iter().sum::<u64>() - idle) as f64 / TICKS
}

/// Waits until the rest of the machine is quiet, at most `most`.
pub fn await_quiet(most: Duration) {
    let start = Instant::now();
    while start.elapsed() < most {
        let watch = Watch::start();
        std::thread::sleep(Duration::from_millis(300));
        if watch.other_cores() < NOISY {
            return;
        }
    }
}

/// Cores of the machine.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
