//! What operators see: metrics, log lines, and both at once for everything that is decided.
//!
//! Always holds: names and labels of metrics are contracts; labels come from closed sets, the loaded rules or the
//! configuration. Container ids, fingerprints, error texts and secrets are never labels, and secrets, bodies and
//! annotations never reach the log.

pub mod events;
pub mod heartbeat_files;
pub mod host;
pub mod logs;
pub mod metrics;
