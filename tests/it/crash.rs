//! kill -9, for real and at random: a hundred times, on both databases, against a real Docker.
//!
//! Each container says "started" in its log whenever it starts, so effects are counted where they happen.

use std::time::Duration;

use bollard::query_parameters::LogsOptionsBuilder;
use futures_util::StreamExt;
use serde_json::Value;

use crate::support::container::{Container, Run};
use crate::support::docker::{Daemon, connect};
use crate::support::fettle::{Fettle, Setup, firing, resolved};
use crate::support::postgres::Database;
use crate::support::wait;

/// An effect whose intent was stored and whose call was never made is waited out: grace and 30 s, and some slack.
const LONG: Duration = Duration::from_secs(100);

/// Stays up, stops at once when asked to, and tells of every start.
const TELLS: &str = "echo started; trap 'exit 0' TERM; while :; do sleep 3600 & wait $!; done";

const RULES: &str = r#"
version: 1
rules:
  - name: restart
    match: ['alertname="Down"']
    target: {min_age: 0s, container: $labels.service, allow: ["*"]}
    cooldown: 0s
    budget: [1000 per 1h]
    steps:
      - restart: {grace: 1s}
        verify: {settle: 0s, healthy_for: 200ms, resolved_within: 90s}
"#;

async fn starts(daemon: &Daemon, container: &Container) -> usize {
    let options = LogsOptionsBuilder::default().stdout(true).build();
    let client = connect(daemon.socket());
    let lines = client.logs(&container.id, Some(options));
    let text: Vec<_> = lines.filter_map(async |line| line.ok().map(|line| line.to_string())).collect().await;
    text.iter().filter(|line| line.contains("started")).count()
}

fn target(container: &Container) -> String {
    format!("container:local/{}", container.name)
}

