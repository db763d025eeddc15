//! One model of Docker: containers, Compose services, Swarm services and disks of one daemon, and a client's view of it.
//!
//! - [`Daemon`] is the model. Time comes in as an argument, chance through [`Chance`], and it does nothing by itself but in
//!   [`Daemon::advance`]. It is the one place that decides what an effect does to a container (`effect.rs`), which
//!   containers belong to a Compose service, and what a look shows (`look.rs`).
//! - [`Host`] and [`Client`] are the platform of the shipped engine over it, with the deadlines of the real client.
//! - [`Trait`] lists what the model claims about Docker. Each one has a test against real daemons of both generations.
//!
//! Always holds: the same requests at the same instants with the same chance give the same history; a look changes nothing;
//! what really happened ([`Daemon::runs`], [`Daemon::jobs`], [`Host::calls`]) is kept whole, for checks.
//!
//! Not modelled: images, networks and volumes as objects, the content of files and logs, several Swarm nodes, Podman.

mod agenda;
mod carry_out;
mod chance;
mod client;
mod compose;
mod container;
mod daemon;
mod daemon_restart;
mod dependents;
mod effect;
mod events;
mod follow;
mod hang;
mod health;
mod host;
mod look;
mod process;
mod request;
mod spec;
mod swarm;
#[cfg(test)]
mod tests;
mod traits;
mod truth;

pub use self::chance::{Chance, Fate, Ordinary, Reply};
pub use self::client::Client;
pub use self::daemon::{Daemon, Disk};
pub use self::effect::{Failure, touched};
pub use self::events::{Event, MEMORY, What};
pub use self::hang::{Part, Top};
pub use self::host::{Call, Clock, Host, Link, World};
pub use self::look::NoAnswer;
pub use self::request::{Answer, Job, Request, ServiceChange, Ticket};
pub use self::spec::{End, Generation, HealthCheck, Life, Policy, Program, Spec, Term, Timing, label};
pub use self::swarm::ServiceSpec;
pub use self::traits::Trait;
pub use self::truth::{By, Ended, Run};
