//! A process that dies at a chosen step, without a process: store and platform behind a fuse that burns at its n-th touch.
//!
//! Every call of the seams is touched before and after. From the touch that burns it on nothing ever returns, as if the
//! process were gone; the test then drops the engine and starts another one on the same database.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use fettle_core::effect::Effect;
use fettle_core::id::ReplicaId;
use fettle_core::ports::platform::{Performed, Platform, PlatformError};
use fettle_core::ports::{Store, StoreError, Upkeep};
use fettle_core::sight::{CallPath, Found, Pin, Sight, Wanted};
use fettle_core::target::Target;
use fettle_core::time::Timestamp;
use serde_json::Value;
use tokio::sync::Notify;

/// Where a fuse burns.
#[derive(Debug, Clone, Copy)]
pub enum Burns {
    /// At the n-th touch, from 1.
    At(usize),
    /// Before the n-th effect, from 1.
    BeforeEffect(usize),
    /// After it.
    AfterEffect(usize),
    /// Nowhere; touches are only counted.
    Never,
}

/// Burns at a chosen touch.
pub struct Fuse {
    touched: AtomicUsize,
    effects: AtomicUsize,
    burns: Burns,
    is_burnt: AtomicBool,
    burnt: Notify,
    under_way: AtomicUsize,
}

impl Fuse {
    /// Burns there.
    pub fn burning(burns: Burns) -> Arc<Self> {
        let none = || AtomicUsize::new(0);
        let (touched, effects, under_way, is_burnt) = (none(), none(), none(), AtomicBool::new(false));
        Arc::new(Self { touched, effects, burns, is_burnt, burnt: Notify::new(), under_way })
    }

    /// Calls of the store that have begun and not ended.
    pub fn under_way(&self) -> usize {
        self.under_way.load(Ordering::SeqCst)
    }

    /// Never burns, only counts.
    pub fn fireproof() -> Arc<Self> {
        Self::burning(Burns::Never)
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
        self.touch_or(false).await;
    }

    /// A touch right before an effect.
    async fn touch_before_effect(&self) {
        let nth = self.effects.fetch_add(1, Ordering::SeqCst) + 1;
        self.touch_or(matches!(self.burns, Burns::BeforeEffect(n) if n == nth)).await;
    }

    /// A touch right after one.
    async fn touch_after_effect(&self) {
        let nth = self.effects.load(Ordering::SeqCst);
        self.touch_or(matches!(self.burns, Burns::AfterEffect(n) if n == nth)).await;
    }

    /// Counts a touch; from the one that burns on, none returns.
    async fn touch_or(&self, burns_here: bool) {
        let nth = self.touched.fetch_add(1, Ordering::SeqCst) + 1;
        let burns = burns_here || matches!(self.burns, Burns::At(n) if nth >= n);
        if burns {
            self.is_burnt.store(true, Ordering::SeqCst);
        }
        if self.is_burnt.load(Ordering::SeqCst) {
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
    async fn find(&self, target: &Target, wanted: Wanted) -> Result<Found, PlatformError> {
        self.fuse.touch().await;
        let found = self.inner.find(target, wanted).await;
        self.fuse.touch().await;
        found
    }

    async fn look(&self, target: &Target, pin: &Pin) -> Result<Option<Sight>, PlatformError> {
        self.fuse.touch().await;
        let seen = self.inner.look(target, pin).await;
        self.fuse.touch().await;
        seen
    }

    async fn call_path(&self, target: &Target, pin: &Pin, effect: &Effect) -> CallPath {
        self.inner.call_path(target, pin, effect).await
    }

    async fn perform(&self, target: &Target, pin: &Pin, effect: &Effect) -> Performed {
        self.fuse.touch_before_effect().await;
        let done = self.inner.perform(target, pin, effect).await;
        self.fuse.touch_after_effect().await;
        done
    }

    async fn evidence(&self, target: &Target, pin: &Pin, log_lines: u32) -> Value {
        self.inner.evidence(target, pin, log_lines).await
    }

    async fn targets(&self) -> Vec<(String, Result<Vec<Target>, PlatformError>)> {
        self.inner.targets().await
    }

    async fn ping(&self) -> Vec<(String, Result<(), PlatformError>)> {
        self.inner.ping().await
    }
}

/// A store behind a fuse. It has no clock of its own: the test's clock leads. Only what the path of an alert writes or reads touches it; idle polling does not.
pub struct FusedStore {
    /// What is behind it.
    pub inner: Arc<dyn Store>,
    /// The fuse.
    pub fuse: Arc<Fuse>,
}

/// The operations on the path of an alert: each is a touch before and a touch after.
const TOUCHED: [&str; 8] = ["append", "receive", "facts", "peek", "admit", "commit", "record", "late"];

impl FusedStore {
    #[expect(clippy::unnecessary_wraps, reason = "the shape that `wrap_store` asks for")]
    fn inner(&self) -> Result<&dyn Store, StoreError> {
        Ok(&*self.inner)
    }

    async fn around<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        if !TOUCHED.contains(&operation) {
            return call.await;
        }
        self.fuse.touch().await;
        self.fuse.under_way.fetch_add(1, Ordering::SeqCst);
        let out = call.await;
        self.fuse.under_way.fetch_sub(1, Ordering::SeqCst);
        self.fuse.touch().await;
        out
    }
}

fettle_core::wrap_store!(FusedStore);

#[async_trait]
impl Upkeep for FusedStore {
    async fn now(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(None)
    }

    async fn latest(&self) -> Result<Option<Timestamp>, StoreError> {
        self.inner.latest().await
    }

    async fn woken(&self) -> Result<(), StoreError> {
        self.inner.woken().await
    }

    fn hears(&self) -> bool {
        self.inner.hears()
    }

    async fn release(&self, owner: ReplicaId) -> Result<u64, StoreError> {
        self.inner.release(owner).await
    }

    async fn adopt(&self, owner: ReplicaId) -> Result<u64, StoreError> {
        self.inner.adopt(owner).await
    }

    async fn prune(&self, notifications: Timestamp, audit: Timestamp) -> Result<u64, StoreError> {
        self.inner.prune(notifications, audit).await
    }

    async fn noted(&self, name: &'static str) -> Result<Option<String>, StoreError> {
        self.inner.noted(name).await
    }

    async fn note(&self, name: &'static str, value: &str) -> Result<(), StoreError> {
        self.inner.note(name, value).await
    }

    fn kind(&self) -> &'static str {
        self.inner.kind()
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}
