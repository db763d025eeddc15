//! Tries to break fettle: one seed is one schedule of alerts, crashes, people, clocks, and a Docker that cannot be trusted.
//!
//! ```text
//! sim SEEDS [START]    runs so many schedules on all cores; the history of the first that fails is shown
//! sim show SEED        the whole history of one schedule, whatever became of it
//! sim until SEEDS      the same, until the first fails
//! sim mutants [seams|sources]   breaks the seams and the sources on purpose, one at a time: each fault must be found
//! ```
//!
//! What is real: the core and the engine as they ship (`run::build` and everything it starts, intake with raw bodies, orders
//! by hand). What is a model: the store in memory (held against PostgreSQL and SQLite by one conformance suite), Docker
//! (`physics`, held against real daemons trait by trait), Prometheus and Alertmanager, people, machines and their clocks. Not
//! here: HTTP, SQL, the Docker client, files; the integration tests are for those.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command for people: results go out, progress beside them"
)]

mod alerts;
mod checks;
mod daemon;
mod desk;
mod gate;
mod hands;
mod history;
mod known;
mod mutants;
mod peer;
mod people;
mod plan;
mod replica;
mod rules;
mod run;
mod seam;
mod sources;
#[cfg(test)]
mod tests;
mod town;
mod trouble;
mod world;

use std::process::ExitCode;

use fettle_sim::{machine, rng, time};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let numbers: Option<Vec<u64>> = args.iter().map(|it| it.parse().ok()).collect();
    match (args.first().map(String::as_str), numbers.as_deref()) {
        (Some("mutants"), _) => sources::survive(args.get(1).map(String::as_str)),
        (Some("show"), _) => match args.get(1).and_then(|it| it.parse().ok()) {
            Some(seed) => run::tell(seed),
            None => usage(),
        },
        (Some("until"), _) => {
            let seeds = args.get(1).and_then(|it| it.parse().ok()).unwrap_or(0);
            let failures = run::run(0, seeds, None, 1, |_, _| ()).failures;
            for failure in failures.iter().take(1) {
                println!("seed {}, {}: {}", failure.seed, failure.check, failure.what);
            }
            ExitCode::from(u8::from(!failures.is_empty()))
        }
        (_, Some([seeds])) => run::report(0, *seeds),
        (_, Some([seeds, start])) => run::report(*start, *seeds),
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: sim SEEDS [START] | sim show SEED | sim until SEEDS | sim mutants [seams|sources]");
    ExitCode::from(2)
}
