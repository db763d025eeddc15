//! The world on its own: one container that does what it is told, and what fettle makes of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::*;
use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::alert::labels::Labels;
use fettle_core::alert::webhook::Alert;
use fettle_core::decide::{Blind, CallFailure};
use fettle_core::remediation::outcome::{ActionResult, Outcome, Verdict};
use fettle_core::remediation::refusal::Guard;
use fettle_core::rule::compile::{Context, SourceFile, compile};
use fettle_core::settings::{StormLimit, TripLimit};
use fettle_core::sight::{Container, Found, Pin, Sight, Wanted};
use fettle_core::surroundings::{AnswerKind, PauseScope};
use fettle_core::target::Target;
use fettle_core::testing::{at, container, secs, settings};
use fettle_core::time::after;

/// Containers of any name, made when they are asked for; calls take two seconds.
#[derive(Default)]
struct Fake {
    containers: BTreeMap<String, Container>,
    fails: bool,
    hangs: bool,
    calls: usize,
}

impl Fake {
    fn named(&mut self, name: &str) -> &mut Container {
        let number = self.containers.len() + 1;
        let made = || Container { name: name.to_owned(), id: format!("{number:064x}"), ..container() };
        self.containers.entry(name.to_owned()).or_insert_with(made)
    }
}

impl Docker for Fake {
    fn find(&mut self, target: &Target, _: Wanted, _: Timestamp) -> Result<Found, Blind> {
        Ok(Found::one(self.named(target.name().expect("a name")).clone()))
    }

    fn look(&mut self, _: &Target, pin: &Pin, _: Timestamp) -> Result<Option<Box<Sight>>, Blind> {
        Ok(self.containers.values().find(|it| it.id == pin.id).cloned().map(|it| Box::new(it.into())))
    }

    fn send(&mut self, _: Sent<'_>, _: Timestamp) -> Duration {
        self.calls += 1;
        secs(if self.hangs { 40 } else { 2 })
    }

    fn answer(&mut self, sent: Sent<'_>, now: Timestamp) -> Answered {
        let failure =
            |reason, is_answer| CallFailure { reason, error: reason.to_owned(), nothing_sent: false, is_answer };
        let answer = match () {
            () if self.hangs => Err(failure("docker_timeout", false)),
            () if self.fails => Err(failure("docker_error", true)),
            () => {
                self.named(sent.target.name().expect("a name")).started_at = Some(now);
                Ok(())
            }
        };
        Answered { answer, touched: Value::Null }
    }

    fn metric(&mut self, _: &str, _: Timestamp) -> Result<bool, Blind> {
        Ok(true)
    }
}

fn world(rule: &str) -> World<Fake> {
    world_with(rule, settings())
}

fn world_with(rule: &str, settings: Settings) -> World<Fake> {
    let text = format!(
        "version: 1\nrules:\n  - name: r\n    match: ['alertname=\"Down\"']\n    target: {{container: $labels.service, allow: [\"*\"]}}\n{rule}"
    );
    let context = Context { alertmanager: settings.alertmanager, ..Context::default() };
    let file = SourceFile { path: "r.yaml".into(), text };
    let (rules, _) = compile(&[file], &context).expect("the rule compiles");
    let options = Options { hosts: context.hosts, start: at(0), forgets: true };
    World::new(Arc::new(rules), settings, Fake::default(), options)
}

fn alert(name: &str, service: &str, firing: bool, starts: i64, ends: i64) -> Alert {
    let labels = Labels::from_iter([("alertname", name), ("service", service)]);
    let ends_at = (!firing).then(|| at(ends));
    Alert { fingerprint: Fingerprint::of(&labels), labels, firing, starts_at: at(starts), ends_at }
}

fn fires(world: &mut World<Fake>, second: i64, service: &str) {
    world.deliver(at(second), vec![alert("Down", service, true, second, 0)]);
}

fn resolves(world: &mut World<Fake>, second: i64, service: &str) {
    world.deliver(at(second), vec![alert("Down", service, false, second - 1, second)]);
}

/// What happened until `second`, in words: when, on what, what.
fn told(world: &mut World<Fake>, second: i64) -> Vec<String> {
    let said = |what: &What| match what {
        What::Opened => "opened".to_owned(),
        What::Blocked { guard, .. } => format!("blocked {guard}"),
        What::Refused { guard, .. } => format!("refused {guard}"),
        What::Awaiting { action, .. } => format!("awaiting {action}"),
        What::Unanswered { action } => format!("unanswered {action}"),
        What::Began { action, step, .. } => format!("{action} {step}"),
        What::Ended { result, .. } => result.to_string(),
        What::Unsent { action, result, .. } => format!("{action} {result}"),
        What::Observed { action, .. } => format!("would {action}"),
        What::Verdict { verdict, .. } => verdict.to_string(),
        What::Escalated { message, .. } => format!("escalated {message}"),
        What::Closed { outcome, .. } => format!("closed {outcome}"),
        What::Announced { name, until } => {
            format!("{}{name}", if until.is_some() { "" } else { "not " })
        }
        What::LoanEnded { end, .. } => format!("loan {end}"),
        What::Told { what } => format!("told {what}"),
        What::Event { event, .. } => format!("event {event}"),
    };
    let line = |it: Happening| {
        let name = it.target.rsplit('/').next().unwrap_or_default();
        format!("{} {name} {}", it.at.as_second() - at(0).as_second(), said(&it.what))
    };
    world.advance(at(second)).into_iter().map(line).collect()
}

