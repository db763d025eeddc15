//! The platform over the model, on a paused clock.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{daemon, ms, plain, secs};
use crate::fettle_core::effect::Effect;
use crate::fettle_core::sight::{Found, Pin, Wanted};
use crate::fettle_core::target::Target;
use crate::physics::{By, Client, Clock, Daemon, Fate, Host, Link, Part, Program, Request, Term};
use crate::port::{Platform, PlatformError};

struct Always(Fate);

impl crate::physics::Chance for Always {
    fn fate(&mut self, _: &Request) -> Fate {
        self.0
    }
}

fn web() -> Target {
    "container:local/web".parse().expect("a target")
}

fn start(daemon: Daemon) -> (Arc<Host>, Client, Pin) {
    let mut daemon = daemon;
    let id = daemon.run(plain("web").runs(Program::default().on_term(Term::Ignores)), ms(0));
    let pin = daemon.container(&id).expect("it is there").pin();
    let host = Host::new(daemon, Clock::new(Instant::now(), ms(0)));
    let client = Client::new(0, [("local".to_owned(), host.clone())]);
    (host, client, pin)
}

fn restart(grace: u64) -> Effect {
    Effect::Restart { grace: secs(grace) }
}

#[tokio::test(start_paused = true)]
async fn a_restart_is_answered_when_it_is_done() {
    let (host, client, pin) = start(daemon());
    let begun = Instant::now();
    let done = client.perform(&web(), &pin, &restart(3)).await;
    assert!(done.answer.is_ok(), "{:?}", done.answer);
    assert_eq!(begun.elapsed(), Duration::from_millis(3_300));
    let after = client.look(&web(), &pin).await.expect("answered").expect("there").pin();
    assert!(pin.superseded_by(&after));
    let calls = host.calls();
    assert_eq!(calls.len(), 1);
    assert_eq!(host.with(|world, _| world.daemon.runs()[1].begun_by), By::Fettle(0));
    assert!(calls[0].ended.as_ref().is_some_and(|(_, answer)| answer.is_ok()));
}

#[tokio::test(start_paused = true)]
async fn a_hang_ends_the_call_at_its_deadline_and_the_daemon_does_it_afterwards() {
    let (host, client, pin) = start(daemon());
    host.with(|world, now| world.daemon.hang(&Part::Containerd, now));
    let begun = Instant::now();
    let done = client.perform(&web(), &pin, &restart(3)).await;
    assert!(matches!(done.answer, Err(PlatformError::TimedOut { after, .. }) if after == secs(33)), "{done:?}");
    assert_eq!(begun.elapsed(), secs(33));
    // Its lock is held: the look takes its whole deadline, too.
    let look = client.look(&web(), &pin).await;
    assert!(matches!(look, Err(PlatformError::TimedOut { .. })) && begun.elapsed() == secs(38));
    host.with(|world, now| world.daemon.resume(&Part::Containerd, now));
    sleep(secs(5)).await;
    assert_eq!(host.with(|world, _| world.daemon.runs().len()), 2);
    assert!(host.with(|world, _| world.daemon.jobs()[0].executed_at.is_some()));
}

#[tokio::test(start_paused = true)]
async fn a_look_that_waits_is_answered_when_the_daemon_goes_on() {
    let (host, client, _) = start(daemon());
    host.with(|world, now| world.daemon.hang(&Part::Dockerd, now));
    let (target, begun) = (web(), Instant::now());
    let (found, ()) = tokio::join!(client.find(&target, Wanted::default()), async {
        sleep(secs(2)).await;
        host.with(|world, now| world.daemon.resume(&Part::Dockerd, now));
    });
    assert!(matches!(found, Ok(Found::One(_))) && begun.elapsed() == secs(2));
}

#[tokio::test(start_paused = true)]
async fn links_decide_what_is_sent_and_what_comes_back() {
    for (link, sent, reason) in
        [(Link::Away, 0, "docker_unreachable"), (Link::Silent, 0, "docker_timeout"), (Link::Mute, 1, "docker_timeout")]
    {
        let (host, client, pin) = start(daemon());
        host.with(|world, _| world.links.insert(0, link));
        let done = client.perform(&web(), &pin, &restart(1)).await;
        let error = done.answer.expect_err("no answer");
        assert_eq!((error.reason(), error.nothing_sent()), (reason, link == Link::Away));
        assert_eq!(host.with(|world, _| world.daemon.jobs().len()), sent);
        assert!(client.find(&web(), Wanted::default()).await.is_err());
        // Another client has its own way.
        let other = Client::new(1, [("local".to_owned(), host)]);
        assert!(other.find(&web(), Wanted::default()).await.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn fates_are_what_they_are_called() {
    let late = Fate { wait: secs(60), ..Fate::ORDINARY };
    for (fate, runs, reason) in [
        (Fate::SILENT, 2, Some("docker_timeout")),
        (Fate::LOST, 1, Some("docker_timeout")),
        (Fate::LIE, 1, None),
        (Fate::refused(500), 1, Some("docker_error")),
        (Fate::refused_and_done(500), 2, Some("docker_error")),
        (late, 2, Some("docker_timeout")),
        (Fate { start_fails: true, ..Fate::ORDINARY }, 1, Some("docker_error")),
    ] {
        let (host, client, pin) = start(daemon().chance(Always(fate)));
        let done = client.perform(&web(), &pin, &restart(1)).await;
        assert_eq!(done.answer.err().map(|error| error.reason()), reason, "{fate:?}");
        sleep(secs(100)).await;
        assert_eq!(host.with(|world, _| world.daemon.runs().len()), runs, "{fate:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_is_carried_out_all_the_same() {
    let (host, client, pin) = start(daemon());
    let (target, effect) = (web(), restart(3));
    let call = client.perform(&target, &pin, &effect);
    assert!(tokio::time::timeout(secs(1), call).await.is_err());
    sleep(secs(10)).await;
    assert_eq!(host.with(|world, _| world.daemon.runs().len()), 2);
    assert_eq!(host.calls()[0].ended, None);
}

#[tokio::test(start_paused = true)]
async fn two_names_of_one_daemon_are_found_out() {
    let (host, _, _) = start(daemon());
    let client = Client::new(0, [("a".to_owned(), host.clone()), ("b".to_owned(), host)]);
    let pings = client.ping().await;
    assert!(pings[0].1.is_ok());
    assert!(matches!(&pings[1].1, Err(PlatformError::SameDaemon { other, .. }) if other == "a"));
}
