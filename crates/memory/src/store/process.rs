//! One process that works on the store: alive until it is closed or dropped, and woken by what others make due.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fettle_core::id::ReplicaId;
use fettle_core::ports::StoreError;
use tokio::sync::Notify;

use super::{Memory, Rows};

/// A process's way to the store. Dropping it is that process's death.
#[derive(Debug)]
pub struct Process {
    pub(super) memory: Arc<Memory>,
    /// `None`: it reads only.
    place: Option<Place>,
    ended: AtomicBool,
}

#[derive(Debug)]
struct Place {
    number: u64,
    /// Keeps one wake for whoever waits next.
    wake: Arc<Notify>,
}

/// The processes that live.
#[derive(Debug, Default)]
pub(super) struct Processes {
    last: u64,
    living: BTreeMap<u64, (ReplicaId, Arc<Notify>)>,
}

impl Processes {
    /// Whether a process of this name lives.
    pub(super) fn is_alive(&self, owner: ReplicaId) -> bool {
        self.living.values().any(|(living, _)| *living == owner)
    }

    /// Something became due that nobody is at work on.
    pub(super) fn tell(&self) {
        self.living.values().for_each(|(_, wake)| wake.notify_one());
    }
}

impl Process {
    pub(super) fn begin(memory: Arc<Memory>, owner: ReplicaId) -> Self {
        let wake = Arc::new(Notify::new());
        // Whatever was said before is made up for by one look.
        wake.notify_one();
        let number = {
            let processes = &mut memory.lock().processes;
            processes.last += 1;
            processes.living.insert(processes.last, (owner, wake.clone()));
            processes.last
        };
        Self { memory, place: Some(Place { number, wake }), ended: AtomicBool::new(false) }
    }

    pub(super) fn reader(memory: Arc<Memory>) -> Self {
        Self { memory, place: None, ended: AtomicBool::new(false) }
    }

    /// The process ends here, in good order or not: whatever it still asks for fails. What it holds stays held until its
    /// leases end or somebody adopts it.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(place) = &self.place {
            self.memory.lock().processes.living.remove(&place.number);
        }
    }

    /// Ends when something may be due; never, where there are no others. Cancel safe.
    pub(super) async fn heard(&self) {
        match &self.place {
            Some(place) if self.memory.clock.is_some() => place.wake.notified().await,
            _ => std::future::pending().await,
        }
    }

    /// Whether anything can be heard.
    pub(super) fn can_hear(&self) -> bool {
        self.place.is_some() && self.memory.clock.is_some() && !self.has_ended()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    pub(super) fn alive(&self, operation: &'static str) -> Result<(), StoreError> {
        if self.has_ended() {
            return Err(StoreError::Unavailable { operation, source: "the store is closed".into() });
        }
        Ok(())
    }

    /// One transaction that changes nothing.
    pub(super) fn read<T>(&self, operation: &'static str, read: impl FnOnce(&Rows) -> T) -> Result<T, StoreError> {
        self.alive(operation)?;
        Ok(read(&self.memory.lock()))
    }

    /// One transaction. `write` must not fail after it has changed anything.
    pub(super) fn write<T>(
        &self,
        operation: &'static str,
        write: impl FnOnce(&mut Rows) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.alive(operation)?;
        if self.place.is_none() {
            return Err(StoreError::Refused { operation, of_the_data: false, source: "it is open to read".into() });
        }
        write(&mut self.memory.lock())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}
