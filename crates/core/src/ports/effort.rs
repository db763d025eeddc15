//! Efforts: what fettle claims, decides under the claim, and stores with it. A remediation is one, the return of a loan is
//! the other.
//!
//! Always holds: one port, [`Work`], serves both, with the same methods and the same guarantees, so one driver drives both.
//! An effort is changed only under its [`Claim`]; a judge's answer is stored as it was given, or not at all.

use std::fmt::Debug;

use async_trait::async_trait;

use super::{Store, StoreError};
use crate::alert::episode::AlertState;
use crate::alert::labels::Labels;
use crate::guard::ledger::{Ledger, LedgerAsk};
use crate::id::{EffortId, RemediationId, ReplicaId};
use crate::remediation::loan::Loan;
use crate::remediation::record::Record;
use crate::remediation::refusal::Refusal;
use crate::remediation::state::Remediation;
use crate::rule::model::Rule;
use crate::settings::Settings;
use crate::surroundings::{Pause, Surroundings};
use crate::time::{Timestamp, before};

/// A remediation, or a loan.
pub trait Effort: Clone + Debug + PartialEq + Send + Sync + Sized + 'static {
    /// The question for [`Work::facts`].
    type Ask: Debug + Send + Sync;
    /// The answer to it.
    type Facts: Debug + Send + Sync;

    /// The store's port for this kind of effort.
    fn work(store: &dyn Store) -> &dyn Work<Self>;

    /// Its id.
    fn id(&self) -> EffortId;

    /// When it must be decided next; `None` only when closed.
    fn due(&self) -> Option<Timestamp>;
}

impl Effort for Remediation {
    type Ask = FactsAsk;
    type Facts = Facts;

    fn work(store: &dyn Store) -> &dyn Work<Self> {
        store
    }

    fn id(&self) -> EffortId {
        self.id.into()
    }

    fn due(&self) -> Option<Timestamp> {
        Self::due(self)
    }
}

impl Effort for Loan {
    type Ask = LoanFactsAsk;
    type Facts = LoanFacts;

    fn work(store: &dyn Store) -> &dyn Work<Self> {
        store
    }

    fn id(&self) -> EffortId {
        self.id.into()
    }

    fn due(&self) -> Option<Timestamp> {
        Self::due(self)
    }
}

impl dyn Store + '_ {
    /// Work on remediations.
    pub fn work(&self) -> &dyn Work<Remediation> {
        self
    }

    /// Work on loans.
    pub fn loans(&self) -> &dyn Work<Loan> {
        self
    }
}

/// Decides on an effect while the budgets are locked. It may remember what it saw: the lock is held meanwhile.
pub type Judge<'a, T> = &'a mut (dyn FnMut(&[Ledger]) -> Judged<T> + Send);

/// Open efforts of one kind: claimed, decided, and stored under the claim.
#[async_trait]
pub trait Work<T: Effort>: Send + Sync {
    /// Claims open efforts that are due, earliest first, until `lease_until`.
    async fn claim(
        &self,
        owner: ReplicaId,
        now: Timestamp,
        lease_until: Timestamp,
        limit: u32,
    ) -> Result<Vec<Claimed<T>>, StoreError>;

    /// The earliest due instant of an open effort that has no lease at `now`.
    async fn next_due(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError>;

    /// Everything a decision is made from, in one round trip.
    async fn facts(&self, ask: &T::Ask) -> Result<T::Facts, StoreError>;

    /// Reads the ledger for each effect of `asks` under the budgets' lock, asks `judge`, and stores its commit or nothing.
    /// While the remediation that made a loan is at work, it counts as a rival of the loan's return, like any other.
    async fn admit(&self, claim: &Claim, asks: &[&LedgerAsk], judge: Judge<'_, T>) -> Result<Admission<T>, StoreError>;

    /// Stores a decision. `None` when the claim was lost: then nothing was stored.
    async fn commit(&self, claim: &Claim, commit: &Commit<T>) -> Result<Option<Stored>, StoreError>;
}

/// Proof that an effort is ours for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The effort.
    pub id: EffortId,
    /// Who holds it.
    pub owner: ReplicaId,
    /// The version that was read; every commit raises it by one.
    pub version: i64,
    /// How often it had been woken when it was read; a later wake makes it due again at once. Loans are not woken: 0.
    pub wakes: i64,
}

/// An effort that is ours for now. A new remediation has version 1 and wakes 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed<T> {
    /// The proof.
    pub claim: Claim,
    /// As stored.
    pub effort: T,
}

