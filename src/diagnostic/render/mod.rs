//! Ways to show diagnostics. Each writes every diagnostic it is given, in the order given.

mod human;
mod json;

pub use human::human;
pub use json::{Record, json};
