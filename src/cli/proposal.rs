//! What a remediation proposes, as a person must see it before agreeing.

use serde_json::Value;

use super::table::{clean, field, instant};

/// The proposal of a remediation, with everything around it that one must know to agree. `None`: it proposes nothing.
pub(super) fn shown(of: &Value) -> Option<String> {
    let it = of.get("proposal").filter(|it| it.is_object())?;
    let mut lines = vec![
        format!("{} of {}", field(it, "action"), field(of, "target")),
        format!("  because     {} fires (rule {})", field(of, "alertname"), field(of, "rule")),
    ];
    lines.extend(pairs("parameters", 10, &it["parameters"]));
    lines.extend(pairs("exactly", 10, &it["effect"]));
    lines.push(format!("  asks since  {}: {}", instant(it, "asked_at"), field(it, "why")));
    lines.push(format!("  until       {}", instant(it, "until")));
    lines.push(format!("  plan        {}", field(it, "plan")));
    Some(lines.join("\n") + "\n")
}

/// The members of an object on one line, after a name that takes `width`; none for an empty one.
pub(super) fn pairs(name: &str, width: usize, of: &Value) -> Option<String> {
    let members = of.as_object().filter(|members| !members.is_empty())?;
    let said = members
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| clean(&format!("{name} {}", word(value))));
    Some(format!("  {name:<width$}  {}", said.collect::<Vec<_>>().join(", ")))
}

/// Things that have a name by their names, text without quotes, the rest as JSON.
fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(all) if all.iter().all(|it| it["name"].is_string() || it.is_string()) => {
            let name = |it: &Value| it.get("name").unwrap_or(it).as_str().unwrap_or_default().to_owned();
            all.iter().map(name).collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}

/// The hash of the plan that is proposed.
pub(super) fn plan(of: &Value) -> Option<&str> {
    of.get("proposal")?.get("plan")?.as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_proposal_shows_what_would_be_done_to_what_why_and_until_when() {
        let of = json!({"id": "x", "target": "compose:local/shop/web", "rule": "web", "alertname": "HighMemory",
            "proposal": {"plan": "9f2c", "action": "scale_down", "parameters": {"by": 1, "floor": 2},
                "effect": {"from": 4, "to": 3, "replicas": [{"name": "shop-web-4\u{1b}[2J"}]}, "why": "the rule asks for it",
                "asked_at": "2026-01-31T12:00:00Z", "until": "2026-01-31T12:10:00Z"}});
        insta::assert_snapshot!(shown(&of).expect("a proposal"), @r"
        scale_down of compose:local/shop/web
          because     HighMemory fires (rule web)
          parameters  by 1, floor 2
          exactly     from 4, replicas shop-web-4\u{1b}[2J, to 3
          asks since  2026-01-31 12:00:00Z: the rule asks for it
          until       2026-01-31 12:10:00Z
          plan        9f2c
        ");
        assert_eq!(plan(&of), Some("9f2c"));
        assert_eq!((shown(&json!({"proposal": null})), plan(&json!({}))), (None, None));
    }
}
