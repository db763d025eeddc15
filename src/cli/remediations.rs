//! `fettle remediations`: what was undertaken, newest first.

use serde_json::Value;
use uuid::Uuid;

use super::client::{Peer, converse, limit, text, words};
use super::table::{field, instant, table};
use super::{Outcome, Output, hint, print};
use crate::core::remediation::state::StateName;

/// List remediations, newest first.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fettle remediations --state open
  fettle remediations --target container:local/arcanum --limit 5
  fettle remediations --output json | jq '.[].outcome'")]
pub(super) struct Args {
    /// Only those in this state.
    #[arg(long, value_parser = words(states()), hide_possible_values = true)]
    #[arg(
        help = "Only those in this state: held, blocked, awaiting_approval, running, verifying, closed, or open (any but closed)"
    )]
    state: Option<String>,
    /// Only those of this rule
    #[arg(long)]
    rule: Option<String>,
    /// Only those of this target, as written: container:HOST/NAME, compose:HOST/PROJECT/SERVICE, swarm:HOST/SERVICE or
    /// disk:HOST/NAME
    #[arg(long)]
    target: Option<String>,
    /// At most so many, up to 1000
    #[arg(long, default_value_t = 20, value_parser = limit())]
    limit: u32,
    /// Only those older than this one
    #[arg(long, value_name = "ID")]
    after: Option<Uuid>,
    #[command(flatten)]
    peer: Peer,
    /// For whom to print
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

fn states() -> impl Iterator<Item = &'static str> {
    StateName::ALL.iter().map(|state| state.as_str()).chain(["open"])
}

pub(super) fn run(args: &Args) -> Outcome {
    let client = args.peer.client()?;
    let given = [("state", &args.state), ("rule", &args.rule), ("target", &args.target), ("after", &text(args.after))];
    let query = super::client::query(&given, args.limit);
    let found = converse(async { client.get("/api/v1/remediations", &query).await })?;
    match args.output {
        Output::Json => print(&format!("{found:#}\n")),
        Output::Human => list(&found),
    }
}

fn list(found: &Value) -> Outcome {
    let rows: Vec<Vec<String>> = found.as_array().map(Vec::as_slice).unwrap_or_default().iter().map(row).collect();
    if rows.is_empty() {
        hint("no remediations");
        return Ok(());
    }
    print(&table(&["ID", "OPENED", "TARGET", "RULE", "STATE", "WHY", "ACTIONS"], &rows))
}

fn row(of: &Value) -> Vec<String> {
    let state = if of["state"] == "closed" { field(of, "outcome") } else { field(of, "state") };
    vec![
        field(of, "id"),
        instant(of, "opened_at"),
        field(of, "target"),
        field(of, "rule"),
        state,
        field(of, "reason"),
        field(of, "actions"),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_row_shows_the_outcome_of_what_is_closed_and_the_state_of_what_is_not() {
        let rows = [
            json!({"id": "a", "opened_at": "2026-01-31T12:00:00Z", "target": "container:local/web", "rule": "web",
                "state": "closed", "outcome": "fixed", "reason": "well for 30 s", "actions": 1}),
            json!({"id": "b", "opened_at": "2026-01-31T12:05:00Z", "target": "container:local/\u{1b}[2J", "rule": "web",
                "state": "blocked", "outcome": null, "reason": "budget", "actions": 3}),
        ];
        let rows: Vec<_> = rows.iter().map(row).collect();
        insta::assert_snapshot!(table(&["ID", "OPENED", "TARGET", "RULE", "STATE", "WHY", "ACTIONS"], &rows), @r"
        ID  OPENED                TARGET                     RULE  STATE    WHY            ACTIONS
        a   2026-01-31 12:00:00Z  container:local/web        web   fixed    well for 30 s  1
        b   2026-01-31 12:05:00Z  container:local/\u{1b}[2J  web   blocked  budget         3
        ");
    }
}
