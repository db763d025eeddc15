//! Rules against containers that are written down, and rules against older rules.

use std::collections::BTreeMap;

use super::{Ground, Inventory, Reach, Thing, Widening, wider};
use fettle_core::rule::compile::{Context, SourceFile, compile};
use fettle_core::rule::model::Mode;
use fettle_core::rule::set::RuleSet;
use fettle_core::sight::{Container, Disk, Found, Sight, Status, Wanted};
use fettle_core::target::{Hosts, Target};
use fettle_core::testing::{at, container, settings};

fn rules(yaml: &str) -> RuleSet {
    let file = SourceFile { path: "rules.yaml".into(), text: format!("version: 1\nrules:\n{yaml}") };
    let disks = BTreeMap::from([("srv".to_owned(), ["prune".to_owned()].into())]);
    let context = Context {
        hosts: Hosts::new([("local", &[][..])]),
        disks: [("local".to_owned(), disks)].into(),
        approvers: true,
        alertmanager: true,
        ..Context::default()
    };
    compile(&[file], &context).unwrap_or_else(|problems| panic!("{yaml}\n{problems:#?}")).0
}

fn ground() -> Ground {
    Ground { hosts: Hosts::new([("local", &[][..])]), settings: settings() }
}

fn target(text: &str) -> Target {
    text.parse().expect("a target")
}

fn named(name: &str, digit: &str) -> Container {
    Container { name: name.into(), id: digit.repeat(64), ..container() }
}

fn of_service(name: &str, digit: &str, number: u32) -> Container {
    let it = named(name, digit).labelled("com.docker.compose.project", "shop");
    let it = it.labelled("com.docker.compose.service", "web").labelled("com.docker.compose.oneoff", "False");
    Container { number: Some(number), ..it }
}

/// Some containers of every kind, and a disk.
fn inventory() -> Inventory {
    let seen = [
        named("web", "1"),
        named("api-1", "2").labelled("fettle.actions", "stop"),
        named("api-2", "3").labelled("fettle.approval", "always"),
        named("db", "4").unlabelled("fettle.enable"),
        named("held", "5").labelled("fettle.hold", "migration"),
        named("old", "6").being(Status::Paused),
        of_service("shop-web-1", "7", 1),
        of_service("shop-web-2", "8", 2),
    ];
    let thing = |it: Container| Thing { target: target(&format!("container:local/{}", it.name)), sight: it.into() };
    let mut things: Vec<Thing> = seen.map(thing).into();
    let allow = ["prune".to_owned()].into();
    let disk = Sight::Disk(Disk { daemon: "DAEMON".into(), name: "srv".into(), allow, space: None });
    things.push(Thing { target: target("disk:local/srv"), sight: disk });
    Inventory { things, ..Inventory::empty(at(0)) }
}

fn touches(yaml: &str) -> Vec<String> {
    let reach = Reach::of(&rules(yaml), &ground(), inventory());
    let line = |it: &super::Touch| {
        let says = it.guard.map_or("may", |guard| guard.as_str());
        format!("{} {} {says}", it.target, it.action)
    };
    reach.rules.iter().flat_map(|rule| &rule.touches).map(line).collect()
}

#[test]
fn a_rule_by_label_touches_what_it_permits_and_each_refusal_names_its_guard() {
    let found = touches(
        "  - {name: r, match: [a=b], target: {container: $labels.service, allow: [web, \"api-*\", db, held, old]}, steps: [restart]}",
    );
    assert_eq!(
        found,
        [
            "container:local/api-1 restart not_enabled",
            "container:local/api-2 restart may",
            "container:local/db restart not_enabled",
            "container:local/held restart held_by_label",
            "container:local/old restart stopped",
            "container:local/web restart may",
        ]
    );
}

#[test]
fn a_literal_rule_touches_the_one_thing_of_its_name_and_nothing_where_there_is_none() {
    let rule = |name: &str| format!("  - {{name: r, match: [a=b], target: {{container: {name}}}, steps: [stop]}}");
    assert_eq!(touches(&rule("api-1")), ["container:local/api-1 stop may"]);
    assert_eq!(touches(&rule("nothing")), Vec::<String>::new());
}

