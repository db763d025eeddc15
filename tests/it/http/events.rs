//! Events, the machine, budgets and health's newer parts over HTTP.

use std::sync::Arc;
use std::time::Duration;

use fettle::config::Role;
use fettle::telemetry::host::{Disk, Look};
use fettle_core::ports::model::{SAMPLED, Sample};
use fettle_core::remediation::record::Severity;
use fettle_core::time::before;
use serde_json::{Value, json};

use crate::support::edge::{Edge, ROLES, Setup};

/// Stores an event with figures, so many minutes ago.
async fn happened(edge: &Edge, event: &'static str, severity: Severity, minutes: u64) {
    let at = before(edge.time.now(), Duration::from_mins(minutes));
    let details = json!({"host": "node-a", "status": "HEALTHY"});
    let id = edge.time.new_id();
    let sample = Sample { id, at, event, severity, details, cpu: 12.5, ram: 50.0, disk: None };
    edge.store.sample(&[sample]).await.expect("stored");
}

fn names(events: &Value) -> Vec<&str> {
    events.as_array().into_iter().flatten().filter_map(|it| it["event"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_listed_newest_first_and_samples_only_by_name() {
    let edge = Setup::default().start().await;
    happened(&edge, "host_stressed", Severity::Warning, 3).await;
    happened(&edge, SAMPLED, Severity::Info, 2).await;
    happened(&edge, "host_recovered", Severity::Info, 1).await;
    let get = async |path: &str| edge.ask("GET", path, None, None).await;
    let (status, all) = get("/api/v1/events").await;
    assert_eq!((status, names(&all)), (200, vec!["host_recovered", "host_stressed"]), "{all}");
    assert_eq!(all[0]["cpu"], json!(12.5));
    assert_eq!(names(&get("/api/v1/events?severity=warning").await.1), ["host_stressed"]);
    assert_eq!(names(&get("/api/v1/events?event=host_sampled").await.1), [SAMPLED]);
    assert_eq!(names(&get("/api/v1/events?limit=1").await.1), ["host_recovered"]);
    let after = all[0]["id"].as_str().expect("an id");
    assert_eq!(names(&get(&format!("/api/v1/events?after={after}")).await.1), ["host_stressed"]);
    for wrong in ["severity=loud", "limit=0", "limit=1001", "after=7", "sevrity=info", "event=a&event=b"] {
        assert_eq!(get(&format!("/api/v1/events?{wrong}")).await.0, 400, "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_machine_is_shown_once_it_was_looked_at_and_its_history_oldest_first() {
    let edge = Setup::default().start().await;
    let get = async |path: &str| edge.ask("GET", path, None, None).await;
    assert_eq!(get("/api/v1/system").await.0, 503, "not looked at yet");
    let disk = Some(Disk { used: 40.0, free_bytes: 12_345_678_901 });
    let look = Look { at: edge.time.now(), host: "node-a".into(), cpu: 91.0, ram: 50.0, disk, uptime_seconds: 7 };
    edge.latest.store(Some(Arc::new(look)));
    let (status, now) = get("/api/v1/system").await;
    assert_eq!((status, &now["status"], &now["host"]), (200, &json!("CRITICAL"), &json!("node-a")), "{now}");
    assert_eq!((&now["cpu"], &now["disk_free_gb"]), (&json!(91.0), &json!(12.34)), "{now}");

    happened(&edge, SAMPLED, Severity::Info, 120).await;
    happened(&edge, SAMPLED, Severity::Info, 30).await;
    let (status, day) = get("/api/v1/system/history").await;
    let rows = day.as_array().expect("a list");
    assert_eq!((status, rows.len()), (200, 2), "{day}");
    assert!(rows[0]["at"].as_str() < rows[1]["at"].as_str(), "{day}");
    assert_eq!(rows[0]["host"], "node-a");
    assert_eq!(get("/api/v1/system/history?hours=1").await.1.as_array().expect("a list").len(), 1);
    for wrong in ["hours=0", "hours=169", "hours=x", "days=1"] {
        assert_eq!(get(&format!("/api/v1/system/history?{wrong}")).await.0, 400, "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_read_may_read_these_and_nobody_else() {
    let edge = Setup::default().tokens().start().await;
    for path in ["/api/v1/events", "/api/v1/system/history", "/api/v1/budgets", "/api/v1/whoami"] {
        assert_eq!(edge.ask("GET", path, None, None).await.0, 401, "{path}");
        for role in ROLES {
            let expected = if role == Role::Sender { 403 } else { 200 };
            assert_eq!(edge.ask("GET", path, None, Some(role)).await.0, expected, "{path} {role:?}");
        }
        assert_eq!(edge.ask("POST", path, Some(json!({})), Some(Role::Admin)).await.0, 405, "{path}");
    }
    let (_, me) = edge.ask("GET", "/api/v1/whoami", None, Some(Role::Analyst)).await;
    assert_eq!(me, json!({"name": "analyst", "role": "analyst"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn budgets_that_nothing_was_spent_of_are_whole() {
    let rules = "version: 1\nrules: [{name: web, match: [a=b], target: {container: web}, steps: [restart]}]";
    let edge = Setup::default().rules(rules).start().await;
    let (status, left) = edge.ask("GET", "/api/v1/budgets", None, None).await;
    assert_eq!(status, 200);
    let of = |rule: Value, scope: &str| {
        let all = left.as_array().expect("a list");
        all.iter().find(|it| it["rule"] == rule && it["scope"] == scope).map(|it| it["remaining"].clone())
    };
    assert_eq!(of(json!("web"), "rule_target"), Some(json!(3)), "{left}");
    assert_eq!((of(json!(null), "fleet"), of(json!(null), "target")), (Some(json!(20)), Some(json!(6))), "{left}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_database_lists_are_503_and_leak_nothing() {
    let edge = Setup::default().without_database().start().await;
    for path in ["/api/v1/events", "/api/v1/system/history", "/api/v1/budgets"] {
        let (status, problem) = edge.ask("GET", path, None, None).await;
        assert_eq!((status, &problem["type"]), (503, &json!("/problems/store-unavailable")), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn health_tells_of_the_disk_and_of_an_alert_that_stays_away() {
    let edge = Setup::default().heartbeat("Watchdog", Duration::ZERO).start().await;
    let (_, disk) = edge.ask("GET", "/api/v1/health/disk", None, None).await;
    assert!(disk["free_gb"].as_f64().is_some_and(|free| free > 0.0), "{disk}");
    let (status, heartbeat) = edge.ask("GET", "/api/v1/health/heartbeat", None, None).await;
    let expected = json!({"status": "degraded", "alertname": "Watchdog", "last_heard_at": null});
    assert_eq!((status, heartbeat), (200, expected));
    let (status, health) = edge.ask("GET", "/api/v1/health", None, None).await;
    assert_eq!((status, &health["status"]), (200, &json!("degraded")), "{health}");
    let issues = health["issues"].to_string();
    assert!(issues.contains("Watchdog, which always fires, is not heard"), "{issues}");

    let quiet = Setup::default().start().await;
    let (status, heartbeat) = quiet.ask("GET", "/api/v1/health/heartbeat", None, None).await;
    assert_eq!((status, &heartbeat["status"]), (200, &json!("healthy")), "none is expected");
}
