//! Docker, through bollard: any number of hosts, each with one endpoint to act and perhaps another to look.
//!
//! Always holds:
//! - nothing is connected at construction. A client is made for every request (it costs microseconds, and no connection
//!   is ever reused anyway), so a daemon that is not there is a state, and one that comes back needs no reconnect;
//! - every request has a deadline of its own, and every one is told to the [`Observer`];
//! - names of targets only ever go into looks; what they bring back counts only if the names are equal, compared here,
//!   because Docker reads short names as prefixes of ids. Calls that change something take full ids;
//! - what is reported as never sent was never sent (see `classify.rs`).
//!
//! Deliberately not: no retries, no negotiation of versions (bollard sends unversioned paths),
//! no ssh. Not checked: that the endpoint to look and the one to act belong to one daemon; acting by full id on another
//! daemon is a 404.
//!
//! What a socket proxy must let through, for looking (`GET` all of them):
//!
//! | for | requests |
//! |---|---|
//! | everything | `/_ping /info /events /containers/json /containers/{id}/json /images/{id}/json` |
//! | evidence, and less memory | `/containers/{id}/logs /containers/{id}/stats` |
//! | Swarm | `/services /services/{id} /tasks` |
//!
//! and for acting, besides `GET /_ping`:
//!
//! | action | requests |
//! |---|---|
//! | `restart` | `POST /containers/{id}/restart` |
//! | `stop`, `scale_down`, `scale_up` and giving back | `POST /containers/{id}/stop`, `POST /containers/{id}/start` |
//! | the same of a Swarm service | `POST /services/{id}/update` |
//! | `set_limits` | `POST /containers/{id}/update` |
//! | `clean_logs` in a container | `POST /containers/{id}/exec`, `POST /exec/{id}/start` (it becomes another connection), `GET /exec/{id}/json` |
//! | `clean_logs` on a disk | none |
//! | `prune` | `POST /images/prune`, `POST /build/prune`, `DELETE /containers/{id}` |

mod classify;
mod clean;
mod compose;
mod daemon;
mod dependents;
mod disk;
mod endpoint;
mod evidence;
mod exec;
mod find;
mod follow;
mod host;
mod image;
mod limits;
mod names;
mod own;
mod path;
mod perform;
mod prune;
mod restart;
mod rollout;
mod scale;
mod seen;
mod service;
mod stopped;
mod tls;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::join_all;
use serde_json::{Value, json};

pub use self::disk::DiskConfig;
pub use self::endpoint::{Endpoint, NotAnEndpoint};
use self::host::Host;
pub use self::host::{OPS, Pace};
pub use self::own::{is_own, own_container_id};
pub use self::tls::{Tls, TlsFault};
use fettle_core::effect::Effect;
use fettle_core::ports::platform::{Followed, Observer, Performed, Platform, PlatformError};
use fettle_core::sight::{CallPath, Found, Pin, Sight, Wanted};
use fettle_core::target::Target;
use fettle_core::time::Timestamp;

/// How one host is reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostConfig {
    /// Where to act, and to look unless `read` says otherwise: `unix:///path`, `tcp://host:port` or `http://host:port`.
    pub endpoint: String,
    /// Where to look, when looking and acting go through two socket proxies.
    pub read: Option<String>,
    /// Certificates, for endpoints of TCP.
    pub tls: Option<Tls>,
    /// Its disks, by name.
    pub disks: BTreeMap<String, DiskConfig>,
    /// Names of containers that are never removed, whatever is pruned.
    pub keep: BTreeSet<String>,
    /// Its lifecycle events are not followed.
    pub without_events: bool,
}

