//! The store on PostgreSQL: any number of fettle processes share one database.
//!
//! Always holds: a transaction is handed down as a connection, never the pool; rows that are going to be written are
//! locked in one order (alerts by fingerprint, then remediations by id), so two replicas wait for each other instead of
//! deadlocking; what a lock protects is read after it is held, in a statement of its own (READ COMMITTED gives each
//! statement a new snapshot).
//!
//! What makes work of others due at once is told by `NOTIFY` when it is committed (`wakes.rs`); what is told to nobody is
//! found by polling. Poolers that share a session between clients (`PgBouncer` in transaction mode) are not supported:
//! prepared statements, the sign of life and `LISTEN` belong to a session.

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
mod presence;
mod prune;
mod read;
mod receive;
mod storm;
mod wakes;
mod work;
mod world;
mod writes;

use async_trait::async_trait;
use sqlx::PgPool;
use tokio::sync::Mutex;
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

/// Runs one operation on one connection of the pool, under [`connect::DEADLINE`]. A connection whose operation was given up
/// is in the middle of something, and its server may be gone without a word: it is closed, because giving it back to the
/// pool would wait for an answer too.
macro_rules! on_connection {
    ($pool:expr, $module:ident::$function:ident($($argument:expr),*)) => {{
        let mut connection = $pool.acquire().await.during("reach the database")?;
        match tokio::time::timeout(connect::DEADLINE, $module::$function(&mut connection, $($argument),*)).await {
            Ok(done) => done,
            Err(_) => {
                connection.close_on_drop();
                Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())).during("wait for the database")
            }
        }
    }};
}

/// fettle's memory in a PostgreSQL database.
#[derive(Debug)]
pub struct Postgres {
    pool: PgPool,
    /// Of its own, so that no amount of deciding keeps a sender waiting for a connection.
    inbox: PgPool,
    admitting: Mutex<()>,
    /// `None` of one who only reads.
    serving: Option<Serving>,
}

/// What a process that works has besides its connections.
#[derive(Debug)]
struct Serving {
    presence: presence::Presence,
    wakes: wakes::Wakes,
}

#[async_trait]
impl Intake for Postgres {
    async fn append(&self, batch: &[NewNotification]) -> Result<(), StoreError> {
        on_connection!(self.inbox, inbox::append(batch))
    }

    async fn backlog(&self) -> Result<u64, StoreError> {
        on_connection!(self.pool, inbox::backlog())
    }
}

#[async_trait]
impl Receiving for Postgres {
    async fn pending(&self, before: Timestamp, limit: u32) -> Result<Vec<StoredNotification>, StoreError> {
        on_connection!(self.pool, inbox::pending(before, limit))
    }

    async fn receive(&self, ask: &ReceiveAsk, think: Think<'_>) -> Result<Changes, StoreError> {
        on_connection!(self.pool, receive::receive(ask, think))
    }

    async fn foresee(&self, ask: &ReceiveAsk) -> Result<World, StoreError> {
        on_connection!(self.pool, world::foresee(ask))
    }

    async fn waiting(&self, limit: u32) -> Result<Vec<AlertState>, StoreError> {
        on_connection!(self.pool, read::waiting(limit))
    }

    async fn unattended(&self, after: Option<Fingerprint>, limit: u32) -> Result<Vec<AlertState>, StoreError> {
        on_connection!(self.pool, read::unattended(after, limit))
    }
}

#[async_trait]
impl Work<Remediation> for Postgres {
    async fn claim(
        &self,
        owner: Uuid,
        now: Timestamp,
        lease_until: Timestamp,
        limit: u32,
    ) -> Result<Vec<Claimed<Remediation>>, StoreError> {
        on_connection!(self.pool, work::claim(owner, now, lease_until, limit))
    }

    async fn next_due(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        on_connection!(self.pool, work::next_due(now))
    }

    async fn facts(&self, ask: &FactsAsk) -> Result<Facts, StoreError> {
        on_connection!(self.pool, facts::facts(ask))
    }

    async fn admit(
        &self,
        claim: &Claim,
        asks: &[&LedgerAsk],
        judge: Judge<'_, Remediation>,
    ) -> Result<Admission<Remediation>, StoreError> {
        // The database lets in one at a time. Whoever waits here holds no connection, which others could use meanwhile.
        let _turn = self.admitting.lock().await;
        on_connection!(self.pool, ledger::admit(claim, asks, judge))
    }

    async fn commit(&self, claim: &Claim, commit: &Commit<Remediation>) -> Result<Option<Stored>, StoreError> {
        on_connection!(self.pool, work::commit(claim, commit))
    }
}

#[async_trait]
impl Work<Loan> for Postgres {
    async fn claim(
        &self,
        owner: Uuid,
        now: Timestamp,
        lease_until: Timestamp,
        limit: u32,
    ) -> Result<Vec<Claimed<Loan>>, StoreError> {
        on_connection!(self.pool, loans::claim(owner, now, lease_until, limit))
    }

    async fn next_due(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        on_connection!(self.pool, loans::next_due(now))
    }

    async fn facts(&self, ask: &LoanFactsAsk) -> Result<LoanFacts, StoreError> {
        on_connection!(self.pool, loans::facts(ask))
    }

    async fn admit(
        &self,
        claim: &Claim,
        asks: &[&LedgerAsk],
        judge: Judge<'_, Loan>,
    ) -> Result<Admission<Loan>, StoreError> {
        let _turn = self.admitting.lock().await;
        on_connection!(self.pool, ledger::admit_return(claim, asks, judge))
    }

    async fn commit(&self, claim: &Claim, commit: &Commit<Loan>) -> Result<Option<Stored>, StoreError> {
        on_connection!(self.pool, loans::commit(claim, commit))
    }
}

