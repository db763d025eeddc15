//! The three scenarios that fettle must be able to take over, from a real Prometheus rule to the verdict: memory over 95 % is
//! scaled down, a disk that is low is cleaned. (A service that is down: `alertmanager.rs`.) And the fourth restart within the
//! hour, which is refused.

use std::path::Path;
use std::time::Duration;

use crate::support::container::Run;
use crate::support::docker::{Daemon, connect};
use crate::support::exporter::Exporter;
use crate::support::fettle::{Fettle, Setup, firing, resolved};
use crate::support::postgres::{Database, free_port};
use crate::support::process::Process;
use crate::support::volume::Volume;
use crate::support::wait;

/// From the fault to the verdict.
const LOOP: Duration = Duration::from_mins(2);

fn prometheus(folder: &Path, exporter: u16, alertmanager: u16, alerts: &str) -> Process {
    let config = format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [alerts.yml]
alerting: {{alertmanagers: [{{static_configs: [{{targets: [\"127.0.0.1:{alertmanager}\"]}}]}}]}}
scrape_configs: [{{job_name: test, static_configs: [{{targets: [\"127.0.0.1:{exporter}\"]}}]}}]
"
    );
    std::fs::write(folder.join("prometheus.yml"), config).expect("write");
    std::fs::write(folder.join("alerts.yml"), alerts).expect("write");
    let arguments = [
        "--config.file=prometheus.yml".to_owned(),
        "--storage.tsdb.path=tsdb".to_owned(),
        format!("--web.listen-address=127.0.0.1:{}", free_port()),
    ];
    Process::start(folder, "prometheus", "prometheus", &arguments)
}

fn alertmanager(folder: &Path, fettle: &Fettle) -> (Process, u16) {
    let port = free_port();
    let config = format!(
        "route: {{receiver: fettle, group_by: ['...'], group_wait: 0s, group_interval: 2s, repeat_interval: 1m}}
receivers: [{{name: fettle, webhook_configs: [{{url: '{}', send_resolved: true}}]}}]
",
        fettle.url("/webhook")
    );
    std::fs::write(folder.join("alertmanager.yml"), config).expect("write");
    let arguments = [
        "--config.file=alertmanager.yml".to_owned(),
        "--storage.path=data".to_owned(),
        format!("--web.listen-address=127.0.0.1:{port}"),
        "--cluster.listen-address=".to_owned(),
    ];
    (Process::start(folder, "prometheus-alertmanager", "prometheus-alertmanager", &arguments), port)
}

#[tokio::test]
async fn memory_over_95_percent_is_scaled_down_and_given_back_when_the_alert_stays_away() {
    let (daemon, database) = (Daemon::shared().await, Database::create().await);
    let project = crate::support::unique("shop");
    let mut replicas = Vec::new();
    for number in 1..=3 {
        replicas.push(Run::named("web").enabled().compose(&project, "web", number).start(&daemon).await);
    }
    let rules = format!(
        "version: 1
rules:
  - name: system-resource-exhaustion
    match: ['alertname=\"SystemResourceExhaustion\"']
    target: {{min_age: 0s, compose: {{project: {project}, service: web}}, min_healthy: 1}}
    steps:
      - scale_down: {{by: 1, floor: 1}}
        verify: {{settle: 1s, healthy_for: 2s, resolved_within: 90s}}
        restore: {{after: 5s}}
"
    );
    let config = "limits: {budget: [1000 per 1h], target_budget: [1000 per 1h]}\n";
    let fettle = Setup::new(&daemon.url(), &rules).database(&database.url()).config(config).start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let (_alertmanager, port) = alertmanager(folder.path(), &fettle);
    // Each running replica takes its third of the memory.
    let (metrics, socket) = (Exporter::default(), daemon.socket().to_path_buf());
    let (said, names) = (metrics.clone(), replicas.iter().map(|it| it.id.clone()).collect::<Vec<_>>());
    tokio::spawn(async move {
        let client = connect(&socket);
        loop {
            let mut running = 0;
            for id in &names {
                let seen = client.inspect_container(id, None).await.ok().and_then(|it| it.state);
                running += u32::from(seen.and_then(|state| state.running).unwrap_or_default());
            }
            said.say(format!("memory_used_percent {}\n", running * 33));
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    let alerts = "groups: [{name: memory, rules: [{alert: SystemResourceExhaustion, expr: 'memory_used_percent > 95', \
                  for: 1s, labels: {severity: critical}}]}]\n";
    let _prometheus = prometheus(folder.path(), metrics.serve().await, port, alerts);

    let target = format!("compose:local/{project}/web");
    let story = fettle.closed(&target, LOOP).await;
    assert_eq!(story["outcome"], "fixed", "{story:#}\n{}", fettle.log());
    let actions = fettle.actions(&target).await;
    assert_eq!(actions.last().map(|it| it["action"].clone()), Some("scale_down".into()), "{actions:#?}");
    // A loan: the third one is started again once the alert has stayed away. (Then memory is short again, and people are
    // told instead of lending anew.)
    wait::until("the loan is returned", LOOP, async || {
        let actions = fettle.actions(&target).await;
        let restored = actions.iter().any(|it| it["action"] == "restore" && it["result"] == "succeeded");
        if restored { Ok(()) } else { Err(format!("{actions:#?}\n{}", fettle.log())) }
    })
    .await;
    wait::until("it escalates and lends no more", LOOP, async || {
        let all = fettle.remediations(&target).await;
        if all.iter().any(|it| it["outcome"] == "escalated") { Ok(()) } else { Err(format!("{all:#?}")) }
    })
    .await;
    let lent = fettle.actions(&target).await.iter().filter(|it| it["action"] == "scale_down").count();
    assert_eq!(lent, 1, "no oscillation");
}

#[tokio::test]
async fn a_disk_that_is_low_is_cleaned_and_the_bytes_are_counted() {
    let (daemon, database) = (Daemon::shared().await, Database::create().await);
    let volume = std::sync::Arc::new(Volume::of_megabytes(20));
    let root = volume.path().join("logs");
    std::fs::create_dir(&root).expect("a folder");
    std::fs::write(root.join("app.log"), vec![b'x'; 18 << 20]).expect("fill the disk");
    std::fs::write(root.join("keep.txt"), "not a log").expect("write");
    assert!(volume.free_percent() < 15, "it is nearly full");
    let rules = format!(
        "version: 1
rules:
  - name: high-disk-usage
    match: ['alertname=\"HighDiskUsage\"']
    target: {{disk: logs}}
    steps:
      - clean_logs: {{roots: [\"{}\"], larger_than: 1MiB, free_above: 50%}}
        verify: {{settle: 0s, healthy_for: 1s, resolved_within: 90s}}
",
        root.display()
    );
    let config = "limits: {budget: [1000 per 1h], target_budget: [1000 per 1h]}\n";
    let disks = format!("logs: {{path: \"{}\", allow: [clean_logs]}}", root.display());
    let fettle = Setup::new(&daemon.url(), &rules).database(&database.url()).disks(&disks).config(config).start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let (_alertmanager, port) = alertmanager(folder.path(), &fettle);
    let (metrics, seen) = (Exporter::default(), volume.clone());
    let said = metrics.clone();
    tokio::spawn(async move {
        loop {
            said.say(format!("disk_free_percent {}\n", seen.free_percent()));
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    let alerts = "groups: [{name: disk, rules: [{alert: HighDiskUsage, expr: 'disk_free_percent < 15', for: 1s, \
                  labels: {severity: warning}}]}]\n";
    let _prometheus = prometheus(folder.path(), metrics.serve().await, port, alerts);
    let story = fettle.closed("disk:local/logs", LOOP).await;
    assert_eq!(story["outcome"], "fixed", "{story:#}\n{}", fettle.log());
    assert!(volume.free_percent() > 50);
    assert_eq!(std::fs::read_to_string(root.join("keep.txt")).expect("it is there"), "not a log");
    let actions = fettle.actions("disk:local/logs").await;
    assert!(actions[0]["detail"].to_string().contains("app.log"), "what was touched is on record: {actions:#?}");
}

#[tokio::test]
async fn a_fourth_restart_within_the_hour_is_refused_by_the_budget_and_on_record() {
    let daemon = Daemon::shared().await;
    let container = Run::named("arcanum").enabled().start(&daemon).await;
    let rules = "version: 1
rules:
  - name: arcanum-needs-restart
    match: ['alertname=\"ArcanumNeedsRestart\"']
    target: {min_age: 0s, container: $labels.service, allow: [\"arcanum-*\"]}
    budget: [3 per 1h]
    cooldown: 0s
    regress_window: 0s
    steps:
      - restart: {grace: 1s}
        verify: {settle: 0s, healthy_for: 0s, resolved_within: 30s}
";
    let config = "limits: {budget: [1000 per 1h], target_budget: [1000 per 1h]}\ntrip: off\n";
    let fettle = Setup::new(&daemon.url(), rules).config(config).start().await;
    let target = format!("container:local/{}", container.name);
    let labels = [("alertname", "ArcanumNeedsRestart"), ("service", container.name.as_str())];
    for round in 1..=3 {
        fettle.send(&firing(&labels)).await;
        wait::until("it is restarted", LOOP, async || {
            let done = fettle.actions(&target).await.iter().filter(|it| it["result"] == "succeeded").count();
            if done == round { Ok(()) } else { Err(format!("{done} of {round}\n{}", fettle.log())) }
        })
        .await;
        fettle.send(&resolved(&labels)).await;
        fettle.closed(&target, LOOP).await;
    }
    let before = container.started_at().await;
    fettle.send(&firing(&labels)).await;
    let refused = wait::until("it is refused", LOOP, async || {
        let newest = fettle.actions(&target).await.into_iter().next().unwrap_or_default();
        if newest["result"] == "refused" { Ok(newest) } else { Err(format!("{newest}\n{}", fettle.log())) }
    })
    .await;
    assert_eq!(refused["reason"], "budget", "{refused:#}");
    assert_eq!(refused["detail"]["numbers"]["max"], 3, "{refused:#}");
    assert_eq!(container.started_at().await, before);
    let newest = fettle.remediations(&target).await.into_iter().next().expect("open");
    assert_eq!((newest["state"].as_str(), newest["reason"].as_str()), (Some("blocked"), Some("budget")), "{newest:#}");
}
