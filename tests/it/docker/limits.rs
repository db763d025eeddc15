//! Other limits for a running container.

use fettle_core::effect::Effect;
use fettle_core::ports::platform::PlatformError;

use super::{Calling, found, named, real};
use crate::support::container::{Container, Run};

const MB: u64 = 1 << 20;

fn memory(bytes: u64) -> Effect {
    Effect::SetLimits { memory: Some(bytes), nano_cpus: None, already: false }
}

/// Memory, memory and swap, billionths of processors.
async fn limits(container: &Container) -> (Option<i64>, Option<i64>, Option<i64>) {
    let host = container.inspect().await.host_config.expect("a host config");
    (host.memory, host.memory_swap, host.nano_cpus)
}

#[tokio::test]
async fn memory_is_raised_and_what_was_before_is_said() {
    let (daemon, docker) = real().await;
    // Without swap, so the limit of both together must move along.
    let container = Run::named("web").memory(64 << 20).start(&daemon).await;
    let done = docker.does(&container.id, memory(128 * MB)).await;
    done.answer.expect("raised");
    assert_eq!(done.touched["limits"]["before"]["memory"], 64 << 20, "{:#}", done.touched);
    assert_eq!(limits(&container).await.0, Some(128 << 20));
    assert_eq!(found(&docker, &named(&container.name)).await.memory_limit, Some(128 * MB));
    let started = container.started_at().await;
    docker.does(&container.id, memory(32 * MB)).await.answer.expect("it uses far less than that");
    assert_eq!((limits(&container).await.0, container.started_at().await), (Some(32 << 20), started), "not restarted");
}

#[tokio::test]
async fn a_container_without_limits_gets_them() {
    let (daemon, docker) = real().await;
    let container = Run::named("web").start(&daemon).await;
    let both = Effect::SetLimits { memory: Some(256 * MB), nano_cpus: Some(500_000_000), already: false };
    docker.does(&container.id, both).await.answer.expect("set");
    let sight = found(&docker, &named(&container.name)).await;
    assert_eq!((sight.memory_limit, sight.nano_cpus), (Some(256 * MB), Some(500_000_000)));
    let cpus = Effect::SetLimits { memory: None, nano_cpus: Some(250_000_000), already: false };
    docker.does(&container.id, cpus).await.answer.expect("set");
    let sight = found(&docker, &named(&container.name)).await;
    assert_eq!((sight.memory_limit, sight.nano_cpus), (Some(256 * MB), Some(250_000_000)), "the rest stays");
}

#[tokio::test]
async fn memory_that_is_in_use_is_not_taken_away() {
    let (daemon, docker) = real().await;
    // Holds 40 MB of a file system in memory, which no cache can give back.
    let line = "dd if=/dev/zero of=/dev/shm/held bs=1M count=40; exec sleep 3600";
    let container = Run::named("full").memory(96 << 20).shell(line).start(&daemon).await;
    crate::support::wait::until("it holds its memory", super::SOON, async || {
        let size = container.sh("stat -c %s /dev/shm/held").await;
        if size.trim() == (40 * MB).to_string() { Ok(()) } else { Err(size) }
    })
    .await;
    let done = docker.does(&container.id, memory(24 * MB)).await;
    let error = done.answer.expect_err("too few");
    assert!(matches!(&error, PlatformError::Unfit(why) if why.contains("are in use")), "{error}");
    assert!(error.nothing_sent());
    assert_eq!(limits(&container).await.0, Some(96 << 20));
    let error = docker.does(&container.id, memory(MB)).await.answer.expect_err("too few for Docker");
    assert!(matches!(error, PlatformError::Unfit(_)), "{error}");
}

#[tokio::test]
async fn limits_are_set_by_full_id_only_and_what_the_daemon_refuses_is_said() {
    let (daemon, docker) = real().await;
    let container = Run::named("web").start(&daemon).await;
    let error = docker.does(&container.name, memory(64 * MB)).await.answer.expect_err("a name");
    assert!(matches!(error, PlatformError::NotAnId(_)), "{error}");
    let many = Effect::SetLimits { memory: None, nano_cpus: Some(1_000_000_000_000), already: false };
    let error = docker.does(&container.id, many).await.answer.expect_err("more processors than there are");
    assert!(matches!(error, PlatformError::Answered { status: 400 | 409, .. }), "{error}");
    let id = container.id.clone();
    drop(container);
    let error = docker.does(&id, memory(64 * MB)).await.answer.expect_err("gone");
    assert!(error.nothing_sent(), "{error}");
}
