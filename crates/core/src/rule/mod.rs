//! Remediation rules: from YAML with places, through every check, to an indexed set that never changes.
//!
//! ```text
//! SourceFile ── raw ──▶ the keys as written ── compile ──▶ Rule ── set ──▶ RuleSet
//!               shape      match, during, target, steps, limits             select(labels)
//! ```
//!
//! Always holds: a [`set::RuleSet`] comes from files without a single error. Reading files is not done here.

pub mod budget;
pub mod compile;
pub mod during;
pub mod mode;
pub mod model;
pub mod set;

pub use raw::RawFile;

mod actions;
mod approval;
mod clean;
mod fits;
mod history;
mod idle;
mod index;
mod limits;
mod matchers;
mod never;
mod raw;
mod shadow;
mod steps;
mod target;

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod promises;
#[cfg(test)]
mod properties;
