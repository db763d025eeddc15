//! What every stage of the engine works with, built once by the composition root and handed down.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::Notify;

use crate::clock::Time;
use fettle_core::id::ReplicaId;
use fettle_core::ports::Store;
use fettle_core::ports::Telemetry;
use fettle_core::ports::platform::Platform;
use fettle_core::ports::upstream::{Query, Upstream};
use fettle_core::rule::set::RuleSet;
use fettle_core::settings::Settings;
use fettle_core::target::Hosts;

/// The engine's parts.
pub struct Shell {
    /// What fettle remembers.
    pub store: Arc<dyn Store>,
    /// Where containers live.
    pub platform: Arc<dyn Platform>,
    /// Time.
    pub time: Arc<Time>,
    /// The rules in force; a reload swaps them as a whole.
    pub rules: Arc<ArcSwap<RuleSet>>,
    /// The configured hosts.
    pub hosts: Hosts,
    /// The service's limits.
    pub settings: Settings,
    /// Alertmanager, where one is configured.
    pub upstream: Option<Arc<dyn Upstream>>,
    /// Prometheus, where one is configured.
    pub query: Option<Arc<dyn Query>>,
    /// Logs and metrics.
    pub telemetry: Arc<dyn Telemetry>,
    /// Who this process is, among all that share the database; another one after every start.
    pub owner: ReplicaId,
    /// Tells the worker that something may be due earlier than it thinks.
    pub wake: Notify,
    /// Tells the task that decides episodes again that one may be due earlier than it thinks.
    pub recheck: Notify,
    /// Tells the announcer that something is to be told.
    pub announce: Notify,
}

/// Whoever makes something due earlier than the worker thinks says so here.
pub trait Wake: Send + Sync {
    /// Has the worker look at once for what is due.
    fn wake(&self);
}

impl Wake for Shell {
    fn wake(&self) {
        self.wake.notify_one();
    }
}
