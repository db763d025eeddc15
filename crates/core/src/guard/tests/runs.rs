//! The guards about the current run of a container, and about which machine the alert names.

use super::seen::{World, world};
use crate::guard::names_other_host;
use crate::hosts::Hosts;
use crate::remediation::refusal::{Guard, Refusal};
use crate::rule::model::{Find, Rule, Word};
use crate::sight::{Container, Found, Health, Status};
use crate::target::Target;
use crate::testing::{at, container, firing, rule, secs, web};

fn asked(world: &World, it: Container) -> Result<(), Refusal> {
    world.look(&world.rule.steps[0].action, &Found::one(it), None).map(drop)
}

fn guard(world: &World, it: Container) -> Option<Guard> {
    asked(world, it).err().map(|refusal| refusal.guard)
}

/// Asked at `second`, by a rule of this `min_age`; what the alert shows is about any run.
fn aged(min_age: Option<u64>, second: i64) -> World {
    let mut rule = rule("r");
    rule.target.min_age = min_age.map(secs);
    let mut alert = firing("A").heard_at(second);
    alert.starts_at = at(second);
    World { alerts: vec![alert], now: at(second), ..world(rule) }
}

#[test]
fn a_container_is_left_alone_until_it_is_as_old_as_min_age() {
    let young = container().restarted_at(0);
    for (min_age, checked, second, left_alone) in [
        (None, false, 29, true),
        (None, false, 30, false),
        (None, true, 1, false),
        (Some(0), false, 0, false),
        (Some(60), false, 59, true),
        (Some(60), true, 59, true),
        (Some(60), true, 60, false),
    ] {
        let it = if checked { young.clone().checked(Health::Unhealthy) } else { young.clone() };
        let expected = left_alone.then_some(Guard::Starting);
        assert_eq!(guard(&aged(min_age, second), it), expected, "{min_age:?} {checked} {second}");
    }
    let refusal = asked(&aged(None, 10), young).expect_err("young");
    assert_eq!((refusal.until, refusal.guard.is_final()), (Some(at(30)), false));
    assert_eq!(refusal.why, "it was started 10s ago, min_age is 30s");
    assert_eq!(refusal.detail["limit_seconds"], 30);
}

#[test]
fn health_starting_counts_within_the_start_period_and_no_longer() {
    let it = container().restarted_at(0).in_start_period(60);
    let refusal = asked(&aged(None, 59), it.clone()).expect_err("starting");
    assert_eq!((refusal.guard, refusal.until), (Guard::Starting, Some(at(60))));
    assert_eq!(guard(&aged(None, 60), it.clone()), None);
    assert_eq!(guard(&aged(Some(0), 59), it.clone()), Some(Guard::Starting), "`min_age` is about the age alone");
    assert_eq!(guard(&aged(None, 59), it.clone().checked(Health::Healthy)), None);
    assert_eq!(guard(&aged(None, 1), it.checked(Health::Starting).in_start_period(0)), None, "no start period");
}

#[test]
fn a_crash_loop_an_own_restart_and_what_does_not_run_are_no_start() {
    assert_eq!(guard(&aged(None, 10), container().crashed_at(5)), None);
    assert_eq!(guard(&aged(None, 10), container().restarted_at(5).exited(1)), None);
    assert_eq!(guard(&aged(None, 10), container().restarted_at(5).being(Status::Restarting)), None);
    let second_rung = aged(None, 10);
    let found = Found::one(container().restarted_at(5));
    let tried = container().pin();
    assert!(second_rung.look(&second_rung.rule.steps[0].action, &found, Some(&tried)).is_ok());
}

#[test]
fn a_start_far_in_the_future_is_the_daemons_other_clock_and_has_no_age() {
    assert_eq!(guard(&aged(None, 0), container().restarted_at(30)), Some(Guard::Starting));
    assert_ne!(guard(&aged(None, 0), container().restarted_at(31)), Some(Guard::Starting));
}

/// An alert that began at 0 and was heard last at `heard`, asked at 100 about a run that began at 50.
fn heard(heard: i64) -> World {
    let mut it = aged(Some(0), 100);
    it.alerts = vec![firing("A").heard_at(heard)];
    it
}

#[test]
fn an_alert_that_was_heard_last_before_the_run_settled_is_about_an_earlier_run() {
    let it = || container().restarted_at(50);
    let refusal = asked(&heard(54), it()).expect_err("an earlier run");
    assert_eq!((refusal.guard, refusal.until, refusal.guard.is_final()), (Guard::EarlierRun, None, false));
    assert_eq!(refusal.detail["heard_from"], serde_json::json!(at(55)), "the start and the step's settle");
    assert_eq!(guard(&heard(55), it()), None, "heard about this run");
    assert_eq!(guard(&heard(54), container().restarted_at(0)), None, "it began with the run");
    assert_eq!(guard(&heard(54), it().exited(1)), Some(Guard::EarlierRun), "whatever became of the run");
    assert_eq!(guard(&heard(54), container().crashed_at(50)), None, "the restart policy began it");
    let own = heard(54);
    let tried = container().pin();
    assert!(own.look(&own.rule.steps[0].action, &Found::one(it()), Some(&tried)).is_ok(), "fettle began it");
}

