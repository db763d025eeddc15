//! What people answer, and what they are told when it does not count.

use std::time::Duration;

use fettle::config::Role;
use fettle_core::remediation::state::StateName;
use fettle_core::surroundings::AnswerKind;
use serde_json::{Value, json};

use super::proposals::{late, plan_of, waiting};
use crate::support::edge::{Edge, Setup, token};

const SOON: Duration = Duration::from_mins(10);

async fn answer(edge: &Edge, id: uuid::Uuid, what: &str, body: Value) -> (u16, Value) {
    edge.ask("POST", &format!("/api/v1/remediations/{id}/{what}"), Some(body), Some(Role::Admin)).await
}

fn kind(problem: &Value) -> &str {
    problem["type"].as_str().and_then(|it| it.strip_prefix("/problems/")).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_shows_its_plan_and_an_approval_of_exactly_that_counts_once() {
    let edge = Setup::default().tokens().start().await;
    let remediation = waiting(&edge, "web", SOON).await;
    let (id, plan) = (remediation.id, plan_of(&remediation));
    let path = format!("/api/v1/remediations/{id}");
    let (status, story) = edge.ask("GET", &path, None, Some(Role::Viewer)).await;
    assert_eq!((status, &story["proposal"]["plan"]), (200, &json!(plan)), "{story:#}");
    for member in ["action", "parameters", "effect", "why", "asked_at", "until"] {
        assert!(!story["proposal"][member].is_null(), "{member}: {story:#}");
    }

    let (status, taken) = answer(&edge, id.into(), "approve", json!({"plan": plan})).await;
    assert_eq!((status, &taken["by"], &taken["plan"]), (202, &json!("admin"), &json!(plan)), "{taken}");
    assert_eq!(edge.woken.times(), 1, "the worker need not wait for its next look");
    let (_, story) = edge.ask("GET", &path, None, Some(Role::Viewer)).await;
    let told = story["timeline"].as_array().and_then(|all| all.last()).cloned().unwrap_or_default();
    assert_eq!((&told["what"], &told["detail"]["plan"]), (&json!("approved by admin"), &json!(plan)), "{story:#}");

    let (status, problem) = answer(&edge, id.into(), "approve", json!({"plan": plan})).await;
    assert_eq!((status, kind(&problem)), (409, "plan-used"), "{problem}");
    let (status, problem) = answer(&edge, id.into(), "reject", json!({})).await;
    assert_eq!((status, kind(&problem)), (409, "plan-used"), "{problem}");
    assert_eq!(edge.woken.times(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_that_the_engine_finds_is_what_was_said_and_by_whom() {
    let edge = Setup::default().start().await;
    let remediation = waiting(&edge, "web", SOON).await;
    let plan = plan_of(&remediation);
    let path = format!("/api/v1/remediations/{}/reject", remediation.id);
    // Without tokens, on loopback; without a plan: what is proposed now.
    assert_eq!(edge.ask("POST", &path, Some(json!({})), None).await.0, 202);
    let now = edge.time.now();
    let ask = fettle_core::ports::model::FactsAsk {
        remediation: remediation.id,
        rule: "web".into(),
        unproven_since: now,
        target: remediation.target.to_string(),
        key: None,
        unless: Vec::new(),
        unless_since: now,
        now,
    };
    let found = edge.store.work().facts(&ask).await.expect("facts").surroundings.answer.expect("an answer");
    assert_eq!((found.kind, found.plan, &*found.by), (AnswerKind::Reject, Some(plan), "anonymous"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_cannot_count_says_why_by_its_type() {
    let edge = Setup::default().tokens().start().await;
    let remediation = waiting(&edge, "web", SOON).await;
    let over = late(&edge, "db").await;
    let nobody = uuid::Uuid::now_v7();
    for (id, what, body, status, name) in [
        (remediation.id, "approve", json!({}), 400, "invalid-parameter"),
        (remediation.id, "approve", json!({"plan": " "}), 400, "invalid-parameter"),
        (remediation.id, "approve", json!({"plan": 7}), 400, "malformed-body"),
        (remediation.id, "approve", json!({"plam": "x"}), 400, "malformed-body"),
        (remediation.id, "approve", json!([]), 400, "malformed-body"),
        (remediation.id, "approve", json!({"plan": "of something else"}), 409, "plan-changed"),
        (remediation.id, "reject", json!({"plan": "of something else"}), 409, "plan-changed"),
        (remediation.id, "cancel", json!({"reason": ""}), 400, "invalid-parameter"),
        (over.id, "approve", json!({"plan": plan_of(&over)}), 409, "plan-timed-out"),
        (nobody.into(), "approve", json!({"plan": "x"}), 404, "not-found"),
        (nobody.into(), "reject", json!({}), 404, "not-found"),
        (nobody.into(), "cancel", json!({}), 404, "not-found"),
    ] {
        let (found, problem) = answer(&edge, id.into(), what, body.clone()).await;
        assert_eq!((found, kind(&problem)), (status, name), "{what} {body}: {problem}");
        assert_eq!(problem["status"], json!(status));
    }
    let (status, problem) =
        edge.ask("POST", "/api/v1/remediations/7/approve", Some(json!({"plan": "x"})), Some(Role::Admin)).await;
    assert_eq!((status, kind(&problem)), (404, "not-found"));
    assert_eq!(edge.woken.times(), 0, "nothing was stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_needs_no_plan_and_its_reason_is_in_the_story() {
    let edge = Setup::default().tokens().start().await;
    let remediation = waiting(&edge, "web", SOON).await;
    let (status, taken) = answer(&edge, remediation.id.into(), "cancel", json!({"reason": "moved by hand"})).await;
    assert_eq!((status, &taken["answer"], edge.woken.times()), (202, &json!("cancel"), 1), "{taken}");
    let story = edge.store.story(remediation.id).await.expect("read").expect("it is there");
    let told = story.timeline.last().expect("a line");
    assert_eq!((&*told.what, &*told.state), ("cancelled by admin", StateName::AwaitingApproval.as_str()));
    assert_eq!(told.detail["reason"], "moved by hand");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_admin_answers_and_only_in_json() {
    let edge = Setup::default().tokens().start().await;
    let remediation = waiting(&edge, "web", SOON).await;
    let (path, plan) = (format!("/api/v1/remediations/{}/approve", remediation.id), plan_of(&remediation));
    for role in [Role::Sender, Role::Viewer, Role::Analyst] {
        let (status, problem) = edge.ask("POST", &path, Some(json!({"plan": plan})), Some(role)).await;
        assert_eq!((status, kind(&problem)), (403, "forbidden"), "{role:?}");
    }
    let form = edge.client.post(edge.url(&path)).bearer_auth(token(Role::Admin)).body(format!("plan={plan}"));
    assert_eq!(form.send().await.expect("an answer").status(), 415);
    let (status, _) = answer(&edge, remediation.id.into(), "approve", json!({"plan": "x".repeat(20_000)})).await;
    assert_eq!(status, 413, "nobody has such a plan");
    assert_eq!(edge.woken.times(), 0);
    assert_eq!(
        answer(&edge, remediation.id.into(), "approve", json!({"plan": plan})).await.0,
        202,
        "none of that used it up"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_database_an_answer_is_not_taken() {
    let edge = Setup::default().without_database().start().await;
    let path = "/api/v1/remediations/0197d1f0-5c1e-7c3a-9a52-3d1f6f0c8b11/approve";
    let (status, problem) = edge.ask("POST", path, Some(json!({"plan": "x"})), None).await;
    assert_eq!((status, kind(&problem)), (503, "not-stored"), "{problem}");
    let text = problem.to_string();
    assert!(!text.contains("sqlite") && !text.contains("pool"), "nothing of the inside shows: {text}");
}
