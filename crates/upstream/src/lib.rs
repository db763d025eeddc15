//! Alertmanager and Prometheus, asked and told over HTTP: the ports of [`fettle_core::ports::upstream`].
//!
//! Always holds: every request has a deadline and every answer a bound; no redirect is followed and no proxy of the
//! environment is used, so credentials go nowhere but where they were meant for; no secret is in an error's text.
//! Nothing here decides or repeats a request: an announcement that did not arrive is the outbox's business.

pub mod alertmanager;
pub mod prometheus;

mod access;
mod peer;
mod secret;

pub use access::{Access, Credentials};
pub use alertmanager::Alertmanager;
pub use prometheus::Prometheus;
pub use secret::Secret;
