//! fettle's HTTP edge alone: the real server with a real SQLite, without the engine, and sockets to speak to it byte by
//! byte. Ended with the test.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use fettle::config::rulebook::Reload;
use fettle::config::{Auth, Limits, Role, Token};
use fettle::http::{self, Deps, Machine};
use fettle::telemetry::host::Latest;
use fettle::telemetry::metrics::Metrics;
use fettle_core::diagnostic::{Diagnostic, codes};
use fettle_core::effect::Effect;
use fettle_core::ports::Store;
use fettle_core::ports::platform::{Performed, Platform, PlatformError};
use fettle_core::rule::compile::{Context, SourceFile, compile};
use fettle_core::rule::model::Mode;
use fettle_core::rule::set::RuleSet;
use fettle_core::settings::{Protected, Settings, StormLimit, TripLimit};
use fettle_core::sight::{CallPath, Found, Pin, Sight, Wanted};
use fettle_core::target::{Hosts, Target};
use fettle_engine::by_hand::ByHand;
use fettle_engine::clock::{SystemClock, Time};
use fettle_engine::intake::{Received, intake};
use fettle_engine::pulse::Pulses;
use fettle_engine::readiness::{Condition, Readiness};
use fettle_engine::shell::{Shell, Wake};
use fettle_store::late::Late;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::contract;

/// The roles that tokens can have.
pub const ROLES: [Role; 4] = [Role::Sender, Role::Viewer, Role::Analyst, Role::Admin];

/// The token of a role, when there are tokens.
pub fn token(role: Role) -> String {
    format!("the-{}s-token", role.as_str())
}

/// How to start it.
#[derive(Default)]
pub struct Setup {
    auth: Auth,
    limits: Limits,
    rules: RuleSet,
    without_database: bool,
    heartbeat: Option<(String, Duration)>,
}

impl Setup {
    /// With these rules in force.
    pub fn rules(mut self, yaml: &str) -> Self {
        let files = [SourceFile { path: "rules.yaml".into(), text: yaml.into() }];
        (self.rules, _) = compile(&files, &Context::default()).expect("valid rules");
        self
    }

    /// One token for each role, named like it.
    pub fn tokens(mut self) -> Self {
        let made =
            |role: Role| Token { name: role.as_str().to_owned(), role, sha256: Sha256::digest(token(role)).into() };
        self.auth.tokens = ROLES.map(made).to_vec();
        self
    }

    /// Anybody may scrape.
    pub fn metrics_open(mut self) -> Self {
        self.auth.metrics_open = true;
        self
    }

    /// With these limits.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// With an alert that always fires, and may not stay away for longer than this.
    pub fn heartbeat(mut self, alertname: &str, max_silence: Duration) -> Self {
        self.heartbeat = Some((alertname.to_owned(), max_silence));
        self
    }

    /// The database never opens.
    pub fn without_database(mut self) -> Self {
        self.without_database = true;
        self
    }

