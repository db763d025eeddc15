//! Lists of matchers that no alert can satisfy.
//!
//! What is said here is certain. What cannot be told (two regular expressions that exclude each other) is not said.

use crate::diagnostic::{Report, codes};
use crate::matcher::{Matcher, Op};
use crate::yaml::Node;

/// Warns of a matcher that excludes every value, and of two that exclude each other. All of the list must match.
pub(super) fn check(matchers: &[(Matcher, &Node)], report: &mut Report<'_>) {
    for (at, (matcher, node)) in matchers.iter().enumerate() {
        let (message, help) = if matcher.is_never() {
            let message = format!("no value satisfies {matcher}");
            (message, "a regular expression covers the whole value, and its negation all others".to_owned())
        } else if matcher.name() == "fettle" && *matcher.value() == *"self" && matcher.op() == Op::Equal {
            ("alerts that fettle posts itself select no rule".to_owned(), "remove the matcher".to_owned())
        } else if let Some(other) = matchers[..at].iter().find_map(|(other, _)| against(matcher, other)) {
            (format!("no alert satisfies {matcher} and {other} at once"), one_of_both(matcher))
        } else {
            continue;
        };
        report.add_with_help(&codes::NEVER_MATCHES, &node.at, message, help);
    }
}

fn one_of_both(matcher: &Matcher) -> String {
    match matcher.only() {
        Some(_) => format!("all matchers must match; for one of several values write {}=~\"A|B\"", matcher.name()),
        None => "all matchers must match; remove one of the two".to_owned(),
    }
}

/// The other matcher, if the two leave no value for the label.
fn against<'m>(one: &Matcher, other: &'m Matcher) -> Option<&'m Matcher> {
    if one.name() != other.name() {
        return None;
    }
    let left = |few: &Matcher, of: &Matcher| few.only().map(|words| words.iter().any(|word| of.matches_value(word)));
    let opposite = one.value() == other.value()
        && one.op().is_regex() == other.op().is_regex()
        && one.op().is_negated() != other.op().is_negated();
    let none = left(one, other).or_else(|| left(other, one)) == Some(false);
    (opposite || none).then_some(other)
}
