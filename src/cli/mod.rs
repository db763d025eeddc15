//! The command line: arguments in, results to stdout, everything else to stderr, an exit code out.
//!
//! Exit codes are an interface: 0 fine, 1 problems found, 2 usage, 3 warnings only (`check --strict`), 70 our fault (please report
//! it). One file per command; commands return what they found, and only [`run`] turns it into a code. Colours are for
//! terminals and carry no meaning alone.

mod actions;
mod answer;
mod breakers;
mod check;
mod client;
mod clock;
mod colour;
mod command;
mod completions;
mod explain;
mod explained;
mod health;
mod local;
mod man;
mod pause;
mod pauses;
mod progress;
mod proposal;
mod reach;
mod reached;
mod remediations;
mod replay;
mod resume;
mod schema;
mod send;
mod serve;
mod show;
mod table;
mod test;
mod token;
mod view;
mod watch;

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::{FromArgMatches, Parser, Subcommand, ValueEnum};

/// What stands behind an exit code other than 0.
#[derive(Debug)]
enum Failure {
    /// Problems were found: theirs, or the world's. 1.
    Problems(anyhow::Error),
    /// The command was not understood. 2.
    Usage(anyhow::Error),
    /// Our fault. 70.
    Fault(anyhow::Error),
    /// Everything has been said; only this code is left.
    Said(u8),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Problems(error)
    }
}

type Outcome = Result<(), Failure>;

/// Mends what Alertmanager reports: restarts, within strict limits, verified and on record.
#[derive(Debug, Parser)]
#[command(name = "fettle", version, arg_required_else_help = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  fettle check
  fettle test
  fettle serve --config fettle.yaml
  fettle send alertname=ArcanumNeedsRestart service=arcanum
  fettle remediations --state open
  fettle show 0197d1f0-5c1e-7c3a-9a52-3d1f6f0c8b11
  fettle explain alertname=ArcanumNeedsRestart service=arcanum
  fettle approve 0197d1f0-5c1e-7c3a-9a52-3d1f6f0c8b11
  fettle pause --reason \"moving the database\" --for 2h

Exit codes: 0 fine, 1 problems found, 2 usage, 3 warnings only (check --strict), 70 a fault inside fettle.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service
    Serve(serve::Args),
    /// Check configuration and rules: every problem at once, with its place
    Check(check::Args),
    /// Post a well-formed test notification to a running fettle
    Send(send::Args),
    /// Exit 0 when a running fettle is ready: a health check that needs no curl
    Health(health::Args),
    /// Make tokens for the configuration
    #[command(subcommand, after_help = token::EXAMPLES)]
    Token(token::Command),
    /// List remediations, newest first
    Remediations(remediations::Args),
    /// List actions and refusals from the audit, newest first
    Actions(actions::Args),
    /// Tell one remediation's story
    Show(show::Args),
    /// Tell what would be done about an alert, or by a remediation, and why not
    Explain(explain::Args),
    /// List what the rules could touch now, and what refuses the rest
    Reach(reach::Args),
    /// Agree to what a remediation proposes
    Approve(answer::Approve),
    /// Refuse what a remediation proposes
    Reject(answer::Reject),
    /// Stop a remediation, whatever it waits for
    Cancel(answer::Cancel),
    /// Have fettle hold still: altogether, for a rule or for a target
    Pause(pause::Args),
    /// End pauses
    Resume(resume::Args),
    /// List the pauses that stand
    Pauses(pauses::Args),
    /// List circuit breakers that were ever open, or reset one
    Breakers(breakers::Args),
    /// Set fettle's time to the clock that it follows
    Clock(clock::Args),
    /// Go through recorded notifications once more, with other rules, and compare with what was done
    Replay(replay::Args),
    /// Print the JSON Schema of rules, tests or configuration, for editors
    Schema(schema::Args),
    /// Print completions for a shell
    Completions(completions::Args),
    /// Print the manual page, or write those of all commands to a folder
    Man(man::Args),
    /// Run unit tests of rules, on a virtual clock
    Test(test::Args),
}

/// For whom results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Default)]
enum Output {
    /// People
    #[default]
    Human,
    /// Scripts
    Json,
}

/// Reads the process's arguments, does what they say, and gives the exit code.
#[must_use]
pub fn run() -> ExitCode {
    let parsed = command::command().try_get_matches();
    let cli = match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(answer) => {
            // Help and version are answers; a pipe that closed early is nobody's problem.
            let _ = answer.print();
            return if answer.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    let done = catch_unwind(AssertUnwindSafe(|| dispatch(cli.command)))
        .unwrap_or_else(|_| Err(Failure::Fault(anyhow::anyhow!("a panic; please report what stands above"))));
    let (code, error) = match done {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Problems(error)) => (1, error),
        Err(Failure::Usage(error)) => (2, error),
        Err(Failure::Fault(error)) => (70, error),
        Err(Failure::Said(code)) => return ExitCode::from(code),
    };
    // Nothing can be done about a stderr that is closed.
    let _ = writeln!(std::io::stderr(), "error: {}", fettle_core::ports::chain(error.as_ref()));
    ExitCode::from(code)
}

fn dispatch(command: Command) -> Outcome {
    match command {
        Command::Serve(args) => serve::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Send(args) => send::run(&args),
        Command::Health(args) => health::run(&args),
        Command::Token(command) => token::run(&command),
        Command::Remediations(args) => remediations::run(&args),
        Command::Actions(args) => actions::run(&args),
        Command::Show(args) => show::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Reach(args) => reach::run(&args),
        Command::Approve(args) => answer::approve(&args),
        Command::Reject(args) => answer::reject(&args),
        Command::Cancel(args) => answer::cancel(&args),
        Command::Pause(args) => pause::run(&args),
        Command::Resume(args) => resume::run(&args),
        Command::Pauses(args) => pauses::run(&args),
        Command::Breakers(args) => breakers::run(&args),
        Command::Clock(args) => clock::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
        Command::Test(args) => test::run(&args),
    }
}

/// Writes a result. A reader that has seen enough (`| head`) is no error.
fn print(text: &str) -> Outcome {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::Problems(anyhow::Error::new(error).context("write the result")))
        }
        _ => Ok(()),
    }
}

/// Says something that is not the result.
fn hint(text: &str) {
    // Nothing can be done about a stderr that is closed.
    let _ = writeln!(std::io::stderr(), "{text}");
}

#[cfg(test)]
mod tests;
