//! Administration, health and the reading API.

use std::sync::atomic::Ordering;

use fettle_engine::readiness::Condition;
use serde_json::{Value, json};

use crate::support::edge::{Edge, Setup};
use crate::support::fettle::firing;

async fn got(edge: &Edge, path: &str) -> (u16, Value) {
    let answer = edge.client.get(edge.url(path)).send().await.expect("an answer");
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn ready_says_no_and_why_until_everything_holds() {
    let edge = Setup::default().start().await;
    assert_eq!(got(&edge, "/-/ready").await.0, 200);
    edge.readiness.unmet(Condition::Store, "notifications cannot be stored");
    let (status, problem) = got(&edge, "/-/ready").await;
    assert_eq!((status, &problem["type"]), (503, &json!("/problems/not-ready")));
    assert_eq!(problem["unmet"], json!(["notifications cannot be stored"]));
    assert_eq!(got(&edge, "/-/healthy").await.0, 200, "alive all the same");
    let head = edge.client.head(edge.url("/-/ready")).send().await.expect("an answer");
    assert_eq!(head.status(), 503, "HEAD says the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn health_names_every_part_and_what_is_wrong() {
    let edge = Setup::default().start().await;
    edge.docker.gone.store(true, Ordering::Relaxed);
    let (status, health) = got(&edge, "/api/v1/health").await;
    assert_eq!(status, 200, "without Docker fettle still takes alerts in: {health}");
    insta::assert_json_snapshot!(health, {
        ".timestamp" => "…", ".version" => "…", ".components.database.latency_ms" => "…",
        ".components.disk.free_gb" => "…", ".components.clock.offset_seconds" => "…",
    }, @r#"
    {
      "components": {
        "clock": {
          "offset_seconds": "…",
          "status": "healthy"
        },
        "database": {
          "kind": "sqlite",
          "latency_ms": "…",
          "status": "healthy"
        },
        "disk": {
          "free_gb": "…",
          "status": "healthy"
        },
        "docker": {
          "node-a": {
            "error": "docker_unreachable",
            "status": "unhealthy"
          }
        },
        "heartbeat": {
          "alertname": null,
          "last_heard_at": null,
          "status": "healthy"
        },
        "paused": {
          "pauses": 0
        },
        "rules": {
          "count": 0,
          "status": "degraded"
        },
        "storm": {
          "active": false
        },
        "workers": {
          "status": "healthy"
        }
      },
      "issues": [
        "there are no rules, so nothing will be done",
        "docker host node-a does not answer: docker_unreachable"
      ],
      "status": "degraded",
      "timestamp": "…",
      "version": "…"
    }
    "#);
    let (status, docker) = got(&edge, "/api/v1/health/docker").await;
    assert_eq!((status, &docker["node-a"]["status"]), (503, &json!("unhealthy")), "{docker}");
    assert_eq!(got(&edge, "/api/v1/health/database").await.0, 200);
    assert_eq!(got(&edge, "/api/v1/health/moon").await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_database_health_is_unhealthy_and_metrics_still_answer() {
    let edge = Setup::default().without_database().start().await;
    let (status, health) = got(&edge, "/api/v1/health").await;
    assert_eq!((status, &health["status"]), (503, &json!("unhealthy")), "{health}");
    assert_eq!(got(&edge, "/api/v1/health/database").await.0, 503);
    let metrics = edge.client.get(edge.url("/metrics")).send().await.expect("an answer").text().await.expect("text");
    assert!(metrics.lines().any(|line| line == "fettle_store_up 0"), "{metrics}");
    let (status, problem) = got(&edge, "/api/v1/remediations").await;
    assert_eq!((status, &problem["type"]), (503, &json!("/problems/store-unavailable")));
    let text = problem.to_string();
    assert!(!text.contains("sqlite") && !text.contains("pool"), "nothing of the inside shows: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scrape_asks_the_database_first() {
    let edge = Setup::default().start().await;
    let metrics = edge.client.get(edge.url("/metrics")).send().await.expect("an answer").text().await.expect("text");
    for line in [
        "fettle_store_up 1",
        "fettle_intake_queue 0",
        r#"fettle_remediations_open{state="running"} 0"#,
        "fettle_paused 0",
        "fettle_storm 0",
        r#"fettle_budget_remaining{rule="",scope="fleet"} 20"#,
        r#"fettle_budget_remaining{rule="",scope="target"} 6"#,
    ] {
        assert!(metrics.lines().any(|it| it == line), "{line} is not in\n{metrics}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_arrays_and_alerts_are_counted_when_they_are_stored() {
    let edge = Setup::default().start().await;
    for path in ["/api/v1/remediations", "/api/v1/actions", "/api/v1/alerts", "/api/v1/rules"] {
        assert_eq!(got(&edge, path).await, (200, json!([])), "{path}");
    }
    let body = firing(&[("alertname", "Down")]);
    edge.client.post(edge.url("/webhook")).json(&body).send().await.expect("an answer");
    assert!(edge.counted(r#"fettle_alerts_total{status="firing"} 1"#));
    assert!(edge.counted("fettle_intake_duration_seconds_count 1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parameter_that_does_not_read_is_named() {
    let edge = Setup::default().start().await;
    for (path, parameter) in [
        ("/api/v1/remediations?state=mending", "state"),
        ("/api/v1/remediations?limit=0", "limit"),
        ("/api/v1/remediations?stat=open", "stat"),
        ("/api/v1/remediations?after=yesterday", "after"),
        ("/api/v1/actions?result=good", "result"),
        ("/api/v1/actions?remediation=7", "remediation"),
        ("/api/v1/actions?limit=5&limit=6", "limit"),
        ("/api/v1/alerts?status=pending", "status"),
        ("/api/v1/alerts?rule=x", "rule"),
    ] {
        let (status, problem) = got(&edge, path).await;
        assert_eq!((status, &problem["parameter"]), (400, &json!(parameter)), "{path}: {problem}");
    }
    assert_eq!(
        got(&edge, "/api/v1/remediations?state=open&rule=a&target=container%3Alocal%2Fx&limit=1000").await.0,
        200
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_a_404_with_a_problem() {
    let edge = Setup::default().start().await;
    for path in [
        "/nowhere",
        "/webhook/",
        "/api/v1",
        "/api/v1/nothing",
        "/api/v1/remediations/7",
        "/api/v1/remediations/0197d1f0-5c1e-7c3a-9a52-3d1f6f0c8b11",
        "/../etc/passwd",
    ] {
        let (status, problem) = got(&edge, path).await;
        assert_eq!((status, &problem["type"]), (404, &json!("/problems/not-found")), "{path}: {problem}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_says_how_many_rules_there_are_or_every_problem() {
    let edge = Setup::default().start().await;
    let reload = async || {
        let answer = edge.client.post(edge.url("/-/reload")).json(&json!({})).send().await.expect("an answer");
        (answer.status().as_u16(), answer.json::<Value>().await.expect("JSON"))
    };
    let (status, loaded) = reload().await;
    assert_eq!((status, &loaded["rules"], &loaded["warnings"][0]["code"]), (200, &json!(3), &json!("F101")));
    edge.reload.broken.store(true, Ordering::Relaxed);
    let (status, problem) = reload().await;
    assert_eq!((status, &problem["type"]), (500, &json!("/problems/rules-refused")));
    assert_eq!(problem["errors"][0]["file"], "rules/web.yaml");
    for member in ["code", "severity", "file", "line", "column", "message", "help"] {
        assert!(problem["errors"][0].get(member).is_some(), "{member}: {problem}");
    }
}
