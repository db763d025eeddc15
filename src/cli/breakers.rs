//! `fettle breakers`: the circuit breakers of the rules, and their reset.

use serde_json::{Value, json};

use super::client::{Peer, converse};
use super::table::{clean, field, instant, table};
use super::{Outcome, Output, hint, print};

/// List circuit breakers that were ever open, or reset one.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "\
closed: the rule acts. open: too many of its verdicts proved nothing, and it is held back. half_open: one act is tried, and
only `fixed` closes the breaker.

Examples:
  fettle breakers
  fettle breakers reset web-restart")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    peer: Peer,
    /// For whom to print
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Close a rule's breaker: what proved nothing before counts no more
    Reset(Reset),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fettle breakers reset web-restart
  fettle breakers reset web-restart --output json")]
struct Reset {
    /// The rule's name
    rule: String,
    #[command(flatten)]
    peer: Peer,
    /// For whom to print
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(super) fn run(args: &Args) -> Outcome {
    if let Some(Command::Reset(args)) = &args.command {
        return reset(args);
    }
    let client = args.peer.client()?;
    let found = converse(async { client.get("/api/v1/breakers", &[]).await })?;
    let rows = found.as_array().map(Vec::as_slice).unwrap_or_default();
    match args.output {
        Output::Json => print(&format!("{found:#}\n")),
        Output::Human if rows.is_empty() => {
            hint("no breaker was ever open");
            Ok(())
        }
        Output::Human => print(&listed(rows)),
    }
}

fn listed(found: &[Value]) -> String {
    let row = |of: &Value| {
        let unproven = match &of["limit"] {
            Value::Null => field(of, "unproven"),
            limit => format!("{} of {limit}", field(of, "unproven")),
        };
        let probe = if of["probe"].is_null() { "-".to_owned() } else { "under way".to_owned() };
        vec![
            field(of, "rule"),
            field(of, "state"),
            instant(of, "opened_at"),
            instant(of, "half_open_at"),
            unproven,
            probe,
        ]
    };
    let rows: Vec<_> = found.iter().map(row).collect();
    table(&["RULE", "STATE", "OPENED", "HALF OPEN", "UNPROVEN", "PROBE"], &rows)
}

fn reset(args: &Reset) -> Outcome {
    let client = args.peer.client()?;
    let path = format!("/api/v1/breakers/{}/reset", segment(&args.rule));
    let answer = converse(async { client.post(&path, &json!({})).await })?;
    match args.output {
        Output::Json => print(&format!("{answer:#}\n")),
        Output::Human if answer["reset"] == json!(true) => {
            print(&format!("reset the breaker of {}\n", clean(&args.rule)))
        }
        Output::Human => {
            hint(&format!("the breaker of {} is closed already, and nothing counts against it", clean(&args.rule)));
            Ok(())
        }
    }
}

/// A name as one segment of a path, whatever it holds.
fn segment(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    let each = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    name.bytes().map(each).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_breaker_shows_where_it_stands_and_what_counts_against_the_rule() {
        let found = [
            json!({"rule": "web", "state": "open", "opened_at": "2026-01-31T12:00:00Z",
                "half_open_at": "2026-01-31T12:30:00Z", "unproven": 3, "limit": 3, "probe": null}),
            json!({"rule": "db", "state": "half_open", "opened_at": "2026-01-31T11:00:00Z",
                "half_open_at": "2026-01-31T11:30:00Z", "unproven": 0, "limit": 3, "probe": "0197d1f0"}),
            json!({"rule": "old", "state": "closed", "opened_at": null, "half_open_at": null, "unproven": 0,
                "limit": null, "probe": null}),
        ];
        insta::assert_snapshot!(listed(&found), @r"
        RULE  STATE      OPENED                HALF OPEN             UNPROVEN  PROBE
        web   open       2026-01-31 12:00:00Z  2026-01-31 12:30:00Z  3 of 3    -
        db    half_open  2026-01-31 11:00:00Z  2026-01-31 11:30:00Z  0 of 3    under way
        old   closed     -                     -                     0         -
        ");
    }

    #[test]
    fn a_rules_name_is_one_segment_of_the_path_whatever_it_holds() {
        assert_eq!(segment("web-restart_2.b~"), "web-restart_2.b~");
        assert_eq!(segment("a/b c?é%"), "a%2Fb%20c%3F%C3%A9%25");
    }
}
