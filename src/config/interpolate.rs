//! `${NAME}` in the file.
//!
//! Done on parsed values, so what a variable holds can never change the structure of the file.

use super::environment::Environment;
use fettle_core::diagnostic::{Report, codes};
use fettle_core::yaml::{Node, Value};

/// Replaces every `${NAME}` and `${NAME:-default}`. Answers what was put in, with the text it stands for.
pub(super) fn interpolate(node: &mut Node, env: Environment<'_>, report: &mut Report<'_>) -> Vec<(String, String)> {
    let mut put = Vec::new();
    walk(node, env, report, &mut put);
    put
}

fn walk(node: &mut Node, env: Environment<'_>, report: &mut Report<'_>, put: &mut Vec<(String, String)>) {
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(|item| walk(item, env, report, put)),
        Value::Map(entries) => entries.iter_mut().for_each(|entry| walk(&mut entry.value, env, report, put)),
        Value::Scalar(text) if text.contains("${") => match expand(text, env, put) {
            Ok(expanded) => *text = expanded,
            Err((message, help)) => report.add_with_help(&codes::VARIABLE, &node.at, message, help),
        },
        Value::Null | Value::Scalar(_) => {}
    }
}

fn expand(text: &str, env: Environment<'_>, put: &mut Vec<(String, String)>) -> Result<String, (String, &'static str)> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at(at);
        if let Some(before) = before.strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            rest = &from[2..];
            continue;
        }
        out.push_str(before);
        let Some(end) = from.find('}') else {
            return Err(("a `${` is never closed".to_owned(), "write ${NAME}, or $${ for a plain ${"));
        };
        let (name, default) = match from[2..end].split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (&from[2..end], None),
        };
        let legal = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !legal {
            return Err(("a `${…}` holds no name of a variable".to_owned(), "write ${NAME} or ${NAME:-default}"));
        }
        match (env(name).filter(|value| !value.is_empty()), default) {
            (Some(value), _) => {
                put.push((value.clone(), from[..=end].to_owned()));
                out.push_str(&value);
            }
            (None, Some(default)) => out.push_str(default),
            (None, None) => {
                let message = format!("environment variable {name} is not set");
                return Err((message, "set it, or write ${NAME:-default}"));
            }
        }
        rest = &from[end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}
