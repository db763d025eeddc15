//! What a client is left with when the way to the daemon is bad: the shipped client against a socket, and the model's client.

use std::sync::Arc;
use std::time::Duration;

use fettle_core::effect::Effect;
use fettle_core::ports::platform::Platform;
use fettle_core::sight::{Pin, Wanted};
use fettle_core::target::Target;
use fettle_docker::{self as docker, HostConfig};
use fettle_memory::physics::{Client, Clock, Daemon, Host, Link};
use tokio::time::Instant;

use super::Seen;
use super::world::World;

/// What a look and a call end with, and after how many seconds.
async fn outcomes(platform: &dyn Platform) -> Seen {
    let target: Target = "container:local/web".parse().expect("a target");
    let pin = Pin { id: "a".repeat(64), started_at: None, restart_count: 0, size: None };
    let effect = Effect::Restart { grace: Duration::ZERO };
    let (begun, wanted) = (Instant::now(), Wanted::default());
    let (found, called) = tokio::join!(async { (platform.find(&target, wanted).await, begun.elapsed()) }, async {
        (platform.perform(&target, &pin, &effect).await, begun.elapsed())
    },);
    let show = |error: &fettle_core::ports::platform::PlatformError, took: Duration| {
        // A busy machine is some tenths of a second late.
        let seconds = (took.as_secs_f64() * 2.0).round() / 2.0;
        format!("{} nothing sent: {} after {seconds} s", error.reason(), error.nothing_sent())
    };
    let (found, took) = found;
    let look = show(&found.expect_err("no answer"), took.min(Duration::from_secs(5)));
    let (called, took) = called;
    vec![look, show(&called.answer.expect_err("no answer"), took.min(Duration::from_secs(30)))]
}

async fn over(world: &World, link: Link) -> Seen {
    match world {
        World::Model { .. } => {
            let clock = Clock::new(Instant::now(), fettle_core::time::Timestamp::UNIX_EPOCH);
            let host = Host::new(Daemon::new("MODEL", clock.now()), clock);
            host.with(|world, _| world.link = link);
            outcomes(&Client::new(0, [("local".to_owned(), host)])).await
        }
        World::Real { .. } => {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let path = folder.path().join("docker.sock");
            // Connections wait in the backlog: accepted by the kernel, read by nobody.
            let listener = std::os::unix::net::UnixListener::bind(&path).expect("bind");
            // Without the listener the file is left, and nothing listens.
            let _listener = Some(listener).filter(|_| link != Link::Away);
            let config = HostConfig { endpoint: format!("unix://{}", path.display()), ..HostConfig::default() };
            let hosts = [("local".to_owned(), config)];
            outcomes(&docker::Docker::new(hosts, None, Arc::new(())).expect("a host")).await
        }
    }
}

pub(super) async fn daemon_away(world: &mut World) -> Seen {
    over(world, Link::Away).await
}

pub(super) async fn host_silent(world: &mut World) -> Seen {
    over(world, Link::Silent).await
}
