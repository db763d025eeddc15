//! The shipped engine and Docker adapter on real daemons of both generations, in real time: what the virtual tests prove on
//! the model, proven where the model cannot be wrong.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fettle_core::ports::Store;
use fettle_core::ports::view::{ActionFilter, ActionView, RemediationFilter};
use fettle_core::time::Timestamp;
use fettle_docker::{Docker as Adapter, HostConfig};
use fettle_engine::clock::SystemClock;
use fettle_engine::intake::Intake;
use fettle_engine::remember::Remembering;
use fettle_memory::physics::{Generation, Life, Part, Policy, Program, Spec, Term};
use fettle_store::open;
use uuid::Uuid;

use super::World;
use super::daemon::Docker;
use super::http;
use super::starts::secs;
use crate::support::engine::start;
use crate::support::fettle::firing;
use crate::support::wait;

/// fettle on one daemon, on a database of its own. It ends when dropped, as a crash ends it.
pub(super) struct Fettle {
    pub(super) store: Arc<dyn Store>,
    intake: Intake,
    _folder: tempfile::TempDir,
    _engine: fettle_engine::run::Running,
}

impl Fettle {
    /// Starts it with one rule for `target`, whose alert fires.
    pub(super) async fn with_alert(socket: &std::path::Path, target: &str, steps: &str) -> Self {
        let rules = format!(
            "version: 1\nrules:\n  - name: r\n    match: ['alertname=\"Down\"']\n    target: {target}\n    steps:\n{steps}"
        );
        let host = HostConfig { endpoint: format!("unix://{}", socket.display()), ..HostConfig::default() };
        let docker = Adapter::new([("local".to_owned(), host)], None, Arc::new(())).expect("an endpoint");
        let folder = tempfile::tempdir().expect("a folder");
        let owner = Uuid::now_v7();
        let url = format!("sqlite://{}", folder.path().join("fettle.db").display());
        let store: Arc<dyn Store> = open(&url, owner.into()).await.expect("a store");
        let clock = Arc::new(SystemClock::default());
        let platform = Arc::new(Remembering::new(Arc::new(docker), store.clone()));
        let (intake, engine) = start(store.clone(), platform, clock, owner.into(), &rules).await;
        let fettle = Self { store, intake, _folder: folder, _engine: engine };
        fettle.alert().await;
        fettle
    }

    /// The alert is sent (again).
    pub(super) async fn alert(&self) {
        let body = firing(&[("alertname", "Down"), ("service", "s")]).to_string();
        self.intake.submit("test", Bytes::from(body)).await.expect("acknowledged");
    }

    pub(super) async fn actions(&self) -> Vec<ActionView> {
        self.store.actions(&ActionFilter { limit: 10, ..ActionFilter::default() }).await.expect("readable")
    }

    /// What the rows of an action say, the oldest first.
    pub(super) async fn rows(&self, action: &str) -> Vec<String> {
        let word = |it: Option<String>| it.unwrap_or_else(|| "-".to_owned());
        let rows = self.actions().await.into_iter().rev().filter(|it| it.action == action);
        rows.map(|it| format!("{} {} {}", word(it.result), word(it.reason), word(it.verdict))).collect()
    }

    /// Waits until its remediation is blocked by this guard.
    pub(super) async fn waits_for(&self, guard: &str) {
        wait::until("it waits", Duration::from_secs(30), async || {
            let filter = RemediationFilter { limit: 9, ..RemediationFilter::default() };
            let all = self.store.remediations(&filter).await.map_err(|error| error.to_string())?;
            let waits = all.iter().any(|it| it.state == "blocked" && it.reason.as_deref() == Some(guard));
            if waits { Ok(()) } else { Err(format!("{all:#?}")) }
        })
        .await;
    }

    pub(super) async fn outcome(&self) -> Option<String> {
        let filter = RemediationFilter { limit: 9, ..RemediationFilter::default() };
        self.store.remediations(&filter).await.expect("readable").into_iter().find_map(|it| it.outcome)
    }
}

/// When the container's run began.
pub(super) async fn started_at(socket: &std::path::Path, id: &str) -> Timestamp {
    let seen = http::ask(socket, "GET", &format!("/containers/{id}/json"), None).await.expect("an inspect").json();
    seen["State"]["StartedAt"].as_str().expect("an instant").parse().expect("RFC 3339")
}

/// The name of a container.
pub(super) async fn name_of(socket: &std::path::Path, id: &str) -> String {
    let seen = http::ask(socket, "GET", &format!("/containers/{id}/json"), None).await.expect("an inspect");
    seen.json()["Name"].as_str().expect("a name").trim_start_matches('/').to_owned()
}

