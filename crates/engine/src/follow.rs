//! Follows the lifecycle events of every Docker host, and stores how runs ended.
//!
//! Always holds: of all processes that share the store one follows a daemon at a time, by a lease. What is stored as seen was
//! delivered, and what was learnt from it is stored with it; a connection that breaks is opened again with back-off, from a little before what was seen last, so an event may
//! come twice and none is lost that the daemon still keeps. What it does not keep any more is stored as a gap. A stream without
//! events shows no life, so each is opened again after `REOPEN`: a connection that leads nowhere is noticed by that.

mod status;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::pulse::Pulse;
use crate::readiness::Readiness;
use crate::shell::Shell;
use crate::tasks::Tasks;
use fettle_core::ports::{LifeEvents, PlatformError, StoreError, chain};
use fettle_core::sight::follow::{Follower as Runs, LifeEvent};
use fettle_core::sight::past::{Learnt, Watch};
use fettle_core::time::{after, before};

pub use self::status::{Follows, Trouble};

/// How long the watch over a daemon is held without a renewal.
const LEASE: Duration = Duration::from_secs(30);

/// How often the watch is renewed, and held events are asked about again.
const RENEW: Duration = Duration::from_secs(5);

/// How often a daemon that another process follows is asked for.
const OTHERS: Duration = Duration::from_secs(10);

/// How long a stream is read before it is opened again.
const REOPEN: Duration = Duration::from_mins(1);

/// The first and the longest pause between two tries to connect.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// How far before what was seen last a stream begins: a signal may be that much older than the end that it asked for.
const OVERLAP: Duration = Duration::from_mins(1);

/// How often the task gives a sign of life, and by when the next one is due.
const BEAT: Duration = Duration::from_secs(10);
const ROUND: Duration = Duration::from_mins(2);

/// The task that follows all hosts.
pub struct Follower {
    /// The engine's parts.
    pub shell: Arc<Shell>,
    /// Nothing is followed before the process is ready.
    pub readiness: Arc<Readiness>,
    /// How it goes, for health.
    pub follows: Arc<Follows>,
    /// Where the task of each host runs.
    pub enclosure: Arc<dyn Tasks>,
}

/// Why one connection is over.
enum Over {
    /// It is time to open it again.
    Reopen,
    /// Another process follows this daemon.
    Others,
}

/// What keeps a host from being followed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Platform(#[from] PlatformError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Follower {
    /// Follows until `stop`.
    pub async fn run(self, stop: CancellationToken, pulse: Pulse) {
        let me = Arc::new(self);
        let mut hosts = JoinSet::new();
        for host in me.shell.platform.followed() {
            let (me, stop) = (me.clone(), stop.clone());
            let enclosure = me.enclosure.clone();
            hosts.spawn(enclosure.enclose("follower", Box::pin(async move { me.host(&host, &stop).await })));
        }
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            pulse.again(ROUND);
            // Cancel safe: both keep nothing.
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                _ = beat.tick() => {}
            }
        }
        while hosts.join_next().await.is_some() {}
        pulse.done();
    }

    async fn host(&self, host: &str, stop: &CancellationToken) {
        let mut runs = Runs::default();
        let mut pause = PAUSE;
        loop {
            let began = Instant::now();
            // What is stored twice or not at all is delivered again, so the connection may be dropped at any point.
            let over = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                over = self.connection(host, &mut runs) => over,
            };
            let wait = match over {
                Ok(Over::Reopen) => {
                    pause = PAUSE;
                    continue;
                }
                Ok(Over::Others) => OTHERS,
                Err(failure) => {
                    self.failed(host, &failure);
                    if began.elapsed() > PAUSE_MAX {
                        pause = PAUSE;
                    }
                    let wait = pause;
                    pause = (pause * 2).min(PAUSE_MAX);
                    wait
                }
            };
            // Cancel safe: both keep nothing.
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = sleep(wait) => {}
            }
        }
    }

    fn failed(&self, host: &str, failure: &Failure) {
        match failure {
            Failure::Platform(error) => {
                if self.follows.failed(host, error) {
                    tracing::warn!(host, error = %chain(error), "cannot follow docker's events; \
                        whether a person stopped a container is judged by its exit code meanwhile");
                }
            }
            Failure::Store(error) => tracing::debug!(host, error = %chain(error), "ended runs cannot be stored yet"),
        }
    }

    /// One connection, from its opening to its end.
    async fn connection(&self, host: &str, runs: &mut Runs) -> Result<Over, Failure> {
        if self.readiness.ready().is_err() {
            return Ok(Over::Others);
        }
        let daemon = self.shell.platform.daemon(host).await?;
        let Some(mut watch) = self.watch(&daemon).await? else {
            self.follows.works(host);
            return Ok(Over::Others);
        };
        let since = watch.seen_to.map(|at| before(at, OVERLAP));
        let mut followed = self.shell.platform.follow(host, since).await?;
        self.follows.works(host);
        let mut learnt = runs.open(&mut watch, &followed.opening);
        if let Some(more) = settle(runs, followed.backlog, &mut *followed.events).await {
            learnt.extend(more);
            watch.advance(followed.opening.now);
        }
        if !self.store(&daemon, &watch, &learnt).await? {
            return Ok(Over::Others);
        }
        let ends = Instant::now() + REOPEN;
        let mut renew = interval(RENEW);
        renew.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // Cancel safe: a stream that is dropped while it waits has delivered nothing.
            let events = tokio::select! {
                biased;
                events = followed.events.next() => events?,
                _ = renew.tick() => {
                    if self.watch(&daemon).await?.is_none() {
                        return Ok(Over::Others);
                    }
                    Vec::new()
                }
                () = sleep_until(ends) => return Ok(Over::Reopen),
            };
            let last = events.last().map(|event| event.at);
            let Some(learnt) = settle(runs, events, &mut *followed.events).await else { continue };
            if let Some(at) = last {
                watch.advance(at);
            }
            if !learnt.is_empty() && !self.store(&daemon, &watch, &learnt).await? {
                return Ok(Over::Others);
            }
        }
    }

    async fn watch(&self, daemon: &str) -> Result<Option<Watch>, StoreError> {
        let now = self.shell.time.now();
        self.shell.store.watch(daemon, self.shell.owner, now, after(now, LEASE)).await
    }

    async fn store(&self, daemon: &str, watch: &Watch, learnt: &Learnt) -> Result<bool, StoreError> {
        self.shell.store.seen(daemon, self.shell.owner, watch, learnt).await
    }
}

/// What is learnt from these events and those that are held; `None` where they are held for now. Events that ask a run to end
/// count once the daemon answers on a new connection: one that shuts down does not.
async fn settle(runs: &mut Runs, events: Vec<LifeEvent>, stream: &mut dyn LifeEvents) -> Option<Learnt> {
    let asks = runs.holds() || events.iter().any(LifeEvent::asks);
    if asks && !stream.answers().await {
        runs.hold(events);
        return None;
    }
    Some(runs.take(events))
}

#[cfg(test)]
mod tests;
