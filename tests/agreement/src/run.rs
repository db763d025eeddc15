//! Many scenarios on all cores, and the report about them.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fettle_core::diagnostic::render;
use fettle_core::rule::compile::SourceFile;
use fettle_core::time::after;
use fettle_predict::test::{load, run as run_case};
use fettle_sim::time::{instant, micros, show};

use crate::compare::{Difference, first};
use crate::coverage::Coverage;
use crate::draw::draw;
use crate::known::is_known;
use crate::replayed;
use crate::scenario::Scenario;
use crate::service::live;
use crate::told::{Told, by_test};
use crate::{doubt, text};

/// How often the progress is shown.
const TICK: Duration = Duration::from_millis(200);

/// Lines of a history that are shown around a difference.
const LINES: usize = 60;

/// What became of one scenario.
#[derive(Debug, Default)]
pub struct Ended {
    /// Whether the service may do things in either order: then `fettle test` is not held against it.
    pub in_doubt: bool,
    /// Whether a replay could be held against it.
    pub replayed: bool,
    /// The first difference of each tool.
    pub differences: Vec<Difference>,
    /// What occurred.
    pub coverage: Coverage,
    /// What `fettle test` said, and what the service did.
    pub told: [Told; 2],
}

/// A difference that is not known.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The scenario.
    pub seed: u64,
    /// What differs.
    pub difference: Difference,
}

/// What became of many scenarios.
#[derive(Debug, Default)]
pub struct Totals {
    /// How many were run.
    pub scenarios: u64,
    /// Of how many `fettle test` was in doubt.
    pub in_doubt: u64,
    /// How many went through a replay, too.
    pub replayed: u64,
    /// What occurred in those that were compared.
    pub coverage: Coverage,
    /// Differences that are not known, by seed.
    pub failures: Vec<Failure>,
    /// Differences that are known, by tool and class: how many, and the first seed.
    pub known: BTreeMap<(String, String), (u64, u64)>,
}

/// What `fettle test` says of a scenario, whose files are put into `folder`.
pub fn foretell(scenario: &Scenario, folder: &Path) -> Told {
    let text = text::write(scenario, folder).expect("the folder of this run can be written to");
    let path = folder.join("scenario.test.yaml").display().to_string();
    let file = load(&SourceFile { path, text });
    let file = file.unwrap_or_else(|found| panic!("seed {}: {}", scenario.seed, render::human(&found)));
    let outcome = run_case(&file, &file.cases[0]);
    let mut told = by_test(&outcome.happened, after(instant(0), scenario.until));
    let wrong = outcome.difference.lines.iter().filter(|line| line.kind == "wrong");
    told.in_vain =
        wrong.filter_map(|line| fettle_core::duration::parse(&line.at).ok()).map(|at| after(instant(0), at)).collect();
    told
}

/// Runs the scenario of this seed.
pub fn one(seed: u64, folder: &Path) -> Ended {
    let scenario = draw(seed);
    let lived = live(&scenario);
    if let Some(restless) = lived.restless {
        // `fettle test` would never end: between two decisions no time passes.
        let told = [Told::default(), lived.told];
        return Ended { differences: vec![restless], told, ..Ended::default() };
    }
    let foretold = foretell(&scenario, folder);
    let in_doubt = doubt::is_in_doubt(&scenario, &foretold);
    let mut differences: Vec<Difference> = Vec::new();
    if !in_doubt {
        differences.extend(first(&foretold, &lived.told));
    }
    differences.extend(lived.said);
    let replayed = replayed::is_known(&scenario) && !in_doubt;
    if replayed {
        differences.extend(replayed::first(&scenario, &lived.memory));
    }
    Ended { in_doubt, replayed, differences, coverage: lived.coverage, told: [foretold, lived.told] }
}

