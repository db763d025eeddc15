use tokio::time::sleep;

use super::*;
use crate::pulse::Pulses;
use crate::testing::script::{Play, Plot, Script};

const DAY: Duration = Duration::from_hours(24);

fn start(readiness: &Arc<Readiness>) -> (Arc<Play>, CancellationToken) {
    let Script { shell, play } = Script::of(Plot::default());
    let (again, alerts) = mpsc::channel(1);
    drop(alerts);
    let retention = Retention { notifications: DAY, audit: 400 * DAY };
    let upkeep = Upkeep { shell: Arc::new(shell), again, readiness: readiness.clone(), retention };
    let stop = CancellationToken::new();
    tokio::spawn(upkeep.run(stop.clone(), Pulses::of(&["upkeep"]).pulse(0)));
    (play, stop)
}

#[tokio::test(start_paused = true)]
async fn a_process_that_is_not_ready_prunes_nothing() {
    let readiness = Arc::new(Readiness::fulfilled());
    readiness.unmet(Condition::Recovery, "recovery is not done yet");
    let (play, stop) = start(&readiness);
    sleep(Duration::from_hours(1)).await;
    assert_eq!(play.pruned(), []);
    readiness.met(Condition::Recovery);
    sleep(Duration::from_mins(20)).await;
    assert!(!play.pruned().is_empty());
    stop.cancel();
}

/// A clock that is years ahead at the start moves retention by twice what passes.
#[tokio::test(start_paused = true)]
async fn retention_counts_from_where_it_was_and_not_from_the_clock() {
    let readiness = Arc::new(Readiness::fulfilled());
    let (play, stop) = start(&readiness);
    let began = before(play.now(), 1000 * DAY);
    play.set_note("retention", &began.to_string());
    sleep(Duration::from_mins(31)).await;
    stop.cancel();
    let pruned = play.pruned();
    let reached: Vec<Duration> =
        pruned.iter().map(|(notifications, _)| fettle_core::time::since(*notifications, before(began, DAY))).collect();
    let passed = |minutes: u64| Duration::from_secs(20 + minutes * 120);
    assert_eq!(reached, [passed(0), passed(10), passed(20), passed(30)]);
    assert!(pruned.iter().all(|(notifications, audit)| *audit == before(*notifications, 399 * DAY)));
}
