//! The composition root: builds every part once, owns every task, and stops them in order.
//!
//! Start: settings and rules are checked first, and any problem ends the process with all of them named. Then the port is
//! bound, so that health and metrics answer while the database is not there yet; senders get 503 meanwhile. When the
//! database opens, what an earlier process left behind is taken over and the engine starts.
//!
//! Stop (SIGTERM, SIGINT): not ready first; the engine stops in its order and gives back what it holds; the server stops
//! last, so that every request that was taken is answered. A task that ends unasked stops the process with an error. The
//! service manager is told of all this (`systemd.rs`), and that every task and every worker of the server lives.

pub mod systemd;

use std::collections::BTreeSet;
use std::net::{IpAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::config::rulebook::{Reload, RuleBook};
use crate::config::{self, Config, Database, LogFormat};
use crate::http::{self, Deps, Machine};
use crate::telemetry::heartbeat_files::WatchFiles;
use crate::telemetry::host::{Latest, Sampler};
use crate::telemetry::logs;
use crate::telemetry::metrics::Metrics;
use fettle_core::diagnostic::Diagnostic;
use fettle_core::diagnostic::render::human;
use fettle_core::id::ReplicaId;
use fettle_core::ports::platform::{Observer, Platform};
use fettle_core::ports::upstream::{Answers, Query, Upstream};
use fettle_core::ports::{StoreError, chain};
use fettle_core::settings::{Protected, Settings};
use fettle_core::sight::published_port;
use fettle_docker::{DiskConfig, Docker, HostConfig, OPS, Pace, Tls, own_container_id};
use fettle_engine::by_hand::ByHand;
use fettle_engine::clock::{SystemClock, Time};
use fettle_engine::heartbeat::Expected;
use fettle_engine::readiness::{Condition, Readiness};
use fettle_engine::remember::Remembering;
use fettle_engine::retry::Retry;
use fettle_engine::run::{Running, build, recover};
use fettle_engine::shell::Shell;
use fettle_engine::upkeep::{Retention, follow};
use fettle_engine::worker::DRAIN;
use fettle_store::late::Late;
use fettle_upstream::{Alertmanager, Prometheus};
use systemd::Systemd;

/// Upper bound of the first pause between two tries to open the database.
const OPEN_FIRST: Duration = Duration::from_millis(100);

/// Upper bound of any such pause.
const OPEN_PAUSE: Duration = Duration::from_secs(2);

/// How long the engine may take to stop: what is under way has [`DRAIN`], and giving back what this process holds the rest.
/// A database that answers nothing must not hold up the end of the process; claims that were not given back are taken over
/// when this process's session ends.
const STOP: Duration = DRAIN.saturating_add(Duration::from_secs(3));

/// How long the tasks beside the engine may take to end.
const BESIDE: Duration = Duration::from_secs(2);

/// How long the start waits for Docker.
const PING: Duration = Duration::from_secs(1);

/// Answers of a Docker daemon whose series exist from the start.
const CODES: [&str; 8] = ["200", "204", "404", "409", "500", "docker_unreachable", "docker_timeout", "docker_broken"];

/// What the command line says; the rest comes from the configuration.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The configuration file; `None`: `fettle.yaml` if it exists.
    pub config: Option<PathBuf>,
    /// Where to say that this process lives, instead of what the configuration says.
    pub heartbeat_file: Option<PathBuf>,
    /// Where to write its figures, instead of what the configuration says.
    pub metrics_file: Option<PathBuf>,
}

