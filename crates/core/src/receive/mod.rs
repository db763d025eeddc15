//! From what was heard to what is opened: episodes, candidates, new remediations.
//!
//! A pure function of the notifications and of what is stored about the alerts and targets they speak of. All remediations
//! of one batch are opened here, before any of them is decided.

mod batch;
mod order;
mod world;

pub use batch::receive;
pub use order::{again, take};
pub use world::{Candidate, Changes, Heard, Notice, OpenTarget, Past, PastFix, Standing, World};

#[cfg(test)]
mod tests;
