//! One Docker host: where it is asked, how fast, with which deadline, and who hears of it.
//!
//! Always holds: every request goes through [`Host::ask`]. Pace smooths and never refuses: a request waits for its
//! turn for [`PACE_WAIT_MAX`] and then goes out anyway, because a look that comes too late is worth nothing, and what
//! protects production are budgets.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bollard::errors::Error;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::classify::classify;
use super::daemon::Memory;
use super::disk::{DiskConfig, OPEN_MAX};
use super::endpoint::Endpoint;
use super::image::ImageCache;
use fettle_core::ports::platform::{Observer, PlatformError};

/// Deadline of a request that only looks. The slowest on a healthy daemon (an inspect during a restart) took 0.3 s, a
/// hundred at once 0.13 s: fifteen times the worst.
pub(super) const LOOK: Duration = Duration::from_secs(5);

/// Longest wait for a turn: a fifth of [`LOOK`], so that four fifths remain for the request.
const PACE_WAIT_MAX: Duration = Duration::from_secs(1);

/// How fast one host is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Requests per second in the long run.
    pub per_second: NonZeroU32,
    /// Requests at once after rest.
    pub burst: NonZeroU32,
}

impl Default for Pace {
    /// 1,000 per second, 250 at once. A daemon answers 750 inspects a second on one connection and more on several: this
    /// bounds what a flood of alerts can ask of it, and is in nobody's way before that.
    fn default() -> Self {
        let at_most = |n: u32| NonZeroU32::MIN.saturating_add(n - 1);
        Self { per_second: at_most(1000), burst: at_most(250) }
    }
}

/// Declares what is asked of a daemon: the operation, its value of the label `op`, the status of its success (bollard does
/// not tell).
macro_rules! ops {
    ($($op:ident $name:literal $success:literal)*) => {
        /// What is asked of a daemon.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Op { $($op,)* }

        /// Every value of the label `op`, for metrics that exist from the start.
        pub const OPS: [&str; [$($name),*].len()] = [$($name),*];

        impl Op {
            fn as_str(self) -> &'static str {
                match self { $(Self::$op => $name,)* }
            }

            fn success(self) -> &'static str {
                match self { $(Self::$op => $success,)* }
            }
        }
    };
}

ops! {
    Ping "ping" "200"
    Info "info" "200"
    List "list" "200"
    Inspect "inspect" "200"
    InspectImage "inspect_image" "200"
    Events "events" "200"
    Stats "stats" "200"
    Logs "logs" "200"
    Top "top" "200"
    Services "services" "200"
    Tasks "tasks" "200"
    Restart "restart" "204"
    Stop "stop" "204"
    Start "start" "204"
    Update "update" "200"
    Remove "remove" "204"
    Exec "exec" "201"
    ExecStart "exec_start" "101"
    ExecInspect "exec_inspect" "200"
    PruneImages "prune_images" "200"
    PruneBuild "prune_build" "200"
    UpdateService "update_service" "200"
}

/// One host.
pub(super) struct Host {
    /// As configured.
    pub(super) name: String,
    /// Whether its lifecycle events are followed.
    pub(super) events: bool,
    act: Endpoint,
    read: Endpoint,
    pace: DefaultDirectRateLimiter,
    observer: Arc<dyn Observer>,
    /// What is known of the daemon.
    pub(super) daemon: Mutex<Memory>,
    /// What is known of its images.
    pub(super) images: Mutex<ImageCache>,
    /// Its disks, by name.
    pub(super) disks: BTreeMap<String, DiskConfig>,
    /// Names of containers that are never removed.
    pub(super) keep: BTreeSet<String>,
    /// One permit per question to a file system.
    pub(super) open_disks: Arc<Semaphore>,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host")
            .field("name", &self.name)
            .field("act", &self.act)
            .field("read", &self.read)
            .finish_non_exhaustive()
    }
}

impl Host {
    pub(super) fn new(name: String, act: Endpoint, read: Endpoint, pace: Pace, observer: Arc<dyn Observer>) -> Self {
        let quota = Quota::per_second(pace.per_second).allow_burst(pace.burst);
        Self {
            name,
            events: true,
            act,
            read,
            pace: RateLimiter::direct(quota),
            observer,
            daemon: Mutex::default(),
            images: Mutex::default(),
            disks: BTreeMap::new(),
            keep: BTreeSet::new(),
            open_disks: Arc::new(Semaphore::new(OPEN_MAX)),
        }
    }

    /// Whether the daemon runs on this machine, so that its paths may be ours, too.
    pub(super) fn is_local(&self) -> bool {
        self.act.is_local()
    }

    /// Where looks go.
    pub(super) fn read(&self) -> &Endpoint {
        &self.read
    }

