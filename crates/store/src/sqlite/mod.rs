//! The store on SQLite, embedded: one process owns the file.
//!
//! Always holds: writes go through one connection and begin `IMMEDIATE`, so they never meet; reads go through others and
//! never wait for a write. Done means synced: `synchronous=FULL`.
//!
//! Batches go in as one JSON text that `json_each` takes apart: a statement per row would cost a hop to the connection's
//! thread each.

#[macro_use]
mod dialect;

#[path = "../shared/answers.rs"]
mod answers;
mod audit;
#[path = "../shared/breakers.rs"]
mod breakers;
mod connect;
#[path = "../shared/ended.rs"]
mod ended;
#[path = "../shared/events.rs"]
mod events;
mod facts;
pub(super) mod history;
mod inbox;
mod ledger;
mod loans;
#[path = "../shared/outbox.rs"]
mod outbox;
mod past;
#[path = "../shared/pauses.rs"]
mod pauses;
mod place;
mod presence;
#[path = "../shared/prune.rs"]
mod prune;
mod read;
mod receive;
#[path = "../shared/storm.rs"]
mod storm;
mod unproven;
mod work;
mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use sqlx::SqlitePool;
use uuid::Uuid;

use super::error::During;
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
        let stored = writing!(self, inbox::append(batch));
        // Once more: what was there before may be gone by the time that it is stored.
        self.place.check()?;
        stored
    }

    async fn backlog(&self) -> Result<u64, StoreError> {
        self.place.check()?;
        reading!(self, inbox::backlog())
    }
}

#[async_trait]
impl Receiving for Sqlite {
    async fn pending(&self, before: Timestamp, limit: u32) -> Result<Vec<StoredNotification>, StoreError> {
        reading!(self, inbox::pending(before, limit))
    }

    async fn receive(&self, ask: &ReceiveAsk, think: Think<'_>) -> Result<Changes, StoreError> {
        writing!(self, receive::receive(ask, think))
    }

    async fn foresee(&self, ask: &ReceiveAsk) -> Result<World, StoreError> {
        reading!(self, world::foresee(ask))
    }

    async fn waiting(&self, limit: u32) -> Result<Vec<AlertState>, StoreError> {
        reading!(self, read::waiting(limit))
    }

    async fn unattended(&self, after: Option<Fingerprint>, limit: u32) -> Result<Vec<AlertState>, StoreError> {
        reading!(self, read::unattended(after, limit))
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
        writing!(self, work::claim(owner, now, lease_until, limit))
    }

    async fn next_due(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        reading!(self, work::next_due(now))
    }

    async fn facts(&self, ask: &FactsAsk) -> Result<Facts, StoreError> {
        reading!(self, facts::facts(ask))
    }

    async fn admit(
        &self,
        claim: &Claim,
        asks: &[&LedgerAsk],
        judge: Judge<'_, Remediation>,
    ) -> Result<Admission<Remediation>, StoreError> {
        writing!(self, ledger::admit(claim, asks, judge))
    }

    async fn commit(&self, claim: &Claim, commit: &Commit<Remediation>) -> Result<Option<Stored>, StoreError> {
        writing!(self, work::commit(claim, commit))
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
        writing!(self, loans::claim(owner, now, lease_until, limit))
    }

    async fn next_due(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        reading!(self, loans::next_due(now))
    }

    async fn facts(&self, ask: &LoanFactsAsk) -> Result<LoanFacts, StoreError> {
        reading!(self, loans::facts(ask))
    }

    async fn admit(
        &self,
        claim: &Claim,
        asks: &[&LedgerAsk],
        judge: Judge<'_, Loan>,
    ) -> Result<Admission<Loan>, StoreError> {
        writing!(self, ledger::admit_return(claim, asks, judge))
    }

    async fn commit(&self, claim: &Claim, commit: &Commit<Loan>) -> Result<Option<Stored>, StoreError> {
        writing!(self, loans::commit(claim, commit))
    }
}

#[async_trait]
impl Effects for Sqlite {
    async fn peek(&self, asks: &[&LedgerAsk]) -> Result<Vec<Ledger>, StoreError> {
        reading!(self, ledger::peek(asks))
    }