/// The moments of one lane: spread over the whole story, different in every lane, the same in every run.
fn moments(lane: u64, count: u64) -> impl Iterator<Item = Duration> {
    (0..count).map(move |n| {
        let mixed = (lane * 1000 + n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Duration::from_millis((mixed >> 33) % 1200)
    })
}

/// Kills it at each moment of a story, starts it again, and lets the story end.
async fn lane(mut fettle: Fettle, daemon: &Daemon, lane: u64, kills: u64) {
    let container = Run::named("crash").enabled().shell(TELLS).start(daemon).await;
    let labels = [("alertname", "Down"), ("service", container.name.as_str())];
    for (n, moment) in moments(lane, kills).enumerate() {
        let body = firing(&labels);
        let mut acknowledged = false;
        let story = async {
            acknowledged = fettle.post(&body).await == 202;
            wait::until("never", LONG, async || {
                if restarted(&fettle, &container).await {
                    fettle.post(&resolved(&labels)).await;
                }
                Err::<(), _>(String::new())
            })
            .await;
        };
        // The moment is part of what is tested, not a wait for anything.
        let _ = tokio::time::timeout(moment, story).await;
        fettle.kill();
        fettle.launch();
        fettle.ready().await;
        if !acknowledged {
            fettle.send(&body).await;
        }
        wait::until("everything is closed", LONG, async || {
            let rows = fettle.remediations(&target(&container)).await;
            if rows.first().is_some_and(|row| row["actions"].as_i64() > Some(0)) {
                fettle.post(&resolved(&labels)).await;
            }
            let open = rows.iter().filter(|row| row["state"] != "closed").count();
            if open == 0 && rows.len() > n { Ok(()) } else { Err(format!("{rows:#?}\n{}", fettle.log())) }
        })
        .await;
        check(&fettle, daemon, &container, n + 1).await;
    }
}

async fn restarted(fettle: &Fettle, container: &Container) -> bool {
    let url = fettle.url(&format!("/api/v1/actions?limit=1&target={}", target(container)));
    let Ok(answer) = reqwest::get(url).await else { return false };
    answer.json::<Value>().await.is_ok_and(|rows| rows[0]["result"] == "succeeded")
}

/// Nothing lost, nothing doubled, everything on record.
async fn check(fettle: &Fettle, daemon: &Daemon, container: &Container, episodes: usize) {
    let remediations = fettle.remediations(&target(container)).await;
    let actions = fettle.actions(&target(container)).await;
    let told = || format!("{remediations:#?}\n{actions:#?}\n{}", fettle.log());
    assert_eq!(remediations.len(), episodes, "one remediation per episode\n{}", told());
    let restarts = actions.iter().filter(|row| row["action"] == "restart");
    assert!(restarts.clone().all(|row| row["result"].is_string()), "every intent has a result\n{}", told());
    let succeeded = restarts.clone().filter(|row| row["result"] == "succeeded").count();
    assert!(restarts.count() <= episodes, "at most one intent per episode\n{}", told());
    assert_eq!(starts(daemon, container).await, 1 + succeeded, "as many starts as the audit says\n{}", told());
}

const LANES: u64 = 5;
const KILLS: u64 = 10;

#[tokio::test]
async fn fifty_kills_at_random_moments_lose_nothing_and_double_nothing_on_sqlite() {
    let daemon = Daemon::shared().await;
    let lanes = (0..LANES).map(async |n| lane(Setup::new(&daemon.url(), RULES).start().await, &daemon, n, KILLS).await);
    futures_util::future::join_all(lanes).await;
}

#[tokio::test]
async fn fifty_kills_at_random_moments_lose_nothing_and_double_nothing_on_postgresql() {
    let daemon = Daemon::shared().await;
    let lanes = (LANES..2 * LANES).map(async |n| {
        let database = Database::create().await;
        lane(Setup::new(&daemon.url(), RULES).database(&database.url()).start().await, &daemon, n, KILLS).await;
    });
    futures_util::future::join_all(lanes).await;
}

#[tokio::test]
async fn a_kill_inside_a_long_grace_period_is_found_out_by_looking() {
    let daemon = Daemon::shared().await;
    // It ignores SIGTERM, so the daemon waits out the grace before it kills and starts it.
    let stubborn = "echo started; trap '' TERM; while :; do sleep 1; done";
    let container = Run::named("grace").enabled().shell(stubborn).start(&daemon).await;
    let rules = RULES.replace("grace: 1s", "grace: 6s");
    let mut fettle = Setup::new(&daemon.url(), &rules).start().await;
    let labels = [("alertname", "Down"), ("service", container.name.as_str())];
    fettle.send(&firing(&labels)).await;
    wait::until("the effect is under way", LONG, async || {
        match fettle.remediations(&target(&container)).await.first() {
            Some(row) if row["state"] == "running" => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    fettle.kill();
    fettle.launch();
    fettle.ready().await;
    assert_eq!(starts(&daemon, &container).await, 1, "the daemon is still at it");
    wait::until("the effect is found", LONG, async || match fettle.actions(&target(&container)).await.first() {
        Some(row) if row["result"] == "succeeded" && row["reason"] == "reconciled" => Ok(()),
        other => Err(format!("{other:?}\n{}", fettle.log())),
    })
    .await;
    fettle.send(&resolved(&labels)).await;
    assert_eq!(fettle.closed(&target(&container), LONG).await["outcome"], "fixed");
    assert_eq!(starts(&daemon, &container).await, 2);
}

#[tokio::test]
async fn a_termination_lets_the_effect_end_and_its_result_is_stored() {
    let daemon = Daemon::shared().await;
    let stubborn = "echo started; trap '' TERM; while :; do sleep 1; done";
    let container = Run::named("drain").enabled().shell(stubborn).start(&daemon).await;
    let rules = RULES.replace("grace: 1s", "grace: 3s");
    let mut fettle = Setup::new(&daemon.url(), &rules).start().await;
    fettle.send(&firing(&[("alertname", "Down"), ("service", container.name.as_str())])).await;
    wait::until("the effect is under way", LONG, async || {
        match fettle.remediations(&target(&container)).await.first() {
            Some(row) if row["state"] == "running" => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    assert_eq!(fettle.terminate(), Some(0), "{}", fettle.log());
    assert_eq!(starts(&daemon, &container).await, 2, "it was not cut off");
    fettle.launch();
    fettle.ready().await;
    let row = fettle.actions(&target(&container)).await.into_iter().next().expect("an audit row");
    assert_eq!((row["result"].as_str(), row["reason"].as_str()), (Some("succeeded"), None), "{row:#}");
}
