//! The Docker platform against a real daemon, and against daemons that fail.

mod call;
mod canned;
mod faults;
mod find;
mod hosts;
mod stopped;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fettle::core::sight::{Found, Sight, Status};
use fettle::core::target::Target;
use fettle::platform::docker::{Docker, HostConfig};
use fettle::platform::{Observer, Platform};

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
    let calls = Arc::new(Calls::default());
    let hosts = hosts.iter().map(|(name, endpoint, read)| {
        (String::from(*name), HostConfig { endpoint: (*endpoint).into(), read: read.map(Into::into) })
    });
    let docker = Docker::new(hosts, None, calls.clone()).expect("endpoints");
    (docker, calls)
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

async fn found(docker: &Docker, target: &Target) -> Sight {
    match docker.find(target).await.expect("find") {
        Found::One(sight) => *sight,
        other => panic!("{target}: {other:?}"),
    }
}

/// Looks until the container has this status, and what `also` asks for.
async fn seen(docker: &Docker, container: &Container, status: Status, also: impl Fn(&Sight) -> bool) -> Sight {
    wait::until(&format!("{} is {}", container.name, status.as_str()), SOON, || async {
        let sight = docker.look("local", &container.id).await.expect("look").expect("it is there");
        if sight.status == status && also(&sight) { Ok(sight) } else { Err(format!("{sight:?}")) }
    })
    .await
}

async fn exited(docker: &Docker, container: &Container) -> Sight {
    seen(docker, container, Status::Exited, |_| true).await
}
