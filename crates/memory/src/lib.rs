//! Worlds in memory: what a test, a prediction or a simulation uses in place of a database.
//!
//! Always holds: nothing here waits for I/O or for a clock, so on a paused clock every call ends at once.

pub mod store;
