//! Death at every boundary: before and after every call that the path of an alert makes to the store and to the platform.
//!
//! After each death another engine starts on the same database. Then nothing acknowledged is lost, no effect is doubled,
//! every intent has a result, and the remediation is closed with a judgement that is true.

use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use fettle_core::ports::Store;
use fettle_core::ports::view::{ActionFilter, RemediationFilter};
use fettle_engine::intake::Intake;
use fettle_engine::pulse::Pulses;
use fettle_engine::run::Running;
use uuid::Uuid;

use crate::support::engine::{self, Fast};
use crate::support::fettle::{firing, resolved};
use crate::support::fuse::{Fuse, FusedPlatform, FusedStore};
use crate::support::model::Model;
use crate::support::wait;

const SOON: Duration = Duration::from_mins(1);

const RULES: &str = r#"
version: 1
rules:
  - name: restart
    match: ['alertname="Down"']
    target: {container: web}
    steps:
      - restart: {grace: 10s}
        verify: {settle: 5s, healthy_for: 30s, resolved_within: 2h}
"#;

struct World {
    folder: tempfile::TempDir,
    docker: Arc<Model>,
    clock: Arc<Fast>,
}

/// One life of the process.
struct Life {
    intake: Intake,
    running: Running,
    store: Arc<dyn Store>,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { folder, docker: Arc::new(Model::running()), clock: Fast::begin() }
    }

    async fn begin(&self, fuse: &Arc<Fuse>) -> Life {
        let owner = Uuid::now_v7();
        let url = format!("sqlite://{}", self.folder.path().join("fettle.db").display());
        // The old life's last threads let go of the file a moment after its last value is gone.
        let opened = wait::until("the database opens", SOON, async || {
            fettle_store::open(&url, owner.into()).await.map_err(|error| error.to_string())
        })
        .await;
        let store: Arc<dyn Store> = Arc::new(FusedStore { inner: opened, fuse: fuse.clone() });
        let platform = Arc::new(FusedPlatform { inner: self.docker.clone(), fuse: fuse.clone() });
        let (intake, running) = engine::start(store.clone(), platform, self.clock.clone(), owner.into(), RULES).await;
        Life { intake, running, store }
    }
}

/// A life whose store never returns once a notification is taken in: a lock that is never given back, a disk that hangs.
pub struct Stuck {
    _world: World,
    life: Life,
}

/// Begins one.
pub async fn stuck() -> Stuck {
    let world = World::new();
    // The first touches are the append's own; the next is the receiver's.
    let life = world.begin(&Fuse::burning_at(3)).await;
    Stuck { _world: world, life }
}

impl Stuck {
    /// The signs of life of its tasks.
    pub fn pulses(&self) -> Arc<Pulses> {
        self.life.running.pulses()
    }

    /// Has it take in what it gets stuck with.
    pub async fn send(&self) {
        let body = serde_json::to_vec(&firing(&[("alertname", "Down")])).expect("JSON");
        self.life.intake.submit("test", Bytes::from(body)).await.expect("it is stored");
    }
}

impl Life {
    /// The process is gone: nothing is flushed, nobody is told.
    async fn end(self) {
        let store: Weak<dyn Store> = Arc::downgrade(&self.store);
        drop(self);
        wait::until("nothing of the old life holds the database", SOON, async || {
            if store.strong_count() == 0 { Ok(()) } else { Err(format!("{} holders", store.strong_count())) }
        })
        .await;
    }

    async fn submit(&self, body: &serde_json::Value) -> bool {
        self.intake.submit("test", Bytes::from(body.to_string())).await.is_ok()
    }
}

fn labels() -> [(&'static str, &'static str); 2] {
    [("alertname", "Down"), ("service", "web")]
}