/// Serves until it is told to stop.
pub async fn serve(options: &Options) -> anyhow::Result<()> {
    let (mut config, warnings) = config::load(options.config.as_deref(), &config::process)
        .map_err(|problems| anyhow::anyhow!(human(&problems).trim_end().to_owned()))?;
    config.heartbeat_file = options.heartbeat_file.clone().or(config.heartbeat_file);
    config.metrics_file = options.metrics_file.clone().or(config.metrics_file);
    let format = match config.log.format {
        LogFormat::Human => logs::Format::Human,
        LogFormat::Json => logs::Format::Json,
    };
    logs::init(format, &config.log.level)?;
    tell(&warnings);
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for name in config::unknown(names) {
        tracing::warn!("the environment variable {name} is no setting of fettle's, nothing follows from it");
    }
    let metrics = Arc::new(Metrics::new());
    let time = Arc::new(Time::new(Arc::new(SystemClock::default())));
    let (rules, warnings) = RuleBook::load(config.rules.clone(), config.rule_context(), metrics.clone(), time.clone())
        .map_err(|problems| anyhow::anyhow!(human(&problems).trim_end().to_owned()))?;
    tell(&warnings);
    let listener =
        TcpListener::bind(config.listen).with_context(|| format!("listen on {} (setting `listen`)", config.listen))?;
    run(config, Arc::new(rules), metrics, time, listener).await
}

async fn run(
    config: Config,
    rules: Arc<RuleBook>,
    metrics: Arc<Metrics>,
    time: Arc<Time>,
    listener: TcpListener,
) -> anyhow::Result<()> {
    let docker = Arc::new(docker(&config, Arc::new(Counted(metrics.clone()))).context("setting `hosts`")?);
    refuse_same_daemon(&docker).await?;
    let hosts: Vec<_> = config.hosts.iter().map(|host| host.name.as_str()).collect();
    metrics.hosts_loaded(&hosts, &OPS, &CODES);
    let readiness = Arc::new(Readiness::default());
    readiness.met(Condition::Rules);
    let late = Arc::new(Late::default());
    let upstream = upstream(&config, Some((&metrics, &time)))?;
    let platform: Arc<dyn Platform> = Arc::new(Remembering::new(docker, late.clone()));
    let shell = Arc::new(Shell {
        store: late.clone(),
        platform: platform.clone(),
        time,
        rules: rules.rules(),
        hosts: config.known_hosts(),
        settings: settings(&config),
        telemetry: metrics.clone(),
        owner: ReplicaId(Uuid::now_v7()),
        wake: tokio::sync::Notify::new(),
        recheck: tokio::sync::Notify::new(),
        announce: tokio::sync::Notify::new(),
        upstream,
        query: query(&config, &metrics)?,
    });
    let retention = Retention { notifications: config.retention.notifications, audit: config.retention.audit };
    let heartbeat =
        config.heartbeat.clone().map(|it| Expected { alertname: it.alertname, max_silence: it.max_silence });
    let (intake, engine) = build(shell.clone(), readiness.clone(), retention, heartbeat);
    for host in config.hosts.iter().filter(|host| !host.events) {
        engine.follows().switch_off(&host.name);
    }
    let latest = Latest::default();
    let stop = CancellationToken::new();
    let mut beside = tokio::task::JoinSet::new();
    beside.spawn(watch_files(&config, &shell, &readiness, &metrics).run(stop.clone()));
    beside.spawn(sampler(&config, &shell, &metrics, latest.clone()).run(stop.clone()));
    beside.spawn(rules.clone().watch(stop.clone()));
    let deps = Deps {
        intake: intake.within(&config.limits),
        store: late.clone(),
        platform,
        follows: engine.follows(),
        rules: rules.rules(),
        reload: rules.clone(),
        readiness: readiness.clone(),
        metrics,
        upstream: shell.upstream.clone(),
        settings: shell.settings.clone(),
        auth: config.auth.clone(),
        limits: config.limits.clone(),
        time: shell.time.clone(),
        hosts: shell.hosts.clone(),
        wake: shell.clone(),
        by_hand: ByHand { shell: shell.clone() },
        context: config.rule_context(),
        host: Machine { latest, folder: data_folder(&config.database) },
        heartbeat: config.heartbeat.as_ref().map(|it| (it.alertname.clone(), it.max_silence)),
        stop: stop.clone(),
    };
    tracing::info!(version = env!("CARGO_PKG_VERSION"), listen = %config.listen, mode = config.mode.as_str(),
        rules = rules.rules().load().len(), "fettle starts");
    let (server, workers) = http::serve(deps, listener)?;
    let handle = server.handle();
    let mut serving = tokio::spawn(server);
    let systemd = Arc::new(Systemd::from_environment());
    systemd.waiting("waiting for the database");

    // Cancel safe: opening again after a cancelled try changes nothing; the signals and the server keep what they have.
    let ended = {
        let mut signals = Signals::new()?;
        tokio::select! {
            opened = open(&config.database, &late, &shell, &readiness) => match opened {
                Ok(()) => {
                    let running = engine.start();
                    tokio::spawn(systemd.clone().watch([running.pulses(), workers], stop.clone()));
                    systemd.ready();
                    tracing::info!("fettle is ready");
                    work(running, &mut signals, &rules, &mut serving).await
                }
                Err(error) => Err(error),
            },
            () = signals.stop() => Ok(None),
            ended = &mut serving => Err(server_ended(ended)),
        }
    };
    readiness.unmet(Condition::Serving, "shutting down");
    systemd.stopping();
    stop.cancel();
    let (ended, in_time) = match ended {
        Ok(Some(running)) => (Ok(()), tokio::time::timeout(STOP, running.stop()).await.is_ok()),
        Ok(None) => (Ok(()), true),
        Err(error) => (Err(error), true),
    };
    if !in_time {
        tracing::warn!(
            "the engine did not stop in time and is left behind; what it holds is taken over by the next process"
        );
    }
    // Requests wait for the same database.
    handle.stop(in_time).await;
    // They hold nothing; one that waits for a file system that hangs is left behind.
    let _ = tokio::time::timeout(BESIDE, async { while beside.join_next().await.is_some() {} }).await;
    tracing::info!("fettle stopped");
    ended
}