const RESTART: &str = "    steps: [restart]\n";

#[test]
fn an_alert_that_resolves_after_the_restart_is_fixed_when_the_target_was_well_for_long_enough() {
    let mut world = world(RESTART);
    fires(&mut world, 10, "web");
    resolves(&mut world, 20, "web");
    let expected = ["10 web opened", "10 web restart 1", "12 web succeeded", "47 web fixed", "47 web closed fixed"];
    // Settled, and first seen well, at 17.
    assert_eq!(told(&mut world, 1000), expected);
    assert_eq!((world.docker().calls, world.open(), world.next_due()), (1, 0, None));
}

#[test]
fn a_resolve_before_the_hold_is_over_cancels_and_nothing_is_sent() {
    let mut world = world("    hold: 1m\n    steps: [restart]\n");
    fires(&mut world, 0, "web");
    // At the very instant at which the hold ends: what is heard is known to whoever is due.
    resolves(&mut world, 60, "web");
    assert_eq!(told(&mut world, 1000), ["0 web opened", "60 web closed cancelled"]);
    assert_eq!(world.docker().calls, 0);
}

#[test]
fn the_fourth_effect_within_the_window_waits_until_the_first_has_left_it() {
    let mut world = world("    steps: [restart]\n    cooldown: 0s\n    budget: [3 per 1h]\n");
    for start in [0, 600, 1200] {
        fires(&mut world, start, "web");
        resolves(&mut world, start + 60, "web");
        let told = told(&mut world, start + 599);
        assert_eq!(told.last().map(String::as_str), Some(&*format!("{} web closed fixed", start + 60)), "{told:?}");
    }
    fires(&mut world, 1800, "web");
    let told = told(&mut world, 2399);
    assert!(told.contains(&"1800 web refused budget".to_owned()), "{told:?}");
    assert!(told.contains(&"1800 web blocked budget".to_owned()), "{told:?}");
    // Heard firing again, so it is not stale when there is room.
    fires(&mut world, 3500, "web");
    let told = self::told(&mut world, 3700);
    // The regression resumed at the bottom rung, whose third restart it is.
    assert_eq!(told.first().map(String::as_str), Some("3600 web restart 1"), "{told:?}");
}

#[test]
fn an_effect_that_fails_goes_one_rung_up_and_then_to_people() {
    let mut world = world("    steps:\n      - restart\n      - escalate: {message: wake up}\n");
    world.docker().fails = true;
    fires(&mut world, 0, "web");
    let expected = [
        "0 web opened",
        "0 web restart 1",
        "2 web failed",
        "2 web not_fixed",
        "2 web escalated wake up",
        "2 web event escalated",
        "2 web closed escalated",
    ];
    assert_eq!(told(&mut world, 1000), expected);
}

#[test]
fn a_call_without_an_answer_is_looked_at_until_that_is_conclusive() {
    let mut world = world(RESTART);
    world.docker().hangs = true;
    fires(&mut world, 0, "web");
    let told = told(&mut world, 1000);
    assert_eq!(told[1..4], ["0 web restart 1", "42 web failed", "42 web not_fixed"], "{told:?}");
    assert_eq!(world.docker().calls, 1, "what is not known is never tried again");
}

#[test]
fn another_rules_alert_waits_for_the_target_and_has_its_turn_when_it_is_free() {
    let second = "  - name: s\n    match: ['alertname=\"Slow\"']\n    target: {container: $labels.service, allow: [\"*\"]}\n    steps: [restart]\n";
    let mut world = world(&format!("    steps: [restart]\n{second}"));
    fires(&mut world, 0, "web");
    world.deliver(at(5), vec![alert("Slow", "web", true, 5, 0)]);
    resolves(&mut world, 60, "web");
    let told = told(&mut world, 400);
    let expected = ["60 web closed fixed", "60 web opened", "60 web blocked cooldown", "302 web restart 1"];
    assert!(told.contains(&"5 web refused in_flight".to_owned()), "{told:?}");
    let from = told.iter().position(|it| it == expected[0]).expect("it was fixed");
    assert_eq!(told[from..from + 4], expected, "{told:?}");
}

#[test]
fn a_person_is_asked_answers_and_the_act_counts_like_any_other() {
    let mut settings = settings();
    settings.mode = fettle_core::rule::model::Mode::Propose;
    let mut world = world_with("    steps: [restart]\n    cooldown: 0s\n    budget: [1 per 1h]\n", settings);
    fires(&mut world, 0, "web");
    assert_eq!(told(&mut world, 10), ["0 web opened", "0 web awaiting restart"]);
    let deed = |kind| Deed::Answer { kind, target: "container:local/web".to_owned() };
    assert_eq!(world.person(at(20), "ann", deed(AnswerKind::Approve)), Ok(()));
    assert_eq!(world.person(at(20), "bob", deed(AnswerKind::Approve)), Err(NotTaken::Used));
    resolves(&mut world, 60, "web");
    let told_first = told(&mut world, 500);
    assert_eq!(told_first[0], "20 web restart 1", "{told_first:?}");
    assert_eq!(world.person(at(500), "ann", deed(AnswerKind::Reject)), Err(NotTaken::NothingOpen));
    fires(&mut world, 600, "web");
    let told = told(&mut world, 700);
    assert!(told.contains(&"600 web blocked budget".to_owned()), "{told:?}");
}

