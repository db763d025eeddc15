//! A store and a platform that follow a script, for one effort that a test drives: what the process, the store and other
//! processes do at the steps that matter.
//!
//! Not a model of a store: it admits whatever is asked and stores whatever is committed, unless the script says otherwise.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::Instant;
use uuid::Uuid;

use super::Paused;
use crate::clock::{Clock, Time};
use crate::shell::Shell;
use fettle_core::effect::Effect;
use fettle_core::id::{ActionId, ReplicaId};
use fettle_core::ports::model::{
    Admission, Claim, Claimed, Commit, Facts, FactsAsk, Judged, Ledger, LedgerAsk, LoanFacts, LoanFactsAsk, Stored,
};
use fettle_core::ports::platform::{Performed, Platform, PlatformError};
use fettle_core::ports::telemetry::Silent;
use fettle_core::ports::{Effects, Effort, Judge, Store, StoreError, Upkeep, Work};
use fettle_core::remediation::loan::{Loan, LoanState};
use fettle_core::remediation::record::Record;
use fettle_core::remediation::state::Remediation;
use fettle_core::rule::compile::{Context, SourceFile, compile};
use fettle_core::sight::{CallPath, Found, Pin, Service, Sight, Wanted};
use fettle_core::target::{Hosts, Target};
use fettle_core::testing::{at, container, firing, id, rule, secs, settings};
use fettle_core::time::Timestamp;

const RULES: &str = "
version: 1
rules:
  - name: restart
    match: ['alertname=\"A\"']
    target: {container: web}
    steps: [{restart: {grace: 10s}}]
";

/// A remediation that was opened just now and restarts `web`.
pub fn opened() -> Remediation {
    fettle_core::testing::opened(&rule("restart"))
}

/// A loan that is due: a service of three replicas was scaled to two, long ago.
pub fn lent() -> Loan {
    Loan {
        id: id(2),
        remediation: id(1),
        rule: "restart".into(),
        target: Target::Swarm { host: "local".into(), service: "shop".into() },
        key: "DAEMON/shop".into(),
        keys: vec!["DAEMON/shop".into()],
        alert: opened().alert,
        step: 1,
        effect: Effect::SetReplicas { version: 7, from: 3, to: 2 },
        after: secs(600),
        opened_at: at(-10_000),
        attempts: 0,
        blind: 0,
        state: LoanState::Lent { until: at(0) },
    }
}

/// What happens, beyond that everything works.
#[derive(Default)]
pub struct Plot {
    /// The process stands still before it gets the budgets' lock.
    pub before_the_lock: Duration,
    /// The process stands still while it looks for a target that is not there.
    pub in_a_vain_look: Option<Duration>,
    /// The process stands still after its intent was stored.
    pub after_the_intent: Duration,
    /// The store is away from the call on.
    pub away_after_the_call: Duration,
    /// Another process takes the effort over during the call.
    pub taken_over: bool,
}

/// The engine's parts, with everything behind its ports scripted.
pub struct Script {
    /// The parts.
    pub shell: Shell,
    /// What happened.
    pub play: Arc<Play>,
}

/// Store and platform.
pub struct Play {
    plot: Plot,
    clock: Arc<Paused>,
    away_until: Mutex<Option<Instant>>,
    records: Mutex<Vec<Record>>,
    commits: AtomicUsize,
    calls: AtomicUsize,
    late: AtomicUsize,
    claims: AtomicUsize,
    pruned: Mutex<Vec<(Timestamp, Timestamp)>>,
    notes: Mutex<BTreeMap<&'static str, String>>,
}

impl Script {
    /// Everything as `plot` has it. On a paused runtime.
    pub fn of(plot: Plot) -> Self {
        let (rules, _) = compile(&[SourceFile { path: "r.yaml".into(), text: RULES.into() }], &Context::default())
            .expect("valid rules");
        let clock = Paused::begin();
        let play = Arc::new(Play {
            plot,
            clock: clock.clone(),
            away_until: Mutex::default(),
            records: Mutex::default(),
            commits: AtomicUsize::new(0),
            calls: AtomicUsize::new(0),
            late: AtomicUsize::new(0),
            claims: AtomicUsize::new(0),
            pruned: Mutex::default(),
            notes: Mutex::default(),
        });
        let shell = Shell {
            store: play.clone(),
            platform: play.clone(),
            time: Arc::new(Time::new(clock)),
            rules: Arc::new(ArcSwap::from_pointee(rules)),
            hosts: Hosts::new([("local", &[][..])]),
            settings: settings(),
            upstream: None,
            query: None,
            telemetry: Arc::new(Silent),
            owner: ReplicaId(Uuid::from_u128(7)),
            wake: Notify::new(),
            recheck: Notify::new(),
            announce: Notify::new(),
        };
        Self { shell, play }
    }
}

