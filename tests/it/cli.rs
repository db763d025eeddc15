//! The command line against a real server: exit codes, stdout for results, stderr for everything else.

use std::process::{Command, Stdio};

use fettle::config::Role;
use fettle::engine::readiness::Condition;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::support::edge::{Edge, Setup, token};

struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

async fn fettle(edge: &Edge, words: &[&str], bearer: Option<Role>) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fettle"));
    command.args(words).stdin(Stdio::null()).env("FETTLE_LISTEN", edge.address.to_string());
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
