//! The `match` of a rule.

use std::ops::Range;

use super::raw::RawRule;
use crate::core::matcher::{Matcher, Patterns, parse_with};
use crate::core::yaml::{Node, items, required, text};
use crate::diagnostic::{Report, codes};

/// Reads all matchers; reports those that do not parse, and a list that an alert without labels would satisfy.
pub(super) fn read(
    raw: &RawRule<'_>,
    rule: &Range<usize>,
    patterns: &mut Patterns,
    report: &mut Report<'_>,
) -> Option<Vec<Matcher>> {
    let help = "write a list of matchers, such as ['alertname=\"ServiceDown\"']";
    let node = required(raw.matchers, "match", rule, help, report)?;
    let mut matchers = Vec::new();
    let mut whole = true;
    for item in items(node, report)? {
        let Some(written) = text(item, report) else {
            whole = false;
            continue;
        };
        match parse_with(written, patterns) {
            Ok(more) => matchers.extend(more),
            Err(fault) => {
                whole = false;
                let at = within(item, written, fault.at, report.source.text);
                match fault.help {
                    Some(help) => report.add_with_help(&codes::MATCHER, &at, fault.message, help),
                    None => report.add(&codes::MATCHER, &at, fault.message),
                }
            }
        }
    }
    if whole && matchers.iter().all(Matcher::matches_empty) {
        report.add_with_help(
            &codes::MATCHES_EVERYTHING,
            &node.at,
            "these matchers would all match an alert without labels, so the rule could match everything",
            "add one that needs a value, such as alertname=\"ServiceDown\"",
        );
    }
    Some(matchers)
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
