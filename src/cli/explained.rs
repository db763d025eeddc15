//! An explanation for people: which rule takes the alert, what stands in the way, what comes next.

use std::fmt::Write as _;

use serde_json::Value;

use super::proposal::pairs;
use super::table::{clean, field, instant, table};

/// Rules that do not take an alert, as many as are listed; the JSON has all.
const RULES: usize = 20;

/// What would be done about alerts.
pub(super) fn explanation(of: &Value) -> String {
    let alerts = of["alerts"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut parts: Vec<String> = alerts.iter().map(alert).collect();
    if let Some(more) = of["alerts_left_out"].as_u64().filter(|more| *more > 0) {
        parts.push(format!("and {more} more alerts\n"));
    }
    if alerts.iter().flat_map(|alert| list(alert, "efforts")).any(lacks) {
        parts.push(asked(&of["asked"]));
    }
    parts.join("\n")
}

/// What an open remediation is about to do.
pub(super) fn now(of: &Value) -> String {
    let missing = if lacks(of) { format!("\n{}", asked(&of["asked"])) } else { String::new() };
    effort(of) + &missing
}

/// Whether a guard of it could not be asked.
fn lacks(effort: &Value) -> bool {
    list(effort, "guards").iter().any(|guard| guard["says"] == "not_asked")
}

/// What could not be asked.
fn asked(of: &Value) -> String {
    let said = |name: &str| {
        (of[name] != "asked" && of[name] != "not configured").then(|| format!("{name}: {}", field(of, name)))
    };
    let missing: Vec<String> = ["database", "docker", "alertmanager"].into_iter().filter_map(said).collect();
    if missing.is_empty() { String::new() } else { format!("not everything was asked: {}\n", missing.join("; ")) }
}

fn list<'a>(of: &'a Value, name: &str) -> &'a [Value] {
    of.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn alert(of: &Value) -> String {
    let labels = of["labels"].as_object().into_iter().flatten().filter(|(name, _)| *name != "alertname");
    let labels = labels.map(|(name, value)| clean(&format!("{name}={:?}", value.as_str().unwrap_or_default())));
    let name = field(&of["labels"], "alertname");
    let state = if of["firing"] == true { "fires" } else { "is resolved" };
    // Writing into a `String` does not fail.
    let mut text = format!("{name}{{{}}} {state}\n", labels.collect::<Vec<_>>().join(", "));
    if !of["note"].is_null() {
        let _ = writeln!(text, "  {}", field(of, "note"));
    }
    text += &rules(of);
    for it in list(of, "efforts") {
        text += "\n";
        text += &effort(it);
    }
    text
}

fn rules(of: &Value) -> String {
    let mut text = String::new();
    let all = list(of, "rules");
    for rule in all.iter().filter(|rule| rule["says"] == "yes") {
        let after = if rule["continue"] == true { ", and lets others have it too" } else { "" };
        let _ = writeln!(text, "  taken by {} ({}){after}", field(rule, "rule"), field(rule, "source"));
    }
    let others: Vec<&Value> =
        all.iter().filter(|rule| matches!(rule["says"].as_str(), Some("no" | "behind"))).collect();
    if text.is_empty() && of["firing"] == true && of["note"].is_null() {
        text += "  no rule takes it: nothing is done\n";
    }
    let left_out = of["rules_left_out"].as_u64().unwrap_or_default();
    let row = |rule: &&Value| {
        let why = if rule["says"] == "behind" {
            format!("matches, but {} comes first", field(rule, "behind"))
        } else {
            format!("{} says no: it is {:?}", field(rule, "matcher"), rule["saw"].as_str().unwrap_or_default())
        };
        vec![format!("  not by {}", field(rule, "rule")), clean(&why)]
    };
    let shown: Vec<Vec<String>> = others.iter().take(RULES).map(row).collect();
    text += &lines(&shown);
    let more = left_out + u64::try_from(others.len() - shown.len()).unwrap_or_default();
    if more > 0 {
        let _ = writeln!(text, "  and not by {more} more rules");
    }
    text
}

/// Rows in columns, without a heading.
fn lines(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map(Vec::len).unwrap_or_default();
    let text = table(&vec![""; columns], rows);
    text.split_once('\n').map(|(_, rest)| rest.to_owned()).unwrap_or_default()
}

/// One effort: the plan, every guard, and what comes next.
pub(super) fn effort(of: &Value) -> String {
    let standing = match of["standing"].as_str() {
        Some("new") => "a remediation is opened".to_owned(),
        Some("attached") => {
            format!("belongs to remediation {}, which is {}", field(of, "remediation"), field(of, "state"))
        }
        Some("waiting") => format!("waits for remediation {}", field(of, "remediation")),
        Some("spent") => {
            let state = of["state"].as_str().map(|state| format!(", which is {state}")).unwrap_or_default();
            format!("was decided by remediation {}{state}", field(of, "remediation"))
        }
        _ => "is refused as soon as it is taken in".to_owned(),
    };
    let mut text = format!("{} by rule {}: {standing}\n", field(of, "target"), field(of, "rule"));
    text += &plan(of);
    let guards: Vec<Vec<String>> = list(of, "guards").iter().map(guard).collect();
    if !guards.is_empty() {
        text += "  guards, in the order in which they are asked\n";
        text += &lines(&guards);
    }
    if !of["stopped_by"].is_null() {
        let _ = writeln!(text, "  stopped by {}", field(of, "stopped_by"));
    }
    let next: Vec<Vec<String>> = list(of, "next").iter().map(next).collect();
    if !next.is_empty() {
        text += "  next\n";
        text += &lines(&next);
    }
    text
}

