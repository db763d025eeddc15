//! People and the real binary: what waits for an answer, what an answer does, and pauses that outlive the process.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::container::{Container, Run};
use crate::support::docker::Daemon;
use crate::support::fettle::{Fettle, Setup, firing};
use crate::support::postgres::Database;
use crate::support::wait;

/// Long enough for Docker to restart something on a busy machine.
const SOON: Duration = Duration::from_secs(40);

fn rules(mode: &str, asks: &str) -> String {
    format!(
        "version: 1\nrules:\n  - name: restart\n    match: ['alertname=\"Down\"']\n    mode: {mode}\n    target: {{min_age: 0s, container: $labels.service, allow: [\"*\"]}}\n    cooldown: 0s\n    steps:\n      - restart: {{grace: 5s}}\n        verify: {{settle: 0s, healthy_for: 1s, resolved_within: 3s}}\n{asks}"
    )
}

fn target(container: &Container) -> String {
    format!("container:local/{}", container.name)
}

async fn fires(fettle: &Fettle, container: &Container) {
    fettle.send(&firing(&[("alertname", "Down"), ("service", &container.name)])).await;
}

/// Waits until the newest remediation of the target is in this state; its story.
async fn stands(fettle: &Fettle, target: &str, state: &str) -> Value {
    let id = wait::until(state, SOON, async || {
        let newest = fettle.remediations(target).await.into_iter().next().unwrap_or_default();
        if newest["state"] == state { Ok(newest["id"].clone()) } else { Err(format!("{newest}\n{}", fettle.log())) }
    })
    .await;
    fettle.get(&format!("/api/v1/remediations/{}", id.as_str().expect("an id"))).await
}

fn id(of: &Value) -> &str {
    of["id"].as_str().expect("an id")
}

fn kind(problem: &Value) -> &str {
    problem["type"].as_str().and_then(|it| it.strip_prefix("/problems/")).unwrap_or_default()
}

