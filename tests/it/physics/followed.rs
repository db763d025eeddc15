//! Who ended a run, followed by the shipped engine on real daemons: it is known when Docker has forgotten it, after a restart of
//! fettle and of Docker, and Docker's own shutdown is not taken for a person.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fettle_core::id::ReplicaId;
use fettle_core::ports::Store;
use fettle_core::ports::platform::Platform;
use fettle_core::ports::view::RemediationFilter;
use fettle_core::sight::{EndedBy, Pin};
use fettle_core::target::Target;
use fettle_docker::HostConfig;
use fettle_engine::clock::SystemClock;
use fettle_engine::intake::Intake;
use fettle_engine::remember::Remembering;
use fettle_engine::run::Running;
use fettle_memory::physics::{Generation, HealthCheck, Program, Request, Spec, Term};
use fettle_store::open;
use uuid::Uuid;

use super::daemon::Docker;
use super::shipped::name_of;
use super::starts::secs;
use super::world::World;
use crate::support::engine::start;
use crate::support::fettle::firing;
use crate::support::wait;

const SOON: Duration = Duration::from_mins(2);

/// The engine over a daemon and a database file.
struct Fettle {
    store: Arc<dyn Store>,
    platform: Arc<dyn Platform>,
    daemon: String,
    intake: Intake,
    running: Running,
}

impl Fettle {
    async fn start(folder: &Path, socket: &Path, name: &str) -> Self {
        let owner = ReplicaId(Uuid::now_v7());
        let store = open(&format!("sqlite://{}", folder.join("fettle.db").display()), owner).await.expect("a store");
        let config = HostConfig { endpoint: format!("unix://{}", socket.display()), ..HostConfig::default() };
        let docker = fettle_docker::Docker::new([("local".to_owned(), config)], None, Arc::new(())).expect("a host");
        let platform: Arc<dyn Platform> = Arc::new(Remembering::new(Arc::new(docker), store.clone()));
        let daemon = platform.daemon("local").await.expect("the daemon's id");
        let rules = format!(
            "version: 1\nrules:\n  - name: restart\n    match: ['alertname=\"Down\"']\n    \
             target: {{min_age: 0s, container: {name}}}\n    steps: [restart]\n"
        );
        let clock = Arc::new(SystemClock::default());
        let (intake, running) = start(store.clone(), platform.clone(), clock, owner, &rules).await;
        Self { store, platform, daemon, intake, running }
    }

    async fn ended_by(&self, id: &str) -> Vec<EndedBy> {
        let past = self.store.past(&self.daemon, &[id.to_owned()]).await.expect("readable");
        past.runs.iter().map(|run| run.ended_by).collect()
    }

    async fn until_ended_by(&self, id: &str, by: EndedBy) {
        wait::until("the end is stored", SOON, async || {
            let all = self.ended_by(id).await;
            if all == [by] { Ok(()) } else { Err(format!("{all:?}")) }
        })
        .await;
    }

    async fn look(&self, id: &str) -> Option<EndedBy> {
        let target: Target = "container:local/any".parse().expect("a target");
        let pin = Pin { id: id.to_owned(), started_at: None, restart_count: 0, size: None };
        let seen = self.platform.look(&target, &pin).await.expect("it answers").expect("it is there");
        seen.container().and_then(|it| it.ended_by)
    }

    /// Posts an alert and gives why its remediation was closed.
    async fn decide(&self) -> String {
        self.intake
            .submit("test", Bytes::from(firing(&[("alertname", "Down")]).to_string()))
            .await
            .expect("acknowledged");
        let closed = async || {
            let all = self.store.remediations(&RemediationFilter { limit: 1, ..RemediationFilter::default() }).await;
            all.map_err(|error| error.to_string())?
                .pop()
                .filter(|it| it.state == "closed")
                .ok_or("it is open".to_owned())
        };
        wait::until("it is closed", SOON, async || closed().await.map(drop)).await;
        closed().await.expect("it is closed").reason.unwrap_or_default()
    }

    async fn end(self) {
        self.running.stop().await;
    }
}

fn ends_with(name: &str, code: i64) -> Spec {
    let term = Term::Ends { after: Duration::ZERO, code };
    Spec::named(name).enabled().runs(Program::default().on_term(term))
}

async fn a_stop_is_remembered_and_a_shutdown_is_no_stop(generation: Generation) {
    let docker = Docker::private(generation, &[], false).await;
    let socket: PathBuf = docker.socket();
    let mut world = World::real(docker);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let stopped = world.run(ends_with("stopped", 1)).await;
    let shut_down = world.run(ends_with("down", 143)).await;
    let witness = world.run(ends_with("witness", 0)).await;
    let name = name_of(&socket, &stopped).await;
    let fettle = Fettle::start(folder.path(), &socket, &name).await;
    world.ask(Request::Stop { id: stopped.clone(), grace: secs(10) }).await;
    fettle.until_ended_by(&stopped, EndedBy::Person).await;
    fettle.end().await;

    // Each probe is three events: of these, thirty a second.
    for _ in 0..10 {
        world.run(Spec::named("noise").check(HealthCheck::every(secs(1), 1))).await;
    }
    world.until_no_event("the stop is forgotten", &stopped).await;
    let fettle = Fettle::start(folder.path(), &socket, &name).await;
    assert_eq!(fettle.decide().await, "stopped");

    // A shutdown before the second process follows is a gap, not a shutdown that it saw.
    world.ask(Request::Stop { id: witness.clone(), grace: secs(10) }).await;
    fettle.until_ended_by(&witness, EndedBy::Person).await;
    world.stop_daemon().await;
    world.start_daemon().await;
    fettle.until_ended_by(&shut_down, EndedBy::Daemon).await;
    assert_eq!(fettle.look(&shut_down).await, Some(EndedBy::Daemon));
    assert_eq!(fettle.look(&stopped).await, Some(EndedBy::Person));
    fettle.end().await;
    world.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn docker_20() {
    a_stop_is_remembered_and_a_shutdown_is_no_stop(Generation::V20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn docker_28() {
    a_stop_is_remembered_and_a_shutdown_is_no_stop(Generation::V28).await;
}
