//! All loaded rules, ready to be asked which of them an alert selects.
//!
//! Always holds: immutable, in order (byte order of path, then position), and an alert that fettle itself posts selects
//! nothing. The cost of [`RuleSet::select`] does not grow with rules whose equality matcher differs from the alert.

mod index;

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use self::index::{Index, Rows};
use crate::alert::labels::Labels;
use crate::diagnostic::{Diagnostic, sort};
use crate::rule::context::SourceFile;
use crate::rule::model::Rule;

/// The rules of one load.
#[derive(Debug, Clone)]
pub struct RuleSet {
    rules: Vec<Arc<Rule>>,
    by_name: HashMap<Box<str>, usize>,
    index: Index,
    digest: String,
    /// By position; most rules have none.
    warnings: HashMap<usize, Vec<Diagnostic>>,
}

/// The label by which fettle marks the alerts it posts.
const SELF_LABEL: (&str, &str) = ("fettle", "self");

impl RuleSet {
    pub(super) fn new(rules: Vec<Arc<Rule>>, files: &[&SourceFile]) -> Self {
        let by_name = rules.iter().enumerate().map(|(at, rule)| (rule.name.as_str().into(), at)).collect();
        let digest = digest(files.iter().copied());
        Self { index: Index::new(&rules), by_name, digest, rules, warnings: HashMap::new() }
    }

    /// These rules in this order, as if they had been read from files: for tests and simulations that draw rules.
    #[cfg(any(test, feature = "testing"))]
    pub fn of(rules: Vec<Arc<Rule>>) -> Self {
        Self::new(rules, &[])
    }

    /// The same, with what was found suspicious about each rule, in the order of rules.
    pub(super) fn warned_of(mut self, warnings: Vec<Vec<Diagnostic>>) -> Self {
        let told = warnings.into_iter().map(|mut of_rule| {
            sort(&mut of_rule);
            // What stands in an anchor is met wherever the anchor is used.
            of_rule.dedup();
            of_rule
        });
        self.warnings = told.enumerate().filter(|(_, of_rule)| !of_rule.is_empty()).collect();
        self
    }

    /// The rules this alert selects: the first that matches, and further ones as long as each says `continue`.
    pub fn select<'s>(&'s self, labels: &'s Labels) -> Selection<'s> {
        let own = labels.get(SELF_LABEL.0) == SELF_LABEL.1;
        let rows = if own { Rows::default() } else { self.index.rows(labels) };
        Selection { rules: &self.rules, labels, rows, ended: false }
    }

    /// The rules that may take every alert which `rule` could select, each with its position, in order.
    pub(super) fn sharing(&self, rule: &Rule) -> impl Iterator<Item = (usize, &Arc<Rule>)> {
        self.index.sharing(rule).filter_map(|at| Some((at, self.rules.get(at)?)))
    }

    /// The rule of this name.
    pub fn get(&self, name: &str) -> Option<&Arc<Rule>> {
        self.rules.get(*self.by_name.get(name)?)
    }

    /// What was found suspicious about the rule of this name when the set was read: what `fettle check` warns of.
    pub fn warnings(&self, name: &str) -> &[Diagnostic] {
        self.by_name.get(name).and_then(|at| self.warnings.get(at)).map_or(&[], Vec::as_slice)
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is no rule at all.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// All rules in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<Rule>> {
        self.rules.iter()
    }

    /// SHA-256 of paths and texts, in hex: equal exactly when nothing has changed.
    pub fn digest(&self) -> &str {
        &self.digest
    }
}

/// SHA-256 of paths and texts, in hex. Lengths first, so that no two sets of files run together to the same bytes.
pub fn digest<'f>(files: impl IntoIterator<Item = &'f SourceFile>) -> String {
    let mut hash = Sha256::new();
    for file in files {
        for part in [&file.path, &file.text] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    }
    let mut hex = String::with_capacity(64);
    for byte in hash.finalize() {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

impl Default for RuleSet {
    /// No rules.
    fn default() -> Self {
        Self::new(Vec::new(), &[])
    }
}

/// The rules an alert selects, found one by one.
#[derive(Debug)]
pub struct Selection<'s> {
    rules: &'s [Arc<Rule>],
    labels: &'s Labels,
    rows: Rows<'s>,
    ended: bool,
}

impl<'s> Iterator for Selection<'s> {
    type Item = &'s Arc<Rule>;

    fn next(&mut self) -> Option<&'s Arc<Rule>> {
        while !self.ended {
            let rule = self.rules.get(self.rows.next()?)?;
            if rule.matchers.iter().all(|matcher| matcher.matches(self.labels)) {
                self.ended = !rule.proceed;
                return Some(rule);
            }
        }
        None
    }
}