#[test]
fn one_alert_about_this_run_is_enough_and_one_that_is_resolved_is_none() {
    let mut world = heard(54);
    world.alerts.push(firing("B").heard_at(90).resolved_at(95));
    assert_eq!(guard(&world, container().restarted_at(50)), Some(Guard::EarlierRun));
    world.alerts.push(firing("C").heard_at(90));
    assert_eq!(guard(&world, container().restarted_at(50)), None);
}

#[test]
fn a_docker_whose_clock_is_ahead_holds_up_nothing_for_as_long() {
    let rule = rule("r");
    let world = World { alerts: vec![firing("A").heard_at(100)], now: at(100), ..world(rule) };
    let began = |second| container().restarted_at(second).checked(Health::Unhealthy);
    assert_eq!(guard(&world, began(105)), Some(Guard::EarlierRun), "ahead by `settle`");
    assert_eq!(guard(&world, began(106)), None, "ahead by more: another clock");
}

#[test]
fn an_alert_that_names_another_container_by_its_id_is_not_about_this_one() {
    let (own, other) = ("a".repeat(64), "b".repeat(64));
    for (label, value, about_this) in [
        ("id", format!("/docker/{own}"), true),
        ("id", format!("/docker/{other}"), false),
        ("id", format!("/system.slice/docker-{other}.scope"), false),
        ("id", format!("/system.slice/docker-{own}.scope"), true),
        ("container_id", format!("docker://{other}"), false),
        ("container_id", other[..12].to_owned(), false),
        ("container_id", own[..12].to_owned(), true),
        ("id", "7".to_owned(), true),
        ("id", "/".to_owned(), true),
        ("id", "bbbbbbbbbbbbb".to_owned(), true),
        ("id", "BBBBBBBBBBBB".to_owned(), true),
    ] {
        let mut world = heard(100);
        world.alerts[0].labels.set(label, &value);
        for it in [container(), container().crashed_at(50)] {
            let expected = (!about_this).then_some(Guard::EarlierRun);
            assert_eq!(guard(&world, it), expected, "{label}={value}");
        }
    }
}

fn two_hosts() -> Hosts {
    let lists = [vec!["10.0.0.*".to_owned()], vec!["10.0.0.7".to_owned()]];
    Hosts::new([("local", &lists[0][..]), ("node-b", &lists[1][..]), ("node-c", &[][..])])
}

#[test]
fn an_alert_about_another_machine_is_refused_unless_the_target_is_read_from_its_instance() {
    let about = |rule: &Rule, host: &str, instance: &str| {
        let mut labels = firing("A").labels;
        labels.set("instance", instance);
        let target = Target::Container { host: host.into(), name: "web".into() };
        names_other_host(&rule.target, &target, &labels, &two_hosts()).map(|(why, _)| why)
    };
    let rule = rule("r");
    assert_eq!(about(&rule, "local", ""), None);
    assert_eq!(about(&rule, "local", "10.0.0.8:9100"), None);
    assert_eq!(about(&rule, "local", "local:9100"), None);
    let other = about(&rule, "local", "10.0.0.7:9100").expect("node-b");
    assert_eq!(other, "instance \"10.0.0.7:9100\" is of host node-b, and the target is on local");
    let nobodys = about(&rule, "local", "api:8000").expect("none of its instances");
    assert!(nobodys.contains("none of hosts.local.instances"), "{nobodys}");
    assert_eq!(about(&rule, "local", "api"), None, "no port, and the rule names no host");
    let mut on_local = rule.clone();
    on_local.target.host = Some(Word::Literal("local".into()));
    assert!(about(&on_local, "local", "api").is_some());
    assert_eq!(about(&rule, "node-c", "api:8000"), None, "it has no instances to compare with");
    assert!(about(&rule, "node-c", "node-b:1").is_some());
    let mut read = rule.clone();
    read.target.host = Some(Word::Label("instance".into()));
    assert_eq!(about(&read, "local", "10.0.0.7:9100"), None);
    let mut named = rule;
    named.target.find = Find::Container(Word::Label("instance".into()));
    assert_eq!(about(&named, "local", "node-b"), None);
}

#[test]
fn other_host_is_final_and_asked_before_anything_is_judged_that_was_seen() {
    let mut world = world(rule("r"));
    world.settings.hosts = two_hosts();
    world.remediation.alert.labels.set("instance", "node-b:9100");
    for found in [Found::Many(2), Found::one(container().unlabelled("fettle.enable"))] {
        let refusal = world.look(&world.rule.steps[0].action, &found, None).expect_err("another machine");
        assert_eq!((refusal.guard, refusal.guard.is_final()), (Guard::OtherHost, true));
    }
    assert_eq!(web().host(), "local");
}
