//! The files for whoever watches from outside, written by the real binary and read by `fettle health --file`.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::fettle::{Setup, firing};
use crate::support::wait;

const SOON: Duration = Duration::from_secs(40);

const RULES: &str =
    "version: 1\nrules: [{name: web, match: ['alertname=\"Down\"'], target: {container: web}, steps: [restart]}]\n";

fn read(path: &Path) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

fn health(path: &Path) -> (Option<i32>, String) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_fettle")).args(["health", "--file"]).arg(path).output().expect("it runs");
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

#[tokio::test]
async fn the_files_say_that_it_lives_and_what_it_did_and_grow_old_when_it_is_gone() {
    let setup = Setup::new("unix:///nowhere/docker.sock", RULES);
    let mut fettle = setup.config("heartbeat_file: beat.json\nmetrics_file: figures.json\n").start().await;
    let (beat, figures) = (fettle.folder().join("beat.json"), fettle.folder().join("figures.json"));
    let pid = wait::until("the heartbeat is written", SOON, async || {
        let beat = read(&beat).ok_or("not there yet")?;
        beat["pid"].as_u64().ok_or_else(|| beat.to_string())
    })
    .await;
    fettle.send(&firing(&[("alertname", "Down")])).await;
    // Killed and started again, it writes at once: no need to wait for half a minute.
    fettle.kill();
    fettle.launch();
    fettle.ready().await;
    fettle.send(&firing(&[("alertname", "Down")])).await;
    let first = wait::until("another process writes", SOON, async || {
        let now = read(&figures).unwrap_or_default();
        if now["pid"].as_u64().is_some_and(|it| it != pid) { Ok(now) } else { Err(now.to_string()) }
    })
    .await;
    for name in ["at", "status", "version", "uptime_seconds", "last_notification_at", "consecutive_failures", "totals"]
    {
        assert!(first.get(name).is_some(), "{name}: {first}");
    }
    assert_eq!(health(&beat).0, Some(0), "{}", health(&beat).1);
    let old = json!({"at": "2020-01-01T00:00:00Z", "status": "healthy", "pid": 1});
    std::fs::write(&beat, old.to_string()).expect("written");
    let (code, said) = health(&beat);
    assert!(code == Some(1) && said.contains("unhealthy"), "{code:?} {said}");
    let (code, said) = health(Path::new("/nowhere/beat.json"));
    assert!(code == Some(1) && said.contains("/nowhere/beat.json"), "{code:?} {said}");
    assert_eq!(fettle.terminate(), Some(0));
}

#[tokio::test]
async fn the_figures_count_what_was_taken_in() {
    let setup = Setup::new("unix:///nowhere/docker.sock", RULES);
    let fettle = setup.config("metrics_file: figures.json\n").start().await;
    fettle.send(&firing(&[("alertname", "Down")])).await;
    let figures = fettle.folder().join("figures.json");
    wait::until("the notification is counted", SOON, async || {
        let now = read(&figures).unwrap_or_default();
        let counted = now["totals"]["notifications"] == 1 && now["totals"]["alerts"] == 1;
        if counted && now["last_notification_at"].is_string() { Ok(()) } else { Err(now.to_string()) }
    })
    .await;
}
