//! What every run of the shipped engine in virtual time needs: true time, a machine's clocks, and chance from a seed. The
//! simulator and `tests/agreement` stand on it.
//!
//! Always holds: nothing here reads a real clock or real randomness, so a seed is a run.

pub mod machine;
pub mod rng;
pub mod time;
