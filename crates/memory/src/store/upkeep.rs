//! Who works on the store, and what must be done now and then.

use async_trait::async_trait;
use fettle_core::id::ReplicaId;
use fettle_core::ports::{StoreError, Upkeep};
use fettle_core::time::Timestamp;

use super::{Process, Rows};

impl Rows {
    /// Gives back every claim of the owners meant, whatever it is on.
    fn release(&mut self, meant: impl Fn(ReplicaId) -> bool) -> u64 {
        self.watches.release(&meant);
        self.remediations.release(&meant) + self.loans.release(&meant) + self.outbox.release(&meant)
    }
}

#[async_trait]
impl Upkeep for Process {
    async fn now(&self) -> Result<Option<Timestamp>, StoreError> {
        self.alive("ask the time")?;
        Ok(self.memory.clock.as_ref().map(|clock| clock()))
    }

    async fn latest(&self) -> Result<Option<Timestamp>, StoreError> {
        self.read("ask the latest instant", Rows::latest)
    }

    async fn woken(&self) -> Result<(), StoreError> {
        self.heard().await;
        Ok(())
    }

    fn hears(&self) -> bool {
        self.can_hear()
    }

    async fn release(&self, owner: ReplicaId) -> Result<u64, StoreError> {
        self.write("give back claims", |rows| {
            let released = rows.release(|it| it == owner);
            if released > 0 {
                rows.processes.tell();
            }
            Ok(released)
        })
    }

    async fn adopt(&self, owner: ReplicaId) -> Result<u64, StoreError> {
        self.write("take over the claims of dead processes", |rows| {
            let processes = std::mem::take(&mut rows.processes);
            let adopted = rows.release(|it| it != owner && !processes.is_alive(it));
            rows.processes = processes;
            Ok(adopted)
        })
    }

    async fn prune(&self, notifications: Timestamp, audit: Timestamp) -> Result<u64, StoreError> {
        self.write("prune", |rows| Ok(rows.prune(notifications, audit)))
    }

    async fn noted(&self, name: &'static str) -> Result<Option<String>, StoreError> {
        self.read("read a note", |rows| rows.notes.get(name).cloned())
    }

    async fn note(&self, name: &'static str, value: &str) -> Result<(), StoreError> {
        self.write("note", |rows| {
            rows.notes.insert(name, value.to_owned());
            Ok(())
        })
    }

    fn kind(&self) -> &'static str {
        "memory"
    }

    async fn close(&self) {
        self.end();
    }
}
