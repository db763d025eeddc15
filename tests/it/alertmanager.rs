//! The whole loop with its real parts: a container crashes, Prometheus sees it, Alertmanager posts, fettle restarts it,
//! Prometheus sees it well, Alertmanager posts the resolve, and the audit says `fixed`.

use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::container::Run;
use crate::support::docker::{Daemon, connect};
use crate::support::fettle::{Fettle, Setup};
use crate::support::postgres::{Database, free_port};
use crate::support::process::Process;
use crate::support::wait;

/// From the crash to the verdict: scrapes, `for`, group waits, the restart, and as much again for a busy machine.
const LOOP: Duration = Duration::from_mins(2);

const TOKEN: &str = "a-token-that-only-this-test-knows";

/// Serves `container_up{service="NAME"}` as Docker sees the container, until the test's runtime ends.
async fn exporter(daemon: &Daemon, name: &str) -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let (socket, name) = (daemon.socket().to_path_buf(), name.to_owned());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let seen = connect(&socket).inspect_container(&name, None).await.ok();
            let up = seen.and_then(|it| it.state).and_then(|state| state.running).unwrap_or_default();
            let body = format!("container_up{{service=\"{name}\"}} {}\n", u8::from(up));
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    port
}

fn prometheus(folder: &Path, exporter: u16, alertmanagers: &[u16]) -> Process {
    let peers: Vec<_> = alertmanagers.iter().map(|port| format!("\"127.0.0.1:{port}\"")).collect();
    let config = format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [alerts.yml]
alerting: {{alertmanagers: [{{static_configs: [{{targets: [{}]}}]}}]}}
scrape_configs: [{{job_name: arcanum, static_configs: [{{targets: [\"127.0.0.1:{exporter}\"]}}]}}]
",
        peers.join(", ")
    );
    std::fs::write(folder.join("prometheus.yml"), config).expect("write");
    let alerts = "groups: [{name: arcanum, rules: [{alert: ArcanumNeedsRestart, expr: 'container_up == 0', for: 1s, \
                  labels: {severity: critical}, annotations: {summary: arcanum is down}}]}]\n";
    std::fs::write(folder.join("alerts.yml"), alerts).expect("write");
    let arguments = [
        "--config.file=prometheus.yml".to_owned(),
        "--storage.tsdb.path=tsdb".to_owned(),
        format!("--web.listen-address=127.0.0.1:{}", free_port()),
    ];
    Process::start(folder, "prometheus", "prometheus", &arguments)
}

fn alertmanager(folder: &Path, port: u16, fettle: &Fettle) -> Process {
    let config = format!(
        "route: {{receiver: fettle, group_by: [alertname, service], group_wait: 1s, group_interval: 2s, repeat_interval: 1m}}
receivers:
  - name: fettle
    webhook_configs:
      - url: {}
        send_resolved: true
        http_config: {{authorization: {{credentials: {TOKEN}}}}}
",
        fettle.url("/webhook")
    );
    let name = format!("alertmanager-{port}.yml");
    std::fs::write(folder.join(&name), config).expect("write");
    let arguments = [
        format!("--config.file={name}"),
        format!("--storage.path=data-{port}"),
        format!("--web.listen-address=127.0.0.1:{port}"),
        "--cluster.listen-address=".to_owned(),
    ];
    Process::start(folder, "prometheus-alertmanager", "prometheus-alertmanager", &arguments)
}

const RULES: &str = r#"
version: 1
rules:
  - name: arcanum-needs-restart
    match: ['alertname="ArcanumNeedsRestart"']
    target: {min_age: 0s, container: $labels.service, allow: ["arcanum-*"]}
    steps:
      - restart: {grace: 5s}
        verify: {settle: 1s, healthy_for: 2s, resolved_within: 90s}
"#;

async fn heals_a_crash(alertmanagers: usize) {
    use sha2::Digest;
    let (daemon, database) = (Daemon::shared().await, Database::create().await);
    // It crashes once; started again, it stays.
    let crash =
        "if [ -e /seen ]; then trap 'exit 0' TERM; while :; do sleep 3600 & wait $!; done; fi; : > /seen; exit 3";
    let container = Run::named("arcanum").enabled().shell(crash).start(&daemon).await;
    let hash = |token: &str| format!("{:x}", sha2::Sha256::digest(token));
    let config = format!(
        "auth: {{metrics_open: true, tokens: [{{name: alertmanager, role: sender, sha256: {}}}, {{name: test, role: viewer, sha256: {}}}]}}\n",
        hash(TOKEN),
        hash("reader")
    );
    let fettle =
        Setup::new(&daemon.url(), RULES).database(&database.url()).config(&config).token("reader").start().await;

    let folder = tempfile::tempdir().expect("a folder");
    let ports: Vec<u16> = (0..alertmanagers).map(|_| free_port()).collect();
    let _peers: Vec<_> = ports.iter().map(|&port| alertmanager(folder.path(), port, &fettle)).collect();
    let exporter = exporter(&daemon, &container.name).await;
    let _prometheus = prometheus(folder.path(), exporter, &ports);

    let target = format!("container:local/{}", container.name);
    let story = fettle.closed(&target, LOOP).await;
    assert_eq!(story["outcome"], "fixed", "{story:#}\n{}", fettle.log());
    assert_eq!(story["verdicts"][0]["verdict"], "fixed", "{story:#}");
    let actions = fettle.actions(&target).await;
    assert_eq!(actions.len(), 1, "{actions:#?}");
    assert_eq!(actions[0]["labels"]["severity"], "critical", "{actions:#?}");
    assert_eq!(container.inspect().await.state.and_then(|state| state.running), Some(true));
    if alertmanagers > 1 {
        // Every peer's copy was stored; one remediation came of them.
        wait::until("both peers have posted", LOOP, async || {
            let metrics = fettle.metrics().await;
            let taken = metrics
                .lines()
                .find(|line| line.starts_with("fettle_notifications_total") && line.contains("code=\"202\""));
            let count: f64 =
                taken.and_then(|line| line.rsplit(' ').next()).and_then(|n| n.parse().ok()).unwrap_or_default();
            if count >= 4.0 { Ok(()) } else { Err(format!("{taken:?}")) }
        })
        .await;
        assert_eq!(fettle.remediations(&target).await.len(), 1);
        assert_eq!(fettle.actions(&target).await.len(), 1);
    }
}

#[tokio::test]
async fn a_crash_that_prometheus_sees_is_healed_and_on_record() {
    heals_a_crash(1).await;
}

#[tokio::test]
async fn two_ha_alertmanagers_post_the_same_alert_and_one_restart_comes_of_it() {
    heals_a_crash(2).await;
}