impl Play {
    /// The rows that were stored, in order.
    pub fn records(&self) -> Vec<Record> {
        self.records.lock().expect("test").clone()
    }

    /// Commits that were stored, admissions included.
    pub fn commits(&self) -> usize {
        self.commits.load(Ordering::Relaxed)
    }

    /// Calls to the platform that change something.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    /// Claims of remediations that were tried.
    pub fn claims(&self) -> usize {
        self.claims.load(Ordering::Relaxed)
    }

    /// Where retention was asked to reach, each time: of notifications, and of the audit.
    pub fn pruned(&self) -> Vec<(Timestamp, Timestamp)> {
        self.pruned.lock().expect("test").clone()
    }

    /// What its clock shows.
    pub fn now(&self) -> Timestamp {
        self.clock.wall()
    }

    /// Notes this, as an upkeep before did.
    pub fn set_note(&self, name: &'static str, value: &str) {
        self.notes.lock().expect("test").insert(name, value.to_owned());
    }

    /// Late calls that were reported.
    pub fn late(&self) -> usize {
        self.late.load(Ordering::Relaxed)
    }

    fn store(&self, claim: &Claim, records: &[Record]) -> Stored {
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.records.lock().expect("test").extend_from_slice(records);
        Stored { claim: Claim { version: claim.version + 1, ..claim.clone() }, waiting: Vec::new() }
    }

    fn ledgers(asks: &[&LedgerAsk]) -> Vec<Ledger> {
        let empty = |ask: &&LedgerAsk| {
            let scopes = ask.scopes.len();
            Ledger { full_since: vec![None; scopes], used: vec![0; scopes], ..Ledger::default() }
        };
        asks.iter().map(empty).collect()
    }

    fn admit<T: Effort>(&self, claim: &Claim, asks: &[&LedgerAsk], judge: Judge<'_, T>) -> Admission<T> {
        self.clock.stand_still(self.plot.before_the_lock);
        match judge(&Self::ledgers(asks)) {
            Judged::Store(commit) => {
                let stored = self.store(claim, &commit.records);
                self.clock.stand_still(self.plot.after_the_intent);
                Admission::Admitted { stored, commit }
            }
            Judged::Refuse(refusal) => Admission::Refused(refusal),
            Judged::Abandon => Admission::Abandoned,
        }
    }

    fn commit<T: Effort>(&self, claim: &Claim, commit: &Commit<T>) -> Result<Option<Stored>, StoreError> {
        if self.away_until.lock().expect("test").is_some_and(|until| Instant::now() < until) {
            return Err(away());
        }
        if self.plot.taken_over && self.calls() > 0 {
            return Ok(None);
        }
        Ok(Some(self.store(claim, &commit.records)))
    }

    /// As `target` is now.
    fn sight(&self, target: &Target) -> Sight {
        let called = self.calls() > 0;
        match target {
            Target::Swarm { service, .. } => Sight::Service(Service {
                daemon: "DAEMON".into(),
                id: service.clone(),
                name: service.clone(),
                labels: container().labels,
                version: 8,
                replicas: Some(if called { 3 } else { 2 }),
                running: 2,
                updating: false,
            }),
            _ if called => container().restarted_at(1).into(),
            _ => container().into(),
        }
    }

    #[expect(clippy::unused_self, reason = "the shape that `wrap_store` asks for")]
    fn inner(&self) -> Result<&dyn Store, StoreError> {
        Err(away())
    }

    async fn around<T>(
        &self,
        _: &'static str,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        call.await
    }
}

fn away() -> StoreError {
    StoreError::Unavailable { operation: "follow the script", source: "the store is away".into() }
}

