//! Arcanum, the sample service of the stack: it answers requests, and breaks when it is told to.
//!
//! `GET /` works (and says which provider did); `POST /crash` ends the process, `/leak?mib=16` takes memory and keeps it,
//! `/fill?percent=92` writes its log until so much of the volume is used, `/fail?percent=50` and `/slow?ms=2000` make
//! answers wrong or late, `/calm` ends both. `GET /metrics` and `GET /health` are what Prometheus and Docker ask.
//!
//! The same program is the load generator (`arcanum load URL`), its own health check (`arcanum health`), and the hand that
//! breaks it (`arcanum crash`, `arcanum leak`, …), so that its image needs neither curl nor a shell.
//!
//! Not for production: whoever reaches it can break it.

use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::{Context, bail};
use prometheus::process_collector::ProcessCollector;
use prometheus::{GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry, TextEncoder};

/// Who does the work behind it; only names.
const PROVIDERS: [&str; 3] = ["alpha", "beta", "gamma"];

/// Between two requests of the load generator.
const PACE: Duration = Duration::from_millis(200);

/// Where it serves unless `ARCANUM_LISTEN` says otherwise.
const LISTEN: &str = "127.0.0.1:8000";

fn main() -> anyhow::Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] | ["serve"] => actix_web::rt::System::new().block_on(serve()),
        ["load", url] => runtime()?.block_on(load(url)),
        ["health"] => runtime()?.block_on(ask(reqwest::Method::GET, "health")),
        [deed @ ("crash" | "leak" | "fill" | "fail" | "slow" | "calm")] => {
            runtime()?.block_on(ask(reqwest::Method::POST, deed))
        }
        _ => bail!("arcanum [serve | load URL | health | crash | leak | fill | fail | slow | calm]"),
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")
}

fn listen() -> String {
    std::env::var("ARCANUM_LISTEN").unwrap_or_else(|_| LISTEN.to_owned())
}

/// Everything it knows.
struct Arcanum {
    registry: Registry,
    requests: IntCounterVec,
    seconds: HistogramVec,
    size: GaugeVec,
    avail: GaugeVec,
    turn: AtomicU64,
    /// Of a hundred answers so many are wrong.
    wrong: AtomicU64,
    late: AtomicU64,
    leaked: Mutex<Vec<Vec<u8>>>,
    logs: PathBuf,
}

impl Arcanum {
    fn new() -> anyhow::Result<Self> {
        let registry = Registry::new();
        let requests = Opts::new("arcanum_requests_total", "Requests, by who did the work and how it ended.");
        let seconds = HistogramOpts::new("arcanum_request_duration_seconds", "How long requests took.")
            .buckets(vec![0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0]);
        let gauge = |name, help| GaugeVec::new(Opts::new(name, help), &["path"]);
        let it = Self {
            requests: IntCounterVec::new(requests, &["provider", "status"])?,
            seconds: HistogramVec::new(seconds, &["provider"])?,
            size: gauge("arcanum_volume_size_bytes", "How much the volume of the logs holds.")?,
            avail: gauge("arcanum_volume_avail_bytes", "How much of the volume of the logs is free.")?,
            turn: AtomicU64::new(0),
            wrong: AtomicU64::new(0),
            late: AtomicU64::new(0),
            leaked: Mutex::default(),
            logs: std::env::var_os("ARCANUM_LOGS").map_or_else(|| PathBuf::from("/var/log/arcanum"), PathBuf::from),
            registry,
        };
        it.registry.register(Box::new(ProcessCollector::for_self()))?;
        it.registry.register(Box::new(it.requests.clone()))?;
        it.registry.register(Box::new(it.seconds.clone()))?;
        it.registry.register(Box::new(it.size.clone()))?;
        it.registry.register(Box::new(it.avail.clone()))?;
        for provider in PROVIDERS {
            for status in ["200", "503"] {
                it.requests.with_label_values(&[provider, status]);
            }
        }
        Ok(it)
    }

    /// Size and free bytes of the volume, if it is there.
    fn volume(&self) -> Option<(u64, u64)> {
        let seen = rustix::fs::statvfs(&self.logs).ok()?;
        Some((seen.f_blocks * seen.f_frsize, seen.f_bavail * seen.f_frsize))
    }

    fn log(&self, line: &str) {
        let file = std::fs::File::options().create(true).append(true).open(self.logs.join("arcanum.log"));
        // A full disk is what it is there to show.
        let _ = file.and_then(|mut file| writeln!(file, "{line}"));
    }
}

type State = web::Data<Arc<Arcanum>>;

async fn serve() -> anyhow::Result<()> {
    let state = Arc::new(Arcanum::new()?);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(state.clone()))
            .route("/", web::get().to(work))
            .route("/health", web::get().to(HttpResponse::Ok))
            .route("/metrics", web::get().to(metrics))
            .route("/crash", web::post().to(crash))
            .route("/leak", web::post().to(leak))
            .route("/fill", web::post().to(fill))
            .route("/fail", web::post().to(fail))
            .route("/slow", web::post().to(slow))
            .route("/calm", web::post().to(calm))
    });
    let listen = listen();
    let server = server.workers(2).bind(&listen).with_context(|| format!("listen on {listen} (ARCANUM_LISTEN)"))?;
    server.shutdown_timeout(1).run().await.context("serve")
}

