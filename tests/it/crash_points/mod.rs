//! Death at every boundary: before and after every call that the path of an alert makes to the store and to the platform.
//!
//! After each death another engine starts on the same database. Then nothing acknowledged is lost, no effect is doubled,
//! every intent has a result, and the remediation is closed with a judgement that is true.

mod scenario;

use std::mem::ManuallyDrop;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use fettle_core::ports::Store;
use fettle_core::ports::view::{ActionFilter, ActionView, RemediationFilter, RemediationView};
use fettle_core::remediation::state::State;
use fettle_core::surroundings::{Answer, AnswerKind};
use fettle_engine::intake::Intake;
use fettle_engine::pulse::Pulses;
use fettle_engine::run::Running;
use futures_util::StreamExt;
use uuid::Uuid;

use self::scenario::{APPROVAL, DEPENDENTS, LOAN, RESTART, Scenario};
use crate::support::engine::{self, Fast};
use crate::support::fettle::{firing, resolved};
use crate::support::fuse::{Burns, Fuse, FusedPlatform, FusedStore};
use crate::support::model::Model;
use crate::support::postgres::Database;
use crate::support::wait;

const SOON: Duration = Duration::from_mins(1);

/// Lives at a time: each has a pool of connections.
const AT_ONCE: usize = 4;

/// Where the rows are.
enum Place {
    File(tempfile::TempDir),
    /// Not dropped: each drop would be a checkpoint of the whole cluster, which goes with the run anyway.
    Server(ManuallyDrop<Database>),
}

impl Place {
    async fn new(server: bool) -> Self {
        if server {
            Self::Server(ManuallyDrop::new(Database::create().await))
        } else {
            Self::File(tempfile::tempdir().expect("a folder"))
        }
    }

    fn url(&self) -> String {
        match self {
            Self::File(folder) => format!("sqlite://{}", folder.path().join("fettle.db").display()),
            Self::Server(database) => database.url(),
        }
    }
}

struct World {
    scenario: Scenario,
    place: Place,
    docker: Model,
    clock: Arc<Fast>,
}

/// One life of the process.
struct Life {
    intake: Intake,
    running: Running,
    store: Arc<dyn Store>,
}

impl World {
    async fn new(scenario: Scenario, server: bool) -> Self {
        let clock = Fast::begin();
        let docker = Model::new(&clock, |daemon, now| scenario.begin(daemon, now));
        Self { scenario, place: Place::new(server).await, docker, clock }
    }