/// Runs the scenarios of `seeds` seeds from `start` on.
pub fn run(start: u64, seeds: u64, progress: impl Fn(u64, usize)) -> Totals {
    let (next, done, totals) = (AtomicU64::new(0), AtomicU64::new(0), Mutex::new(Totals::default()));
    let work = || {
        let folder = tempfile::tempdir().expect("a folder for the files of scenarios");
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= seeds {
                return;
            }
            let seed = start + at;
            let ended = one(seed, folder.path());
            done.fetch_add(1, Ordering::Relaxed);
            let Ok(mut totals) = totals.lock() else { return };
            totals.note(seed, ended);
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        while workers.iter().any(|it| !it.is_finished()) {
            std::thread::park_timeout(TICK);
            let failed = totals.lock().map_or(0, |it| it.failures.len());
            progress(done.load(Ordering::Relaxed), failed);
        }
    });
    let mut totals = totals.into_inner().unwrap_or_default();
    totals.failures.sort_by_key(|it| it.seed);
    totals
}

impl Totals {
    fn note(&mut self, seed: u64, ended: Ended) {
        self.scenarios += 1;
        self.in_doubt += u64::from(ended.in_doubt);
        self.replayed += u64::from(ended.replayed);
        if !ended.in_doubt {
            self.coverage.absorb(&ended.coverage);
        }
        for difference in ended.differences {
            if is_known(&difference) {
                let key = (difference.tool.to_string(), difference.class.clone());
                let (times, first) = self.known.entry(key).or_insert((0, seed));
                *times += 1;
                *first = seed.min(*first);
            } else {
                self.failures.push(Failure { seed, difference });
            }
        }
    }
}

/// Runs them and reports how it went.
pub fn report(start: u64, seeds: u64) -> ExitCode {
    let (began, shown) = (Instant::now(), std::io::stderr().is_terminal());
    let totals = run(start, seeds, |done, failed| {
        if shown {
            let _ = write!(
                std::io::stderr(),
                "\r{done} of {seeds}, {failed} differences, {} s ",
                began.elapsed().as_secs()
            );
            let _ = std::io::stderr().flush();
        }
    });
    if shown {
        eprintln!();
    }
    if let Some(first) = totals.failures.first() {
        explain(first);
    }
    let mut new: BTreeMap<(String, &str), (u64, u64)> = BTreeMap::new();
    for Failure { seed, difference } in &totals.failures {
        new.entry((difference.tool.to_string(), &difference.class)).or_insert((0, *seed)).0 += 1;
    }
    for ((tool, class), (times, seed)) in &new {
        println!("NEW: {tool}: {class}: {times} times, the first is seed {seed}");
    }
    for ((tool, class), (times, seed)) in &totals.known {
        println!("known: {tool}: {class}: {times} times, the first is seed {seed}");
    }
    let seen: Vec<String> = totals.coverage.all().into_iter().map(|(what, times)| format!("{times} {what}")).collect();
    println!("{}", seen.join(", "));
    let missing = if seeds >= 1000 { totals.coverage.missing() } else { Vec::new() };
    for (what, times) in &missing {
        println!("SELDOM: {what} occurred {times} times");
    }
    println!(
        "{} scenarios ({} in doubt, {} replayed), {} new differences, {:.0} s",
        totals.scenarios,
        totals.in_doubt,
        totals.replayed,
        totals.failures.len(),
        began.elapsed().as_secs_f64()
    );
    if totals.failures.is_empty() && missing.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Shows a scenario that failed, both histories around the difference, and how to see it again.
pub fn explain(failure: &Failure) {
    let folder = tempfile::tempdir().expect("a folder for the files of a scenario");
    let scenario = draw(failure.seed);
    println!("seed {}: the scenario as a test of rules:", failure.seed);
    println!("rules: {:#}", scenario.rules[0]);
    println!("test: {:#}", text::test(&scenario));
    let ended = one(failure.seed, folder.path());
    for (told, whose) in ended.told.iter().zip(["fettle test", "the service"]) {
        println!("what happens, says {whose}:");
        let mut lines: Vec<_> = told.lines().collect();
        lines.sort_by_key(|(_, line)| line.at);
        let upto =
            lines.iter().filter(|(_, line)| line.at <= after(failure.difference.at, Duration::from_mins(1))).count();
        for (target, line) in &lines[upto.saturating_sub(LINES)..upto] {
            let then = line.then.map(|at| format!(", until {}", show(micros(at)).trim_start())).unwrap_or_default();
            println!("  {} {target} {}{then}", show(micros(line.at)), line.what);
        }
    }
    println!("seed {}: {}", failure.seed, failure.difference);
    println!("again: make agreement SEEDS=1 START={}", failure.seed);
}