async fn work(state: State) -> HttpResponse {
    let begun = Instant::now();
    let turn = state.turn.fetch_add(1, Ordering::Relaxed);
    let provider = PROVIDERS[usize::try_from(turn).unwrap_or(0) % PROVIDERS.len()];
    tokio::time::sleep(Duration::from_millis(2 + state.late.load(Ordering::Relaxed))).await;
    let wrong = turn % 100 < state.wrong.load(Ordering::Relaxed);
    let status = if wrong { "503" } else { "200" };
    state.requests.with_label_values(&[provider, status]).inc();
    state.seconds.with_label_values(&[provider]).observe(begun.elapsed().as_secs_f64());
    state.log(&format!("{provider} {status}"));
    if wrong { HttpResponse::ServiceUnavailable().finish() } else { HttpResponse::Ok().body(format!("{provider}\n")) }
}

#[expect(clippy::cast_precision_loss, reason = "sizes of small volumes are exact in an f64")]
async fn metrics(state: State) -> HttpResponse {
    if let Some((size, avail)) = state.volume() {
        let path = state.logs.to_string_lossy();
        state.size.with_label_values(&[&*path]).set(size as f64);
        state.avail.with_label_values(&[&*path]).set(avail as f64);
    }
    let text = TextEncoder::new().encode_to_string(&state.registry.gather()).unwrap_or_default();
    HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(text)
}

async fn crash() -> HttpResponse {
    std::process::exit(3)
}

/// How much of something.
#[derive(serde::Deserialize)]
struct Much {
    mib: Option<usize>,
    percent: Option<u64>,
    ms: Option<u64>,
}

async fn leak(state: State, much: web::Query<Much>) -> HttpResponse {
    // Written to, or the kernel would only promise it.
    let page = vec![1; much.mib.unwrap_or(16).min(4096) << 20];
    let mut leaked = state.leaked.lock().unwrap_or_else(PoisonError::into_inner);
    leaked.push(page);
    let kept: usize = leaked.iter().map(Vec::len).sum();
    HttpResponse::Ok().body(format!("{} MiB leaked\n", kept >> 20))
}

async fn fill(state: State, much: web::Query<Much>) -> HttpResponse {
    let percent = much.percent.unwrap_or(92).min(100);
    let line = vec![b'x'; 1 << 16];
    let file = std::fs::File::options().create(true).append(true).open(state.logs.join("arcanum.log"));
    let Ok(mut file) = file else { return HttpResponse::InternalServerError().body("the log cannot be opened\n") };
    while let Some((size, avail)) = state.volume() {
        if (size - avail) * 100 >= size * percent || file.write_all(&line).is_err() {
            break;
        }
    }
    HttpResponse::Ok().body("filled\n")
}

async fn fail(state: State, much: web::Query<Much>) -> HttpResponse {
    state.wrong.store(much.percent.unwrap_or(50), Ordering::Relaxed);
    HttpResponse::Ok().finish()
}

async fn slow(state: State, much: web::Query<Much>) -> HttpResponse {
    state.late.store(much.ms.unwrap_or(2000), Ordering::Relaxed);
    HttpResponse::Ok().finish()
}

async fn calm(state: State) -> HttpResponse {
    state.wrong.store(0, Ordering::Relaxed);
    state.late.store(0, Ordering::Relaxed);
    HttpResponse::Ok().finish()
}

/// Asks the one that runs beside it.
async fn ask(method: reqwest::Method, what: &str) -> anyhow::Result<()> {
    let listen = listen().replace("0.0.0.0", "127.0.0.1");
    let answer = client()?.request(method, format!("http://{listen}/{what}")).send().await;
    match answer {
        // A crash answers nothing, and that is what was asked for.
        Err(error) if what == "crash" && !error.is_connect() => Ok(()),
        answer => answer.and_then(reqwest::Response::error_for_status).map(drop).with_context(|| what.to_owned()),
    }
}

fn client() -> anyhow::Result<reqwest::Client> {
    // Nothing here speaks TLS, and its image has no certificates to read.
    let builder = reqwest::Client::builder().tls_certs_only([]).no_proxy().timeout(Duration::from_secs(5));
    builder.build().context("make a client")
}

/// Asks for work, again and again; that nobody answers is what the rest of the stack is there to see.
async fn load(url: &str) -> anyhow::Result<()> {
    let client = client()?;
    let mut every = tokio::time::interval(PACE);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let stop = async {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        terminate.recv().await;
        anyhow::Ok(())
    };
    let ask = async {
        loop {
            every.tick().await;
            // Fire and look away.
            let _ = client.get(url).send().await;
        }
    };
    // Cancel safe: a request that is dropped is one less.
    tokio::select! {
        stopped = stop => stopped,
        () = ask => Ok(()),
    }
}
