//! What fettle remembers, in one small trait for each who asks.
//!
//! Always holds: each method is one transaction, all or nothing. A remediation or loan is changed only under its
//! [`Claim`](super::model::Claim): owner and version are compared in the same statement, and a lost claim changes nothing. Invariants
//! that protect production (one open remediation per target, audit rows that nobody edits) live in the store itself.
//! Thinking is the core's: where a decision needs facts that must not change under it, the method takes it as a function
//! of those facts and calls it inside the transaction.

use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;
use super::effort::Work;
use super::model::{
    Again, Answered, Changes, Ledger, LedgerAsk, NewNotification, Outgoing, ReceiveAsk, Sample, Spent,
    StoredNotification, World,
};
use super::view::{
    ActionFilter, ActionView, AlertFilter, AlertView, EventFilter, EventView, RemediationFilter, RemediationView, Story,
};
use crate::alert::episode::AlertState;
use crate::alert::fingerprint::Fingerprint;
use crate::id::{ActionId, PauseId, RemediationId, ReplicaId};
use crate::remediation::loan::Loan;
use crate::remediation::record::Record;
use crate::remediation::state::Remediation;
use crate::sight::past::{Learnt, Past, Watch};
use crate::surroundings::{Answer, Breaker, Pause, Storm};
use crate::time::Timestamp;

/// A pure decision on what was received, made inside the transaction. May be called again after a conflict.
pub type Think<'a> = &'a (dyn Fn(&World) -> Changes + Send + Sync);

/// How long a sender waits for what it sent to be stored, before it is asked to come again. A store ends an append that has not
/// ended earlier than that, so that only one of the two decides what becomes of its connection.
pub const APPEND_PATIENCE: Duration = Duration::from_secs(5);

/// What comes in: notifications are stored before anything is answered.
#[async_trait]
pub trait Intake: Send + Sync {
    /// Stores notifications, all or none. Done means durable.
    async fn append(&self, batch: &[NewNotification]) -> Result<(), StoreError>;

    /// How many notifications are not yet taken in.
    async fn backlog(&self) -> Result<u64, StoreError>;
}

/// From stored notifications to open remediations.
#[async_trait]
pub trait Receiving: Send + Sync {
    /// Notifications not yet taken in, oldest first, that were received before `before`.
    async fn pending(&self, before: Timestamp, limit: u32) -> Result<Vec<StoredNotification>, StoreError>;

    /// Takes notifications in: claims them, reads what is known, lets `think` decide, writes what it says. Where that opens
    /// something, the past is read as well and `think` asked again; its first answer is forgotten. Alerts are locked
    /// meanwhile. `Conflict` when somebody else wrote the same rows first; the caller tries again.
    async fn receive(&self, ask: &ReceiveAsk, think: Think<'_>) -> Result<Changes, StoreError>;

    /// What is known of everything that `ask` is about, as [`receive`](Receiving::receive) would read it now: nothing is taken,
    /// locked or written. For predictions.
    async fn foresee(&self, ask: &ReceiveAsk) -> Result<World, StoreError>;

    /// Candidates that wait for another remediation of their target which is closed by now.
    async fn waiting(&self, limit: u32) -> Result<Vec<AlertState>, StoreError>;

    /// Takes candidates whose [`again_at`](super::model::Candidate::again_at) has come, earliest first, and moves that instant to
    /// `next`: this is the claim, so a process that takes one and ends loses nothing but time. Those whose alert does not fire any
    /// more in their episode wait for nothing from now on, and are left out.
    async fn take_again(&self, now: Timestamp, next: Timestamp, limit: u32) -> Result<Vec<Again>, StoreError>;

    /// When the earliest candidate is to be decided again.
    async fn next_again(&self) -> Result<Option<Timestamp>, StoreError>;

    /// Firing alerts that no open remediation is attached to, by fingerprint, after this one.
    async fn unattended(&self, after: Option<Fingerprint>, limit: u32) -> Result<Vec<AlertState>, StoreError>;
}

/// Effects outside a claim: what they would cost, and what became of them late.
#[async_trait]
pub trait Effects: Send + Sync {
    /// Reads the ledger for each effect of `asks` without a lock: whether it could be admitted now.
    async fn peek(&self, asks: &[&LedgerAsk]) -> Result<Vec<Ledger>, StoreError>;

