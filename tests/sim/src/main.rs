//! Tries to break the core: one seed is one schedule of alerts, crashes, people and a Docker that cannot be trusted.
//!
//! ```text
//! sim SEEDS [START]    runs so many schedules on all cores; the history of the first that fails is shown
//! sim until SEEDS      the same, until the first fails
//! sim mutants          breaks the seams and the core's sources on purpose, one at a time: each fault must be found
//! ```
//!
//! What is real: everything in `src/core` (receiving, deciding, guards, verdicts, loans), compiled from its own sources. What is
//! a model: the engine ([`shell`]), the store, Docker, Alertmanager, people, and time. The models are written along the real
//! ones; where a model and the real thing differ, nothing here notices. The integration tests are for that.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command for people: results go out, progress beside them"
)]

mod alerts;
mod checks;
mod docker;
mod history;
mod mutants;
mod people;
mod plan;
mod rng;
mod run;
mod shell;
mod sources;
mod store;
#[cfg(test)]
mod tests;
mod time;
mod world;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let numbers: Option<Vec<u64>> = args.iter().map(|it| it.parse().ok()).collect();
    match (args.first().map(String::as_str), numbers.as_deref()) {
        (Some("mutants"), _) => sources::survive(),
        (Some("until"), _) => {
            let seeds = args.get(1).and_then(|it| it.parse().ok()).unwrap_or(0);
            let failures = run::run(1, seeds, None, 1, |_, _| ()).failures;
            for failure in failures.iter().take(1) {
                println!("seed {}, {}: {}", failure.seed, failure.check, failure.what);
            }
            ExitCode::from(u8::from(!failures.is_empty()))
        }
        (_, Some([seeds])) => run::report(1, *seeds),
        (_, Some([seeds, start])) => run::report(*start, *seeds),
        _ => {
            eprintln!("usage: sim SEEDS [START] | sim mutants");
            ExitCode::from(2)
        }
    }
}
