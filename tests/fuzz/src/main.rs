//! Tries to break what reads rules, matchers and webhook bodies, with broken input.
//!
//! ```text
//! fuzz SECONDS [TARGET]    each target for so long on all cores; exit 1 with the input that broke it
//! ```
//!
//! What it is: inputs of a committed corpus are changed at random ([`mutate`]), and an input that is answered in a way not seen before
//! (other problems, other results) is kept and changed further. What it is not: guided by coverage of the code, as cargo-fuzz
//! is, which needs a nightly compiler. Every input that ever broke something is in `regressions` and comes first.
//!
//! A panic, a broken promise ([`targets`]), more than [`worker::SLOW`] for one input, and an end of the process (a stack that
//! overflows) are found: every input is in a file before it is read.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command for people: results go out, progress beside them"
)]

mod mutate;
mod rng;
mod targets;
mod worker;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{SystemTime, UNIX_EPOCH};

use targets::{TARGETS, Target};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words[..] {
        ["worker", target, seed, seconds, file] => match (find(target), seed.parse(), seconds.parse()) {
            (Some(target), Ok(seed), Ok(seconds)) => worker::run(target, seed, seconds, Path::new(file)),
            _ => usage(),
        },
        [seconds] => seconds.parse().map_or_else(|_| usage(), |seconds| all(TARGETS, seconds)),
        [seconds, target] => match (seconds.parse(), TARGETS.iter().position(|it| it.name == target)) {
            (Ok(seconds), Some(at)) => all(&TARGETS[at..=at], seconds),
            _ => usage(),
        },
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    let names: Vec<&str> = TARGETS.iter().map(|it| it.name).collect();
    eprintln!("usage: fuzz SECONDS [{}]", names.join("|"));
    ExitCode::from(2)
}

fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|it| it.name == name)
}

/// Where inputs that broke something are kept.
fn regressions() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions")
}

/// Runs every target on all cores, one after the other.
fn all(targets: &[Target], seconds: u64) -> ExitCode {
    let mut broken = false;
    for target in targets {
        broken |= !on_all_cores(target, seconds);
    }
    ExitCode::from(u8::from(broken))
}

fn on_all_cores(target: &Target, seconds: u64) -> bool {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs());
    let folder = std::env::temp_dir().join(format!("fettle-fuzz-{}", std::process::id()));
    let Ok(program) = std::env::current_exe() else { return false };
    if std::fs::create_dir_all(&folder).is_err() {
        eprintln!("{} cannot be made", folder.display());
        return false;
    }
    let workers: Vec<_> = (0..cores as u64)
        .map(|core| {
            let (seed, file) = (now.wrapping_mul(1000).wrapping_add(core), folder.join(core.to_string()));
            let mut command = Command::new(&program);
            command.args(["worker", target.name, &seed.to_string(), &seconds.to_string()]).arg(&file);
            (command.spawn(), file)
        })
        .collect();
    let mut whole = true;
    for (worker, file) in workers {
        let status = worker.and_then(|mut worker| worker.wait());
        if !status.is_ok_and(|it| it.success()) {
            whole = false;
            keep(target, &file);
        }
    }
    let _ = std::fs::remove_dir_all(&folder);
    whole
}

/// Keeps the input that was read when a worker ended.
fn keep(target: &Target, file: &Path) {
    let Ok(input) = std::fs::read(file) else { return };
    let path = regressions().join(format!("{}-{:016x}", target.name, worker::hash(&input)));
    match std::fs::write(&path, &input) {
        Ok(()) => eprintln!("{}: broken by {} ({} bytes)", target.name, path.display(), input.len()),
        Err(error) => eprintln!("{}: broken, and {} cannot be written: {error}", target.name, path.display()),
    }
}
