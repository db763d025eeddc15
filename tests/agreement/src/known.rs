//! Disagreements that are known and not mended yet: each with the finding that reported it and a scenario that shows it.

use crate::compare::Difference;

/// One known disagreement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The finding that reported it.
    pub finding: &'static str,
    /// A scenario that shows it.
    pub seed: u64,
    /// The tool.
    pub tool: &'static str,
    /// The class of the difference; one that ends with `*` is the beginning of it.
    pub class: &'static str,
}

const LIST: &str = include_str!("../known.txt");

/// Every known disagreement, in the order of the list.
pub fn all() -> impl Iterator<Item = Known> {
    LIST.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(|line| {
        let mut words = line.splitn(4, ' ');
        let mut word = || words.next().unwrap_or_default();
        let (finding, seed, tool) = (word(), word(), word());
        Known { finding, seed: seed.parse().unwrap_or(u64::MAX), tool, class: word() }
    })
}

impl Known {
    /// Whether a difference is this one.
    pub fn is(&self, difference: &Difference) -> bool {
        let class = match self.class.strip_suffix('*') {
            Some(beginning) => difference.class.starts_with(beginning),
            None => difference.class == self.class,
        };
        class && difference.tool.to_string() == self.tool
    }
}

/// Whether a difference is known.
pub fn is_known(difference: &Difference) -> bool {
    all().any(|it| it.is(difference))
}