#[async_trait]
impl Work<Remediation> for Play {
    async fn claim(
        &self,
        _: ReplicaId,
        _: Timestamp,
        _: Timestamp,
        _: u32,
    ) -> Result<Vec<Claimed<Remediation>>, StoreError> {
        self.claims.fetch_add(1, Ordering::Relaxed);
        Ok(Vec::new())
    }

    async fn next_due(&self, _: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        Ok(None)
    }

    async fn facts(&self, _: &FactsAsk) -> Result<Facts, StoreError> {
        Ok(Facts { alerts: vec![firing("A")], ..Facts::default() })
    }

    async fn admit(
        &self,
        claim: &Claim,
        asks: &[&LedgerAsk],
        judge: Judge<'_, Remediation>,
    ) -> Result<Admission<Remediation>, StoreError> {
        Ok(Self::admit(self, claim, asks, judge))
    }

    async fn commit(&self, claim: &Claim, commit: &Commit<Remediation>) -> Result<Option<Stored>, StoreError> {
        Self::commit(self, claim, commit)
    }
}

#[async_trait]
impl Work<Loan> for Play {
    async fn claim(&self, _: ReplicaId, _: Timestamp, _: Timestamp, _: u32) -> Result<Vec<Claimed<Loan>>, StoreError> {
        Ok(Vec::new())
    }

    async fn next_due(&self, _: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        Ok(None)
    }

    async fn facts(&self, _: &LoanFactsAsk) -> Result<LoanFacts, StoreError> {
        Ok(LoanFacts::default())
    }

    async fn admit(
        &self,
        claim: &Claim,
        asks: &[&LedgerAsk],
        judge: Judge<'_, Loan>,
    ) -> Result<Admission<Loan>, StoreError> {
        Ok(Self::admit(self, claim, asks, judge))
    }

    async fn commit(&self, claim: &Claim, commit: &Commit<Loan>) -> Result<Option<Stored>, StoreError> {
        Self::commit(self, claim, commit)
    }
}

#[async_trait]
impl Effects for Play {
    async fn peek(&self, asks: &[&LedgerAsk]) -> Result<Vec<Ledger>, StoreError> {
        Ok(Self::ledgers(asks))
    }

    async fn late(&self, _: ActionId, _: &[Record]) -> Result<bool, StoreError> {
        self.late.fetch_add(1, Ordering::Relaxed);
        Ok(true)
    }
}

fettle_core::wrap_store!(but driver: Play);

#[async_trait]
impl Upkeep for Play {
    async fn now(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(None)
    }

    async fn latest(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(None)
    }

    async fn woken(&self) -> Result<(), StoreError> {
        std::future::pending().await
    }

    fn hears(&self) -> bool {
        false
    }

    async fn release(&self, _: ReplicaId) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn adopt(&self, _: ReplicaId) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn prune(&self, notifications: Timestamp, audit: Timestamp) -> Result<u64, StoreError> {
        self.pruned.lock().expect("test").push((notifications, audit));
        Ok(0)
    }

    async fn noted(&self, name: &'static str) -> Result<Option<String>, StoreError> {
        Ok(self.notes.lock().expect("test").get(name).cloned())
    }

    async fn note(&self, name: &'static str, value: &str) -> Result<(), StoreError> {
        self.set_note(name, value);
        Ok(())
    }

    fn kind(&self) -> &'static str {
        "script"
    }

    async fn close(&self) {}
}

#[async_trait]
impl Platform for Play {
    async fn find(&self, target: &Target, _: Wanted) -> Result<Found, PlatformError> {
        if let Some(length) = self.plot.in_a_vain_look {
            tokio::time::sleep(length).await;
            return Ok(Found::Nothing);
        }
        Ok(Found::one(self.sight(target)))
    }

    async fn look(&self, target: &Target, _: &Pin) -> Result<Option<Sight>, PlatformError> {
        Ok(Some(self.sight(target)))
    }

    async fn call_path(&self, _: &Target, _: &Pin, _: &Effect) -> CallPath {
        CallPath::Works
    }

    async fn perform(&self, _: &Target, _: &Pin, _: &Effect) -> Performed {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let away = self.plot.away_after_the_call;
        *self.away_until.lock().expect("test") = (!away.is_zero()).then(|| Instant::now() + away);
        Performed { touched: json!({}), answer: Ok(()), short: None }
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
