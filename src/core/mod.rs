//! What fettle knows: alerts, rules, targets, guards, and the state machine that decides.
//!
//! Always holds: no async, no I/O, no clock, no randomness. Time and ids come in as arguments, what should be
//! done goes out as data, so everything here runs the same live, in a rule test, in a replay and in a simulation.

pub mod alert;
pub mod matcher;