/// Alertmanager's part: sends until it is acknowledged; the resolve once something was done.
async fn play(life: &Life, mut acknowledged: bool, docker: &Model) -> bool {
    if !acknowledged {
        acknowledged = life.submit(&firing(&labels())).await;
    }
    let told = std::cell::Cell::new(false);
    wait::until("the remediation is closed", SOON, async || {
        if docker.restarts() > 0 && !told.get() {
            // After a death it is sent again, as after a lost answer: a resolve that is re-sent changes nothing.
            told.set(life.submit(&resolved(&labels())).await);
        }
        let filter = RemediationFilter { limit: 10, ..RemediationFilter::default() };
        let rows = life.store.remediations(&filter).await.map_err(|error| error.to_string())?;
        let closed = !rows.is_empty() && rows.iter().all(|row| row.state == "closed");
        if closed { Ok(()) } else { Err(format!("{rows:#?}")) }
    })
    .await;
    acknowledged
}

async fn check(folder: &Path, life: &Life, docker: &Model, touch: usize) -> String {
    let filter = RemediationFilter { limit: 100, ..RemediationFilter::default() };
    let remediations = life.store.remediations(&filter).await.expect("readable");
    let actions = life.store.actions(&ActionFilter { limit: 100, ..ActionFilter::default() }).await.expect("readable");
    let told = format!("died at touch {touch} in {}: {remediations:#?} {actions:#?}", folder.display());
    assert_eq!(remediations.len(), 1, "one episode, one remediation; {told}");
    assert!(actions.iter().all(|action| action.result.is_some()), "every intent has a result; {told}");
    let restarts: Vec<_> = actions.iter().filter(|action| action.action == "restart").collect();
    assert_eq!(restarts.len(), 1, "one intent; {told}");
    let done = docker.restarts();
    assert!(done <= 1, "no effect is doubled; {told}");
    let outcome = remediations[0].outcome.clone().unwrap_or_default();
    if done == 1 {
        assert_eq!(restarts[0].result.as_deref(), Some("succeeded"), "{told}");
        assert_eq!(outcome, "fixed", "{told}");
    } else {
        // The intent was stored and the call never made: looked at, waited out, and told to people.
        assert_eq!(restarts[0].reason.as_deref(), Some("not_executed"), "{told}");
        assert_eq!(outcome, "escalated", "{told}");
    }
    outcome
}

async fn die_at(touch: usize) -> String {
    let world = World::new();
    let fuse = Fuse::burning_at(touch);
    let life = world.begin(&fuse).await;
    let notification = firing(&labels());
    let acknowledged = tokio::select! {
        acknowledged = life.submit(&notification) => {
            // Alive, or dying behind the acknowledgement.
            tokio::select! {
                () = fuse.burnt() => {}
                _ = play(&life, acknowledged, &world.docker) => {}
            }
            acknowledged
        }
        () = fuse.burnt() => false,
    };
    life.end().await;
    let life = world.begin(&Fuse::fireproof()).await;
    play(&life, acknowledged, &world.docker).await;
    let outcome = check(world.folder.path(), &life, &world.docker, touch).await;
    life.end().await;
    outcome
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn death_at_any_boundary_loses_nothing_and_doubles_nothing() {
    let world = World::new();
    let fuse = Fuse::fireproof();
    let life = world.begin(&fuse).await;
    assert!(life.submit(&firing(&labels())).await);
    play(&life, true, &world.docker).await;
    let touches = fuse.touched();
    assert_eq!(check(world.folder.path(), &life, &world.docker, 0).await, "fixed");
    life.end().await;
    // Append, receive, attached, find, admit, restart, look, commit, the looks of verification, each before and after.
    assert!(touches >= 18, "only {touches} boundaries were seen");

    let outcomes = futures_util::future::join_all((1..=touches).map(die_at)).await;
    // Both ways of dying around the effect were among them.
    assert!(outcomes.iter().any(|outcome| outcome == "fixed"), "{outcomes:?}");
    assert!(outcomes.iter().any(|outcome| outcome == "escalated"), "{outcomes:?}");
}
