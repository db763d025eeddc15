//! `fettle pause`: have fettle hold still.

use serde_json::{Value, json};

use super::client::{Peer, converse};
use super::pauses::about;
use super::table::{field, instant};
use super::{Outcome, Output, hint, print};
use fettle_core::duration;
use fettle_core::target::Target;

/// Have fettle hold still.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Alerts are still taken in and recorded; nothing is done about what is paused until the pause ends. It survives restarts.

Examples:
  fettle pause --reason \"moving the database\" --for 2h
  fettle pause --rule web-restart --reason \"the new release crashes\"
  fettle pause --target container:local/web --reason \"under investigation\" --until 2026-01-31T18:00:00Z")]
pub(super) struct Args {
    /// Only for this target, as written: container:HOST/NAME, compose:HOST/PROJECT/SERVICE, swarm:HOST/SERVICE or
    /// disk:HOST/NAME
    #[arg(long, value_parser = target, conflicts_with = "rule")]
    target: Option<String>,
    /// Only for this rule
    #[arg(long)]
    rule: Option<String>,
    /// Why, for whoever finds it at night
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// For so long, such as 30m or 2h [default: until somebody resumes]
    #[arg(long = "for", value_name = "DURATION", value_parser = length, conflicts_with = "until")]
    length: Option<String>,
    /// Until then, such as 2026-01-31T18:00:00Z
    #[arg(long, value_name = "INSTANT", value_parser = point)]
    until: Option<String>,
    #[command(flatten)]
    peer: Peer,
    /// For whom to print
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// A target, as it is written.
pub(super) fn target(text: &str) -> Result<String, String> {
    text.parse::<Target>().map(|target| target.to_string()).map_err(|error| error.to_string())
}

fn length(text: &str) -> Result<String, String> {
    let length = duration::parse(text).map_err(|error| format!("{error}; {}", error.help))?;
    if length.is_zero() { Err("must be longer than nothing".to_owned()) } else { Ok(text.to_owned()) }
}

fn point(text: &str) -> Result<String, String> {
    let read = text.parse::<jiff::Timestamp>();
    read.map(|at| at.to_string()).map_err(|_| "an instant is written 2026-01-31T18:00:00Z".to_owned())
}

pub(super) fn run(args: &Args) -> Outcome {
    let client = args.peer.client()?;
    let mut body = json!({"reason": args.reason});
    let given = [("rule", &args.rule), ("target", &args.target), ("for", &args.length), ("until", &args.until)];
    for (name, value) in given {
        if let Some(value) = value {
            body[name] = json!(value);
        }
    }
    let made = converse(async { client.post("/api/v1/pause", &body).await })?;
    match args.output {
        Output::Json => print(&format!("{made:#}\n")),
        Output::Human => {
            print(&format!("{}\n", said(&made)))?;
            hint(&format!("to end it: fettle resume {}", field(&made, "id")));
            Ok(())
        }
    }
}

fn said(made: &Value) -> String {
    let until = if made["until"].is_null() {
        "until somebody resumes".to_owned()
    } else {
        format!("until {}", instant(made, "until"))
    };
    format!("paused {} {until}", about(made))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_paused_is_said_with_its_end() {
        let said = [
            said(&json!({"scope": "all", "until": null})),
            said(&json!({"scope": "rule", "rule": "web", "until": "2026-01-31T12:00:00Z"})),
            said(&json!({"scope": "target", "target": "container:local/web", "until": null})),
        ];
        insta::assert_snapshot!(said.join("\n"), @r"
        paused everything until somebody resumes
        paused rule web until 2026-01-31 12:00:00Z
        paused container:local/web until somebody resumes
        ");
    }
}
