//! Orders by hand and self-healing over HTTP, without an engine behind it: what is understood, what is refused, and what is
//! told when nobody carries it out.

use fettle::config::Role;
use serde_json::{Value, json};

use super::proposals::waiting;
use crate::support::edge::{Edge, ROLES, Setup};
use crate::support::wait;

async fn order(edge: &Edge, body: Value) -> (u16, Value) {
    edge.ask("POST", "/api/v1/actions", Some(body), None).await
}

fn kind(problem: &Value) -> &str {
    problem["type"].as_str().and_then(|it| it.strip_prefix("/problems/")).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_no_rule_could_say_is_400_and_nothing_is_stored() {
    let edge = Setup::default().start().await;
    let web = "container:local/web";
    let mut said = Vec::new();
    for body in [
        json!({}),
        json!({"action": "restart"}),
        json!({"action": 7, "target": web}),
        json!({"action": "reboot", "target": web}),
        json!({"action": "escalate", "target": web}),
        json!({"action": "restart", "target": "web"}),
        json!({"action": "restart", "target": "container:local/../etc"}),
        json!({"action": "restart", "target": "container:local/?"}),
        json!({"action": "restart", "target": "container:nowhere/web"}),
        json!({"action": "restart", "target": web, "grase": "5s"}),
        json!({"action": "restart", "target": web, "grace": "soon"}),
        json!({"action": "scale_down", "target": web}),
        json!({"action": "clean_logs", "target": web, "roots": ["/"], "files": ["*.log"]}),
        json!({"action": "prune", "target": "disk:local/nowhere", "images": true}),
    ] {
        let (status, problem) = order(&edge, body.clone()).await;
        assert_eq!((status, kind(&problem)), (400, "invalid-parameter"), "{body}: {problem}");
        said.push(problem["detail"].as_str().unwrap_or_default().to_owned());
    }
    insta::assert_snapshot!(said.join("\n"));
    let (_, all) = edge.ask("GET", "/api/v1/remediations", None, None).await;
    assert_eq!(all, json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_admin_orders_and_heals() {
    let edge = Setup::default().tokens().start().await;
    for path in ["/api/v1/actions", "/api/v1/self-heal"] {
        let body = if path.ends_with("heal") { json!({}) } else { json!({"action": "reboot", "target": "x"}) };
        assert_eq!(edge.ask("POST", path, Some(body.clone()), None).await.0, 401, "{path}");
        for role in ROLES.into_iter().filter(|&role| role != Role::Admin) {
            assert_eq!(edge.ask("POST", path, Some(body.clone()), Some(role)).await.0, 403, "{path} {role:?}");
        }
        assert_eq!(
            edge.ask("POST", path, None, Some(Role::Admin)).await.0,
            415,
            "{path}: a page could send it without"
        );
        assert_eq!(edge.ask("DELETE", path, Some(json!({})), Some(Role::Admin)).await.0, 405, "{path}");
    }
    let (status, healed) = edge.ask("POST", "/api/v1/self-heal", Some(json!({})), Some(Role::Admin)).await;
    assert_eq!((status, healed), (200, json!({"result": "no action needed", "remediations": []})));
    let (_, events) = edge.ask("GET", "/api/v1/events", None, Some(Role::Viewer)).await;
    assert_eq!((&events[0]["event"], &events[0]["details"]["by"]), (&json!("self_heal"), &json!("admin")), "{events}");
    assert_eq!(edge.ask("POST", "/api/v1/self-heal", Some(json!({"now": true})), Some(Role::Admin)).await.0, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_for_a_target_that_is_being_worked_on_is_409_and_on_record() {
    let edge = Setup::default().start().await;
    let open = waiting(&edge, "web", std::time::Duration::from_mins(5)).await;
    let (status, problem) = order(&edge, json!({"action": "restart", "target": "container:local/web"})).await;
    assert_eq!((status, kind(&problem), &problem["guard"]), (409, "refused", &json!("in_flight")), "{problem}");
    assert!(problem["detail"].as_str().is_some_and(|it| it.contains("rule web is at work on it")), "{problem}");
    let path = format!("/api/v1/remediations/{}", problem["remediation"].as_str().expect("an id"));
    let (_, story) = edge.ask("GET", &path, None, None).await;
    assert_eq!((&story["outcome"], &story["rule"]), (&json!("refused"), &json!("by-hand")), "{story}");
    assert_eq!(
        (&story["action_rows"][0]["actor"], story["timeline"][0]["what"].as_str()),
        (&json!("anonymous"), Some("restart ordered by anonymous"))
    );
    let (_, other) = edge.ask("GET", &format!("/api/v1/remediations/{}", open.id), None, None).await;
    assert_eq!(other["state"], "awaiting_approval", "untouched");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_stored_before_it_is_done_and_504_names_it_when_nobody_finishes_it() {
    let edge = Setup::default().start().await;
    let ordered = order(&edge, json!({"action": "restart", "target": "container:local/web", "grace": "5s"}));
    // The process is told to stop while somebody waits: the same answer as after 30 s.
    let stopped = async {
        wait::until("the order is stored", std::time::Duration::from_secs(20), async || {
            let (_, all) = edge.ask("GET", "/api/v1/remediations?state=held", None, None).await;
            if all[0]["rule"] == "by-hand" { Ok(()) } else { Err(all.to_string()) }
        })
        .await;
        edge.stop.cancel();
    };
    let ((status, problem), ()) = tokio::join!(ordered, stopped);
    assert_eq!((status, kind(&problem)), (504, "still-running"), "{problem}");
    let (_, all) = edge.ask("GET", "/api/v1/remediations?state=held", None, None).await;
    assert_eq!(all[0]["id"], problem["remediation"], "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_database_nothing_is_ordered_or_healed() {
    let edge = Setup::default().without_database().start().await;
    let (status, problem) = order(&edge, json!({"action": "restart", "target": "container:local/web"})).await;
    assert_eq!((status, kind(&problem)), (503, "not-stored"), "{problem}");
    assert_eq!(edge.ask("POST", "/api/v1/self-heal", Some(json!({})), None).await.0, 503);
}
