//! The command line against a real server: exit codes, stdout for results, stderr for everything else.

use std::process::{Command, Stdio};
use std::time::Duration;

use fettle::config::Role;
use fettle_engine::readiness::Condition;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::http::proposals::{plan_of, waiting};
use crate::support::edge::{Edge, Setup, token};

struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

async fn fettle(edge: &Edge, words: &[&str], bearer: Option<Role>) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fettle"));
    command.args(words).stdin(Stdio::null());
    finish(edge, command, bearer).await
}

/// At a terminal of its own, where a person types `typed`.
async fn at_a_terminal(edge: &Edge, words: &str, typed: &str, bearer: Option<Role>) -> Said {
    let keys = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(keys.path(), typed).expect("written");
    let line = format!("exec {} {words}", env!("CARGO_BIN_EXE_fettle"));
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
    command.stdin(std::fs::File::open(keys.path()).expect("readable"));
    finish(edge, command, bearer).await
}

async fn finish(edge: &Edge, mut command: Command, bearer: Option<Role>) -> Said {
    command.env("FETTLE_LISTEN", edge.address.to_string());
    command.env_remove("FETTLE_URL").env_remove("FETTLE_TOKEN");
    if let Some(role) = bearer {
        command.env("FETTLE_TOKEN", token(role));
    }
    let done = tokio::task::spawn_blocking(move || command.output()).await.expect("no panic").expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Said { code: done.status.code(), out: text(done.stdout), err: text(done.stderr) }
}

