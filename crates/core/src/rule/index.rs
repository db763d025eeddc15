//! Which rules are worth asking about an alert.
//!
//! A rule that needs a label to have one of a few known values is filed under those values; most say `alertname="X"`. The rest
//! is asked every time. A rule with several such matchers is filed under the one that the fewest rules share, so ten
//! thousand rules for one alert name are told apart by their service.
//!
//! Always holds: a rule is filed under values of one label only, so an alert finds it at most once.

use std::collections::HashMap;
use std::sync::Arc;

use super::model::Rule;
use crate::alert::labels::Labels;
use crate::matcher::{Matcher, Op};

/// Positions of rules, ascending.
type Row = Vec<u32>;

/// The filing cabinet.
#[derive(Debug, Clone, Default)]
pub(super) struct Index {
    /// Label name, then value.
    filed: HashMap<Box<str>, HashMap<Box<str>, Row>>,
    rest: Row,
}

impl Index {
    pub(super) fn new(rules: &[Arc<Rule>]) -> Self {
        let mut shared: HashMap<(&str, &str), usize> = HashMap::new();
        for matcher in rules.iter().flat_map(|rule| &rule.matchers) {
            for value in values(matcher).into_iter().flatten() {
                *shared.entry((matcher.name(), value)).or_default() += 1;
            }
        }
        let mut index = Self::default();
        for (position, rule) in (0_u32..).zip(rules) {
            let crowd = |(name, values): &(&str, Vec<&str>)| -> usize {
                values.iter().map(|value| shared.get(&(*name, *value)).copied().unwrap_or(0)).sum()
            };
            let choices = rule.matchers.iter().filter_map(|matcher| Some((matcher.name(), values(matcher)?)));
            // Among equals the alert's name: fewer labels to look up for every alert.
            match choices.min_by_key(|choice| (crowd(choice), choice.0 != "alertname", choice.0)) {
                Some((name, values)) => {
                    let drawer = index.filed.entry(name.into()).or_default();
                    for value in values {
                        drawer.entry(value.into()).or_default().push(position);
                    }
                }
                None => index.rest.push(position),
            }
        }
        index
    }

    /// The rules that may take every alert which `rule` could select, ascending: those filed under the same values.
    pub(super) fn sharing(&self, rule: &Rule) -> impl Iterator<Item = usize> {
        let filed = rule.matchers.iter().filter_map(|matcher| {
            // Whoever takes all values of this rule is filed under each of them.
            let value = values(matcher)?.into_iter().next()?;
            self.filed.get(matcher.name())?.get(value)
        });
        let mut rows = Rows { first: &self.rest, more: filed.map(Vec::as_slice).collect() };
        std::iter::from_fn(move || rows.next())
    }

    /// The rules that these labels may satisfy, in order.
    pub(super) fn rows(&self, labels: &Labels) -> Rows<'_> {
        let mut rows = Rows { first: &self.rest, more: Vec::new() };
        // Whichever is fewer is walked: the labels of the alert, or those that rules are filed by.
        if self.filed.len() <= labels.len() {
            for (name, drawer) in &self.filed {
                rows.add(drawer.get(labels.get(name)));
            }
        } else {
            for (name, value) in labels.iter() {
                rows.add(self.filed.get(name).and_then(|drawer| drawer.get(value)));
            }
        }
        rows
    }
}

/// The values one of which the label must have, each once, if that can be told; never the empty one.
fn values(matcher: &Matcher) -> Option<Vec<&str>> {
    let value = matcher.value();
    let plain =
        |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-: /".contains(&b));
    match matcher.op() {
        Op::Equal if !value.is_empty() => Some(vec![value]),
        // Letters, digits and these signs mean themselves in a regular expression.
        Op::Match if value.split('|').all(plain) => {
            let mut words: Vec<&str> = value.split('|').collect();
            words.sort_unstable();
            words.dedup();
            Some(words)
        }
        _ => None,
    }
}

/// Several ascending rows walked as one.
#[derive(Debug, Default)]
pub(super) struct Rows<'i> {
    first: &'i [u32],
    more: Vec<&'i [u32]>,
}

impl<'i> Rows<'i> {
    fn add(&mut self, row: Option<&'i Row>) {
        match row {
            Some(row) if self.first.is_empty() => self.first = row,
            Some(row) => self.more.push(row),
            None => {}
        }
    }

    /// The next position.
    pub(super) fn next(&mut self) -> Option<usize> {
        let mut least = &mut self.first;
        for row in &mut self.more {
            if row.first().is_some_and(|head| least.first().is_none_or(|best| head < best)) {
                least = row;
            }
        }
        let (head, tail) = least.split_first()?;
        *least = tail;
        usize::try_from(*head).ok()
    }
}
