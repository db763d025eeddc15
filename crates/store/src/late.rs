//! A store that opens later: the service answers (not ready, 503) while its database is not there yet.
//!
//! Always holds: before [`Late::open`] every method fails as unavailable; afterwards it is the opened store. Nothing else
//! is in between, and it opens once.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use fettle_core::id::ReplicaId;
use fettle_core::ports::{Store, StoreError, Upkeep};
use fettle_core::time::Timestamp;

/// A store that opens later.
#[derive(Default)]
pub struct Late(OnceLock<Arc<dyn Store>>);

impl Late {
    /// From now on it is `store`. Later calls change nothing.
    pub fn open(&self, store: Arc<dyn Store>) {
        let _ = self.0.set(store);
    }

    fn inner(&self) -> Result<&dyn Store, StoreError> {
        let closed = || StoreError::Unavailable { operation: "open the database", source: "it is not open yet".into() };
        self.0.get().map(|store| &**store).ok_or_else(closed)
    }

    async fn around<T>(
        &self,
        _: &'static str,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        call.await
    }
}

fettle_core::wrap_store!(Late);

#[async_trait]
impl Upkeep for Late {
    async fn now(&self) -> Result<Option<Timestamp>, StoreError> {
        self.inner()?.now().await
    }

    async fn latest(&self) -> Result<Option<Timestamp>, StoreError> {
        self.inner()?.latest().await
    }

    async fn woken(&self) -> Result<(), StoreError> {
        self.inner()?.woken().await
    }

    fn hears(&self) -> bool {
        self.0.get().is_some_and(|store| store.hears())
    }

    async fn release(&self, owner: ReplicaId) -> Result<u64, StoreError> {
        self.inner()?.release(owner).await
    }

    async fn adopt(&self, owner: ReplicaId) -> Result<u64, StoreError> {
        self.inner()?.adopt(owner).await
    }

    async fn prune(&self, notifications: Timestamp, audit: Timestamp) -> Result<u64, StoreError> {
        self.inner()?.prune(notifications, audit).await
    }

    async fn noted(&self, name: &'static str) -> Result<Option<String>, StoreError> {
        self.inner()?.noted(name).await
    }

    async fn note(&self, name: &'static str, value: &str) -> Result<(), StoreError> {
        self.inner()?.note(name, value).await
    }

    fn kind(&self) -> &'static str {
        self.0.get().map_or("not open", |store| store.kind())
    }

    async fn close(&self) {
        if let Some(store) = self.0.get() {
            store.close().await;
        }
    }
}