#[async_trait]
impl Effects for Postgres {
    async fn peek(&self, asks: &[&LedgerAsk]) -> Result<Vec<Ledger>, StoreError> {
        on_connection!(self.pool, ledger::read_all(asks))
    }

    async fn late(&self, action: Uuid, records: &[Record]) -> Result<bool, StoreError> {
        on_connection!(self.pool, audit::late(action, records))
    }
}

#[async_trait]
impl Outbox for Postgres {
    async fn announcements(
        &self,
        owner: Uuid,
        now: Timestamp,
        renew_before: Timestamp,
        lease_until: Timestamp,
        limit: u32,
    ) -> Result<Vec<Outgoing>, StoreError> {
        on_connection!(self.pool, outbox::announcements(owner, now, renew_before, lease_until, limit))
    }

    async fn announced(&self, outgoing: &Outgoing, at: Timestamp) -> Result<(), StoreError> {
        on_connection!(self.pool, outbox::announced(outgoing, at))
    }

    async fn record(&self, records: &[Record]) -> Result<(), StoreError> {
        on_connection!(self.pool, outbox::record(records))
    }

    async fn sample(&self, samples: &[Sample]) -> Result<(), StoreError> {
        on_connection!(self.pool, events::sample(samples))
    }

    async fn last_heard(&self, alertname: &str) -> Result<Option<Timestamp>, StoreError> {
        on_connection!(self.pool, facts::last_heard(alertname))
    }
}

#[async_trait]
impl People for Postgres {
    async fn pause(&self, pause: &Pause) -> Result<(), StoreError> {
        on_connection!(self.pool, pauses::pause(pause))
    }

    async fn resume(&self, id: Uuid, by: &str, now: Timestamp) -> Result<bool, StoreError> {
        on_connection!(self.pool, pauses::resume(id, by, now))
    }

    async fn answer(&self, remediation: Uuid, answer: &Answer) -> Result<Answered, StoreError> {
        on_connection!(self.pool, answers::answer(remediation, answer))
    }

    async fn reset_breaker(&self, rule: &str, by: &str, now: Timestamp) -> Result<bool, StoreError> {
        on_connection!(self.pool, breakers::reset(rule, by, now))
    }
}

#[async_trait]
impl Reading for Postgres {
    async fn remediations(&self, filter: &RemediationFilter) -> Result<Vec<RemediationView>, StoreError> {
        on_connection!(self.pool, read::remediations(filter))
    }

    async fn story(&self, id: Uuid) -> Result<Option<Story>, StoreError> {
        on_connection!(self.pool, read::story(id))
    }

    async fn actions(&self, filter: &ActionFilter) -> Result<Vec<ActionView>, StoreError> {
        on_connection!(self.pool, read::actions(filter))
    }

    async fn alerts(&self, filter: &AlertFilter) -> Result<Vec<AlertView>, StoreError> {
        on_connection!(self.pool, read::alerts(filter))
    }

    async fn events(&self, filter: &EventFilter) -> Result<Vec<EventView>, StoreError> {
        on_connection!(self.pool, events::events(filter))
    }
}

#[async_trait]
impl Standing for Postgres {
    async fn remediation(&self, id: Uuid) -> Result<Option<Remediation>, StoreError> {
        on_connection!(self.pool, read::remediation(id))
    }

    async fn attached(&self, remediation: Uuid) -> Result<Vec<AlertState>, StoreError> {
        on_connection!(self.pool, read::attached(remediation))
    }

    async fn pauses(&self, now: Timestamp) -> Result<Vec<Pause>, StoreError> {
        on_connection!(self.pool, pauses::pauses(now))
    }

    async fn breakers(&self, since: Timestamp) -> Result<Vec<(String, Breaker)>, StoreError> {
        on_connection!(self.pool, breakers::breakers(since))
    }

    async fn storm(&self) -> Result<Option<Storm>, StoreError> {
        on_connection!(self.pool, storm::storm())
    }

    async fn spent(&self, since: Timestamp) -> Result<Vec<Spent>, StoreError> {
        on_connection!(self.pool, read::spent(since))
    }

    async fn open_by_state(&self) -> Result<Vec<(String, u64)>, StoreError> {
        on_connection!(self.pool, read::open_by_state())
    }
}

#[async_trait]
impl Upkeep for Postgres {
    async fn now(&self) -> Result<Option<Timestamp>, StoreError> {
        on_connection!(self.pool, read::now()).map(Some)
    }

    async fn latest(&self) -> Result<Option<Timestamp>, StoreError> {
        on_connection!(self.pool, read::latest())
    }

    async fn woken(&self) -> Result<(), StoreError> {
        match &self.serving {
            Some(serving) => serving.wakes.heard().await,
            None => std::future::pending().await,
        }
        Ok(())
    }

    fn hears(&self) -> bool {
        self.serving.as_ref().is_some_and(|serving| serving.wakes.are_heard())
    }

    async fn release(&self, owner: Uuid) -> Result<u64, StoreError> {
        on_connection!(self.pool, work::release(owner))
    }

    async fn adopt(&self, owner: Uuid) -> Result<u64, StoreError> {
        on_connection!(self.pool, presence::adopt(owner))
    }

    async fn prune(&self, notifications: Timestamp, audit: Timestamp) -> Result<u64, StoreError> {
        on_connection!(self.pool, prune::prune(notifications, audit))
    }

    fn kind(&self) -> &'static str {
        "postgres"
    }

    async fn close(&self) {
        self.inbox.close().await;
        self.pool.close().await;
        if let Some(serving) = &self.serving {
            serving.wakes.end().await;
            serving.presence.end().await;
        }
    }
}
