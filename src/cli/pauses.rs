//! `fettle pauses`: the pauses that stand, newest first.

use serde_json::Value;

use super::client::{Client, Peer, converse};
use super::table::{field, instant, table};
use super::{Failure, Outcome, Output, hint, print};

/// List the pauses that stand, newest first.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fettle pauses
  fettle pauses --output json | jq -r '.[].reason'")]
pub(super) struct Args {
    #[command(flatten)]
    peer: Peer,
    /// For whom to print
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(super) fn run(args: &Args) -> Outcome {
    let found = standing(&args.peer.client()?)?;
    match args.output {
        Output::Json => print(&format!("{:#}\n", Value::Array(found))),
        Output::Human if found.is_empty() => {
            hint("nothing is paused");
            Ok(())
        }
        Output::Human => print(&listed(&found)),
    }
}

/// The pauses that stand.
pub(super) fn standing(client: &Client) -> Result<Vec<Value>, Failure> {
    let found = converse(async { client.get("/api/v1/pause", &[]).await })?;
    Ok(found.as_array().cloned().unwrap_or_default())
}

/// What a pause is about, as one says it.
pub(super) fn about(of: &Value) -> String {
    match of["scope"].as_str() {
        Some("rule") => format!("rule {}", field(of, "rule")),
        Some("target") => field(of, "target"),
        _ => "everything".to_owned(),
    }
}

/// As a table.
pub(super) fn listed(found: &[Value]) -> String {
    let row = |of: &Value| {
        let until = if of["until"].is_null() { "resumed".to_owned() } else { instant(of, "until") };
        vec![field(of, "id"), about(of), instant(of, "at"), until, field(of, "by"), field(of, "reason")]
    };
    table(&["ID", "PAUSED", "SINCE", "UNTIL", "BY", "WHY"], &found.iter().map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pause_shows_what_it_is_about_who_gave_it_and_when_it_ends() {
        let found = [
            json!({"id": "a", "scope": "all", "rule": null, "target": null, "at": "2026-01-31T12:00:00Z",
                "until": "2026-01-31T14:00:00Z", "by": "oncall", "reason": "moving the\ndatabase"}),
            json!({"id": "b", "scope": "rule", "rule": "web-restart", "target": null, "at": "2026-01-31T11:00:00Z",
                "until": null, "by": "anonymous", "reason": "it crashes"}),
            json!({"id": "c", "scope": "target", "rule": null, "target": "container:local/web",
                "at": "2026-01-31T10:00:00Z", "until": null, "by": "oncall", "reason": "under investigation"}),
        ];
        insta::assert_snapshot!(listed(&found), @r"
        ID  PAUSED               SINCE                 UNTIL                 BY         WHY
        a   everything           2026-01-31 12:00:00Z  2026-01-31 14:00:00Z  oncall     moving the\u{a}database
        b   rule web-restart     2026-01-31 11:00:00Z  resumed               anonymous  it crashes
        c   container:local/web  2026-01-31 10:00:00Z  resumed               oncall     under investigation
        ");
    }
}
