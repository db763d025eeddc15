//! `fettle resume`: end pauses.
//!
//! Always holds: what is ended was named, or was the only one there is.

use anyhow::anyhow;
use fettle_core::id::PauseId;
use serde_json::{Value, json};

use super::client::{Peer, converse};
use super::pauses::{about, listed, standing};
use super::table::field;
use super::{Failure, Outcome, Output, hint, print};

// Without a doc comment: it would take the place of the command's own.
#[derive(Debug, clap::Args)]
#[group(id = "which", multiple = false)]
pub(super) struct Which {
    /// The pause's id, as `fettle pauses` shows it
    id: Option<PauseId>,
    /// Every pause that stands
    #[arg(long)]
    all: bool,
    /// Those of this target
    #[arg(long, value_parser = super::pause::target)]
    target: Option<String>,
    /// Those of this rule
    #[arg(long)]
    rule: Option<String>,
}

/// End pauses.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Without anything named the only pause that stands is ended; of several one must be named.

Examples:
  fettle resume
  fettle resume 0197d1f0-5c1e-7c3a-9a52-3d1f6f0c8b11
  fettle resume --rule web-restart
  fettle resume --all")]
pub(super) struct Args {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    peer: Peer,
    /// For whom to print
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(super) fn run(args: &Args) -> Outcome {
    let client = args.peer.client()?;
    let chosen = match args.which.id {
        Some(id) => vec![json!({"id": id})],
        None => args.which.of(standing(&client)?)?,
    };
    for pause in &chosen {
        let path = format!("/api/v1/pause/{}", field(pause, "id"));
        converse(async { client.delete(&path).await })?;
        if args.output == Output::Human {
            let what = if pause["scope"].is_null() { field(pause, "id") } else { about(pause) };
            print(&format!("resumed {what}\n"))?;
        }
    }
    match args.output {
        Output::Json => print(&format!("{:#}\n", Value::Array(chosen))),
        Output::Human if chosen.is_empty() => {
            hint("nothing was paused");
            Ok(())
        }
        Output::Human => Ok(()),
    }
}

impl Which {
    /// Those of `standing` that are meant.
    fn of(&self, standing: Vec<Value>) -> Result<Vec<Value>, Failure> {
        let named = match (&self.rule, &self.target) {
            (Some(rule), _) => Some(("rule", rule)),
            (_, Some(target)) => Some(("target", target)),
            _ => None,
        };
        match (named, standing.len()) {
            (Some((kind, name)), _) => {
                let of_it = |pause: &Value| pause[kind].as_str() == Some(name);
                let chosen: Vec<Value> = standing.into_iter().filter(of_it).collect();
                if chosen.is_empty() {
                    return Err(Failure::Problems(anyhow!("no pause of {kind} {name} stands; see fettle pauses")));
                }
                Ok(chosen)
            }
            (None, 2..) if !self.all => {
                hint(&listed(&standing));
                Err(Failure::Usage(anyhow!(
                    "several pauses stand; name one by its id, --rule or --target, or say --all"
                )))
            }
            (None, _) => Ok(standing),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(which: &Which, standing: &[Value]) -> Result<Vec<String>, i32> {
        match which.of(standing.to_vec()) {
            Ok(chosen) => Ok(chosen.iter().map(|it| field(it, "id")).collect()),
            Err(Failure::Problems(_)) => Err(1),
            Err(Failure::Usage(_)) => Err(2),
            Err(Failure::Fault(_)) => Err(70),
            Err(Failure::Said(code)) => Err(i32::from(code)),
        }
    }

    #[test]
    fn only_what_is_named_or_the_only_one_is_ended() {
        let pauses = [
            json!({"id": "a", "scope": "all", "rule": null, "target": null}),
            json!({"id": "b", "scope": "rule", "rule": "web", "target": null}),
            json!({"id": "c", "scope": "target", "rule": null, "target": "container:local/web"}),
            json!({"id": "d", "scope": "rule", "rule": "web", "target": null}),
        ];
        let which = |all, target: Option<&str>, rule: Option<&str>| Which {
            id: None,
            all,
            target: target.map(str::to_owned),
            rule: rule.map(str::to_owned),
        };
        let ids = |ids: &[&str]| Ok(ids.iter().map(|&id| id.to_owned()).collect::<Vec<_>>());
        assert_eq!(chosen(&which(false, None, None), &[]), ids(&[]));
        assert_eq!(chosen(&which(false, None, None), &pauses[1..2]), ids(&["b"]));
        assert_eq!(chosen(&which(false, None, None), &pauses), Err(2));
        assert_eq!(chosen(&which(true, None, None), &pauses), ids(&["a", "b", "c", "d"]));
        assert_eq!(chosen(&which(false, None, Some("web")), &pauses), ids(&["b", "d"]));
        assert_eq!(chosen(&which(false, Some("container:local/web"), None), &pauses), ids(&["c"]));
        assert_eq!(chosen(&which(false, None, Some("db")), &pauses), Err(1));
    }
}
