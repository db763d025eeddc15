//! The store on SQLite, embedded: one process owns the file.
//!
//! Always holds: writes go through one connection and begin `IMMEDIATE`, so they never meet; reads go through others and
//! never wait for a write. Done means synced: `synchronous=FULL`.
//!
//! Batches go in as one JSON text that `json_each` takes apart: a statement per row would cost a hop to the connection's
//! thread each.

mod answers;
mod audit;
mod breakers;
mod connect;
mod ended;
mod events;
mod facts;
pub(super) mod history;
mod inbox;
mod ledger;
mod loans;
mod outbox;
mod past;
mod pauses;
mod place;
mod presence;
mod prune;
mod read;
mod receive;
mod storm;
mod work;
mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use sqlx::SqlitePool;
use uuid::Uuid;

use fettle_core::alert::episode::AlertState;
use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::ports::model::{
    Admission, Answered, Changes, Claim, Claimed, Commit, Facts, FactsAsk, Ledger, LedgerAsk, LoanFacts, LoanFactsAsk,
    NewNotification, Outgoing, ReceiveAsk, Sample, Spent, Stored, StoredNotification, World,
};
use fettle_core::ports::view::{
    ActionFilter, ActionView, AlertFilter, AlertView, EventFilter, EventView, RemediationFilter, RemediationView, Story,
};
use fettle_core::ports::{
    Effects, Intake, Judge, Outbox, People, Reading, Receiving, Standing, StoreError, Think, Upkeep, Work,
};
use fettle_core::remediation::loan::Loan;
use fettle_core::remediation::record::Record;
use fettle_core::remediation::state::Remediation;
use fettle_core::surroundings::{Answer, Breaker, Pause, Storm};
use fettle_core::time::Timestamp;

/// fettle's memory in a SQLite file.
#[derive(Debug)]
pub struct Sqlite {
    /// The only connection that writes.
    writer: SqlitePool,
    readers: SqlitePool,
    /// Whether the writing connection may be in the middle of something. After some errors (a full disk) SQLite ends the
    /// transaction by itself, and the driver does not know: such a connection is not used again.
    suspect: Arc<AtomicBool>,
    presence: presence::Presence,
    place: place::Place,
}

impl Sqlite {
    fn watched<T>(&self, done: Result<T, StoreError>) -> Result<T, StoreError> {
        if done.as_ref().is_err_and(|error| !matches!(error, StoreError::Conflict { .. })) {
            self.suspect.store(true, Ordering::Release);
        }
        done
    }
}

#[async_trait]
impl Intake for Sqlite {
    async fn append(&self, batch: &[NewNotification]) -> Result<(), StoreError> {
        self.place.check()?;
        let stored = self.watched(inbox::append(&self.writer, batch).await);
        // Once more: what was there before may be gone by the time that it is stored.
        self.place.check()?;
        stored
    }

    async fn backlog(&self) -> Result<u64, StoreError> {
        self.place.check()?;
        inbox::backlog(&self.readers).await
    }
}

#[async_trait]
impl Receiving for Sqlite {
    async fn pending(&self, before: Timestamp, limit: u32) -> Result<Vec<StoredNotification>, StoreError> {
        inbox::pending(&self.readers, before, limit).await
    }

    async fn receive(&self, ask: &ReceiveAsk, think: Think<'_>) -> Result<Changes, StoreError> {
        self.watched(receive::receive(&self.writer, ask, think).await)
    }

    async fn foresee(&self, ask: &ReceiveAsk) -> Result<World, StoreError> {
        world::foresee(&self.readers, ask).await
    }

    async fn waiting(&self, limit: u32) -> Result<Vec<AlertState>, StoreError> {
        read::waiting(&self.readers, limit).await
    }

    async fn unattended(&self, after: Option<Fingerprint>, limit: u32) -> Result<Vec<AlertState>, StoreError> {
        read::unattended(&self.readers, after, limit).await
    }
}

#[async_trait]
impl Work<Remediation> for Sqlite {
    async fn claim(
        &self,
        owner: Uuid,
        now: Timestamp,
        lease_until: Timestamp,
        limit: u32,
    ) -> Result<Vec<Claimed<Remediation>>, StoreError> {
        self.watched(work::claim(&self.writer, owner, now, lease_until, limit).await)
    }

    async fn next_due(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        work::next_due(&self.readers, now).await
    }

    async fn facts(&self, ask: &FactsAsk) -> Result<Facts, StoreError> {
        facts::facts(&self.readers, ask).await
    }

    async fn admit(
        &self,
        claim: &Claim,
        asks: &[&LedgerAsk],
        judge: Judge<'_, Remediation>,
    ) -> Result<Admission<Remediation>, StoreError> {
        self.watched(ledger::admit(&self.writer, claim, asks, judge).await)
    }

    async fn commit(&self, claim: &Claim, commit: &Commit<Remediation>) -> Result<Option<Stored>, StoreError> {
        self.watched(work::commit(&self.writer, claim, commit).await)
    }
}

#[async_trait]
impl Work<Loan> for Sqlite {
    async fn claim(
        &self,
        owner: Uuid,
        now: Timestamp,
        lease_until: Timestamp,
        limit: u32,
    ) -> Result<Vec<Claimed<Loan>>, StoreError> {
        self.watched(loans::claim(&self.writer, owner, now, lease_until, limit).await)
    }

    async fn next_due(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        loans::next_due(&self.readers, now).await
    }

    async fn facts(&self, ask: &LoanFactsAsk) -> Result<LoanFacts, StoreError> {
        loans::facts(&self.readers, ask).await
    }

