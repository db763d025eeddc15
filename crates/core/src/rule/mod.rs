//! Remediation rules: from YAML with places, through every check, to an indexed set that never changes.
//!
//! ```text
//! SourceFile ── read ──▶ the keys as written ── read ──▶ Rule ── set ──▶ RuleSet
//!               raw       match, during, target, steps, limits          select(labels)
//! ```
//!
//! Always holds: a [`set::RuleSet`] comes from files without a single error. Reading files is not done here.

pub mod context;
pub mod model;
pub mod set;

mod lint;
mod read;

pub use read::{RawFile, budget, compile, during, mode};

#[cfg(test)]
mod tests;