#[test]
fn a_service_of_two_is_ambiguous_for_a_restart_and_one_thing_for_scaling() {
    let found = touches(
        "  - {name: r, match: [a=b], target: {compose: {project: shop, service: web}}, steps: [restart, scale_down: {floor: 1}]}",
    );
    assert_eq!(found, ["compose:local/shop/web restart ambiguous_target", "compose:local/shop/web scale_down may"]);
}

#[test]
fn a_disk_is_touched_as_far_as_the_configuration_says() {
    let found = touches("  - {name: r, match: [a=b], target: {disk: srv}, steps: [prune: {images: true}]}");
    assert_eq!(found, ["disk:local/srv prune may"]);
}

#[test]
fn what_asks_a_person_is_said_with_its_reason() {
    let asks = |yaml: &str, mode: Mode| {
        let mut ground = ground();
        ground.settings.mode = mode;
        let reach = Reach::of(&rules(yaml), &ground, inventory());
        reach.rules[0].touches[0].approval.clone()
    };
    let rule = |target: &str, more: &str| {
        format!("  - {{name: r, match: [a=b], target: {{container: {target}}}, steps: [{{restart: {{}}{more}}}]}}")
    };
    for (target, more, mode, said) in [
        ("web", "", Mode::Act, "never"),
        ("web", "", Mode::Propose, "always: mode is propose"),
        ("web", "", Mode::Observe, "observed only"),
        ("api-2", "", Mode::Act, "always: the container carries fettle.approval"),
        ("web", ", approval: {}", Mode::Act, "always: the rule asks for it"),
        // It matches the alert that says nothing, too, and is for alerts to say all the same.
        ("web", ", approval: {when: ['env!=\"dev\"']}", Mode::Act, "when env!=\"dev\""),
        ("web", ", approval: {when: ['env=\"prod\"']}", Mode::Act, "when env=\"prod\""),
    ] {
        assert_eq!(asks(&rule(target, more), mode), said, "{target} {more} {mode:?}");
    }
}

#[test]
fn storms_and_open_breakers_do_not_narrow_what_a_rule_reaches() {
    let mut ground = ground();
    ground.settings.storm = Some(fettle_core::settings::StormLimit::default());
    ground.settings.trip = Some(fettle_core::settings::TripLimit::default());
    let rules = rules("  - {name: r, match: [a=b], target: {container: web}, steps: [restart]}");
    assert!(Reach::of(&rules, &ground, inventory()).rules[0].touches[0].may);
}

#[test]
fn an_inventory_that_was_saved_shows_the_same() {
    let saved = serde_json::to_string(&inventory()).expect("JSON");
    let read: Inventory = serde_json::from_str(&saved).expect("the same");
    assert_eq!(read, inventory());
}

#[test]
fn compose_services_are_found_by_their_containers() {
    let inventory = inventory();
    let service = target("compose:local/shop/web");
    assert!(inventory.targets().contains(&service));
    assert_eq!(inventory.find(&service, Wanted::default()), Found::Many(2));
    let all = Wanted { replicas: true, ..Wanted::default() };
    let Found::One(sight) = inventory.find(&service, all) else { panic!("replicas") };
    assert_eq!(sight.describe(), "2 well and 2 running of 2 replicas");
    assert_eq!(inventory.find(&target("compose:local/shop/api"), all), Found::Nothing);
}

const OLD: &str = r#"  - name: r
    match: ['alertname="Down"', 'env="prod"']
    unless: [{match: ['alertname="HostDown"']}]
    during: [{weekdays: ["monday:friday"]}]
    mode: propose
    target: {container: $labels.service, allow: [web, "api-*"], min_healthy: 1}
    steps:
      - restart: {}
        approval: {when: ['env="prod"']}
    budget: [2 per 1h]
    rule_budget: [5 per 1h]
    cooldown: 10m
"#;

fn widened(new: &str) -> Vec<String> {
    let found = wider(&rules(OLD), &rules(new), &ground(), &inventory());
    found.into_iter().map(|Widening { what, how, .. }| format!("{what}: {how}")).collect()
}

