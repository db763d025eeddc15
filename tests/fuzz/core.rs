//! The core's own sources, as the service compiles them.

#[path = "../../src/core/mod.rs"]
pub mod core;
#[path = "../../src/diagnostic/mod.rs"]
pub mod diagnostic;
