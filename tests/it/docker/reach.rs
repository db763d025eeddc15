//! What is there, and what rules could touch of it, on a real daemon.

use std::collections::BTreeMap;

use fettle_core::ports::platform::{Platform, PlatformError};
use fettle_core::rule::compile::{Context, SourceFile, compile};
use fettle_core::rule::model::Mode;
use fettle_core::rule::set::RuleSet;
use fettle_core::settings::{Protected, Settings};
use fettle_core::target::{Hosts, Target};
use fettle_core::time::Timestamp;
use fettle_docker::{DiskConfig, HostConfig};
use fettle_predict::reach::{Ground, Inventory, Reach, gather, wider};

use super::{configured, real};
use crate::support::container::Run;
use crate::support::docker::Daemon;
use crate::support::unique;

fn rules(yaml: &str) -> RuleSet {
    let file = SourceFile { path: "rules.yaml".into(), text: format!("version: 1\nrules:\n{yaml}") };
    let context = Context { hosts: hosts(), approvers: true, ..Context::default() };
    compile(&[file], &context).unwrap_or_else(|problems| panic!("{yaml}\n{problems:#?}")).0
}

fn hosts() -> Hosts {
    Hosts::new([("local", &[][..])])
}

fn ground() -> Ground {
    let settings = Settings {
        mode: Mode::Act,
        freshness: std::time::Duration::from_mins(10),
        docker_patience: fettle_core::settings::DOCKER_PATIENCE,
        recheck: fettle_core::settings::RECHECK,
        in_flight: 4,
        budget: Vec::new(),
        target_budget: Vec::new(),
        storm: None,
        trip: None,
        alertmanager: false,
        approvers: true,
        protected: Protected::default(),
        hosts: fettle_core::target::Hosts::default(),
    };
    Ground { hosts: hosts(), settings }
}

/// What a rule may do or what refuses it, as `target action says`.
fn said(reach: &Reach) -> Vec<String> {
    let touches = reach.rules.iter().flat_map(|rule| &rule.touches);
    let line = |it: &fettle_predict::reach::Touch| {
        format!("{} {} {}", it.target, it.action, it.guard.map_or("may", |guard| guard.as_str()))
    };
    touches.map(line).collect()
}

#[tokio::test]
async fn every_container_service_and_disk_has_its_name_in_the_list() {
    let daemon = Daemon::shared().await;
    let project = unique("shop");
    let container = Run::named("web").compose(&project, "web", 1).create(&daemon).await;
    let disk = DiskConfig { path: "/".into(), allow: ["prune".to_owned()].into() };
    let config = HostConfig {
        endpoint: daemon.url(),
        disks: BTreeMap::from([("srv".to_owned(), disk)]),
        ..HostConfig::default()
    };
    let gone = HostConfig { endpoint: "unix:///nowhere/docker.sock".into(), ..HostConfig::default() };
    let (docker, calls) = configured([("a".to_owned(), config), ("gone".to_owned(), gone)]);
    let named: BTreeMap<String, Result<Vec<Target>, PlatformError>> = docker.targets().await.into_iter().collect();
    let here = named["a"].as_ref().expect("it answers");
    for text in [format!("container:a/{}", container.name), format!("compose:a/{project}/web"), "disk:a/srv".into()] {
        assert!(here.contains(&text.parse().expect("a target")), "{text} is not in {here:?}");
    }
    assert!(matches!(named["gone"], Err(PlatformError::Unreachable { .. })), "{:?}", named["gone"]);
    // Who is no manager of a swarm says so, and that is no error.
    let asked = calls.take();
    assert!(asked.iter().any(|call| call.starts_with("a services ")), "{asked:?}");
    assert!(!asked.iter().any(|call| call.contains("inspect")), "names need no look at each: {asked:?}");
}

#[tokio::test]
async fn what_a_rule_may_touch_is_what_is_there_permitted_and_enabled() {
    let (daemon, docker) = real().await;
    let stem = unique("reach");
    let run = |name: &str| Run::named("").exactly(&format!("{stem}-{name}"));
    let _yes = run("a-yes").enabled().start(&daemon).await;
    let _no = run("b-no").start(&daemon).await;
    let _held = run("c-held").enabled().label("fettle.hold", "migration").start(&daemon).await;
    let _only = run("d-only").enabled().label("fettle.actions", "stop").start(&daemon).await;
    let _never = run("e-never").enabled().create(&daemon).await;
    let _other = Run::named("other").enabled().start(&daemon).await;
    let rules = rules(&format!(
        "  - {{name: r, match: [a=b], target: {{container: $labels.service, allow: [\"{stem}-*\"]}}, steps: [restart]}}"
    ));
    let inventory = gather(&docker, &[&rules], &ground(), Timestamp::now()).await;
    assert_eq!(inventory.unseen, []);
    let reach = Reach::of(&rules, &ground(), inventory.clone());
    let target = |name: &str| format!("container:local/{stem}-{name}");
    assert_eq!(
        said(&reach),
        [
            format!("{} restart may", target("a-yes")),
            format!("{} restart not_enabled", target("b-no")),
            format!("{} restart held_by_label", target("c-held")),
            format!("{} restart not_enabled", target("d-only")),
            format!("{} restart stopped", target("e-never")),
        ]
    );
    assert!(reach.rules[0].not_allowed >= 1, "the other one is there and not permitted");
    // What was saved is held against other rules without Docker.
    let saved: Inventory =
        serde_json::from_value(serde_json::to_value(&inventory).expect("JSON")).expect("it reads back");
    let old = self::rules("  - {name: r, match: [a=b], target: {container: nothing}, steps: [restart]}");
    let found = wider(&old, &rules, &ground(), &saved);
    let found: Vec<(&str, &str)> = found.iter().map(|it| (it.what, it.how.as_str())).collect();
    let how = format!("restart of {}", target("a-yes"));
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].0 == "allow" && found[1] == ("touches", &how), "{found:?}");
}

#[tokio::test]
async fn nothing_of_a_container_is_kept_that_fettle_does_not_read() {
    let (daemon, docker) = real().await;
    let container = Run::named("secret").enabled().label("traefik.auth", "hunter2").start(&daemon).await;
    let inventory = gather(&docker, &[&RuleSet::default()], &ground(), Timestamp::now()).await;
    let saved = serde_json::to_string(&inventory).expect("JSON");
    assert!(saved.contains(&container.name) && saved.contains("fettle.enable"));
    assert!(!saved.contains("hunter2") && !saved.contains("traefik"));
}

#[tokio::test]
async fn a_dependent_that_is_not_enabled_refuses_the_step() {
    let (daemon, docker) = real().await;
    let project = unique("shop");
    let name = unique("db");
    let db = Run::named("").exactly(&name).enabled().compose(&project, "db", 1).start(&daemon).await;
    let web = Run::named("web").compose(&project, "web", 1);
    let web = web.label("com.docker.compose.depends_on", "db:service_started:false").start(&daemon).await;
    let rules = rules(&format!(
        "  - {{name: r, match: [a=b], target: {{container: {name}}}, steps: [{{restart: {{dependents: {{allow: [\"web*\"]}}}}}}]}}"
    ));
    let inventory = gather(&docker, &[&rules], &ground(), Timestamp::now()).await;
    let reach = Reach::of(&rules, &ground(), inventory);
    let touch = &reach.rules[0].touches[0];
    assert_eq!((touch.target.name(), touch.may), (Some(db.name.as_str()), false));
    assert!(touch.why.as_deref().is_some_and(|why| why.contains(&web.name)), "{touch:?}");
}
