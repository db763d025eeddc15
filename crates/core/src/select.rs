//! Alert × rules: which rules apply, and which target each of them means.

use std::sync::Arc;

use crate::alert::labels::Labels;
use crate::rule::model::{Rule, Unnamed};
use crate::rule::set::RuleSet;
use crate::target::{Hosts, Target};

/// A rule that selects an alert.
#[derive(Debug, Clone)]
pub struct Selected {
    /// The rule.
    pub rule: Arc<Rule>,
    /// The target it means, or why none can be named.
    pub target: Result<Target, Unnamed>,
}

/// The rules that select an alert with these labels, in order, with the target each of them means.
#[must_use]
pub fn select(rules: &RuleSet, hosts: &Hosts, labels: &Labels) -> Vec<Selected> {
    let selected = |rule: &Arc<Rule>| Selected { rule: rule.clone(), target: rule.target.resolve(labels, hosts) };
    rules.select(labels).map(selected).collect()
}