    /// One request that only looks.
    pub(super) async fn see<T, F>(&self, op: Op, call: impl FnOnce(bollard::Docker) -> F) -> Result<T, PlatformError>
    where
        F: Future<Output = Result<T, Error>>,
    {
        self.ask(&self.read, op, LOOK, call).await
    }

    /// One request that changes something.
    pub(super) async fn act<T, F>(
        &self,
        op: Op,
        limit: Duration,
        call: impl FnOnce(bollard::Docker) -> F,
    ) -> Result<T, PlatformError>
    where
        F: Future<Output = Result<T, Error>>,
    {
        self.ask(&self.act, op, limit, call).await
    }

    /// Whether the daemon answers, through both endpoints if there are two, and says who it is if that is not known.
    pub(super) async fn ping(&self) -> Result<(), PlatformError> {
        self.see(Op::Ping, |client| async move { client.ping().await }).await?;
        if self.read != self.act {
            self.act(Op::Ping, LOOK, |client| async move { client.ping().await }).await?;
        }
        self.daemon().await.map(drop)
    }

    /// One request to `endpoint` that ends within `limit`, the wait for its turn included. Dropping it does not stop
    /// the daemon from doing what it was asked, and is not told to the observer.
    async fn ask<T, F>(
        &self,
        endpoint: &Endpoint,
        op: Op,
        limit: Duration,
        call: impl FnOnce(bollard::Docker) -> F,
    ) -> Result<T, PlatformError>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let deadline = Instant::now() + limit;
        self.wait_for_turn().await;
        let asked = Instant::now();
        let result = match endpoint.client(limit) {
            Ok(client) => match timeout_at(deadline, call(client)).await {
                Ok(result) => result.map_err(|error| classify(endpoint, limit, error)),
                Err(_) => Err(PlatformError::TimedOut { endpoint: endpoint.to_string(), after: limit }),
            },
            Err(error) => Err(classify(endpoint, limit, error)),
        };
        let took = asked.elapsed();
        match &result {
            Ok(_) => self.observer.call(&self.name, op.as_str(), op.success(), took),
            Err(PlatformError::Answered { status, .. }) => {
                self.observer.call(&self.name, op.as_str(), &status.to_string(), took);
            }
            Err(error) => {
                // Whoever answers next may be another daemon.
                self.forget_daemon();
                self.observer.call(&self.name, op.as_str(), error.reason(), took);
            }
        }
        result
    }

    async fn wait_for_turn(&self) {
        let latest = Instant::now() + PACE_WAIT_MAX;
        while let Err(early) = self.pace.check() {
            let turn = Instant::now() + early.wait_time_from(DefaultClock::default().now());
            if turn >= latest {
                return sleep_until(latest).await;
            }
            sleep_until(turn).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(endpoint: &str, pace: Pace) -> Host {
        let endpoint: Endpoint = endpoint.parse().expect("an endpoint");
        Host::new("a".into(), endpoint.clone(), endpoint, pace, Arc::new(()))
    }

    #[tokio::test]
    async fn pace_lets_the_burst_through_and_spreads_the_rest() {
        let number = |n| NonZeroU32::new(n).expect("not zero");
        let host = host("unix:///nowhere/docker.sock", Pace { per_second: number(20), burst: number(3) });
        let start = Instant::now();
        for _ in 0..3 {
            host.wait_for_turn().await;
        }
        assert!(start.elapsed() < Duration::from_millis(40), "{:?}", start.elapsed());
        for _ in 0..4 {
            host.wait_for_turn().await;
        }
        assert!(start.elapsed() >= Duration::from_millis(150), "{:?}", start.elapsed());
    }

    #[tokio::test]
    async fn pace_delays_for_a_second_at_most_and_never_refuses() {
        let pace = Pace { per_second: NonZeroU32::MIN, burst: NonZeroU32::MIN };
        let host = host("unix:///nowhere/docker.sock", pace);
        let start = Instant::now();
        let wait = || host.wait_for_turn();
        tokio::join!(wait(), wait(), wait(), wait(), wait());
        assert!(start.elapsed() < PACE_WAIT_MAX + Duration::from_millis(500), "{:?}", start.elapsed());
    }

    #[tokio::test]
    async fn a_silent_daemon_costs_the_limit_and_no_more() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("docker.sock");
        // Connections wait in the backlog: accepted by the kernel, read by nobody.
        let _silent = std::os::unix::net::UnixListener::bind(&path).expect("bind");
        let host = host(&format!("unix://{}", path.display()), Pace::default());
        let (limit, start) = (Duration::from_millis(300), Instant::now());
        let error =
            host.act(Op::Restart, limit, |client| async move { client.ping().await }).await.expect_err("silence");
        assert!(matches!(error, PlatformError::TimedOut { after, .. } if after == limit), "{error}");
        assert!(!error.nothing_sent());
        assert!((limit..limit * 4).contains(&start.elapsed()), "{:?}", start.elapsed());
    }
}
