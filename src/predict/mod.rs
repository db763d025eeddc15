//! What fettle will do, told before it does it: tools over the same core as the service.
//!
//! Always holds: what decides here is what decides in the service, so what is foretold is what happens; nothing here has an
//! effect, nothing is stored, and nothing asks a real clock.

pub mod explain;
pub mod reach;
pub mod replay;
pub mod world;
