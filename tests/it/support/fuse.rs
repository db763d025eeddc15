//! A process that dies at a chosen step, without a process: store and platform behind a fuse that burns at its n-th touch.
//!
//! Every call of the seams is touched before and after. From the touch that burns it on nothing ever returns, as if the
//! process were gone; the test then drops the engine and starts another one on the same database.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use fettle::core::alert::episode::AlertState;
use fettle::core::alert::fingerprint::Fingerprint;
use fettle::core::effect::Effect;
use fettle::core::remediation::loan::Loan;
use fettle::core::remediation::record::Record;
use fettle::core::remediation::state::Remediation;
use fettle::core::sight::{Found, Pin, Sight, Wanted};
use fettle::core::surroundings::{Answer, Breaker, Pause, Storm};
use fettle::core::target::Target;
use fettle::core::time::Timestamp;
use fettle::platform::{Performed, Platform, PlatformError};
use fettle::store::model::{
    Admission, Answered, Candidate, Changes, Claim, Claimed, ClaimedLoan, Closed, Commit, Facts, FactsAsk, Ledger,
    LedgerAsk, LoanAdmission, LoanCommit, NewNotification, Outgoing, ReceiveAsk, Sample, Spent, StoredNotification,
    World,
};
use fettle::store::view::{
    ActionFilter, ActionView, AlertFilter, AlertView, EventFilter, EventView, RemediationFilter, RemediationView, Story,
};
use fettle::store::{Judge, JudgeReturn, Store, StoreError, Think};
use serde_json::Value;
use tokio::sync::Notify;
use uuid::Uuid;

/// Burns at a chosen touch.
pub struct Fuse {
    touched: AtomicUsize,
    burns_at: usize,
    burnt: Notify,
    under_way: AtomicUsize,
    /// Whether the store's own clock is hidden.
    hides_clock: bool,
}

impl Fuse {
    /// Burns at the `n`-th touch, from 1.
    pub fn burning_at(n: usize) -> Arc<Self> {
        Arc::new(Self::new(n, false))
    }

    fn new(burns_at: usize, hides_clock: bool) -> Self {
        let (touched, under_way) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { touched, burns_at, burnt: Notify::new(), under_way, hides_clock }
    }

    /// Never burns, and hides the clock of the store: the test's own leads.
    pub fn hiding_the_clock() -> Arc<Self> {
        Arc::new(Self::new(usize::MAX, true))
    }

    /// Calls of the store that have begun and not ended.
    pub fn under_way(&self) -> usize {
        self.under_way.load(Ordering::SeqCst)
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

    async fn perform(&self, target: &Target, pin: &Pin, effect: &Effect) -> Performed {
        self.fuse.touch().await;
        let done = self.inner.perform(target, pin, effect).await;
        self.fuse.touch().await;
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
            fn hears(&self) -> bool {
                self.inner.hears()
            }
            async fn close(&self) {
                self.inner.close().await;
            }
            async fn now(&self) -> Result<Option<Timestamp>, StoreError> {
                if self.fuse.hides_clock { Ok(None) } else { self.inner.now().await }
            }
            $(async fn $name(&self $(, $arg: $type)*) -> Result<$out, StoreError> {
                self.fuse.touch().await;
                self.fuse.under_way.fetch_add(1, Ordering::SeqCst);
                let out = self.inner.$name($($arg),*).await;
                self.fuse.under_way.fetch_sub(1, Ordering::SeqCst);
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
        fn facts(&self, ask: &FactsAsk) -> Facts;
        fn peek(&self, asks: &[&LedgerAsk]) -> Vec<Ledger>;
        fn admit(&self, claim: &Claim, asks: &[&LedgerAsk], judge: Judge<'_>) -> Admission;
        fn commit(&self, claim: &Claim, commit: &Commit) -> Option<Closed>;
        fn admit_return(&self, claim: &Claim, ask: &LedgerAsk, judge: JudgeReturn<'_>) -> LoanAdmission;
        fn commit_loan(&self, claim: &Claim, commit: &LoanCommit) -> Option<Claim>;
        fn record(&self, records: &[Record]) -> ();
        fn late(&self, action: Uuid, records: &[Record]) -> bool;
    }
    quiet {
        fn latest(&self) -> Option<Timestamp>;
        fn pending(&self, before: Timestamp, limit: u32) -> Vec<StoredNotification>;
        fn backlog(&self) -> u64;
        fn foresee(&self, ask: &ReceiveAsk) -> World;
        fn remediation(&self, id: Uuid) -> Option<Remediation>;
        fn waiting(&self, limit: u32) -> Vec<AlertState>;
        fn claim(&self, owner: Uuid, now: Timestamp, lease_until: Timestamp, limit: u32) -> Vec<Claimed>;
        fn next_due(&self, now: Timestamp) -> Option<Timestamp>;
        fn attached(&self, remediation: Uuid) -> Vec<AlertState>;
        fn claim_loans(&self, owner: Uuid, now: Timestamp, lease_until: Timestamp, limit: u32) -> Vec<ClaimedLoan>;
        fn loan_facts(&self, loan: &Loan, now: Timestamp) -> (Vec<AlertState>, Vec<Pause>);
        fn pause(&self, pause: &Pause) -> ();
        fn resume(&self, id: Uuid, by: &str, now: Timestamp) -> bool;
        fn pauses(&self, now: Timestamp) -> Vec<Pause>;
        fn answer(&self, remediation: Uuid, answer: &Answer) -> Answered;
        fn breakers(&self, since: Timestamp) -> Vec<(String, Breaker)>;
        fn reset_breaker(&self, rule: &str, by: &str, now: Timestamp) -> bool;
        fn storm(&self) -> Option<Storm>;
        fn announcements(&self, owner: Uuid, now: Timestamp, renew_before: Timestamp, lease_until: Timestamp, limit: u32) -> Vec<Outgoing>;
        fn announced(&self, outgoing: &Outgoing, at: Timestamp) -> ();
        fn last_heard(&self, alertname: &str) -> Option<Timestamp>;
        fn woken(&self) -> ();
        fn release(&self, owner: Uuid) -> u64;
        fn adopt(&self, owner: Uuid) -> u64;
        fn spent(&self, since: Timestamp) -> Vec<Spent>;
        fn open_by_state(&self) -> Vec<(String, u64)>;
        fn remediations(&self, filter: &RemediationFilter) -> Vec<RemediationView>;
        fn story(&self, id: Uuid) -> Option<Story>;
        fn actions(&self, filter: &ActionFilter) -> Vec<ActionView>;
        fn alerts(&self, filter: &AlertFilter) -> Vec<AlertView>;
        fn events(&self, filter: &EventFilter) -> Vec<EventView>;
        fn sample(&self, samples: &[Sample]) -> ();
        fn unattended(&self, after: Option<Fingerprint>, limit: u32) -> Vec<AlertState>;
        fn candidates(&self, fingerprint: &str) -> Vec<Candidate>;
        fn prune(&self, notifications: Timestamp, audit: Timestamp) -> u64;
    }
}