/// Opens the database, however long that takes, and takes over what an earlier process left behind. The caller ends it.
async fn open(database: &Database, late: &Late, shell: &Shell, readiness: &Readiness) -> anyhow::Result<()> {
    let retry = Retry { first: OPEN_FIRST, longest: OPEN_PAUSE, until: None };
    let away = |error: &StoreError| {
        if error.is_transient() {
            tracing::warn!(error = %chain(error), "the database cannot be opened yet; retrying");
            readiness.unmet(Condition::Store, "the database cannot be opened yet");
        }
        error.is_transient()
    };
    let opened = retry.run(&shell.time, away, || fettle_store::open(database.url.expose(), shell.owner)).await;
    let opened = opened.context("open the database (setting `database`)")?;
    let away = |error: &StoreError| {
        if error.is_transient() {
            tracing::warn!(error = %chain(error), "cannot recover yet; retrying");
        }
        error.is_transient()
    };
    // Before the API can store anything that is dated by this machine's clock.
    let followed = retry.run(&shell.time, away, || follow(&*opened, &shell.time)).await;
    followed.context("ask the database's clock (setting `database`)")?;
    late.open(opened);
    readiness.met(Condition::Store);
    retry.run(&shell.time, away, || recover(shell, readiness)).await.context("use the database (setting `database`)")
}

/// Works until told to stop, then gives the engine back to be stopped.
async fn work(
    mut running: Running,
    signals: &mut Signals,
    rules: &RuleBook,
    serving: &mut tokio::task::JoinHandle<std::io::Result<()>>,
) -> anyhow::Result<Option<Running>> {
    loop {
        // Cancel safe: nothing is lost by waiting anew.
        tokio::select! {
            told = signals.next() => match told {
                Told::Stop => return Ok(Some(running)),
                Told::Reload => {
                    // What is wrong is told by the reload itself; the old rules stay.
                    let _ = rules.reload().await;
                }
            },
            name = running.ended() => bail!("the {name} ended unasked; without it nothing is decided"),
            ended = &mut *serving => return Err(server_ended(ended)),
        }
    }
}

