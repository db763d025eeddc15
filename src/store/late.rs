//! A store that opens later: the service answers (not ready, 503) while its database is not there yet.
//!
//! Always holds: before [`Late::open`] every method fails as unavailable; afterwards it is the opened store. Nothing else
//! is in between, and it opens once.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use uuid::Uuid;

use super::model::{
    Admission, Answered, Candidate, Changes, Claim, Claimed, ClaimedLoan, Closed, Commit, Facts, FactsAsk, Ledger,
    LedgerAsk, LoanAdmission, LoanCommit, NewNotification, Outgoing, ReceiveAsk, Sample, Spent, StoredNotification,
    World,
};
use super::view::{
    ActionFilter, ActionView, AlertFilter, AlertView, EventFilter, EventView, RemediationFilter, RemediationView, Story,
};
use super::{Judge, JudgeReturn, Store, StoreError, Think};
use crate::core::alert::episode::AlertState;
use crate::core::alert::fingerprint::Fingerprint;
use crate::core::remediation::loan::Loan;
use crate::core::remediation::record::Record;
use crate::core::remediation::state::Remediation;
use crate::core::surroundings::{Answer, Breaker, Pause, Storm};
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

            fn hears(&self) -> bool {
                self.0.get().is_some_and(|store| store.hears())
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
    fn foresee(&self, ask: &ReceiveAsk) -> World;
    fn remediation(&self, id: Uuid) -> Option<Remediation>;
    fn waiting(&self, limit: u32) -> Vec<AlertState>;
    fn claim(&self, owner: Uuid, now: Timestamp, lease_until: Timestamp, limit: u32) -> Vec<Claimed>;
    fn next_due(&self, now: Timestamp) -> Option<Timestamp>;
    fn attached(&self, remediation: Uuid) -> Vec<AlertState>;
    fn facts(&self, ask: &FactsAsk) -> Facts;
    fn peek(&self, asks: &[&LedgerAsk]) -> Vec<Ledger>;
    fn admit(&self, claim: &Claim, asks: &[&LedgerAsk], judge: Judge<'_>) -> Admission;
    fn claim_loans(&self, owner: Uuid, now: Timestamp, lease_until: Timestamp, limit: u32) -> Vec<ClaimedLoan>;
    fn loan_facts(&self, loan: &Loan, now: Timestamp) -> (Vec<AlertState>, Vec<Pause>);
    fn admit_return(&self, claim: &Claim, ask: &LedgerAsk, judge: JudgeReturn<'_>) -> LoanAdmission;
    fn commit_loan(&self, claim: &Claim, commit: &LoanCommit) -> Option<Claim>;
    fn pause(&self, pause: &Pause) -> ();
    fn resume(&self, id: Uuid, by: &str, now: Timestamp) -> bool;
    fn pauses(&self, now: Timestamp) -> Vec<Pause>;
    fn answer(&self, remediation: Uuid, answer: &Answer) -> Answered;
    fn breakers(&self, since: Timestamp) -> Vec<(String, Breaker)>;
    fn reset_breaker(&self, rule: &str, by: &str, now: Timestamp) -> bool;
    fn storm(&self) -> Option<Storm>;
    fn announcements(
        &self,
        owner: Uuid,
        now: Timestamp,
        renew_before: Timestamp,
        lease_until: Timestamp,
        limit: u32
    ) -> Vec<Outgoing>;
    fn announced(&self, outgoing: &Outgoing, at: Timestamp) -> ();
    fn record(&self, records: &[Record]) -> ();
    fn last_heard(&self, alertname: &str) -> Option<Timestamp>;
    fn commit(&self, claim: &Claim, commit: &Commit) -> Option<Closed>;
    fn late(&self, action: Uuid, records: &[Record]) -> bool;
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