    async fn begin(&self, fuse: &Arc<Fuse>) -> Life {
        let owner = Uuid::now_v7().into();
        let url = self.place.url();
        // The old life's last threads let go of the file a moment after its last value is gone.
        let opened = wait::until("the database opens", SOON, async || {
            fettle_store::open(&url, owner).await.map_err(|error| error.to_string())
        })
        .await;
        let store: Arc<dyn Store> = Arc::new(FusedStore { inner: opened, fuse: fuse.clone() });
        let platform = Arc::new(FusedPlatform { inner: self.docker.platform(), fuse: fuse.clone() });
        let rules = self.scenario.rules();
        let (intake, running) = engine::start(store.clone(), platform, self.clock.clone(), owner, &rules).await;
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
    let world = World::new(RESTART, false).await;
    // The first touches are the append's own; the next is the receiver's.
    let life = world.begin(&Fuse::burning(Burns::At(3))).await;
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

/// A person's part: says yes to what is proposed.
async fn approve(store: &dyn Store, rows: &[RemediationView]) {
    for row in rows.iter().filter(|row| row.state == "awaiting_approval") {
        let Ok(Some(remediation)) = store.remediation(row.id).await else { continue };
        let State::AwaitingApproval(asked) = &remediation.state else { continue };
        let answer = Answer {
            id: Uuid::now_v7().into(),
            kind: AnswerKind::Approve,
            plan: Some(asked.proposal.hash.clone()),
            by: "oncall".into(),
            at: asked.proposal.asked_at,
        };
        // Given once: that it was given already, or that something else came first, is an answer too.
        let _ = store.answer(row.id, &answer).await;
    }
}

async fn read(store: &dyn Store) -> Result<(Vec<RemediationView>, Vec<ActionView>), String> {
    let filter = RemediationFilter { limit: 100, ..RemediationFilter::default() };
    let remediations = store.remediations(&filter).await.map_err(|error| error.to_string())?;
    let filter = ActionFilter { limit: 100, ..ActionFilter::default() };
    let actions = store.actions(&filter).await.map_err(|error| error.to_string())?;
    Ok((remediations, actions))
}

/// Alertmanager's part: sends until it is acknowledged; the resolve once something was done.
async fn play(life: &Life, mut acknowledged: bool, docker: &Model) -> bool {
    if !acknowledged {
        acknowledged = life.submit(&firing(&labels())).await;
    }
    let told = std::cell::Cell::new(false);
    wait::until("everything is over", SOON, async || {
        if !docker.effects().is_empty() && !told.get() {
            // After a death it is sent again, as after a lost answer: a resolve that is re-sent changes nothing.
            told.set(life.submit(&resolved(&labels())).await);
        }
        let stopped = docker.stopped();
        let (remediations, actions) = read(&*life.store).await?;
        approve(&*life.store, &remediations).await;
        let over = Scenario::is_over(&stopped, &remediations, &actions);
        if over { Ok(()) } else { Err(format!("{remediations:#?} {actions:#?} {stopped:?}")) }
    })
    .await;
    acknowledged
}

/// Checks what must be true at the end; how many effects happened.
async fn check(world: &World, life: &Life, burns: Burns) -> usize {
    let (remediations, actions) = read(&*life.store).await.expect("readable");
    let wrong = world.scenario.wrong(&remediations, &actions, &world.docker);
    let (name, effects) = (world.scenario.name, world.docker.effects());
    assert!(wrong.is_empty(), "{name}, died {burns:?}: {wrong:?}; {effects:?} {remediations:#?} {actions:#?}");
    effects.len()
}

async fn die(scenario: Scenario, server: bool, burns: Burns) -> usize {
    let world = World::new(scenario, server).await;
    let fuse = Fuse::burning(burns);
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
    let effects = check(&world, &life, burns).await;
    life.end().await;
    effects
}

async fn death_at_every_boundary(scenario: Scenario, server: bool) {
    let world = World::new(scenario, server).await;
    let fuse = Fuse::fireproof();
    let life = world.begin(&fuse).await;
    assert!(life.submit(&firing(&labels())).await);
    play(&life, true, &world.docker).await;
    let touches = fuse.touched();
    assert_eq!(check(&world, &life, Burns::Never).await, scenario.effects);
    life.end().await;
    assert!(touches >= scenario.least_touches, "only {touches} boundaries were seen");

    let lives = futures_util::stream::iter(1..=touches).map(|touch| die(scenario, server, Burns::At(touch)));
    lives.buffer_unordered(AT_ONCE).for_each(async |_| ()).await;
    // Calls of several tasks come in another order each time, so the two ways of dying around the effect are asked for.
    assert_eq!(die(scenario, server, Burns::BeforeEffect(1)).await, 0, "an effect that was never called happened");
    assert!(die(scenario, server, Burns::AfterEffect(1)).await >= 1, "an effect that was called did not happen");
}

macro_rules! on_both_databases {
    ($($test:ident: $scenario:expr;)+) => {$(
        mod $test {
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                death_at_every_boundary($scenario, false).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                death_at_every_boundary($scenario, true).await;
            }
        }
    )+};
}

on_both_databases! {
    death_around_a_restart_loses_nothing_and_doubles_nothing: RESTART;
    death_around_dependents_loses_nothing_and_doubles_nothing: DEPENDENTS;
    death_around_an_approval_loses_nothing_and_doubles_nothing: APPROVAL;
    death_around_a_loan_loses_nothing_and_doubles_nothing: LOAN;
}
