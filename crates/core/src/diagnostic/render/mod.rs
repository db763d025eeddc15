//! Ways to show diagnostics. Each writes every diagnostic it is given, in the order given.

mod github;
mod human;
mod json;

pub use github::github;
pub use human::{coloured, human};
pub use json::{Record, json};
