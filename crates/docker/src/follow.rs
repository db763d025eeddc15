//! The stream of the lifecycle events of all containers of a host.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use bollard::errors::Error;
use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::{Stream, StreamExt};
use jiff::Timestamp;

use super::classify::classify;
use super::host::{Host, LOOK, Op};
use super::stopped::{EVENTS_MAX, instant, life_event, read, seconds};
use fettle_core::ports::platform::{Followed, LifeEvents, PlatformError};
use fettle_core::sight::follow::{LifeEvent, Opening};

/// Nothing else: health checks alone make three events each.
const EVENTS: [&str; 6] = ["start", "kill", "stop", "die", "oom", "destroy"];

/// Events that are read before the stream: Docker keeps fewer, Podman keeps them without a bound.
const BACKLOG_MAX: usize = 4096;

/// Events that are given at a time: as many as Docker keeps.
const AT_ONCE: usize = EVENTS_MAX;

type Messages = Pin<Box<dyn Stream<Item = Vec<Result<EventMessage, Error>>> + Send>>;

struct Events {
    host: Arc<Host>,
    messages: Messages,
    /// The end of the stream, where events came right before it.
    broken: Option<PlatformError>,
}

/// Opens the stream. What is kept is read first, so a daemon that denies its events does so here.
pub(super) async fn follow(host: &Arc<Host>, since: Option<Timestamp>) -> Result<Followed, PlatformError> {
    let daemon = host.daemon().await?;
    let now = daemon.now();
    let kept = EventsOptionsBuilder::default().since("0").until(&seconds(now)).build();
    let kept = read(host, kept, EVENTS_MAX).await?;
    let opening = Opening { now, oldest: kept.first().and_then(instant), complete: kept.len() < EVENTS_MAX };
    let filters = HashMap::from([("type", vec!["container"]), ("event", EVENTS.to_vec())]);
    let asked = EventsOptionsBuilder::default().filters(&filters);
    let since = since.map_or_else(|| "0".to_owned(), seconds);
    let backlog = read(host, asked.clone().since(&since).until(&seconds(now)).build(), BACKLOG_MAX).await?;
    // A backlog that was cut off goes to its last event, and the stream begins there.
    let reached = backlog.last().filter(|_| backlog.len() == BACKLOG_MAX).and_then(instant).unwrap_or(now);
    let opening = Opening { now: reached, ..opening };
    let options = asked.since(&seconds(reached)).build();
    let client = host.read().client(LOOK).map_err(|error| classify(host.read(), LOOK, error))?;
    let messages: Messages = Box::pin(client.events(Some(options)).ready_chunks(AT_ONCE));
    let backlog = backlog.iter().filter_map(life_event).collect();
    Ok(Followed { opening, backlog, events: Box::new(Events { host: host.clone(), messages, broken: None }) })
}

#[async_trait]
impl LifeEvents for Events {
    async fn next(&mut self) -> Result<Vec<LifeEvent>, PlatformError> {
        loop {
            if let Some(broken) = self.broken.take() {
                return Err(broken);
            }
            let Some(chunk) = self.messages.next().await else {
                return Err(PlatformError::Broken {
                    endpoint: self.host.read().to_string(),
                    cause: "the stream of events ended".to_owned(),
                });
            };
            let mut events = Vec::new();
            for message in chunk {
                match message {
                    Ok(message) => events.extend(life_event(&message)),
                    Err(error) => self.broken = Some(classify(self.host.read(), LOOK, error)),
                }
            }
            if !events.is_empty() {
                return Ok(events);
            }
        }
    }

    async fn answers(&mut self) -> bool {
        self.host.see(Op::Ping, |client| async move { client.ping().await }).await.is_ok()
    }
}
