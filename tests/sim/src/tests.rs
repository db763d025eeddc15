//! What `make test` asks of the simulator.

use crate::mutants::{Mutant, caught};
use crate::run::{Failure, run, tell};
use crate::world::World;

/// Schedules of one `make test`.
const SCHEDULES: u64 = 20_000;

/// What that many schedules must have seen, or they prove nothing about it.
const SEEN: &[&str] = &[
    "approved",
    "breaker closed",
    "breaker opened",
    "breaker probe",
    "budget",
    "calls",
    "cancelled",
    "cleared",
    "cooldown",
    "crashes",
    "dependent",
    "escalated",
    "expired",
    "fixed",
    "held_by_label",
    "in_flight",
    "min_healthy",
    "observed",
    "paused",
    "refused",
    "rejected",
    "restore",
    "returned",
    "scale_down",
    "scale_up",
    "silenced",
    "stops",
    "storm",
    "storms",
    "superseded",
    "tripped",
    "unconfirmed",
    "unless",
    "void",
    "zombies",
];

fn assert_none(failures: &[Failure]) {
    if let Some(first) = failures.first() {
        tell(first, false);
        panic!("{} schedules broke something, the first is seed {}: {}", failures.len(), first.seed, first.what);
    }
}

#[test]
fn what_was_broken_once_holds() {
    for line in include_str!("../seeds.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let seed = line.split_whitespace().next().and_then(|it| it.parse().ok()).expect("a seed");
        assert_none(&run(seed, 1, None, 1, |_, _| ()).failures);
    }
}

#[test]
fn twenty_thousand_schedules_break_nothing_and_see_everything() {
    let totals = run(1, SCHEDULES, None, usize::MAX, |_, _| ());
    assert_none(&totals.failures);
    let unseen: Vec<_> = SEEN.iter().filter(|it| !totals.counts.contains_key(**it)).collect();
    assert!(unseen.is_empty(), "no schedule came to see {unseen:?}: {:?}", totals.counts);
}

#[test]
fn one_seed_is_one_history() {
    for seed in 1..=200 {
        let [first, second] = [0, 1].map(|_| World::new(seed, None, false).run());
        assert_eq!((first.hash, first.counts), (second.hash, second.counts), "seed {seed}");
    }
}

#[test]
fn every_fault_at_a_seam_is_caught_by_the_check_that_is_for_it() {
    let survived: Vec<String> = Mutant::ALL.iter().filter_map(|(mutant, by)| caught(*mutant, by).err()).collect();
    assert!(survived.is_empty(), "{}", survived.join("\n"));
}
