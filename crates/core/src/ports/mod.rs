//! What the engine asks of the world, in small traits, split by who asks: the store, the platform, what is upstream.
//!
//! Each exists because reality varies there, or because a test must hold it still. They are asynchronous signatures and
//! nothing more: the core has no runtime. No error here is of a driver's type.

pub mod common;
pub mod effort;
pub mod error;
pub mod history;
pub mod model;
pub mod platform;
pub mod store;
pub mod telemetry;
pub mod upstream;
pub mod view;
mod wrap;

pub use effort::{Effort, Judge, Work};
pub use error::{Cause, StoreError, chain};
pub use platform::{Followed, LifeEvents, Performed, Platform, PlatformError};
pub use store::{
    APPEND_PATIENCE, Effects, Intake, Outbox, People, Reading, Receiving, Runs, Standing, Store, Think, Upkeep,
};
pub use telemetry::Telemetry;
pub use upstream::{Query, Upstream, UpstreamError};