#[test]
fn the_same_rules_and_stricter_ones_reach_no_wider() {
    assert_eq!(widened(OLD), Vec::<String>::new());
    for (was, is) in [
        ("mode: propose", "mode: observe"),
        (r#"allow: [web, "api-*"]"#, "allow: [api-1]"),
        (r#"allow: [web, "api-*"]"#, r#"allow: ["api-*-x", web]"#),
        ("container: $labels.service, allow: [web, \"api-*\"]", "container: web"),
        ("min_healthy: 1", "min_healthy: 2"),
        ("budget: [2 per 1h]\n", "budget: [1 per 2h]\n"),
        ("budget: [2 per 1h]\n", "budget: [2 per 1h, 1 per 1m]\n"),
        ("cooldown: 10m", "cooldown: 20m"),
        ("approval: {when: ['env=\"prod\"']}", "approval: {}"),
        ("'env=\"prod\"']\n    unless", "'env=\"prod\"', 'team=\"a\"']\n    unless"),
        (
            "unless: [{match: ['alertname=\"HostDown\"']}]",
            "unless: [{match: ['alertname=\"HostDown\"']}, {match: [x=y]}]",
        ),
    ] {
        assert!(OLD.contains(was), "{was}");
        assert_eq!(widened(&OLD.replacen(was, is, 1)), Vec::<String>::new(), "{is}");
    }
}

#[test]
fn every_way_to_be_looser_is_told() {
    for (was, is, what) in [
        ("mode: propose", "mode: act", &["mode"][..]),
        (r#"allow: [web, "api-*"]"#, r#"allow: [web, "api-*", held]"#, &["allow"]),
        (r#"allow: [web, "api-*"]"#, r#"allow: [web, "a*"]"#, &["allow"]),
        // Two of one service are there besides: each leaves the other, which is well.
        (r#"allow: [web, "api-*"]"#, r#"allow: ["*"]"#, &["allow", "touches", "touches"]),
        // What is there is told besides: two that are well, and that `min_healthy` spared.
        ("min_healthy: 1", "min_healthy: 0", &["min_healthy", "touches", "touches"]),
        ("budget: [2 per 1h]\n    rule", "budget: [3 per 1h]\n    rule", &["budget"]),
        ("budget: [2 per 1h]\n    rule", "budget: [2 per 30m]\n    rule", &["budget"]),
        ("    rule_budget: [5 per 1h]\n", "", &["rule_budget"]),
        ("cooldown: 10m", "cooldown: 5m", &["cooldown"]),
        ("        approval: {when: ['env=\"prod\"']}\n", "", &["approval"]),
        ("approval: {when: ['env=\"prod\"']}", "approval: {when: ['env=\"prod\"', 'x=\"y\"']}", &["approval"]),
        (", 'env=\"prod\"']\n    unless", "]\n    unless", &["match"]),
        ("    unless: [{match: ['alertname=\"HostDown\"']}]\n", "", &["unless"]),
        ("    during: [{weekdays: [\"monday:friday\"]}]\n", "", &["during"]),
        ("- restart: {}", "- restart: {start_stopped: true}", &["parameters"]),
        ("- restart: {}", "- restart: {dependents: {allow: [side]}}", &["parameters"]),
        ("- restart: {}", "- stop: {}", &["action"]),
        ("container: $labels.service, allow", "compose: {project: shop, service: $labels.service}, allow", &["target"]),
        ("name: r", "name: s", &["rule"]),
    ] {
        assert!(OLD.contains(was), "{was}");
        let found = widened(&OLD.replacen(was, is, 1));
        let whats: Vec<&str> = found.iter().filter_map(|it| it.split(':').next()).collect();
        assert_eq!(whats, what, "{is}: {found:#?}");
    }
}

#[test]
fn one_more_step_and_what_it_newly_does_are_told() {
    let more =
        format!("{}      - stop: {{}}\n    budget: [2 per 1h]\n", OLD.split("    budget").next().expect("a head"));
    let more = more + "    rule_budget: [5 per 1h]\n    cooldown: 10m\n";
    let whats: Vec<String> = widened(&more).iter().filter_map(|it| it.split(':').next().map(str::to_owned)).collect();
    assert_eq!(whats, ["steps", "action"]);
}