    async fn admit(
        &self,
        claim: &Claim,
        asks: &[&LedgerAsk],
        judge: Judge<'_, Loan>,
    ) -> Result<Admission<Loan>, StoreError> {
        self.watched(ledger::admit_return(&self.writer, claim, asks, judge).await)
    }

    async fn commit(&self, claim: &Claim, commit: &Commit<Loan>) -> Result<Option<Stored>, StoreError> {
        self.watched(loans::commit(&self.writer, claim, commit).await)
    }
}

#[async_trait]
impl Effects for Sqlite {
    async fn peek(&self, asks: &[&LedgerAsk]) -> Result<Vec<Ledger>, StoreError> {
        ledger::peek(&self.readers, asks).await
    }

    async fn late(&self, action: Uuid, records: &[Record]) -> Result<bool, StoreError> {
        self.watched(audit::late(&self.writer, action, records).await)
    }
}

#[async_trait]
impl Outbox for Sqlite {
    async fn announcements(
        &self,
        owner: Uuid,
        now: Timestamp,
        renew_before: Timestamp,
        lease_until: Timestamp,
        limit: u32,
    ) -> Result<Vec<Outgoing>, StoreError> {
        self.watched(outbox::announcements(&self.writer, owner, now, renew_before, lease_until, limit).await)
    }

    async fn announced(&self, outgoing: &Outgoing, at: Timestamp) -> Result<(), StoreError> {
        self.watched(outbox::announced(&self.writer, outgoing, at).await)
    }

    async fn record(&self, records: &[Record]) -> Result<(), StoreError> {
        self.watched(outbox::record(&self.writer, records).await)
    }

    async fn sample(&self, samples: &[Sample]) -> Result<(), StoreError> {
        self.watched(events::sample(&self.writer, samples).await)
    }

    async fn last_heard(&self, alertname: &str) -> Result<Option<Timestamp>, StoreError> {
        facts::last_heard(&self.readers, alertname).await
    }
}

#[async_trait]
impl People for Sqlite {
    async fn pause(&self, pause: &Pause) -> Result<(), StoreError> {
        self.watched(pauses::pause(&self.writer, pause).await)
    }

    async fn resume(&self, id: Uuid, by: &str, now: Timestamp) -> Result<bool, StoreError> {
        self.watched(pauses::resume(&self.writer, id, by, now).await)
    }

    async fn answer(&self, remediation: Uuid, answer: &Answer) -> Result<Answered, StoreError> {
        self.watched(answers::answer(&self.writer, remediation, answer).await)
    }

    async fn reset_breaker(&self, rule: &str, by: &str, now: Timestamp) -> Result<bool, StoreError> {
        self.watched(breakers::reset(&self.writer, rule, by, now).await)
    }
}

#[async_trait]
impl Reading for Sqlite {
    async fn remediations(&self, filter: &RemediationFilter) -> Result<Vec<RemediationView>, StoreError> {
        read::remediations(&self.readers, filter).await
    }

    async fn story(&self, id: Uuid) -> Result<Option<Story>, StoreError> {
        read::story(&self.readers, id).await
    }

    async fn actions(&self, filter: &ActionFilter) -> Result<Vec<ActionView>, StoreError> {
        read::actions(&self.readers, filter).await
    }

    async fn alerts(&self, filter: &AlertFilter) -> Result<Vec<AlertView>, StoreError> {
        read::alerts(&self.readers, filter).await
    }

    async fn events(&self, filter: &EventFilter) -> Result<Vec<EventView>, StoreError> {
        events::events(&self.readers, filter).await
    }
}

#[async_trait]
impl Standing for Sqlite {
    async fn remediation(&self, id: Uuid) -> Result<Option<Remediation>, StoreError> {
        read::remediation(&self.readers, id).await
    }

    async fn attached(&self, remediation: Uuid) -> Result<Vec<AlertState>, StoreError> {
        read::attached(&self.readers, remediation).await
    }

    async fn pauses(&self, now: Timestamp) -> Result<Vec<Pause>, StoreError> {
        pauses::pauses(&self.readers, now).await
    }

    async fn breakers(&self, since: Timestamp) -> Result<Vec<(String, Breaker)>, StoreError> {
        breakers::breakers(&self.readers, since).await
    }

    async fn storm(&self) -> Result<Option<Storm>, StoreError> {
        storm::storm(&self.readers).await
    }

    async fn spent(&self, since: Timestamp) -> Result<Vec<Spent>, StoreError> {
        read::spent(&self.readers, since).await
    }

    async fn open_by_state(&self) -> Result<Vec<(String, u64)>, StoreError> {
        read::open_by_state(&self.readers).await
    }
}

#[async_trait]
impl Upkeep for Sqlite {
    async fn now(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(None)
    }

    async fn latest(&self) -> Result<Option<Timestamp>, StoreError> {
        read::latest(&self.readers).await
    }

    async fn woken(&self) -> Result<(), StoreError> {
        std::future::pending().await
    }

    fn hears(&self) -> bool {
        false
    }

    async fn release(&self, owner: Uuid) -> Result<u64, StoreError> {
        self.watched(work::release(&self.writer, owner).await)
    }

    /// One process has the database to itself.
    async fn adopt(&self, owner: Uuid) -> Result<u64, StoreError> {
        self.place.check()?;
        self.watched(presence::adopt(&self.writer, owner).await)
    }

    async fn prune(&self, notifications: Timestamp, audit: Timestamp) -> Result<u64, StoreError> {
        self.watched(prune::prune(&self.writer, notifications, audit).await)
    }

    fn kind(&self) -> &'static str {
        "sqlite"
    }

    async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
        self.presence.end().await;
    }
}
