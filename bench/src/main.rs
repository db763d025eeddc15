//! fettle's performance bench: measures a release build on this machine and prints one table, `make bench`.
//!
//! What always holds: every server is ours, on loopback, in one temporary folder, and is gone at the end, also after a
//! failure or Ctrl-C (the kernel kills what is left when this process dies). Both sides of a ratio are measured in turn in
//! one run. What cannot be measured is a row that says why; it is never left out.
//!
//! It does not judge absolute rates, which are the machine's, and it is no test: `make test` never runs it.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts and durations become figures for people: 52 bits are plenty"
)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command for people: results go out, progress beside them"
)]

mod bodies;
mod fake_docker;
mod fettle;
mod figures;
mod http;
mod load;
mod machine;
mod place;
mod postgres;
mod real_docker;
mod relay;
mod rows;
mod table;
mod typed;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

const USAGE: &str = "usage: fettle-bench run [--quick] [--only ROW,ROW…] [--examples DIR] FETTLE_BINARY
       fettle-bench typed PORT
       fettle-bench load ADDRESS:PORT ALERTS SECONDS [RATE]";

/// What to measure, and of what.
#[derive(Debug)]
pub struct Options {
    /// The release build under test.
    pub fettle: PathBuf,
    /// Where cargo puts the project's examples: `select_bench` is one.
    pub examples: PathBuf,
    /// Shorter and rougher.
    pub quick: bool,
    /// Names of row groups; empty for all.
    pub only: Vec<String>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.first().map(String::as_str) {
        Some("typed") => arguments.get(1).context(USAGE).and_then(|port| typed::serve(port)),
        Some("load") => send(&arguments[1..]),
        Some("run") => place::supervised(&arguments),
        Some("supervised") => measure(&arguments[1..]),
        _ => Err(anyhow::anyhow!(USAGE)),
    };
    result.unwrap_or_else(|error| {
        eprintln!("fettle-bench: {error:#}");
        ExitCode::from(2)
    })
}

/// The sender by itself, for a look at one server: `/webhook` with 64 connections, closed loop unless a rate is given.
fn send(arguments: &[String]) -> Result<ExitCode> {
    let [address, alerts, seconds, rate @ ..] = arguments else { bail!(USAGE) };
    let plan = load::Plan {
        address: address.parse().context("ADDRESS:PORT")?,
        series: bodies::Series { alerts: alerts.parse()?, first: 0, distinct: rows::ENDLESS },
        connections: rows::CONNECTIONS,
        duration: std::time::Duration::from_secs_f64(seconds.parse()?),
        rate: rate.first().map(|rate| rate.parse()).transpose()?,
        limit: u64::MAX,
    };
    let outcome = load::run(&plan, None)?;
    let (times, _) = outcome.accepted_times();
    println!(
        "{:.0} accepted a second; p50 {:.3} ms, p99 {:.3} ms; {}",
        outcome.accepted_rate(),
        figures::quantile(&times, 0.5),
        figures::quantile(&times, 0.99),
        outcome.statuses()
    );
    Ok(ExitCode::SUCCESS)
}

/// All rows, printed as they come; exit 0 when every "must" is met, 1 when one is missed or could not be measured.
fn measure(arguments: &[String]) -> Result<ExitCode> {
    let options = options(arguments)?;
    let bench = rows::Bench::new(options)?;
    let table = rows::all(&bench);
    println!("{table}");
    Ok(if table.all_met() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn options(arguments: &[String]) -> Result<Options> {
    let (mut fettle, mut examples, mut quick, mut only) = (None, None, false, Vec::new());
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--quick" => quick = true,
            "--only" => only = rest.next().context(USAGE)?.split(',').map(str::to_owned).collect(),
            "--examples" => examples = Some(PathBuf::from(rest.next().context(USAGE)?)),
            option if option.starts_with('-') => bail!("unknown option {option}\n{USAGE}"),
            path => fettle = Some(PathBuf::from(path)),
        }
    }
    let fettle = fettle.context(USAGE)?;
    let fettle = fettle.canonicalize().with_context(|| format!("find the release build {}", fettle.display()))?;
    let beside = fettle.parent().map(|folder| folder.join("examples"));
    let examples = examples.or(beside).unwrap_or_default();
    Ok(Options { fettle, examples, quick, only })
}
