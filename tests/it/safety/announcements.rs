//! fettle's own alerts in a real Alertmanager: the page waits while fettle works, and comes when fettle dies or gives up.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::container::Run;
use crate::support::docker::Daemon;
use crate::support::fettle::{Fettle, Setup};
use crate::support::postgres::{Database, free_port};
use crate::support::process::Process;
use crate::support::wait;

const SOON: Duration = Duration::from_secs(40);

/// `FettleWorking` lapses a minute after its last renewal; Alertmanager's own waits, and a busy machine.
const LAPSE: Duration = Duration::from_secs(110);

/// A pager: counts the alerts of each notification by name, and says when it was called.
#[derive(Clone, Default)]
struct Pager(std::sync::Arc<std::sync::Mutex<Vec<String>>>);

impl Pager {
    fn pages(&self) -> Vec<String> {
        self.0.lock().expect("not poisoned").clone()
    }

    async fn serve(&self) -> u16 {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let pages = self.0.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = Vec::new();
                let mut chunk = [0; 4096];
                loop {
                    let read = stream.read(&mut chunk).await.unwrap_or(0);
                    request.extend_from_slice(chunk.get(..read).unwrap_or_default());
                    let text = String::from_utf8_lossy(&request).into_owned();
                    let body = text.split_once("\r\n\r\n").map(|(_, body)| body.trim().to_owned());
                    if let Some(Ok(body)) = body.map(|body| serde_json::from_str::<Value>(&body)) {
                        let firing =
                            body["alerts"].as_array().into_iter().flatten().filter(|it| it["status"] == "firing");
                        let names = firing.filter_map(|it| it["labels"]["alertname"].as_str().map(str::to_owned));
                        pages.lock().expect("not poisoned").extend(names);
                        break;
                    }
                    if read == 0 {
                        break;
                    }
                }
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
            }
        });
        port
    }
}

fn alertmanager(folder: &Path, port: u16, fettle: u16, pager: u16) -> Process {
    let config = format!(
        "route:
  receiver: page
  group_by: ['...']
  group_wait: 1s
  group_interval: 2s
  repeat_interval: 1h
  routes:
    - {{receiver: fettle, matchers: ['fettle!=\"self\"'], group_wait: 0s, continue: true}}
    - {{receiver: nobody, matchers: ['alertname=\"FettleWorking\"']}}
    - {{receiver: page, group_wait: 8s}}
receivers:
  - name: fettle
    webhook_configs: [{{url: 'http://127.0.0.1:{fettle}/webhook', send_resolved: true}}]
  - name: page
    webhook_configs: [{{url: 'http://127.0.0.1:{pager}/', send_resolved: false}}]
  - name: nobody
inhibit_rules:
  - source_matchers: ['alertname=\"FettleWorking\"']
    target_matchers: ['fettle!=\"self\"']
    equal: [service]
"
    );
    std::fs::write(folder.join("alertmanager.yml"), config).expect("write");
    let arguments = [
        "--config.file=alertmanager.yml".to_owned(),
        "--storage.path=data".to_owned(),
        format!("--web.listen-address=127.0.0.1:{port}"),
        "--cluster.listen-address=".to_owned(),
    ];
    Process::start(folder, "prometheus-alertmanager", "prometheus-alertmanager", &arguments)
}

