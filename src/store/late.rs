//! A store that opens later: the service answers (not ready, 503) while its database is not there yet.
//!
//! Always holds: before [`Late::open`] every method fails as unavailable; afterwards it is the opened store. Nothing else
//! is in between, and it opens once.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use uuid::Uuid;

use super::model::{
    Admission, Candidate, Changes, Claim, Claimed, Closed, Commit, LedgerAsk, NewNotification, ReceiveAsk, Spent,
    StoredNotification,
};
use super::view::{ActionFilter, ActionView, AlertFilter, AlertView, RemediationFilter, RemediationView, Story};
use super::{Judge, Store, StoreError, Think};
use crate::core::alert::episode::AlertState;
use crate::core::time::Timestamp;

/// A store that opens later.
#[derive(Default)]
pub struct Late(OnceLock<Arc<dyn Store>>);

impl Late {
    /// From now on it is `store`. Later calls change nothing.
    pub fn open(&self, store: Arc<dyn Store>) {
        let _ = self.0.set(store);
    }

    fn store(&self) -> Result<&dyn Store, StoreError> {
        let closed = || StoreError::Unavailable { operation: "open the database", source: sqlx::Error::PoolClosed };
        self.0.get().map(|store| &**store).ok_or_else(closed)
    }
}

macro_rules! forward {
    ($(fn $name:ident(&self $(, $arg:ident: $type:ty)*) -> $out:ty;)*) => {
        #[async_trait]
        impl Store for Late {
            fn kind(&self) -> &'static str {
                self.0.get().map_or("not open", |store| store.kind())
            }

            async fn close(&self) {
                if let Some(store) = self.0.get() {
                    store.close().await;
                }
            }

            $(async fn $name(&self $(, $arg: $type)*) -> Result<$out, StoreError> {
                self.store()?.$name($($arg),*).await
            })*
        }
    };
}

forward! {
    fn now(&self) -> Option<Timestamp>;
    fn latest(&self) -> Option<Timestamp>;
    fn append(&self, batch: &[NewNotification]) -> ();
    fn pending(&self, before: Timestamp, limit: u32) -> Vec<StoredNotification>;
    fn backlog(&self) -> u64;
    fn receive(&self, ask: &ReceiveAsk, think: Think<'_>) -> Changes;
    fn waiting(&self, limit: u32) -> Vec<AlertState>;
    fn claim(&self, owner: Uuid, now: Timestamp, lease_until: Timestamp, limit: u32) -> Vec<Claimed>;
    fn next_due(&self, now: Timestamp) -> Option<Timestamp>;
    fn attached(&self, remediation: Uuid) -> Vec<AlertState>;
    fn admit(&self, claim: &Claim, asks: &[&LedgerAsk], judge: Judge<'_>) -> Admission;
    fn commit(&self, claim: &Claim, commit: &Commit) -> Option<Closed>;
    fn release(&self, owner: Uuid) -> u64;
    fn adopt(&self, owner: Uuid) -> u64;
    fn spent(&self, since: Timestamp) -> Vec<Spent>;
    fn open_by_state(&self) -> Vec<(String, u64)>;
    fn remediations(&self, filter: &RemediationFilter) -> Vec<RemediationView>;
    fn story(&self, id: Uuid) -> Option<Story>;
    fn actions(&self, filter: &ActionFilter) -> Vec<ActionView>;
    fn alerts(&self, filter: &AlertFilter) -> Vec<AlertView>;
    fn candidates(&self, fingerprint: &str) -> Vec<Candidate>;
    fn prune(&self, notifications: Timestamp, audit: Timestamp) -> u64;
}
