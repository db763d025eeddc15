//! From a notification to a verdict, with the real binary, a real Docker and both databases.

use std::time::Duration;

use serde_json::Value;

use crate::support::container::{Container, Run};
use crate::support::docker::Daemon;
use crate::support::fettle::{Fettle, Setup, firing, resolved};
use crate::support::postgres::Database;
use crate::support::{image, wait};

/// Long enough for Docker to restart something on a busy machine.
const SOON: Duration = Duration::from_secs(40);

const QUICK: &str = "{settle: 0s, healthy_for: 1s, resolved_within: 3s}";

fn rules(more: &str) -> String {
    format!(
        "version: 1\nrules:\n  - name: restart\n    match: ['alertname=\"Down\"']\n    target: {{min_age: 0s, container: $labels.service, allow: [\"*\"]}}\n    cooldown: 0s\n    steps:\n      - restart: {{grace: 5s}}\n        verify: {QUICK}\n{more}"
    )
}

fn labels(container: &Container) -> [(&'static str, String); 2] {
    [("alertname", "Down".to_owned()), ("service", container.name.clone())]
}

fn about<'a>(labels: &'a [(&'static str, String); 2]) -> Vec<(&'a str, &'a str)> {
    labels.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

fn target(container: &Container) -> String {
    format!("container:local/{}", container.name)
}

/// Waits until the newest audit row of the target has a result.
async fn acted(fettle: &Fettle, target: &str) -> Value {
    wait::until("the action has a result", SOON, async || {
        let newest = fettle.actions(target).await.into_iter().next().unwrap_or_default();
        if newest["result"].is_string() { Ok(newest) } else { Err(format!("{newest}\n{}", fettle.log())) }
    })
    .await
}

async fn heals(setup: Setup, daemon: &Daemon) {
    let container = Run::named("heals").enabled().start(daemon).await;
    let before = container.started_at().await;
    let fettle = setup.start().await;
    let labels = labels(&container);
    fettle.send(&firing(&about(&labels))).await;
    let action = acted(&fettle, &target(&container)).await;
    assert_eq!(
        (action["result"].as_str(), action["action"].as_str()),
        (Some("succeeded"), Some("restart")),
        "{action}"
    );
    assert_ne!(container.started_at().await, before);
    fettle.send(&resolved(&about(&labels))).await;
    let story = fettle.closed(&target(&container), SOON).await;
    assert_eq!(story["outcome"], "fixed", "{story:#}");
    assert_eq!(story["verdicts"][0]["verdict"], "fixed", "{story:#}");
    let told: Vec<_> = story["timeline"].as_array().expect("a timeline").iter().map(|it| it["what"].clone()).collect();
    assert_eq!(told, ["opened", "restart intended", "restart succeeded", "verdict fixed", "closed fixed"], "{story:#}");
    let metrics = fettle.metrics().await;
    for line in [
        r#"fettle_actions_total{action="restart",result="succeeded",rule="restart"} 1"#,
        r#"fettle_remediations_total{outcome="fixed",rule="restart"} 1"#,
        r#"fettle_verdicts_total{action="restart",rule="restart",verdict="fixed"} 1"#,
        "fettle_store_up 1",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
}

#[tokio::test]
async fn a_notification_restarts_a_container_and_a_resolve_makes_it_fixed_on_sqlite() {
    let daemon = Daemon::shared().await;
    heals(Setup::new(&daemon.url(), &rules("")), &daemon).await;
}

#[tokio::test]
async fn a_notification_restarts_a_container_and_a_resolve_makes_it_fixed_on_postgresql() {
    let (daemon, database) = (Daemon::shared().await, Database::create().await);
    heals(Setup::new(&daemon.url(), &rules("")).database(&database.url()), &daemon).await;
}

#[tokio::test]
async fn a_well_target_whose_alert_is_not_heard_of_again_is_unconfirmed_and_left_alone() {
    let daemon = Daemon::shared().await;
    let container = Run::named("unconfirmed").enabled().start(&daemon).await;
    let fettle = Setup::new(&daemon.url(), &rules("")).start().await;
    let body = firing(&about(&labels(&container)));
    fettle.send(&body).await;
    let story = fettle.closed(&target(&container), SOON).await;
    assert_eq!((story["outcome"].as_str(), story["actions"].as_i64()), (Some("unconfirmed"), Some(1)), "{story:#}");
    // The episode is spent: its repeat opens nothing.
    fettle.send(&body).await;
    fettle.send(&firing(&[("alertname", "Other")])).await;
    wait_for_alert(&fettle, "Other").await;
    assert_eq!(fettle.remediations(&target(&container)).await.len(), 1);
}

async fn wait_for_alert(fettle: &Fettle, alertname: &str) {
    wait::until("the alert is known", SOON, async || {
        let alerts = fettle.get("/api/v1/alerts?limit=1000").await;
        let known = alerts.as_array().is_some_and(|all| all.iter().any(|it| it["labels"]["alertname"] == alertname));
        if known { Ok(()) } else { Err(alerts.to_string()) }
    })
    .await;
}

#[tokio::test]
async fn an_alert_heard_after_the_effect_goes_one_rung_up_and_then_to_people() {
    let daemon = Daemon::shared().await;
    let container = Run::named("stillfiring").enabled().start(&daemon).await;
    let fettle = Setup::new(&daemon.url(), &rules("      - escalate: {message: wake somebody}\n")).start().await;
    let labels = labels(&container);
    fettle.send(&firing(&about(&labels))).await;
    acted(&fettle, &target(&container)).await;
    fettle.send(&firing(&about(&labels))).await;
    let story = fettle.closed(&target(&container), SOON).await;
    assert_eq!(
        (story["outcome"].as_str(), story["reason"].as_str()),
        (Some("escalated"), Some("wake somebody")),
        "{story:#}"
    );
    assert_eq!(story["verdicts"][0]["verdict"], "still_firing", "{story:#}");
}

#[tokio::test]
async fn a_container_that_does_not_come_up_is_not_fixed() {
    let daemon = Daemon::shared().await;
    let container = Run::named("notfixed").enabled().shell("exit 3").start(&daemon).await;
    wait::until("it has crashed", SOON, async || {
        let state = container.inspect().await.state.unwrap_or_default();
        if state.running == Some(false) { Ok(()) } else { Err(format!("{state:?}")) }
    })
    .await;
    let fettle = Setup::new(&daemon.url(), &rules("")).start().await;
    fettle.send(&firing(&about(&labels(&container)))).await;
    let story = fettle.closed(&target(&container), SOON).await;
    assert_eq!(story["outcome"], "escalated", "{story:#}");
    assert_eq!(story["verdicts"][0]["verdict"], "not_fixed", "{story:#}");
    assert!(story["verdicts"][0]["reason"].as_str().is_some_and(|why| why.contains("exited (3)")), "{story:#}");
}

#[tokio::test]
async fn a_resolve_during_the_hold_cancels_and_nothing_is_touched() {
    let daemon = Daemon::shared().await;
    let container = Run::named("held").enabled().start(&daemon).await;
    let before = container.started_at().await;
    let fettle = Setup::new(&daemon.url(), &rules("    hold: 9m\n")).start().await;
    let labels = labels(&container);
    fettle.send(&firing(&about(&labels))).await;
    wait::until("it is held", SOON, async || match fettle.remediations(&target(&container)).await.first() {
        Some(it) if it["state"] == "held" => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    fettle.send(&resolved(&about(&labels))).await;
    let story = fettle.closed(&target(&container), SOON).await;
    assert_eq!((story["outcome"].as_str(), story["actions"].as_i64()), (Some("cancelled"), Some(0)), "{story:#}");
    assert_eq!(container.started_at().await, before);
}

#[tokio::test]
async fn what_may_not_be_touched_is_refused_by_name_and_stays_as_it_is() {
    let daemon = Daemon::shared().await;
    let plain = Run::named("plain").start(&daemon).await;
    let baked = Run::named("baked").image(image::LABELLED).start(&daemon).await;
    let inherited = Run::named("inherited").image(image::LABELLED).enabled().start(&daemon).await;
    let guarded = Run::named("guarded").enabled().start(&daemon).await;
    let held = Run::named("onhold").enabled().label("fettle.actions", "scale_down").start(&daemon).await;
    let foreign = Run::named("foreign").enabled().start(&daemon).await;
    let config = format!("protected: {{containers: [{}]}}\n", guarded.name);
    let allow = format!(
        "allow: [\"plain-*\", \"baked-*\", \"inherited-*\", \"guarded-*\", \"onhold-*\", \"nobody\", \"{}\"]",
        &plain.id[..4]
    );
    let rules = rules("").replace("allow: [\"*\"]", &allow);
    let fettle = Setup::new(&daemon.url(), &rules).config(&config).start().await;
    let all = [&plain, &baked, &inherited, &guarded, &held, &foreign];
    let mut before = Vec::new();
    for container in all {
        before.push(container.started_at().await);
    }
    for (service, target, guard) in [
        (plain.name.as_str(), target(&plain), "not_enabled"),
        (&baked.name, target(&baked), "not_enabled"),
        (&inherited.name, target(&inherited), "not_enabled"),
        (&guarded.name, target(&guarded), "protected"),
        (&held.name, target(&held), "not_enabled"),
        (&foreign.name, target(&foreign), "not_allowed"),
        ("nobody", "container:local/nobody".to_owned(), "no_target"),
        // The beginning of an id is a name to Docker, but not to fettle.
        (&plain.id[..4], format!("container:local/{}", &plain.id[..4]), "no_target"),
        ("../volumes/prune#", "container:local/?".to_owned(), "no_target"),
    ] {
        fettle.send(&firing(&[("alertname", "Down"), ("service", service)])).await;
        let row = acted(&fettle, &target.replace('?', "%3F")).await;
        assert_eq!((row["result"].as_str(), row["reason"].as_str()), (Some("refused"), Some(guard)), "{row:#}");
    }
    for (container, before) in all.into_iter().zip(before) {
        assert_eq!(container.started_at().await, before, "{} was touched", container.name);
    }
}

#[tokio::test]
async fn a_compose_service_is_found_by_its_labels_and_two_replicas_are_ambiguous() {
    let daemon = Daemon::shared().await;
    let project = crate::support::unique("shop");
    let rules = rules("").replace(
        "{min_age: 0s, container: $labels.service, allow: [\"*\"]}",
        &format!("{{min_age: 0s, compose: {{project: {project}, service: $labels.service}}, allow: [web, api]}}"),
    );
    let web = Run::named("web").compose(&project, "web", 1).enabled().start(&daemon).await;
    let api = Run::named("api").compose(&project, "api", 1).enabled().start(&daemon).await;
    let second = Run::named("api").compose(&project, "api", 2).enabled().start(&daemon).await;
    let (before_web, before_api, before_second) =
        (web.started_at().await, api.started_at().await, second.started_at().await);
    let fettle = Setup::new(&daemon.url(), &rules).start().await;
    for service in ["web", "api"] {
        fettle.send(&firing(&[("alertname", "Down"), ("service", service)])).await;
    }
    let row = acted(&fettle, &format!("compose:local/{project}/web")).await;
    assert_eq!(row["result"], "succeeded", "{row:#}");
    let row = acted(&fettle, &format!("compose:local/{project}/api")).await;
    assert_eq!(
        (row["result"].as_str(), row["reason"].as_str()),
        (Some("refused"), Some("ambiguous_target")),
        "{row:#}"
    );
    assert_ne!(web.started_at().await, before_web);
    assert_eq!((api.started_at().await, second.started_at().await), (before_api, before_second));
}

#[tokio::test]
async fn observe_records_what_it_would_do_and_touches_nothing() {
    let daemon = Daemon::shared().await;
    let container = Run::named("observed").enabled().start(&daemon).await;
    let before = container.started_at().await;
    let fettle = Setup::new(&daemon.url(), &rules("    mode: observe\n")).start().await;
    fettle.send(&firing(&about(&labels(&container)))).await;
    let story = fettle.closed(&target(&container), SOON).await;
    assert_eq!(story["outcome"], "observed", "{story:#}");
    let row = acted(&fettle, &target(&container)).await;
    assert_eq!((row["result"].as_str(), row["mode"].as_str()), (Some("observed"), Some("observe")), "{row:#}");
    assert_eq!(container.started_at().await, before);
}

#[tokio::test]
async fn the_fourth_restart_within_the_hour_is_refused_with_its_numbers_and_people_are_told_once() {
    let daemon = Daemon::shared().await;
    let container = Run::named("budget").enabled().start(&daemon).await;
    let fettle = Setup::new(&daemon.url(), &rules("    budget: [3 per 1h]\n")).start().await;
    let labels = labels(&container);
    for _ in 0..3 {
        fettle.send(&firing(&about(&labels))).await;
        acted(&fettle, &target(&container)).await;
        fettle.send(&resolved(&about(&labels))).await;
        assert_eq!(fettle.closed(&target(&container), SOON).await["outcome"], "fixed");
    }
    let before = container.started_at().await;
    fettle.send(&firing(&about(&labels))).await;
    let blocked =
        wait::until("it is blocked", SOON, async || match fettle.remediations(&target(&container)).await.first() {
            Some(it) if it["state"] == "blocked" => Ok(it.clone()),
            other => Err(format!("{other:?}\n{}", fettle.log())),
        })
        .await;
    assert_eq!(blocked["reason"], "budget");
    for _ in 0..3 {
        fettle.send(&firing(&about(&labels))).await;
    }
    let rows = fettle.actions(&target(&container)).await;
    let refused: Vec<_> = rows.iter().filter(|row| row["result"] == "refused").collect();
    assert_eq!((rows.len(), refused.len()), (4, 1), "{rows:#?}");
    assert_eq!(refused[0]["detail"]["numbers"]["used"], 3, "{rows:#?}");
    assert_eq!(container.started_at().await, before);
}

#[tokio::test]
async fn two_spellings_of_one_container_exclude_each_other() {
    let daemon = Daemon::shared().await;
    let project = crate::support::unique("twice");
    let container = Run::named("twice").compose(&project, "web", 1).enabled().start(&daemon).await;
    let second = format!(
        "  - name: by-service\n    match: ['alertname=\"Slow\"']\n    target: {{min_age: 0s, compose: {{project: {project}, service: web}}}}\n    cooldown: 0s\n    steps:\n      - restart: {{grace: 5s}}\n        verify: {QUICK}\n"
    );
    let fettle = Setup::new(&daemon.url(), &rules(&second)).start().await;
    let compose = format!("compose:local/{project}/web");
    fettle.send(&firing(&about(&labels(&container)))).await;
    acted(&fettle, &target(&container)).await;
    fettle.send(&firing(&[("alertname", "Slow"), ("service", "x")])).await;
    let story =
        wait::until("the second is blocked", SOON, async || match fettle.remediations(&compose).await.first() {
            Some(it) if it["state"] == "blocked" => Ok(it.clone()),
            other => Err(format!("{other:?}\n{}", fettle.log())),
        })
        .await;
    assert_eq!(story["reason"], "in_flight");
    // Once the first is closed the second has its turn.
    assert_eq!(acted(&fettle, &compose).await["result"], "succeeded");
}
