//! Who may do what, on every route.

use actix_web::http::Method;
use fettle::config::Role;
use serde_json::{Value, json};

use crate::support::edge::{Edge, ROLES, Setup, token};
use crate::support::fettle::firing;

/// Every route with who may use it; nobody named: open to all.
const ROUTES: [(&str, &str, &[Role]); 35] = [
    ("POST", "/webhook", &[Role::Sender, Role::Admin]),
    ("GET", "/-/healthy", &[]),
    ("GET", "/-/ready", &[]),
    ("GET", "/api/v1/health", &[]),
    ("GET", "/api/v1/health/database", &[]),
    ("POST", "/-/reload", &[Role::Admin]),
    ("GET", "/metrics", &[Role::Viewer, Role::Analyst, Role::Admin]),
    ("GET", "/api/v1/remediations", &[Role::Viewer, Role::Analyst, Role::Admin]),
    ("GET", "/api/v1/remediations/0197d1f0-5c1e-7c3a-9a52-3d1f6f0c8b11", &[Role::Viewer, Role::Analyst, Role::Admin]),
    ("GET", "/api/v1/actions", &[Role::Viewer, Role::Analyst, Role::Admin]),
    ("GET", "/api/v1/alerts", &[Role::Viewer, Role::Analyst, Role::Admin]),
    ("GET", "/api/v1/rules", &[Role::Viewer, Role::Analyst, Role::Admin]),
    ("POST", "/api/v1/remediations/0197d1f0-5c1e-7c3a-9a52-3d1f6f0c8b11/approve", &[Role::Admin]),
    ("POST", "/api/v1/remediations/0197d1f0-5c1e-7c3a-9a52-3d1f6f0c8b11/reject", &[Role::Admin]),
    ("POST", "/api/v1/remediations/0197d1f0-5c1e-7c3a-9a52-3d1f6f0c8b11/cancel", &[Role::Admin]),
    ("GET", "/api/v1/pause", &[Role::Viewer, Role::Analyst, Role::Admin]),
    ("POST", "/api/v1/pause", &[Role::Admin]),
    ("DELETE", "/api/v1/pause/0197d1f0-5c1e-7c3a-9a52-3d1f6f0c8b11", &[Role::Admin]),
    ("POST", "/api/v1/explain", &[Role::Analyst, Role::Admin]),
    ("GET", "/api/v1/reach", &[Role::Viewer, Role::Analyst, Role::Admin]),
    ("GET", "/api/v1/breakers", &[Role::Viewer, Role::Analyst, Role::Admin]),
    ("POST", "/api/v1/breakers/web/reset", &[Role::Admin]),
    ("POST", "/api/v1/clock/reset", &[Role::Admin]),
    ("GET", "/api/v1/events", &[Role::Viewer, Role::Analyst, Role::Admin]),
    ("GET", "/api/v1/system", &[Role::Viewer, Role::Analyst, Role::Admin]),
    ("GET", "/api/v1/system/history", &[Role::Viewer, Role::Analyst, Role::Admin]),
    ("GET", "/api/v1/budgets", &[Role::Viewer, Role::Analyst, Role::Admin]),
    ("GET", "/api/v1/whoami", &[Role::Viewer, Role::Analyst, Role::Admin]),
    ("POST", "/api/v1/actions", &[Role::Admin]),
    ("POST", "/api/v1/self-heal", &[Role::Admin]),
    ("GET", "/", &[]),
    ("GET", "/app.js", &[]),
    ("GET", "/style.css", &[]),
    ("GET", "/icon.svg", &[]),
    ("GET", "/openapi.json", &[]),
];

fn method(name: &str) -> reqwest::Method {
    name.parse().expect("a method")
}