async fn asks_first(setup: Setup, daemon: &Daemon) {
    let container = Run::named("approved").enabled().start(daemon).await;
    let before = container.started_at().await;
    let fettle = setup.start().await;
    fires(&fettle, &container).await;
    let story = stands(&fettle, &target(&container), "awaiting_approval").await;
    let plan = story["proposal"]["plan"].as_str().expect("a plan").to_owned();
    assert_eq!(
        (&story["proposal"]["action"], &story["proposal"]["why"]),
        (&json!("restart"), &json!("mode is propose"))
    );
    assert_eq!(container.started_at().await, before, "nothing is done before somebody agrees");
    assert!(fettle.metrics().await.contains(r#"fettle_remediations_open{state="awaiting_approval"} 1"#));

    let approve = format!("/api/v1/remediations/{}/approve", id(&story));
    let (status, problem) = fettle.ask(&approve, &json!({"plan": "of something else"})).await;
    assert_eq!((status, kind(&problem)), (409, "plan-changed"), "{problem}");
    let (status, taken) = fettle.ask(&approve, &json!({"plan": plan})).await;
    assert_eq!(status, 202, "{taken}");
    let closed = fettle.closed(&target(&container), SOON).await;
    assert_ne!(container.started_at().await, before);
    let row = &closed["action_rows"][0];
    assert_eq!((&row["actor"], &row["detail"]["plan"]), (&json!("anonymous"), &json!(plan)), "{closed:#}");
    assert_eq!((closed["actions"].as_i64(), &closed["proposal"]), (Some(1), &json!(null)), "{closed:#}");
    let (status, problem) = fettle.ask(&approve, &json!({"plan": plan})).await;
    assert_eq!((status, kind(&problem)), (409, "plan-used"), "{problem}");
}

#[tokio::test]
async fn in_mode_propose_nothing_is_done_until_exactly_that_plan_is_approved_on_sqlite() {
    let daemon = Daemon::shared().await;
    asks_first(Setup::new(&daemon.url(), &rules("propose", "")), &daemon).await;
}

#[tokio::test]
async fn in_mode_propose_nothing_is_done_until_exactly_that_plan_is_approved_on_postgres() {
    let daemon = Daemon::shared().await;
    let database = Database::create().await;
    asks_first(Setup::new(&daemon.url(), &rules("propose", "")).database(&database.url()), &daemon).await;
}

#[tokio::test]
async fn an_approval_is_acted_on_at_once() {
    let daemon = Daemon::shared().await;
    let container = Run::named("atonce").enabled().start(&daemon).await;
    let fettle = Setup::new(&daemon.url(), &rules("propose", "")).start().await;
    fires(&fettle, &container).await;
    let story = stands(&fettle, &target(&container), "awaiting_approval").await;
    let body = json!({"plan": story["proposal"]["plan"]});
    let (_, taken) = fettle.ask(&format!("/api/v1/remediations/{}/approve", id(&story)), &body).await;
    let closed = fettle.closed(&target(&container), SOON).await;
    let at = |value: &Value| value.as_str().and_then(|it| it.parse::<jiff::Timestamp>().ok()).expect("an instant");
    let took = at(&closed["action_rows"][0]["planned_at"]).duration_since(at(&taken["at"]));
    // The worker looks by itself once a second; half of that is not luck.
    assert!(took.as_millis() < 500, "{took}: {closed:#}");
}

#[tokio::test]
async fn a_rejected_plan_is_not_carried_out_and_the_audit_says_who_rejected_it() {
    let daemon = Daemon::shared().await;
    let container = Run::named("rejected").enabled().start(&daemon).await;
    let before = container.started_at().await;
    let fettle = Setup::new(&daemon.url(), &rules("propose", "")).start().await;
    fires(&fettle, &container).await;
    let story = stands(&fettle, &target(&container), "awaiting_approval").await;
    let (status, taken) = fettle.ask(&format!("/api/v1/remediations/{}/reject", id(&story)), &json!({})).await;
    assert_eq!(status, 202, "{taken}");
    let closed = fettle.closed(&target(&container), SOON).await;
    assert_eq!((&closed["outcome"], &closed["reason"]), (&json!("rejected"), &json!("rejected by anonymous")));
    let row = &closed["action_rows"][0];
    assert_eq!((&row["result"], &row["actor"]), (&json!("refused"), &json!("anonymous")), "{closed:#}");
    assert_eq!(container.started_at().await, before);
    let body = json!({"plan": story["proposal"]["plan"]});
    let (status, problem) = fettle.ask(&format!("/api/v1/remediations/{}/approve", id(&story)), &body).await;
    assert_eq!((status, kind(&problem)), (409, "plan-used"), "{problem}");
}

#[tokio::test]
async fn a_plan_that_nobody_answered_in_time_is_told_so_afterwards() {
    let daemon = Daemon::shared().await;
    let container = Run::named("toolate").enabled().start(&daemon).await;
    let before = container.started_at().await;
    let fettle = Setup::new(&daemon.url(), &rules("act", "        approval: {within: 1s}\n")).start().await;
    fires(&fettle, &container).await;
    let closed = fettle.closed(&target(&container), SOON).await;
    assert_eq!(closed["outcome"], "expired", "{closed:#}");
    let plan = closed["action_rows"][0]["detail"]["plan"].clone();
    let (status, problem) =
        fettle.ask(&format!("/api/v1/remediations/{}/approve", id(&closed)), &json!({"plan": plan})).await;
    assert_eq!((status, kind(&problem)), (409, "plan-timed-out"), "{problem}");
    assert_eq!(container.started_at().await, before);
}

#[tokio::test]
async fn a_cancelled_remediation_is_over_and_its_story_says_why() {
    let daemon = Daemon::shared().await;
    let container = Run::named("cancelled").enabled().start(&daemon).await;
    let before = container.started_at().await;
    let fettle = Setup::new(&daemon.url(), &rules("propose", "")).start().await;
    fires(&fettle, &container).await;
    let story = stands(&fettle, &target(&container), "awaiting_approval").await;
    let path = format!("/api/v1/remediations/{}/cancel", id(&story));
    assert_eq!(fettle.ask(&path, &json!({"reason": "moved by hand"})).await.0, 202);
    let closed = fettle.closed(&target(&container), SOON).await;
    assert_eq!((&closed["outcome"], &closed["reason"]), (&json!("cancelled"), &json!("cancelled by anonymous")));
    let story = fettle.get(&format!("/api/v1/remediations/{}", id(&story))).await.to_string();
    assert!(story.contains("moved by hand"), "{story}");
    assert_eq!(container.started_at().await, before);
    let (status, problem) = fettle.ask(&path, &json!({})).await;
    assert_eq!((status, kind(&problem)), (409, "not-waiting"), "{problem}");
}

#[tokio::test]
async fn a_pause_outlives_the_process_and_holds_until_it_is_ended() {
    let daemon = Daemon::shared().await;
    let container = Run::named("paused").enabled().start(&daemon).await;
    let before = container.started_at().await;
    let mut fettle = Setup::new(&daemon.url(), &rules("act", "")).start().await;
    let body = json!({"reason": "moving the database", "target": target(&container)});
    let (status, pause) = fettle.ask("/api/v1/pause", &body).await;
    assert_eq!(status, 201, "{pause}");
    fettle.kill();
    fettle.launch();
    fettle.ready().await;
    assert_eq!(fettle.get("/api/v1/pause").await, json!([pause]));
    fires(&fettle, &container).await;
    let story = stands(&fettle, &target(&container), "blocked").await;
    assert_eq!(story["reason"], "paused", "{story:#}");
    assert_eq!(container.started_at().await, before);
    assert!(fettle.metrics().await.contains("fettle_paused 1\n"));

    assert_eq!(fettle.delete(&format!("/api/v1/pause/{}", id(&pause))).await, 204);
    let closed = fettle.closed(&target(&container), SOON).await;
    assert_eq!(closed["actions"].as_i64(), Some(1), "{closed:#}");
    assert_ne!(container.started_at().await, before);
}
