//! Many schedules on all cores, and the report about them.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::checks::Violation;
use crate::known::is_known;
use crate::mutants::Mutant;
use crate::world;

/// How often the progress is shown.
const TICK: Duration = Duration::from_millis(200);

/// Lines of a history that are shown when many schedules were run; all of them when it is one.
const LINES: usize = 80;

/// A schedule in which a check failed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Failure {
    /// Its seed.
    pub seed: u64,
    /// The check.
    pub check: &'static str,
    /// Whether a machine's clock was far off.
    pub wild: bool,
    /// What is wrong.
    pub what: String,
}

/// What became of many schedules.
#[derive(Debug, Default)]
pub struct Totals {
    /// How many were run.
    pub schedules: u64,
    /// What was seen, all together.
    pub counts: BTreeMap<&'static str, u64>,
    /// The same for the same seeds.
    pub hash: u64,
    /// Failures that are not known, by seed.
    pub failures: Vec<Failure>,
    /// Failures that are known, by check and by whether a machine's clock was far off: how many, and the first.
    pub known: BTreeMap<(&'static str, bool), (u64, Failure)>,
}

impl Totals {
    fn note(&mut self, seed: u64, violations: Vec<Violation>) {
        for Violation { check, wild, what, .. } in violations {
            let failure = Failure { seed, check, wild, what };
            if !is_known(check, wild) {
                self.failures.push(failure);
                // What follows from it is not judged.
                return;
            }
            let (times, first) = self.known.entry((check, wild)).or_insert_with(|| (0, failure.clone()));
            *times += 1;
            if failure.seed < first.seed {
                *first = failure;
            }
        }
    }
}

/// Runs the seeds from `start`, on all cores; `enough` failures end it early.
pub fn run(start: u64, seeds: u64, mutant: Option<Mutant>, enough: usize, progress: impl Fn(u64, usize)) -> Totals {
    let (next, done, stop) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let totals = Mutex::new(Totals::default());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let work = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= seeds || stop.load(Ordering::Relaxed) {
                return;
            }
            let seed = start + at;
            let ended = world::run(seed, mutant, false);
            done.fetch_add(1, Ordering::Relaxed);
            let Ok(mut totals) = totals.lock() else { return };
            totals.schedules += 1;
            totals.hash ^= ended.hash.rotate_left(u32::try_from(seed % 64).unwrap_or(0));
            for (what, times) in ended.counts {
                *totals.counts.entry(what).or_default() += times;
            }
            totals.note(seed, ended.violations);
            if totals.failures.len() >= enough {
                stop.store(true, Ordering::Relaxed);
            }
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        while workers.iter().any(|it| !it.is_finished()) {
            std::thread::park_timeout(TICK);
            let failed = totals.lock().map_or(0, |it| it.failures.len());
            progress(done.load(Ordering::Relaxed), failed);
        }
    });
    let mut totals = totals.into_inner().unwrap_or_default();
    totals.failures.sort();
    totals
}

/// Runs them and reports how it went.
pub fn report(start: u64, seeds: u64) -> ExitCode {
    let (began, shown) = (Instant::now(), std::io::stderr().is_terminal());
    let totals = run(start, seeds, None, usize::MAX, |done, failed| {
        if shown {
            bar(done, seeds, failed, began.elapsed());
        }
    });
    if shown {
        eprintln!();
    }
    if let Some(first) = totals.failures.first() {
        show(first, seeds == 1);
    }
    let mut checks: BTreeMap<(&str, bool), (u64, &Failure)> = BTreeMap::new();
    for failure in &totals.failures {
        checks.entry((failure.check, failure.wild)).or_insert((0, failure)).0 += 1;
    }
    for ((check, wild), (times, first)) in &checks {
        let clocks = if *wild { " (clocks far off)" } else { "" };
        println!("NEW: {check}{clocks}: {times} schedules, the first is seed {}: {}", first.seed, first.what);
    }
    for ((check, wild), (times, first)) in &totals.known {
        let clocks = if *wild { " (clocks far off)" } else { "" };
        println!("known: {check}{clocks}: {times} schedules, the first is seed {}: {}", first.seed, first.what);
    }
    let seen: Vec<String> = totals.counts.iter().map(|(what, times)| format!("{times} {what}")).collect();
    println!("{}", seen.join(", "));
    let seconds = began.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = totals.schedules as f64 / seconds.max(1e-9);
    let (schedules, broken, hash) = (totals.schedules, totals.failures.len(), totals.hash);
    println!("{schedules} schedules, {broken} broke something; {rate:.0} schedules per second, histories {hash:016x}");
    if totals.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn bar(done: u64, all: u64, failed: usize, took: Duration) {
    let filled = usize::try_from(done * 40 / all.max(1)).unwrap_or(0);
    let line = format!("[{}{}]", "#".repeat(filled), " ".repeat(40 - filled.min(40)));
    let _ = write!(std::io::stderr(), "\r{line} {done} of {all}, {failed} failed, {} s ", took.as_secs());
    let _ = std::io::stderr().flush();
}

/// Shows the whole history of a seed, and the checks that failed.
pub fn tell(seed: u64) -> ExitCode {
    let ended = world::run(seed, None, true);
    for line in &ended.history {
        println!("{line}");
    }
    for it in &ended.violations {
        println!("{}: {}", it.check, it.what);
    }
    ExitCode::from(u8::from(!ended.violations.is_empty()))
}

/// Shows the history of a seed that failed, and how to see it again.
pub fn show(failure: &Failure, all: bool) {
    let lines = world::run(failure.seed, None, true).history;
    let from = if all { 0 } else { lines.len().saturating_sub(LINES) };
    for line in &lines[from..] {
        println!("{line}");
    }
    println!("seed {}: {}: {}", failure.seed, failure.check, failure.what);
    println!("again, with all {} lines: make sim SEEDS=1 START={}", lines.len(), failure.seed);
}