async fn asked(edge: &Edge, verb: &str, path: &str, bearer: Option<&str>) -> (u16, Value) {
    let mut request = edge.client.request(method(verb), edge.url(path));
    if verb != "GET" {
        request = request.json(&firing(&[("alertname", "Down")]));
    }
    if let Some(bearer) = bearer {
        request = request.bearer_auth(bearer);
    }
    let answer = request.send().await.expect("an answer");
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_lets_in_the_roles_of_the_contract_and_no_others() {
    let edge = Setup::default().tokens().start().await;
    for (verb, path, who) in ROUTES {
        let passes = |status: u16| !matches!(status, 401 | 403 | 405 | 415);
        let (status, problem) = asked(&edge, verb, path, None).await;
        assert_eq!(status == 401, !who.is_empty(), "{verb} {path} without a token: {status} {problem}");
        let (status, _) = asked(&edge, verb, path, Some("nobodys")).await;
        assert_eq!(status == 401, !who.is_empty(), "{verb} {path} with a wrong token: {status}");
        for role in ROLES {
            let (status, problem) = asked(&edge, verb, path, Some(&token(role))).await;
            let may = who.is_empty() || who.contains(&role);
            assert_eq!(passes(status), may, "{verb} {path} as {role:?}: {status} {problem}");
            assert_eq!(status == 403, !may, "{verb} {path} as {role:?}: {status} {problem}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_refuses_other_methods_and_names_the_right_ones() {
    let edge = Setup::default().tokens().start().await;
    for (_, path, _) in ROUTES {
        let verbs: Vec<&str> = ROUTES.iter().filter(|(_, it, _)| *it == path).map(|(verb, ..)| *verb).collect();
        let named: Vec<&str> = verbs.iter().map(|&verb| if verb == "GET" { "GET, HEAD" } else { verb }).collect();
        for other in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
            if verbs.contains(&other) || (verbs.contains(&"GET") && other == "HEAD") {
                continue;
            }
            let answer = edge.client.request(method(other), edge.url(path)).send().await.expect("an answer");
            assert_eq!(answer.status(), 405, "{other} {path}");
            assert_eq!(answer.headers()["allow"], named.join(", "), "{other} {path}");
        }
    }
    assert!(edge.counted(r#"fettle_notifications_total{code="405",sender="unknown"} 6"#));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_sender_is_counted_under_its_own_name() {
    let edge = Setup::default().tokens().start().await;
    asked(&edge, "POST", "/webhook", Some(&token(Role::Viewer))).await;
    asked(&edge, "POST", "/webhook", Some(&token(Role::Sender))).await;
    asked(&edge, "POST", "/webhook", None).await;
    for line in [
        r#"fettle_notifications_total{code="403",sender="viewer"} 1"#,
        r#"fettle_notifications_total{code="202",sender="sender"} 1"#,
        r#"fettle_notifications_total{code="401",sender="unknown"} 1"#,
    ] {
        assert!(edge.counted(line), "{line}");
    }
    assert_eq!(edge.stored().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn alertmanagers_basic_auth_is_a_token_too() {
    let edge = Setup::default().tokens().start().await;
    let body = firing(&[("alertname", "Down")]);
    for (password, status) in [(Some(token(Role::Sender)), 202), (Some("wrong".to_owned()), 401), (None, 401)] {
        let request = edge.client.post(edge.url("/webhook")).basic_auth("alertmanager", password).json(&body);
        assert_eq!(request.send().await.expect("an answer").status(), status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_401_asks_for_a_token_and_repeats_nothing() {
    let edge = Setup::default().tokens().start().await;
    let answer = edge.client.get(edge.url("/api/v1/actions")).bearer_auth("hunter2").send().await.expect("an answer");
    assert_eq!(answer.headers()["www-authenticate"], "Bearer");
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    let text = answer.text().await.expect("text");
    assert!(!text.contains("hunter2"), "{text}");
    let problem: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((&problem["type"], &problem["status"]), (&json!("/problems/unauthorized"), &json!(401)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_posted_says_that_it_is_json() {
    let edge = Setup::default().start().await;
    let body = firing(&[("alertname", "Down")]).to_string();
    for (content_type, status) in [
        (Some("application/json"), 202),
        (Some("application/json; charset=utf-8"), 202),
        (Some("text/plain"), 415),
        (Some("application/x-www-form-urlencoded"), 415),
        (None, 415),
    ] {
        let mut request = edge.client.post(edge.url("/webhook")).body(body.clone());
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        assert_eq!(request.send().await.expect("an answer").status(), status, "{content_type:?}");
    }
    let compressed = edge.client.post(edge.url("/webhook")).header("content-encoding", "gzip");
    let answer = compressed.header("content-type", "application/json").body(body).send().await.expect("an answer");
    assert_eq!(answer.status(), 415, "compressed");
    assert_eq!(edge.stored().await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tokens_no_web_page_and_no_other_machine_is_let_in() {
    let edge = Setup::default().start().await;
    let body = firing(&[("alertname", "Down")]);
    for (host, origin, status) in [
        (None, None, 202),
        (Some("localhost:9876"), None, 202),
        (Some("[::1]:9876"), None, 202),
        (Some("rebound.example:9876"), None, 403),
        (Some("10.0.0.7"), None, 403),
        (None, Some("https://evil.example"), 403),
        (None, Some("null"), 403),
    ] {
        let mut request = edge.client.post(edge.url("/webhook")).json(&body);
        for (name, value) in [("host", host), ("origin", origin)] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), status, "Host {host:?}, Origin {origin:?}");
    }
    let rebound = edge.client.get(edge.url("/api/v1/actions")).header("host", "rebound.example");
    assert_eq!(rebound.send().await.expect("an answer").status(), 403, "a page may not read through a rebound name");
    let reload = edge.client.request(method(Method::POST.as_str()), edge.url("/-/reload")).json(&json!({}));
    let answer = reload.header("origin", "https://evil.example").send().await.expect("an answer");
    assert_eq!(answer.status(), 403, "a page may not press the buttons");
    assert_eq!(edge.stored().await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_open_when_the_configuration_says_so() {
    let edge = Setup::default().tokens().metrics_open().start().await;
    let answer = edge.client.get(edge.url("/metrics")).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    assert!(answer.text().await.expect("text").contains("fettle_build_info"));
}
