//! `GET /api/v1/stream`: what happens now, as server-sent events, for the page.
//!
//! `open`: the open remediations, the newest audit row's id and the pauses, whenever one of them changed, first at once.
//! `away`: the database does not answer. A comment every 5 s keeps proxies from closing what is quiet, and finds listeners
//! that are gone.
//!
//! Always holds: one task asks the database, once a second and only while somebody listens, however many do; streams are
//! bounded, and one more is answered with 503; a listener that does not read is cut like any connection that leads nowhere; a
//! stream ends with the process, and after an hour, so that whoever listens shows the token again. The token is in the
//! `Authorization` header, never in a URL: browsers' `EventSource` cannot do that, `fetch` can.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::{CACHE_CONTROL, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use futures_util::stream::unfold;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::auth::Viewer;
use super::connection::Connection;
use super::problem::{Kind, Problem};
use crate::telemetry::metrics::Metrics;
use fettle_core::ports::view::{ActionFilter, RemediationFilter};
use fettle_core::ports::{Store, StoreError};
use fettle_engine::clock::Time;

/// Streams at the same time: far more pages than people on call.
const MOST: usize = 32;

/// How often the database is asked.
const EVERY: Duration = Duration::from_secs(1);

/// How long the database may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often a quiet stream says that it is there.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// How long a stream lasts.
const LIFE: Duration = Duration::from_hours(1);

/// Open remediations that are shown; the list has the others.
const SHOWN: u32 = 200;

/// What is said when the database does not answer.
const AWAY: &str = "event: away\ndata: {}\n\n";

/// All streams of one server.
pub(super) struct Streams {
    store: Arc<dyn Store>,
    time: Arc<Time>,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
    seats: Arc<Semaphore>,
    /// The last event, ready to be sent; empty before the first.
    news: watch::Sender<Bytes>,
}

impl Streams {
    pub(super) fn new(
        store: Arc<dyn Store>,
        time: Arc<Time>,
        metrics: Arc<Metrics>,
        stop: CancellationToken,
    ) -> Arc<Self> {
        let news = watch::Sender::new(Bytes::new());
        Arc::new(Self { store, time, metrics, stop, seats: Arc::new(Semaphore::new(MOST)), news })
    }

    /// Asks the database while somebody listens, until the process stops.
    pub(super) async fn watch(self: Arc<Self>) {
        loop {
            // Cancel safe: nothing is kept.
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = sleep(EVERY) => {}
            }
            let listeners = MOST - self.seats.available_permits();
            self.metrics.streams(listeners);
            if listeners > 0 {
                self.look().await;
            }
        }
    }

    async fn look(&self) {
        let text = match tokio::time::timeout(PATIENCE, self.read()).await {
            Ok(Ok(text)) => Bytes::from(text),
            Ok(Err(_)) | Err(_) => Bytes::from_static(AWAY.as_bytes()),
        };
        self.news.send_if_modified(|last| {
            let changed = *last != text;
            *last = text;
            changed
        });
    }

    async fn read(&self) -> Result<String, StoreError> {
        let open = RemediationFilter { state: Some("open".into()), limit: SHOWN, ..RemediationFilter::default() };
        let last = ActionFilter { limit: 1, ..ActionFilter::default() };
        let (open, last, pauses) = futures_util::future::try_join3(
            self.store.remediations(&open),
            self.store.actions(&last),
            self.store.pauses(self.time.now()),
        )
        .await?;
        let last = last.first().map(|row| (row.id, &row.result, &row.verdict));
        let pauses: Vec<_> = pauses.iter().map(|pause| pause.id).collect();
        // JSON has no line break outside of strings, and inside they are escaped.
        let data = json!({"remediations": open, "last_action": last.map(|it| it.0), "last_result": last.map(|it| it.1),
            "last_verdict": last.map(|it| it.2), "pauses": pauses});
        Ok(format!("event: open\ndata: {data}\n\n"))
    }
}

/// One stream.
struct Listener {
    news: watch::Receiver<Bytes>,
    stop: CancellationToken,
    ends_at: Instant,
    connection: Option<Arc<Connection>>,
    _seat: OwnedSemaphorePermit,
}

impl Listener {
    /// What is to be sent next; `None` at the end.
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        loop {
            // Cancel safe: `changed` keeps what was not taken, the others keep nothing.
            let text = tokio::select! {
                () = self.stop.cancelled() => return None,
                () = sleep_until(self.ends_at) => return None,
                changed = self.news.changed() => {
                    changed.ok()?;
                    self.news.borrow_and_update().clone()
                }
                () = sleep(KEEP_ALIVE) => Bytes::from_static(b": still here\n\n"),
            };
            if let Some(connection) = &self.connection {
                // Asked for more, so what was sent before is being read.
                connection.alive();
            }
            if !text.is_empty() {
                return Some((Ok(text), self));
            }
        }
    }
}

/// `GET /api/v1/stream`
pub(super) async fn stream(
    _: Viewer,
    request: HttpRequest,
    streams: web::Data<Streams>,
) -> Result<HttpResponse, Problem> {
    let seat = streams.seats.clone().try_acquire_owned();
    let seat = seat.map_err(|_| Problem::new(Kind::Overloaded, "too many pages listen already; come again"))?;
    let mut news = streams.news.subscribe();
    // What was said last may be from when somebody else listened.
    streams.look().await;
    news.mark_changed();
    let listener = Listener {
        news,
        stop: streams.stop.clone(),
        ends_at: Instant::now() + LIFE,
        connection: request.conn_data::<Arc<Connection>>().cloned(),
        _seat: seat,
    };
    let mut answer = HttpResponse::Ok();
    answer.content_type("text/event-stream").insert_header((CACHE_CONTROL, HeaderValue::from_static("no-store")));
    // nginx would keep what is said until it is enough.
    answer.insert_header(("X-Accel-Buffering", "no"));
    Ok(answer.streaming(unfold(listener, Listener::next)))
}
