//! The HTTP edge: who may speak, what is heard, what is answered. Handlers extract, ask once, and map the answer.
//!
//! Always holds: every request ends, the slow ones by a time limit; memory is bounded by the number of connections and by
//! what bodies may hold together; errors are `application/problem+json`; nothing is ever redirected or answered with 429.
//! Does not decide anything, and does not speak TLS or compress: that is a proxy's work where it is wanted.

mod admin;
mod alive;
mod api;
mod auth;
mod body;
mod connection;
mod health;
mod page;
mod problem;
mod sample;
mod scrape;
mod stream;
mod webhook;

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{Server, ServiceRequest, ServiceResponse};
use actix_web::http::header::{CACHE_CONTROL, HeaderValue, TRANSFER_ENCODING, X_CONTENT_TYPE_OPTIONS};
use actix_web::http::{ConnectionType, StatusCode};
use actix_web::middleware::{Next, from_fn};
use actix_web::{App, HttpServer, Resource, guard, web};
use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;

pub use self::alive::ROUND;
pub use self::api::Machine;

use self::alive::Workers;
use self::auth::Gate;
use self::connection::{Connection, Connections, KEEP_ALIVE};
use self::problem::Problem;
use crate::config::rulebook::Reload;
use crate::config::{Auth, Limits};
use crate::health::Parts;
use crate::health::refusals::Refusals;
use crate::telemetry::metrics::Metrics;
use fettle_core::ports::Store;
use fettle_core::ports::platform::Platform;
use fettle_core::ports::upstream::Upstream;
use fettle_core::rule::compile::Context;
use fettle_core::rule::set::RuleSet;
use fettle_core::settings::Settings;
use fettle_core::target::Hosts;
use fettle_engine::by_hand::ByHand;
use fettle_engine::clock::Time;
use fettle_engine::follow::Follows;
use fettle_engine::intake::Intake;
use fettle_engine::pulse::Pulses;
use fettle_engine::readiness::Readiness;
use fettle_engine::seldom::Seldom;
use fettle_engine::shell::Wake;

/// How long a request's head may take.
const HEAD: Duration = Duration::from_secs(5);

/// How long a refused body is still read and thrown away, so that its sender gets the answer instead of a reset.
const LINGER: Duration = Duration::from_secs(2);

/// Open connections per worker: each holds at most 128 KiB of what is not a body, so 128 MiB a worker at the worst. More
/// than the intake's queue holds, so that a flood is answered with 503.
const CONNECTIONS: usize = 1024;

/// How long requests may finish when the server is stopped: longer than the intake's own patience.
const DRAIN_SECONDS: u64 = 10;

/// What the edge speaks for.
pub struct Deps {
    /// The door for notifications.
    pub intake: Intake,
    /// What fettle remembers.
    pub store: Arc<dyn Store>,
    /// Where containers live; only looked at here.
    pub platform: Arc<dyn Platform>,
    /// How following the events of each Docker host goes.
    pub follows: Arc<Follows>,
    /// Alertmanager, where one is configured; only read here.
    pub upstream: Option<Arc<dyn Upstream>>,
    /// The rules in force.
    pub rules: Arc<ArcSwap<RuleSet>>,
    /// Loads them again.
    pub reload: Arc<dyn Reload>,
    /// Whether this process may be sent work.
    pub readiness: Arc<Readiness>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Time.
    pub time: Arc<Time>,
    /// The service's limits, for what is left of its budgets, and for storm and breakers.
    pub settings: Settings,
    /// The configured hosts.
    pub hosts: Hosts,
    /// Whom to tell that a person answered.
    pub wake: Arc<dyn Wake>,
    /// Who may speak, and whether anybody may scrape.
    pub auth: Auth,
    /// How large and how frequent notifications may be.
    pub limits: Limits,
    /// Where people's orders go.
    pub by_hand: ByHand,
    /// What orders are understood against: the same as rules.
    pub context: Context,
    /// The machine this runs on.
    pub host: Machine,
    /// The alert that always fires, and the longest time without it.
    pub heartbeat: Option<(String, Duration)>,
    /// The process stops: whoever waits for something that does not end is told.
    pub stop: CancellationToken,
}

