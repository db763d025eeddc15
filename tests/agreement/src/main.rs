//! Holds fettle's predictions against the service: one seed is one scenario.
//!
//! ```text
//! agreement SEEDS [START]    runs so many scenarios on all cores; the first that differs is shown in full
//! ```
//!
//! A scenario is drawn from its seed ([`draw`]): rules, limits, what there is in Docker, and what happens when. The service
//! lives it ([`service`]): the engine as it ships, over the store in memory and the model of Docker, in virtual time. The same
//! scenario is written as files ([`text`]) and goes through `fettle test`; what the service recorded goes through `fettle replay`
//! ([`replayed`]); and at random moments `fettle explain` is asked what will come ([`explained`]). All of them must say what the
//! service does ([`compare`]).
//!
//! Always holds: each tool is used through what `src/cli` uses. Not here: HTTP, SQL, real Docker; `tests/it/agreement` compares
//! a sample on both databases.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command for people: results go out, progress beside them"
)]

mod busy;
mod compare;
mod coverage;
mod docker;
mod doubt;
mod draw;
mod explained;
mod known;
mod replayed;
mod run;
mod scenario;
mod service;
#[cfg(test)]
mod tests;
mod text;
mod told;
mod upstream;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<u64> = std::env::args().skip(1).filter_map(|it| it.parse().ok()).collect();
    match args[..] {
        [seeds] => run::report(0, seeds),
        [seeds, start] => run::report(start, seeds),
        _ => {
            eprintln!("usage: agreement SEEDS [START]");
            ExitCode::from(2)
        }
    }
}
