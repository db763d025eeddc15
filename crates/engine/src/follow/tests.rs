//! The follower over the model of Docker and a store in memory, on virtual time.

use async_trait::async_trait;
use fettle_core::effect::Effect;
use fettle_core::id::ReplicaId;
use fettle_core::ports::{Followed, Performed, Platform, Runs as _, Store};
use fettle_core::sight::past::EndedBy;
use fettle_core::sight::{CallPath, Container, Found, Pin, Sight, Wanted};
use fettle_core::target::Target;
use fettle_core::testing::at;
use fettle_core::time::Timestamp;
use fettle_memory::physics::{By, Client, Clock, Daemon, Host, Life, Link, Program, Request, Spec, Term};
use fettle_memory::store::Memory;
use serde_json::Value;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::*;
use crate::pulse::Pulses;
use crate::remember::Remembering;
use crate::testing::script::{Plot, Script};

const HOST: &str = "local";

/// A host with one container `web`, a store, and processes that follow.
struct Town {
    host: Arc<Host>,
    memory: Arc<Memory>,
    web: String,
}

struct Process {
    platform: Arc<dyn Platform>,
    follows: Arc<Follows>,
    _tasks: JoinSet<()>,
}

impl Town {
    fn new(spec: Spec) -> Self {
        let mut daemon = Daemon::new("DAEMON", at(0));
        let web = daemon.run(spec, at(0));
        let host = Host::new(daemon, Clock::new(Instant::now(), at(0)));
        let clock = host.clock();
        Self { host, memory: Memory::shared(move || clock.now()), web }
    }

    fn start(&self, number: u32) -> Process {
        self.start_over(number, |client| Arc::new(client))
    }

    fn start_over(&self, number: u32, over: impl Fn(Client) -> Arc<dyn Platform>) -> Process {
        let owner = ReplicaId(Uuid::from_u128(number.into()));
        let store: Arc<dyn Store> = Arc::new(self.memory.process(owner));
        let client = over(Client::new(number, [(HOST.to_owned(), self.host.clone())]));
        let platform: Arc<dyn Platform> = Arc::new(Remembering::new(client, store.clone()));
        let Script { mut shell, .. } = Script::of(Plot::default());
        (shell.store, shell.platform, shell.owner) = (store, platform.clone(), owner);
        let follows = Arc::<Follows>::default();
        let (readiness, enclosure) = (Arc::new(Readiness::fulfilled()), Arc::new(()));
        let follower = Follower { shell: Arc::new(shell), readiness, follows: follows.clone(), enclosure };
        let mut tasks = JoinSet::new();
        tasks.spawn(follower.run(CancellationToken::new(), Pulses::of(&["follower"]).pulse(0)));
        Process { platform, follows, _tasks: tasks }
    }

    /// A person orders this, and it has its time.
    async fn order(&self, request: Request) {
        self.host.with(|world, now| world.daemon.ask(request, By::Person, now));
        sleep(Duration::from_secs(30)).await;
    }

    async fn stop(&self) {
        self.order(Request::Stop { id: self.web.clone(), grace: Duration::from_secs(10) }).await;
    }

    /// Docker forgets what it remembers.
    fn forget(&self) {
        self.host.with(|world, _| world.daemon.forget_events(300));
    }

    async fn past(&self) -> Vec<EndedBy> {
        let stored = self.memory.reader().past("DAEMON", std::slice::from_ref(&self.web)).await;
        stored.expect("the store is there").runs.iter().map(|run| run.ended_by).collect()
    }
}

impl Process {
    async fn web(&self) -> Container {
        let target = Target::Container { host: HOST.to_owned(), name: "web".to_owned() };
        match self.platform.find(&target, Wanted::default()).await.expect("it answers") {
            Found::One(sight) => sight.container().expect("a container").clone(),
            other => panic!("{other:?}"),
        }
    }
}

fn web() -> Spec {
    Spec::named("web")
}

/// It ends with 1 when it is asked to.
fn ends_with_one() -> Spec {
    let term = Term::Ends { after: Duration::ZERO, code: 1 };
    web().runs(Program::default().on_term(term))
}

