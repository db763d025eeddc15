//! What would be done and what could be, over HTTP: told to who may ask, and nothing is stored.

use fettle::config::{Limits, Role};
use fettle_core::ports::view::{AlertFilter, RemediationFilter};
use serde_json::{Value, json};

use super::proposals::waiting;
use crate::support::edge::{Edge, Setup};
use crate::support::fettle::{all_firing, firing};

const RULES: &str = r#"
version: 1
rules:
  - {name: other, match: ['alertname="Other"'], target: {container: other, host: local}, steps: [restart]}
  - {name: web, match: ['alertname="Down"'], target: {container: $labels.service, host: local, allow: [web]}, steps: [restart]}
"#;

async fn edge() -> Edge {
    Setup::default().tokens().rules(RULES).start().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_explanation_names_the_rule_the_plan_and_every_guard_and_stores_nothing() {
    let edge = edge().await;
    let body = firing(&[("alertname", "Down"), ("service", "web")]);
    let (status, said) = edge.ask("POST", "/api/v1/explain", Some(body), Some(Role::Analyst)).await;
    assert_eq!(status, 200, "{said}");
    let alert = &said["alerts"][0];
    assert_eq!(alert["rules"][0]["matcher"], r#"alertname="Other""#);
    assert_eq!((&alert["rules"][0]["says"], &alert["rules"][1]["says"]), (&json!("no"), &json!("yes")));
    let effort = &alert["efforts"][0];
    assert_eq!((&effort["standing"], &effort["target"]), (&json!("new"), &json!("container:local/web")));
    let says = |guard: &str| {
        let all = effort["guards"].as_array().expect("guards");
        all.iter().find(|it| it["guard"] == guard).map(|it| it["says"].clone())
    };
    // The edge's Docker answers nothing but pings, its database is a real one.
    assert_eq!((said["asked"]["database"].as_str(), says("paused")), (Some("asked"), Some(json!("passes"))));
    assert!(said["asked"]["docker"].as_str().is_some_and(|it| it.contains("unreachable")), "{said}");
    assert_eq!(says("not_enabled"), Some(json!("not_asked")));
    assert_eq!(edge.stored().await, 0, "not even the inbox is touched");
    let stored = edge.store.remediations(&RemediationFilter { limit: 10, ..RemediationFilter::default() }).await;
    assert_eq!(stored.expect("a list"), []);
    let alerts = edge.store.alerts(&AlertFilter { status: None, limit: 10 }).await;
    assert_eq!(alerts.expect("a list"), []);
    assert_eq!(edge.woken.times(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_alerts_of_one_target_are_one_effort() {
    let edge = edge().await;
    let one = |n| vec![("alertname", "Down"), ("service", "web"), ("n", n)];
    let (status, said) =
        edge.ask("POST", "/api/v1/explain", Some(all_firing(&[one("1"), one("2")])), Some(Role::Admin)).await;
    assert_eq!(status, 200, "{said}");
    let standing = |at: usize| said["alerts"][at]["efforts"][0]["standing"].clone();
    assert_eq!((standing(0), standing(1)), (json!("new"), json!("new")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_no_notification_is_refused_with_its_place_and_a_large_one_by_its_size() {
    let edge = Setup::default().limits(Limits { body_bytes: 2000, ..Limits::default() }).start().await;
    let (status, problem) = edge.ask("POST", "/api/v1/explain", Some(json!({"version": "4"})), None).await;
    assert_eq!((status, &problem["type"]), (400, &json!("/problems/malformed-notification")), "{problem}");
    assert!(problem["path"].is_string());
    let large = json!({"version": "4", "alerts": [], "receiver": "x".repeat(3000)});
    let (status, problem) = edge.ask("POST", "/api/v1/explain", Some(large), None).await;
    assert_eq!((status, &problem["type"]), (413, &json!("/problems/payload-too-large")), "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_story_tells_what_an_open_remediation_is_about_to_do() {
    let edge = edge().await;
    let remediation = waiting(&edge, "web", std::time::Duration::from_mins(5)).await;
    let path = format!("/api/v1/remediations/{}", remediation.id);
    let (status, story) = edge.ask("GET", &path, None, Some(Role::Viewer)).await;
    assert_eq!(status, 200, "{story}");
    let now = &story["now"];
    assert_eq!((&now["standing"], &now["state"]), (&json!("attached"), &json!("awaiting_approval")), "{now:#}");
    assert!(now["guards"].as_array().is_some_and(|all| all.len() >= 20), "{now:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn reach_names_the_hosts_that_could_not_be_asked() {
    let edge = edge().await;
    let (status, said) = edge.ask("GET", "/api/v1/reach", None, Some(Role::Viewer)).await;
    assert_eq!(status, 200, "{said}");
    assert_eq!(said["rules"][1]["allow"], json!(["web"]));
    assert_eq!(said["inventory"]["hosts"][0]["host"], "node-a");
    let error: &Value = &said["inventory"]["hosts"][0]["error"];
    assert!(error.as_str().is_some_and(|it| it.contains("unreachable")), "{said}");
}
