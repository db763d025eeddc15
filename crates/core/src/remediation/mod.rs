//! The effort for one target, from the alert that opens it to the outcome that closes it.

pub mod conclusion;
pub mod loan;
pub mod order;
pub mod outcome;
pub mod plan;
pub mod record;
pub mod refusal;
pub mod state;

#[cfg(test)]
mod tests;