    async fn late(&self, action: Uuid, records: &[Record]) -> Result<bool, StoreError> {
        writing!(self, audit::late(action, records))
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
        writing!(self, outbox::announcements(owner, now, renew_before, lease_until, limit))
    }

    async fn announced(&self, outgoing: &Outgoing, at: Timestamp) -> Result<(), StoreError> {
        writing!(self, outbox::announced(outgoing, at))
    }

    async fn record(&self, records: &[Record]) -> Result<(), StoreError> {
        writing!(self, outbox::record(records))
    }

    async fn sample(&self, samples: &[Sample]) -> Result<(), StoreError> {
        writing!(self, events::sample(samples))
    }

    async fn last_heard(&self, alertname: &str) -> Result<Option<Timestamp>, StoreError> {
        reading!(self, facts::last_heard(alertname))
    }
}

#[async_trait]
impl People for Sqlite {
    async fn pause(&self, pause: &Pause) -> Result<(), StoreError> {
        writing!(self, pauses::pause(pause))
    }

    async fn resume(&self, id: Uuid, by: &str, now: Timestamp) -> Result<bool, StoreError> {
        writing!(self, pauses::resume(id, by, now))
    }

    async fn answer(&self, remediation: Uuid, answer: &Answer) -> Result<Answered, StoreError> {
        writing!(self, answers::answer(remediation, answer))
    }

    async fn reset_breaker(&self, rule: &str, by: &str, now: Timestamp) -> Result<bool, StoreError> {
        writing!(self, breakers::reset(rule, by, now))
    }
}

#[async_trait]
impl Reading for Sqlite {
    async fn remediations(&self, filter: &RemediationFilter) -> Result<Vec<RemediationView>, StoreError> {
        reading!(self, read::remediations(filter))
    }

    async fn story(&self, id: Uuid) -> Result<Option<Story>, StoreError> {
        reading!(self, read::story(id))
    }

    async fn actions(&self, filter: &ActionFilter) -> Result<Vec<ActionView>, StoreError> {
        reading!(self, read::actions(filter))
    }

    async fn alerts(&self, filter: &AlertFilter) -> Result<Vec<AlertView>, StoreError> {
        reading!(self, read::alerts(filter))
    }

    async fn events(&self, filter: &EventFilter) -> Result<Vec<EventView>, StoreError> {
        reading!(self, events::events(filter))
    }
}

#[async_trait]
impl Standing for Sqlite {
    async fn remediation(&self, id: Uuid) -> Result<Option<Remediation>, StoreError> {
        reading!(self, read::remediation(id))
    }

    async fn attached(&self, remediation: Uuid) -> Result<Vec<AlertState>, StoreError> {
        reading!(self, read::attached(remediation))
    }

    async fn pauses(&self, now: Timestamp) -> Result<Vec<Pause>, StoreError> {
        reading!(self, pauses::pauses(now))
    }

    async fn breakers(&self, since: Timestamp) -> Result<Vec<(String, Breaker)>, StoreError> {
        reading!(self, unproven::breakers(since))
    }

    async fn storm(&self) -> Result<Option<Storm>, StoreError> {
        reading!(self, storm::storm())
    }

    async fn spent(&self, since: Timestamp) -> Result<Vec<Spent>, StoreError> {
        reading!(self, read::spent(since))
    }

    async fn open_by_state(&self) -> Result<Vec<(String, u64)>, StoreError> {
        reading!(self, read::open_by_state())
    }
}

#[async_trait]
impl Upkeep for Sqlite {
    async fn now(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(None)
    }

    async fn latest(&self) -> Result<Option<Timestamp>, StoreError> {
        reading!(self, read::latest())
    }

    async fn woken(&self) -> Result<(), StoreError> {
        std::future::pending().await
    }

    fn hears(&self) -> bool {
        false
    }

    async fn release(&self, owner: Uuid) -> Result<u64, StoreError> {
        writing!(self, work::release(owner))
    }

    /// One process has the database to itself.
    async fn adopt(&self, owner: Uuid) -> Result<u64, StoreError> {
        self.place.check()?;
        writing!(self, presence::adopt(owner))
    }

    async fn prune(&self, notifications: Timestamp, audit: Timestamp) -> Result<u64, StoreError> {
        writing!(self, prune::prune(notifications, audit))
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
