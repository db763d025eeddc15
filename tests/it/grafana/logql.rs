//! `LogQL`: read by a small parser of the part that is used, as no Loki is to be had here.
//!
//! What it holds: brackets and quotes are balanced, stages and aggregations are known ones, durations read, regular
//! expressions compile, and no selector could match every stream, which Loki refuses.

use std::collections::BTreeMap;

use fettle_core::time::Timestamp;
use regex::Regex;

use super::expand::{Ask, expand};
use super::{LOGQL, listed_by, names, queries, root};

/// What the log shipper gives each stream, and what it gives single lines of fettle.
const LABELS: [&str; 4] = ["compose_project", "compose_service", "container", "level"];
const FIELDS: [&str; 5] = ["action", "reason", "remediation_id", "rule", "target"];

/// What is left to read.
struct Text<'a>(&'a str);

impl<'a> Text<'a> {
    fn token(&mut self, token: &str) -> bool {
        let rest = self.0.trim_start().strip_prefix(token);
        rest.inspect(|rest| self.0 = rest).is_some()
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        if self.token(token) { Ok(()) } else { Err(format!("{token} is expected before {:?}", self.0)) }
    }

    /// What the expression finds here.
    fn take(&mut self, what: &str, pattern: &str) -> Result<&'a str, String> {
        let text = self.0.trim_start();
        let found = Regex::new(&format!("^(?:{pattern})")).expect("an expression").find(text);
        let found = found.ok_or_else(|| format!("{what} is expected before {text:?}"))?;
        self.0 = &text[found.end()..];
        Ok(&text[..found.end()])
    }

    fn name(&mut self) -> Result<&'a str, String> {
        self.take("a name", "[a-zA-Z_][a-zA-Z0-9_]*")
    }

    /// A name that lines are known by.
    fn known(&mut self, names: &[&str]) -> Result<(), String> {
        let name = self.name()?;
        if names.contains(&name) { Ok(()) } else { Err(format!("{name} is none of {names:?}")) }
    }

    /// What stands between the quotes.
    fn string(&mut self) -> Result<String, String> {
        let quoted = self.take("a string", r#""(?:[^"\\]|\\.)*"|`[^`]*`"#)?;
        let inner = &quoted[1..quoted.len() - 1];
        Ok(if quoted.starts_with('`') { inner.to_owned() } else { inner.replace(r"\\", r"\") })
    }

    fn duration(&mut self) -> Result<(), String> {
        self.take("a duration", "[0-9]+(?:ms|s|m|h|d)").map(drop)
    }
}

/// A metric query or a log query, to its end.
fn read(text: &str) -> Result<(), String> {
    let mut text = Text(text);
    if text.0.starts_with('{') {
        pipeline(&mut text)?;
    } else {
        aggregation(&mut text)?;
    }
    if text.0.trim().is_empty() { Ok(()) } else { Err(format!("{:?} is left", text.0)) }
}

fn aggregation(text: &mut Text<'_>) -> Result<(), String> {
    match text.name()? {
        "sum" | "max" | "min" | "avg" | "count" => {
            if text.token("by") {
                text.expect("(")?;
                text.known(&LABELS)?;
                while text.token(",") {
                    text.known(&LABELS)?;
                }
                text.expect(")")?;
            }
            text.expect("(")?;
            aggregation(text)?;
        }
        "count_over_time" | "rate" | "bytes_rate" => {
            text.expect("(")?;
            pipeline(text)?;
            text.expect("[")?;
            text.duration()?;
            text.expect("]")?;
        }
        other => return Err(format!("{other} is no aggregation")),
    }
    text.expect(")")
}

fn pipeline(text: &mut Text<'_>) -> Result<(), String> {
    text.expect("{")?;
    let mut selects = false;
    loop {
        text.known(&LABELS)?;
        selects |= matcher(text)?;
        if !text.token(",") {
            break;
        }
    }
    text.expect("}")?;
    if !selects {
        return Err("a matcher that does not match an empty value is needed".into());
    }
    loop {
        if text.token("|=") || text.token("!=") {
            text.string()?;
        } else if text.token("|~") || text.token("!~") {
            compiles(&text.string()?)?;
        } else if text.token("|") {
            stage(text)?;
        } else {
            return Ok(());
        }
    }
}

/// The operator and the value; whether an empty value does not match.
fn matcher(text: &mut Text<'_>) -> Result<bool, String> {
    let operator = text.take("an operator", "=~|!~|!=|=")?;
    let value = text.string()?;
    let empty_matches = match operator {
        "=" => value.is_empty(),
        "!=" => !value.is_empty(),
        "=~" => compiles(&value)?.is_match(""),
        _ => !compiles(&value)?.is_match(""),
    };
    Ok(!empty_matches)
}

fn stage(text: &mut Text<'_>) -> Result<(), String> {
    match text.name()? {
        "json" | "logfmt" => {
            while !text.0.trim_start().starts_with(['|', '[', ')']) && !text.0.trim().is_empty() {
                text.name()?;
                text.expect("=")?;
                text.string()?;
                text.token(",");
            }
            Ok(())
        }
        "line_format" => text.string().map(drop),
        label if LABELS.contains(&label) || FIELDS.contains(&label) => matcher(text).map(drop),
        other => Err(format!("{other} is no stage, and no label of a line")),
    }
}

fn compiles(pattern: &str) -> Result<Regex, String> {
    Regex::new(&format!("^(?:{pattern})$")).map_err(|error| error.to_string())
}

#[test]
fn every_logql_reads() {
    let some: BTreeMap<_, _> = [
        ("container", vec!["fettle", "web-1.a"]),
        ("rule", vec!["it's (1)"]),
        ("target", vec!["container:node-a/web"]),
    ]
    .into();
    for query in queries(LOGQL) {
        for chosen in [BTreeMap::new(), some.clone()] {
            let ask = Ask { from: Timestamp::UNIX_EPOCH, to: Timestamp::UNIX_EPOCH, interval_seconds: 60, chosen };
            let expanded = expand(&query, &ask);
            read(&expanded).unwrap_or_else(|error| panic!("{}: {expanded}: {error}", query.place));
        }
    }
    for (variable, asks) in listed_by(LOGQL) {
        let label = asks.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
        assert!(label.is_some_and(|it| LABELS.contains(&it)), "{variable}: {asks}");
    }
}

#[test]
fn the_shipper_gives_exactly_these_labels_and_fields() {
    let text = std::fs::read_to_string(root().with_file_name("loki").join("config.alloy")).expect("readable");
    let of = |stage: &str| {
        let block = Regex::new(&format!(r"stage\.{stage} \{{\s*values = \{{([^}}]*)\}}")).expect("an expression");
        names(&block.captures(&text).expect(stage)[1], r"(\w+)\s*=")
    };
    let labels: Vec<String> = names(&text, r#"target_label\s*=\s*"(\w+)""#).union(&of("labels")).cloned().collect();
    assert_eq!(labels, LABELS);
    assert_eq!(of("structured_metadata").into_iter().collect::<Vec<_>>(), FIELDS);
}

#[test]
fn the_parser_refuses_what_loki_refuses() {
    for (good, text) in [
        (true, r#"{container="fettle"} | json level="level" | level=~"WARN|ERROR""#),
        (true, r#"sum by (container) (count_over_time({container=~".+"} |~ `(?i)$` [60s]))"#),
        (false, r#"{container=~".*"}"#),
        (false, r#"{container="fettle" | json"#),
        (false, r#"{container="fettle"} | level=~"(""#),
        (false, r#"{container="fettle"} |~ "unfinished"#),
        (false, r#"sum by container (count_over_time({container="a"} [60s]))"#),
        (false, r#"sum(count_over_time({container="a"} [60]))"#),
        (false, r#"{container="a"} | jsn level="level""#),
        (false, r#"{container="a"}}"#),
        (false, r#"{app="a"}"#),
        (false, r#"{container="a"} | rules="b""#),
    ] {
        assert_eq!(read(text).is_ok(), good, "{text}: {:?}", read(text));
    }
}
