//! `fettle show ID`: one remediation's story: what it was about, what happened, what was done, whether it helped.

use fettle_core::id::RemediationId;
use serde_json::Value;

use super::client::{Peer, converse};
use super::colour::Colour;
use super::table::{Column, clean, field, instant, laid_out, length};
use super::view::{View, style};
use super::watch::{self, Watch};
use super::{Outcome, Output, explained, print, proposal};

/// Tell one remediation's story.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fettle show 0197d1f0-5c1e-7c3a-9a52-3d1f6f0c8b11
  fettle show 0197d1f0-5c1e-7c3a-9a52-3d1f6f0c8b11 --watch
  fettle show 0197d1f0-5c1e-7c3a-9a52-3d1f6f0c8b11 --output json")]
pub(super) struct Args {
    /// The remediation's id, as `fettle remediations` shows it
    id: RemediationId,
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
    let path = format!("/api/v1/remediations/{}", args.id);
    let fetch = || converse(async { client.get(&path, &[]).await });
    if args.watch.on {
        return watch::one(args.output, args.colour, fetch, story, |found| found["state"] == "closed");
    }
    let found = fetch()?;
    match args.output {
        Output::Json => print(&format!("{found:#}\n")),
        Output::Human => print(&story(&found, View::of_stdout(args.colour))),
    }
}

fn rows<'a>(of: &'a Value, name: &str) -> &'a [Value] {
    of.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn story(of: &Value, view: View) -> String {
    let mut parts = vec![head(of, view)];
    if let Some((plan, shown)) = proposal::plan(of).zip(proposal::shown(of)) {
        let id = field(of, "id");
        let plan = clean(plan);
        parts.push(format!("proposes: {shown}  to agree    fettle approve {id} --plan {plan}\n"));
    }
    let timeline: Vec<_> = rows(of, "timeline").iter().map(moment).collect();
    if !timeline.is_empty() {
        let columns = [Column::whole("AT"), Column::coloured("STATE"), Column::whole("WHAT")];
        parts.push(laid_out(&columns, &timeline, view));
    }
    if of["now"].is_object() {
        parts.push(format!("now, as of {}\n{}", instant(&of["now"], "at"), explained::effort(&of["now"])));
    }
    parts.extend(rows(of, "action_rows").iter().map(|action| deed(action, rows(of, "verdicts"))));
    let alerts: Vec<_> = rows(of, "alerts").iter().map(|it| alert(it, view)).collect();
    if !alerts.is_empty() {
        let columns = ["ALERT", "STATUS", "HEARD", "LABELS"].map(Column::whole);
        parts.push(laid_out(&columns, &alerts, view));
    }
    parts.join("\n")
}

fn head(of: &Value, view: View) -> String {
    let state = match (of["state"].as_str(), of["outcome"].as_str()) {
        (Some("closed"), Some(outcome)) => format!("closed {}", clean(outcome)),
        (state, _) => clean(state.unwrap_or("-")),
    };
    let why = if of["reason"].is_null() { String::new() } else { format!(": {}", field(of, "reason")) };
    let severity = if of["severity"].is_null() { String::new() } else { format!(" ({})", field(of, "severity")) };
    let mut lines = vec![
        format!("remediation {}", field(of, "id")),
        format!("  target  {}", field(of, "target")),
        format!("  rule    {}", field(of, "rule")),
        format!("  alert   {}{severity}", field(of, "alertname")),
        format!(
            "  state   {}{why}",
            view.paint(style(of["outcome"].as_str().or(of["state"].as_str()).unwrap_or("")), &state)
        ),
        format!("  opened  {}", view.instant(of, "opened_at")),
    ];
    if of["closed_at"].is_null() {
        lines.push(format!("  next    {}", view.instant(of, "due_at")));
    } else {
        let took = between(of, "opened_at", "closed_at").map(|took| format!(", {} later", length(took)));
        lines.push(format!("  closed  {}{}", instant(of, "closed_at"), took.unwrap_or_default()));
    }
    lines.join("\n") + "\n"
}

fn between(of: &Value, from: &str, to: &str) -> Option<u64> {
    let at = |name: &str| of.get(name)?.as_str()?.parse::<jiff::Timestamp>().ok();
    u64::try_from(at(to)?.duration_since(at(from)?).as_millis()).ok()
}

