//! So much is wrong at once that fettle holds back, and the budget that is shared by all.

use std::time::Duration;

use serde_json::Value;

use crate::support::container::{Container, Run};
use crate::support::docker::Daemon;
use crate::support::fettle::{Fettle, Setup, all_firing};
use crate::support::postgres::Database;
use crate::support::wait;

const SOON: Duration = Duration::from_mins(1);

const RULES: &str = "version: 1
rules:
  - name: restart
    match: ['alertname=\"Down\"']
    target: {min_age: 0s, container: $labels.service, allow: [\"*\"]}
    steps:
      - restart: {grace: 5s}
        verify: {settle: 0s, healthy_for: 1s, resolved_within: 5s}
";

async fn containers(daemon: &Daemon, stem: &str, count: usize) -> Vec<Container> {
    let mut made = Vec::new();
    for _ in 0..count {
        made.push(Run::named(stem).enabled().start(daemon).await);
    }
    made
}

/// Waits until no remediation is about to be decided: each is closed or waits for a person or a time.
async fn settled(fettle: &Fettle, count: usize) -> Vec<Value> {
    wait::until("everything is decided", SOON, async || {
        let all = fettle.get("/api/v1/remediations?limit=1000").await;
        let all = all.as_array().cloned().unwrap_or_default();
        let waits = |it: &&Value| matches!(it["state"].as_str(), Some("closed" | "awaiting_approval" | "blocked"));
        let decided = all.iter().filter(waits).count();
        if decided == count { Ok(all) } else { Err(format!("{decided} of {} decided", all.len())) }
    })
    .await
}

#[tokio::test]
async fn two_hundred_alerts_at_once_restart_nothing_without_a_person() {
    let (daemon, database) = (Daemon::shared().await, Database::create().await);
    let real = containers(&daemon, "storm", 6).await;
    let mut before = Vec::new();
    for container in &real {
        before.push(container.started_at().await);
    }
    let config = "limits: {budget: [1000 per 1h], target_budget: [1000 per 1h]}\n\
                  storm: {targets: 5, within: 2m, then: propose, quiet_for: 10m}\n";
    let fettle = Setup::new(&daemon.url(), RULES).database(&database.url()).config(config).start().await;
    let names: Vec<String> =
        real.iter().map(|it| it.name.clone()).chain((0..194).map(|n| format!("nobody-{n}"))).collect();
    let alerts: Vec<Vec<(&str, &str)>> =
        names.iter().map(|name| vec![("alertname", "Down"), ("service", name.as_str())]).collect();
    fettle.send(&all_firing(&alerts)).await;
    let all = settled(&fettle, 200).await;
    let state = |it: &Value, word: &str| it["state"] == word || it["outcome"] == word;
    assert_eq!(all.iter().filter(|it| state(it, "awaiting_approval")).count(), 6, "{all:#?}");
    assert_eq!(all.iter().filter(|it| state(it, "refused")).count(), 194);
    for (container, before) in real.iter().zip(before) {
        assert_eq!(container.started_at().await, before, "{} was touched", container.name);
    }
    assert!(fettle.metrics().await.contains("fettle_storm 1"), "the storm shows");
}

#[tokio::test]
async fn a_fleet_wide_budget_holds_for_a_crowd_of_targets() {
    let (daemon, database) = (Daemon::shared().await, Database::create().await);
    let real = containers(&daemon, "crowd", 6).await;
    let mut before = Vec::new();
    for container in &real {
        before.push(container.started_at().await);
    }
    let config = "limits: {budget: [2 per 1h], target_budget: [1000 per 1h]}\nstorm: off\n";
    let fettle = Setup::new(&daemon.url(), RULES).database(&database.url()).config(config).start().await;
    let alerts: Vec<Vec<(&str, &str)>> =
        real.iter().map(|it| vec![("alertname", "Down"), ("service", it.name.as_str())]).collect();
    fettle.send(&all_firing(&alerts)).await;
    settled(&fettle, 6).await;
    let mut touched = 0;
    for (container, before) in real.iter().zip(before) {
        touched += usize::from(container.started_at().await != before);
    }
    assert_eq!(touched, 2);
}