async fn soon() {
    sleep(Duration::from_secs(2)).await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_by_a_person_is_known_when_docker_has_forgotten_it_and_the_process_is_another() {
    let town = Town::new(ends_with_one());
    let process = town.start(1);
    soon().await;
    town.stop().await;
    town.forget();
    drop(process);
    let next = town.start(2);
    let seen = next.web().await;
    assert_eq!((seen.exit_code, seen.stopped_by_hand, seen.ended_by), (1, None, Some(EndedBy::Person)));
}

#[tokio::test(start_paused = true)]
async fn an_end_by_itself_with_zero_is_no_persons_stop() {
    let town = Town::new(web());
    let process = town.start(1);
    soon().await;
    town.host.with(|world, now| world.daemon.set_life(&town.web, Life::ends(Duration::ZERO, 0), now));
    sleep(Duration::from_secs(30)).await;
    assert_eq!(process.web().await.ended_by, Some(EndedBy::Itself));
}

#[tokio::test(start_paused = true)]
async fn what_the_daemons_shutdown_ended_is_no_persons_stop_and_what_a_person_stopped_before_stays_one() {
    for by_person in [true, false] {
        let town = Town::new(ends_with_one());
        let process = town.start(1);
        soon().await;
        if by_person {
            town.stop().await;
        }
        town.host.with(|world, now| world.daemon.stop_daemon(false, now));
        sleep(Duration::from_secs(20)).await;
        town.host.with(|world, now| world.daemon.start_daemon(now));
        sleep(Duration::from_secs(70)).await;
        let expected = if by_person { EndedBy::Person } else { EndedBy::Daemon };
        assert_eq!((process.web().await.ended_by, town.past().await), (Some(expected), vec![expected]));
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_before_the_daemon_began_that_nothing_followed_is_not_known() {
    let town = Town::new(web());
    town.host.with(|world, now| world.daemon.stop_daemon(false, now));
    sleep(Duration::from_secs(20)).await;
    town.host.with(|world, now| world.daemon.start_daemon(now));
    let process = town.start(1);
    soon().await;
    assert_eq!(process.web().await.ended_by, Some(EndedBy::Unknown));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_breaks_is_opened_again_and_misses_nothing_that_docker_keeps() {
    let town = Town::new(ends_with_one());
    let process = town.start(1);
    soon().await;
    town.host.with(|world, _| world.link = Link::Silent);
    town.stop().await;
    town.host.with(|world, _| world.link = Link::Up);
    sleep(REOPEN * 2).await;
    assert_eq!((town.past().await, process.web().await.ended_by), (vec![EndedBy::Person], Some(EndedBy::Person)));
}

/// A connection on which nothing comes after it was opened.
struct Deaf(Client);

#[async_trait]
impl LifeEvents for Deaf {
    async fn next(&mut self) -> Result<Vec<LifeEvent>, PlatformError> {
        std::future::pending().await
    }

    async fn answers(&mut self) -> bool {
        true
    }
}

#[async_trait]
impl Platform for Deaf {
    async fn find(&self, target: &Target, wanted: Wanted) -> Result<Found, PlatformError> {
        self.0.find(target, wanted).await
    }

    async fn look(&self, target: &Target, pin: &Pin) -> Result<Option<Sight>, PlatformError> {
        self.0.look(target, pin).await
    }

    async fn call_path(&self, target: &Target, pin: &Pin, effect: &Effect) -> CallPath {
        self.0.call_path(target, pin, effect).await
    }

    async fn perform(&self, target: &Target, pin: &Pin, effect: &Effect) -> Performed {
        self.0.perform(target, pin, effect).await
    }

    async fn evidence(&self, target: &Target, pin: &Pin, log_lines: u32) -> Value {
        self.0.evidence(target, pin, log_lines).await
    }

    async fn targets(&self) -> Vec<(String, Result<Vec<Target>, PlatformError>)> {
        self.0.targets().await
    }

    fn followed(&self) -> Vec<String> {
        self.0.followed()
    }

    async fn daemon(&self, host: &str) -> Result<String, PlatformError> {
        self.0.daemon(host).await
    }

    async fn follow(&self, host: &str, since: Option<Timestamp>) -> Result<Followed, PlatformError> {
        let followed = self.0.follow(host, since).await?;
        Ok(Followed { events: Box::new(Self(self.0.clone())), ..followed })
    }

    async fn ping(&self) -> Vec<(String, Result<(), PlatformError>)> {
        self.0.ping().await
    }
}

/// A process that dies right after it has opened the stream: what it stored as seen, it has learnt from.
#[tokio::test(start_paused = true)]
async fn what_happened_while_nothing_followed_is_learnt_before_it_counts_as_seen() {
    let town = Town::new(ends_with_one());
    drop(town.start(1));
    soon().await;
    town.stop().await;
    sleep(OVERLAP * 2 + LEASE).await;
    let short = town.start_over(2, |client| Arc::new(Deaf(client)));
    soon().await;
    drop(short);
    sleep(LEASE).await;
    let _next = town.start(3);
    soon().await;
    assert_eq!(town.past().await, [EndedBy::Person]);
}

#[tokio::test(start_paused = true)]
async fn one_of_two_processes_follows_and_the_other_takes_over() {
    let town = Town::new(ends_with_one());
    let first = town.start(1);
    let _second = town.start(2);
    soon().await;
    drop(first);
    sleep(LEASE + OTHERS).await;
    town.stop().await;
    assert_eq!(town.past().await, [EndedBy::Person]);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_denies_its_events_is_reported_until_it_does_not() {
    let town = Town::new(web());
    town.host.with(|world, _| world.daemon.deny_events(true));
    let process = town.start(1);
    soon().await;
    let troubles = process.follows.troubles();
    assert!(matches!(&troubles[..], [(host, Trouble { denied: true, .. })] if host == HOST), "{troubles:?}");
    town.host.with(|world, _| world.daemon.deny_events(false));
    sleep(PAUSE_MAX * 2).await;
    assert_eq!(process.follows.troubles(), []);
}