#[tokio::test(flavor = "multi_thread")]
async fn send_posts_what_is_stored_and_prints_its_id() {
    let edge = Setup::default().tokens().start().await;
    let said = fettle(&edge, &["send", "alertname=Down", "service=web"], Some(Role::Sender)).await;
    assert_eq!((said.code, edge.stored().await), (Some(0), 1), "{}", said.err);
    let id = said.out.strip_prefix("stored as ").expect("the id").trim();
    assert!(uuid::Uuid::parse_str(id).is_ok(), "{id}");
    assert!(said.err.contains("fettle remediations"), "{}", said.err);
    let json = fettle(&edge, &["send", "alertname=Down", "--resolved", "--output", "json"], Some(Role::Admin)).await;
    let answer: Value = serde_json::from_str(&json.out).expect("JSON and nothing else");
    assert_eq!(answer["alerts"], 1);
    assert!(edge.counted(r#"fettle_alerts_total{status="resolved"} 1"#));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_told_on_stderr_with_advice_and_exits_with_1() {
    let edge = Setup::default().tokens().start().await;
    let said = fettle(&edge, &["remediations"], None).await;
    assert_eq!((said.code, said.out.as_str()), (Some(1), ""));
    assert!(said.err.contains("401") && said.err.contains("--token-file"), "{}", said.err);
    let said = fettle(&edge, &["send", "alertname=Down"], Some(Role::Viewer)).await;
    assert!(said.code == Some(1) && said.err.contains("403") && said.err.contains("viewer"), "{}", said.err);
    let said = fettle(&edge, &["show", "0197d1f0-5c1e-7c3a-9a52-3d1f6f0c8b11"], Some(Role::Viewer)).await;
    assert!(said.code == Some(1) && said.err.contains("no remediation has this id"), "{}", said.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_an_exit_code_and_needs_no_token() {
    let edge = Setup::default().tokens().start().await;
    assert_eq!(fettle(&edge, &["health"], None).await.code, Some(0));
    edge.readiness.unmet(Condition::Recovery, "recovery is not done yet");
    let said = fettle(&edge, &["health"], None).await;
    assert!(said.code == Some(1) && said.err.contains("recovery is not done yet"), "{}", said.err);
    let said = fettle(&edge, &["health", "--url", "http://127.0.0.1:1"], None).await;
    assert!(said.code == Some(1) && said.err.contains("does `fettle serve` run there?"), "{}", said.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_json_for_scripts_and_empty_ones_say_so() {
    let edge = Setup::default().start().await;
    for words in [["remediations", "--output", "json"], ["actions", "--output", "json"]] {
        let said = fettle(&edge, &words, None).await;
        assert_eq!((said.code, said.out.trim()), (Some(0), "[]"), "{}", said.err);
    }
    let said = fettle(&edge, &["remediations", "--state", "open"], None).await;
    assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (Some(0), "", "no remediations\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_token_and_the_hash_for_the_configuration_belong_together() {
    let edge = Setup::default().start().await;
    let words = ["token", "new", "--name", "oncall", "--role", "admin"];
    let said = fettle(&edge, &words, None).await;
    let made = said.out.lines().next().expect("the token");
    assert!(said.out.contains(&format!("sha256: {:x}}}", Sha256::digest(made))), "{}", said.out);
    assert_ne!(fettle(&edge, &words, None).await.out.lines().next(), Some(made), "no two are alike");
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_exits_with_2_and_help_with_0() {
    let edge = Setup::default().start().await;
    for (words, code) in [
        (&["mend"][..], 2),
        (&["send"], 2),
        (&["show", "7"], 2),
        (&["send", "a=b", "a=c"], 2),
        (&["health", "--url", "fettle"], 2),
        (&["health", "--token", "two words"], 2),
        (&["remediations", "--state", "asleep"], 2),
        (&["remediations", "--after", "yesterday"], 2),
        (&["remediations", "--limit", "0"], 2),
        (&["actions", "--limit", "1001"], 2),
        (&["actions", "--result", "wonderful"], 2),
        (&["actions", "--remediation", "7"], 2),
        (&["--help"], 0),
        (&["serve", "--help"], 0),
        (&["--version"], 0),
    ] {
        let said = fettle(&edge, words, None).await;
        assert_eq!(said.code, Some(code), "{words:?}: {}{}", said.out, said.err);
        assert_eq!(said.out.is_empty(), code == 2, "{words:?}: {}", said.out);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_does_not_load_exits_with_1_and_every_problem() {
    let edge = Setup::default().start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("fettle.yaml");
    std::fs::write(&file, "listen: nowhere\nmood: bad\n").expect("written");
    let said = fettle(&edge, &["serve", "--config", file.to_str().expect("a path")], None).await;
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(said.err.contains("fettle.yaml:2:1") && said.err.contains("mood"), "{}", said.err);
}

const SOON: Duration = Duration::from_mins(10);

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_can_be_asked_approve_says_what_to_type_and_sends_nothing() {
    let edge = Setup::default().tokens().start().await;
    let remediation = waiting(&edge, "web", SOON).await;
    let (id, plan) = (remediation.id.to_string(), plan_of(&remediation));
    let said = fettle(&edge, &["approve", &id], Some(Role::Admin)).await;
    assert_eq!((said.code, said.out.as_str(), edge.woken.times()), (Some(2), "", 0), "{}", said.err);
    let typed = said.err.split("approve the plan above: fettle ").nth(1).expect("the command").trim().to_owned();
    assert_eq!(typed, format!("approve {id} --plan {plan}"));
    assert!(
        said.err.contains("restart of container:local/web") && said.err.contains("mode is propose"),
        "{}",
        said.err
    );
    let said = fettle(&edge, &typed.split(' ').collect::<Vec<_>>(), Some(Role::Admin)).await;
    assert_eq!((said.code, edge.woken.times()), (Some(0), 1), "{}", said.err);
    assert_eq!(said.out, format!("approved; see what comes of it: fettle show {id}\n"));
    let said = fettle(&edge, &typed.split(' ').collect::<Vec<_>>(), Some(Role::Admin)).await;
    assert!(said.code == Some(1) && said.err.contains("409") && said.err.contains("counts once"), "{}", said.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn at_a_terminal_the_plan_is_shown_and_only_a_yes_is_sent() {
    let edge = Setup::default().tokens().start().await;
    let remediation = waiting(&edge, "web", SOON).await;
    let words = format!("approve {}", remediation.id);
    for typed in ["n\n", "\n", "yep\n"] {
        let said = at_a_terminal(&edge, &words, typed, Some(Role::Admin)).await;
        assert_eq!((said.code, edge.woken.times()), (Some(1), 0), "{typed:?}: {}{}", said.out, said.err);
        assert!(said.out.contains("not approved"), "{}", said.out);
    }
    let said = at_a_terminal(&edge, &words, "y\n", Some(Role::Admin)).await;
    assert_eq!((said.code, edge.woken.times()), (Some(0), 1), "{}{}", said.out, said.err);
    for part in ["restart of container:local/web", "grace 10s", "approve this plan? [y/N]", &plan_of(&remediation)] {
        assert!(said.out.contains(part), "{part}: {}", said.out);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_nobody_is_not_asked_about() {
    let edge = Setup::default().tokens().start().await;
    let remediation = waiting(&edge, "web", SOON).await;
    let id = remediation.id.to_string();
    let said = fettle(&edge, &["approve", &id, "--plan", "x"], Some(Role::Viewer)).await;
    assert!(said.code == Some(1) && said.err.contains("403"), "{}", said.err);
    let said = fettle(&edge, &["reject", &id, "--plan", "x"], Some(Role::Admin)).await;
    assert!(said.code == Some(1) && said.err.contains("look at it again"), "{}", said.err);
    let said = fettle(&edge, &["cancel", &id, "--reason", "by hand", "--output", "json"], Some(Role::Admin)).await;
    let answer: Value = serde_json::from_str(&said.out).expect("JSON and nothing else");
    assert_eq!((said.code, &answer["answer"]), (Some(0), &Value::from("cancel")));
    let said = fettle(&edge, &["reject", &id], Some(Role::Admin)).await;
    assert!(said.code == Some(1) && said.err.contains("counts once"), "cancelled is answered: {}", said.err);
    let other = waiting(&edge, "db", SOON).await.id.to_string();
    let said = fettle(&edge, &["reject", &other], Some(Role::Admin)).await;
    assert_eq!((said.code, said.out.as_str()), (Some(0), "rejected; nothing will be done\n"), "{}", said.err);
    let nobody = "0197d1f0-5c1e-7c3a-9a52-3d1f6f0c8b11";
    let said = fettle(&edge, &["approve", nobody], Some(Role::Admin)).await;
    assert!(said.code == Some(1) && said.err.contains("no remediation has this id"), "{}", said.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn pauses_are_given_listed_and_ended_by_name() {
    let edge = Setup::default().start().await;
    let said = fettle(&edge, &["pauses"], None).await;
    assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (Some(0), "", "nothing is paused\n"));
    let said = fettle(&edge, &["resume"], None).await;
    assert_eq!((said.code, said.err.as_str()), (Some(0), "nothing was paused\n"));

    let said = fettle(&edge, &["pause", "--reason", "moving the database"], None).await;
    assert_eq!((said.code, said.out.as_str()), (Some(0), "paused everything until somebody resumes\n"), "{}", said.err);
    assert!(said.err.contains("fettle resume "), "{}", said.err);
    let target = ["pause", "--target", "container:local/web", "--reason", "a look", "--for", "2h", "--output", "json"];
    let said = fettle(&edge, &target, None).await;
    let made: Value = serde_json::from_str(&said.out).expect("JSON and nothing else");
    assert_eq!((&made["scope"], made["until"].is_string()), (&Value::from("target"), true), "{made}");
    let said = fettle(&edge, &["pause", "--rule", "nobody", "--reason", "r"], None).await;
    assert!(said.code == Some(1) && said.err.contains("names no rule in force"), "{}", said.err);

    let said = fettle(&edge, &["pauses"], None).await;
    assert!(said.out.contains("everything") && said.out.contains("a look"), "{}", said.out);
    let said = fettle(&edge, &["resume"], None).await;
    assert!(said.code == Some(2) && said.err.contains("name one by its id"), "{}", said.err);
    let said = fettle(&edge, &["resume", "--target", "container:local/web"], None).await;
    assert_eq!((said.code, said.out.as_str()), (Some(0), "resumed container:local/web\n"), "{}", said.err);
    let said = fettle(&edge, &["resume", made["id"].as_str().expect("an id")], None).await;
    assert!(said.code == Some(1) && said.err.contains("no pause that stands has this id"), "{}", said.err);
    let said = fettle(&edge, &["resume"], None).await;
    assert_eq!((said.code, said.out.as_str()), (Some(0), "resumed everything\n"), "{}", said.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_breaker_that_is_closed_is_said_to_be_and_one_of_nobody_is_not_found() {
    let edge = Setup::default().start().await;
    let said = fettle(&edge, &["breakers"], None).await;
    assert_eq!((said.code, said.err.as_str()), (Some(0), "no breaker was ever open\n"), "{}", said.out);
    let said = fettle(&edge, &["breakers", "reset", "no such/rule"], None).await;
    assert!(said.code == Some(1) && said.err.contains("404"), "{}", said.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clock_is_reset_with_a_reason_only() {
    let edge = Setup::default().start().await;
    let said = fettle(&edge, &["clock", "reset"], None).await;
    assert!(said.code == Some(2) && said.err.contains("--reason"), "{}", said.err);
    let said = fettle(&edge, &["clock", "reset", "--reason", " "], None).await;
    assert!(said.code == Some(1) && said.err.contains("reason"), "{}", said.err);
    let said = fettle(&edge, &["clock", "reset", "--reason", "NTP was repaired"], None).await;
    assert!(
        said.code == Some(0) && said.out.contains("reset fettle's clock, which was 0.0 s"),
        "{}{}",
        said.out,
        said.err
    );
    let (_, events) = edge.ask("GET", "/api/v1/events", None, None).await;
    assert_eq!((&events[0]["event"], &events[0]["severity"]), (&"clock_reset".into(), &"warning".into()), "{events:#}");
    assert_eq!(events[0]["details"]["reason"], "NTP was repaired");
}

#[tokio::test(flavor = "multi_thread")]
async fn watching_prints_what_is_new_and_ends_with_its_reader() {
    use std::io::{BufRead, BufReader};
    let edge = Setup::default().start().await;
    let first = waiting(&edge, "web", SOON).await;
    let mut command = Command::new(env!("CARGO_BIN_EXE_fettle"));
    command.args(["remediations", "--watch", "--output", "json"]).env("FETTLE_LISTEN", edge.address.to_string());
    command.env_remove("FETTLE_URL").env_remove("FETTLE_TOKEN").stdin(Stdio::null()).stdout(Stdio::piped());
    let mut running = command.spawn().expect("it runs");
    let mut lines = BufReader::new(running.stdout.take().expect("a pipe")).lines();
    let (seen, mut told) = tokio::sync::mpsc::unbounded_channel();
    let reader = tokio::task::spawn_blocking(move || {
        // Two rows, and then nobody reads any more.
        for line in lines.by_ref().take(2) {
            let row: Value = serde_json::from_str(&line.expect("text")).expect("a row per line");
            seen.send(row["id"].as_str().unwrap_or_default().to_owned()).expect("somebody waits");
        }
    });
    assert_eq!(told.recv().await, Some(first.id.to_string()));
    let second = waiting(&edge, "api", SOON).await;
    assert_eq!(told.recv().await, Some(second.id.to_string()), "what was there is not told again");
    reader.await.expect("no panic");
    waiting(&edge, "db", SOON).await;
    let ended = tokio::task::spawn_blocking(move || running.wait()).await.expect("no panic").expect("it ends");
    assert_eq!(ended.code(), Some(0), "a reader that has seen enough is no error");
}

#[tokio::test(flavor = "multi_thread")]
async fn at_a_terminal_times_are_told_from_now_and_nothing_is_wider_than_it() {
    let edge = Setup::default().start().await;
    waiting(&edge, "web", SOON).await;
    let line = format!("stty cols 90 rows 20; exec {} remediations", env!("CARGO_BIN_EXE_fettle"));
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command", &line, "/dev/null"]).stdin(Stdio::null());
    let plain = finish(&edge, command, None).await.out;
    assert!(plain.contains("now") || plain.contains("ago"), "{plain}");
    let bare: String = plain.split('\u{1b}').map(|it| it.split_once('m').map_or(it, |(_, rest)| rest)).collect();
    assert!(bare.contains("awaiting_approval"), "{bare}");
    let words = ["remediations", "--color", "always"];
    assert!(fettle(&edge, &words, None).await.out.contains("\u{1b}[33mawaiting_approval"), "whoever asks gets colours");
}
