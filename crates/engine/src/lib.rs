//! The shell around the core, declared in the order an alert meets it.
//!
//! The shell reads facts, asks the core, and stores what it says. It owns everything the core must not know: tasks, time,
//! the database, Docker.

pub mod clock;
pub mod pulse;
pub mod readiness;
pub mod rule_files;
pub mod seldom;
pub mod shell;
pub mod tasks;

pub mod intake;
pub mod receive;

pub mod by_hand;

pub mod worker;

pub mod place;

pub mod driver;

pub mod efforts;

mod known;

mod look;

pub mod follow;

pub mod remember;

pub mod execute;

pub mod lease;

pub mod retry;

pub mod announce;

pub mod heartbeat;

pub mod recheck;

pub mod upkeep;

pub mod run;

#[cfg(test)]
mod testing;
