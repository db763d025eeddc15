//! What fettle will do, told before it does it: the core on a virtual clock.
//!
//! Always holds: what decides here is what decides in the service, so what is foretold is what happens; nothing here touches
//! a real platform, and nothing asks a real clock.

pub mod test;
pub mod world;
