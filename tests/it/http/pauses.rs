//! Pauses: given, listed, shown and ended.

use fettle::config::Role;
use serde_json::{Value, json};

use crate::support::edge::{Edge, Setup};

const RULES: &str = "
version: 1
rules:
  - name: web-restart
    match: ['alertname=\"ServiceDown\"']
    target: {container: $labels.service, allow: [web]}
    steps: [restart]
";

async fn pause(edge: &Edge, body: Value) -> (u16, Value) {
    edge.ask("POST", "/api/v1/pause", Some(body), None).await
}

async fn standing(edge: &Edge) -> Vec<Value> {
    edge.ask("GET", "/api/v1/pause", None, None).await.1.as_array().cloned().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_is_given_listed_shown_and_ended_once() {
    let edge = Setup::default().rules(RULES).start().await;
    let (status, all) = pause(&edge, json!({"reason": "moving the database", "for": "2h"})).await;
    assert_eq!((status, &all["scope"], &all["by"]), (201, &json!("all"), &json!("anonymous")), "{all}");
    let (status, rule) = pause(&edge, json!({"reason": "it crashes", "rule": "web-restart"})).await;
    assert_eq!((status, &rule["rule"], &rule["until"]), (201, &json!("web-restart"), &json!(null)), "{rule}");
    let until = "2999-01-31T12:00:00Z";
    let (status, target) =
        pause(&edge, json!({"reason": "look", "target": "compose:node-a/shop/web", "until": until})).await;
    assert_eq!((status, &target["target"], &target["until"]), (201, &json!("compose:node-a/shop/web"), &json!(until)));
    assert_eq!(standing(&edge).await, [target.clone(), rule.clone(), all.clone()], "newest first");

    let (_, health) = edge.ask("GET", "/api/v1/health/paused", None, None).await;
    assert_eq!(health, json!({"pauses": 3}));
    let scrape = edge.client.get(edge.url("/metrics")).send().await.expect("an answer").text().await.expect("text");
    assert!(scrape.lines().any(|line| line == "fettle_paused 3"), "{scrape}");

    let path = format!("/api/v1/pause/{}", all["id"].as_str().expect("an id"));
    assert_eq!(edge.ask("DELETE", &path, Some(json!({})), None).await.0, 204);
    assert_eq!(edge.woken.times(), 1);
    assert_eq!(edge.ask("DELETE", &path, Some(json!({})), None).await.0, 404, "it is over");
    assert_eq!(standing(&edge).await, [target, rule]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_that_cannot_be_meant_is_refused_with_what_is_wrong() {
    let edge = Setup::default().rules(RULES).start().await;
    let reason = "r";
    let mut said = Vec::new();
    for body in [
        json!({}),
        json!({"reason": " "}),
        json!({"reason": "x".repeat(501)}),
        json!({"reason": reason, "rule": "web-restrat"}),
        json!({"reason": reason, "rule": "nothing-like-it"}),
        json!({"reason": reason, "target": "web"}),
        json!({"reason": reason, "target": "container:node-z/web"}),
        json!({"reason": reason, "target": "container:local/?"}),
        json!({"reason": reason, "target": "container:local/../etc"}),
        json!({"reason": reason, "rule": "web-restart", "target": "container:local/web"}),
        json!({"reason": reason, "for": "2"}),
        json!({"reason": reason, "until": "2020-01-01T00:00:00Z"}),
        json!({"reason": reason, "for": "2h", "until": "2999-01-01T00:00:00Z"}),
        json!({"reason": reason, "forr": "2h"}),
    ] {
        let (status, problem) = pause(&edge, body.clone()).await;
        assert_eq!(status, 400, "{body}: {problem}");
        said.push(problem["detail"].as_str().unwrap_or_default().to_owned());
    }
    insta::assert_snapshot!(said.join("\n"), @r#"
    reason is missing: say why, for whoever finds it at night
    reason is missing: say why, for whoever finds it at night
    reason has more than 500 characters
    rule names no rule in force; did you mean web-restart?
    rule names no rule in force
    target does not read: a target is written container:HOST/NAME, compose:HOST/PROJECT/SERVICE, swarm:HOST/SERVICE or disk:HOST/NAME, not "web"
    target is on an unknown host; known are local, node-a
    target names nothing: `?` stands for what could not be named
    target does not read: a target is written container:HOST/NAME, compose:HOST/PROJECT/SERVICE, swarm:HOST/SERVICE or disk:HOST/NAME, not "container:local/../etc"
    target is given beside rule: pause one of them
    for does not read: "2" has no unit; write 2s for seconds
    until is over already
    until is given beside for: say one of them
    unknown field `forr`, expected one of `reason`, `rule`, `target`, `for`, `until` at line 1 column 7
    "#);
    assert_eq!(standing(&edge).await, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_sees_pauses_and_gives_or_ends_none() {
    let edge = Setup::default().tokens().start().await;
    let body = json!({"reason": "r"});
    assert_eq!(edge.ask("POST", "/api/v1/pause", Some(body.clone()), Some(Role::Viewer)).await.0, 403);
    let (status, made) = edge.ask("POST", "/api/v1/pause", Some(body), Some(Role::Admin)).await;
    assert_eq!((status, &made["by"]), (201, &json!("admin")));
    let path = format!("/api/v1/pause/{}", made["id"].as_str().expect("an id"));
    assert_eq!(edge.ask("DELETE", &path, Some(json!({})), Some(Role::Viewer)).await.0, 403);
    assert_eq!(edge.ask("DELETE", &path, None, Some(Role::Admin)).await.0, 415, "a page could send it without");
    let (status, found) = edge.ask("GET", "/api/v1/pause", None, Some(Role::Viewer)).await;
    assert_eq!((status, found), (200, json!([made])));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_database_nothing_is_paused_and_health_does_not_pretend_to_know() {
    let edge = Setup::default().without_database().start().await;
    assert_eq!(pause(&edge, json!({"reason": "r"})).await.0, 503);
    assert_eq!(edge.ask("GET", "/api/v1/pause", None, None).await.0, 503);
    let (status, paused) = edge.ask("GET", "/api/v1/health/paused", None, None).await;
    assert_eq!((status, paused), (503, json!(null)));
}