fn plan(of: &Value) -> String {
    let mut text = String::new();
    let plan = &of["plan"];
    if plan.is_object() {
        let (step, steps, action) = (field(plan, "step"), field(plan, "steps"), field(plan, "action"));
        let seen = if plan["seen"].is_null() { String::new() } else { format!("; it is {}", field(plan, "seen")) };
        let _ = writeln!(text, "  step {step} of {steps}: {action}{seen}");
        for (name, member) in [("parameters", "parameters"), ("exactly", "effect")] {
            text += &pairs(name, 10, &plan[member]).map(|line| line + "\n").unwrap_or_default();
        }
        if !plan["approval"].is_null() {
            let _ = writeln!(text, "  a person must agree: {}", field(plan, "approval"));
        }
    }
    if !of["mode"].is_null() {
        let ceiling = |it: &Value| format!("{} {}", field(it, "by"), field(it, "mode"));
        let set_by: Vec<String> = list(of, "ceilings").iter().map(ceiling).collect();
        let set_by = if set_by.is_empty() { String::new() } else { format!(", the lowest of {}", set_by.join(", ")) };
        let _ = writeln!(text, "  mode {}{set_by}", field(of, "mode"));
    }
    text
}

fn guard(of: &Value) -> Vec<String> {
    let until = if of["until"].is_null() { String::new() } else { format!("; again at {}", instant(of, "until")) };
    let says = field(of, "says").replace('_', " ");
    vec![format!("    {}", field(of, "guard")), says, field(of, "why") + &until]
}

fn next(of: &Value) -> Vec<String> {
    let at = if of["at"].is_null() { String::new() } else { instant(of, "at") };
    vec![format!("    {at}"), field(of, "what")]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn effort_of_web() -> Value {
        json!({"rule": "web", "target": "container:local/web", "standing": "new", "remediation": null, "state": null,
            "mode": "propose", "ceilings": [{"by": "service", "mode": "act"}, {"by": "rule", "mode": "act"},
                {"by": "storm", "mode": "propose"}],
            "plan": {"step": 1, "steps": 2, "action": "restart", "parameters": {"grace": "20s"}, "effect": {},
                "seen": "running but unhealthy", "approval": "there is a storm"},
            "guards": [
                {"guard": "paused", "says": "passes", "why": "nothing is paused", "numbers": {"pauses": 0}},
                {"guard": "storm", "says": "lowers", "why": "7 targets were opened within 120 s", "numbers": {}},
                {"guard": "budget", "says": "waits", "why": "3 of 3 in 3600 s are used, this rule on this target",
                    "until": "2026-01-31T14:07:00.000001Z", "numbers": {"used": 3, "max": 3}},
                {"guard": "approval", "says": "not_asked", "why": "the target\u{1b}[2J was not looked at", "numbers": {}},
            ],
            "stopped_by": "budget",
            "next": [{"at": "2026-01-31T12:00:30Z", "what": "the hold ends"}, {"at": null, "what": "not fixed: step 2"}]})
    }

    #[test]
    fn an_explanation_reads_from_the_alert_to_what_comes_next() {
        let of = json!({"at": "2026-01-31T12:00:00Z",
            "asked": {"database": "asked", "docker": "docker unreachable at unix:///x: no such file",
                "alertmanager": "not configured"},
            "alerts": [{"labels": {"alertname": "Down", "service": "web\nx"}, "firing": true, "rules_left_out": 7,
                "rules": [
                    {"rule": "other", "source": "a.yaml:3", "says": "no", "matcher": "alertname=\"Other\"", "saw": "Down",
                        "continue": false},
                    {"rule": "web", "source": "b.yaml:3", "says": "yes", "continue": false},
                    {"rule": "late", "source": "c.yaml:3", "says": "behind", "behind": "web", "continue": false}],
                "efforts": [effort_of_web()]}],
            "alerts_left_out": 2});
        let text = explanation(&of);
        for line in [
            "Down{service=\"web\\nx\"} fires",
            "  taken by web (b.yaml:3)",
            "  not by other  alertname=\"Other\" says no: it is \"Down\"",
            "  not by late   matches, but web comes first",
            "  and not by 7 more rules",
            "container:local/web by rule web: a remediation is opened",
            "  step 1 of 2: restart; it is running but unhealthy",
            "  parameters  grace 20s",
            "  a person must agree: there is a storm",
            "  mode propose, the lowest of service act, rule act, storm propose",
            "    paused    passes     nothing is paused",
            "    storm     lowers     7 targets were opened within 120 s",
            "    budget    waits      3 of 3 in 3600 s are used, this rule on this target; again at 2026-01-31 14:07:00Z",
            "    approval  not asked  the target\\u{1b}[2J was not looked at",
            "  stopped by budget",
            "    2026-01-31 12:00:30Z  the hold ends",
            "                          not fixed: step 2",
            "and 2 more alerts",
            "not everything was asked: docker: docker unreachable at unix:///x: no such file",
        ] {
            assert!(text.lines().any(|it| it == line), "{line:?} is not a line of\n{text}");
        }
    }

    #[test]
    fn an_alert_that_no_rule_takes_says_so() {
        let of = json!({"asked": {"database": "asked", "docker": "asked", "alertmanager": "asked"}, "alerts": [
            {"labels": {"alertname": "Down"}, "firing": true, "rules": [], "rules_left_out": 0, "efforts": []},
            {"labels": {"alertname": "Down"}, "firing": false, "note": "it is resolved", "rules": [], "efforts": []}]});
        let text = explanation(&of);
        assert_eq!(text, "Down{} fires\n  no rule takes it: nothing is done\n\nDown{} is resolved\n  it is resolved\n");
    }
}
