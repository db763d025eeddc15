//! What is kept before a container is touched.

use std::time::{Duration, Instant};

use fettle_core::ports::platform::Platform;
use fettle_core::sight::{Health, Status};

use super::{any, exited, local, pin, real, seen};
use crate::support::container::Run;
use crate::support::docker::Daemon;
use crate::support::proxy::{Fault, Proxy};

#[tokio::test]
async fn the_last_lines_the_memory_and_the_state_are_kept() {
    let (daemon, docker) = real().await;
    let line = "for i in 1 2 3 4 5; do echo line $i; done; echo oops >&2; printf 'red \\033[31m\\n'; exit 3";
    let container = Run::named("crashed").shell(line).start(&daemon).await;
    exited(&docker, &container).await;
    let few = docker.evidence(&any("local"), &pin(&container.id), 4).await;
    let few = few["log"].as_array().expect("lines").clone();
    assert!(few.len() == 4 && !few.iter().any(|it| it.to_string().contains("line 1")), "{few:#?}");
    let kept = docker.evidence(&any("local"), &pin(&container.id), 100).await;
    let log: Vec<&str> = kept["log"].as_array().expect("lines").iter().filter_map(|it| it.as_str()).collect();
    let has = |stream: &str, what: &str| log.iter().any(|line| line.starts_with(stream) && line.ends_with(what));
    assert!(has("stdout 20", " line 1") && has("stdout 20", " red \\u{1b}[31m"), "{log:#?}");
    assert!(has("stderr 20", " oops") && log.len() == 7, "with the stream and the time: {log:#?}");
    assert_eq!((kept["state"]["status"].as_str(), kept["state"]["exit_code"].as_i64()), (Some("exited"), Some(3)));
    assert_eq!(kept["state"]["restart_count"], 0);
}

#[tokio::test]
async fn memory_and_the_log_of_the_health_check_are_kept_of_one_that_runs() {
    let (daemon, docker) = real().await;
    let run = Run::named("sick").memory(64 << 20).health("echo not today; exit 1");
    let container = run.start(&daemon).await;
    seen(&docker, &container, Status::Running, |it| it.health == Some(Health::Unhealthy)).await;
    let kept = docker.evidence(&any("local"), &pin(&container.id), 10).await;
    assert_eq!(kept["memory"]["limit"], 64 << 20, "{kept:#}");
    assert!(kept["memory"]["used"].as_u64().is_some_and(|used| used > 0 && used < 64 << 20), "{kept:#}");
    assert_eq!(kept["state"]["health"], "unhealthy");
    assert_eq!(kept["state"]["health_log"][0]["output"], "not today");
}

#[tokio::test]
async fn a_long_log_is_cut_to_its_end() {
    let (daemon, docker) = real().await;
    let line = "i=0; while [ $i -lt 3000 ]; do echo \"$i xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"; i=$((i+1)); done";
    let container = Run::named("wordy").shell(line).start(&daemon).await;
    exited(&docker, &container).await;
    let kept = docker.evidence(&any("local"), &pin(&container.id), 100_000).await;
    let log = kept["log"].as_array().unwrap_or_else(|| panic!("{kept:#}"));
    let bytes: usize = log.iter().filter_map(|it| it.as_str()).map(str::len).sum();
    assert!((60 << 10..=64 << 10).contains(&bytes), "{bytes}");
    assert!(log.last().and_then(|it| it.as_str()).is_some_and(|it| it.contains(" 2999 ")), "{:?}", log.last());
}

#[tokio::test]
async fn what_cannot_be_had_is_said_in_its_place_and_in_time() {
    let (daemon, docker) = real().await;
    let container = Run::named("web").create(&daemon).await;
    let id = container.id.clone();
    drop(container);
    let kept = docker.evidence(&any("local"), &pin(&id), 10).await;
    assert_eq!(kept["state"], "the container is gone");
    assert!(kept["log"]["error"].as_str().is_some_and(|it| it.contains("404")), "{kept:#}");
    assert!(docker.evidence(&any("elsewhere"), &pin(&id), 10).await["error"].is_string());
    assert_eq!(docker.evidence(&any("local"), &pin("web"), 10).await, serde_json::json!({}), "a name is never sent");

    let daemon = Daemon::shared().await;
    let proxy = Proxy::unix(daemon.socket());
    proxy.fail(Fault::Stalled);
    let start = Instant::now();
    let kept = local(&proxy.url()).0.evidence(&any("local"), &pin(&id), 10).await;
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!(kept["state"]["error"], "not to be had in time", "{kept:#}");
}
