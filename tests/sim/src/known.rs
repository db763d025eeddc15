//! Faults that are known and not mended yet: each with the finding that reported it and the schedule that shows it first.

/// One known fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The finding that reported it.
    pub finding: &'static str,
    /// The check that finds it.
    pub check: &'static str,
    /// Only where a machine's clock is far off.
    pub wild: bool,
    /// The first schedule that shows it.
    pub seed: u64,
    /// What it is.
    pub what: &'static str,
}

const LIST: &str = include_str!("../known.txt");

/// Every known fault, in the order of the list.
pub fn all() -> impl Iterator<Item = Known> {
    LIST.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(|line| {
        let mut words = line.splitn(5, char::is_whitespace);
        let mut word = || words.next().unwrap_or_default();
        let (finding, check, clocks, seed) = (word(), word(), word(), word());
        Known { finding, check, wild: clocks == "wild", seed: seed.parse().unwrap_or(u64::MAX), what: word() }
    })
}

/// Whether a failure of this check is known, where a machine's clock is far off (`wild`) or not.
pub fn is_known(check: &str, wild: bool) -> bool {
    all().any(|it| it.check == check && (wild || !it.wild))
}
