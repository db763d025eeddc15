//! A process's way to the store: slow, refused, cut off before or after the transaction, in conflict, or swallowed. What was
//! stored is shown to the checks in the same instant.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use fettle_core::alert::episode::AlertState;
use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::id::{ActionId, PauseId, RemediationId, ReplicaId};
use fettle_core::ports::model::{
    Admission, Again, Claim, Claimed, Commit, Ledger, LedgerAsk, NewNotification, ReceiveAsk, Stored,
    StoredNotification,
};
use fettle_core::ports::{Effects, Intake, Judge, Receiving, Store, StoreError, Think, Upkeep, Work};
use fettle_core::receive::{Changes, World as Known};
use fettle_core::remediation::record::Record;
use fettle_core::surroundings::Pause;
use fettle_core::time::Timestamp;
use fettle_memory::store::Process;

use crate::checks::Deed;
use crate::replica::Replica;
use crate::seam::{self, Watched};
use crate::time::{Micros, SECOND};
use crate::world::{Wake, World};

/// The client's own deadline of one call.
const DEADLINE: Duration = Duration::from_secs(6);

/// How a machine's way to the store is.
#[derive(Debug, Default)]
pub struct Way {
    /// Refused until then.
    refused_until: AtomicI64,
    /// Swallowed until then: taken, and never answered.
    swallowed_until: AtomicI64,
}

impl Way {
    /// It works.
    pub fn clear(&self) {
        self.refused_until.store(0, Ordering::Relaxed);
        self.swallowed_until.store(0, Ordering::Relaxed);
    }
}

/// Calls that a process makes all the time, mostly for nothing.
const POLLS: [&str; 9] =
    ["claim", "next_due", "pending", "waiting", "announcements", "last_heard", "now", "adopt", "watch"];

/// The store as one process has it.
pub struct Desk {
    world: Arc<World>,
    me: Arc<Replica>,
    owner: ReplicaId,
    store: Arc<Process>,
}

/// What becomes of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slip {
    None,
    Refused,
    Conflict,
    Lost,
    Swallowed { done: bool },
}

impl Desk {
    /// The store of the process `owner`.
    pub fn new(world: &Arc<World>, me: Arc<Replica>, owner: ReplicaId, store: Arc<Process>) -> Self {
        Self { world: world.clone(), me, owner, store }
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "the macro that lists the ports also serves stores that may not be open"
    )]
    fn inner(&self) -> Result<&dyn Store, StoreError> {
        Ok(&*self.store)
    }

    fn slip(&self, operation: &'static str) -> Slip {
        let (world, now) = (&self.world, self.world.now());
        if world.is_calm() {
            return Slip::None;
        }
        if now < self.me.way.swallowed_until.load(Ordering::Relaxed) {
            return Slip::Swallowed { done: world.chance(500) };
        }
        if now < self.me.way.refused_until.load(Ordering::Relaxed) {
            return Slip::Refused;
        }
        let mut rng = world.rng();
        if world.plan.weather.store == 0 || rng.below(10_000) >= world.plan.weather.store {
            return Slip::None;
        }
        match rng.below(4) {
            0 => Slip::Refused,
            1 if matches!(operation, "receive" | "admit" | "commit") => Slip::Conflict,
            _ => Slip::Lost,
        }
    }

    /// One call, with everything that may happen to it.
    async fn around<T: Send>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        if self.world.checks().is_stuck() {
            std::future::pending::<()>().await;
        }
        let away = |why: &'static str| StoreError::Unavailable { operation, source: why.into() };
        let poll = POLLS.contains(&operation);
        self.delay(poll).await;
        match self.slip(operation) {
            Slip::None => {
                let done = call.await;
                self.delay(poll).await;
                done
            }
            Slip::Refused => Err(away("connection refused")),
            Slip::Conflict => Err(StoreError::Conflict { operation }),
            Slip::Lost => {
                let _ = call.await;
                Err(away("the connection broke"))
            }
            Slip::Swallowed { done } => {
                if done {
                    let _ = call.await;
                }
                tokio::time::sleep(DEADLINE).await;
                Err(away("no answer in time"))
            }
        }
    }

    /// The way to the store takes its time, and a process may die or stand still on it.
    async fn delay(&self, poll: bool) {
        let world = &self.world;
        if world.is_calm() {
            return;
        }
        if !poll {
            world.step(&self.me).await;
        }
        if world.chance(if poll { 20 } else { 250 }) {
            let lasts = world.within(1) / 50;
            tokio::time::sleep_until(world.at(world.now() + lasts)).await;
            world.step(&self.me).await;
        }
    }
}

