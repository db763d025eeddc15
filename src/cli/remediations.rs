//! `fettle remediations`: what was undertaken, newest first.

use serde_json::Value;

use super::client::{Peer, converse, limit, text, words};
use super::colour::Colour;
use super::table::{Column, field, laid_out};
use super::view::View;
use super::watch::{self, Watch};
use super::{Outcome, Output, hint, print};
use fettle_core::id::RemediationId;
use fettle_core::remediation::state::StateName;

/// List remediations, newest first.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fettle remediations --state open --watch
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
    after: Option<RemediationId>,
    #[command(flatten)]
    peer: Peer,
    /// For whom to print
    #[arg(long, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    watch: Watch,
    #[command(flatten)]
    colour: Colour,
}

const COLUMNS: [Column; 7] = [
    Column::whole("ID"),
    Column::whole("OPENED"),
    Column::whole("TARGET"),
    Column::cut("RULE", 12),
    Column::coloured("STATE"),
    Column::cut("WHY", 12),
    Column::whole("ACTIONS"),
];

fn states() -> impl Iterator<Item = &'static str> {
    StateName::ALL.iter().map(|state| state.as_str()).chain(["open"])
}

pub(super) fn run(args: &Args) -> Outcome {
    let client = args.peer.client()?;
    let given = [("state", &args.state), ("rule", &args.rule), ("target", &args.target), ("after", &text(args.after))];
    let query = super::client::query(&given, args.limit);
    let fetch = || converse(async { client.get("/api/v1/remediations", &query).await });
    if args.watch.on {
        return watch::rows(args.output, args.colour, fetch, list);
    }
    let found = fetch()?;
    match args.output {
        Output::Json => print(&format!("{found:#}\n")),
        Output::Human if found.as_array().is_none_or(Vec::is_empty) => {
            hint("no remediations");
            Ok(())
        }
        Output::Human => print(&list(&found, View::of_stdout(args.colour))),
    }
}

fn list(found: &Value, view: View) -> String {
    let rows = found.as_array().map(Vec::as_slice).unwrap_or_default();
    laid_out(&COLUMNS, &rows.iter().map(|of| row(of, view)).collect::<Vec<_>>(), view)
}

fn row(of: &Value, view: View) -> Vec<String> {
    let state = if of["state"] == "closed" { field(of, "outcome") } else { field(of, "state") };
    vec![
        field(of, "id"),
        view.when(of, "opened_at"),
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
        let shown = list(&json!(rows), View::default());
        insta::assert_snapshot!(shown, @r"
        ID  OPENED                TARGET                     RULE  STATE    WHY            ACTIONS
        a   2026-01-31 12:00:00Z  container:local/web        web   fixed    well for 30 s  1
        b   2026-01-31 12:05:00Z  container:local/\u{1b}[2J  web   blocked  budget         3
        ");
    }

    #[test]
    fn on_a_narrow_terminal_prose_is_cut_and_times_are_told_from_now() {
        let rows = json!([
            {"id": "0197d1f0-5c1e-7c3a-9a52-3d1f6f0c8b11", "opened_at": "2026-01-31T11:57:00Z", "target": "compose:node-a/shop/web",
                "rule": "web-restart-after-deploy", "state": "closed", "outcome": "fixed", "reason": "well for 30 s, alert resolved", "actions": 1},
            {"id": "0197d1f0-5c1e-7c3a-9a52-3d1f6f0c8b12", "opened_at": "2026-01-31T11:59:30Z", "target": "container:node-a/api",
                "rule": "api", "state": "awaiting_approval", "outcome": null, "reason": null, "actions": 0},
        ]);
        let now = "2026-01-31T12:00:00Z".parse().ok();
        let view = |width, colour| View { width: Some(width), now, colour, ..View::default() };
        insta::assert_snapshot!(list(&rows, view(140, false)));
        insta::assert_snapshot!(list(&rows, view(80, false)));
        insta::assert_snapshot!(list(&rows, view(140, true)).replace('\u{1b}', "␛"));
    }
}
