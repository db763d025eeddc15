//! A scenario as the files that a user writes: rules, and a test of them. JSON is YAML, so the readers of both are the users' own.

use std::path::Path;

use fettle_core::duration::show;
use fettle_core::rule::model::Budget;
use fettle_core::settings::Settings;
use fettle_core::surroundings::{AnswerKind, PauseScope};
use fettle_sim::time::instant;
use serde_json::{Map, Value, json};

use crate::scenario::{Answers, Change, Container, DISK, DISK_ALLOWS, Event, HOST, Input, Metrics, Scenario};

/// The files of the rules before and after a reload.
pub const RULES: [&str; 2] = ["before.yaml", "after.yaml"];

/// Size of the disk's file system, in GiB.
pub const DISK_TOTAL: u64 = 100;

fn gib(size: u64) -> String {
    format!("{size}GiB")
}

/// Writes the rules into `folder`, where the test of them would stand, and gives that test's text.
pub fn write(scenario: &Scenario, folder: &Path) -> std::io::Result<String> {
    for (name, rules) in RULES.iter().zip(&scenario.rules) {
        std::fs::write(folder.join(name), rules.to_string())?;
    }
    Ok(test(scenario).to_string())
}

/// The test file.
pub fn test(scenario: &Scenario) -> Value {
    let settings = &scenario.settings;
    let mut file = json!({
        "rule_files": [RULES[0]],
        "mode": settings.mode.as_str(),
        "hosts": {HOST: {"disks": {DISK: DISK_ALLOWS}}},
        "limits": limits(settings),
        "storm": "off",
        "trip": "off",
        "freshness": show(settings.freshness),
        "protected": {"containers": settings.protected.containers, "compose_projects": settings.protected.compose_projects},
        "alertmanager": settings.alertmanager,
        "tests": [{
            "name": "a scenario",
            "docker": docker(scenario),
            "start": instant(0).to_string(),
            "timeline": scenario.events.iter().map(entry).collect::<Vec<_>>(),
            "until": show(scenario.until),
        }],
    });
    if let Some(storm) = settings.storm {
        file["storm"] = json!({"targets": storm.targets, "within": show(storm.within), "then": storm.then.as_str(),
            "quiet_for": show(storm.quiet_for)});
    }
    if let Some(trip) = settings.trip {
        file["trip"] = json!({"unproven": trip.unproven, "within": show(trip.within), "then": trip.then.as_str()});
    }
    file
}

fn limits(settings: &Settings) -> Value {
    json!({"in_flight": settings.in_flight, "budget": budgets(&settings.budget),
        "target_budget": budgets(&settings.target_budget)})
}

/// Budgets as they are written.
pub fn budgets(all: &[Budget]) -> Vec<String> {
    all.iter().map(|it| format!("{} per {}", it.max, show(it.per))).collect()
}

fn docker(scenario: &Scenario) -> Value {
    let mut docker = answers(&scenario.answers);
    docker.insert("containers".into(), scenario.containers.iter().map(container).collect());
    let services = scenario.services.iter().map(|it| {
        let replicas = it.replicas.map_or(json!("global"), |count| json!(count));
        json!({"name": it.name, "labels": it.labels, "replicas": replicas})
    });
    docker.insert("services".into(), services.collect());
    let (free, frees) = scenario.disk;
    docker.insert(
        "disks".into(),
        json!([{"name": DISK, "total": gib(DISK_TOTAL), "free": gib(free), "frees": gib(frees)}]),
    );
    docker.into()
}

fn container(it: &Container) -> Value {
    let mut written = json!({"name": it.name, "labels": it.labels, "state": it.status,
        "exit_code": it.exit_code, "image_enables": it.image_enables, "stopped_by_hand": it.stopped_by_hand,
        "depends_on": it.depends_on});
    if let Some(health) = it.health {
        written["health"] = json!(health);
    }
    if let Some((project, service)) = it.compose {
        written["compose"] = json!({"project": project, "service": service});
    }
    written
}

fn answers(it: &Answers) -> Map<String, Value> {
    let mut written = Map::new();
    let mut say = |key: &str, value: Value| drop(written.insert(key.into(), value));
    if let Some(takes) = it.takes {
        say("takes", json!(show(takes)));
    }
    if let Some(reachable) = it.reachable {
        say("reachable", json!(reachable));
    }
    if let Some(metrics) = it.metrics {
        let says = match metrics {
            Metrics::Say(says) => json!(says),
            Metrics::Blind => json!("blind"),
        };
        say("metrics", says);
    }
    for (action, ending) in &it.endings {
        say(action, json!(ending.as_str()));
    }
    written
}

fn entry(event: &Event) -> Value {
    let mut written = Map::new();
    let mut say = |key: &str, value: Value| drop(written.insert(key.into(), value));
    say("at", json!(show(event.at)));
    match &event.what {
        Input::Post { firing: true, alerts } => say("firing", json!(alerts)),
        Input::Post { firing: false, alerts } => say("resolved", json!(alerts)),
        Input::Answer(kind, target) => say(answer(*kind), json!(target)),
        Input::Pause(scope, lasts) => {
            say("pause", scope_of(scope));
            if let Some(lasts) = lasts {
                say("for", json!(show(*lasts)));
            }
        }
        Input::Resume(scope) => say("resume", scope_of(scope)),
        Input::Reset(rule) => say("reset", json!(rule)),
        Input::Silence(alert, true) => say("silence", json!(alert)),
        Input::Silence(alert, false) => say("unsilence", json!(alert)),
        Input::Answers(answers) => say("alertmanager", json!(if *answers { "up" } else { "down" })),
        Input::Gone(alert) => say("gone", json!(alert)),
        Input::Reload(reloaded) => say("rules", json!([RULES[usize::from(*reloaded)]])),
        Input::Container(name, change) => say("container", changed(name, *change)),
        Input::Service { name, replicas, running } => {
            let mut service = json!({"name": name});
            if let Some(replicas) = replicas {
                service["replicas"] = json!(replicas);
            }
            if let Some(running) = running {
                service["running"] = json!(running);
            }
            say("service", service);
        }
        Input::Disk(free) => say("disk", json!({"name": DISK, "free": gib(*free)})),
        Input::Restarted(name) => say("restarted", json!(name)),
        Input::Removed(name) => say("removed", json!(name)),
        Input::Docker(it) => say("docker", answers(it).into()),
    }
    written.into()
}

fn changed(name: &str, change: Change) -> Value {
    match change {
        Change::Crashes => json!({"name": name, "state": "exited", "exit_code": 1}),
        Change::Recovers => json!({"name": name, "state": "running"}),
        Change::FallsIll => json!({"name": name, "health": "unhealthy"}),
        Change::GetsWell => json!({"name": name, "health": "healthy"}),
        Change::IsHeld => json!({"name": name, "labels": {"fettle.hold": "a person works on it"}}),
    }
}

fn answer(kind: AnswerKind) -> &'static str {
    match kind {
        AnswerKind::Approve => "approve",
        AnswerKind::Reject => "reject",
        AnswerKind::Cancel => "cancel",
    }
}

fn scope_of(scope: &PauseScope) -> Value {
    match scope {
        PauseScope::All => json!("all"),
        PauseScope::Rule(rule) => json!({"rule": rule}),
        PauseScope::Target(target) => json!({"target": target.to_string()}),
    }
}
