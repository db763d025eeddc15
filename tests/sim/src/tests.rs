//! What `make test` asks of the simulator.

use crate::known;
use crate::mutants::{Mutant, caught};
use crate::run::{Failure, run, show};
use crate::world;

/// Schedules of one `make test`. A known fault shows within as many.
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
    "earlier_run",
    "escalated",
    "expired",
    "fixed",
    "held_by_label",
    "in_flight",
    "late calls",
    "min_healthy",
    "observed",
    "paused",
    "refused",
    "rejected",
    "restarts",
    "restore",
    "returned",
    "scale_down",
    "scale_up",
    "silenced",
    "starting",
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
        show(first, false);
        panic!("{} schedules broke something, the first is seed {}: {}", failures.len(), first.seed, first.what);
    }
}

fn assert_known_faults_show(totals: &crate::run::Totals) {
    let shown = |it: &known::Known| totals.known.keys().any(|(check, wild)| *check == it.check && *wild >= it.wild);
    let gone: Vec<_> = known::all().filter(|it| !shown(it)).collect();
    assert!(gone.is_empty(), "known faults that no schedule shows any more; take them out of known.txt: {gone:?}");
}

#[test]
fn twenty_thousand_schedules_break_nothing_new_see_everything_and_show_each_known_fault() {
    let totals = run(0, SCHEDULES, None, usize::MAX, |_, _| ());
    assert_none(&totals.failures);
    let unseen: Vec<_> = SEEN.iter().filter(|it| !totals.counts.contains_key(**it)).collect();
    assert!(unseen.is_empty(), "no schedule came to see {unseen:?}: {:?}", totals.counts);
    assert_known_faults_show(&totals);
}

#[test]
fn one_seed_is_one_history() {
    for seed in 0..200 {
        let [first, second] = [0, 1].map(|_| world::run(seed, None, true));
        assert_eq!(first.history, second.history, "seed {seed}");
        assert_eq!((first.hash, first.counts), (second.hash, second.counts), "seed {seed}");
    }
}

#[test]
fn every_fault_at_a_seam_is_found_by_the_check_that_is_for_it() {
    let survived: Vec<String> = Mutant::ALL.iter().filter_map(|(mutant, by)| caught(*mutant, by).err()).collect();
    assert!(survived.is_empty(), "{}", survived.join("\n"));
}

#[test]
fn the_seed_of_each_known_fault_shows_it() {
    for it in known::all() {
        let shown = world::run(it.seed, None, false).violations;
        assert!(
            shown.iter().any(|one| one.check == it.check),
            "seed {} does not show {}: {shown:?}",
            it.seed,
            it.check
        );
    }
}
