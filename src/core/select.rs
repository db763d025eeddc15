//! Alert × rules: which rules apply, and which target each of them means.

use std::sync::Arc;

use crate::core::rule::model::{Rule, Unnamed};
use crate::core::target::Target;

/// A rule that selects an alert.
#[derive(Debug, Clone)]
pub struct Selected {
    /// The rule.
    pub rule: Arc<Rule>,
    /// The target it means, or why none can be named.
    pub target: Result<Target, Unnamed>,
}
