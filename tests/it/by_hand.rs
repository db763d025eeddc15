//! Orders by hand and self-healing with the real binary and a real Docker, on both databases.

use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::container::{Container, Run};
use crate::support::docker::Daemon;
use crate::support::fettle::{Fettle, Setup, firing};
use crate::support::postgres::Database;
use crate::support::wait;

const SOON: Duration = Duration::from_secs(90);

/// One rule that gives up at once where nothing is at the name, and restarts what is there.
const RULES: &str = "version: 1
rules:
  - name: restart
    match: ['alertname=\"Down\"']
    target: {min_age: 0s, container: $labels.service, allow: [\"*\"]}
    cooldown: 0s
    steps:
      - restart: {grace: 5s}
        verify: {settle: 0s, healthy_for: 1s, resolved_within: 3s}
";

const TOKEN: &str = "the-token-of-ann";

/// A fettle that ann, an admin, speaks to.
async fn of_ann(daemon: &Daemon, database: Option<&str>) -> Fettle {
    let sha256 = format!("{:x}", Sha256::digest(TOKEN));
    let config = format!(
        "limits: {{budget: [1000 per 1h], target_budget: [1000 per 1h]}}\nstorm: off\ntrip: off\nauth: {{tokens: [{{name: ann, role: admin, sha256: {sha256}}}]}}\n"
    );
    let setup = Setup::new(&daemon.url(), RULES).config(&config).token(TOKEN);
    match database {
        Some(url) => setup.database(url).start().await,
        None => setup.start().await,
    }
}

fn target(container: &Container) -> String {
    format!("container:local/{}", container.name)
}

async fn order(fettle: &Fettle, container: &Container, more: Value) -> (u16, Value) {
    let mut body = json!({"action": "restart", "target": target(container), "grace": "5s"});
    for (key, value) in more.as_object().into_iter().flatten() {
        body[key] = value.clone();
    }
    fettle.ask("/api/v1/actions", &body).await
}

async fn restarted_by_hand(fettle: Fettle, daemon: &Daemon) {
    let container = Run::named("ordered").enabled().start(daemon).await;
    let before = container.started_at().await;
    let (status, story) = order(&fettle, &container, json!({})).await;
    assert_eq!(status, 202, "{story:#}\n{}", fettle.log());
    assert_ne!(container.started_at().await, before);
    let row = &story["action_rows"][0];
    assert_eq!(
        (&row["action"], &row["result"], &row["actor"], &row["rule"]),
        (&json!("restart"), &json!("succeeded"), &json!("ann"), &json!("by-hand")),
        "{story:#}"
    );
    let again = order(&fettle, &container, json!({})).await;
    assert_eq!((again.0, &again.1["guard"]), (409, &json!("in_flight")), "it is still being judged: {}", again.1);
    let fixed = wait::until("the order is fixed", SOON, async || {
        let now = fettle.get(&format!("/api/v1/remediations/{}", story["id"].as_str().expect("an id"))).await;
        if now["outcome"] == "fixed" { Ok(now) } else { Err(now.to_string()) }
    })
    .await;
    assert_eq!(fixed["verdicts"][0]["verdict"], "fixed", "{fixed:#}");
    let (status, problem) = order(&fettle, &container, json!({})).await;
    assert_eq!((status, &problem["guard"]), (409, &json!("cooldown")), "{problem}");
    assert!(problem["detail"].as_str().is_some_and(|it| it.starts_with("refused by cooldown: ")), "{problem}");
    let newest = &fettle.remediations(&target(&container)).await[0];
    assert_eq!((&newest["outcome"], &newest["reason"]), (&json!("refused"), &json!("cooldown")), "{newest}");
}

#[tokio::test]
async fn an_order_restarts_a_container_and_is_judged_and_its_cooldown_holds_on_sqlite() {
    let daemon = Daemon::shared().await;
    restarted_by_hand(of_ann(&daemon, None).await, &daemon).await;
}

#[tokio::test]
async fn an_order_restarts_a_container_and_is_judged_and_its_cooldown_holds_on_postgres() {
    let (daemon, database) = (Daemon::shared().await, Database::create().await);
    restarted_by_hand(of_ann(&daemon, Some(&database.url())).await, &daemon).await;
}

#[tokio::test]
async fn an_order_that_takes_longer_than_anybody_waits_is_answered_504_and_goes_on_to_its_end() {
    let daemon = Daemon::shared().await;
    let fettle = of_ann(&daemon, None).await;
    // Deaf to SIGTERM: Docker waits out the whole grace time, which is longer than the patience of 30 s.
    let deaf = Run::named("deaf").enabled().shell("trap '' TERM; while :; do sleep 1; done").start(&daemon).await;
    let before = deaf.started_at().await;
    let client = reqwest::Client::builder().no_proxy().timeout(SOON).build().expect("a client");
    let body = json!({"action": "restart", "target": target(&deaf), "grace": "36s"});
    let sent = client.post(fettle.url("/api/v1/actions")).bearer_auth(TOKEN).json(&body).send().await;
    let answer = sent.expect("an answer");
    assert_eq!(answer.status(), 504, "{}", fettle.log());
    let problem: Value = answer.json().await.expect("JSON");
    assert_eq!(problem["type"], "/problems/still-running", "{problem}");
    let path = format!("/api/v1/remediations/{}", problem["remediation"].as_str().expect("an id"));
    let running = fettle.get(&path).await;
    assert_eq!(
        (&running["state"], &running["action_rows"][0]["result"]),
        (&json!("running"), &Value::Null),
        "{running:#}"
    );
    assert_eq!(deaf.started_at().await, before, "it is still being stopped");
    let over = wait::until("it is over", SOON, async || {
        let now = fettle.get(&path).await;
        if now["outcome"].is_string() { Ok(now) } else { Err(now.to_string()) }
    })
    .await;
    let row = &over["action_rows"][0];
    assert_eq!(
        (&over["outcome"], &row["result"], &row["actor"]),
        (&json!("fixed"), &json!("succeeded"), &json!("ann")),
        "{over:#}"
    );
    assert!(row["duration_ms"].as_u64().is_some_and(|it| it >= 30_000), "{row:#}");
    assert_ne!(deaf.started_at().await, before);
}

#[tokio::test]
async fn an_order_is_no_way_around_the_things_own_permission_a_pause_or_a_person_who_stopped_it() {
    let daemon = Daemon::shared().await;
    let fettle = of_ann(&daemon, None).await;
    let plain = Run::named("plain").start(&daemon).await;
    let before = plain.started_at().await;
    let (status, problem) = order(&fettle, &plain, json!({})).await;
    assert_eq!((status, &problem["guard"]), (409, &json!("not_enabled")), "{problem}");
    assert_eq!(plain.started_at().await, before, "untouched");
    let nothing = json!({"action": "restart", "target": "container:local/there-is-no-such-thing"});
    let (status, problem) = fettle.ask("/api/v1/actions", &nothing).await;
    assert_eq!((status, &problem["guard"]), (409, &json!("no_target")), "{problem}");

    let enabled = Run::named("enabled").enabled().start(&daemon).await;
    let pause = json!({"reason": "look", "target": target(&enabled)});
    let (_, pause) = fettle.ask("/api/v1/pause", &pause).await;
    let (status, problem) = order(&fettle, &enabled, json!({})).await;
    assert_eq!((status, &problem["guard"]), (409, &json!("paused")), "{problem}");
    assert_eq!(fettle.delete(&format!("/api/v1/pause/{}", pause["id"].as_str().expect("an id"))).await, 204);
    assert_eq!(order(&fettle, &enabled, json!({})).await.0, 202);
}

#[tokio::test]
async fn self_heal_decides_anew_about_what_fires_and_was_given_up() {
    let daemon = Daemon::shared().await;
    let fettle = of_ann(&daemon, None).await;
    let (status, healed) = fettle.ask("/api/v1/self-heal", &json!({})).await;
    assert_eq!((status, &healed["result"]), (200, &json!("no action needed")), "{healed}");

    let name = crate::support::unique("healed");
    let target = format!("container:local/{name}");
    fettle.send(&firing(&[("alertname", "Down"), ("service", &name)])).await;
    let refused = fettle.closed(&target, SOON).await;
    assert_eq!((&refused["outcome"], &refused["reason"]), (&json!("refused"), &json!("no_target")), "{refused:#}");

    let container = Run::named("healed").exactly(&name).enabled().start(&daemon).await;
    let before = container.started_at().await;
    let (status, healed) = fettle.ask("/api/v1/self-heal", &json!({})).await;
    assert_eq!((status, healed["remediations"].as_array().map(Vec::len)), (202, Some(1)), "{healed}");
    assert_eq!(healed["remediations"][0]["target"], json!(target));
    // The container began after the alert: `earlier_run` waits until the alert is heard again.
    wait::until("it is restarted", SOON, async || {
        fettle.send(&firing(&[("alertname", "Down"), ("service", &name)])).await;
        let now = container.started_at().await;
        if now == before { Err(format!("{now:?}\n{}", fettle.log())) } else { Ok(()) }
    })
    .await;
    let events = fettle.get("/api/v1/events?event=self_heal").await;
    assert_eq!((&events[0]["details"]["by"], &events[0]["details"]["opened"]), (&json!("ann"), &json!(1)), "{events}");
}
