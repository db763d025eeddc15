//! Reach for people: per rule what it could touch, what refuses the rest; and in which ways rules reach wider.

use serde_json::Value;

use super::table::{field, table};

fn list<'a>(of: &'a Value, name: &str) -> &'a [Value] {
    of.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// What every rule could touch; `may`: nothing that is refused.
pub(super) fn reach(of: &Value, may: bool) -> String {
    let mut rows = Vec::new();
    let mut told = String::new();
    for rule in list(of, "rules") {
        let touches = list(rule, "touches");
        rows.extend(touches.iter().filter(|touch| !may || touch["may"] == true).map(|touch| row(rule, touch)));
        told += &summary(rule, touches);
    }
    let mut parts = Vec::new();
    if !rows.is_empty() {
        parts.push(table(&["RULE", "TARGET", "STEP", "ACTION", "NOW", "APPROVAL OR WHY NOT"], &rows));
    }
    parts.push(told);
    let unseen = unseen(&of["inventory"]);
    if !unseen.is_empty() {
        parts.push(unseen);
    }
    parts.join("\n")
}

fn row(rule: &Value, touch: &Value) -> Vec<String> {
    let (now, why) = if touch["may"] == true {
        let mode = field(rule, "mode");
        (format!("may {mode}"), format!("approval {}", field(touch, "approval")))
    } else {
        (field(touch, "guard"), field(touch, "why"))
    };
    vec![field(rule, "rule"), field(touch, "target"), field(touch, "step"), field(touch, "action"), now, why]
}

/// One line per rule: what it is limited to, and what of that is there.
fn summary(rule: &Value, touches: &[Value]) -> String {
    let allow: Vec<&str> = list(rule, "allow").iter().filter_map(Value::as_str).collect();
    let may = touches.iter().filter(|touch| touch["may"] == true).map(|touch| field(touch, "target"));
    let may = may.collect::<std::collections::BTreeSet<_>>().len();
    let there = touches.iter().map(|touch| field(touch, "target")).collect::<std::collections::BTreeSet<_>>().len();
    let others = match rule["not_allowed"].as_u64() {
        None | Some(0) => String::new(),
        Some(others) => format!("; {others} more are not allowed"),
    };
    let (name, target) = (field(rule, "rule"), field(rule, "target"));
    format!("{name}: {target} [{}]: {may} of {there} that are there may be touched{others}\n", allow.join(", "))
}

fn unseen(of: &Value) -> String {
    let host = |it: &Value| {
        (!it["error"].is_null()).then(|| format!("not asked: {}: {}\n", field(it, "host"), field(it, "error")))
    };
    let thing = |it: &Value| format!("not seen: {}: {}\n", field(it, "target"), field(it, "error"));
    let hosts = list(of, "hosts").iter().filter_map(host);
    hosts.chain(list(of, "unseen").iter().map(thing)).collect()
}

/// In which ways rules reach wider.
pub(super) fn wider(of: &Value) -> String {
    let row = |it: &Value| vec![field(it, "rule"), field(it, "what"), field(it, "how"), field(it, "source")];
    let rows: Vec<Vec<String>> = list(of, "wider").iter().map(row).collect();
    let text = if rows.is_empty() {
        "the rules reach no wider than before\n".to_owned()
    } else {
        table(&["RULE", "WIDER", "HOW", "WHERE"], &rows)
    };
    text + &unseen(of)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn some() -> Value {
        json!({"inventory": {"hosts": [{"host": "a", "error": null}, {"host": "b", "error": "docker unreachable"}],
                "unseen": [{"target": "container:a/slow", "error": "not looked at within 12 s"}]},
            "rules": [{"rule": "web", "mode": "act", "target": "container:a/$labels.service", "allow": ["web", "api-*"],
                "not_allowed": 4, "touches": [
                    {"target": "container:a/web", "step": 1, "action": "restart", "may": true, "approval": "never"},
                    {"target": "container:a/api-1", "step": 1, "action": "restart", "may": false, "guard": "not_enabled",
                        "why": "api-1 has no label fettle.enable=true", "approval": "never"}]},
                {"rule": "gone", "mode": "act", "target": "container:a/gone", "allow": ["gone"], "not_allowed": 0,
                    "touches": []}]})
    }

    #[test]
    fn reach_lists_what_may_be_touched_and_what_refuses_the_rest() {
        let text = reach(&some(), false);
        for line in [
            "RULE  TARGET             STEP  ACTION   NOW          APPROVAL OR WHY NOT",
            "web   container:a/web    1     restart  may act      approval never",
            "web   container:a/api-1  1     restart  not_enabled  api-1 has no label fettle.enable=true",
            "web: container:a/$labels.service [web, api-*]: 1 of 2 that are there may be touched; 4 more are not allowed",
            "gone: container:a/gone [gone]: 0 of 0 that are there may be touched",
            "not asked: b: docker unreachable",
            "not seen: container:a/slow: not looked at within 12 s",
        ] {
            assert!(text.lines().any(|it| it == line), "{line:?} is not a line of\n{text}");
        }
    }

    #[test]
    fn only_what_may_be_touched_is_listed_where_that_is_asked() {
        let text = reach(&some(), true);
        assert!(text.contains("container:a/web ") && !text.contains("api-1 "), "{text}");
    }

    #[test]
    fn what_widened_is_a_table_and_nothing_is_a_sentence() {
        let of = json!({"hosts": [], "unseen": [], "wider": [
            {"rule": "web", "source": "b.yaml:3", "what": "budget", "how": "[9 per 1h] instead of [2 per 1h]"}]});
        let rows = "RULE  WIDER   HOW                               WHERE\nweb   budget  [9 per 1h] instead of [2 per 1h]  b.yaml:3\n";
        assert_eq!(wider(&of), rows);
        assert_eq!(wider(&json!({"wider": []})), "the rules reach no wider than before\n");
    }
}