impl World {
    /// A process may die here, or stand still.
    pub async fn step(&self, me: &Replica) {
        let weather = &self.plan.weather;
        if self.is_calm() || (weather.crashes == 0 && weather.stops == 0) {
            return;
        }
        let drawn = self.below(20_000);
        if drawn < weather.crashes {
            self.push(self.now(), Wake::Crash(me.number));
            std::future::pending::<()>().await;
        } else if drawn < weather.crashes + weather.stops {
            let most = *self.rng().pick(&[2, 30, 120]);
            let lasts = SECOND / 2 + self.within(most);
            me.stand_still(self, lasts);
            tokio::task::yield_now().await;
        }
    }

    /// The store, or a way to it, fails for a while.
    pub fn outage(&self) {
        if self.is_calm() {
            return;
        }
        self.later(self.plan.weather.outages * 2, Wake::Outage);
        let (kind, one, seconds) = {
            let mut rng = self.rng();
            let seconds = *rng.pick(&[3, 15, 60]);
            (rng.below(3), rng.below(u64::from(self.plan.weather.replicas)), rng.between(1, seconds))
        };
        let until = self.now() + Micros::try_from(seconds).unwrap_or(0) * SECOND;
        self.note(|| format!("store: fault {kind} of replica {one} for {seconds} s"));
        for replica in &self.replicas {
            let way = &replica.way;
            match kind {
                0 => way.refused_until.store(until, Ordering::Relaxed),
                1 if u64::from(replica.number) == one => way.swallowed_until.store(until, Ordering::Relaxed),
                2 if u64::from(replica.number) == one => way.refused_until.store(until, Ordering::Relaxed),
                _ => {}
            }
        }
    }
}

fettle_core::wrap_store! { @ports Desk;
    Outbox {
        announcements(owner: ReplicaId, now: Timestamp, renew_before: Timestamp, lease_until: Timestamp, limit: u32)
            -> Vec<fettle_core::ports::model::Outgoing>;
        announced(outgoing: &fettle_core::ports::model::Outgoing, at: Timestamp) -> ();
        record(records: &[Record]) -> ();
        sample(samples: &[fettle_core::ports::model::Sample]) -> ();
        last_heard(alertname: &str) -> Option<Timestamp>;
    }
    People {
        pause(pause: &Pause) -> ();
        resume(id: PauseId, by: &str, now: Timestamp) -> bool;
        answer(remediation: RemediationId, answer: &fettle_core::surroundings::Answer) -> fettle_core::ports::model::Answered;
        reset_breaker(rule: &str, by: &str, now: Timestamp) -> bool;
    }
    Reading {
        remediations(filter: &fettle_core::ports::view::RemediationFilter) -> Vec<fettle_core::ports::view::RemediationView>;
        story(id: RemediationId) -> Option<fettle_core::ports::view::Story>;
        actions(filter: &fettle_core::ports::view::ActionFilter) -> Vec<fettle_core::ports::view::ActionView>;
        alerts(filter: &fettle_core::ports::view::AlertFilter) -> Vec<fettle_core::ports::view::AlertView>;
        events(filter: &fettle_core::ports::view::EventFilter) -> Vec<fettle_core::ports::view::EventView>;
    }
    Standing {
        remediation(id: RemediationId) -> Option<fettle_core::remediation::state::Remediation>;
        attached(remediation: RemediationId) -> Vec<AlertState>;
        pauses(now: Timestamp) -> Vec<Pause>;
        breakers(since: Timestamp) -> Vec<(String, fettle_core::surroundings::Breaker)>;
        storm() -> Option<fettle_core::surroundings::Storm>;
        spent(since: Timestamp) -> Vec<fettle_core::ports::model::Spent>;
        open_by_state() -> Vec<(String, u64)>;
    }
    Runs {
        watch(daemon: &str, owner: ReplicaId, now: Timestamp, lease_until: Timestamp) -> Option<fettle_core::sight::past::Watch>;
        seen(daemon: &str, owner: ReplicaId, watch: &fettle_core::sight::past::Watch, learnt: &fettle_core::sight::past::Learnt)
            -> bool;
        past(daemon: &str, containers: &[String]) -> fettle_core::sight::past::Past;
    }
}

#[async_trait]
impl Intake for Desk {
    async fn append(&self, batch: &[NewNotification]) -> Result<(), StoreError> {
        self.around("append", async {
            self.inner()?.append(batch).await?;
            self.world.deed(&Deed::Appended { batch });
            Ok(())
        })
        .await
    }

    async fn backlog(&self) -> Result<u64, StoreError> {
        self.around("backlog", self.inner()?.backlog()).await
    }
}

#[async_trait]
impl Receiving for Desk {
    async fn pending(&self, before: Timestamp, limit: u32) -> Result<Vec<StoredNotification>, StoreError> {
        self.around("pending", self.inner()?.pending(before, limit)).await
    }

