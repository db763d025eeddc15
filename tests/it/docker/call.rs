//! Restarts of a real container, and of one that cannot be restarted.

use std::time::{Duration, Instant};

use bollard::query_parameters::{EventsOptionsBuilder, RemoveContainerOptions};
use fettle_core::ports::platform::PlatformError;
use fettle_core::sight::Status;
use fettle_docker::Docker;
use futures_util::StreamExt;

use super::{Calling, SOON, Seen, exited, found, local, named, real, seen};
use crate::support::container::{Container, Run};
use crate::support::docker::Daemon;
use crate::support::proxy::{Fault, Proxy};

const GRACE: Duration = Duration::from_secs(1);

/// Ignores SIGTERM: a shell without a trap does, as process 1.
const DEAF: &str = "while :; do sleep 3600; done";

/// Restarts and checks that it runs anew, seen by the pin.
async fn restarted(docker: &Docker, container: &Container, grace: Duration) -> (Seen, Duration) {
    let before = found(docker, &named(&container.name)).await;
    let start = Instant::now();
    docker.restart("local", &container.id, grace).await.expect("restart");
    let took = start.elapsed();
    let after = found(docker, &named(&container.name)).await;
    assert_eq!(after.status, Status::Running);
    assert!(before.pin().superseded_by(&after.pin()), "{before:?} {after:?}");
    assert!(after.started_at > before.started_at);
    (after, took)
}

#[tokio::test]
async fn a_running_container_is_restarted_without_using_up_its_grace() {
    let (daemon, docker) = real().await;
    let container = Run::named("web").start(&daemon).await;
    let (_, took) = restarted(&docker, &container, Duration::from_secs(30)).await;
    assert!(took < Duration::from_secs(15), "{took:?}");
}

#[tokio::test]
async fn a_container_that_ignores_sigterm_gets_its_grace_and_is_killed_then() {
    let (daemon, docker) = real().await;
    let container = Run::named("deaf").shell(DEAF).start(&daemon).await;
    let (_, took) = restarted(&docker, &container, Duration::from_millis(1500)).await;
    assert!(took >= Duration::from_secs(2), "rounded up: {took:?}");
    let (_, took) = restarted(&docker, &container, Duration::ZERO).await;
    assert!(took < Duration::from_secs(8), "no grace is not the daemon's default of 10 s: {took:?}");
}

#[tokio::test]
async fn an_exited_container_is_started() {
    let (daemon, docker) = real().await;
    // Fails the first time and stays up the second.
    let crash_once = "test -e /tmp/ran && exec sleep 3600; touch /tmp/ran; exit 3";
    let container = Run::named("crashed").shell(crash_once).start(&daemon).await;
    assert_eq!(exited(&docker, &container).await.exit_code, 3);
    restarted(&docker, &container, GRACE).await;
}

#[tokio::test]
async fn a_paused_container_ends_up_running() {
    let (daemon, docker) = real().await;
    let container = Run::named("paused").start(&daemon).await;
    daemon.client.pause_container(&container.id).await.unwrap();
    assert_eq!(found(&docker, &named(&container.name)).await.status, Status::Paused);
    restarted(&docker, &container, GRACE).await;
}

#[tokio::test]
async fn a_restart_by_policy_is_counted_and_supersedes_nothing() {
    let (daemon, docker) = real().await;
    let container = Run::named("flaky").on_failure(1).shell("exit 1").create(&daemon).await;
    daemon.client.start_container(&container.id, None).await.unwrap();
    let last = seen(&docker, &container, Status::Exited, |it| it.restart_count == 1).await;
    let first = fettle_core::sight::Pin { restart_count: 0, started_at: None, ..last.pin() };
    assert!(!first.superseded_by(&last.pin()));
    assert_eq!(last.stopped_by_hand, Some(false));
}

#[tokio::test]
async fn a_missing_container_is_an_answer_and_part_of_an_id_is_never_sent() {
    let (daemon, docker) = real().await;
    let container = Run::named("web").create(&daemon).await;
    for wrong in [&container.id[..12], &container.name, "../volumes/prune#"] {
        let error = docker.restart("local", wrong, GRACE).await.expect_err(wrong);
        assert!(matches!(error, PlatformError::NotAnId(_)) && error.nothing_sent(), "{error}");
    }
    daemon.client.remove_container(&container.id, None::<RemoveContainerOptions>).await.unwrap();
    let error = docker.restart("local", &container.id, GRACE).await.expect_err("it is gone");
    assert!(matches!(error, PlatformError::Answered { status: 404, .. }), "{error:?}");
    assert!(error.is_answer() && !error.nothing_sent());
    assert_eq!(error.reason(), "container_gone");
}

#[tokio::test]
async fn a_start_that_fails_is_an_answer_and_does_not_look_stopped_by_hand() {
    let (daemon, docker) = real().await;
    // Takes its own shell away: the second start has nothing to run.
    let container = Run::named("broken").shell("rm /bin/sh; exec /bin/busybox sleep 3600").start(&daemon).await;
    crate::support::wait::until("the shell is gone", SOON, || async {
        let top = daemon.client.top_processes(&container.id, None).await.map_err(|e| e.to_string())?;
        let text = format!("{:?}", top.processes);
        if text.contains("busybox sleep") { Ok(()) } else { Err(text) }
    })
    .await;
    let error = docker.restart("local", &container.id, Duration::ZERO).await.expect_err("nothing to run");
    assert!(error.is_answer(), "{error:?}");
    assert_eq!(exited(&docker, &container).await.stopped_by_hand, Some(false));
}

#[tokio::test]
async fn a_connection_cut_in_the_middle_of_a_restart_is_unknown_and_the_restart_happens() {
    let daemon = Daemon::shared().await;
    let container = Run::named("deaf").shell(DEAF).start(&daemon).await;
    let (direct, _) = local(&daemon.url());
    let proxy = Proxy::unix(daemon.socket());
    let (docker, calls) = local(&proxy.url());
    let before = found(&docker, &named(&container.name)).await;
    calls.take();

    let filters = std::collections::HashMap::from([("container", vec![&*container.id]), ("event", vec!["kill"])]);
    let options = EventsOptionsBuilder::default().since("1").filters(&filters).build();
    let mut events = daemon.client.events(Some(options));
    let cut_when_begun = async {
        events.next().await.expect("an event").expect("the restart has begun");
        proxy.fail(Fault::Cut);
    };
    let (result, ()) = tokio::join!(docker.restart("local", &container.id, Duration::from_secs(2)), cut_when_begun);

    let error = result.expect_err("no answer came");
    assert!(matches!(error, PlatformError::Broken { .. }), "{error:?}");
    assert!(!error.nothing_sent() && !error.is_answer());
    assert_eq!(calls.take(), ["local restart docker_broken"]);
    seen(&direct, &container, Status::Running, |it| before.pin().superseded_by(&it.pin())).await;
}
