//! The Docker platform against a real daemon, and against daemons that fail.

mod call;
mod canned;
mod clean_disk;
mod clean_inside;
mod dependents;
mod evidence;
mod faults;
mod find;
mod hosts;
mod limits;
mod prune;
mod reach;
mod scale;
mod stopped;
mod swarm;
mod tls;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fettle_core::effect::Effect;
use fettle_core::ports::platform::{Observer, Performed, Platform, PlatformError};
use fettle_core::sight::{Container as Seen, Found, Pin, Sight, Status, Wanted};
use fettle_core::target::Target;
use fettle_docker::{Docker, HostConfig};

use crate::support::container::Container;
use crate::support::docker::Daemon;
use crate::support::wait;

/// Long against everything that is waited for here.
const SOON: Duration = Duration::from_secs(20);

/// Every request that was made, as `host op code`.
#[derive(Debug, Default)]
struct Calls(Mutex<Vec<String>>);

impl Observer for Calls {
    fn call(&self, host: &str, op: &'static str, code: &str, _: Duration) {
        self.0.lock().unwrap().push(format!("{host} {op} {code}"));
    }
}

impl Calls {
    /// Those since the last time, in order.
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// Fettle's platform with the one host `local`.
fn local(endpoint: &str) -> (Docker, Arc<Calls>) {
    hosts(&[("local", endpoint, None)])
}

fn hosts(hosts: &[(&str, &str, Option<&str>)]) -> (Docker, Arc<Calls>) {
    let hosts = hosts.iter().map(|(name, endpoint, read)| {
        let read = read.map(Into::into);
        (String::from(*name), HostConfig { endpoint: (*endpoint).into(), read, ..HostConfig::default() })
    });
    configured(hosts)
}

fn configured(hosts: impl IntoIterator<Item = (String, HostConfig)>) -> (Docker, Arc<Calls>) {
    let calls = Arc::new(Calls::default());
    let docker = Docker::new(hosts, None, calls.clone()).expect("hosts that can be used");
    (docker, calls)
}

/// A pin of nothing but an id.
fn pin(id: &str) -> Pin {
    Pin { id: id.into(), started_at: None, restart_count: 0, size: None }
}

/// What a call is about when only the id counts.
fn any(host: &str) -> Target {
    Target::Container { host: host.into(), name: "any".into() }
}

/// Looks at a container by its id.
async fn look(docker: &Docker, host: &str, id: &str) -> Result<Option<Seen>, PlatformError> {
    let seen = docker.look(&any(host), &pin(id)).await?;
    Ok(seen.map(|sight| match sight {
        Sight::Container(it) => *it,
        other => panic!("{other:?}"),
    }))
}

/// Calls by id, as the engine makes them.
trait Calling {
    async fn restart(&self, host: &str, id: &str, grace: Duration) -> Result<(), PlatformError>;
    async fn does(&self, id: &str, effect: Effect) -> Performed;
}

impl Calling for Docker {
    async fn restart(&self, host: &str, id: &str, grace: Duration) -> Result<(), PlatformError> {
        self.perform(&any(host), &pin(id), &Effect::Restart { grace }).await.answer
    }

    async fn does(&self, id: &str, effect: Effect) -> Performed {
        self.perform(&any("local"), &pin(id), &effect).await
    }
}

/// The run's daemon and fettle's platform over it.
async fn real() -> (Daemon, Docker) {
    let daemon = Daemon::shared().await;
    let (docker, _) = local(&daemon.url());
    (daemon, docker)
}

fn named(name: &str) -> Target {
    Target::Container { host: "local".into(), name: name.into() }
}

/// The one container that the target names.
async fn found(docker: &Docker, target: &Target) -> Seen {
    match sight(docker, target, Wanted::default()).await {
        Sight::Container(it) => *it,
        other => panic!("{target}: {other:?}"),
    }
}

/// The one thing that the target names.
async fn sight(docker: &Docker, target: &Target, wanted: Wanted) -> Sight {
    match docker.find(target, wanted).await.expect("find") {
        Found::One(sight) => *sight,
        other => panic!("{target}: {other:?}"),
    }
}

/// Looks until the container has this status, and what `also` asks for.
async fn seen(docker: &Docker, container: &Container, status: Status, also: impl Fn(&Seen) -> bool) -> Seen {
    wait::until(&format!("{} is {}", container.name, status.as_str()), SOON, || async {
        let sight = look(docker, "local", &container.id).await.expect("look").expect("it is there");
        if sight.status == status && also(&sight) { Ok(sight) } else { Err(format!("{sight:?}")) }
    })
    .await
}

async fn exited(docker: &Docker, container: &Container) -> Seen {
    seen(docker, container, Status::Exited, |_| true).await
}