/// Posts an alert as Prometheus would, firing for ten minutes more.
async fn fire(port: u16, service: &str) {
    let now = jiff::Timestamp::now();
    let ends = now.saturating_add(Duration::from_mins(10)).expect("in range");
    let alert = json!([{"labels": {"alertname": "Down", "service": service, "severity": "critical"},
        "startsAt": now.to_string(), "endsAt": ends.to_string()}]);
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    wait::until("Alertmanager takes the alert", SOON, async || {
        let sent = client.post(format!("http://127.0.0.1:{port}/api/v2/alerts")).json(&alert).send().await;
        match sent {
            Ok(answer) if answer.status() == 200 => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

/// The alerts of this name that stand in Alertmanager now.
async fn standing(port: u16, alertname: &str) -> Vec<Value> {
    let url = format!("http://127.0.0.1:{port}/api/v2/alerts?filter=alertname%3D%22{alertname}%22");
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    // Not up yet: nothing stands.
    let Ok(answer) = client.get(url).send().await else { return Vec::new() };
    answer.json::<Value>().await.ok().and_then(|all| all.as_array().cloned()).unwrap_or_default()
}

const RULES: &str = "version: 1
rules:
  - name: restart
    match: ['alertname=\"Down\"']
    target: {min_age: 0s, container: $labels.service, allow: [\"*\"]}
    steps:
      - restart: {grace: 1s}
        verify: VERIFY
";

struct Loop {
    _folder: tempfile::TempDir,
    _alertmanager: Process,
    port: u16,
    pager: Pager,
    fettle: Fettle,
}

async fn wired(daemon: &Daemon, database: &Database, verify: &str) -> Loop {
    let (folder, port, pager) = (tempfile::tempdir().expect("a folder"), free_port(), Pager::default());
    let config = format!(
        "limits: {{budget: [1000 per 1h], target_budget: [1000 per 1h]}}\nalertmanager: {{urls: [\"http://127.0.0.1:{port}\"]}}\n"
    );
    let rules = RULES.replace("VERIFY", verify);
    let fettle = Setup::new(&daemon.url(), &rules).database(&database.url()).config(&config).start().await;
    let page_port = pager.serve().await;
    let alertmanager = alertmanager(folder.path(), port, fettle.port(), page_port);
    Loop { _folder: folder, _alertmanager: alertmanager, port, pager, fettle }
}

#[tokio::test]
async fn the_page_waits_while_fettle_works_and_comes_when_fettle_is_killed() {
    let (daemon, database) = (Daemon::shared().await, Database::create().await);
    let container = Run::named("held-page").enabled().start(&daemon).await;
    // Judged for longer than the test lasts.
    let mut it = wired(&daemon, &database, "{settle: 1s, healthy_for: 1s, resolved_within: 9m}").await;
    fire(it.port, &container.name).await;
    let working = wait::until("FettleWorking stands", SOON, async || {
        let all = standing(it.port, "FettleWorking").await;
        all.first().cloned().ok_or_else(|| it.fettle.log())
    })
    .await;
    assert_eq!(working["labels"]["service"], container.name.as_str());
    assert_eq!(working["labels"]["fettle"], "self");
    wait::until("the alert is inhibited", SOON, async || {
        let alert = standing(it.port, "Down").await.into_iter().next().unwrap_or_default();
        if alert["status"]["state"] == "suppressed" { Ok(()) } else { Err(alert.to_string()) }
    })
    .await;
    assert_eq!(it.pager.pages(), Vec::<String>::new(), "the page is held");
    // It stays held for longer than FettleWorking lives without being renewed.
    wait::until("FettleWorking was renewed", LAPSE, async || {
        let all = standing(it.port, "FettleWorking").await;
        let renewed = all.first().is_some_and(|it| it["endsAt"].as_str() > working["endsAt"].as_str());
        if renewed { Ok(()) } else { Err(format!("{all:?}")) }
    })
    .await;
    assert_eq!(it.pager.pages(), Vec::<String>::new(), "the page is still held");
    it.fettle.kill();
    wait::until("the page comes", LAPSE, async || {
        let pages = it.pager.pages();
        if pages.iter().any(|name| name == "Down") { Ok(()) } else { Err(format!("{pages:?}")) }
    })
    .await;
}

#[tokio::test]
async fn what_fettle_cannot_heal_is_said_aloud_and_the_page_comes_after_all() {
    let (daemon, database) = (Daemon::shared().await, Database::create().await);
    let container = Run::named("gave-up").enabled().shell("exit 1").start(&daemon).await;
    let it = wired(&daemon, &database, "{settle: 0s, healthy_for: 1s, resolved_within: 4s}").await;
    fire(it.port, &container.name).await;
    // It crashes again and again: fettle gives up, says so, and the page comes.
    let gave_up = wait::until("FettleGaveUp stands", SOON, async || {
        standing(it.port, "FettleGaveUp").await.into_iter().next().ok_or_else(|| it.fettle.log())
    })
    .await;
    assert_eq!(gave_up["labels"]["fettle_alert"], "Down", "{gave_up:#}");
    wait::until("both pages come", SOON, async || {
        let pages = it.pager.pages();
        let both = ["Down", "FettleGaveUp"].iter().all(|name| pages.iter().any(|page| page == name));
        if both { Ok(()) } else { Err(format!("{pages:?}")) }
    })
    .await;
    let story = it.fettle.closed(&format!("container:local/{}", container.name), SOON).await;
    assert_eq!(story["outcome"], "escalated", "{story:#}");
}

#[tokio::test]
async fn a_silence_means_hands_off_until_it_ends() {
    let (daemon, database) = (Daemon::shared().await, Database::create().await);
    let container = Run::named("silenced").enabled().start(&daemon).await;
    let before = container.started_at().await;
    let it = wired(&daemon, &database, "{settle: 0s, healthy_for: 1s, resolved_within: 4s}").await;
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let now = jiff::Timestamp::now();
    let silence = json!({"matchers": [{"name": "service", "value": container.name, "isRegex": false, "isEqual": true}],
        "startsAt": now.to_string(), "endsAt": now.saturating_add(Duration::from_mins(5)).expect("in range").to_string(),
        "createdBy": "ann", "comment": "hands off"});
    let url = format!("http://127.0.0.1:{}/api/v2/silences", it.port);
    let made = wait::until("Alertmanager takes the silence", SOON, async || {
        let answer = client.post(&url).json(&silence).send().await.map_err(|error| error.to_string())?;
        answer.json::<Value>().await.map_err(|error| error.to_string())
    })
    .await;
    // Alertmanager itself posts nothing about a silenced alert; a peer that does not know of the silence may.
    fire(it.port, &container.name).await;
    let labels = [("alertname", "Down"), ("service", container.name.as_str()), ("severity", "critical")];
    it.fettle.send(&crate::support::fettle::firing(&labels)).await;
    let target = format!("container:local/{}", container.name);
    wait::until("it is blocked by the silence", SOON, async || {
        let newest = it.fettle.remediations(&target).await.into_iter().next().unwrap_or_default();
        if newest["reason"] == "silenced" { Ok(()) } else { Err(format!("{newest}\n{}", it.fettle.log())) }
    })
    .await;
    assert_eq!(container.started_at().await, before);
    let id = made["silenceID"].as_str().expect("an id");
    let url = format!("http://127.0.0.1:{}/api/v2/silence/{id}", it.port);
    assert!(client.delete(url).send().await.expect("an answer").status().is_success());
    wait::until("it is restarted", SOON, async || {
        if container.started_at().await == before { Err(it.fettle.log()) } else { Ok(()) }
    })
    .await;
}

#[tokio::test]
async fn a_heartbeat_that_stays_away_is_an_event_and_an_alert_and_ends_when_it_is_back() {
    let (daemon, database) = (Daemon::shared().await, Database::create().await);
    let (folder, port, pager) = (tempfile::tempdir().expect("a folder"), free_port(), Pager::default());
    let config = format!(
        "limits: {{budget: [1000 per 1h], target_budget: [1000 per 1h]}}\nalertmanager: {{urls: [\"http://127.0.0.1:{port}\"]}}\nheartbeat: {{alertname: Watchdog, max_silence: 10s}}\n"
    );
    let rules = RULES.replace("VERIFY", "{}");
    let fettle = Setup::new(&daemon.url(), &rules).database(&database.url()).config(&config).start().await;
    let _alertmanager = alertmanager(folder.path(), port, fettle.port(), pager.serve().await);
    wait::until("FettlePipelineSilent stands", SOON, async || {
        standing(port, "FettlePipelineSilent").await.first().map(drop).ok_or_else(|| fettle.log())
    })
    .await;
    assert!(fettle.metrics().await.contains(r#"fettle_events_total{event="pipeline_silent"} 1"#));
    fettle.send(&crate::support::fettle::firing(&[("alertname", "Watchdog")])).await;
    wait::until("it is taken back", SOON, async || {
        let all = standing(port, "FettlePipelineSilent").await;
        if all.is_empty() { Ok(()) } else { Err(format!("{all:?}")) }
    })
    .await;
}
