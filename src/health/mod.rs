//! What works, part by part: the health that `GET /api/v1/health` answers. Open to all, so it says little and costs little.
//!
//! Always holds: the parts are looked at no more than once a second, however many ask, and each look has a time limit. A
//! storm and pauses are told and make nothing unhealthy: fettle holds back because it works.
//! Does not know HTTP: which status code an answer has is the edge's to say.

pub(crate) mod clock;
pub(crate) mod refusals;
pub(crate) mod storm;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use serde::Serialize;
use tokio::sync::Mutex;

use self::refusals::Refusals;
use self::storm::lasting;
use crate::config::rulebook::Reload;
use crate::telemetry::host;
use fettle_core::ports::Store;
use fettle_core::ports::platform::{Platform, PlatformError};
use fettle_core::rule::set::RuleSet;
use fettle_core::settings::StormLimit;
use fettle_core::time::{Timestamp, since};
use fettle_engine::clock::Time;
use fettle_engine::follow::Follows;
use fettle_engine::readiness::Readiness;

/// How long the database may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long all Docker hosts together may take: above the platform's own deadline of 5 s and its pace, so that one daemon
/// that hangs is named and does not hide the others.
const DOCKER_PATIENCE: Duration = Duration::from_secs(7);

/// With less than this many bytes free, or more than this percent in use, the disk is worth a word.
const DISK_FREE: u64 = 500_000_000;
const DISK_FULL: f64 = 97.0;

/// How long an answer may be given again.
const FRESH: Duration = Duration::from_secs(1);

/// Healthy, degraded (works, but not all of it) or unhealthy (does not work).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    Healthy,
    Degraded,
    Unhealthy,
}

/// What was seen, part by part.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Health {
    pub(crate) status: Status,
    timestamp: Timestamp,
    version: &'static str,
    pub(crate) components: Components,
    issues: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Components {
    database: Database,
    docker: BTreeMap<String, Host>,
    disk: Disk,
    rules: Rules,
    workers: Workers,
    clock: clock::Clock,
    heartbeat: Heartbeat,
    storm: Option<Storm>,
    paused: Option<Paused>,
}

#[derive(Debug, Clone, Serialize)]
struct Database {
    status: Status,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_ms: Option<f64>,
}

#[derive(Debug, Clone, Serialize)]
struct Host {
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
    /// Why its lifecycle events are not followed, where they are denied or switched off.
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<String>,
}

impl Host {
    fn unhealthy(error: &'static str) -> Self {
        Self { status: Status::Unhealthy, error: Some(error), events: None }
    }

    /// It answers, and its events are not followed for the reason `events`.
    fn answers(events: Option<String>) -> Self {
        let status = if events.is_some() { Status::Degraded } else { Status::Healthy };
        Self { status, error: None, events }
    }
}

/// The disk that fettle writes to. `None` in its place: it could not be seen.
#[derive(Debug, Clone, Serialize)]
struct Disk {
    status: Status,
    free_gb: Option<f64>,
}

/// The alert that always fires. Without a name: none is expected.
#[derive(Debug, Clone, Serialize)]
struct Heartbeat {
    status: Status,
    alertname: Option<String>,
    last_heard_at: Option<Timestamp>,
}

#[derive(Debug, Clone, Serialize)]
struct Rules {
    status: Status,
    count: usize,
}

#[derive(Debug, Clone, Serialize)]
struct Workers {
    status: Status,
}

/// `None` in its place: the database does not tell.
#[derive(Debug, Clone, Serialize)]
struct Storm {
    active: bool,
    #[serde(flatten)]
    lasting: Option<StormNow>,
}

#[derive(Debug, Clone, Serialize)]
struct StormNow {
    since: Timestamp,
    last_at: Timestamp,
    targets: u32,
    until: Timestamp,
    then: &'static str,
}

/// How many pauses stand. `None` in its place: the database does not tell.
#[derive(Debug, Clone, Serialize)]
struct Paused {
    pauses: usize,
}

/// What is looked at.
pub(crate) struct Parts {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) platform: Arc<dyn Platform>,
    pub(crate) follows: Arc<Follows>,
    pub(crate) rules: Arc<ArcSwap<RuleSet>>,
    pub(crate) reload: Arc<dyn Reload>,
    pub(crate) readiness: Arc<Readiness>,
    pub(crate) storm: Option<StormLimit>,
    /// When this process began, by the time's monotonic clock.
    pub(crate) began: Duration,
    pub(crate) folder: PathBuf,
    pub(crate) heartbeat: Option<(String, Duration)>,
    pub(crate) time: Arc<Time>,
    pub(crate) refusals: Arc<Refusals>,
    pub(crate) last: Mutex<Option<(Instant, Arc<Health>)>>,
}

impl Parts {
    /// What was seen within the last second, or a new look. Those who ask meanwhile wait for the same look.
    pub(crate) async fn health(&self) -> Arc<Health> {
        let mut last = self.last.lock().await;
        if let Some((_, health)) = last.as_ref().filter(|(at, _)| at.elapsed() < FRESH) {
            return health.clone();
        }
        let health = Arc::new(self.look().await);
        *last = Some((Instant::now(), health.clone()));
        health
    }