    /// Starts it.
    pub async fn start(self) -> Edge {
        let folder = tempfile::tempdir().expect("a folder");
        let late = Arc::new(Late::default());
        let time = Arc::new(Time::new(Arc::new(SystemClock::default())));
        let (onward, received) = tokio::sync::mpsc::channel(1);
        let readiness = Arc::new(Readiness::default());
        let (intake, writer) = intake(late.clone(), time.clone(), onward, Arc::default(), readiness.clone());
        let stop = CancellationToken::new();
        tokio::spawn(writer.run(stop.clone(), Pulses::of(&["writer"]).pulse(0)));
        if !self.without_database {
            let url = format!("sqlite://{}", folder.path().join("fettle.db").display());
            late.open(fettle_store::open(&url, Uuid::now_v7().into()).await.expect("a new database opens"));
            intake.open();
            for condition in [Condition::Store, Condition::Recovery, Condition::Rules] {
                readiness.met(condition);
            }
        }
        let (docker, reload) = (Arc::new(Docker::default()), Arc::new(Rules::default()));
        let metrics = Arc::new(Metrics::new());
        metrics.rules_loaded(&self.rules.iter().map(|rule| rule.name.as_str()).collect::<Vec<_>>());
        let woken = Arc::new(Woken::default());
        let rules = Arc::new(ArcSwap::from_pointee(self.rules));
        let hosts = Hosts::new([("local", &[][..]), ("node-a", &[][..])]);
        let shell = Arc::new(Shell {
            store: late.clone(),
            platform: docker.clone(),
            time: time.clone(),
            rules: rules.clone(),
            hosts: hosts.clone(),
            settings: settings(),
            telemetry: metrics.clone(),
            owner: Uuid::now_v7().into(),
            wake: tokio::sync::Notify::new(),
            recheck: tokio::sync::Notify::new(),
            announce: tokio::sync::Notify::new(),
            upstream: None,
            query: None,
        });
        let latest = Latest::default();
        let deps = Deps {
            intake: intake.within(&self.limits),
            store: late.clone(),
            platform: docker.clone(),
            follows: Arc::default(),
            rules,
            reload: reload.clone(),
            readiness: readiness.clone(),
            metrics: metrics.clone(),
            upstream: None,
            settings: settings(),
            auth: self.auth,
            limits: self.limits,
            time: time.clone(),
            hosts: hosts.clone(),
            wake: woken.clone(),
            by_hand: ByHand { shell },
            context: Context { hosts, ..Context::default() },
            host: Machine { latest: latest.clone(), folder: folder.path().to_path_buf() },
            heartbeat: self.heartbeat,
            stop: stop.clone(),
        };
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (server, pulses) = http::serve(deps, listener).expect("it serves");
        let handle = server.handle();
        tokio::spawn(server);
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        let client = client.timeout(Duration::from_secs(20)).build().expect("a client");
        Edge {
            address,
            client,
            store: late,
            docker,
            reload,
            readiness,
            metrics,
            time,
            woken,
            latest,
            pulses,
            stop,
            handle,
            _folder: folder,
            _received: received,
        }
    }
}

fn settings() -> Settings {
    Settings {
        mode: Mode::Act,
        freshness: Duration::from_mins(10),
        docker_patience: fettle_core::settings::DOCKER_PATIENCE,
        recheck: fettle_core::settings::RECHECK,
        in_flight: 4,
        budget: Limits::default().budget,
        target_budget: Limits::default().target_budget,
        storm: Some(StormLimit::default()),
        trip: Some(TripLimit::default()),
        alertmanager: false,
        approvers: true,
        protected: Protected::default(),
        hosts: fettle_core::target::Hosts::default(),
    }
}

/// A running edge.
pub struct Edge {
    /// Where it serves.
    pub address: SocketAddr,
    /// For ordinary requests.
    pub client: reqwest::Client,
    /// What it remembers.
    pub store: Arc<dyn Store>,
    /// What it believes to be Docker.
    pub docker: Arc<Docker>,
    /// What it believes to be the rules.
    pub reload: Arc<Rules>,
    /// Whether it is ready.
    pub readiness: Arc<Readiness>,
    /// What it counts.
    pub metrics: Arc<Metrics>,
    /// Its time.
    pub time: Arc<Time>,
    /// What it believes to be the worker.
    pub woken: Arc<Woken>,
    /// What it believes to be the last look at the machine.
    pub latest: Latest,
    /// Its workers' signs of life.
    pub pulses: Arc<Pulses>,
    /// Stops it.
    pub stop: CancellationToken,
    handle: actix_web::dev::ServerHandle,
    _folder: tempfile::TempDir,
    _received: tokio::sync::mpsc::Receiver<Received>,
}

impl Edge {
    /// A URL on it.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A request with a body, if any, as the holder of this role's token, if any; the status and what was answered.
    pub async fn ask(&self, verb: &str, path: &str, body: Option<Value>, role: Option<Role>) -> (u16, Value) {
        let mut request = self.client.request(verb.parse().expect("a method"), self.url(path));
        if let Some(body) = body {
            request = request.json(&body);
        }
        if let Some(role) = role {
            request = request.bearer_auth(token(role));
        }
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        let body = answer.json().await.unwrap_or_default();
        contract::check(verb, path, status, &body);
        (status, body)
    }

