//! Worlds in memory: what a test, a prediction or a simulation uses in place of a database and of Docker.
//!
//! [`store`] is what they use in place of a database. [`physics`] is the model of Docker: rule tests, replay and the simulator
//! see one and the same Docker, and tests compare it with real daemons.
//!
//! Always holds: the store waits for no I/O and no clock, so on a paused clock every call of it ends at once; the model of
//! Docker waits for the runtime's clock only. Nothing here decides anything about alerts.

// One line each: where the core and the platform's trait come from.
pub(crate) use fettle_core;
pub(crate) use fettle_core::ports::platform as port;

pub mod physics;
pub mod store;
