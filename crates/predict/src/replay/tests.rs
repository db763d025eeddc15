//! A replay without a record, and with one that is made up.

use std::sync::Arc;
use std::time::Duration;

use super::assume::Assume;
use super::effort::Effort;
use super::record::{PastDeed, Record};
use super::run::{Outcome, Replay, Setup};
use super::source::Delivery;
use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::alert::labels::Labels;
use fettle_core::alert::webhook::Alert;
use fettle_core::remediation::refusal::Guard;
use fettle_core::rule::compile::{Context, SourceFile, compile};
use fettle_core::settings::StormLimit;
use fettle_core::surroundings::PauseScope;
use fettle_core::target::Disks;
use fettle_core::testing::{at, settings};

const RULE: &str = "
    match: ['alertname=\"Down\"']
    target: {container: $labels.service, allow: [\"*\"]}
    steps: [restart, restart]
";

fn setup(rule: &str, assume: Assume) -> Setup {
    let text = format!("version: 1\nrules:\n  - name: r{rule}");
    let context = Context::default();
    let (rules, _) = compile(&[SourceFile { path: "r.yaml".into(), text }], &context).expect("the rule compiles");
    Setup {
        rules: Arc::new(rules),
        settings: settings(),
        hosts: context.hosts,
        disks: Disks::new(),
        assume,
        from: at(0),
        start: at(-1000),
        keeps: true,
    }
}

fn delivery(second: i64, service: &str, since: i64, end: Option<i64>) -> Delivery {
    let labels = Labels::from_iter([("alertname", "Down"), ("service", service)]);
    let fingerprint = Fingerprint::of(&labels);
    let alert = Alert { fingerprint, labels, firing: end.is_none(), starts_at: at(since), ends_at: end.map(at) };
    Delivery { at: at(second), alerts: vec![alert] }
}

/// A month's worth of firing: told every five minutes for an hour, then resolved.
fn an_hour_of_firing(replay: &mut Replay, from: i64) {
    for minute in (0..60).step_by(5) {
        replay.deliver(delivery(from + minute * 60, "web", from, None));
    }
    replay.deliver(delivery(from + 3600, "web", from, Some(from + 3600)));
}

fn told(outcome: &Outcome) -> Vec<String> {
    let told = |effort: &Effort| {
        let acts = effort.acts.iter().map(|act| {
            let verdict = act.verdict.map(|it| format!(" {it}")).unwrap_or_default();
            format!("{}{verdict}", act.action)
        });
        let blocked = effort.blocked.iter().map(|guard| format!("blocked {guard}"));
        let refused = effort.refused.map(|guard| format!("refused {guard}"));
        let end = effort.outcome.map_or("open".to_owned(), |it| it.to_string());
        blocked.chain(acts).chain(refused).chain([end]).collect::<Vec<_>>().join(", ")
    };
    outcome.efforts.iter().map(told).collect()
}

fn replay(rule: &str, assume: Assume, record: Record) -> Outcome {
    let mut replay = Replay::new(setup(rule, assume), record);
    an_hour_of_firing(&mut replay, 0);
    replay.finish(at(10_000))
}

#[test]
fn an_effect_that_fixes_keeps_its_alert_from_firing_on() {
    let outcome = replay(RULE, Assume::Fixed, Record::default());
    assert_eq!(told(&outcome), ["restart fixed, fixed"]);
    assert_eq!((outcome.notifications, outcome.alerts, outcome.passed_over), (13, 13, 11));
    assert_eq!(outcome.tallies["r"].actions["restart"], 1);
}

#[test]
fn an_alert_that_begins_anew_after_it_was_fixed_is_another_story() {
    let mut replay = Replay::new(setup(RULE, Assume::Fixed), Record::default());
    an_hour_of_firing(&mut replay, 0);
    replay.deliver(delivery(7200, "web", 7200, None));
    let outcome = replay.finish(at(10_000));
    assert_eq!(told(&outcome), ["restart fixed, fixed", "restart fixed, fixed"]);
}

#[test]
fn effects_that_do_not_help_go_up_the_ladder_to_people() {
    let outcome = replay(RULE, Assume::NotFixed, Record::default());
    assert_eq!(told(&outcome), ["restart not_fixed, restart not_fixed, escalate, escalated"]);
    assert_eq!((outcome.passed_over, outcome.tallies["r"].escalated), (0, 1));
}

#[test]
fn a_pause_on_record_holds_in_the_replay() {
    let scope = PauseScope::Rule("r".to_owned());
    let pause = PastDeed::Pause(scope.clone(), "moving".to_owned(), Some(at(700)));
    let deeds = vec![(at(-10), "anna".to_owned(), pause), (at(700), "anna".to_owned(), PastDeed::Resume(scope))];
    let outcome = replay(RULE, Assume::Fixed, Record { deeds, ..Record::default() });
    assert_eq!(told(&outcome), ["blocked paused, restart fixed, fixed"]);
    let began = outcome.efforts[0].acts[0].at;
    assert!(began >= at(700) && began < at(720), "{began}");
}

#[test]
fn what_is_delivered_before_the_period_counts_for_limits_and_is_not_reported() {
    let rule = format!("{RULE}    budget: [1 per 2h]\n    cooldown: 0s\n");
    let mut replay = Replay::new(setup(&rule, Assume::Fixed), Record::default());
    replay.deliver(delivery(-900, "web", -900, None));
    replay.deliver(delivery(-600, "web", -900, Some(-600)));
    replay.deliver(delivery(100, "web", 100, None));
    replay.deliver(delivery(200, "web", 100, Some(200)));
    let outcome = replay.finish(at(10_000));
    assert_eq!(told(&outcome), ["blocked budget, cancelled"]);
    assert_eq!((outcome.notifications, outcome.tallies["r"].opened), (2, 1));
}

#[test]
fn many_targets_at_once_are_a_storm_as_in_the_service() {
    let storm = StormLimit { targets: 3, within: Duration::from_mins(2), ..StormLimit::default() };
    let mut setup = setup(RULE, Assume::Fixed);
    setup.settings.storm = Some(storm);
    let mut replay = Replay::new(setup, Record::default());
    let all = ["a", "b", "c"].map(|service| delivery(5, service, 5, None).alerts.remove(0));
    replay.deliver(Delivery { at: at(5), alerts: all.into() });
    let outcome = replay.finish(at(5000));
    assert_eq!(outcome.tallies["r"].asked, 3, "{:?}", told(&outcome));
    assert!(outcome.tallies["r"].actions.is_empty(), "nobody answered");
}

#[test]
fn every_kind_of_target_and_step_can_be_replayed() {
    for (target, step, done) in [
        ("{compose: {project: shop, service: web}, min_healthy: 1}", "scale_down: {by: 1, floor: 1}", "scale_down"),
        ("{compose: {project: shop, service: web}}", "scale_up: {by: 2, ceiling: 5}", "scale_up"),
        ("{compose: {project: shop, service: web}, min_healthy: 2}", "restart: {}", "restart"),
        ("{swarm: {service: web}}", "scale_up: {by: 1, ceiling: 4}", "scale_up"),
        ("{swarm: {service: web}}", "restart: {}", "restart"),
        ("{container: web}", "set_limits: {memory: 1GiB}", "set_limits"),
        ("{container: web}", "clean_logs: {roots: [/var/log]}", "clean_logs"),
    ] {
        let rule = format!("\n    match: ['alertname=\"Down\"']\n    target: {target}\n    steps: [{{{step}}}]\n");
        let outcome = replay(&rule, Assume::Fixed, Record::default());
        assert_eq!(told(&outcome), [format!("{done} fixed, fixed")], "{target} {step}");
    }
}

#[test]
fn a_loan_comes_back_when_the_alert_has_stayed_away() {
    let rule = "
    match: ['alertname=\"Down\"']
    target: {compose: {project: shop, service: web}}
    steps: [{scale_down: {by: 1, floor: 1}, restore: {after: 10m}}]
";
    let outcome = replay(rule, Assume::Fixed, Record::default());
    // The return belongs to the closed remediation and is not counted as one of its own.
    assert_eq!(told(&outcome), ["scale_down fixed, fixed"]);
}

#[test]
fn a_target_that_the_record_refused_is_refused() {
    let refused = |guard: Guard| {
        let mut record = Record::default();
        record.look("container:local/web", at(2), Some(guard));
        told(&replay(RULE, Assume::AsRecorded, record))
    };
    for guard in
        [Guard::NoTarget, Guard::AmbiguousTarget, Guard::SwarmTask, Guard::NotEnabled, Guard::Protected, Guard::Stopped]
    {
        assert_eq!(refused(guard), [format!("refused {guard}, refused")], "{guard}");
    }
    let held = refused(Guard::HeldByLabel);
    assert!(held[0].starts_with("blocked held_by_label"), "{held:?}");
}

#[test]
fn the_last_look_before_counts_and_without_one_the_first_after() {
    let mut record = Record::default();
    for (second, guard) in [(100, Some(Guard::Stopped)), (200, None), (300, Some(Guard::NotEnabled))] {
        record.look("t", at(second), guard);
    }
    let refused = |second: i64| record.refused("t", at(second));
    assert_eq!(refused(0), Some(Guard::Stopped));
    assert_eq!(refused(150), Some(Guard::Stopped));
    assert_eq!(refused(195), None, "a replay decides a little earlier");
    assert_eq!(refused(250), None);
    assert_eq!(refused(9000), Some(Guard::NotEnabled));
    assert_eq!(record.refused("other", at(0)), None);
}
