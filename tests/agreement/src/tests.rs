//! What `make test` asks of the suite, and that it can fail.

use std::time::Duration;

use fettle_core::time::after;

use crate::compare::{Difference, Tool, first};
use crate::coverage::{Coverage, EXCEPTIONS};
use crate::draw::draw;
use crate::known;
use crate::run::{explain, foretell, one, run};
use crate::service::live;
use crate::told::Told;

/// Scenarios of one `make test`.
const SCENARIOS: u64 = 4_000;

/// What is foretold of the first scenario in which an action begins, and what the service did.
fn agreeing() -> (Told, Told) {
    let folder = tempfile::tempdir().expect("a folder");
    let begins = |told: &Told| told.lines().any(|(_, line)| line.what.contains("begins"));
    let both = |seed| {
        let scenario = draw(seed);
        (foretell(&scenario, folder.path()), live(&scenario).told)
    };
    let found = (0..100).map(both).find(|(foretold, really)| begins(foretold) && first(foretold, really).is_none());
    found.expect("there is one among a hundred")
}

#[test]
fn the_scenarios_agree_and_show_everything_often_enough() {
    let totals = run(0, SCENARIOS, |_, _| ());
    if let Some(failure) = totals.failures.first() {
        explain(failure);
        panic!("{} differences, the first in seed {}: {}", totals.failures.len(), failure.seed, failure.difference);
    }
    assert_eq!(totals.scenarios, SCENARIOS);
    assert!(totals.in_doubt * 3 < SCENARIOS, "{} scenarios are in doubt", totals.in_doubt);
    assert!(totals.replayed * 5 > SCENARIOS, "only {} scenarios were replayed", totals.replayed);
    let missing = totals.coverage.missing();
    assert!(missing.is_empty(), "too seldom to prove anything: {missing:?}");
}

#[test]
fn each_known_disagreement_is_still_there() {
    let folder = tempfile::tempdir().expect("a folder");
    for it in known::all() {
        let found = one(it.seed, folder.path()).differences;
        assert!(
            found.iter().any(|difference| it.is(difference)),
            "seed {} does not show \"{}: {}\" any more; take it out of known.txt: {found:#?}",
            it.seed,
            it.tool,
            it.class
        );
    }
}

#[test]
fn only_what_is_listed_is_known() {
    let difference = |class: &str| Difference {
        tool: Tool::Test,
        class: class.to_owned(),
        at: fettle_sim::time::instant(0),
        foretold: String::new(),
        really: String::new(),
    };
    assert!(!known::is_known(&difference("not foretold: restart begins")));
    for it in known::all() {
        assert!(!it.class.is_empty() && it.class != "*", "a line of known.txt that excuses everything: {it:?}");
        assert!(it.seed < u64::MAX, "a line of known.txt without a seed: {it:?}");
    }
}

#[test]
fn one_seed_is_one_history() {
    let folder = tempfile::tempdir().expect("a folder");
    for seed in 0..40 {
        let [a, b] = [0, 1].map(|_| one(seed, folder.path()));
        assert_eq!((a.told, a.differences, a.coverage), (b.told, b.differences, b.coverage), "seed {seed}");
    }
}

#[test]
fn a_line_that_is_changed_is_found() {
    let (foretold, really) = agreeing();
    let changed = |how: &dyn Fn(&mut Told)| {
        let mut really = really.clone();
        how(&mut really);
        first(&foretold, &really).map(|it| it.class)
    };
    let with_line = |told: &mut Told, how: &dyn Fn(&mut crate::told::Line)| {
        let lines = told.stories.iter_mut().flat_map(|story| &mut story.lines);
        how(lines.into_iter().find(|line| line.what.contains("begins")).expect("an action begins"));
    };
    assert_eq!(changed(&|_| ()), None);
    let another = changed(&|told| with_line(told, &|line| line.what = "stop begins (step 9)".to_owned()));
    assert!(another.is_some_and(|class| class.contains("foretold")), "another action");
    let later = changed(&|told| with_line(told, &|line| line.at = after(line.at, Duration::from_secs(1))));
    assert!(later.is_some_and(|class| class.starts_with("when")), "a second later");
    let none = changed(&|told| told.stories.first_mut().expect("a story").lines.clear());
    assert!(none.is_some_and(|class| class.starts_with("only foretold")), "a story that is missing");
    let elsewhere = changed(&|told| told.stories.first_mut().expect("a story").target.push('x'));
    assert!(elsewhere.is_some(), "on another target");
    let called = changed(&|told| told.given_up.push("container:local/nobody".to_owned()));
    assert_eq!(called.as_deref(), Some("whom people are called for"));
    let in_vain = changed(&|told| told.in_vain.push(after(fettle_sim::time::instant(0), Duration::from_hours(9))));
    assert_eq!(in_vain.as_deref(), Some("what a person does"));
}

#[test]
fn a_service_that_lives_another_scenario_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    // The service has one more effect than it may have.
    let differs = |seed| {
        let scenario = draw(seed);
        let mut looser = scenario.clone();
        looser.settings.target_budget = Vec::new();
        looser.settings.in_flight += 9;
        let rules = looser.rules.clone().map(|mut file| {
            for rule in file["rules"].as_array_mut().into_iter().flatten() {
                rule["cooldown"] = "0s".into();
            }
            file
        });
        looser.rules = rules;
        first(&foretell(&scenario, folder.path()), &live(&looser).told).is_some()
    };
    assert!((0..60).any(differs), "no scenario tells a service without cooldown from one with it");
}

#[test]
fn what_occurs_seldom_fails_the_run_and_exceptions_name_what_there_is() {
    let nothing = Coverage::default();
    assert_eq!(nothing.missing().len() + EXCEPTIONS.len(), nothing.all().len());
    for (name, why) in EXCEPTIONS {
        assert!(
            nothing.all().iter().any(|(it, _)| it == name),
            "{name} is no guard, verdict, outcome, result or action"
        );
        assert!(!why.is_empty(), "{name} has no reason");
    }
}