#[test]
fn a_pause_holds_and_its_end_wakes_at_once() {
    let mut world = world(RESTART);
    let pause = Deed::Pause { scope: PauseScope::All, reason: "deploy".into(), until: None };
    assert_eq!(world.person(at(0), "ann", pause), Ok(()));
    fires(&mut world, 1, "web");
    assert_eq!(told(&mut world, 90), ["1 web opened", "1 web blocked paused"]);
    let resume = Deed::Resume { scope: PauseScope::All };
    assert_eq!(world.person(at(92), "ann", resume.clone()), Ok(()));
    assert_eq!(world.person(at(92), "ann", resume), Err(NotTaken::NotPaused));
    assert_eq!(told(&mut world, 93), ["92 web restart 1"]);
}

#[test]
fn a_storm_lowers_the_mode_and_refused_targets_do_not_make_one() {
    let storm = StormLimit { targets: 2, within: secs(60), ..StormLimit::default() };
    let mut world = world_with(RESTART, Settings { storm: Some(storm), ..settings() });
    world.docker().named("off").labels.clear();
    fires(&mut world, 0, "off");
    assert_eq!(told(&mut world, 1), ["0 off opened", "0 off refused not_enabled", "0 off closed refused"]);
    fires(&mut world, 2, "a");
    assert_eq!(told(&mut world, 2)[1], "2 a restart 1");
    fires(&mut world, 10, "b");
    let expected = ["4 a succeeded", "10 b opened", "10  event storm_began", "10 b awaiting restart"];
    assert_eq!(told(&mut world, 10), expected);
}

#[test]
fn a_breaker_opens_tries_one_act_and_a_person_may_close_it() {
    let trip = TripLimit { unproven: 2, within: secs(1800), ..TripLimit::default() };
    let mut world = world_with("    steps: [restart]\n    cooldown: 0s\n", Settings { trip: Some(trip), ..settings() });
    world.docker().fails = true;
    for (start, name) in [(0, "a"), (10, "b"), (20, "c")] {
        fires(&mut world, start, name);
    }
    let told_first = told(&mut world, 30);
    assert!(told_first.contains(&"12 b event breaker_opened".to_owned()), "{told_first:?}");
    assert_eq!(told_first.last().map(String::as_str), Some("20 c awaiting restart"));
    let reset = Deed::ResetBreaker { rule: "r".into() };
    assert_eq!(world.person(at(40), "ann", reset.clone()), Ok(()));
    assert_eq!(world.person(at(40), "ann", reset), Err(NotTaken::NotOpen));
    world.docker().fails = false;
    fires(&mut world, 50, "d");
    assert_eq!(told(&mut world, 51), ["50 d opened", "50 d restart 1"]);
}

#[test]
fn what_nothing_can_count_any_more_is_forgotten_and_decides_the_same() {
    let limited = "    steps: [restart]\n    cooldown: 0s\n    regress_window: 0s\n    budget: [1 per 10m]\n";
    let run = |forgets: bool| {
        let mut world = world(limited);
        if !forgets {
            world.ledger = Ledger::new(None, Duration::ZERO);
        }
        let mut all = Vec::new();
        for round in 0..2_000 {
            let start = round * 400;
            fires(&mut world, start, &format!("s{}", round % 3));
            resolves(&mut world, start + 60, &format!("s{}", round % 3));
            all.extend(told(&mut world, start + 399));
        }
        let kept = world.ledger.len();
        (all, kept)
    };
    let ((some, kept), (all, everything)) = (run(true), run(false));
    assert_eq!(some, all);
    assert!(kept < 50 && everything >= 1_000, "{kept} of {everything}");
}

#[test]
fn results_verdicts_and_outcomes_are_told_as_they_are() {
    let mut world = world(RESTART);
    fires(&mut world, 0, "web");
    resolves(&mut world, 60, "web");
    let happened = world.advance(after(at(0), secs(1000)));
    let has = |wanted: &dyn Fn(&What) -> bool| happened.iter().any(|it| wanted(&it.what));
    assert!(has(&|it| matches!(it, What::Ended { result: ActionResult::Succeeded, reason: None, .. })));
    assert!(has(&|it| matches!(it, What::Verdict { verdict: Verdict::Fixed, action: "restart", .. })));
    assert!(has(&|it| matches!(it, What::Closed { outcome: Outcome::Fixed, .. })));
    assert!(!has(&|it| matches!(it, What::Blocked { guard: Guard::Budget, .. })));
    assert!(happened.iter().all(|it| it.rule == "r" && it.target == "container:local/web"));
}
