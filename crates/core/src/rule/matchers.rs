//! What a rule says of alerts: `match`, `unless`, and names of labels.

use std::ops::Range;

use super::model::Unless;
use super::never;
use super::raw::{RawRule, RawUnless};
use crate::diagnostic::{Report, codes};
use crate::matcher::{Matcher, Patterns, doubt, parse_with};
use crate::yaml::{Node, items, required, text};

const HELP: &str = "write a list of matchers, such as ['alertname=\"ServiceDown\"']";

/// Reads all matchers; reports those that do not parse, and a list that an alert without labels would satisfy.
pub(super) fn read(
    raw: &RawRule<'_>,
    rule: &Range<usize>,
    patterns: &mut Patterns,
    report: &mut Report<'_>,
) -> Option<Vec<Matcher>> {
    let node = required(raw.matchers, "match", rule, HELP, report)?;
    let what = "so the rule could match everything";
    selecting(node, what, patterns, report)
}

/// Reads a list that must need something of an alert; `what` follows if it does not.
fn selecting(node: &Node, what: &str, patterns: &mut Patterns, report: &mut Report<'_>) -> Option<Vec<Matcher>> {
    let before = report.found.len();
    let matchers = list(node, patterns, report)?;
    let whole = report.found[before..].iter().all(|it| !it.is_error());
    if whole && matchers.iter().all(Matcher::matches_empty) {
        let message = format!("these matchers would all match an alert without labels, {what}");
        let help = "add one that needs a value, such as alertname=\"ServiceDown\"";
        report.add_with_help(&codes::MATCHES_EVERYTHING, &node.at, message, help);
    }
    Some(matchers)
}

/// Reads a list of matchers; reports those that do not parse.
pub(super) fn list(node: &Node, patterns: &mut Patterns, report: &mut Report<'_>) -> Option<Vec<Matcher>> {
    let mut matchers: Vec<(Matcher, &Node)> = Vec::new();
    for item in items(node, report)? {
        let Some(written) = text(item, report) else { continue };
        match parse_with(written, patterns) {
            Ok(more) => matchers.extend(more.into_iter().map(|matcher| (matcher, item))),
            Err(fault) => {
                let at = within(item, written, fault.at, report.source.text);
                match fault.help {
                    Some(help) => report.add_with_help(&codes::MATCHER, &at, fault.message, help),
                    None => report.add(&codes::MATCHER, &at, fault.message),
                }
            }
        }
    }
    never::check(&matchers, report);
    for (matcher, item) in matchers.iter().filter(|(matcher, _)| matcher.op().is_regex()) {
        if let Some(doubt) = doubt(matcher.value()) {
            report.add_with_help(&codes::PATTERN_DOUBT, &item.at, doubt.message, doubt.help);
        }
    }
    Some(matchers.into_iter().map(|(matcher, _)| matcher).collect())
}

/// Reads `unless`.
pub(super) fn unless(node: Option<&Node>, patterns: &mut Patterns, report: &mut Report<'_>) -> Vec<Unless> {
    let mut all = Vec::new();
    for item in node.and_then(|node| items(node, report)).unwrap_or_default() {
        let Some(raw) = RawUnless::read(item, report) else { continue };
        let what = "so any alert at all would stop the rule";
        let matchers = required(raw.matchers, "match", &item.at, HELP, report)
            .and_then(|node| selecting(node, what, patterns, report));
        let equal = raw.equal.and_then(|node| labels(node, report)).unwrap_or_default();
        let Some(matchers) = matchers else { continue };
        all.push(Unless { matchers, equal });
    }
    all
}

/// Reads a list of names of labels.
pub(super) fn labels(node: &Node, report: &mut Report<'_>) -> Option<Vec<String>> {
    let mut names = Vec::new();
    for item in items(node, report)? {
        let Some(name) = text(item, report) else { continue };
        // Any text that is not empty can name a label; what looks like a reference or a matcher is a slip.
        let slip = |c: char| c.is_control() || matches!(c, '$' | '{' | '}' | '!' | '=' | '~' | ',' | '"' | '\'' | '`');
        if name.is_empty() || name.trim() != name || name.contains(slip) {
            let help = "write the bare name, such as instance";
            report.add_with_help(&codes::LABEL_NAME, &item.at, "this is not the name of a label", help);
            continue;
        }
        names.push(name.to_owned());
    }
    Some(names)
}

/// Bytes of the source for a range of the text: exact where the text stands in the file as it is, else the whole scalar.
fn within(node: &Node, written: &str, range: Range<usize>, source: &str) -> Range<usize> {
    let raw = source.get(node.at.clone()).unwrap_or("");
    match raw.find(written) {
        Some(lead) if lead <= 1 && !written.contains('\n') => {
            let begin = node.at.start + lead;
            begin + range.start..begin + range.end
        }
        _ => node.at.clone(),
    }
}