fn server_ended(ended: Result<std::io::Result<()>, tokio::task::JoinError>) -> anyhow::Error {
    match ended {
        Ok(Ok(())) => anyhow::anyhow!("the server ended unasked"),
        Ok(Err(error)) => anyhow::Error::new(error).context("the server ended unasked"),
        Err(error) => anyhow::Error::new(error).context("the server ended unasked"),
    }
}

struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Cancel safe: a signal that comes later is still told.
    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminate.recv() => Told::Stop,
            _ = self.interrupt.recv() => Told::Stop,
            _ = self.hangup.recv() => Told::Reload,
        }
    }

    /// Waits to be told to stop; before the rules are in use there is nothing to reload.
    async fn stop(&mut self) {
        while self.next().await == Told::Reload {}
    }
}

/// What a signal asks for.
#[derive(PartialEq, Eq)]
enum Told {
    Stop,
    Reload,
}

fn watch_files(config: &Config, shell: &Shell, readiness: &Arc<Readiness>, metrics: &Arc<Metrics>) -> WatchFiles {
    WatchFiles {
        heartbeat: config.heartbeat_file.clone(),
        figures: config.metrics_file.clone(),
        store: shell.store.clone(),
        readiness: readiness.clone(),
        metrics: metrics.clone(),
    }
}

fn sampler(config: &Config, shell: &Shell, metrics: &Arc<Metrics>, latest: Latest) -> Sampler {
    Sampler {
        store: shell.store.clone(),
        time: shell.time.clone(),
        metrics: metrics.clone(),
        folder: data_folder(&config.database),
        latest,
    }
}

/// The folder whose disk fettle fills: that of its SQLite file, else where it was started.
fn data_folder(database: &Database) -> PathBuf {
    let here = || PathBuf::from(".");
    if !matches!(database.kind, config::DatabaseKind::Sqlite) {
        return here();
    }
    let path = database.url.expose().strip_prefix("sqlite:").unwrap_or_default();
    let path = path.strip_prefix("//").unwrap_or(path).split('?').next().unwrap_or_default();
    let parent = std::path::Path::new(path).parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.map_or_else(here, std::path::Path::to_path_buf)
}

/// Alertmanager, where one is configured; nothing is connected yet. A service counts its answers, and posts to it.
pub(crate) fn upstream(
    config: &Config,
    service: Option<(&Arc<Metrics>, &Arc<Time>)>,
) -> anyhow::Result<Option<Arc<dyn Upstream>>> {
    let Some(it) = &config.alertmanager else { return Ok(None) };
    let client = Alertmanager::new(&it.urls, &it.access).context("setting `alertmanager`")?;
    Ok(Some(Arc::new(match service {
        Some((metrics, time)) => {
            let time = time.clone();
            client.counted(&(metrics.clone() as Arc<dyn Answers>)).dated_by(move || time.now())
        }
        None => client,
    })))
}

fn query(config: &Config, metrics: &Arc<Metrics>) -> anyhow::Result<Option<Arc<dyn Query>>> {
    let Some(it) = &config.prometheus else { return Ok(None) };
    Ok(Some(Arc::new(
        Prometheus::new(&it.url, &it.access)
            .context("setting `prometheus`")?
            .counted(&(metrics.clone() as Arc<dyn Answers>)),
    )))
}