    async fn receive(&self, ask: &ReceiveAsk, think: Think<'_>) -> Result<Changes, StoreError> {
        self.around("receive", async {
            let think = |known: &Known| seam::received(self.world.mutant, think(known));
            let changes = self.inner()?.receive(ask, &think).await?;
            self.world.deed(&Deed::Received { owner: self.owner, ask, changes: &changes });
            Ok(changes)
        })
        .await
    }

    async fn foresee(&self, ask: &ReceiveAsk) -> Result<Known, StoreError> {
        self.around("foresee", self.inner()?.foresee(ask)).await
    }

    async fn waiting(&self, limit: u32) -> Result<Vec<AlertState>, StoreError> {
        self.around("waiting", self.inner()?.waiting(limit)).await
    }

    async fn take_again(&self, now: Timestamp, next: Timestamp, limit: u32) -> Result<Vec<Again>, StoreError> {
        self.around("take_again", self.inner()?.take_again(now, next, limit)).await
    }

    async fn next_again(&self) -> Result<Option<Timestamp>, StoreError> {
        self.around("next_again", self.inner()?.next_again()).await
    }

    async fn unattended(&self, after: Option<Fingerprint>, limit: u32) -> Result<Vec<AlertState>, StoreError> {
        self.around("unattended", self.inner()?.unattended(after, limit)).await
    }
}

#[async_trait]
impl<T: Watched> Work<T> for Desk {
    async fn claim(
        &self,
        owner: ReplicaId,
        now: Timestamp,
        lease_until: Timestamp,
        limit: u32,
    ) -> Result<Vec<Claimed<T>>, StoreError> {
        self.around("claim", async {
            let claimed = T::work(self.inner()?).claim(owner, now, lease_until, limit).await?;
            for it in &claimed {
                self.world.deed(&Deed::Claimed { claim: &it.claim });
            }
            Ok(T::claimed(self.world.mutant, claimed))
        })
        .await
    }

    async fn next_due(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        self.around("next_due", T::work(self.inner()?).next_due(now)).await
    }

    async fn facts(&self, ask: &T::Ask) -> Result<T::Facts, StoreError> {
        self.around("facts", async {
            let facts = T::work(self.inner()?).facts(ask).await?;
            if let Some(of) = T::asked_about(ask) {
                self.world.deed(&Deed::Read { owner: self.owner, of });
            }
            Ok(T::found(&self.world, ask, facts))
        })
        .await
    }

    async fn admit(&self, claim: &Claim, asks: &[&LedgerAsk], judge: Judge<'_, T>) -> Result<Admission<T>, StoreError> {
        self.around("admit", seam::admit(&self.world, self.owner, self.inner()?, claim, asks, judge)).await
    }

    async fn commit(&self, claim: &Claim, commit: &Commit<T>) -> Result<Option<Stored>, StoreError> {
        self.around("commit", seam::commit(&self.world, self.inner()?, claim, commit)).await
    }
}

#[async_trait]
impl Effects for Desk {
    async fn peek(&self, asks: &[&LedgerAsk]) -> Result<Vec<Ledger>, StoreError> {
        self.around("peek", self.inner()?.peek(asks)).await
    }

    async fn late(&self, action: ActionId, records: &[Record]) -> Result<bool, StoreError> {
        self.around("late", seam::late(&self.world, self.inner()?, action, records)).await
    }
}

#[async_trait]
impl Upkeep for Desk {
    async fn now(&self) -> Result<Option<Timestamp>, StoreError> {
        self.around("now", self.inner()?.now()).await
    }

    async fn latest(&self) -> Result<Option<Timestamp>, StoreError> {
        self.around("latest", self.inner()?.latest()).await
    }

    async fn woken(&self) -> Result<(), StoreError> {
        self.store.woken().await
    }

    fn hears(&self) -> bool {
        self.store.hears()
    }

    async fn release(&self, owner: ReplicaId) -> Result<u64, StoreError> {
        self.around("release", self.inner()?.release(owner)).await
    }

    async fn adopt(&self, owner: ReplicaId) -> Result<u64, StoreError> {
        self.around("adopt", self.inner()?.adopt(owner)).await
    }

    async fn prune(&self, notifications: Timestamp, audit: Timestamp) -> Result<u64, StoreError> {
        self.around("prune", self.inner()?.prune(notifications, audit)).await
    }

    async fn noted(&self, name: &'static str) -> Result<Option<String>, StoreError> {
        self.around("noted", self.inner()?.noted(name)).await
    }

    async fn note(&self, name: &'static str, value: &str) -> Result<(), StoreError> {
        self.around("note", self.inner()?.note(name, value)).await
    }

    fn kind(&self) -> &'static str {
        self.store.kind()
    }

    async fn close(&self) {
        self.store.close().await;
    }
}
