//! What each task of the engine runs in: as it is, or enclosed by whoever hosts the engine.
//!
//! A host may put a task into a span or count its polls. The simulator holds a task back while its process stands still, as
//! `SIGSTOP` does: no task is polled, and time goes on.

use std::future::Future;
use std::pin::Pin;

/// A task that was not started yet.
pub type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Encloses the engine's tasks.
pub trait Tasks: Send + Sync {
    /// The task of this name as it is to be polled. It ends when `work` ends, and dropping it drops `work`.
    fn enclose(&self, name: &'static str, work: Work) -> Work;
}

/// Each task runs as it is.
impl Tasks for () {
    fn enclose(&self, _: &'static str, work: Work) -> Work {
        work
    }
}
