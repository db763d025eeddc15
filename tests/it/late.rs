//! The window that nobody can close: a process stands still between its last look at the clock and the write of its request.
//!
//! Others take its effect over, look, find the target unchanged and close the row as failed. Then the call comes. It happens
//! once, and the record says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use fettle_core::effect::Effect;
use fettle_core::ports::Store;
use fettle_core::ports::platform::{Performed, Platform, PlatformError};
use fettle_core::ports::view::{ActionFilter, ActionView, RemediationFilter};
use fettle_core::sight::{CallPath, Found, Pin, Sight, Wanted};
use fettle_core::target::Target;
use fettle_store::open;
use serde_json::Value;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::support::engine::{Fast, start};
use crate::support::fettle::firing;
use crate::support::model::Model;
use crate::support::postgres::Database;
use crate::support::wait;

const SOON: Duration = Duration::from_mins(1);

const RULES: &str = r#"
version: 1
rules:
  - name: restart
    match: ['alertname="Down"']
    target: {min_age: 0s, container: web}
    steps:
      - restart: {grace: 10s}
        verify: {settle: 5s, healthy_for: 30s, resolved_within: 10m}
"#;

/// Docker, spoken to by a process that stands still before each call until it is let go on.
struct StandsStill {
    docker: Arc<dyn Platform>,
    stands: AtomicBool,
    goes_on: Notify,
}

#[async_trait]
impl Platform for StandsStill {
    async fn find(&self, target: &Target, wanted: Wanted) -> Result<Found, PlatformError> {
        self.docker.find(target, wanted).await
    }

    async fn look(&self, target: &Target, pin: &Pin) -> Result<Option<Sight>, PlatformError> {
        self.docker.look(target, pin).await
    }

    async fn call_path(&self, target: &Target, pin: &Pin, effect: &Effect) -> CallPath {
        self.docker.call_path(target, pin, effect).await
    }

    async fn perform(&self, target: &Target, pin: &Pin, effect: &Effect) -> Performed {
        self.stands.store(true, Ordering::SeqCst);
        self.goes_on.notified().await;
        self.docker.perform(target, pin, effect).await
    }

    async fn evidence(&self, target: &Target, pin: &Pin, log_lines: u32) -> Value {
        self.docker.evidence(target, pin, log_lines).await
    }

    async fn targets(&self) -> Vec<(String, Result<Vec<Target>, PlatformError>)> {
        self.docker.targets().await
    }

    async fn ping(&self) -> Vec<(String, Result<(), PlatformError>)> {
        self.docker.ping().await
    }
}

async fn restarts(store: &dyn Store) -> Vec<ActionView> {
    let all = store.actions(&ActionFilter { limit: 10, ..ActionFilter::default() }).await.expect("readable");
    all.into_iter().filter(|it| it.action == "restart").collect()
}

/// The first process stands still before its call; the second, where there is one, works on the same database.
async fn late(url: &str, another: bool) {
    let clock = Fast::begin();
    let docker = Model::running(&clock);
    let slow = StandsStill { docker: docker.platform(), stands: AtomicBool::new(false), goes_on: Notify::new() };
    let (slow, owner) = (Arc::new(slow), Uuid::now_v7());
    let store: Arc<dyn Store> = open(url, owner.into()).await.expect("a store");
    let (intake, _running) = start(store.clone(), slow.clone(), clock.clone(), owner.into(), RULES).await;
    let body = firing(&[("alertname", "Down"), ("service", "web")]);
    intake.submit("test", Bytes::from(body.to_string())).await.expect("acknowledged");
    wait::until("it stands before its call", SOON, async || {
        if slow.stands.load(Ordering::SeqCst) { Ok(()) } else { Err(format!("{:#?}", restarts(&*store).await)) }
    })
    .await;
    let second = if another {
        let owner = Uuid::now_v7();
        let store: Arc<dyn Store> = open(url, owner.into()).await.expect("a second store");
        Some(start(store, docker.platform(), clock, owner.into(), RULES).await)
    } else {
        None
    };
    wait::until("it is given up", SOON, async || {
        let all = store.remediations(&RemediationFilter { limit: 9, ..RemediationFilter::default() }).await;
        let all = all.map_err(|error| error.to_string())?;
        if all.iter().all(|it| it.state == "closed") { Ok(()) } else { Err(format!("{all:#?}")) }
    })
    .await;
    let given_up = restarts(&*store).await;
    let said = |row: &ActionView| (row.result.clone(), row.reason.clone(), row.verdict.clone());
    let expected = ("failed", "not_executed", "not_fixed");
    let words = |(result, reason, verdict): (&str, &str, &str)| {
        (Some(result.to_owned()), Some(reason.to_owned()), Some(verdict.to_owned()))
    };
    assert_eq!((given_up.len(), said(&given_up[0]), docker.effects().len()), (1, words(expected), 0));

    slow.goes_on.notify_one();
    wait::until("the late call is on record", SOON, async || {
        let row = restarts(&*store).await.remove(0);
        if row.verdict.as_deref() == Some("superseded") { Ok(()) } else { Err(format!("{row:#?}")) }
    })
    .await;
    let told = restarts(&*store).await;
    assert_eq!((told.len(), said(&told[0])), (1, words(("failed", "not_executed", "superseded"))));
    assert_eq!(docker.effects(), [("restart", "web".to_owned())], "once, and late");
    drop(second);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_comes_after_another_process_gave_it_up_is_on_record() {
    let database = Database::create().await;
    late(&database.url(), true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_comes_after_its_own_process_gave_it_up_is_on_record() {
    let folder = tempfile::tempdir().expect("a folder");
    late(&format!("sqlite://{}", folder.path().join("fettle.db").display()), false).await;
}
