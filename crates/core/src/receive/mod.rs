//! From what was heard to what is opened: episodes, candidates, new remediations.
//!
//! A pure function of the notifications and of what is stored about the alerts and targets they speak of. All remediations
//! of one batch are opened here, before any of them is decided.

mod batch;
mod names;
mod order;
mod world;

pub use batch::{LOOK_LEAST, receive};
pub use names::{ByName, by_name};
pub use order::{again, take};
pub use world::{Again, Candidate, Changes, Finding, Heard, Notice, OpenTarget, Past, PastFix, Standing, World};

#[cfg(test)]
mod tests;
