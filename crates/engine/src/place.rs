//! A place among the efforts that are decided at the same time, and the way out of it.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Held by a driver. Deciding takes a place among few; waiting for an admission, which goes one by one, takes a seat among
/// many, so that it keeps no other from being decided.
#[derive(Debug, Default)]
pub struct Place {
    deciding: Option<OwnedSemaphorePermit>,
    /// Where to wait; `None`: the place is kept until the end, and efforts are driven one after the other.
    anteroom: Option<Arc<Semaphore>>,
    seat: Option<OwnedSemaphorePermit>,
}

impl Place {
    /// A place to decide in.
    #[must_use]
    pub fn new(deciding: OwnedSemaphorePermit, anteroom: Option<Arc<Semaphore>>) -> Self {
        Self { deciding: Some(deciding), anteroom, seat: None }
    }

    /// Takes a seat and makes room for others. Once per decision: the second time it changes nothing.
    pub(crate) async fn wait(&mut self) {
        if let Some(anteroom) = self.anteroom.take() {
            // Never closed.
            self.seat = anteroom.acquire_owned().await.ok();
            self.deciding = None;
        }
    }

    /// Gives the seat up, once the admission is answered.
    pub(crate) fn leave(&mut self) {
        self.seat = None;
    }
}
