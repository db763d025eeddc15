//! The results of tests, for people, for scripts and for CI.

mod human;
mod json;
mod junit;

pub use human::human;
pub use json::json;
pub use junit::junit;

use super::compare::Difference;
use super::coverage::Coverage;
use fettle_core::diagnostic::Diagnostic;

/// One test that was run.
#[derive(Debug)]
pub struct Ran {
    /// Its file.
    pub file: String,
    /// Its line.
    pub line: usize,
    /// Its name.
    pub name: String,
    /// What is not as expected.
    pub difference: Difference,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Results {
    /// In the order they were run.
    pub ran: Vec<Ran>,
    /// Files that could not be read.
    pub problems: Vec<Diagnostic>,
    /// What they reached.
    pub coverage: Coverage,
    /// Whether some tests were left out: then nothing is said of what was not reached.
    pub partial: bool,
}

impl Results {
    /// How many failed.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.ran.iter().filter(|it| !it.difference.is_none()).count()
    }
}
