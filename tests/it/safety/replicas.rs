//! Two fettles on one PostgreSQL: what one of them dies or stands still over, the other ends, and nothing happens twice.

use std::time::Duration;

use crate::support::container::{Container, Run};
use crate::support::docker::Daemon;
use crate::support::fettle::{Fettle, Setup, all_firing, firing};
use crate::support::postgres::Database;
use crate::support::wait;

/// A takeover waits for the lease, the call's deadline and 30 s more.
const TAKEOVER: Duration = Duration::from_secs(150);

/// Says each of its starts in its log; stops only when killed, so a restart takes its whole grace time.
const STUBBORN: &str = "echo started; trap '' TERM; while :; do sleep 1; done";

fn rules(more: &str) -> String {
    format!(
        "version: 1\nrules:\n  - name: restart\n    match: ['alertname=\"Down\"']\n    target: {{min_age: 0s, container: $labels.service, allow: [\"*\"]}}\n    cooldown: 0s\n{more}    steps:\n      - restart: {{grace: 4s}}\n        verify: {{settle: 0s, healthy_for: 1s, resolved_within: 3s}}\n"
    )
}

async fn pair(daemon: &Daemon, database: &Database, rules: &str) -> (Fettle, Fettle) {
    let config = "limits: {budget: [1000 per 1h], target_budget: [1000 per 1h]}\nstorm: off\ntrip: off\n";
    let start = || Setup::new(&daemon.url(), rules).database(&database.url()).config(config);
    let first = start().start().await;
    (first, start().start().await)
}

async fn starts(container: &Container) -> usize {
    container.log().await.lines().filter(|line| line.contains("started")).count()
}

fn target(container: &Container) -> String {
    format!("container:local/{}", container.name)
}

#[tokio::test]
async fn the_same_notification_at_both_is_one_restart() {
    let (daemon, database) = (Daemon::shared().await, Database::create().await);
    let (a, b) = pair(&daemon, &database, &rules("")).await;
    let container = Run::named("both").enabled().shell(STUBBORN).start(&daemon).await;
    let body = firing(&[("alertname", "Down"), ("service", &container.name)]);
    let (one, other) = tokio::join!(a.post(&body), b.post(&body));
    assert_eq!((one, other), (202, 202));
    a.closed(&target(&container), TAKEOVER).await;
    assert_eq!(starts(&container).await, 2, "its first start, and one restart");
    assert_eq!(b.actions(&target(&container)).await.len(), 1);
}

/// Waits until the intent is stored and the call has begun: the container is in its grace time.
async fn restarting(fettle: &Fettle, container: &Container) {
    wait::until("the restart is under way", Duration::from_secs(30), async || {
        let newest = fettle.remediations(&target(container)).await.into_iter().next().unwrap_or_default();
        if newest["state"] == "running" { Ok(()) } else { Err(newest.to_string()) }
    })
    .await;
}

#[tokio::test]
async fn what_a_killed_one_was_doing_is_looked_at_and_ended_by_the_other() {
    let (daemon, database) = (Daemon::shared().await, Database::create().await);
    let (mut a, b) = pair(&daemon, &database, &rules("")).await;
    let container = Run::named("killed").enabled().shell(STUBBORN).start(&daemon).await;
    a.send(&firing(&[("alertname", "Down"), ("service", &container.name)])).await;
    restarting(&b, &container).await;
    a.kill();
    let story = b.closed(&target(&container), TAKEOVER).await;
    assert_eq!(story["outcome"], "unconfirmed", "{story:#}\n{}", b.log());
    let actions = b.actions(&target(&container)).await;
    assert_eq!((actions.len(), actions[0]["result"].as_str()), (1, Some("succeeded")), "{actions:#?}");
    assert_eq!(starts(&container).await, 2);
}

#[tokio::test]
async fn one_that_stood_still_and_comes_back_does_nothing_a_second_time() {
    let (daemon, database) = (Daemon::shared().await, Database::create().await);
    let (a, b) = pair(&daemon, &database, &rules("")).await;
    let container = Run::named("stopped").enabled().shell(STUBBORN).start(&daemon).await;
    a.send(&firing(&[("alertname", "Down"), ("service", &container.name)])).await;
    restarting(&b, &container).await;
    a.signal("-STOP");
    let story = b.closed(&target(&container), TAKEOVER).await;
    a.signal("-CONT");
    // What it still wanted to store is refused: its claim is another's by now.
    a.ready().await;
    let actions = b.actions(&target(&container)).await;
    assert_eq!((actions.len(), starts(&container).await), (1, 2), "{actions:#?}\n{story:#}");
    assert_eq!(b.remediations(&target(&container)).await.len(), 1);
}

#[tokio::test]
async fn a_budget_of_all_targets_is_one_budget_for_both() {
    let (daemon, database) = (Daemon::shared().await, Database::create().await);
    let (a, b) = pair(&daemon, &database, &rules("    rule_budget: [3 per 1h]\n")).await;
    let mut containers = Vec::new();
    for _ in 0..8 {
        containers.push(Run::named("shared").enabled().start(&daemon).await);
    }
    let mut before = Vec::new();
    for container in &containers {
        before.push(container.started_at().await);
    }
    let body = |half: &[Container]| {
        all_firing(
            &half.iter().map(|it| vec![("alertname", "Down"), ("service", it.name.as_str())]).collect::<Vec<_>>(),
        )
    };
    let (first, second) = (body(&containers[..4]), body(&containers[4..]));
    let (one, other) = tokio::join!(a.post(&first), b.post(&second));
    assert_eq!((one, other), (202, 202));
    wait::until("all are decided", Duration::from_mins(1), async || {
        let all = a.get("/api/v1/remediations?limit=100").await;
        let all = all.as_array().cloned().unwrap_or_default();
        let decided = all.iter().filter(|it| matches!(it["state"].as_str(), Some("closed" | "blocked"))).count();
        if decided == 8 { Ok(()) } else { Err(format!("{all:#?}")) }
    })
    .await;
    let mut touched = 0;
    for (container, before) in containers.iter().zip(before) {
        touched += usize::from(container.started_at().await != before);
    }
    assert_eq!(touched, 3);
}