fn moment(of: &Value) -> Vec<String> {
    let why = of["detail"].get("why").or_else(|| of["detail"].get("reason")).and_then(Value::as_str);
    let why = why.filter(|why| !why.is_empty()).map(|why| format!(": {}", clean(why))).unwrap_or_default();
    vec![instant(of, "at"), field(of, "state"), field(of, "what") + &why]
}

/// One audit row, with everything that was judged about it.
fn deed(of: &Value, verdicts: &[Value]) -> String {
    let result = if of["result"].is_null() { "under way".to_owned() } else { field(of, "result") };
    let took = of["duration_ms"].as_u64().map(|took| format!(" in {}", length(took))).unwrap_or_default();
    let why = if of["reason"].is_null() { String::new() } else { format!(" ({})", field(of, "reason")) };
    let mut lines = vec![format!("{} of {}: {result}{took}{why}", field(of, "action"), field(of, "target"))];
    lines.push(format!(
        "  planned  {}, mode {}, by {}",
        instant(of, "planned_at"),
        field(of, "mode"),
        field(of, "actor")
    ));
    lines.extend(proposal::pairs("exactly", 7, &of["detail"]["effect"]));
    if !of["error"].is_null() {
        lines.push(format!("  error    {}", field(of, "error")));
    }
    if let Some(why) = of["detail"].get("why").or_else(|| of["detail"].get("message")).and_then(Value::as_str) {
        lines.push(format!("  why      {}", clean(why)));
    }
    for verdict in verdicts.iter().filter(|verdict| verdict["action_id"] == of["id"]) {
        let (word, reason) = (field(verdict, "verdict"), field(verdict, "reason"));
        lines.push(format!("  verdict  {word} at {}: {reason}", instant(verdict, "at")));
    }
    lines.join("\n") + "\n"
}