/// The configured Docker hosts; nothing is connected yet.
pub(crate) fn docker(config: &Config, observer: Arc<dyn Observer>) -> anyhow::Result<Docker> {
    let hosts = config.hosts.iter().map(|host| {
        let tls = host.tls.as_ref().map(|tls| Tls {
            ca_file: tls.ca_file.clone(),
            cert_file: tls.cert_file.clone(),
            key_file: tls.key_file.clone(),
        });
        let disk = |disk: &config::Disk| DiskConfig { path: disk.path.clone(), allow: disk.allow.clone() };
        let docker = HostConfig {
            endpoint: host.docker.clone(),
            read: host.read.clone(),
            tls,
            disks: host.disks.iter().map(|(name, it)| (name.clone(), disk(it))).collect(),
            keep: config.protected.containers.iter().cloned().collect(),
            without_events: !host.events,
        };
        (host.name.clone(), docker)
    });
    Ok(Docker::new(hosts, Some(Pace::default()), observer)?)
}

/// Counts every call to a Docker daemon.
struct Counted(Arc<Metrics>);

impl Observer for Counted {
    fn call(&self, host: &str, op: &'static str, code: &str, took: Duration) {
        self.0.docker_call(host, op, code, took);
    }
}

/// Two names of one daemon would let one container be two targets, with two budgets. A host that does not answer in time
/// does not hold up the start: it is asked again by its first look, which refuses for the same reason.
async fn refuse_same_daemon(docker: &Docker) -> anyhow::Result<()> {
    let Ok(answers) = tokio::time::timeout(PING, docker.ping()).await else {
        tracing::warn!("a docker host does not answer; decisions that need it will fail honestly");
        return Ok(());
    };
    for (host, answer) in answers {
        if let Err(error) = answer {
            if matches!(error, fettle_core::ports::platform::PlatformError::SameDaemon { .. }) {
                bail!("setting `hosts`: {error}");
            }
            tracing::warn!(host, error = %error, "this docker host does not answer; decisions that need it will fail honestly");
        }
    }
    Ok(())
}

/// The service's limits, as the core sees them.
pub(crate) fn settings(config: &Config) -> Settings {
    let database = database_names(config.database.url.expose());
    Settings {
        storm: config.storm,
        trip: config.trip,
        alertmanager: config.alertmanager.is_some(),
        approvers: config.auth.has_approver(),
        mode: config.mode,
        freshness: config.freshness,
        docker_patience: config.docker_patience,
        recheck: config.recheck,
        in_flight: config.limits.in_flight,
        budget: config.limits.budget.clone(),
        target_budget: config.limits.target_budget.clone(),
        protected: Protected {
            containers: config.protected.containers.iter().cloned().collect(),
            compose_projects: config.protected.compose_projects.iter().cloned().collect(),
            own_container: own_container_id(),
            database,
        },
        hosts: config.known_hosts(),
    }
}

/// The names by which a container could be this database. Loopback names none, every container has one: there it is the port that
/// a container publishes.
fn database_names(url: &str) -> BTreeSet<String> {
    let Some((name, port)) = fettle_store::server(url) else { return BTreeSet::new() };
    let is_here = ["localhost", "host.docker.internal"].contains(&&*name)
        || name.starts_with('/')
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    BTreeSet::from([if is_here { published_port(port) } else { name }])
}

fn tell(warnings: &[Diagnostic]) {
    for warning in warnings {
        tracing::warn!("{}", warning.line());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_known_by_its_host_and_one_on_this_machine_by_its_port() {
        for (url, name) in [
            ("postgres://fettle:p%40ss@db:5433/fettle", "db"),
            ("postgresql://10.0.0.7/fettle?sslmode=require", "10.0.0.7"),
            ("postgres://u@[fd00::2]:5432/fettle", "fd00::2"),
            ("postgres://u@localhost/fettle", "this machine:5432"),
            ("postgres://u:p@127.0.0.2:55432/fettle", "this machine:55432"),
            ("postgres://u@[::1]:6000", "this machine:6000"),
            ("postgres:///fettle?host=/run/postgresql&port=5433", "this machine:5433"),
            ("postgres:///fettle?host=db", "db"),
        ] {
            assert_eq!(database_names(url), BTreeSet::from([name.to_owned()]), "{url}");
        }
        assert_eq!(database_names("sqlite://fettle.db"), BTreeSet::new());
    }
}