/// A container that ends again and again is `not_fixed`, and people are notified.
async fn crash_loop(generation: Generation, policy: Policy, period: Duration) {
    let docker = Docker::shared(generation).await;
    let (socket, mut world) = (docker.socket(), World::real(Docker::shared(generation).await));
    let looping = Program::of(Life::ends(period, 1));
    let id = world.run(Spec::named("loop").enabled().policy(policy).runs(looping)).await;
    let name = name_of(&socket, &id).await;
    let steps = "      - restart: {grace: 1s}\n        verify: {settle: 1s, healthy_for: 12s, resolved_within: 25s}\n";
    let fettle = Fettle::with_alert(&socket, &format!("{{container: {name}}}"), steps).await;
    let outcome = wait::until("it is given up", Duration::from_mins(2), async || match fettle.outcome().await {
        Some(outcome) => Ok(outcome),
        None => Err(format!("{:#?}", fettle.actions().await)),
    })
    .await;
    assert_eq!(outcome, "escalated", "{:#?}", fettle.actions().await);
    assert_eq!(fettle.rows("restart").await, ["succeeded - not_fixed"]);
    world.clear().await;
}

/// A restart that waits inside a part of Docker that hangs is carried out once, and recorded as that.
async fn hang(generation: Generation, part: Part, length: Duration) {
    let docker = Docker::private(generation, &[], false).await;
    let socket = docker.socket();
    let mut world = World::real(docker);
    // Ignores SIGTERM: the restart is under way for its whole grace.
    let deaf = Program::default().on_term(Term::Ignores);
    let id = world.run(Spec::named("deaf").enabled().runs(deaf)).await;
    let name = name_of(&socket, &id).await;
    let step = "      - restart: {grace: 5s}\n        verify: {settle: 1s, healthy_for: 2s, resolved_within: 4s}\n";
    // The container is seconds old, and this is not about that.
    let target = format!("{{container: {name}, min_age: 0s}}");
    let fettle = Fettle::with_alert(&socket, &target, &step.repeat(2)).await;
    world.until_event("the restart has begun", &id, "kill 15").await;
    world.hang(&part).await;
    tokio::time::sleep(length).await;
    world.resume(&part);
    wait::until("the restart is on record", Duration::from_mins(1), async || {
        let rows = fettle.rows("restart").await;
        if rows.first().is_some_and(|it| it.starts_with("succeeded ")) { Ok(()) } else { Err(format!("{rows:?}")) }
    })
    .await;
    let restarts = world.events(&id).await.iter().filter(|it| *it == "restart").count();
    assert_eq!(restarts, 1, "once by Docker's own count");
    world.clear().await;
}

/// A container without a health check that was started a moment ago is left alone until it is 30 s old, the least age that
/// ships.
async fn young(generation: Generation, age: Duration) {
    let docker = Docker::shared(generation).await;
    let (socket, mut world) = (docker.socket(), World::real(Docker::shared(generation).await));
    let id = world.run(Spec::named("young").enabled()).await;
    let name = name_of(&socket, &id).await;
    let started = http::ask(&socket, "GET", &format!("/containers/{id}/json"), None).await.expect("an inspect").json();
    let started: Timestamp = started["State"]["StartedAt"].as_str().expect("an instant").parse().expect("RFC 3339");
    let fettle = Fettle::with_alert(&socket, &format!("{{container: {name}}}"), "      - restart\n").await;
    fettle.waits_for("starting").await;
    let row = wait::until("it is restarted", Duration::from_mins(1), async || {
        let rows = fettle.actions().await;
        rows.first().cloned().ok_or_else(|| format!("{rows:?}"))
    })
    .await;
    assert!(row.planned_at >= started + age, "planned at {} after the start at {started}", row.planned_at);
    world.clear().await;
}

macro_rules! on_both {
    ($($test:ident: $run:ident($($what:expr),*);)*) => {
        mod docker_20 {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() { $run(Generation::V20, $($what),*).await; })*
        }
        mod docker_28 {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() { $run(Generation::V28, $($what),*).await; })*
        }
    };
}

on_both! {
    always: crash_loop(Policy::Always, secs(1));
    unless_stopped: crash_loop(Policy::UnlessStopped, secs(4));
    on_failure: crash_loop(Policy::OnFailure { max: None }, secs(9));
    just_started: young(secs(30));
    hanging_dockerd: hang(Part::Dockerd, secs(45));
    hanging_containerd: hang(Part::Containerd, secs(45));
}
