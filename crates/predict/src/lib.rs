//! What fettle will do, told before it does it: tools over the same core as the service.
//!
//! Always holds: what decides here is what decides in the service, so what is foretold is what happens; nothing here has an
//! effect, nothing is stored, and nothing asks a real clock.
//!
//! [`explain`] asks about one alert or remediation as things stand, [`reach`] what the rules could touch at all; both look at
//! what is really there, and read it only. `world` and [`replay`] run on a virtual clock and touch nothing real.

pub mod explain;
pub mod reach;
pub mod replay;
pub mod test;
pub mod world;