/// Everything that one decision stores.
#[derive(Debug, Clone, PartialEq)]
pub struct Commit<T> {
    /// The effort's new state.
    pub effort: T,
    /// Rows beside it, in order.
    pub records: Vec<Record>,
    /// Keep the claim until then; `None` gives it back.
    pub keep_until: Option<Timestamp>,
}

/// The result of a commit that was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The next claim when it was kept: version one higher.
    pub claim: Claim,
    /// When a remediation was closed: alerts whose candidates waited for this target and still fire. Empty for loans.
    pub waiting: Vec<AlertState>,
}

/// The answer of a judge.
#[derive(Debug, Clone, PartialEq)]
pub enum Judged<T> {
    /// Admitted: store this.
    Store(Box<Commit<T>>),
    /// A guard refuses; store nothing.
    Refuse(Refusal),
    /// The decision is too old to be made; store nothing.
    Abandon,
}

/// The answer to an admission.
#[derive(Debug, Clone, PartialEq)]
pub enum Admission<T> {
    /// The intent is stored.
    Admitted {
        /// The result of storing it.
        stored: Stored,
        /// The commit that was stored.
        commit: Box<Commit<T>>,
    },
    /// A guard refused; nothing was stored.
    Refused(Refusal),
    /// The judge abandoned it; nothing was stored.
    Abandoned,
    /// The claim was lost; nothing was stored.
    Lost,
}

/// The question about a remediation before it is decided.
#[derive(Debug, Clone, PartialEq)]
pub struct FactsAsk {
    /// The remediation.
    pub remediation: RemediationId,
    /// Its rule, for its breaker.
    pub rule: String,
    /// Verdicts that proved nothing are counted from here on.
    pub unproven_since: Timestamp,
    /// Its target as written, for loans.
    pub target: String,
    /// What it was resolved to, once it was seen: loans are found by it too.
    pub key: Option<String>,
    /// For each `unless` of the rule: labels that such an alert must carry, with these values. Firing alerts with evidence
    /// since `unless_since` are returned; the core asks the other matchers.
    pub unless: Vec<Labels>,
    /// See `unless`.
    pub unless_since: Timestamp,
    /// Now: pauses that are over are left out.
    pub now: Timestamp,
}

impl FactsAsk {
    /// Everything that a decision about `remediation` is made from.
    #[must_use]
    pub fn about(remediation: &Remediation, rule: Option<&Rule>, settings: &Settings, now: Timestamp) -> Self {
        let own = &remediation.alert.labels;
        Self {
            remediation: remediation.id,
            rule: remediation.rule.clone(),
            unproven_since: before(now, settings.trip.map(|trip| trip.within).unwrap_or_default()),
            target: remediation.target.to_string(),
            key: remediation.key.clone(),
            unless: rule.map(|rule| rule.unless.iter().map(|it| it.carried(own)).collect()).unwrap_or_default(),
            unless_since: before(now, settings.freshness),
            now,
        }
    }
}

/// The answer to a [`FactsAsk`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Facts {
    /// The alerts attached to the remediation, as they are now.
    pub alerts: Vec<AlertState>,
    /// What is the case around it; what Alertmanager says is not in it.
    pub surroundings: Surroundings,
}

/// The question about a loan before it is decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoanFactsAsk {
    /// The rule of the remediation that made the loan.
    pub rule: String,
    /// The loan's target as written.
    pub target: String,
    /// Now: pauses that are over are left out.
    pub now: Timestamp,
}

impl LoanFactsAsk {
    /// Everything that a decision about `loan` is made from.
    #[must_use]
    pub fn about(loan: &Loan, now: Timestamp) -> Self {
        Self { rule: loan.rule.clone(), target: loan.target.to_string(), now }
    }
}

/// The answer to a [`LoanFactsAsk`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LoanFacts {
    /// The alerts of the remediation that made the loan, and of later ones of the same rule and target.
    pub alerts: Vec<AlertState>,
    /// Pauses that are not over.
    pub pauses: Vec<Pause>,
}
