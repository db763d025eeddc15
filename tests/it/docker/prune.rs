//! Pruning, on a daemon of the test's own: nobody else's images may go.

use std::time::Duration;

use bollard::models::VolumeCreateRequest;
use bollard::query_parameters::CommitContainerOptionsBuilder;
use fettle_core::action::Prune;
use fettle_core::effect::Effect;
use fettle_core::ports::platform::{Performed, Platform, PlatformError};
use fettle_core::target::Target;
use fettle_docker::{Docker, HostConfig};

use super::canned::{Canned, reply};
use super::{configured, pin};
use crate::support::container::Run;
use crate::support::docker::{Daemon, PrivateDocker};

fn nothing() -> Prune {
    Prune {
        images: false,
        unused_images: false,
        build_cache: false,
        stopped_containers: false,
        older_than: Duration::ZERO,
        free_above: None,
    }
}

fn platform(url: &str, keep: &str) -> Docker {
    let config = HostConfig { endpoint: url.into(), keep: [keep.to_owned()].into(), ..HostConfig::default() };
    configured([("local".to_owned(), config)]).0
}

async fn pruned(docker: &Docker, prune: Prune) -> Performed {
    let target = Target::Disk { host: "local".into(), name: "srv".into() };
    docker.perform(&target, &pin("srv"), &Effect::Prune(prune)).await
}

async fn exists(daemon: &Daemon, image: &str) -> bool {
    daemon.client.inspect_image(image).await.is_ok()
}

/// An image with a layer of its own, with a name or without; its id.
async fn image(daemon: &Daemon, name: Option<&str>) -> String {
    let made = Run::named("made")
        .shell("dd if=/dev/zero of=/fill bs=64k count=8; echo $HOSTNAME-$(hostname) >> /fill")
        .start(daemon)
        .await;
    let ended = || async {
        let state = made.inspect().await.state.unwrap();
        if state.running == Some(false) { Ok(()) } else { Err(format!("{state:?}")) }
    };
    crate::support::wait::until("it has written", super::SOON, ended).await;
    let mut options = CommitContainerOptionsBuilder::default().container(&made.id);
    if let Some(name) = name {
        options = options.repo(name).tag("1");
    }
    let done = daemon.client.commit_container(options.build(), bollard::models::ContainerConfig::default()).await;
    done.expect("commit").id
}

#[tokio::test]
async fn what_nobody_uses_goes_when_it_is_old_enough_and_nothing_else_does() {
    let own = PrivateDocker::start(&[]).await;
    let (daemon, docker) = (&own.daemon, platform(&own.daemon.url(), "kept"));
    let volume = VolumeCreateRequest { name: Some("data".into()), ..VolumeCreateRequest::default() };
    daemon.client.create_volume(volume).await.expect("a volume");
    let (dangling, unused) = (image(daemon, None).await, image(daemon, Some("unused")).await);
    let used = image(daemon, Some("used")).await;
    let _uses = Run::named("uses").image(&used).create(daemon).await;

    // Too young.
    let old = Prune {
        images: true,
        unused_images: true,
        build_cache: true,
        older_than: Duration::from_hours(24),
        ..nothing()
    };
    let done = pruned(&docker, old).await;
    done.answer.expect("nothing to do is fine");
    assert_eq!(done.touched["pruned"]["images"]["count"], 0, "{:#}", done.touched);
    assert!(exists(daemon, &dangling).await && exists(daemon, &unused).await);

    // The daemon cuts the instant that an age leads to down to whole seconds: none of the images may be of this one.
    let made = jiff::Timestamp::now().as_second();
    let over = async || if jiff::Timestamp::now().as_second() > made { Ok(()) } else { Err(format!("second {made}")) };
    crate::support::wait::until("their second is over", super::SOON, over).await;

    // Without a name.
    let done = pruned(&docker, Prune { images: true, build_cache: true, ..nothing() }).await;
    done.answer.expect("pruned");
    let said = &done.touched["pruned"];
    assert!(said["images"]["ids"].as_array().is_some_and(|ids| ids.iter().any(|id| *id == dangling)), "{said:#}");
    assert!(said["images"]["space_reclaimed"].as_i64().is_some_and(|bytes| bytes >= 500_000), "{said:#}");
    assert_eq!(said["build_cache"]["count"], 0);
    assert!(!exists(daemon, &dangling).await && exists(daemon, &unused).await);

    // With a name, too; what is in use stays.
    pruned(&docker, Prune { unused_images: true, ..nothing() }).await.answer.expect("pruned");
    assert!(!exists(daemon, &unused).await && exists(daemon, &used).await);
    assert!(daemon.client.inspect_volume("data").await.is_ok(), "never a volume");
}

#[tokio::test]
async fn stopped_containers_go_by_the_age_of_their_end_and_never_those_that_are_somebodys() {
    let own = PrivateDocker::start(&[]).await;
    let (daemon, docker) = (&own.daemon, platform(&own.daemon.url(), "kept"));
    let exit = |name: &str| Run::named(name).shell("dd if=/dev/zero of=/fill bs=64k count=8");
    let gone = exit("gone").start(daemon).await;
    let others = [
        exit("replica").compose("shop", "web", 2).start(daemon).await,
        exit("held").label("fettle.hold", "forensics").start(daemon).await,
        exit("task").label("com.docker.swarm.task.id", "x").start(daemon).await,
        Run::named("kept").exactly("kept").shell("exit 0").start(daemon).await,
        Run::named("runs").start(daemon).await,
        Run::named("made").create(daemon).await,
    ];
    for it in others.iter().take(4).chain([&gone]) {
        let ended = || async {
            let state = it.inspect().await.state.unwrap();
            if state.running == Some(false) { Ok(()) } else { Err(format!("{state:?}")) }
        };
        crate::support::wait::until("it has ended", super::SOON, ended).await;
    }
    let young = Prune { stopped_containers: true, older_than: Duration::from_hours(1), ..nothing() };
    assert_eq!(pruned(&docker, young).await.touched["pruned"]["containers"]["count"], 0);

    let done = pruned(&docker, Prune { stopped_containers: true, ..nothing() }).await;
    done.answer.expect("pruned");
    let said = &done.touched["pruned"]["containers"];
    assert_eq!((said["count"].as_u64(), said["ids"][0].as_str()), (Some(1), Some(gone.id.as_str())), "{said:#}");
    assert!(said["space_reclaimed"].as_i64().is_some_and(|bytes| bytes >= 500_000), "{said:#}");
    for it in &others {
        it.inspect().await;
    }
}

#[tokio::test]
async fn a_prune_that_names_nothing_or_meets_another_one_is_a_failure() {
    let docker = platform("unix:///nowhere/docker.sock", "");
    let error = pruned(&docker, nothing()).await.answer.expect_err("nothing is named");
    assert!(matches!(error, PlatformError::Unfit(_)), "{error}");
    let images = Prune { images: true, ..nothing() };
    assert!(pruned(&docker, images.clone()).await.answer.expect_err("nobody there").nothing_sent());

    let busy = Canned::start(|_| reply(409, r#"{"message":"a prune operation is already running"}"#));
    let error = pruned(&platform(&busy.url(), ""), images).await.answer.expect_err("busy");
    assert_eq!((error.reason(), error.is_answer()), ("docker_conflict", true), "{error}");
}