    /// A new connection.
    pub async fn connect(&self) -> Wire {
        Wire(TcpStream::connect(self.address).await.expect("it listens"))
    }

    /// How many notifications are stored.
    pub async fn stored(&self) -> u64 {
        self.store.backlog().await.expect("the database answers")
    }

    /// Whether a line is among the metrics.
    pub fn counted(&self, line: &str) -> bool {
        self.metrics.render().lines().any(|it| it == line)
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        self.stop.cancel();
        // The command goes out when it is called; nobody waits for the end.
        drop(self.handle.stop(false));
    }
}

/// A connection that is written to and read from byte by byte.
pub struct Wire(pub TcpStream);

impl Wire {
    /// Sends bytes.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.expect("it reads");
    }

    /// Everything until the other side closes; what came before a reset counts.
    pub async fn until_closed(&mut self) -> String {
        let mut all = Vec::new();
        let mut part = [0; 4096];
        while let Ok(count @ 1..) = self.0.read(&mut part).await {
            all.extend_from_slice(&part[..count]);
        }
        String::from_utf8_lossy(&all).into_owned()
    }

    /// The head of the next answer.
    pub async fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match self.0.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => break,
            }
        }
        String::from_utf8_lossy(&head).into_owned()
    }
}

/// A Docker that only answers pings.
#[derive(Default)]
pub struct Docker {
    /// Whether it does not even do that.
    pub gone: AtomicBool,
    /// Whether whoever pings never comes back, and its thread with it.
    pub hangs: AtomicBool,
}

fn unreachable() -> PlatformError {
    PlatformError::Unreachable { endpoint: "unix:///gone.sock".to_owned(), cause: "no such file".to_owned() }
}

#[async_trait]
impl Platform for Docker {
    async fn find(&self, _: &Target, _: Wanted) -> Result<Found, PlatformError> {
        Err(unreachable())
    }

    async fn look(&self, _: &Target, _: &Pin) -> Result<Option<Sight>, PlatformError> {
        Err(unreachable())
    }

    async fn call_path(&self, _: &Target, _: &Pin, _: &Effect) -> CallPath {
        CallPath::NotShown
    }

    async fn perform(&self, _: &Target, _: &Pin, _: &Effect) -> Performed {
        Performed { touched: json!({}), answer: Err(unreachable()), short: None }
    }

    async fn evidence(&self, _: &Target, _: &Pin, _: u32) -> Value {
        json!({})
    }

    async fn targets(&self) -> Vec<(String, Result<Vec<Target>, PlatformError>)> {
        vec![("node-a".to_owned(), Err(unreachable()))]
    }

    async fn ping(&self) -> Vec<(String, Result<(), PlatformError>)> {
        while self.hangs.load(Ordering::Relaxed) {
            std::thread::park_timeout(Duration::from_millis(20));
        }
        let answer = if self.gone.load(Ordering::Relaxed) { Err(unreachable()) } else { Ok(()) };
        vec![("node-a".to_owned(), answer)]
    }
}

/// A worker that only counts how often it was woken.
#[derive(Default)]
pub struct Woken(AtomicUsize);

impl Woken {
    /// How often.
    pub fn times(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Woken {
    fn wake(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Rules that load, or do not.
#[derive(Default)]
pub struct Rules {
    /// Whether they do not.
    pub broken: AtomicBool,
}

#[async_trait]
impl Reload for Rules {
    async fn reload(&self) -> Result<(usize, Vec<Diagnostic>), Vec<Diagnostic>> {
        if self.broken.load(Ordering::Relaxed) {
            return Err(vec![Diagnostic::of_file(&codes::NOT_YAML, "rules/web.yaml", "this is not YAML")]);
        }
        Ok((3, vec![Diagnostic::of_file(&codes::SHADOWED, "rules/web.yaml", "no alert reaches this rule")]))
    }

    fn refused(&self) -> bool {
        false
    }
}
