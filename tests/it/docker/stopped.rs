//! Who stopped it? Every way a container ends, on a real daemon.

use bollard::query_parameters::{KillContainerOptionsBuilder, StopContainerOptionsBuilder};
use fettle_core::sight::Status;

use super::{Seen, exited, real, seen};
use crate::support::container::{Container, Run};
use crate::support::docker::Daemon;

/// Ignores SIGTERM.
const DEAF: &str = "while :; do sleep 3600; done";

async fn stop(daemon: &Daemon, container: &Container, grace: i32) {
    let options = StopContainerOptionsBuilder::default().t(grace).build();
    daemon.client.stop_container(&container.id, Some(options)).await.expect("stop");
}

async fn kill(daemon: &Daemon, container: &Container, signal: &str) {
    let options = KillContainerOptionsBuilder::default().signal(signal).build();
    daemon.client.kill_container(&container.id, Some(options)).await.expect("kill");
}

/// A shell that ends with `code` on a signal. It has set its trap: one that has not would ignore SIGTERM, as pid 1 does.
async fn trapping(daemon: &Daemon, stem: &str, signal: &str, code: i64) -> Container {
    let line = format!("trap 'exit {code}' {signal}; echo trapped; while :; do sleep 3600 & wait $!; done");
    let container = Run::named(stem).shell(&line).start(daemon).await;
    crate::support::wait::until("the trap is set", super::SOON, async || {
        let log = container.log().await;
        if log.contains("trapped") { Ok(()) } else { Err(log) }
    })
    .await;
    container
}

fn ended(sight: &Seen) -> (i64, bool, Option<bool>) {
    (sight.exit_code, sight.oom_killed, sight.stopped_by_hand)
}

#[tokio::test]
async fn docker_stop_is_by_hand_also_when_it_had_to_kill() {
    let (daemon, docker) = real().await;
    let deaf = Run::named("deaf").shell(DEAF).start(&daemon).await;
    stop(&daemon, &deaf, 1).await;
    assert_eq!(ended(&exited(&docker, &deaf).await), (137, false, Some(true)));

    // Ends with an error of its own when asked to stop.
    let grumpy = trapping(&daemon, "grumpy", "TERM", 7).await;
    stop(&daemon, &grumpy, 10).await;
    assert_eq!(ended(&exited(&docker, &grumpy).await), (7, false, Some(true)));
}

#[tokio::test]
async fn an_exit_code_that_says_it_was_asked_needs_no_look_at_events() {
    let (daemon, docker) = real().await;
    let polite = trapping(&daemon, "polite", "TERM", 0).await;
    stop(&daemon, &polite, 10).await;
    assert_eq!(ended(&exited(&docker, &polite).await), (0, false, None));
    let done = Run::named("done").shell("exit 143").start(&daemon).await;
    assert_eq!(ended(&exited(&docker, &done).await), (143, false, None));
}

#[tokio::test]
async fn docker_kill_is_by_hand_also_of_a_paused_one() {
    let (daemon, docker) = real().await;
    let killed = Run::named("killed").start(&daemon).await;
    kill(&daemon, &killed, "SIGKILL").await;
    assert_eq!(ended(&exited(&docker, &killed).await), (137, false, Some(true)));

    let paused = Run::named("paused").start(&daemon).await;
    daemon.client.pause_container(&paused.id).await.unwrap();
    kill(&daemon, &paused, "SIGKILL").await;
    assert_eq!(ended(&exited(&docker, &paused).await), (137, false, Some(true)));
}

#[tokio::test]
async fn a_crash_is_not_by_hand_whatever_its_code() {
    let (daemon, docker) = real().await;
    for code in [1, 137, 255] {
        let crashed = Run::named("crashed").shell(&format!("exit {code}")).start(&daemon).await;
        assert_eq!(ended(&exited(&docker, &crashed).await), (code, false, Some(false)));
    }
}

#[tokio::test]
async fn a_reload_long_before_a_crash_is_not_by_hand() {
    let (daemon, docker) = real().await;
    // Fails because of the reload, so that the test need not wait; the events are the same.
    let reloaded = trapping(&daemon, "reload", "HUP", 3).await;
    kill(&daemon, &reloaded, "SIGHUP").await;
    assert_eq!(ended(&exited(&docker, &reloaded).await), (3, false, Some(false)));
}

#[tokio::test]
async fn out_of_memory_is_not_by_hand() {
    let (daemon, docker) = real().await;
    let greedy = Run::named("greedy").memory(8 << 20).shell("exec dd if=/dev/zero of=/dev/null bs=64M count=1");
    let greedy = greedy.start(&daemon).await;
    // Docker learns of the kill and of its reason on two ways: the flag may come later than the exit.
    let (code, _, by_hand) = ended(&exited(&docker, &greedy).await);
    assert_eq!((code, by_hand), (137, Some(false)));
}

#[tokio::test]
async fn a_crash_after_a_restart_by_hand_is_not_by_hand() {
    let (daemon, docker) = real().await;
    // Stays up the first time and fails the second.
    let line = "test -e /tmp/ran && exit 5; touch /tmp/ran; while :; do sleep 3600; done";
    let container = Run::named("again").shell(line).start(&daemon).await;
    crate::support::wait::until("the first run has begun", super::SOON, || async {
        let changes = daemon.client.container_changes(&container.id).await.map_err(|e| e.to_string())?;
        let text = format!("{changes:?}");
        if text.contains("/tmp/ran") { Ok(()) } else { Err(text) }
    })
    .await;
    let options = bollard::query_parameters::RestartContainerOptionsBuilder::default().t(0).build();
    daemon.client.restart_container(&container.id, Some(options)).await.unwrap();
    let sight = seen(&docker, &container, Status::Exited, |it| it.exit_code == 5).await;
    assert_eq!(ended(&sight), (5, false, Some(false)));
}

#[tokio::test]
async fn a_crash_loop_that_gave_up_is_not_by_hand_and_one_that_was_stopped_is() {
    let (daemon, docker) = real().await;
    let gave_up = Run::named("gave-up").on_failure(2).shell("exit 1").start(&daemon).await;
    let sight = seen(&docker, &gave_up, Status::Exited, |it| it.restart_count == 2).await;
    assert_eq!(ended(&sight), (1, false, Some(false)));

    let looping = Run::named("looping").on_failure(1000).shell("exit 1").start(&daemon).await;
    // The pauses double: by the fourth there is 0.8 s to hit.
    let between = seen(&docker, &looping, Status::Restarting, |it| it.restart_count >= 3).await;
    assert_eq!(between.stopped_by_hand, None);
    stop(&daemon, &looping, 1).await;
    assert_eq!(ended(&exited(&docker, &looping).await), (1, false, Some(true)));
}