    async fn look(&self) -> Health {
        let asked = futures_util::future::join4(self.of_database(), self.docker(), self.disk(), self.heard());
        let ((database, storm, paused), docker, disk, heartbeat) = asked.await;
        let mut issues = self.readiness.ready().err().unwrap_or_default();
        let workers = if issues.is_empty() { Status::Healthy } else { Status::Degraded };
        let count = self.rules.load().len();
        let refused = self.reload.refused();
        let rules = if count == 0 || refused { Status::Degraded } else { Status::Healthy };
        if database.status == Status::Unhealthy {
            issues.push("the database does not answer".to_owned());
        }
        if refused {
            issues.push("the rules on disk are refused, older ones are in force".to_owned());
        }
        if count == 0 {
            issues.push("there are no rules, so nothing will be done".to_owned());
        }
        issues.extend(
            docker.iter().filter_map(|(name, host)| {
                host.error.map(|error| format!("docker host {name} does not answer: {error}"))
            }),
        );
        issues.extend(docker.iter().filter_map(|(name, host)| {
            let why = host.events.as_ref()?;
            Some(format!(
                "the events of docker host {name} are not followed ({why}): whether a person stopped a container is \
                 judged by its exit code"
            ))
        }));
        if disk.status != Status::Healthy {
            issues.push("the disk that fettle writes to is nearly full, or cannot be seen".to_owned());
        }
        if let Some(name) = heartbeat.alertname.as_ref().filter(|_| heartbeat.status != Status::Healthy) {
            issues.push(format!("{name}, which always fires, is not heard: other alerts may not arrive either"));
        }
        let (clock, apart) = clock::inspect(&self.time, self.store.kind() == "postgres");
        issues.extend(apart);
        let refused = self.refusals.issues(self.time.monotonic());
        let intake = if refused.is_empty() { Status::Healthy } else { Status::Degraded };
        issues.extend(refused);
        let hosts = docker.values().map(|host| host.status).max().unwrap_or(Status::Healthy);
        // Without Docker fettle still takes alerts in and says honestly what it could not do.
        let parts = [
            database.status,
            hosts.min(Status::Degraded),
            disk.status,
            rules,
            workers,
            heartbeat.status,
            clock.status,
            intake,
        ];
        let status = parts.into_iter().max();
        Health {
            status: status.unwrap_or(Status::Healthy),
            timestamp: self.time.now(),
            version: env!("CARGO_PKG_VERSION"),
            components: Components {
                database,
                docker,
                disk,
                clock,
                heartbeat,
                rules: Rules { status: rules, count },
                workers: Workers { status: workers },
                storm,
                paused,
            },
            issues,
        }
    }

    async fn database(&self) -> Database {
        let begun = Instant::now();
        let answered = matches!(tokio::time::timeout(PATIENCE, self.store.backlog()).await, Ok(Ok(_)));
        let latency_ms = (begun.elapsed().as_secs_f64() * 1e5).round() / 1e2;
        let status = if answered { Status::Healthy } else { Status::Unhealthy };
        Database { status, kind: self.store.kind(), latency_ms: answered.then_some(latency_ms) }
    }

    async fn of_database(&self) -> (Database, Option<Storm>, Option<Paused>) {
        futures_util::future::join3(self.database(), self.storm(), self.paused()).await
    }

    /// What is left of the disk. One that hangs is not to be seen.
    async fn disk(&self) -> Disk {
        let folder = self.folder.clone();
        let seen = tokio::task::spawn_blocking(move || host::disk(&folder));
        let seen = tokio::time::timeout(PATIENCE, seen).await.ok().and_then(Result::ok).flatten();
        let status = match seen {
            Some(disk) if disk.free_bytes >= DISK_FREE && disk.used <= DISK_FULL => Status::Healthy,
            _ => Status::Degraded,
        };
        Disk { status, free_gb: seen.map(|disk| host::gigabytes(disk.free_bytes)) }
    }

    /// When the alert that always fires was last heard; silence counts from the start of this process.
    async fn heard(&self) -> Heartbeat {
        let Some((alertname, max_silence)) = &self.heartbeat else {
            return Heartbeat { status: Status::Healthy, alertname: None, last_heard_at: None };
        };
        let asked = tokio::time::timeout(PATIENCE, self.store.last_heard(alertname)).await;
        let heard = asked.ok().and_then(Result::ok).flatten();
        let running = self.time.monotonic().saturating_sub(self.began);
        let silence = heard.map_or(running, |at| since(self.time.now(), at).min(running));
        let status = if silence > *max_silence { Status::Degraded } else { Status::Healthy };
        Heartbeat { status, alertname: Some(alertname.clone()), last_heard_at: heard }
    }

    async fn storm(&self) -> Option<Storm> {
        let found = tokio::time::timeout(PATIENCE, self.store.storm()).await.ok()?.ok()?;
        let lasting = lasting(found, self.storm, self.time.now()).map(|it| StormNow {
            since: it.storm.since,
            last_at: it.storm.last_at,
            targets: it.storm.targets,
            until: it.until,
            then: it.limit.then.as_str(),
        });
        Some(Storm { active: lasting.is_some(), lasting })
    }

    async fn paused(&self) -> Option<Paused> {
        let pauses = tokio::time::timeout(PATIENCE, self.store.pauses(self.time.now())).await.ok()?.ok()?;
        Some(Paused { pauses: pauses.len() })
    }

    async fn docker(&self) -> BTreeMap<String, Host> {
        let Ok(hosts) = tokio::time::timeout(DOCKER_PATIENCE, self.platform.ping()).await else {
            return [("?".to_owned(), Host::unhealthy("docker_timeout"))].into();
        };
        let mut denied: BTreeMap<String, String> = self
            .follows
            .troubles()
            .into_iter()
            .filter(|(_, trouble)| trouble.denied)
            .map(|(host, trouble)| (host, trouble.why))
            .collect();
        let mut host = |name: &str, answer: Result<(), PlatformError>| match answer {
            Ok(()) => Host::answers(denied.remove(name)),
            Err(error) => Host::unhealthy(error.reason()),
        };
        hosts.into_iter().map(|(name, answer)| (name.clone(), host(&name, answer))).collect()
    }
}
