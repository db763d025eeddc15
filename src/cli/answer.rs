//! `fettle approve`, `reject` and `cancel`: what a person answers to a remediation.
//!
//! Always holds: nothing is approved that was not named or seen. With `--plan` exactly that plan is meant; without it the plan
//! is shown on a terminal and asked about, and where nobody can be asked nothing is sent.

use fettle_core::id::RemediationId;
use std::io::{BufRead, IsTerminal, Write};

use anyhow::anyhow;
use serde_json::{Value, json};

use super::client::{Client, Peer, converse};
use super::table::field;
use super::{Failure, Outcome, Output, hint, print, proposal};

/// Agree to what a remediation proposes.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Without --plan the plan is shown and asked about, on a terminal only. A plan that changed, was answered already or waited too
long is refused: nothing else is ever done in its place.

Examples:
  fettle approve 0197d1f0-5c1e-7c3a-9a52-3d1f6f0c8b11
  fettle approve 0197d1f0-5c1e-7c3a-9a52-3d1f6f0c8b11 --plan 9f2c6a1b0d3e4f5061728394a5b6c7d8")]
pub(super) struct Approve {
    /// The remediation's id, as `fettle remediations --state awaiting_approval` shows it
    id: RemediationId,
    /// The hash of the plan, as `fettle show` prints it
    #[arg(long, value_name = "HASH")]
    plan: Option<String>,
    #[command(flatten)]
    peer: Peer,
    /// For whom to print
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Refuse what a remediation proposes.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The remediation ends as `rejected`, and nothing is done about this episode of the alert.

Examples:
  fettle reject 0197d1f0-5c1e-7c3a-9a52-3d1f6f0c8b11
  fettle reject 0197d1f0-5c1e-7c3a-9a52-3d1f6f0c8b11 --plan 9f2c6a1b0d3e4f5061728394a5b6c7d8")]
pub(super) struct Reject {
    /// The remediation's id, as `fettle remediations --state awaiting_approval` shows it
    id: RemediationId,
    /// Only if it is still this plan that is proposed
    #[arg(long, value_name = "HASH")]
    plan: Option<String>,
    #[command(flatten)]
    peer: Peer,
    /// For whom to print
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Stop a remediation, whatever it waits for.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
An effect that is under way is not taken back; nothing follows it.

Examples:
  fettle cancel 0197d1f0-5c1e-7c3a-9a52-3d1f6f0c8b11
  fettle cancel 0197d1f0-5c1e-7c3a-9a52-3d1f6f0c8b11 --reason \"moved by hand\"")]
pub(super) struct Cancel {
    /// The remediation's id, as `fettle remediations --state open` shows it
    id: RemediationId,
    /// Why, for its story
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    peer: Peer,
    /// For whom to print
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(super) fn approve(args: &Approve) -> Outcome {
    let client = args.peer.client()?;
    let plan = match &args.plan {
        Some(plan) => plan.clone(),
        None => asked(&client, args.id)?,
    };
    let answer = post(&client, args.id, "approve", &json!({"plan": plan}))?;
    done(args.output, &answer, &format!("approved; see what comes of it: fettle show {}", args.id))
}

pub(super) fn reject(args: &Reject) -> Outcome {
    let client = args.peer.client()?;
    let body = args.plan.as_ref().map_or_else(|| json!({}), |plan| json!({"plan": plan}));
    let answer = post(&client, args.id, "reject", &body)?;
    done(args.output, &answer, "rejected; nothing will be done")
}

pub(super) fn cancel(args: &Cancel) -> Outcome {
    let client = args.peer.client()?;
    let body = args.reason.as_ref().map_or_else(|| json!({}), |reason| json!({"reason": reason}));
    let answer = post(&client, args.id, "cancel", &body)?;
    done(args.output, &answer, &format!("cancelled; its story: fettle show {}", args.id))
}

fn post(client: &Client, id: RemediationId, what: &str, body: &Value) -> Result<Value, Failure> {
    let path = format!("/api/v1/remediations/{id}/{what}");
    converse(async { client.post(&path, body).await })
}

fn done(output: Output, answer: &Value, said: &str) -> Outcome {
    match output {
        Output::Json => print(&format!("{answer:#}\n")),
        Output::Human => print(&format!("{said}\n")),
    }
}

/// The plan that a person at a terminal agreed to after seeing it.
fn asked(client: &Client, id: RemediationId) -> Result<String, Failure> {
    let path = format!("/api/v1/remediations/{id}");
    let found = converse(async { client.get(&path, &[]).await })?;
    let Some((plan, shown)) = proposal::plan(&found).zip(proposal::shown(&found)) else {
        let stands = if found["outcome"].is_null() { field(&found, "state") } else { closed(&found) };
        return Err(Failure::Problems(anyhow!("remediation {id} asks nobody: it is {stands}")));
    };
    hint(&shown);
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        let command = format!("fettle approve {id} --plan {plan}");
        return Err(Failure::Usage(anyhow!("nobody can be asked here; to approve the plan above: {command}")));
    }
    hint(&format!("evidence: fettle show {id}"));
    if agrees("approve this plan? [y/N] ", &mut std::io::stdin().lock()) {
        Ok(plan.to_owned())
    } else {
        Err(Failure::Problems(anyhow!("not approved; it waits until its time is over")))
    }
}

fn closed(of: &Value) -> String {
    format!("closed {}", field(of, "outcome"))
}

/// Whether the person who is asked says yes. Nothing, or anything else, is no.
fn agrees(question: &str, from: &mut impl BufRead) -> bool {
    // A question that cannot be asked is not agreed to: then reading fails as well.
    let _ = std::io::stderr().write_all(question.as_bytes()).and_then(|()| std::io::stderr().flush());
    let mut line = String::new();
    from.read_line(&mut line).is_ok() && matches!(line.trim().to_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_is_yes() {
        for (line, yes) in [
            ("y\n", true),
            ("YES\n", true),
            (" y \n", true),
            ("\n", false),
            ("", false),
            ("n\n", false),
            ("yy\n", false),
        ] {
            assert_eq!(agrees("", &mut line.as_bytes()), yes, "{line:?}");
        }
        assert!(!agrees("", &mut &b"\xff\n"[..]), "what is no text");
    }
}
