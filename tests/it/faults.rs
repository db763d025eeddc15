//! What breaks around fettle while it works, and what it says when it cannot start.

use std::time::{Duration, Instant};

use crate::support::container::{Container, Run};
use crate::support::docker::Daemon;
use crate::support::fettle::{Fettle, Setup, firing, resolved};
use crate::support::postgres::Database;
use crate::support::private_postgres::PrivatePostgres;
use crate::support::proxy::{Fault, Proxy};
use crate::support::wait;

const SOON: Duration = Duration::from_mins(1);

const RULES: &str = r#"
version: 1
rules:
  - name: restart
    match: ['alertname="Down"']
    target: {min_age: 0s, container: $labels.service, allow: ["*"]}
    cooldown: 0s
    steps:
      - restart: {grace: 1s}
        verify: {settle: 0s, healthy_for: 500ms, resolved_within: 30s}
"#;

fn target(container: &Container) -> String {
    format!("container:local/{}", container.name)
}

/// Waits until the newest audit row of the target has this result.
async fn result(fettle: &Fettle, target: &str, expected: &str) -> serde_json::Value {
    wait::until("the action has its result", SOON, async || {
        let newest =
            fettle.actions(target).await.into_iter().find(|row| row["action"] == "restart").unwrap_or_default();
        if newest["result"] == expected { Ok(newest) } else { Err(format!("{newest}\n{}", fettle.log())) }
    })
    .await
}

#[tokio::test]
async fn a_database_that_is_gone_at_the_start_is_waited_for_and_senders_are_told_to_come_again() {
    let (daemon, postgres) = (Daemon::shared().await, PrivatePostgres::start().await);
    postgres.kill();
    let fettle = Setup::new(&daemon.url(), RULES).database(&postgres.url()).launch();
    wait::until("it serves", SOON, async || match fettle.post(&firing(&[("alertname", "Other")])).await {
        503 => Ok(()),
        other => Err(format!("{other}\n{}", fettle.log())),
    })
    .await;
    let ready = reqwest::get(fettle.url("/-/ready")).await.expect("an answer");
    assert_eq!(ready.status(), 503);
    assert!(ready.text().await.expect("text").contains("database"));
    postgres.restart().await;
    fettle.ready().await;
    assert_eq!(fettle.post(&firing(&[("alertname", "Other")])).await, 202);
}

#[tokio::test]
async fn a_database_killed_under_way_answers_503_and_everything_goes_on_when_it_is_back() {
    let (daemon, postgres) = (Daemon::shared().await, PrivatePostgres::start().await);
    let container = Run::named("dbkill").enabled().start(&daemon).await;
    let fettle = Setup::new(&daemon.url(), RULES).database(&postgres.url()).start().await;
    let labels = [("alertname", "Down"), ("service", container.name.as_str())];
    fettle.send(&firing(&labels)).await;
    result(&fettle, &target(&container), "succeeded").await;
    postgres.kill();
    let began = Instant::now();
    for _ in 0..20 {
        assert_eq!(fettle.post(&firing(&[("alertname", "Other")])).await, 503, "{}", fettle.log());
    }
    assert!(began.elapsed() < SOON, "every answer came in time");
    postgres.restart().await;
    fettle.send(&resolved(&labels)).await;
    let story = fettle.closed(&target(&container), SOON).await;
    assert_eq!((story["outcome"].as_str(), story["actions"].as_i64()), (Some("fixed"), Some(1)), "{story:#}");
}

#[tokio::test]
async fn a_database_that_hangs_is_a_503_within_the_senders_patience() {
    let (daemon, database) = (Daemon::shared().await, Database::create().await);
    let proxy = Proxy::tcp(database.address()).await;
    let fettle = Setup::new(&daemon.url(), RULES).database(&database.url_through(proxy.address())).start().await;
    proxy.fail(Fault::Stalled);
    let began = Instant::now();
    assert_eq!(fettle.post(&firing(&[("alertname", "Other")])).await, 503, "{}", fettle.log());
    assert!(began.elapsed() < Duration::from_secs(10), "a sender waits 5 s at most: {:?}", began.elapsed());
    proxy.restore();
    fettle.send(&firing(&[("alertname", "Other")])).await;
}

