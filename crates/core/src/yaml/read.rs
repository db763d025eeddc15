//! From nodes to plain types. Each reader reports what is wrong and answers `None`, so the caller can go on.

use std::ops::Range;
use std::str::FromStr;
use std::time::Duration;

use serde_yaml::{Error, Spanned};

use super::limits;
use super::node::{Entry, Node, Parsed, Value, settle};
use crate::diagnostic::nearest::advice;
use crate::diagnostic::{Code, Report, codes};
use crate::duration as length;

/// Reads the report's source as one YAML document.
pub fn parse(report: &mut Report<'_>) -> Option<Node> {
    let text = report.source.text;
    match serde_yaml::from_str_with_options::<Spanned<Parsed>>(text, limits::options()) {
        Ok(parsed) => Some(settle(parsed, text)),
        Err(error) => {
            let error = error.without_snippet();
            // Syntax errors come without bytes, so the place is taken from line and column.
            let (line, column) = error.location().map_or((1, 1), |at| (at.line(), at.column()));
            let start = report.source.byte(line, column);
            let at = start..start;
            let (code, message, help) = fault(error);
            report.add_with_help(code, &at, message, help);
            None
        }
    }
}

/// Code, message and advice for what the parser says. Its own text ends with the place, which a diagnostic has already.
fn fault(error: &Error) -> (&'static Code, String, &'static str) {
    let text = bare(error);
    // The parser's own words name its settings.
    let too_much = [
        ("Depth", "nested too deeply"),
        ("recursion limit", "nested too deeply"),
        ("nesting", "nested too deeply"),
        ("Anchor", "repeated too often by aliases"),
        ("alias replay", "repeated too often by aliases"),
        ("alias expansion", "repeated too often by aliases"),
        ("budget breached", "too many values"),
    ];
    if let Some((_, message)) = too_much.iter().find(|(words, _)| text.contains(words)) {
        let help = "nothing that fettle reads needs so much; split the file, or write out aliases";
        return (&codes::NOT_YAML, (*message).to_owned(), help);
    }
    if text.contains("tabs disallowed") {
        return (&codes::NOT_YAML, "a tab where only spaces may indent".to_owned(), "indent with spaces");
    }
    match error {
        Error::DuplicateMappingKey { key: Some(key), .. } => {
            (&codes::DUPLICATE_KEY, format!("key `{key}` stands twice in this map"), "keep one of the two")
        }
        Error::DuplicateMappingKey { key: None, .. } => {
            (&codes::DUPLICATE_KEY, "a key stands twice in this map".to_owned(), "keep one of the two")
        }
        Error::MultipleDocuments { .. } => {
            (&codes::NOT_YAML, "more than one document in a file".to_owned(), "make it two files, or remove the `---`")
        }
        Error::UnsupportedTag { .. } => (&codes::NOT_YAML, text, "tags have no meaning here; remove it"),
        _ => (
            &codes::NOT_YAML,
            text,
            "look for a missing quote, a `: ` inside unquoted text, or indentation; text with { } [ ] , # or \" is best quoted in '…'",
        ),
    }
}

fn bare(error: &Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    let line = line.split(" at line ").next().unwrap_or(line);
    let line = line.strip_prefix("error: ").unwrap_or(line);
    line.strip_prefix("line ").and_then(|rest| rest.split_once(": ")).map_or(line, |(_, message)| message).to_owned()
}

fn wrong(node: &Node, expected: &str, report: &mut Report<'_>) {
    match node.value {
        Value::Null => report.add(&codes::MISSING_KEY, &node.at, format!("no value where {expected} belongs")),
        _ => report.add(&codes::WRONG_SHAPE, &node.at, format!("{} where {expected} belongs", node.value.kind())),
    }
}

/// The entries of a map.
pub fn entries<'n>(node: &'n Node, report: &mut Report<'_>) -> Option<&'n [Entry]> {
    if let Value::Map(entries) = &node.value {
        return Some(entries);
    }
    wrong(node, "a map", report);
    None
}

/// Reports a key that is not in `known`.
pub fn unknown_key(entry: &Entry, known: &[&str], report: &mut Report<'_>) {
    // The nearest word is dear, and a file may hold half a million strangers.
    if report.is_full() {
        return;
    }
    let shown: String = entry.key.chars().take(60).collect();
    report.add_with_help(&codes::UNKNOWN_KEY, &entry.at, format!("unknown key `{shown}`"), advice(&entry.key, known));
}