    /// Stores `records` beside an audit row that reads failed or unknown: the report of a late call. False, and nothing is
    /// stored, when the row reads otherwise, is open still, or has them already.
    async fn late(&self, action: ActionId, records: &[Record]) -> Result<bool, StoreError>;
}

/// What fettle announces, and events that belong to no decision.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// Announcements to be delivered now: new or changed ones, and standing ones that were last delivered before
    /// `renew_before`; claimed until `lease_until`. A `FettleGaveUp` whose alerts are all resolved is taken back.
    async fn announcements(
        &self,
        owner: ReplicaId,
        now: Timestamp,
        renew_before: Timestamp,
        lease_until: Timestamp,
        limit: u32,
    ) -> Result<Vec<Outgoing>, StoreError>;

    /// An announcement was delivered to every peer as it stood in `outgoing`; a change since then stays to be delivered.
    async fn announced(&self, outgoing: &Outgoing, at: Timestamp) -> Result<(), StoreError>;

    /// Stores one announcement that belongs to no decision, and events beside it.
    async fn record(&self, records: &[Record]) -> Result<(), StoreError>;

    /// Stores how a host was doing, all samples or none. Idempotent by id.
    async fn sample(&self, samples: &[Sample]) -> Result<(), StoreError>;

    /// When the alert of this name was last heard firing, for the heartbeat.
    async fn last_heard(&self, alertname: &str) -> Result<Option<Timestamp>, StoreError>;
}

/// What people order: pauses, answers, breakers closed by hand.
#[async_trait]
pub trait People: Send + Sync {
    /// Stores a pause.
    async fn pause(&self, pause: &Pause) -> Result<(), StoreError>;

    /// Ends a pause at `now`, by `by`; false when there is none of that id that is not over.
    async fn resume(&self, id: PauseId, by: &str, now: Timestamp) -> Result<bool, StoreError>;

    /// Stores a person's answer about a remediation, and wakes it. What it answers is compared in the same transaction. What
    /// somebody decides about a proposal meanwhile, without the answer, finds its claim lost.
    async fn answer(&self, remediation: RemediationId, answer: &Answer) -> Result<Answered, StoreError>;

    /// Closes a rule's breaker by hand; what was unproven before counts no more. False when it was not open and nothing was
    /// unproven.
    async fn reset_breaker(&self, rule: &str, by: &str, now: Timestamp) -> Result<bool, StoreError>;
}

/// What people and dashboards read; nothing is changed by it.
#[async_trait]
pub trait Reading: Send + Sync {
    /// Remediations, newest first.
    async fn remediations(&self, filter: &RemediationFilter) -> Result<Vec<RemediationView>, StoreError>;

    /// One remediation with its whole story.
    async fn story(&self, id: RemediationId) -> Result<Option<Story>, StoreError>;

    /// Audit rows, newest first.
    async fn actions(&self, filter: &ActionFilter) -> Result<Vec<ActionView>, StoreError>;

    /// Alerts, last heard first.
    async fn alerts(&self, filter: &AlertFilter) -> Result<Vec<AlertView>, StoreError>;

    /// Events, newest first.
    async fn events(&self, filter: &EventFilter) -> Result<Vec<EventView>, StoreError>;
}

/// How things stand now, for metrics, health and predictions.
#[async_trait]
pub trait Standing: Send + Sync {
    /// A remediation as it is stored.
    async fn remediation(&self, id: RemediationId) -> Result<Option<Remediation>, StoreError>;

    /// The alerts attached to a remediation, as they are now.
    async fn attached(&self, remediation: RemediationId) -> Result<Vec<AlertState>, StoreError>;

    /// Pauses that are not over at `now`, newest first.
    async fn pauses(&self, now: Timestamp) -> Result<Vec<Pause>, StoreError>;

