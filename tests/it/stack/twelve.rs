//! Twelve checks that a watched daemon must pass, in fettle's terms, one after the other on one and the same fettle: it
//! starts, is alive, well, measured, at work and on record; it survives the loss of its database, of itself and of Docker,
//! each within its time; and it ends and begins again in order.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::text;
use crate::support::container::Run;
use crate::support::docker::Daemon;
use crate::support::fettle::{Fettle, Setup, firing, resolved};
use crate::support::private_postgres::PrivatePostgres;
use crate::support::proxy::{Fault, Proxy};
use crate::support::wait;

const SOON: Duration = Duration::from_mins(1);

/// Times to recover in, as the checks have them: after a crash of the daemon, and after the loss of what it needs.
const CRASH: Duration = Duration::from_mins(5);
const LOSS: Duration = Duration::from_mins(3);

const RULES: &str = "version: 1
rules:
  - name: restart
    match: ['alertname=\"Down\"']
    target: {min_age: 0s, container: $labels.service, allow: [\"*\"]}
    cooldown: 0s
    budget: [100 per 1h]
    steps:
      - restart: {grace: 1s}
        verify: {settle: 0s, healthy_for: 1s, resolved_within: 3s}
";

fn health_command(fettle: &Fettle) -> Option<i32> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fettle"));
    command.args(["health", "--url", &fettle.url("")]);
    command.output().expect("run fettle health").status.code()
}

async fn asked(fettle: &Fettle, path: &str) -> (u16, Value) {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().expect("a client");
    let answer = client.get(fettle.url(path)).send().await.expect("an answer");
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

/// Waits until health says this; how long it took.
async fn says(fettle: &Fettle, code: u16, status: &str, within: Duration) -> (Duration, Value) {
    let begun = Instant::now();
    let health = wait::until(status, within, async || {
        let (seen, health) = asked(fettle, "/api/v1/health").await;
        if seen == code && text(&health["status"]) == status { Ok(health) } else { Err(format!("{seen} {health:#}")) }
    })
    .await;
    (begun.elapsed(), health)
}

/// An alert about the container is healed; the audit's newest row.
async fn heals(fettle: &Fettle, service: &str) -> Value {
    let labels = [("alertname", "Down"), ("service", service)];
    let target = format!("container:local/{service}");
    let before = fettle.actions(&target).await.len();
    fettle.send(&firing(&labels)).await;
    wait::until("it is done", SOON, async || {
        let rows = fettle.actions(&target).await;
        if rows.len() > before && rows[0]["result"].is_string() {
            Ok(())
        } else {
            Err(format!("{rows:#?}\n{}", fettle.log()))
        }
    })
    .await;
    fettle.send(&resolved(&labels)).await;
    let story = fettle.closed(&target, SOON).await;
    assert_eq!(text(&story["outcome"]), "fixed", "{story:#}\n{}", fettle.log());
    fettle.actions(&target).await.swap_remove(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_twelve_checks() {
    let (daemon, postgres) = (Daemon::shared().await, PrivatePostgres::start().await);
    let docker = Proxy::unix(daemon.socket());
    let container = Run::named("twelve").enabled().start(&daemon).await;
    let mut fettle = Setup::new(&docker.url(), RULES).database(&postgres.url()).start().await;

    // 1. It starts and says so.
    assert_eq!(health_command(&fettle), Some(0));
    // 2. It is alive.
    assert_eq!(asked(&fettle, "/-/healthy").await.0, 200);
    // 3. Every part of it is well.
    let (_, health) = says(&fettle, 200, "healthy", SOON).await;
    assert_eq!(health["issues"], serde_json::json!([]), "{health:#}");
    // 4. Its figures can be read.
    let metrics = fettle.metrics().await;
    let version = format!("fettle_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"));
    for line in [version.as_str(), "fettle_ready 1", "fettle_store_up 1"] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    // 5. It does its work, and the work is on record.
    let row = heals(&fettle, &container.name).await;
    assert_eq!(
        (text(&row["action"]), text(&row["result"]), text(&row["verdict"])),
        ("restart", "succeeded", "fixed"),
        "{row:#}"
    );
    // 6. The work is counted, and nothing of it is left open.
    let metrics = fettle.metrics().await;
    assert!(metrics.contains(r#"fettle_remediations_total{outcome="fixed",rule="restart"} 1"#), "{metrics}");
    assert!(metrics.contains(r#"fettle_remediations_open{state="verifying"} 0"#), "{metrics}");
    // 7. The database answers, and how fast is known.
    let (code, database) = asked(&fettle, "/api/v1/health/database").await;
    assert!(code == 200 && database["latency_ms"].as_f64().is_some_and(|it| it < 2000.0), "{database:#}");

    // 8. Without it: unhealthy, by name, in every way that one can ask; senders are told to come again.
    postgres.kill();
    let (_, health) = says(&fettle, 503, "unhealthy", SOON).await;
    assert!(health["issues"].to_string().contains("database"), "{health:#}");
    assert_eq!(fettle.post(&firing(&[("alertname", "Down"), ("service", &container.name)])).await, 503);
    assert_eq!(health_command(&fettle), Some(1));
    // 9. When it is back: well again by itself, and at work.
    postgres.restart().await;
    let (took, _) = says(&fettle, 200, "healthy", LOSS).await;
    assert!(took < LOSS);
    heals(&fettle, &container.name).await;

    // 10. Killed in the middle of its work: what was open is taken up, and done once.
    let target = format!("container:local/{}", container.name);
    let before = fettle.actions(&target).await.len();
    let labels = [("alertname", "Down"), ("service", container.name.as_str())];
    fettle.send(&firing(&labels)).await;
    let begun = Instant::now();
    fettle.kill();
    fettle.launch();
    fettle.ready().await;
    let after = wait::until("it is taken up", CRASH, async || {
        let rows = fettle.actions(&target).await;
        if rows.len() > before && rows[0]["result"] == "succeeded" {
            Ok(rows)
        } else {
            Err(format!("{rows:#?}\n{}", fettle.log()))
        }
    })
    .await;
    assert!(after.len() == before + 1 && begun.elapsed() < CRASH, "{after:#?}");
    fettle.send(&resolved(&labels)).await;
    fettle.closed(&target, SOON).await;

    // 11. Docker gone: degraded, by name, and still taking alerts in; well again when it is back.
    docker.fail(Fault::Cut);
    let (_, health) = says(&fettle, 200, "degraded", SOON).await;
    assert!(health["issues"].to_string().contains("docker host local"), "{health:#}");
    assert_eq!(fettle.post(&firing(&[("alertname", "Else")])).await, 202);
    docker.restore();
    let (took, _) = says(&fettle, 200, "healthy", LOSS).await;
    assert!(took < LOSS);

    // 12. Told to stop it ends in order, and begins again with everything it knew.
    let known = fettle.actions(&target).await.len();
    assert_eq!(fettle.terminate(), Some(0), "{}", fettle.log());
    fettle.launch();
    fettle.ready().await;
    assert_eq!(fettle.actions(&target).await.len(), known);
    heals(&fettle, &container.name).await;
}
