//! The model in virtual time: what its traits say, without a daemon to compare with.

mod at_once;
mod client;
mod runs;
mod swarm;

use std::time::Duration;

use super::{Daemon, Spec};
use crate::fettle_core::sight::{Container, Status};
use crate::fettle_core::time::{Timestamp, after};

/// The instant this many milliseconds after the start.
fn ms(millis: u64) -> Timestamp {
    after(Timestamp::UNIX_EPOCH + Duration::from_secs(1_000_000), Duration::from_millis(millis))
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn daemon() -> Daemon {
    Daemon::new("DAEMON", ms(0))
}

/// Status, restart count, and whether it still is the run that began at the start.
fn state(daemon: &mut Daemon, id: &str, at: u64) -> (Status, u64, bool) {
    daemon.advance(ms(at));
    let seen: &Container = daemon.container(id).expect("it is there");
    (seen.status, seen.restart_count, seen.started_at == Some(ms(0)))
}

fn events(daemon: &Daemon, id: &str) -> Vec<String> {
    daemon.events().filter(|event| event.id == id).map(|event| event.what.describe()).collect()
}

fn plain(name: &str) -> Spec {
    Spec::named(name).enabled()
}