/// Serves on `listener` until the returned server is stopped or dropped; with the signs of life of its workers. Installs no
/// signal handler.
pub fn serve(deps: Deps, listener: TcpListener) -> std::io::Result<(Server, Arc<Pulses>)> {
    let connections = Arc::new(Connections::default());
    tokio::spawn(Connections::watch(Arc::downgrade(&connections)));
    let routes = Routes::new(deps);
    tokio::spawn(routes.streams.clone().into_inner().watch());
    let count = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let workers = Arc::new(Workers::new(count));
    let pulses = workers.pulses();
    let server = HttpServer::new(move || {
        workers.begin();
        App::new()
            .configure(|app| routes.add(app))
            .default_service(web::to(|| async { Err::<&str, _>(Problem::not_found("there is no such route")) }))
            .wrap(from_fn(finish))
    });
    let server = server
        .workers(count)
        .on_connect(move |io, data| connections.opened(io, data))
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(HEAD)
        .client_disconnect_timeout(LINGER)
        .max_connections(CONNECTIONS)
        .shutdown_timeout(DRAIN_SECONDS)
        .disable_signals()
        .listen(listener)?;
    Ok((server.run(), pulses))
}

/// Around every request: its connection is busy meanwhile, browsers guess no types, and what failed is said in the log.
async fn finish(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let busy = request.conn_data::<Arc<Connection>>().map(Connection::busy);
    let mut answer = next.call(request).await?;
    drop(busy);
    if answer.request().headers().contains_key(TRANSFER_ENCODING) && answer.status() != StatusCode::ACCEPTED {
        // The server would read the rest of the body for as long as it comes.
        answer.response_mut().head_mut().set_connection_type(ConnectionType::Close);
        if let Some(connection) = answer.request().conn_data::<Arc<Connection>>() {
            connection.condemn();
        }
    }
    if !answer.headers().contains_key(CACHE_CONTROL) {
        // Whatever was said is for who asked, and true for a moment.
        answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    answer.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Some(problem) = answer.response().error().and_then(actix_web::Error::as_error::<Problem>) {
        let (method, path, status) = (answer.request().method(), answer.request().match_pattern(), answer.status());
        let route = path.as_deref().unwrap_or("an unknown route");
        tracing::debug!(request.id = %problem.id(), status = status.as_u16(), "{method} {route}: {problem}");
    }
    Ok(answer)
}

/// What the handlers share, made once for all workers.
#[derive(Clone)]
struct Routes {
    gate: web::Data<Gate>,
    door: web::Data<webhook::Door>,
    store: api::Stored,
    rules: web::Data<ArcSwap<RuleSet>>,
    reload: web::Data<dyn Reload>,
    readiness: web::Data<Readiness>,
    scrape: web::Data<scrape::Scrape>,
    metrics_open: web::Data<admin::MetricsOpen>,
    parts: web::Data<Parts>,
    control: web::Data<api::Control>,
    streams: web::Data<stream::Streams>,
    shown: web::Data<api::Shown>,
    oracle: web::Data<api::Oracle>,
}

impl Routes {
    fn new(deps: Deps) -> Self {
        let gate = Arc::new(Gate::new(&deps.auth.tokens));
        let (metrics, intake) = (deps.metrics, deps.intake);
        metrics.senders_loaded(&deps.auth.tokens.iter().map(|token| token.name.as_str()).collect::<Vec<_>>());
        let Limits { body_bytes, bounds, senders, .. } = deps.limits;
        let refusals = Arc::new(Refusals::default());
        let recorders =
            webhook::Recorders { metrics: metrics.clone(), refusals: refusals.clone(), time: deps.time.clone() };
        let door = webhook::Door::new(gate.clone(), intake.clone(), recorders, body_bytes, senders);
        let streams = stream::Streams::new(deps.store.clone(), deps.time.clone(), metrics.clone(), deps.stop.clone());
        let oracle = api::Oracle::new(
            api::Parts {
                store: deps.store.clone(),
                platform: deps.platform.clone(),
                upstream: deps.upstream,
                rules: deps.rules.clone(),
                hosts: deps.hosts.clone(),
                settings: deps.settings.clone(),
                time: deps.time.clone(),
            },
            body_bytes,
            bounds,
        );
        let control = api::Control {
            store: deps.store.clone(),
            rules: deps.rules.clone(),
            hosts: deps.hosts,
            settings: deps.settings.clone(),
            time: deps.time.clone(),
            wake: deps.wake,
            bodies: api::bodies(),
            by_hand: deps.by_hand,
            context: deps.context,
            stop: deps.stop,
        };
        let storm = deps.settings.storm;
        let scrape = scrape::Scrape {
            metrics,
            store: deps.store.clone(),
            intake,
            rules: deps.rules.clone(),
            settings: deps.settings,
            time: deps.time.clone(),
            complaints: Seldom::default(),
            readiness: deps.readiness.clone(),
        };
        let parts = Parts {
            store: deps.store.clone(),
            platform: deps.platform,
            follows: deps.follows,
            rules: deps.rules.clone(),
            reload: deps.reload.clone(),
            readiness: deps.readiness.clone(),
            storm,
            began: deps.time.monotonic(),
            folder: deps.host.folder.clone(),
            heartbeat: deps.heartbeat,
            time: deps.time,
            refusals,
            last: tokio::sync::Mutex::default(),
        };
        Self {
            gate: gate.into(),
            door: web::Data::new(door),
            store: deps.store.into(),
            rules: deps.rules.into(),
            reload: deps.reload.into(),
            readiness: deps.readiness.into(),
            scrape: web::Data::new(scrape),
            metrics_open: web::Data::new(admin::MetricsOpen(deps.auth.metrics_open)),
            parts: web::Data::new(parts),
            control: web::Data::new(control),
            streams: streams.into(),
            shown: web::Data::new(api::Shown { machine: deps.host, began: std::time::Instant::now() }),
            oracle: web::Data::new(oracle),
        }
    }

    fn add(&self, app: &mut web::ServiceConfig) {
        app.app_data(self.gate.clone())
            .app_data(self.door.clone())
            .app_data(self.store.clone())
            .app_data(self.rules.clone())
            .app_data(self.reload.clone())
            .app_data(self.readiness.clone())
            .app_data(self.scrape.clone())
            .app_data(self.metrics_open.clone())
            .app_data(self.parts.clone())
            .app_data(self.control.clone())
            .app_data(self.streams.clone())
            .app_data(self.shown.clone())
            .service(read("/").route(get().to(page::index)))
            .service(read("/app.js").route(get().to(page::script)))
            .service(read("/style.css").route(get().to(page::style)))
            .service(read("/icon.svg").route(get().to(page::icon)))
            .service(read("/openapi.json").route(get().to(page::openapi)))
            .app_data(self.oracle.clone())
            .service(web::resource("/webhook").route(web::route().to(webhook::webhook)))
            .service(read("/-/healthy").route(get().to(admin::healthy)))
            .service(read("/-/ready").route(get().to(admin::ready)))
            .service(write("/-/reload").route(web::post().to(admin::reload)))
            .service(read("/metrics").route(get().to(admin::metrics)))
            .service(read("/api/v1/health").route(get().to(health::all)))
            .service(read("/api/v1/health/{component}").route(get().to(health::one)))
            .service(read("/api/v1/remediations").route(get().to(api::remediations)))
            .service(read("/api/v1/remediations/{id}").route(get().to(api::remediation)))
            .service(both("/api/v1/actions").route(get().to(api::actions)).route(web::post().to(api::order)))
            .service(write("/api/v1/self-heal").route(web::post().to(api::self_heal)))
            .service(read("/api/v1/events").route(get().to(api::events)))
            .service(read("/api/v1/system").route(get().to(api::system)))
            .service(read("/api/v1/system/history").route(get().to(api::history)))
            .service(read("/api/v1/budgets").route(get().to(api::budgets)))
            .service(read("/api/v1/whoami").route(get().to(api::whoami)))
            .service(read("/api/v1/stream").route(get().to(stream::stream)))
            .service(read("/api/v1/alerts").route(get().to(api::alerts)))
            .service(read("/api/v1/rules").route(get().to(api::rules)))
            .service(write("/api/v1/explain").route(web::post().to(api::explain)))
            .service(read("/api/v1/reach").route(get().to(api::reach)))
            .service(write("/api/v1/remediations/{id}/approve").route(web::post().to(api::approve)))
            .service(write("/api/v1/remediations/{id}/reject").route(web::post().to(api::reject)))
            .service(write("/api/v1/remediations/{id}/cancel").route(web::post().to(api::cancel)))
            .service(both("/api/v1/pause").route(get().to(api::pauses)).route(web::post().to(api::pause)))
            .service(only("/api/v1/pause/{id}", "DELETE").route(web::delete().to(api::resume)))
            .service(read("/api/v1/breakers").route(get().to(api::breakers)))
            .service(write("/api/v1/breakers/{rule}/reset").route(web::post().to(api::reset)))
            .service(write("/api/v1/clock/reset").route(web::post().to(api::reset_clock)));
    }
}

fn get() -> actix_web::Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

fn read(path: &str) -> Resource {
    only(path, "GET, HEAD")
}

fn write(path: &str) -> Resource {
    only(path, "POST")
}

fn both(path: &str) -> Resource {
    only(path, "GET, HEAD, POST")
}

fn only(path: &str, allow: &'static str) -> Resource {
    web::resource(path).default_service(web::to(move || async move { Err::<&str, _>(Problem::method(allow)) }))
}
