//! What is foretold is what happens: random scenarios go through the world of `predict` and through the service, on both
//! databases, and come out as the same decisions in the same order.
//!
//! The service runs in process on a clock that the test moves from one due instant to the next, on a platform and beside an
//! Alertmanager that both sides share the script of. Compared are the stories of all remediations, line by line, every audit row with its result
//! and verdict, what became of people's answers, whom Alertmanager was told to call, and the order of everything across targets. Where two things come so near
//! to each other that the service itself may do them in either order (a few milliseconds of its own work lie between), the
//! scenario is passed over; at least as many as are asked for remain.

mod rig;
mod scenario;
mod service;
mod tables;
mod upstream;

use std::time::Duration;

use fettle_core::time::since;

use self::scenario::{Kind, Scenario, Told};
use crate::support::postgres::Database;

/// Scenarios on each database: with and without an Alertmanager that can be asked, with loans and without.
const SCENARIOS: [Kind; 4] = [
    Kind { asked: false, lends: false },
    Kind { asked: false, lends: true },
    Kind { asked: true, lends: false },
    Kind { asked: true, lends: true },
];

/// What lies further apart has the same order on both sides: the service's polls come late by its own work.
const APART: Duration = Duration::from_secs(10);

/// Scenarios that leave no doubt, one of each kind: the first from its seed on. Where the seeds of the tests below are not the
/// first any more, they are only slower.
fn scenarios(seeds: [u64; 4]) -> Vec<Scenario> {
    let clear = |(kind, seed)| (seed..seed + 20_000).map(|seed| Scenario::draw(seed, kind)).find(Scenario::is_clear);
    let all: Vec<_> = SCENARIOS.into_iter().zip(seeds).filter_map(clear).collect();
    assert_eq!(all.len(), SCENARIOS.len(), "too few scenarios leave no doubt");
    let several: usize = all.iter().map(Scenario::of_several).sum();
    assert!(several >= 4, "{several} notifications speak of several targets");
    all
}

fn compare(scenario: &Scenario, really: &Told) {
    let foretold = &scenario.foretold;
    let context =
        || format!("seed {}\n{:#?}\nforetold {foretold:#?}\nreally {really:#?}", scenario.seed, scenario.events);
    assert_eq!(foretold.answers, really.answers, "answers of people; {}", context());
    let whats = |told: &Told| -> Vec<_> {
        told.stories.iter().map(|it| (it.target.clone(), it.rule.clone(), it.whats())).collect()
    };
    for (mine, theirs) in whats(foretold).iter().zip(&whats(really)) {
        assert_eq!(mine, theirs, "a story; {}", context());
    }
    assert_eq!(foretold.stories.len(), really.stories.len(), "how many remediations; {}", context());
    for (mine, theirs) in foretold.stories.iter().zip(&really.stories) {
        assert_eq!(mine.rows, theirs.rows, "the audit of {}; {}", mine.target, context());
    }
    if scenario.kind.asked {
        assert_eq!(foretold.given_up, really.given_up, "whom people were called for; {}", context());
    }
    // The same lines, so each pair of them can be compared by time.
    let lines = |told: &Told| -> Vec<_> {
        told.stories.iter().flat_map(|it| it.lines.iter().map(|(at, what)| (*at, what.clone()))).collect()
    };
    let (mine, theirs) = (lines(foretold), lines(really));
    for (at, first) in mine.iter().enumerate() {
        for (other, second) in mine.iter().enumerate().skip(at + 1) {
            let before = first.0 < second.0 && since(second.0, first.0) > APART;
            let after = second.0 < first.0 && since(first.0, second.0) > APART;
            assert!(
                (!before || theirs[at].0 < theirs[other].0) && (!after || theirs[other].0 < theirs[at].0),
                "{} and {} have another order; {}",
                first.1,
                second.1,
                context()
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_foretold_happens_on_sqlite() {
    let played = scenarios([17, 10_010, 20_632, 30_018]).into_iter().map(|scenario| async move {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}", folder.path().join("fettle.db").display());
        let really = service::play(&url, &scenario).await;
        compare(&scenario, &really);
        scenario.foretold.counts()
    });
    rich(&futures_util::future::join_all(played).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_foretold_happens_on_postgresql() {
    let played = scenarios([40_006, 50_148, 60_075, 70_453]).into_iter().map(|scenario| async move {
        let database = Database::create().await;
        let really = service::play(&database.url(), &scenario).await;
        compare(&scenario, &really);
        scenario.foretold.counts()
    });
    rich(&futures_util::future::join_all(played).await);
}

/// Scenarios in which little happens would agree on little.
fn rich(counts: &[(usize, usize, usize)]) {
    let sum = |of: fn(&(usize, usize, usize)) -> usize| counts.iter().map(of).sum::<usize>();
    let (effects, refused, blocked) = (sum(|it| it.0), sum(|it| it.1), sum(|it| it.2));
    assert!(effects >= 10 && refused >= 1 && blocked >= 4, "{effects} effects, {refused} refused, {blocked} blocked");
}
