//! The engine's driver on what is known: it decides as it would, and whatever it would store or do ends there.
//!
//! Always holds: nothing is asked beyond what was asked already, nothing is stored, nothing is touched. A question that nobody
//! can answer ends the decision, and says which it was.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::sources::{Around, Sources};
use fettle_core::effect::Effect;
use fettle_core::guard::ledger::{Ledger, LedgerAsk};
use fettle_core::id::{ActionId, ReplicaId};
use fettle_core::ports::model::{Admission, Claim, Claimed, Commit, Facts, FactsAsk, Judged, Stored};
use fettle_core::ports::platform::{Performed, Platform, PlatformError};
use fettle_core::ports::telemetry::Silent;
use fettle_core::ports::{Effects, Judge, Store, StoreError, Work};
use fettle_core::remediation::loan::Loan;
use fettle_core::remediation::record::Record;
use fettle_core::remediation::state::Remediation;
use fettle_core::sight::{CallPath, Found, Pin, Sight, Wanted};
use fettle_core::target::Target;
use fettle_core::time::Timestamp;
use fettle_engine::clock::{Clock, Time};
use fettle_engine::driver::{Item, drive};
use fettle_engine::place::Place;
use fettle_engine::shell::Shell;

/// Said where nobody looked.
const NOT_LOOKED: &str = "what comes of it is not known: Docker was not asked";

/// Said where nobody counted.
const UNCOUNTED: &str = "if cooldown, exclusion and budgets let it, it is done at once; the database was not asked";

/// The answers that are at hand.
pub(super) struct Known {
    /// What is the case around it.
    pub(super) around: Around,
    /// What a look at the target showed.
    pub(super) looked: Option<Result<Found, PlatformError>>,
    /// The ledgers of what would be done.
    pub(super) ledgers: Option<Vec<Ledger>>,
}

/// The remediation as a decision at `now` leaves it, or what is not known.
pub(super) async fn decided(
    sources: &Sources,
    now: Timestamp,
    effort: Remediation,
    known: Known,
) -> Result<Remediation, &'static str> {
    let owner = ReplicaId::nil();
    let dry = Arc::new(Dry { now, known: Mutex::new(known), end: Mutex::default() });
    let shell = Shell {
        store: dry.clone(),
        platform: dry.clone(),
        time: Arc::new(Time::new(dry.clone())),
        rules: Arc::new(ArcSwap::new(sources.rules.clone())),
        hosts: sources.hosts.clone(),
        settings: sources.settings.clone(),
        // What it says is in what is known.
        upstream: None,
        query: None,
        telemetry: Arc::new(Silent),
        owner,
        wake: Notify::new(),
        recheck: Notify::new(),
        announce: Notify::new(),
    };
    let claim = Claim { id: effort.id.into(), owner, version: 1, wakes: 0 };
    let before = effort.clone();
    let item = Item { claimed: Claimed { claim, effort }, heard: None };
    // It ends by a commit that is not stored or by a question without an answer; both are kept.
    let _ = Box::pin(drive(&shell, item, Place::default())).await;
    let end = dry.end().take();
    end.unwrap_or(Ok(before))
}

/// Every port of the driver.
struct Dry {
    now: Timestamp,
    known: Mutex<Known>,
    end: Mutex<Option<Result<Remediation, &'static str>>>,
}

impl Dry {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self) -> MutexGuard<'_, Option<Result<Remediation, &'static str>>> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The decision ends here. The first end counts.
    fn ends(&self, end: Result<Remediation, &'static str>) {
        self.end().get_or_insert(end);
    }

    fn ledgers(&self) -> Result<Vec<Ledger>, StoreError> {
        let ledgers = self.known().ledgers.clone();
        ledgers.ok_or_else(|| {
            self.ends(Err(UNCOUNTED));
            absent("count")
        })
    }

    #[expect(clippy::unused_self, reason = "the macro that lists the ports asks the store inside, and there is none")]
    fn inner(&self) -> Result<&dyn Store, StoreError> {
        Err(absent("ask"))
    }

    async fn around<T: Send>(
        &self,
        _: &'static str,
        call: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        call.await
    }
}

fn absent(operation: &'static str) -> StoreError {
    StoreError::Unavailable { operation, source: "nothing is stored here".into() }
}

fettle_core::wrap_store! { but driver: Dry }
fettle_core::wrap_store! { @work Dry; Loan }
fettle_core::wrap_store! { @alone Dry }

#[async_trait]
impl Work<Remediation> for Dry {
    async fn claim(
        &self,
        _: ReplicaId,
        _: Timestamp,
        _: Timestamp,
        _: u32,
    ) -> Result<Vec<Claimed<Remediation>>, StoreError> {
        Ok(Vec::new())
    }

    async fn next_due(&self, _: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        Ok(None)
    }

    async fn facts(&self, _: &FactsAsk) -> Result<Facts, StoreError> {
        let around = &self.known().around;
        Ok(Facts { alerts: around.alerts.clone(), surroundings: around.surroundings.clone() })
    }

    async fn admit(
        &self,
        _: &Claim,
        _: &[&LedgerAsk],
        judge: Judge<'_, Remediation>,
    ) -> Result<Admission<Remediation>, StoreError> {
        Ok(match judge(&self.ledgers()?) {
            Judged::Store(commit) => {
                self.ends(Ok(commit.effort));
                Admission::Abandoned
            }
            Judged::Refuse(refusal) => Admission::Refused(refusal),
            Judged::Abandon => Admission::Abandoned,
        })
    }

    async fn commit(&self, _: &Claim, commit: &Commit<Remediation>) -> Result<Option<Stored>, StoreError> {
        self.ends(Ok(commit.effort.clone()));
        Ok(None)
    }
}

#[async_trait]
impl Effects for Dry {
    async fn peek(&self, _: &[&LedgerAsk]) -> Result<Vec<Ledger>, StoreError> {
        self.ledgers()
    }

    async fn late(&self, _: ActionId, _: &[Record]) -> Result<bool, StoreError> {
        Ok(false)
    }
}

#[async_trait]
impl Platform for Dry {
    async fn find(&self, target: &Target, _: Wanted) -> Result<Found, PlatformError> {
        self.known().looked.take().unwrap_or_else(|| {
            self.ends(Err(NOT_LOOKED));
            Err(PlatformError::NoHost(target.host().to_owned()))
        })
    }

    /// Only an effect is looked at again, and none is under way here.
    async fn look(&self, target: &Target, _: &Pin) -> Result<Option<Sight>, PlatformError> {
        self.ends(Err(NOT_LOOKED));
        Err(PlatformError::NoHost(target.host().to_owned()))
    }

    async fn call_path(&self, _: &Target, _: &Pin, _: &Effect) -> CallPath {
        CallPath::NotShown
    }

    async fn perform(&self, target: &Target, _: &Pin, _: &Effect) -> Performed {
        let answer = Err(PlatformError::NoHost(target.host().to_owned()));
        Performed { touched: json!({}), answer, short: None }
    }

    async fn evidence(&self, _: &Target, _: &Pin, _: u32) -> Value {
        json!({})
    }

    async fn targets(&self) -> Vec<(String, Result<Vec<Target>, PlatformError>)> {
        Vec::new()
    }

    async fn ping(&self) -> Vec<(String, Result<(), PlatformError>)> {
        Vec::new()
    }
}

impl Clock for Dry {
    fn wall(&self) -> Timestamp {
        self.now
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    /// Rows that are never stored need no ids of their own.
    fn random(&self) -> u64 {
        0
    }
}
