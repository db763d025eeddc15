//! The world in memory that fettle's tools and its simulator run on.
//!
//! [`physics`] is the model of Docker: rule tests, replay and the simulator see one and the same Docker, and tests compare it
//! with real daemons. Nothing here decides anything about alerts.

// One line each: where the core and the platform's trait come from.
pub(crate) use fettle_core;
pub(crate) use fettle_core::ports::platform as port;

pub mod physics;
