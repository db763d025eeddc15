//! `fettle explain`: what would be done about an alert, or is about to be done by a remediation, and why not.
//!
//! By default this machine's settings and rules are read, and the database, Docker and Alertmanager that they name are asked,
//! read only, as far as they answer. With `--url` a running fettle is asked instead.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, anyhow};
use serde_json::{Value, json};

use super::client::{Peer, converse};
use super::local::Local;
use super::{Failure, Outcome, Output, explained, print, send};
use fettle_core::alert::labels::Labels;
use fettle_core::alert::webhook::Webhook;
use fettle_core::id::RemediationId;
use fettle_predict::explain::{UNKNOWN_START, explain_alerts, explain_remediation};

/// Tell what would be done about an alert, or by a remediation, and why not.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Settings and rules are read on this machine; the database, Docker and Alertmanager that they name are asked as far as they
answer. Nothing is done and nothing is stored. With --url (or FETTLE_URL) a running fettle is asked instead.

Examples:
  fettle explain alertname=ArcanumNeedsRestart service=arcanum
  fettle explain --offline --rules rules/ alertname=ServiceDown service=web env=prod
  fettle explain notification.json
  curl -s http://alertmanager:9093/… | fettle explain -
  fettle explain 0197d1f0-5c1e-7c3a-9a52-3d1f6f0c8b11 --url http://fettle:9876 --token-file analyst.token")]
pub(super) struct Args {
    /// Labels of an alert, as name=value; or a file with a notification (`-` for stdin); or a remediation's id
    #[arg(required = true, value_name = "NAME=VALUE|FILE|ID")]
    what: Vec<String>,
    #[command(flatten)]
    local: Local,
    #[command(flatten)]
    peer: Peer,
    /// For whom to print
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// What is asked about.
enum Question {
    Notification(Value),
    Remediation(RemediationId),
}

pub(super) fn run(args: &Args) -> Outcome {
    let question = question(&args.what)?;
    let remote = args.peer.url.is_some() && !args.local.is_meant();
    let answer = if remote { ask(args, &question)? } else { think(args, question)? };
    match args.output {
        Output::Json => print(&format!("{answer:#}\n")),
        Output::Human if answer.get("alerts").is_some_and(Value::is_array) => print(&explained::explanation(&answer)),
        Output::Human => print(&explained::now(&answer)),
    }
}

fn question(what: &[String]) -> Result<Question, Failure> {
    match what {
        [one] if one.parse::<RemediationId>().is_ok() => Ok(Question::Remediation(one.parse().unwrap_or_default())),
        [file] if !file.contains('=') => Ok(Question::Notification(read(file)?)),
        all => {
            let pairs: Vec<(String, String)> = all
                .iter()
                .map(|text| send::label(text).map_err(|why| Failure::Usage(anyhow!("{text:?}: {why}"))))
                .collect::<Result<_, _>>()?;
            let labels: Labels = pairs.iter().cloned().collect();
            if labels.len() != pairs.len() {
                return Err(Failure::Usage(anyhow!("a label is given twice")));
            }
            // The alert as it is known: since when it fires is not asked.
            Ok(Question::Notification(send::notification(&labels, false, UNKNOWN_START)))
        }
    }
}

fn read(file: &str) -> anyhow::Result<Value> {
    let text = if file == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("read a notification from stdin")?;
        text
    } else {
        std::fs::read_to_string(Path::new(file)).with_context(|| format!("read {file}"))?
    };
    serde_json::from_str(&text).with_context(|| format!("{file} is not JSON"))
}

/// Asks a running fettle.
fn ask(args: &Args, question: &Question) -> Result<Value, Failure> {
    let client = args.peer.client()?;
    match question {
        Question::Notification(body) => converse(async { client.post("/api/v1/explain", body).await }),
        Question::Remediation(id) => {
            let path = format!("/api/v1/remediations/{id}");
            let story = converse(async { client.get(&path, &[]).await })?;
            let now = story.get("now").filter(|now| now.is_object()).cloned();
            now.ok_or_else(|| closed(*id).into())
        }
    }
}

/// Answers from what is on this machine.
fn think(args: &Args, question: Question) -> Result<Value, Failure> {
    let loaded = args.local.load()?;
    converse(async {
        let sources = loaded.sources(args.local.offline).await?;
        Ok(match question {
            Question::Notification(body) => {
                let webhook = Webhook::parse(body.to_string().as_bytes())
                    .map_err(|malformed| anyhow!("not a notification of version 4: {malformed}"))?;
                json!(explain_alerts(&sources, &webhook.alerts).await)
            }
            Question::Remediation(_) if sources.store.is_none() => {
                return Err(anyhow!("a remediation is known by the database, which is not asked; or give --url"));
            }
            Question::Remediation(id) => {
                json!(explain_remediation(&sources, id).await?.ok_or_else(|| closed(id))?)
            }
        })
    })
}

fn closed(id: RemediationId) -> anyhow::Error {
    anyhow!("no open remediation has the id {id}; its story, if there is one: fettle show {id}")
}