/// A required key: its node, or a report that it is missing from the map at `at`.
pub fn required<'n>(
    node: Option<&'n Node>,
    key: &str,
    at: &Range<usize>,
    help: &str,
    report: &mut Report<'_>,
) -> Option<&'n Node> {
    match node {
        Some(Node { at, value: Value::Null }) => {
            report.add_with_help(&codes::MISSING_KEY, at, format!("`{key}` has no value"), help);
            None
        }
        None => {
            report.add_with_help(&codes::MISSING_KEY, at, format!("`{key}` is missing"), help);
            None
        }
        given => given,
    }
}

/// Text as written.
pub fn text<'n>(node: &'n Node, report: &mut Report<'_>) -> Option<&'n str> {
    if let Value::Scalar(text) = &node.value {
        return Some(text);
    }
    wrong(node, "text", report);
    None
}

/// The items of a list.
pub fn items<'n>(node: &'n Node, report: &mut Report<'_>) -> Option<&'n [Node]> {
    match &node.value {
        Value::List(items) => Some(items),
        Value::Scalar(text) if !text.contains('\n') => {
            let help = format!("write it as a list: [{}]", report.source.text.get(node.at.clone()).unwrap_or(text));
            report.add_with_help(&codes::WRONG_SHAPE, &node.at, "text where a list belongs", help);
            None
        }
        _ => {
            wrong(node, "a list", report);
            None
        }
    }
}

/// A list of texts; those that are none are reported and left out.
pub fn strings<'n>(node: &'n Node, report: &mut Report<'_>) -> Option<Vec<&'n str>> {
    Some(items(node, report)?.iter().filter_map(|item| text(item, report)).collect())
}

/// `true` or `false`.
pub fn boolean(node: &Node, report: &mut Report<'_>) -> Option<bool> {
    let text = text(node, report)?;
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => {
            report.add_with_help(
                &codes::UNKNOWN_WORD,
                &node.at,
                format!("\"{text}\" is not a truth value"),
                "write true or false",
            );
            None
        }
    }
}

/// A whole number within `range`.
pub fn number<N: FromStr + PartialOrd + std::fmt::Display>(
    node: &Node,
    range: std::ops::RangeInclusive<N>,
    report: &mut Report<'_>,
) -> Option<N> {
    let text = text(node, report)?;
    let number = text.parse().ok().filter(|n| range.contains(n));
    if number.is_none() {
        let help = format!("write a whole number from {} to {}", range.start(), range.end());
        report.add_with_help(
            &codes::NUMBER,
            &node.at,
            format!("\"{text}\" is not a number that is possible here"),
            help,
        );
    }
    number
}

/// Units of sizes, in bytes.
const SIZES: [(&str, u64); 10] = [
    ("", 1),
    ("B", 1),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// A size such as `10MiB`, in bytes within `range`, which `bounds` says in words.
pub fn bytes(node: &Node, range: std::ops::RangeInclusive<u64>, bounds: &str, report: &mut Report<'_>) -> Option<u64> {
    let written = text(node, report)?;
    let digits = written.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = written.split_at(digits);
    let unit = unit.trim_start();
    let each = SIZES.iter().find(|(name, _)| *name == unit).map(|(_, each)| *each);
    let size = number.parse::<u64>().ok().zip(each).and_then(|(number, each)| number.checked_mul(each));
    let size = size.filter(|size| range.contains(size));
    if size.is_none() {
        let help = format!("write a number and a unit, such as 10MiB (B, KiB, MiB, GiB, TiB), {bounds}");
        let shown: String = written.chars().take(40).collect();
        let message = format!("\"{shown}\" is not a size that is possible here");
        report.add_with_help(&codes::NUMBER, &node.at, message, help);
    }
    size
}

/// A length of time.
pub fn duration(node: &Node, report: &mut Report<'_>) -> Option<Duration> {
    match length::parse(text(node, report)?) {
        Ok(length) => Some(length),
        Err(fault) => {
            report.add_with_help(&codes::DURATION, &node.at, fault.message, fault.help);
            None
        }
    }
}

/// One of a closed list of words.
pub fn word<T: Copy>(node: &Node, known: &[(&str, T)], report: &mut Report<'_>) -> Option<T> {
    let text = text(node, report)?;
    let found = known.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
    if found.is_none() {
        let words: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
        let help = format!("write one of: {}", words.join(", "));
        report.add_with_help(&codes::UNKNOWN_WORD, &node.at, format!("\"{text}\" is not possible here"), help);
    }
    found
}
