//! Where the notifications of a replay come from: a database of fettle's, files, or Prometheus.
//!
//! Always holds: deliveries come in the order of their instants, in bounded batches, however much there is; what cannot be
//! read is told with its place and passed over. A source runs beside the replay and is held up by it.

pub mod database;
pub mod files;
pub mod line;
pub mod series;

use tokio::sync::mpsc;

use fettle_core::alert::webhook::{Alert, Malformed};
use fettle_core::time::Timestamp;

/// Alerts in one batch, as far as whole notifications allow.
const BATCH_ALERTS: usize = 2048;

/// Batches that wait for the replay. An alert is about a kilobyte once it is read.
const BATCHES: usize = 2;

/// What one notification said, and when it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// When it was received.
    pub at: Timestamp,
    /// Its alerts, in the order they were sent.
    pub alerts: Vec<Alert>,
}

/// Something that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// The file and the line, or the row.
    pub place: String,
    /// Where in it, as a JSON path, and what is wrong there.
    pub problem: Malformed,
}

/// Some deliveries in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// What was read.
    pub deliveries: Vec<Delivery>,
    /// What was not.
    pub unreadable: Vec<Unreadable>,
    /// How far the source is, in its own unit: rows, bytes, seconds.
    pub done: u64,
}

/// A channel for batches that holds a source up while the replay is busy.
#[must_use]
pub fn channel() -> (mpsc::Sender<Batch>, mpsc::Receiver<Batch>) {
    mpsc::channel(BATCHES)
}