#[tokio::test]
async fn a_result_that_cannot_be_stored_is_kept_until_it_can() {
    let (daemon, database) = (Daemon::shared().await, Database::create().await);
    let docker = Proxy::unix(daemon.socket());
    let proxy = Proxy::tcp(database.address()).await;
    // It ignores SIGTERM, so the restart lasts for the grace and there is time to cut the database meanwhile.
    let stubborn = Run::named("keep").enabled().shell("trap '' TERM; while :; do sleep 1; done").start(&daemon).await;
    let rules = RULES.replace("grace: 1s", "grace: 4s");
    let url = database.url_through(proxy.address());
    let fettle = Setup::new(&docker.url(), &rules).database(&url).start().await;
    let labels = [("alertname", "Down"), ("service", stubborn.name.as_str())];
    fettle.send(&firing(&labels)).await;
    wait::until("the effect is under way", SOON, async || {
        match fettle.remediations(&target(&stubborn)).await.first() {
            Some(row) if row["state"] == "running" => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let before = stubborn.started_at().await;
    proxy.fail(Fault::Cut);
    wait::until("docker has restarted it", SOON, async || {
        if stubborn.started_at().await == before { Err(before.clone()) } else { Ok(()) }
    })
    .await;
    proxy.restore();
    let row = result(&fettle, &target(&stubborn), "succeeded").await;
    assert_eq!(row["attempt"], 1, "{row:#}");
    fettle.send(&resolved(&labels)).await;
    assert_eq!(fettle.closed(&target(&stubborn), SOON).await["outcome"], "fixed");
}

#[tokio::test]
async fn a_restart_whose_answer_is_lost_is_found_by_looking_and_not_done_again() {
    let daemon = Daemon::shared().await;
    let proxy = Proxy::unix(daemon.socket());
    let container = Run::named("lost").enabled().shell("trap '' TERM; while :; do sleep 1; done").start(&daemon).await;
    let rules = RULES.replace("grace: 1s", "grace: 3s");
    let fettle = Setup::new(&proxy.url(), &rules).start().await;
    let labels = [("alertname", "Down"), ("service", container.name.as_str())];
    fettle.send(&firing(&labels)).await;
    wait::until("the effect is under way", SOON, async || {
        match fettle.remediations(&target(&container)).await.first() {
            Some(row) if row["state"] == "running" => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let before = container.started_at().await;
    // The request must have gone through before the connection is cut.
    wait::until("docker is at it", SOON, async || {
        let metrics = fettle.metrics().await;
        let state = container.inspect().await.state.unwrap_or_default();
        if metrics.contains("fettle_reaction_seconds_count 1") && state.running == Some(true) {
            Ok(())
        } else {
            Err(format!("{state:?}"))
        }
    })
    .await;
    proxy.fail(Fault::Cut);
    wait::until("docker has restarted it, or never will", SOON, async || {
        let rows = fettle.actions(&target(&container)).await;
        let told = fettle.log().contains("docker_broken") || rows.iter().any(|row| row["result"].is_string());
        let moved = container.started_at().await != before;
        if moved || told { Ok(()) } else { Err(format!("{rows:#?}")) }
    })
    .await;
    proxy.restore();
    let row = wait::until("the result is known", Duration::from_secs(90), async || {
        let newest = fettle.actions(&target(&container)).await.into_iter().find(|row| row["action"] == "restart");
        match newest {
            Some(row) if row["result"].is_string() => Ok(row),
            other => Err(format!("{other:?}\n{}", fettle.log())),
        }
    })
    .await;
    // Docker goes on with what it was told, whoever hangs up.
    assert_eq!(
        (row["result"].as_str(), row["reason"].as_str()),
        (Some("succeeded"), Some("reconciled")),
        "{row:#}\n{}",
        fettle.log()
    );
    assert_eq!(fettle.actions(&target(&container)).await.len(), 1);
}

#[tokio::test]
async fn without_docker_a_decision_waits_and_nothing_is_spent() {
    let daemon = Daemon::shared().await;
    let container = Run::named("away").enabled().start(&daemon).await;
    let proxy = Proxy::unix(daemon.socket());
    let fettle = Setup::new(&proxy.url(), RULES).start().await;
    proxy.fail(Fault::Cut);
    let labels = [("alertname", "Down"), ("service", container.name.as_str())];
    fettle.send(&firing(&labels)).await;
    waits_for_docker(&fettle, &target(&container)).await;
    wait::until("health reports it", SOON, async || {
        let health = fettle.get("/api/v1/health").await;
        if health["status"] == "degraded" { Ok(()) } else { Err(format!("{health:#}")) }
    })
    .await;
    assert_eq!(fettle.actions(&target(&container)).await.len(), 0);
    proxy.restore();
    result(&fettle, &target(&container), "succeeded").await;
}

/// The remediation of the target is blocked by `docker_away`.
async fn waits_for_docker(fettle: &Fettle, target: &str) {
    wait::until("it waits for docker", SOON, async || match fettle.remediations(target).await.first() {
        Some(row) if row["state"] == "blocked" && row["reason"] == "docker_away" => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
}

#[tokio::test]
async fn a_docker_that_hangs_is_waited_for_and_holds_up_nothing_else() {
    let daemon = Daemon::shared().await;
    let proxy = Proxy::unix(daemon.socket());
    let fettle = Setup::new(&proxy.url(), RULES).start().await;
    proxy.fail(Fault::Stalled);
    fettle.send(&firing(&[("alertname", "Down"), ("service", "web")])).await;
    let began = Instant::now();
    assert_eq!(fettle.post(&firing(&[("alertname", "Other")])).await, 202);
    assert!(began.elapsed() < Duration::from_secs(2), "intake does not wait for docker");
    waits_for_docker(&fettle, "container:local/web").await;
    assert_eq!(fettle.actions("container:local/web").await.len(), 0);
}

#[tokio::test]
async fn a_clock_stepped_back_reopens_no_budget_and_stops_no_work() {
    let daemon = Daemon::shared().await;
    let container = Run::named("clock").enabled().start(&daemon).await;
    let rules = RULES.replace("cooldown: 0s", "cooldown: 0s\n    budget: [2 per 30m]");
    let library = crate::support::faketime();
    let ahead = ["env", &format!("LD_PRELOAD={library}"), "FAKETIME=+1h", "FAKETIME_DONT_FAKE_MONOTONIC=1"];
    let mut fettle = Setup::new(&daemon.url(), &rules).wrapped_in(&ahead).start().await;
    let labels = [("alertname", "Down"), ("service", container.name.as_str())];
    let hour = jiff::SignedDuration::from_hours(1);
    fettle.send(&moved(firing(&labels), hour)).await;
    result(&fettle, &target(&container), "succeeded").await;
    fettle.send(&moved(resolved(&labels), hour)).await;
    assert_eq!(fettle.closed(&target(&container), SOON).await["outcome"], "fixed");
    assert_eq!(fettle.terminate(), Some(0));

    fettle.unwrap();
    fettle.launch();
    fettle.ready().await;
    // Time goes on from the last stored instant, so this is later than the resolve.
    let later = hour + jiff::SignedDuration::from_secs(1);
    fettle.send(&moved(firing(&labels), later)).await;
    wait::until("the second restart", SOON, async || {
        let done = fettle.actions(&target(&container)).await.iter().filter(|row| row["result"] == "succeeded").count();
        if done == 2 { Ok(()) } else { Err(fettle.log()) }
    })
    .await;
    fettle.send(&moved(resolved(&labels), later)).await;
    assert_eq!(fettle.closed(&target(&container), SOON).await["outcome"], "fixed", "{}", fettle.log());
    fettle.send(&moved(firing(&labels), later + later)).await;
    wait::until("the third is refused", SOON, async || match fettle.remediations(&target(&container)).await.first() {
        Some(row) if row["state"] == "blocked" && row["reason"] == "budget" => Ok(()),
        other => Err(format!("{other:?}\n{}", fettle.log())),
    })
    .await;
}

/// The same notification with its times moved.
fn moved(mut body: serde_json::Value, by: jiff::SignedDuration) -> serde_json::Value {
    for field in ["startsAt", "endsAt"] {
        let text = body["alerts"][0][field].as_str().expect("a time").to_owned();
        if !text.starts_with("0001") {
            let time: jiff::Timestamp = text.parse().expect("a time");
            body["alerts"][0][field] = (time + by).to_string().into();
        }
    }
    body
}

/// A file system of 6 MiB, gone with the value.
struct Small(tempfile::TempDir);

impl Small {
    fn mount() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=6m", "tmpfs"])
            .arg(folder.path())
            .status();
        assert!(mounted.is_ok_and(|status| status.success()), "mounting a small file system needs root");
        Self(folder)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn a_full_disk_is_a_503_and_not_ready_and_space_is_all_it_takes_to_go_on() {
    let disk = Small::mount();
    let url = format!("sqlite://{}", disk.0.path().join("fettle.db").display());
    let fettle = Setup::new("unix:///nowhere", RULES).database(&url).start().await;
    let filler = disk.0.path().join("filler");
    // Filled to the last block: writing fails half-way, what was written stays.
    let _ = std::fs::write(&filler, vec![0; 6 << 20]);
    let padding = "x".repeat(30_000);
    wait::until("senders are told to come again", SOON, async || {
        match fettle.post(&firing(&[("alertname", "Other"), ("padding", &padding)])).await {
            503 => Ok(()),
            other => Err(other.to_string()),
        }
    })
    .await;
    assert_eq!(reqwest::get(fettle.url("/-/ready")).await.expect("an answer").status(), 503);
    std::fs::remove_file(filler).expect("remove the filler");
    fettle.send(&firing(&[("alertname", "Down"), ("service", "web")])).await;
    fettle.ready().await;
    wait::until("decisions go on, too", SOON, async || {
        let newest = fettle.remediations("container:local/web").await.into_iter().next().unwrap_or_default();
        if newest["reason"] == "docker_away" { Ok(()) } else { Err(newest.to_string()) }
    })
    .await;
}

/// Starts it and waits for its end; exit code and what it said.
fn fails(setup: Setup) -> (Option<i32>, String) {
    let mut fettle = setup.launch();
    (fettle.wait(), fettle.log())
}

#[tokio::test]
async fn what_is_wrong_at_the_start_is_named_with_its_place_and_ends_with_one() {
    let bad = RULES.replace("cooldown: 0s", "cooldwon: 0s").replace("alertname=\"Down\"", "alertname=~\"(\"");
    let (code, log) = fails(Setup::new("unix:///nowhere", &bad));
    assert_eq!(code, Some(1), "{log}");
    assert!(
        log.contains("rules/test.yaml:5:") && log.contains("rules/test.yaml:7:5"),
        "all at once, with places: {log}"
    );
    assert!(log.contains("cooldown"), "the nearest key is named: {log}");

    let (code, log) = fails(Setup::new("unix:///nowhere", RULES).config("limit: {in_flight: 2}\n"));
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("fettle.yaml:6:1") && log.contains("limits"), "{log}");

    let (code, log) = fails(Setup::new("unix:///nowhere", RULES).database("sqlite:///no/such/folder/fettle.db"));
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("database"), "{log}");

    let first = Setup::new("unix:///nowhere", RULES).start().await;
    let file = first.folder().join("fettle.db").display().to_string();
    let (code, log) = fails(Setup::new("unix:///nowhere", RULES).database(&format!("sqlite://{file}")));
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("another process has"), "{log}");
}

#[tokio::test]
async fn a_reload_is_all_or_nothing_by_file_by_signal_and_by_request() {
    let fettle = Setup::new("unix:///nowhere", RULES).start().await;
    let names = async || {
        let rules = fettle.get("/api/v1/rules").await;
        rules.as_array().expect("a list").iter().map(|rule| rule["name"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(names().await, ["restart"]);
    fettle.write_rules(&RULES.replace("name: restart", "name: renamed"));
    wait::until("the file's change is seen", SOON, async || {
        let now = names().await;
        if now == ["renamed"] { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await;
    fettle.write_rules(&RULES.replace("name: restart", "name: by-signal"));
    fettle.signal("-HUP");
    wait::until("the signal reloads", SOON, async || {
        let now = names().await;
        if now == ["by-signal"] { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await;
    let wide =
        "{name: wide, match: [a=b], target: {min_age: 0s, container: $labels.x, allow: ['*']}, steps: [restart]}";
    fettle.write_rules(&format!("version: 1\nrules: [{{name: broken}},\n  {wide}]\n"));
    let client = reqwest::Client::new();
    let answer =
        client.post(fettle.url("/-/reload")).header("content-type", "application/json").send().await.expect("sent");
    assert!(answer.status().is_client_error() || answer.status().is_server_error(), "{}", answer.status());
    let text = answer.text().await.expect("text");
    assert!(text.contains("test.yaml") && text.contains("\"line\":2"), "the place is told: {text}");
    assert_eq!(names().await, ["by-signal"], "the old set stays");
    let log = fettle.log();
    let why = log.lines().find(|line| line.contains("rules were not reloaded")).expect("the log says why");
    assert!(why.contains("test.yaml:2") && !why.contains("permits every name"), "errors, and no warning: {why}");
    assert!(fettle.metrics().await.contains("fettle_config_last_reload_successful 0"));
    fettle.write_rules(RULES);
    let answer =
        client.post(fettle.url("/-/reload")).header("content-type", "application/json").send().await.expect("sent");
    assert_eq!(answer.status(), 200);
    assert_eq!(names().await, ["restart"]);
    assert!(fettle.metrics().await.contains("fettle_config_last_reload_successful 1"));
}

#[tokio::test]
async fn sigterm_ends_the_process_while_its_database_answers_nothing() {
    let (docker, database) = (Daemon::shared().await, Database::create().await);
    let proxy = Proxy::tcp(database.address()).await;
    let url = database.url_through(proxy.address());
    let mut fettle = Setup::new(&docker.url(), RULES).database(&url).start().await;
    let other = firing(&[("alertname", "Other")]);
    fettle.send(&other).await;
    proxy.fail(Fault::Stalled);
    let posts = (0..8).map(|_| fettle.post(&other));
    let answers = futures_util::future::join_all(posts).await;
    assert!(answers.iter().all(|&status| status == 503), "{answers:?}");
    let begun = Instant::now();
    assert_eq!(fettle.terminate(), Some(0), "{}", fettle.log());
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}

/// A failover without a farewell: connections that exist answer nothing, new ones work.
#[tokio::test]
async fn senders_are_answered_202_again_within_ten_seconds_after_connections_were_swallowed() {
    let (docker, database) = (Daemon::shared().await, Database::create().await);
    let proxy = Proxy::tcp(database.address()).await;
    let url = database.url_through(proxy.address());
    let mut fettle = Setup::new(&docker.url(), RULES).database(&url).start().await;
    let other = firing(&[("alertname", "Other")]);
    for _ in 0..3 {
        let posts = (0..8).map(|_| fettle.post(&other));
        proxy.fail(Fault::AnswersLost);
        futures_util::future::join_all(posts).await;
        proxy.restore();
        wait::until("it takes notifications again", Duration::from_secs(10), async || {
            match fettle.post(&other).await {
                202 => Ok(()),
                status => Err(format!("{status}\n{}", fettle.log())),
            }
        })
        .await;
    }
    assert_eq!(fettle.terminate(), Some(0), "{}", fettle.log());
}
