//! `fettle actions`: the audit, newest first.

use serde_json::Value;

use super::client::{Peer, converse, limit, text, words};
use super::colour::Colour;
use super::table::{Column, field, laid_out};
use super::view::View;
use super::watch::{self, Watch};
use super::{Outcome, Output, hint, print};
use fettle_core::id::{ActionId, RemediationId};
use fettle_core::remediation::outcome::ActionResult;

/// List actions and refusals from the audit, newest first.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fettle actions --result refused
  fettle actions --watch
  fettle actions --remediation 0197d1f0-5c1e-7c3a-9a52-3d1f6f0c8b11
  fettle actions --rule web-restart --output json")]
pub(super) struct Args {
    /// Only those of this rule
    #[arg(long)]
    rule: Option<String>,
    /// Only those on this target, as written
    #[arg(long)]
    target: Option<String>,
    /// Only those with this result: succeeded, failed, unknown, refused, observed or expired
    #[arg(long, value_parser = words(ActionResult::ALL.iter().map(|result| result.as_str())), hide_possible_values = true)]
    result: Option<String>,
    /// Only those of this remediation
    #[arg(long, value_name = "ID")]
    remediation: Option<RemediationId>,
    /// At most so many, up to 1000
    #[arg(long, default_value_t = 20, value_parser = limit())]
    limit: u32,
    /// Only those older than this one
    #[arg(long, value_name = "ID")]
    after: Option<ActionId>,
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

pub(super) fn run(args: &Args) -> Outcome {
    let client = args.peer.client()?;
    let given = [
        ("rule", &args.rule),
        ("target", &args.target),
        ("result", &args.result),
        ("remediation", &text(args.remediation)),
        ("after", &text(args.after)),
    ];
    let query = super::client::query(&given, args.limit);
    let fetch = || converse(async { client.get("/api/v1/actions", &query).await });
    if args.watch.on {
        return watch::rows(args.output, args.colour, fetch, list);
    }
    let found = fetch()?;
    match args.output {
        Output::Json => print(&format!("{found:#}\n")),
        Output::Human if found.as_array().is_none_or(Vec::is_empty) => {
            hint("no actions");
            Ok(())
        }
        Output::Human => print(&list(&found, View::of_stdout(args.colour))),
    }
}

const COLUMNS: [Column; 8] = [
    Column::whole("AT"),
    Column::whole("ACTION"),
    Column::whole("TARGET"),
    Column::cut("RULE", 12),
    Column::whole("MODE"),
    Column::coloured("RESULT"),
    Column::coloured("VERDICT"),
    Column::cut("WHY", 12),
];

fn list(found: &Value, view: View) -> String {
    let rows = found.as_array().map(Vec::as_slice).unwrap_or_default();
    laid_out(&COLUMNS, &rows.iter().map(|of| row(of, view)).collect::<Vec<_>>(), view)
}

fn row(of: &Value, view: View) -> Vec<String> {
    let result = match &of["result"] {
        Value::Null => "under way".to_owned(),
        _ => field(of, "result"),
    };
    let why = if of["reason"].is_null() { field(of, "error") } else { field(of, "reason") };
    vec![
        view.when(of, "at"),
        field(of, "action"),
        field(of, "target"),
        field(of, "rule"),
        field(of, "mode"),
        result,
        field(of, "verdict"),
        why,
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_intent_without_a_result_is_under_way() {
        let rows = [
            json!({"at": "2026-01-31T12:00:00Z", "action": "restart", "target": "container:local/web", "rule": "web",
                "mode": "act", "result": null, "verdict": null, "reason": null, "error": null}),
            json!({"at": "2026-01-31T11:00:00Z", "action": "restart", "target": "container:local/db", "rule": "db",
                "mode": "act", "result": "refused", "verdict": null, "reason": "not_enabled", "error": null}),
        ];
        insta::assert_snapshot!(list(&json!(rows), View::default()), @r"
        AT                    ACTION   TARGET               RULE  MODE  RESULT     VERDICT  WHY
        2026-01-31 12:00:00Z  restart  container:local/web  web   act   under way  -        -
        2026-01-31 11:00:00Z  restart  container:local/db   db    act   refused    -        not_enabled
        ");
    }
}
