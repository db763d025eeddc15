//! One process that reads changed inputs until its time is over.

use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::fs::File;
use std::hash::{Hash, Hasher};
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::mutate::mutate;
use crate::rng::Rng;
use crate::targets::Target;

/// Reading an input of at most [`LARGEST`] takes longer: then it is broken.
pub const SLOW: Duration = Duration::from_secs(5);

/// No input grows beyond this.
pub const LARGEST: usize = 64 << 10;

/// Memory the process may come to hold, inputs that are kept included.
const MEMORY_KIB: u64 = 1 << 20;

/// Inputs that are kept; beyond, a new one replaces an old one.
const KEPT: usize = 4_000;

/// A hash that names a file.
pub fn hash(of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

/// Reads inputs for so many seconds; what is read stands in `file` before.
pub fn run(target: &Target, seed: u64, seconds: u64, file: &Path) -> ExitCode {
    let Ok(file) = File::create(file) else {
        eprintln!("{} cannot be written", file.display());
        return ExitCode::from(2);
    };
    let begun = Instant::now();
    let busy_since = watch(begun);
    let mut rng = Rng::new(seed);
    let mut pool = target.corpus();
    let (committed, mut known) = (pool.len(), HashSet::new());
    let (mut count, mut slowest) = (0_u64, Duration::ZERO);
    // What is committed comes first, whatever the time.
    while usize::try_from(count).is_ok_and(|count| count < committed) || begun.elapsed().as_secs() < seconds {
        let input = match usize::try_from(count).ok().and_then(|at| pool.get(at).filter(|_| at < committed)) {
            Some(input) => input.clone(),
            None => mutate(&pool, target.words, &mut rng),
        };
        count += 1;
        if file.write_all_at(&input, 0).and_then(|()| file.set_len(input.len() as u64)).is_err() {
            return ExitCode::from(2);
        }
        let start = Instant::now();
        busy_since.store(millis(begun), Ordering::Relaxed);
        let said = catch_unwind(AssertUnwindSafe(|| (target.read)(&input)));
        busy_since.store(0, Ordering::Relaxed);
        slowest = slowest.max(start.elapsed());
        match said {
            Ok(Ok(answer)) => {
                if known.insert(answer) && input.len() <= LARGEST {
                    if pool.len() < KEPT {
                        pool.push(input);
                    } else {
                        let at = usize::try_from(rng.below((KEPT - committed) as u64)).unwrap_or(0);
                        pool[committed + at] = input;
                    }
                }
            }
            Ok(Err(promise)) => {
                eprintln!("{}: seed {seed}, input {count}: {promise}", target.name);
                return ExitCode::FAILURE;
            }
            Err(_) => {
                eprintln!("{}: seed {seed}, input {count}: a panic, see above", target.name);
                return ExitCode::FAILURE;
            }
        }
    }
    let peak = peak_kib();
    println!(
        "{}: seed {seed}, {count} inputs, {} answers, the slowest took {} ms, {} MiB at most",
        target.name,
        known.len(),
        slowest.as_millis(),
        peak >> 10
    );
    if peak > MEMORY_KIB {
        eprintln!("{}: more than {} MiB were held", target.name, MEMORY_KIB >> 10);
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn millis(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX).max(1)
}

/// Ends the process when one input takes too long; 0 is nothing to do.
fn watch(begun: Instant) -> Arc<AtomicU64> {
    let busy_since = Arc::new(AtomicU64::new(0));
    let watched = Arc::clone(&busy_since);
    std::thread::spawn(move || {
        let slow = u64::try_from(SLOW.as_millis()).unwrap_or(u64::MAX);
        loop {
            std::thread::sleep(Duration::from_millis(200));
            let since = watched.load(Ordering::Relaxed);
            if since > 0 && millis(begun).saturating_sub(since) > slow {
                eprintln!("one input took longer than {} s", SLOW.as_secs());
                std::process::exit(3);
            }
        }
    });
    busy_since
}

/// The most memory this process ever held.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
}
