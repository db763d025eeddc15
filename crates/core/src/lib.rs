//! What fettle knows: alerts, rules, targets, guards, and the state machine that decides.
//!
//! Always holds: no async, no I/O, no clock, no randomness. Time and ids come in as arguments, what should be
//! done goes out as data, so everything here runs the same live, in a rule test, in a replay and in a simulation.

pub mod action;
pub mod alert;
pub mod announcement;
pub mod decide;
pub mod duration;
pub mod effect;
pub mod guard;
pub mod interval;
pub mod matcher;
pub mod receive;
pub mod remediation;
pub mod rule;
pub mod select;
pub mod settings;
pub mod sight;
pub mod surroundings;
pub mod target;
#[cfg(test)]
pub(crate) mod testing;
pub mod time;
pub mod upstream;
pub mod verdict;
mod words;
pub mod yaml;
