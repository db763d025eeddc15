//! A person is asked, says yes once, and it is done once; a pause outlives the process.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::container::Run;
use crate::support::docker::Daemon;
use crate::support::fettle::{Fettle, Setup, firing};
use crate::support::wait;

const SOON: Duration = Duration::from_secs(40);

const RULES: &str = "version: 1
rules:
  - name: restart
    match: ['alertname=\"Down\"']
    target: {min_age: 0s, container: $labels.service, allow: [\"*\"]}
    steps:
      - restart: {grace: 1s}
        approval: {within: 5m}
        verify: {settle: 0s, healthy_for: 1s, resolved_within: 3s}
";

/// Waits until a person is asked; the remediation with its story.
async fn asked(fettle: &Fettle, target: &str) -> Value {
    let id = wait::until("a person is asked", SOON, async || {
        let newest = fettle.remediations(target).await.into_iter().next().unwrap_or_default();
        if newest["state"] == "awaiting_approval" {
            Ok(newest["id"].clone())
        } else {
            Err(format!("{newest}\n{}", fettle.log()))
        }
    })
    .await;
    fettle.get(&format!("/api/v1/remediations/{}", id.as_str().expect("an id"))).await
}

#[tokio::test]
async fn a_yes_to_the_plan_that_is_shown_does_it_once_and_any_other_answer_does_nothing() {
    let daemon = Daemon::shared().await;
    let container = Run::named("asked").enabled().start(&daemon).await;
    let before = container.started_at().await;
    let mut fettle = Setup::new(&daemon.url(), RULES).start().await;
    let target = format!("container:local/{}", container.name);
    fettle.send(&firing(&[("alertname", "Down"), ("service", &container.name)])).await;
    let story = asked(&fettle, &target).await;
    let plan = story["proposal"]["plan"].as_str().expect("a plan").to_owned();
    let path = format!("/api/v1/remediations/{}/approve", story["id"].as_str().expect("an id"));
    assert_eq!(fettle.ask(&path, &json!({})).await.0, 400, "which plan?");
    let (status, problem) = fettle.ask(&path, &json!({"plan": "another"})).await;
    assert_eq!(status, 409, "{problem}");
    // It is asked across a kill -9 as well.
    fettle.kill();
    fettle.launch();
    fettle.ready().await;
    assert_eq!(asked(&fettle, &target).await["proposal"]["plan"], plan.as_str(), "it is the same plan");
    assert_eq!(container.started_at().await, before);
    let (status, answer) = fettle.ask(&path, &json!({"plan": plan})).await;
    assert!((200..300).contains(&status), "{status} {answer}\n{}", fettle.log());
    let (again, problem) = fettle.ask(&path, &json!({"plan": plan})).await;
    assert_eq!(again, 409, "{problem}");
    fettle.closed(&target, SOON).await;
    let actions = fettle.actions(&target).await;
    assert_eq!((actions.len(), actions[0]["result"].as_str()), (1, Some("succeeded")), "{actions:#?}");
    assert_eq!(actions[0]["detail"]["plan"], plan.as_str(), "{actions:#?}");
    assert_ne!(container.started_at().await, before);
}

#[tokio::test]
async fn a_pause_outlives_the_process_and_ends_when_it_is_taken_back() {
    let daemon = Daemon::shared().await;
    let container = Run::named("paused").enabled().start(&daemon).await;
    let before = container.started_at().await;
    let rules = RULES.replace("        approval: {within: 5m}\n", "");
    let mut fettle = Setup::new(&daemon.url(), &rules).start().await;
    let target = format!("container:local/{}", container.name);
    let (status, pause) =
        fettle.ask("/api/v1/pause", &json!({"target": target, "reason": "release", "for": "2h"})).await;
    assert_eq!(status, 201, "{pause}");
    fettle.kill();
    fettle.launch();
    fettle.ready().await;
    fettle.send(&firing(&[("alertname", "Down"), ("service", &container.name)])).await;
    wait::until("it is blocked by the pause", SOON, async || {
        let newest = fettle.remediations(&target).await.into_iter().next().unwrap_or_default();
        if newest["reason"] == "paused" { Ok(()) } else { Err(format!("{newest}\n{}", fettle.log())) }
    })
    .await;
    assert_eq!(container.started_at().await, before);
    let path = format!("/api/v1/pause/{}", pause["id"].as_str().expect("an id"));
    assert_eq!(fettle.delete(&path).await, 204);
    wait::until("it is restarted", SOON, async || {
        if container.started_at().await == before { Err(fettle.log()) } else { Ok(()) }
    })
    .await;
}
