//! The same notifications, however they are cut into batches and copied, open the same remediations.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::shelf::{Shelf, fires, resolves, shelf};
use crate::alert::episode::Word;
use crate::alert::fingerprint::Fingerprint;
use crate::alert::labels::Labels;
use crate::remediation::outcome::Outcome;
use crate::testing::{at, rule};

/// One body: when it is received, and what it says.
type Body = (i64, Vec<(Labels, Word)>);

/// What Alertmanager may say over time: groups of two alerts and a nameless one, repeats, resolves, moving starts.
fn bodies() -> impl Strategy<Value = Vec<Body>> {
    let alert = (0usize..3, -700i64..1, 0i64..700, any::<bool>());
    let body = (0i64..400, proptest::collection::vec(alert, 1..4));
    proptest::collection::vec(body, 1..12).prop_map(|bodies| {
        let mut now = 1000;
        let mut said = Vec::new();
        for (pause, alerts) in bodies {
            now += pause;
            let say = |(which, start, lasts, firing): (usize, i64, i64, bool)| {
                let name = ["A", "B", "C"][which];
                let start = now + start;
                let mut word =
                    if firing { fires(name, start) } else { resolves(name, start, (start + lasts).min(now)) };
                if which == 2 {
                    // A target that cannot be named.
                    word.0 = Labels::from_iter([("alertname", "C"), ("service", "/")]);
                }
                word
            };
            // An alert stands in a body once.
            let mut alerts: Vec<_> = alerts.into_iter().map(say).collect();
            alerts.sort_by(|a, b| a.0.get("alertname").cmp(b.0.get("alertname")));
            alerts.dedup_by(|a, b| a.0 == b.0);
            said.push((now, alerts));
        }
        said
    })
}

fn rules() -> Shelf {
    shelf([rule("r").allowing(&["*"]), rule("s").allowing(&["*"])])
}

fn set(shelf: &Shelf) -> BTreeSet<(String, String, Fingerprint, i64)> {
    shelf.opened.iter().cloned().collect()
}

fn one_by_one(bodies: &[Body]) -> Shelf {
    let mut shelf = rules();
    for (second, alerts) in bodies {
        shelf.hears(*second, alerts);
    }
    shelf
}

proptest! {
    #[test]
    fn cutting_and_copying_changes_nothing(
        bodies in bodies(),
        cuts in proptest::collection::vec(any::<bool>(), 40),
        copies in proptest::collection::vec(0usize..3, 12),
        lag in 0i64..2,
    ) {
        let expected = one_by_one(&bodies);
        let mut shelf = rules();
        let mut batch = Vec::new();
        let mut sent: Vec<Body> = Vec::new();
        for (body, copies) in bodies.iter().zip(copies) {
            sent.push(body.clone());
            // The copies of HA peers and retries come at once or a little later, but before the next word.
            sent.extend((0..copies).map(|_| (body.0 + lag, body.1.clone())));
        }
        // Nobody says anything else before the last copy is in.
        prop_assume!(bodies.windows(2).all(|pair| pair[0].0 + lag <= pair[1].0));
        for ((second, alerts), cut) in sent.iter().zip(cuts) {
            let notice = shelf.notice(at(*second), alerts);
            batch.push(notice);
            if cut {
                shelf.take(&std::mem::take(&mut batch));
            }
        }
        shelf.take(&batch);
        prop_assert_eq!(&shelf.opened, &expected.opened);
        prop_assert_eq!(shelf.refused(), expected.refused());
    }

    /// However often a body is repeated, and whatever becomes of what it opened, an episode opens no more than one
    /// remediation per rule and target unless one ended expired or superseded.
    #[test]
    fn an_episode_is_opened_once_per_rule_unless_it_was_left_open(
        bodies in bodies(),
        ends in proptest::collection::vec(0usize..20, 12),
    ) {
        let mut shelf = rules();
        let mut left_open = 0;
        for ((second, alerts), end) in bodies.iter().zip(ends) {
            shelf.hears(*second, alerts).hears(*second, alerts);
            let open: Vec<_> = shelf.world.open.values().map(|it| it.rule.clone()).collect();
            if let (Some(&outcome), Some(rule)) = (Outcome::ALL.get(end), open.first()) {
                left_open += usize::from(outcome.leaves_episode_open());
                shelf.closes(*second, rule, outcome).ask_again(*second);
            }
        }
        shelf.opened.retain(|it| it.3 > 0);
        let twice = shelf.opened.len() - set(&shelf).len();
        prop_assert!(twice <= left_open, "{:?}", shelf.opened);
    }
}