/// A host that cannot be used as it is configured.
#[derive(Debug, thiserror::Error)]
pub enum BadHost {
    /// An endpoint is not written as one.
    #[error(transparent)]
    Endpoint(#[from] NotAnEndpoint),
    /// Its certificates cannot be used.
    #[error("certificates of host {host}")]
    Tls {
        /// The host.
        host: String,
        /// Why.
        #[source]
        source: TlsFault,
    },
}

/// Every configured Docker host.
#[derive(Debug)]
pub struct Docker {
    hosts: BTreeMap<String, Arc<Host>>,
}

impl Docker {
    /// Knows the hosts and connects to none. `pace` is how fast each one is called at most; `None` is [`Pace::default`].
    /// Fails only if an endpoint is not written as one, or certificates cannot be read.
    pub fn new(
        hosts: impl IntoIterator<Item = (String, HostConfig)>,
        pace: Option<Pace>,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, BadHost> {
        let pace = pace.unwrap_or_default();
        let host = move |(name, config): (String, HostConfig)| -> Result<_, BadHost> {
            let mut act: Endpoint = config.endpoint.parse()?;
            let mut read = config.read.map_or_else(|| Ok(act.clone()), |read| read.parse())?;
            if let Some(tls) = &config.tls {
                let secured = tls::Secured::read(tls);
                let secured = secured.map_err(|source| BadHost::Tls { host: name.clone(), source })?;
                (act, read) = (act.secured(&secured), read.secured(&secured));
            }
            let mut host = Host::new(name.clone(), act, read, pace, observer.clone());
            (host.disks, host.keep) = (config.disks, config.keep);
            host.events = !config.without_events;
            Ok((name, Arc::new(host)))
        };
        Ok(Self { hosts: hosts.into_iter().map(host).collect::<Result<_, _>>()? })
    }

    /// Each host's daemon id, asked for where it is not known; [`PlatformError::SameDaemon`] for all but the first host
    /// of one daemon. All hosts at once, so it takes as long as the slowest: at most a look's deadline.
    pub async fn daemons(&self) -> Vec<(String, Result<String, PlatformError>)> {
        let asked = join_all(self.hosts.values().map(|host| host.daemon())).await;
        let check = |(host, asked): (&Arc<Host>, Result<daemon::Daemon, PlatformError>)| {
            let id = asked.and_then(|daemon| self.only_one(host).map(|()| daemon.id));
            (host.name.clone(), id)
        };
        self.hosts.values().zip(asked).map(check).collect()
    }

    fn host(&self, name: &str) -> Result<&Host, PlatformError> {
        self.hosts.get(name).map(|host| &**host).ok_or_else(|| PlatformError::NoHost(name.to_owned()))
    }

    /// Fails if a host before this one was seen to be the same daemon.
    fn only_one(&self, host: &Host) -> Result<(), PlatformError> {
        let Some(id) = host.last_id() else { return Ok(()) };
        let before = self.hosts.values().take_while(|other| other.name != host.name);
        match before.into_iter().find(|other| other.last_id().as_deref() == Some(&id)) {
            Some(other) => Err(PlatformError::SameDaemon { host: host.name.clone(), other: other.name.clone() }),
            None => Ok(()),
        }
    }
}

#[async_trait]
impl Platform for Docker {
    async fn find(&self, target: &Target, wanted: Wanted) -> Result<Found, PlatformError> {
        if matches!(target, Target::Unresolvable { .. }) {
            return Ok(Found::Nothing);
        }
        let host = self.host(target.host())?;
        let daemon = host.daemon().await?;
        self.only_one(host)?;
        // Large: it has the futures of every way to find in it.
        Box::pin(find::find(host, &daemon, target, wanted)).await
    }

    async fn look(&self, target: &Target, pin: &Pin) -> Result<Option<Sight>, PlatformError> {
        let host = self.host(target.host())?;
        let daemon = host.daemon().await?;
        find::look(host, &daemon, target, pin).await
    }

    async fn call_path(&self, target: &Target, pin: &Pin, effect: &Effect) -> CallPath {
        match self.host(target.host()) {
            Ok(host) => path::of_call(host, pin, effect).await,
            Err(_) => CallPath::NotShown,
        }
    }

    async fn perform(&self, target: &Target, pin: &Pin, effect: &Effect) -> Performed {
        match self.host(target.host()) {
            Ok(host) => perform::perform(host, target, pin, effect).await,
            Err(error) => Performed { touched: json!({}), answer: Err(error), short: None },
        }
    }

    async fn evidence(&self, target: &Target, pin: &Pin, log_lines: u32) -> Value {
        match self.host(target.host()) {
            Ok(host) => evidence::gather(host, pin, log_lines).await,
            Err(error) => json!({"error": error.to_string()}),
        }
    }

    async fn targets(&self) -> Vec<(String, Result<Vec<Target>, PlatformError>)> {
        let asked = join_all(self.hosts.values().map(|host| names::of(host))).await;
        let check = |(host, asked): (&Arc<Host>, Result<Vec<Target>, PlatformError>)| {
            (host.name.clone(), asked.and_then(|names| self.only_one(host).map(|()| names)))
        };
        self.hosts.values().zip(asked).map(check).collect()
    }

    fn followed(&self) -> Vec<String> {
        self.hosts.values().filter(|host| host.events).map(|host| host.name.clone()).collect()
    }

    async fn daemon(&self, host: &str) -> Result<String, PlatformError> {
        let host = self.host(host)?;
        let daemon = host.daemon().await?;
        self.only_one(host)?;
        Ok(daemon.id)
    }

    async fn follow(&self, host: &str, since: Option<Timestamp>) -> Result<Followed, PlatformError> {
        let found = self.hosts.get(host).ok_or_else(|| PlatformError::NoHost(host.to_owned()))?;
        follow::follow(found, since).await
    }

    async fn ping(&self) -> Vec<(String, Result<(), PlatformError>)> {
        let asked = join_all(self.hosts.values().map(|host| host.ping())).await;
        let check = |(host, asked): (&Arc<Host>, Result<(), PlatformError>)| {
            (host.name.clone(), asked.and_then(|()| self.only_one(host)))
        };
        self.hosts.values().zip(asked).map(check).collect()
    }
}

/// What failed before anything was sent that changes something: whatever became of the look, the call never left.
fn unsent(error: PlatformError) -> PlatformError {
    match error {
        PlatformError::TimedOut { endpoint, after } => {
            let cause = format!("a look before the call got no answer within {} s", after.as_secs());
            PlatformError::Unreachable { endpoint, cause }
        }
        PlatformError::Broken { endpoint, cause } => {
            PlatformError::Unreachable { endpoint, cause: format!("a look before the call failed: {cause}") }
        }
        error => error,
    }
}

/// `id` if it is a full container id: the only thing that is ever sent with a call that changes something.
fn full_id(id: &str) -> Result<&str, PlatformError> {
    if is_full_id(id) { Ok(id) } else { Err(PlatformError::NotAnId(id.chars().take(64).collect())) }
}

/// Whether `id` is a full container id: 64 lower-case hexadecimal digits.
fn is_full_id(id: &str) -> bool {
    id.len() == 64 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}
