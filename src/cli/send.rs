//! `fettle send`: a test notification, shaped as Alertmanager would send it.

use serde_json::{Value, json};

use super::client::{Peer, converse};
use super::{Failure, Outcome, Output, hint, print};
use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::alert::labels::Labels;

/// Post a well-formed test notification to a running fettle.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A rule that matches really acts, within its limits, unless the mode is `observe`.

Examples:
  fettle send alertname=ArcanumNeedsRestart service=arcanum
  fettle send alertname=ArcanumNeedsRestart service=arcanum --resolved
  fettle send alertname=Down service=web --url http://fettle:9876 --token-file sender.token")]
pub(super) struct Args {
    /// Labels of the alert, as name=value
    #[arg(required = true, value_name = "NAME=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
    /// Say that the alert is over
    #[arg(long)]
    resolved: bool,
    #[command(flatten)]
    peer: Peer,
    /// For whom to print
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Reads one label, as `name=value`.
pub(super) fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("a label is written name=value, such as service=web".to_owned()),
    }
}

pub(super) fn run(args: &Args) -> Outcome {
    let labels: Labels = args.labels.iter().cloned().collect();
    if labels.len() != args.labels.len() {
        return Err(Failure::Usage(anyhow::anyhow!("a label is given twice")));
    }
    if labels.find("alertname").is_none() {
        hint("note: there is no alertname; most rules match on it");
    }
    let client = args.peer.client()?;
    let body = notification(&labels, args.resolved, jiff::Timestamp::now());
    let answer = converse(async { client.post("/webhook", &body).await })?;
    match args.output {
        Output::Json => print(&format!("{answer}\n")),
        Output::Human => {
            print(&format!("stored as {}\n", super::table::field(&answer, "id")))?;
            hint("see what comes of it: fettle remediations, then fettle show ID");
            Ok(())
        }
    }
}

/// One alert in a group of its own, version 4.
pub(super) fn notification(labels: &Labels, resolved: bool, now: jiff::Timestamp) -> Value {
    let status = if resolved { "resolved" } else { "firing" };
    let group: Labels = labels.iter().filter(|(name, _)| *name == "alertname").collect();
    // Go's quoting and Rust's agree on what may stand in an alert's name in practice; the key is opaque to fettle.
    let key: Vec<String> = group.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    let ends_at = if resolved { json!(now) } else { json!("0001-01-01T00:00:00Z") };
    json!({
        "receiver": "fettle",
        "status": status,
        "alerts": [{
            "status": status,
            "labels": labels,
            "annotations": {},
            "startsAt": now,
            "endsAt": ends_at,
            "generatorURL": "",
            "fingerprint": Fingerprint::of(labels),
        }],
        "groupLabels": group,
        "commonLabels": labels,
        "commonAnnotations": {},
        "externalURL": "",
        "version": "4",
        "groupKey": format!("{{}}:{{{}}}", key.join(", ")),
        "truncatedAlerts": 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use fettle_core::alert::webhook::Webhook;

    fn now() -> jiff::Timestamp {
        "2026-01-31T12:00:00Z".parse().expect("an instant")
    }

    #[test]
    fn what_is_sent_reads_as_alertmanagers_own() {
        let labels = Labels::from_iter([("alertname", "Disk \"full\""), ("service", "web")]);
        for resolved in [false, true] {
            let body = notification(&labels, resolved, now()).to_string();
            let webhook = Webhook::parse(body.as_bytes()).expect("well-formed");
            let alert = webhook.alerts.first().expect("one alert");
            assert_eq!((&alert.labels, alert.firing), (&labels, !resolved));
            assert_eq!(alert.ends_at, resolved.then(now));
            assert_eq!(webhook.group_key, r#"{}:{alertname="Disk \"full\""}"#);
        }
    }

    #[test]
    fn labels_are_split_at_the_first_equals_sign() {
        assert_eq!(label("query=a=b"), Ok(("query".into(), "a=b".into())));
        assert_eq!(label("empty="), Ok(("empty".into(), String::new())));
        assert!(label("=x").is_err() && label("x").is_err());
    }
}
