//! `fettle clock reset`: fettle's time is set to the clock that it follows.

use serde_json::{Value, json};

use super::client::{Peer, converse};
use super::{Outcome, Output, print};

/// Set fettle's time to the clock that it follows.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fettle clock reset --reason \"NTP was repaired\"")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Set fettle's time at once, instead of waiting until the clocks agree
    Reset(Reset),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
After a jump of the clock, fettle's time approaches it slowly, so that a wrong clock opens no budget. This command ends that.
Use it when you know that the clock is right now. Set forward, budgets and cooldowns end that much earlier. The reset is
recorded as the event `clock_reset`.

Examples:
  fettle clock reset --reason \"NTP was repaired\"")]
struct Reset {
    /// Why, for the record
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    peer: Peer,
    /// For whom to print
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(super) fn run(args: &Args) -> Outcome {
    let Command::Reset(args) = &args.command;
    let client = args.peer.client()?;
    let answer = converse(async { client.post("/api/v1/clock/reset", &json!({"reason": args.reason})).await })?;
    match args.output {
        Output::Json => print(&format!("{answer:#}\n")),
        Output::Human => print(&format!("{}\n", describe(&answer))),
    }
}

fn describe(answer: &Value) -> String {
    let offset = answer["offset_seconds"].as_f64().unwrap_or_default();
    let side = if offset < 0.0 { "behind" } else { "ahead" };
    format!("reset fettle's clock, which was {:.1} s {side}", offset.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_side_on_which_the_clock_was_is_named() {
        assert_eq!(describe(&json!({"offset_seconds": 3600.25})), "reset fettle's clock, which was 3600.2 s ahead");
        assert_eq!(describe(&json!({"offset_seconds": -7.0})), "reset fettle's clock, which was 7.0 s behind");
    }
}
