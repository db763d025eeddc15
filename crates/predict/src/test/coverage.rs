//! Which rules and steps the tests reached.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::world::{Happening, What};
use fettle_core::rule::set::RuleSet;

/// What was reached, of all rules of all files, each counted once.
#[derive(Debug, Clone, Default)]
pub struct Coverage {
    /// Rules by name and place, with the names of their steps.
    rules: BTreeMap<(String, String), Vec<&'static str>>,
    selected: BTreeSet<String>,
    steps: BTreeSet<(String, u32)>,
}

/// A rule or step that no test reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// The rule.
    pub rule: String,
    /// Where it stands.
    pub source: String,
    /// The step, from 1; `None`: the whole rule.
    pub step: Option<usize>,
    /// The step's action.
    pub action: Option<&'static str>,
}

impl Coverage {
    /// These rules are to be reached.
    pub fn add(&mut self, rules: &RuleSet) {
        for rule in rules.iter() {
            let steps = rule.steps.iter().map(|step| step.action.name()).collect();
            self.rules.insert((rule.name.clone(), rule.source.clone()), steps);
        }
    }

    /// What a test reached.
    pub fn reach(&mut self, happened: &[Happening]) {
        for it in happened.iter().filter(|it| !it.rule.is_empty()) {
            if !self.selected.contains(&it.rule) {
                self.selected.insert(it.rule.clone());
            }
            if let What::Began { step, .. } | What::Observed { step, .. } | What::Escalated { step, .. } = it.what {
                self.steps.insert((it.rule.clone(), step));
            }
        }
    }

    /// Rules reached, and all.
    #[must_use]
    pub fn rules(&self) -> (usize, usize) {
        let reached = self.rules.keys().filter(|(name, _)| self.selected.contains(name)).count();
        (reached, self.rules.len())
    }

    /// Steps reached, and all.
    #[must_use]
    pub fn steps(&self) -> (usize, usize) {
        let all = self.rules.values().map(Vec::len).sum();
        let missed: usize = self.gaps(true).len();
        (all - missed, all)
    }

    /// What was not reached: a rule as a whole, or its steps one by one.
    #[must_use]
    pub fn not_reached(&self) -> Vec<Gap> {
        let mut gaps = Vec::new();
        for ((rule, source), _) in self.rules.iter().filter(|((name, _), _)| !self.selected.contains(name)) {
            gaps.push(Gap { rule: rule.clone(), source: source.clone(), step: None, action: None });
        }
        gaps.extend(self.gaps(false));
        gaps.sort_by(|a, b| (&a.source, a.step).cmp(&(&b.source, b.step)));
        gaps
    }

    /// Steps that were not reached; those of rules that were not, too, where they are wanted.
    fn gaps(&self, all: bool) -> Vec<Gap> {
        let mut gaps = Vec::new();
        for ((rule, source), steps) in &self.rules {
            if !all && !self.selected.contains(rule) {
                continue;
            }
            for (at, action) in steps.iter().enumerate() {
                let step = at + 1;
                if !self.steps.contains(&(rule.clone(), u32::try_from(step).unwrap_or(u32::MAX))) {
                    let (rule, source) = (rule.clone(), source.clone());
                    gaps.push(Gap { rule, source, step: Some(step), action: Some(action) });
                }
            }
        }
        gaps
    }
}
