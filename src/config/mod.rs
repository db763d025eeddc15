//! Service settings: `fettle.yaml` and the environment, checked once, at the start.
//!
//! For every setting: its environment variable, else the file, else the default ([`raw`] lists them all). An empty variable counts
//! as absent. In the file `${NAME}` and `${NAME:-default}` stand for environment variables and `$${` for a plain `${`.
//!
//! Always holds: a [`Config`] that exists is complete and consistent, and every problem of file and environment is reported
//! at once. Secrets are of a type that prints as `[redacted]`; a line of source that may hold one is not shown.
//! Paths in the file count from the folder of the file, as in Prometheus; paths in variables, and the path of an SQLite
//! database, from the folder fettle was started in.
//! Does not watch for changes: rules are reloaded ([`rulebook`]), settings need a restart.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use auth::{Auth, Role, Token};
pub use database::{Database, DatabaseKind};
pub use environment::{Environment, KNOWN, process, unknown};
pub use fettle_core::settings::limits::Limits;
pub use heartbeat::Heartbeat;
pub use hosts::{Disk, Host, Tls};
pub use limits::Retention;
pub use load::{is_settings, load, look, look_at};
pub use log::{Log, LogFormat};
pub use upstream::{Alertmanager, Prometheus};

pub use fettle_upstream::{Access, Credentials, Secret};

use fettle_core::rule::compile::Context;
use fettle_core::rule::model::Mode;
use fettle_core::settings::{StormLimit, TripLimit};
use fettle_core::target::{Disks, Hosts};

pub mod raw;
pub mod rulebook;

mod auth;
mod database;
mod environment;
mod heartbeat;
mod hosts;
mod interpolate;
mod limits;
mod listen;
mod load;
mod log;
mod secret;
#[cfg(test)]
mod tests;
mod upstream;

/// Everything a running fettle needs to know from outside.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to serve; loopback unless there are tokens.
    pub listen: SocketAddr,
    /// Where to remember.
    pub database: Database,
    /// A file or a folder.
    pub rules: PathBuf,
    /// Ceiling for every rule.
    pub mode: Mode,
    /// Docker hosts in byte order of name; at least one.
    pub hosts: Vec<Host>,
    /// Who may do what.
    pub auth: Auth,
    /// What bounds the whole service.
    pub limits: Limits,
    /// When so much is wrong at once that fettle holds back; `None`: never.
    pub storm: Option<StormLimit>,
    /// When a rule has failed to prove itself so often that it is held back; `None`: never.
    pub trip: Option<TripLimit>,
    /// How long evidence that an alert fires is good for.
    pub freshness: Duration,
    /// How long Docker may be away before it is reported to people.
    pub docker_patience: Duration,
    /// How long after it was refused or expired an alert that still fires is decided again.
    pub recheck: Duration,
    /// What no rule may touch, besides fettle itself and its database.
    pub protected: Protected,
    /// How long rows are kept.
    pub retention: Retention,
    /// How to log.
    pub log: Log,
    /// Whom to ask what fires, and to tell what fettle does.
    pub alertmanager: Option<Alertmanager>,
    /// Whom to ask for metrics.
    pub prometheus: Option<Prometheus>,
    /// The alert that must not go missing.
    pub heartbeat: Option<Heartbeat>,
    /// Where to say every 30 s that this process lives.
    pub heartbeat_file: Option<PathBuf>,
    /// Where to write its figures beside.
    pub metrics_file: Option<PathBuf>,
}

/// What no rule may touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Protected {
    /// Exact container names, on every host.
    pub containers: Vec<String>,
    /// Exact Compose projects, on every host.
    pub compose_projects: Vec<String>,
}

impl Config {
    /// The hosts as rules name them.
    pub fn known_hosts(&self) -> Hosts {
        Hosts::new(self.hosts.iter().map(|host| (host.name.as_str(), host.instances.as_slice())))
    }

    /// The disks of all hosts and what is permitted on them.
    pub fn disks(&self) -> Disks {
        let of = |host: &Host| host.disks.iter().map(|(name, disk)| (name.clone(), disk.allow.clone())).collect();
        self.hosts.iter().map(|host| (host.name.clone(), of(host))).collect()
    }

    /// Where the disks of all hosts are mounted.
    fn mounts(&self) -> BTreeMap<String, BTreeMap<String, String>> {
        let path = |disk: &Disk| disk.path.to_string_lossy().into_owned();
        let of = |host: &Host| host.disks.iter().map(|(name, disk)| (name.clone(), path(disk))).collect();
        self.hosts.iter().map(|host| (host.name.clone(), of(host))).collect()
    }

    /// What rules are checked against.
    pub fn rule_context(&self) -> Context {
        Context {
            hosts: self.known_hosts(),
            of_service: true,
            freshness: self.freshness,
            audit_kept: self.retention.audit,
            approvers: self.auth.has_approver(),
            alertmanager: self.alertmanager.is_some(),
            prometheus: self.prometheus.is_some(),
            disks: self.disks(),
            mounts: self.mounts(),
            history: None,
        }
    }
}