    /// The breakers of all rules that were ever opened, with what is unproven since `since`.
    async fn breakers(&self, since: Timestamp) -> Result<Vec<(String, Breaker)>, StoreError>;

    /// The storm as it was last found.
    async fn storm(&self) -> Result<Option<Storm>, StoreError>;

    /// Effects since `since`, newest first: what budgets are counted from.
    async fn spent(&self, since: Timestamp) -> Result<Vec<Spent>, StoreError>;

    /// How many remediations are open, by state.
    async fn open_by_state(&self) -> Result<Vec<(String, u64)>, StoreError>;
}

/// How the runs of containers ended, as the follower of each Docker daemon saw it. One process follows a daemon at a time.
#[async_trait]
pub trait Runs: Send + Sync {
    /// Takes the watch over a daemon until `lease_until`, or renews it, and gives what was last stored with it. `None` while
    /// another process holds it.
    async fn watch(
        &self,
        daemon: &str,
        owner: ReplicaId,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<Option<Watch>, StoreError>;

    /// Stores how the watch is now and what was learnt: of each container the newest [`RUNS_MAX`](crate::sight::past::RUNS_MAX) ended runs, of
    /// each daemon [`CONTAINERS_MAX`](crate::sight::past::CONTAINERS_MAX) containers. False, and nothing is stored, where `owner` does not
    /// hold the watch.
    async fn seen(&self, daemon: &str, owner: ReplicaId, watch: &Watch, learnt: &Learnt) -> Result<bool, StoreError>;

    /// What is stored about these containers of a daemon, by full id.
    async fn past(&self, daemon: &str, containers: &[String]) -> Result<Past, StoreError>;
}

/// Who works on this database, and what must be done now and then.
#[async_trait]
pub trait Upkeep: Send + Sync {
    /// The store's own clock; `None` when it has none and the process's clock counts.
    async fn now(&self) -> Result<Option<Timestamp>, StoreError>;

    /// The latest instant stored anywhere: the clock must not go back below it.
    async fn latest(&self) -> Result<Option<Timestamp>, StoreError>;

    /// Ends when another process has stored something that may be due at once; where no other can, never. What is missed
    /// while nobody waits is told to the next who does. Cancel safe.
    async fn woken(&self) -> Result<(), StoreError>;

    /// Whether [`woken`](Upkeep::woken) tells at the moment what others store; false where there are no others.
    fn hears(&self) -> bool;

    /// Gives back every claim of `owner`: on remediations, loans and announcements.
    async fn release(&self, owner: ReplicaId) -> Result<u64, StoreError>;

    /// Gives back the claims of processes that are known to be dead. Effects under way too: claiming one means to look,
    /// and a look concludes nothing before the intent is old enough. How many.
    async fn adopt(&self, owner: ReplicaId) -> Result<u64, StoreError>;

    /// Deletes what is older: notifications before the first instant, finished remediations with their audit before the
    /// second. Bounded work per call; how many rows went.
    async fn prune(&self, notifications: Timestamp, audit: Timestamp) -> Result<u64, StoreError>;

    /// What an upkeep before this one noted under `name`.
    async fn noted(&self, name: &'static str) -> Result<Option<String>, StoreError>;

    /// Notes `value` under `name`, in place of what was noted there.
    async fn note(&self, name: &'static str, value: &str) -> Result<(), StoreError>;

    /// `postgres` or `sqlite`.
    fn kind(&self) -> &'static str;

    /// Closes all connections after their work is done.
    async fn close(&self);
}

/// Everything that fettle remembers.
pub trait Store:
    Intake + Receiving + Work<Remediation> + Work<Loan> + Effects + Outbox + People + Reading + Standing + Runs + Upkeep
{
}

impl<T> Store for T where
    T: Intake
        + Receiving
        + Work<Remediation>
        + Work<Loan>
        + Effects
        + Outbox
        + People
        + Reading
        + Standing
        + Runs
        + Upkeep
{
}