fn alert(of: &Value, view: View) -> Vec<String> {
    let labels = of["labels"].as_object().into_iter().flatten();
    let labels = labels.map(|(name, value)| clean(&format!("{name}={}", value.as_str().unwrap_or_default())));
    vec![field(of, "fingerprint"), field(of, "status"), view.when(of, "heard_at"), labels.collect::<Vec<_>>().join(" ")]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_story_reads_from_the_alert_to_the_verdict() {
        let of = json!({
            "id": "0197d1f0-5c1e-7c3a-9a52-3d1f6f0c8b11", "target": "container:local/arcanum", "rule": "arcanum",
            "state": "closed", "outcome": "fixed", "reason": "well for 30 s, alert resolved", "alertname": "Down",
            "severity": "critical", "opened_at": "2026-01-31T12:00:00.5Z", "closed_at": "2026-01-31T12:01:02.7Z",
            "due_at": null, "actions": 1,
            "timeline": [
                {"at": "2026-01-31T12:00:00.5Z", "state": "held", "what": "opened", "detail": {"episode": 1}},
                {"at": "2026-01-31T12:00:00.6Z", "state": "blocked", "what": "blocked by cooldown",
                    "detail": {"why": "12 s of 5 min are over"}},
                {"at": "2026-01-31T12:01:02.7Z", "state": "closed", "what": "closed fixed", "detail": {"reason": "well"}},
            ],
            "action_rows": [{"id": "a1", "action": "restart", "target": "container:local/arcanum", "result": "succeeded",
                "reason": null, "duration_ms": 1234, "planned_at": "2026-01-31T12:00:01Z", "mode": "act",
                "actor": "fettle", "error": null, "detail": {"reconciled": false}}],
            "verdicts": [{"action_id": "a1", "at": "2026-01-31T12:01:02Z", "verdict": "fixed", "reason": "well for 30 s"}],
            "alerts": [{"fingerprint": "212c6777125e8881", "status": "resolved", "heard_at": "2026-01-31T12:01:00Z",
                "labels": {"alertname": "Down", "service": "arc\nanum"}}],
        });
        insta::assert_snapshot!(story(&of, View::default()), @r"
        remediation 0197d1f0-5c1e-7c3a-9a52-3d1f6f0c8b11
          target  container:local/arcanum
          rule    arcanum
          alert   Down (critical)
          state   closed fixed: well for 30 s, alert resolved
          opened  2026-01-31 12:00:00Z
          closed  2026-01-31 12:01:02Z, 1 min 2 s later

        AT                    STATE    WHAT
        2026-01-31 12:00:00Z  held     opened
        2026-01-31 12:00:00Z  blocked  blocked by cooldown: 12 s of 5 min are over
        2026-01-31 12:01:02Z  closed   closed fixed: well

        restart of container:local/arcanum: succeeded in 1.2 s
          planned  2026-01-31 12:00:01Z, mode act, by fettle
          verdict  fixed at 2026-01-31 12:01:02Z: well for 30 s

        ALERT             STATUS    HEARD                 LABELS
        212c6777125e8881  resolved  2026-01-31 12:01:00Z  alertname=Down service=arc\u{a}anum
        ");
    }

    #[test]
    fn what_waits_for_a_person_says_how_to_agree_and_who_did() {
        let of = json!({"id": "0197d1f0-5c1e-7c3a-9a52-3d1f6f0c8b11", "state": "awaiting_approval",
            "reason": "mode is propose", "opened_at": "2026-01-31T12:00:00Z", "closed_at": null,
            "due_at": "2026-01-31T12:20:00Z", "alertname": "HighMemory", "target": "compose:local/shop/web", "rule": "web",
            "proposal": {"plan": "9f2c", "action": "restart", "parameters": {"grace": "10s"}, "effect": {},
                "why": "mode is propose", "asked_at": "2026-01-31T12:10:00Z", "until": "2026-01-31T12:20:00Z"},
            "timeline": [
                {"at": "2026-01-31T12:00:00Z", "state": "awaiting_approval", "what": "approval asked for",
                    "detail": {"plan": "77aa", "why": "the rule asks for it"}},
                {"at": "2026-01-31T12:00:05Z", "state": "awaiting_approval", "what": "approved by oncall",
                    "detail": {"plan": "77aa", "reason": null}},
            ],
            "action_rows": [{"id": "a1", "action": "scale_down", "target": "compose:local/shop/web", "result": "succeeded",
                "reason": null, "duration_ms": 1234, "planned_at": "2026-01-31T12:00:06Z", "mode": "act", "actor": "oncall",
                "error": null, "detail": {"effect": {"from": 4, "to": 3}}}]});
        insta::assert_snapshot!(story(&of, View::default()), @r"
        remediation 0197d1f0-5c1e-7c3a-9a52-3d1f6f0c8b11
          target  compose:local/shop/web
          rule    web
          alert   HighMemory
          state   awaiting_approval: mode is propose
          opened  2026-01-31 12:00:00Z
          next    2026-01-31 12:20:00Z

        proposes: restart of compose:local/shop/web
          because     HighMemory fires (rule web)
          parameters  grace 10s
          asks since  2026-01-31 12:10:00Z: mode is propose
          until       2026-01-31 12:20:00Z
          plan        9f2c
          to agree    fettle approve 0197d1f0-5c1e-7c3a-9a52-3d1f6f0c8b11 --plan 9f2c

        AT                    STATE              WHAT
        2026-01-31 12:00:00Z  awaiting_approval  approval asked for: the rule asks for it
        2026-01-31 12:00:05Z  awaiting_approval  approved by oncall

        scale_down of compose:local/shop/web: succeeded in 1.2 s
          planned  2026-01-31 12:00:06Z, mode act, by oncall
          exactly  from 4, to 3
        ");
    }

    #[test]
    fn an_open_remediation_says_when_it_is_looked_at_next() {
        let of = json!({"id": "x", "state": "blocked", "reason": "budget", "opened_at": "2026-01-31T12:00:00Z",
            "closed_at": null, "due_at": "2026-01-31T13:00:00Z", "alertname": "Down", "target": "container:local/?",
            "rule": "web"});
        insta::assert_snapshot!(story(&of, View::default()), @r"
        remediation x
          target  container:local/?
          rule    web
          alert   Down
          state   blocked: budget
          opened  2026-01-31 12:00:00Z
          next    2026-01-31 13:00:00Z
        ");
    }
}
