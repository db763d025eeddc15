//! From the text of rule files to a set of rules: the keys as written, each with its place, through every check.
//!
//! One file per key or group of keys. Always holds: every problem of every file is reported, not only the first.

pub mod budget;
pub mod compile;
pub mod during;
pub mod mode;

mod actions;
mod approval;
mod clean;
mod limits;
mod matchers;
mod raw;
mod steps;
mod target;
mod verify;

pub use raw::RawFile;
