//! What fettle knows and decides: alerts, rules, targets, guards, and the state machine of a remediation.
//!
//! Always holds: no I/O, no clock, no randomness and no runtime. Time and ids come in as arguments, and what should be done
//! goes out as data, so everything here runs the same in the service, in a rule test, in a replay and in the simulator. The
//! traits in [`ports`] have asynchronous signatures; nothing here implements or calls one.

pub mod action;
pub mod alert;
pub mod announcement;
pub mod decide;
pub mod diagnostic;
pub mod duration;
pub mod effect;
pub mod guard;
pub mod hosts;
pub mod id;
pub mod interval;
pub mod matcher;
pub mod ports;
pub mod receive;
pub mod remediation;
pub mod rule;
pub mod select;
pub mod settings;
pub mod sight;
pub mod surroundings;
pub mod target;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod text;
pub mod time;
pub mod upstream;
pub mod verdict;
mod words;
pub mod yaml;
