//! A process that dies at a chosen step, without a process: store and platform behind a fuse that burns at its n-th touch.
//!
//! Every call of the seams is touched before and after. From the touch that burns it on nothing ever returns, as if the
//! process were gone; the test then drops the engine and starts another one on the same database.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use fettle::core::alert::episode::AlertState;
use fettle::core::sight::{Found, Sight};
use fettle::core::target::Target;
use fettle::core::time::Timestamp;
use fettle::platform::{Platform, PlatformError};
use fettle::store::model::{
    Admission, Candidate, Changes, Claim, Claimed, Closed, Commit, LedgerAsk, NewNotification, ReceiveAsk, Spent,
    StoredNotification,
};
use fettle::store::view::{
    ActionFilter, ActionView, AlertFilter, AlertView, RemediationFilter, RemediationView, Story,
};
use fettle::store::{Judge, Store, StoreError, Think};
use tokio::sync::Notify;
use uuid::Uuid;

/// Burns at a chosen touch.
pub struct Fuse {
    touched: AtomicUsize,
    burns_at: usize,
    burnt: Notify,
}

impl Fuse {
    /// Burns at the `n`-th touch, from 1.
    pub fn burning_at(n: usize) -> Arc<Self> {
        Arc::new(Self { touched: AtomicUsize::new(0), burns_at: n, burnt: Notify::new() })
    }

    /// Never burns, only counts.
    pub fn fireproof() -> Arc<Self> {
        Self::burning_at(usize::MAX)
    }

    /// How often it was touched.
    pub fn touched(&self) -> usize {
        self.touched.load(Ordering::SeqCst)
    }

    /// Waits until it is burnt.
    pub async fn burnt(&self) {
        self.burnt.notified().await;
    }

    async fn touch(&self) {
        if self.touched.fetch_add(1, Ordering::SeqCst) + 1 >= self.burns_at {
            self.burnt.notify_one();
            std::future::pending::<()>().await;
        }
    }
}

/// A platform behind a fuse.
pub struct FusedPlatform {
    /// What is behind it.
    pub inner: Arc<dyn Platform>,
    /// The fuse.
    pub fuse: Arc<Fuse>,
}

#[async_trait]
impl Platform for FusedPlatform {
    async fn find(&self, target: &Target) -> Result<Found, PlatformError> {
        self.fuse.touch().await;
        let found = self.inner.find(target).await;
        self.fuse.touch().await;
        found
    }

    async fn look(&self, host: &str, id: &str) -> Result<Option<Sight>, PlatformError> {
        self.fuse.touch().await;
        let seen = self.inner.look(host, id).await;
        self.fuse.touch().await;
        seen
    }

    async fn restart(&self, host: &str, id: &str, grace: Duration) -> Result<(), PlatformError> {
        self.fuse.touch().await;
        let done = self.inner.restart(host, id, grace).await;
        self.fuse.touch().await;
        done
    }

    async fn ping(&self) -> Vec<(String, Result<(), PlatformError>)> {
        self.inner.ping().await
    }
}

/// A store behind a fuse. Only what the path of an alert writes or reads touches it; idle polling does not.
pub struct FusedStore {
    /// What is behind it.
    pub inner: Arc<dyn Store>,
    /// The fuse.
    pub fuse: Arc<Fuse>,
}

macro_rules! fused {
    (touched { $(fn $name:ident(&self $(, $arg:ident: $type:ty)*) -> $out:ty;)* }
     quiet { $(fn $quiet:ident(&self $(, $qarg:ident: $qtype:ty)*) -> $qout:ty;)* }) => {
        #[async_trait]
        impl Store for FusedStore {
            fn kind(&self) -> &'static str {
                self.inner.kind()
            }
            async fn close(&self) {
                self.inner.close().await;
            }
            $(async fn $name(&self $(, $arg: $type)*) -> Result<$out, StoreError> {
                self.fuse.touch().await;
                let out = self.inner.$name($($arg),*).await;
                self.fuse.touch().await;
                out
            })*
            $(async fn $quiet(&self $(, $qarg: $qtype)*) -> Result<$qout, StoreError> {
                self.inner.$quiet($($qarg),*).await
            })*
        }
    };
}

fused! {
    touched {
        fn append(&self, batch: &[NewNotification]) -> ();
        fn receive(&self, ask: &ReceiveAsk, think: Think<'_>) -> Changes;
        fn attached(&self, remediation: Uuid) -> Vec<AlertState>;
        fn admit(&self, claim: &Claim, ask: &LedgerAsk, judge: Judge<'_>) -> Admission;
        fn commit(&self, claim: &Claim, commit: &Commit) -> Option<Closed>;
    }
    quiet {
        fn now(&self) -> Option<Timestamp>;
        fn latest(&self) -> Option<Timestamp>;
        fn pending(&self, before: Timestamp, limit: u32) -> Vec<StoredNotification>;
        fn backlog(&self) -> u64;
        fn waiting(&self, limit: u32) -> Vec<AlertState>;
        fn claim(&self, owner: Uuid, now: Timestamp, lease_until: Timestamp, limit: u32) -> Vec<Claimed>;
        fn next_due(&self, now: Timestamp) -> Option<Timestamp>;
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
}
