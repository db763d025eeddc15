//! What fettle will do, told before it does it: tools over the engine that ships.
//!
//! Always holds: what decides here is what decides in the service, so what is foretold is what happens; nothing here has an
//! effect, nothing is stored, and nothing asks a real clock. There is no second copy of anything: the engine's driver
//! interprets what the core asks, [`fettle_memory`] remembers, and its model of Docker says what an effect does.
//!
//! [`explain`] asks about one alert or remediation as things stand, [`reach`] what the rules could touch at all; both look at
//! what is really there, and read it only. [`world`] runs the engine in virtual time, for [`mod@test`] and [`replay`], and
//! touches nothing real.

pub mod explain;
pub mod reach;
pub mod replay;
pub mod test;
pub mod world;
