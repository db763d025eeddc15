use std::sync::Mutex;

use fettle_core::ports::view::EventFilter;
use fettle_core::time::{Timestamp, after, since};
use fettle_memory::store::Memory;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::*;
use crate::by_hand::ByHand;
use crate::clock::{Clock, Time};
use crate::pulse::Pulses;
use crate::testing::script::{Play, Plot, Script};

const DAY: Duration = Duration::from_hours(24);

fn start(readiness: &Arc<Readiness>) -> (Arc<Play>, JoinSet<()>) {
    let Script { shell, play } = Script::of(Plot::default());
    let (again, alerts) = mpsc::channel(1);
    drop(alerts);
    let retention = Retention { notifications: DAY, audit: 400 * DAY };
    let upkeep = Upkeep { shell: Arc::new(shell), again, readiness: readiness.clone(), retention };
    let mut tasks = JoinSet::new();
    tasks.spawn(upkeep.run(CancellationToken::new(), Pulses::of(&["upkeep"]).pulse(0)));
    (play, tasks)
}

#[tokio::test(start_paused = true)]
async fn a_process_that_is_not_ready_prunes_nothing() {
    let readiness = Arc::new(Readiness::fulfilled());
    readiness.unmet(Condition::Recovery, "recovery is not done yet");
    let (play, _tasks) = start(&readiness);
    sleep(Duration::from_hours(1)).await;
    assert_eq!(play.pruned(), []);
    readiness.met(Condition::Recovery);
    sleep(Duration::from_mins(20)).await;
    assert!(!play.pruned().is_empty());
}

/// A clock that is years ahead at the start moves retention by twice what passes.
#[tokio::test(start_paused = true)]
async fn retention_counts_from_where_it_was_and_not_from_the_clock() {
    let readiness = Arc::new(Readiness::fulfilled());
    let (play, _tasks) = start(&readiness);
    let began = before(play.now(), 1000 * DAY);
    play.set_note("retention", &began.to_string());
    sleep(Duration::from_mins(31)).await;
    let pruned = play.pruned();
    let reached: Vec<Duration> =
        pruned.iter().map(|(notifications, _)| since(*notifications, before(began, DAY))).collect();
    let passed = |minutes: u64| Duration::from_secs(20 + minutes * 120);
    assert_eq!(reached, [passed(0), passed(10), passed(20), passed(30)]);
    assert!(pruned.iter().all(|(notifications, audit)| *audit == before(*notifications, 399 * DAY)));
}

/// A machine whose wall clock is set, on a paused runtime.
struct Machine {
    began: Instant,
    wall: Mutex<Timestamp>,
}

impl Machine {
    /// The wall clock shows this when the machine starts.
    fn set(&self, start: i64) {
        *self.wall.lock().expect("test") = Timestamp::from_second(start).expect("in range");
    }
}

impl Clock for Machine {
    fn wall(&self) -> Timestamp {
        after(*self.wall.lock().expect("test"), self.monotonic())
    }

    fn monotonic(&self) -> Duration {
        self.began.elapsed()
    }

    fn boot(&self) -> Option<String> {
        Some("test".to_owned())
    }

    fn random(&self) -> u64 {
        0
    }
}

/// A machine without a battery for its clock, on which fettle was started before the clock was set.
#[tokio::test(start_paused = true)]
async fn a_clock_that_was_set_is_followed_after_a_while_when_nothing_is_open() {
    const NOON: i64 = 1_800_000_000;
    const YEARS: i64 = 100_000_000;
    let machine = Arc::new(Machine { began: Instant::now(), wall: Mutex::default() });
    machine.set(NOON);
    let mut shell = Script::of(Plot::default()).shell;
    shell.store = Arc::new(Memory::alone().process(Uuid::from_u128(7).into()));
    shell.time = Arc::new(Time::new(machine.clone()));
    let time = shell.time.clone();
    let (again, _alerts) = mpsc::channel(1);
    let retention = Retention { notifications: DAY, audit: DAY };
    let upkeep = Upkeep { shell: Arc::new(shell), again, readiness: Arc::new(Readiness::fulfilled()), retention };
    let mut tasks = JoinSet::new();
    tasks.spawn(upkeep.run(CancellationToken::new(), Pulses::of(&["upkeep"]).pulse(0)));
    let off = || Duration::from_micros(time.offset().followed.unsigned_abs());

    sleep(Duration::from_secs(25)).await;
    for start in [NOON + YEARS, NOON] {
        machine.set(start);
        sleep(Duration::from_mins(4)).await;
        assert!(off() > 1000 * DAY, "not at once");
        sleep(Duration::from_mins(2)).await;
        assert_eq!(off(), Duration::ZERO);
    }
    machine.set(NOON - 600);
    sleep(Duration::from_mins(10)).await;
    assert!(off() > Duration::from_mins(4), "ten minutes are waited for at half speed");
}

#[tokio::test(start_paused = true)]
async fn a_person_resets_the_clock_and_that_is_on_record() {
    const NOON: i64 = 1_800_000_000;
    let machine = Arc::new(Machine { began: Instant::now(), wall: Mutex::default() });
    machine.set(NOON);
    let mut shell = Script::of(Plot::default()).shell;
    shell.store = Arc::new(Memory::alone().process(Uuid::from_u128(7).into()));
    shell.time = Arc::new(Time::new(machine.clone()));
    let (store, time) = (shell.store.clone(), shell.time.clone());
    let people = ByHand { shell: Arc::new(shell) };
    clock::follow(&*store, &time).await.expect("the store answers");
    machine.set(NOON + 3600);
    let behind = people.reset_clock("ann", "NTP was repaired").await.expect("it is stored");
    assert_eq!((behind, time.now().as_second(), time.offset().followed), (-3_600_000_000, NOON + 3600, 0));
    machine.set(NOON);
    let ahead = people.reset_clock("ann", "no, it was right").await.expect("it is stored");
    assert_eq!((ahead, time.now().as_second()), (3_600_000_000, NOON));
    let events = store.events(&EventFilter { limit: 10, ..EventFilter::default() }).await.expect("the store answers");
    let told: Vec<_> = events.iter().map(|it| (&*it.event, it.details["reason"].as_str())).collect();
    assert_eq!(told, [("clock_reset", Some("no, it was right")), ("clock_reset", Some("NTP was repaired"))]);

    let next = Time::new(machine);
    clock::follow(&*store, &next).await.expect("the store answers");
    assert_eq!(next.now().as_second(), NOON, "the next process goes on from there");
}
