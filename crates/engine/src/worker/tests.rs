use tokio::time::sleep;

use super::*;
use crate::pulse::Pulses;
use crate::readiness::Condition;
use crate::testing::script::{Plot, Script};

#[tokio::test(start_paused = true)]
async fn a_process_that_is_not_ready_claims_nothing() {
    let Script { shell, play } = Script::of(Plot::default());
    let readiness = Arc::new(Readiness::fulfilled());
    readiness.unmet(Condition::Store, "notifications cannot be stored");
    let (again, _alerts) = mpsc::channel(1);
    let (_queue, worker) = remediations(Arc::new(shell), again, readiness.clone());
    let (stop, pulses) = (CancellationToken::new(), Pulses::of(&["worker"]));
    let mut tasks = JoinSet::new();
    tasks.spawn(worker.run(stop.clone(), pulses.pulse(0)));
    sleep(Duration::from_mins(10)).await;
    assert_eq!(play.claims(), 0);
    assert!(pulses.late().is_empty(), "it waits and lives");

    readiness.met(Condition::Store);
    sleep(Duration::from_secs(1)).await;
    assert!(play.claims() > 0, "at once, when it is ready");

    readiness.unmet(Condition::Store, "notifications cannot be stored");
    sleep(Duration::from_secs(10)).await;
    let claims = play.claims();
    sleep(Duration::from_mins(10)).await;
    assert_eq!(play.claims(), claims);
    stop.cancel();
    tasks.join_next().await.expect("one task").expect("it ends");
}
