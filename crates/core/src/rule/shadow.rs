//! Rules that are never asked, because an earlier one takes every alert that they could select.
//!
//! Always holds: what is told is certain. It is not complete: an earlier rule is compared matcher by matcher, so one whose
//! regular expressions together cover another's is not seen, and of very many rules with the same matchers only the
//! first are compared.

use std::sync::Arc;

use super::index::Index;
use super::model::Rule;
use crate::matcher::{Matcher, Op};

/// So many earlier rules are compared with one.
const COMPARED: usize = 200;

/// Positions of rules that are never asked, each with the rule that takes their alerts.
pub(super) fn shadowed(rules: &[Arc<Rule>], index: &Index) -> Vec<(usize, Arc<Rule>)> {
    let mut found = Vec::new();
    for (at, rule) in rules.iter().enumerate() {
        let earlier = index.sharing(rule).take_while(|other| *other < at).filter_map(|other| rules.get(other));
        let cover = earlier.take(COMPARED).find(|other| !other.proceed && covers(&other.matchers, &rule.matchers));
        found.extend(cover.map(|other| (at, Arc::clone(other))));
    }
    found
}

/// Whether every alert that satisfies `narrow` satisfies `wide`.
fn covers(wide: &[Matcher], narrow: &[Matcher]) -> bool {
    wide.iter().all(|wide| narrow.iter().any(|narrow| implies(narrow, wide)))
}

/// Whether `wide` holds wherever `narrow` does.
fn implies(narrow: &Matcher, wide: &Matcher) -> bool {
    if narrow.name() != wide.name() {
        return false;
    }
    narrow == wide
        || narrow.only().is_some_and(|words| words.iter().all(|word| wide.matches_value(word)))
        || (wide.op() == Op::NotEqual && !narrow.matches_value(wide.value()))
}

#[cfg(test)]
mod tests {
    use crate::matcher::parse;

    use super::covers;

    #[test]
    fn a_list_covers_another_when_each_of_its_matchers_follows_from_one_of_the_other() {
        for (wide, narrow, expected) in [
            ("a=x", "a=x, b=y", true),
            ("a=x, b=y", "a=x", false),
            ("a=~\"x|y\"", "a=x", true),
            ("a=~\"x|y\"", "a=~\"y|x\"", true),
            ("a=~\"x|y\"", "a=~\"x|z\"", false),
            ("a=~\"x.+\"", "a=xyz", true),
            ("a=~\"x.+\"", "a=~\"x.+\"", true),
            ("a!=x", "a=y", true),
            ("a!=\"\"", "a=~\".+y\"", true),
            ("a!=x", "a!=y", false),
            ("a!~\"x|y\"", "a=z", true),
            ("a=x", "b=x", false),
        ] {
            let read = |text| parse(text).expect("matchers");
            assert_eq!(covers(&read(wide), &read(narrow)), expected, "{wide} over {narrow}");
        }
    }
}
