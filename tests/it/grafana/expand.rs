//! Grafana's variables and macros, expanded as Grafana does: variables by the browser, macros by the server.
//!
//! What Grafana would refuse, or leave standing for the database to refuse, fails the test.

use std::collections::BTreeMap;

use fettle_core::time::Timestamp;
use regex::{Captures, Regex};

use super::{LOGQL, PROMQL, Query, SQL};

/// What is asked: a time, how fine, and what was chosen of the variables that are not at their defaults.
pub struct Ask<'a> {
    pub from: Timestamp,
    pub to: Timestamp,
    pub interval_seconds: u32,
    pub chosen: BTreeMap<&'a str, Vec<&'a str>>,
}

/// What goes to the data source.
pub fn expand(query: &Query, ask: &Ask<'_>) -> String {
    let variable = Regex::new(r"\$(\w+)|\$\{(\w+)(?::(\w+))?\}").expect("an expression");
    let expanded = variable.replace_all(&query.text, |found: &Captures<'_>| {
        let name = found.get(1).or(found.get(2)).expect("a name").as_str();
        match name {
            "__interval" => return format!("{}s", ask.interval_seconds),
            "__rate_interval" => return format!("{}s", 4 * ask.interval_seconds),
            "__range" => return format!("{}s", ask.to.as_second() - ask.from.as_second()),
            // No variable: a macro, or a dollar quote.
            _ if (name.starts_with("__time") || name == "re") && query.source == SQL => return found[0].to_owned(),
            _ => {}
        }
        let Some(default) = query.variables.get(name) else { panic!("{}: there is no ${name}", query.place) };
        let format = found.get(3).map(|it| it.as_str());
        match ask.chosen.get(name) {
            // What stands for all is put in as it is.
            None => default.clone(),
            Some(values) => formatted(query, values, format),
        }
    });
    if query.source == SQL { macros(&query.place, &expanded, ask) } else { expanded.into_owned() }
}

fn formatted(query: &Query, values: &[&str], format: Option<&str>) -> String {
    let escape = match (query.source.as_str(), format) {
        (SQL, Some("regex")) => |it: &&str| escaped(it, r"\^$*+?.()|[]{}/", r"\"),
        // Inside a string of the language, each backslash is doubled. A quote is not escaped: a rule whose name has one
        // cannot be chosen.
        (PROMQL | LOGQL, None) => |it: &&str| escaped(&it.replace('\\', r"\\\\"), "^$*+?.()|[]{}'", r"\\"),
        other => panic!("{}: {other:?} is not quoted", query.place),
    };
    match &values.iter().map(escape).collect::<Vec<_>>()[..] {
        [one] => one.clone(),
        many => format!("({})", many.join("|")),
    }
}

/// With something before each special character.
fn escaped(text: &str, special: &str, with: &str) -> String {
    text.chars().map(|c| if special.contains(c) { format!("{with}{c}") } else { c.to_string() }).collect()
}

/// As the server finds them: a dollar, a name, and arguments without any bracket.
fn macros(place: &str, sql: &str, ask: &Ask<'_>) -> String {
    let macros = Regex::new(r"\$([_a-zA-Z0-9]+)\(([^)]*)\)").expect("an expression");
    let (from, to) = (ask.from, ask.to);
    let expanded = macros.replace_all(sql, |found: &Captures<'_>| {
        let arguments: Vec<&str> = found[2].split(',').map(str::trim).collect();
        match (&found[1], &arguments[..]) {
            ("__timeFilter", [column]) => format!("{column} BETWEEN '{from}' AND '{to}'"),
            ("__timeFrom", [""]) => format!("'{from}'"),
            ("__timeTo", [""]) => format!("'{to}'"),
            ("__timeGroupAlias", [column, interval] | [column, interval, "0" | "NULL" | "previous"]) => {
                let seconds = interval.strip_suffix('s').and_then(|it| it.parse::<u32>().ok());
                let seconds = seconds.unwrap_or_else(|| panic!("{place}: {interval} is no interval"));
                format!("floor(extract(epoch from {column})/{seconds})*{seconds} AS \"time\"")
            }
            (name, arguments) => panic!("{place}: Grafana does not know ${name}({arguments:?})"),
        }
    });
    assert!(!expanded.contains("$__"), "{place}: something is left of a macro: {expanded}");
    expanded.into_owned()
}

#[test]
fn variables_and_macros_are_expanded_as_grafana_does() {
    let at = |second| Timestamp::from_second(second).expect("in range");
    let query = |source: &str, text: &str| Query {
        place: "here".into(),
        source: source.into(),
        text: text.into(),
        shape: super::Shape::Rows,
        legend: Vec::new(),
        is_instant: false,
        variables: [("rule".to_owned(), ".*".to_owned())].into(),
    };
    let ask = |chosen: &[&'static str]| Ask {
        from: at(0),
        to: at(60),
        interval_seconds: 15,
        chosen: if chosen.is_empty() { BTreeMap::new() } else { [("rule", chosen.to_vec())].into() },
    };
    let rules = query(SQL, r"$__timeFilter(at) AND rule ~ $re$\A(${rule:regex})\Z$re$");
    let bound = "at BETWEEN '1970-01-01T00:00:00Z' AND '1970-01-01T00:01:00Z' AND rule ~";
    assert_eq!(expand(&rules, &ask(&[])), format!(r"{bound} $re$\A(.*)\Z$re$"));
    assert_eq!(expand(&rules, &ask(&["it's $re$"])), format!(r"{bound} $re$\A(it's \$re\$)\Z$re$"));
    assert_eq!(expand(&rules, &ask(&["a/b", "c"])), format!(r"{bound} $re$\A((a\/b|c))\Z$re$"));
    let group = query(SQL, "$__timeGroupAlias(v.at,$__interval,0), $__timeTo()");
    let grouped = "floor(extract(epoch from v.at)/15)*15 AS \"time\", '1970-01-01T00:01:00Z'";
    assert_eq!(expand(&group, &ask(&[])), grouped);
    let rate = query(PROMQL, r#"rate(x{rule=~"$rule"}[$__rate_interval])"#);
    assert_eq!(expand(&rate, &ask(&["a.b", "c"])), r#"rate(x{rule=~"(a\\.b|c)"}[60s])"#);
    assert_eq!(expand(&rate, &ask(&[r"it's \"])), r#"rate(x{rule=~"it\\'s \\\\"}[60s])"#);
}
