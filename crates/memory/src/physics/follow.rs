//! The stream of lifecycle events of the model, as the Docker client gives it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::sleep;

use super::daemon::Daemon;
use super::events::{Event, What};
use super::host::{Host, Link};
use crate::port::PlatformError;
use fettle_core::ports::platform::{Followed, LifeEvents};
use fettle_core::sight::Lifecycle;
use fettle_core::sight::follow::{LifeEvent, Opening};
use fettle_core::time::{Timestamp, micros};

/// How often a stream is read while nobody changes the world: what happens by itself is seen by then.
const POLL: Duration = Duration::from_secs(5);

/// A stream of a host.
pub(super) struct Stream {
    pub(super) name: String,
    pub(super) client: u32,
    pub(super) host: Arc<Host>,
    pub(super) number: u64,
}

impl Daemon {
    /// What a stream shows that is opened now.
    pub(super) fn opening(&self) -> Opening {
        Opening { now: self.now, oldest: self.events.oldest(), complete: self.events.complete() }
    }
}

impl Event {
    fn life(self) -> Option<LifeEvent> {
        let (what, exit_code) = match self.what {
            What::Start => (Lifecycle::Start, None),
            What::Stop => (Lifecycle::Stop, None),
            What::Die(code) => (Lifecycle::Die, Some(code)),
            What::Kill(signal) => (Lifecycle::Kill(Some(signal.into())), None),
            What::Oom => (Lifecycle::Oom, None),
            What::Destroy => (Lifecycle::Destroy, None),
            _ => return None,
        };
        Some(LifeEvent { at: micros(self.at), container: self.id, what, exit_code })
    }
}

impl Stream {
    /// Opens a stream.
    pub(super) fn open(name: &str, client: u32, host: &Arc<Host>, since: Option<Timestamp>) -> Followed {
        let (opening, backlog, number) = host.with(|world, _| {
            let number = world.daemon.events.open(since.unwrap_or(Timestamp::MIN));
            let backlog = world.daemon.events.read(number).into_iter().filter_map(Event::life).collect();
            (world.daemon.opening(), backlog, number)
        });
        let events = Box::new(Self { name: name.to_owned(), client, host: host.clone(), number });
        Followed { opening, backlog, events }
    }

    /// What has arrived by now; an error when the stream is over.
    fn arrived(&self) -> Result<Vec<LifeEvent>, PlatformError> {
        let (mut world, _) = self.host.now();
        let away = world.daemon.is_away();
        match world.link_of(self.client) {
            Link::Away if !away => return Err(self.broken()),
            Link::Silent | Link::Mute => return Ok(Vec::new()),
            Link::Up | Link::Away => {}
        }
        let events: Vec<_> = world.daemon.events.read(self.number).into_iter().filter_map(Event::life).collect();
        // The stream goes on to the end of the daemon, and then it breaks.
        if away && events.is_empty() { Err(self.broken()) } else { Ok(events) }
    }

    fn broken(&self) -> PlatformError {
        PlatformError::Broken { endpoint: format!("memory:{}", self.name), cause: "the stream ended".to_owned() }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let (mut world, _) = self.host.now();
        world.daemon.events.close(self.number);
    }
}

#[async_trait]
impl LifeEvents for Stream {
    async fn next(&mut self) -> Result<Vec<LifeEvent>, PlatformError> {
        loop {
            let changed = self.host.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let events = self.arrived()?;
            if !events.is_empty() {
                return Ok(events);
            }
            tokio::select! {
                biased;
                () = &mut changed => {}
                () = sleep(POLL) => {}
            }
        }
    }

    async fn answers(&mut self) -> bool {
        let (world, _) = self.host.now();
        world.link_of(self.client) == Link::Up && world.daemon.answers()
    }
}
