//! A database for a platform on which nothing changes but by calls: nobody looks in vain while an effect is judged.
//!
//! Between two looks at a steady target only alerts can make a difference, and those wake the remediation. So the next look
//! is put off to the instant at which it can come to something else than the last one: when the target has been well for
//! long enough, or at the deadline. A month of effects that take minutes to judge would else be millions of looks.
//!
//! Always holds: what is decided is the engine's; only when it looks next is changed, and never to an earlier instant.

use std::sync::Arc;

use async_trait::async_trait;

use fettle_core::id::{ActionId, ReplicaId};
use fettle_core::ports::model::{Admission, Claim, Claimed, Commit, Facts, FactsAsk, Ledger, LedgerAsk, Stored};
use fettle_core::ports::{Judge, Store, StoreError, Upkeep, Work};
use fettle_core::remediation::loan::Loan;
use fettle_core::remediation::record::Record;
use fettle_core::remediation::state::{Remediation, State, Verifying};
use fettle_core::time::{Timestamp, after};
use fettle_memory::physics::Clock;
use fettle_memory::store::Process;

/// The database.
pub(super) struct Steady {
    clock: Clock,
    process: Process,
}

impl Steady {
    pub(super) fn new(clock: Clock, process: Process) -> Arc<Self> {
        Arc::new(Self { clock, process })
    }

    /// When a look can differ from the last one.
    fn next_look(&self, of: &Verifying) -> Timestamp {
        let Verifying { attempt, effect_at, well_since, until, .. } = of;
        if *until <= after(*effect_at, attempt.verify.settle) {
            return *until;
        }
        let deadline = after(*effect_at, attempt.verify.resolved_within);
        let proven_at = well_since.map(|since| after(since, attempt.verify.healthy_for));
        match proven_at {
            Some(at) if at > self.clock.now() => at.min(deadline).max(*until),
            _ => deadline.max(*until),
        }
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "the macro that lists the ports also serves stores that may not be open"
    )]
    fn inner(&self) -> Result<&dyn Store, StoreError> {
        Ok(&self.process)
    }

    fn work(&self) -> &dyn Work<Remediation> {
        &self.process
    }

    async fn around<T: Send>(
        &self,
        _: &'static str,
        call: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        call.await
    }
}

fettle_core::wrap_store! { but driver: Steady }
fettle_core::wrap_store! { @work Steady; Loan }
fettle_core::wrap_store! { @ports Steady;
    Effects {
        peek(asks: &[&LedgerAsk]) -> Vec<Ledger>;
        late(action: ActionId, records: &[Record]) -> bool;
    }
}

#[async_trait]
impl Work<Remediation> for Steady {
    async fn claim(
        &self,
        owner: ReplicaId,
        now: Timestamp,
        lease_until: Timestamp,
        limit: u32,
    ) -> Result<Vec<Claimed<Remediation>>, StoreError> {
        self.work().claim(owner, now, lease_until, limit).await
    }

    async fn next_due(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        self.work().next_due(now).await
    }

    async fn facts(&self, ask: &FactsAsk) -> Result<Facts, StoreError> {
        self.work().facts(ask).await
    }

    async fn admit(
        &self,
        claim: &Claim,
        asks: &[&LedgerAsk],
        judge: Judge<'_, Remediation>,
    ) -> Result<Admission<Remediation>, StoreError> {
        self.work().admit(claim, asks, judge).await
    }

    async fn commit(&self, claim: &Claim, commit: &Commit<Remediation>) -> Result<Option<Stored>, StoreError> {
        if let State::Verifying(of) = &commit.effort.state {
            let look_at = self.next_look(of);
            let mut later = commit.clone();
            if let State::Verifying(Verifying { until, .. }) = &mut later.effort.state {
                *until = look_at;
            }
            return self.work().commit(claim, &later).await;
        }
        self.work().commit(claim, commit).await
    }
}

#[async_trait]
impl Upkeep for Steady {
    async fn now(&self) -> Result<Option<Timestamp>, StoreError> {
        self.process.now().await
    }

    async fn latest(&self) -> Result<Option<Timestamp>, StoreError> {
        self.process.latest().await
    }

    async fn woken(&self) -> Result<(), StoreError> {
        self.process.woken().await
    }

    fn hears(&self) -> bool {
        self.process.hears()
    }

    async fn release(&self, owner: ReplicaId) -> Result<u64, StoreError> {
        self.process.release(owner).await
    }

    async fn adopt(&self, owner: ReplicaId) -> Result<u64, StoreError> {
        self.process.adopt(owner).await
    }

    async fn prune(&self, notifications: Timestamp, audit: Timestamp) -> Result<u64, StoreError> {
        self.process.prune(notifications, audit).await
    }

    async fn noted(&self, name: &'static str) -> Result<Option<String>, StoreError> {
        self.process.noted(name).await
    }

    async fn note(&self, name: &'static str, value: &str) -> Result<(), StoreError> {
        self.process.note(name, value).await
    }

    fn kind(&self) -> &'static str {
        self.process.kind()
    }

    async fn close(&self) {
        self.process.close().await;
    }
}
