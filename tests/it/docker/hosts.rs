//! Several hosts, two endpoints for one, and daemons that come and go.

use std::time::Duration;

use fettle_core::ports::platform::{Platform, PlatformError};
use fettle_core::sight::{Found, Wanted};
use fettle_core::target::Target;

use super::{Calling, found, hosts, local, named};
use crate::support::container::Run;
use crate::support::docker::Daemon;
use crate::support::proxy::{Fault, Proxy};

const NOWHERE: &str = "unix:///nowhere/docker.sock";

fn on(host: &str, name: &str) -> Target {
    Target::Container { host: host.into(), name: name.into() }
}

#[tokio::test]
async fn of_two_names_for_one_daemon_only_the_first_finds() {
    let daemon = Daemon::shared().await;
    let proxy = Proxy::unix(daemon.socket());
    let (docker, _) = hosts(&[("b", &daemon.url(), None), ("a", &proxy.url(), None)]);
    let container = Run::named("web").create(&daemon).await;

    let pings = docker.ping().await;
    assert!(pings[0].1.is_ok(), "{pings:?}");
    assert!(matches!(pings[1].1, Err(PlatformError::SameDaemon { .. })), "found out at once: {pings:?}");

    let daemons = docker.daemons().await;
    let names: Vec<&str> = daemons.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    assert!(daemons[0].1.is_ok(), "{:?}", daemons[0]);
    let error = daemons[1].1.as_ref().expect_err("the same daemon again");
    assert_eq!(error.to_string(), "hosts b and a are one and the same docker daemon");

    assert!(matches!(docker.find(&on("a", &container.name), Wanted::default()).await.unwrap(), Found::One(_)));
    let error = docker.find(&on("b", &container.name), Wanted::default()).await.expect_err("the same daemon again");
    assert!(matches!(&error, PlatformError::SameDaemon { host, other } if host == "b" && other == "a"), "{error:?}");
    assert_eq!((error.reason(), error.nothing_sent()), ("same_daemon", true));

    // Also while the first is out of reach.
    proxy.fail(Fault::Cut);
    assert!(docker.find(&on("a", &container.name), Wanted::default()).await.is_err());
    assert!(docker.find(&on("b", &container.name), Wanted::default()).await.is_err());
}

#[tokio::test]
async fn an_absent_daemon_is_a_state_and_says_nothing_about_the_others() {
    let daemon = Daemon::shared().await;
    let (docker, calls) = hosts(&[("up", &daemon.url(), None), ("gone", NOWHERE, None)]);
    let pings = docker.ping().await;
    assert_eq!(pings[0].0, "gone");
    let error = pings[0].1.as_ref().expect_err("no daemon there");
    let said = "docker unreachable at unix:///nowhere/docker.sock: the socket file does not exist";
    assert_eq!((error.to_string().as_str(), error.nothing_sent()), (said, true));
    assert!(pings[1].1.is_ok(), "{pings:?}");
    let mut calls = calls.take();
    calls.sort();
    assert_eq!(calls, ["gone ping docker_unreachable", "up info 200", "up ping 200"]);
}

#[tokio::test]
async fn a_daemon_that_comes_back_is_used_without_further_ado() {
    let daemon = Daemon::shared().await;
    let container = Run::named("web").create(&daemon).await;
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("docker.sock");
    let (docker, calls) = local(&format!("unix://{}", socket.display()));
    assert!(docker.find(&named(&container.name), Wanted::default()).await.expect_err("not there yet").nothing_sent());

    std::os::unix::fs::symlink(daemon.socket(), &socket).unwrap();
    found(&docker, &named(&container.name)).await;
    calls.take();
    found(&docker, &named(&container.name)).await;
    assert_eq!(calls.take(), ["local inspect 200"], "the daemon is known");

    std::fs::remove_file(&socket).unwrap();
    assert!(docker.find(&named(&container.name), Wanted::default()).await.is_err());
    std::os::unix::fs::symlink(daemon.socket(), &socket).unwrap();
    calls.take();
    found(&docker, &named(&container.name)).await;
    assert_eq!(calls.take(), ["local info 200", "local inspect 200"], "it may be another one");
}

#[tokio::test]
async fn looking_and_acting_go_through_their_own_endpoints() {
    let daemon = Daemon::shared().await;
    let container = Run::named("web").start(&daemon).await;
    let looks_only = hosts(&[("local", NOWHERE, Some(&daemon.url()))]).0;
    found(&looks_only, &named(&container.name)).await;
    let error = looks_only.restart("local", &container.id, Duration::ZERO).await.expect_err("nothing there");
    assert!(error.nothing_sent(), "{error}");
    assert!(looks_only.ping().await[0].1.is_err(), "both must answer");

    let acts_only = hosts(&[("local", &daemon.url(), Some(NOWHERE))]).0;
    assert!(
        acts_only.find(&named(&container.name), Wanted::default()).await.expect_err("nothing there").nothing_sent()
    );
    acts_only.restart("local", &container.id, Duration::ZERO).await.unwrap();
}
