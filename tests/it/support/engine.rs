//! The engine in the test's own process, on a store and a platform of the test's choice, and on a clock that runs fast: faults
//! at a chosen line need neither a binary nor minutes.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use fettle::telemetry::metrics::Metrics;
use fettle_core::alert::bounds::Bounds;
use fettle_core::id::ReplicaId;
use fettle_core::ports::Store;
use fettle_core::ports::platform::Platform;
use fettle_core::rule::compile::{Context, SourceFile, compile};
use fettle_core::rule::model::Mode;
use fettle_core::settings::limits::Limits;
use fettle_core::settings::{Protected, Settings};
use fettle_core::target::Hosts;
use fettle_core::time::{Timestamp, after};
use fettle_engine::clock::{Clock, SystemClock, Time};
use fettle_engine::intake::Intake;
use fettle_engine::readiness::Readiness;
use fettle_engine::run::{Running, build, recover};
use fettle_engine::shell::Shell;
use fettle_engine::upkeep::Retention;

use super::wait;

/// How many times as fast as the machine's.
const RATE: u32 = 120;

/// A clock on which a minute passes in half a second, so that waiting out a daemon does not take a minute.
pub struct Fast {
    machine: SystemClock,
    start: Timestamp,
}

impl Fast {
    /// Begins now.
    pub fn begin() -> Arc<Self> {
        Arc::new(Self { machine: SystemClock::default(), start: Timestamp::now() })
    }

    /// The same time for a model of Docker.
    pub fn docker_clock(&self) -> fettle_memory::physics::Clock {
        fettle_memory::physics::Clock::new(tokio::time::Instant::now(), self.wall()).times(RATE)
    }
}

impl Clock for Fast {
    fn wall(&self) -> Timestamp {
        after(self.start, self.machine.monotonic() * RATE)
    }

    fn monotonic(&self) -> Duration {
        self.machine.monotonic()
    }

    /// Leases are not to run out 120 times as fast, but time is.
    fn steady(&self) -> Duration {
        self.machine.monotonic() * RATE
    }

    fn random(&self) -> u64 {
        self.machine.random()
    }
}

/// Starts an engine with these rules, without limits that could be in the way. It ends with what is given back, as a crash
/// ends it.
pub async fn start(
    store: Arc<dyn Store>,
    platform: Arc<dyn Platform>,
    clock: Arc<dyn Clock>,
    owner: ReplicaId,
    rules: &str,
) -> (Intake, Running) {
    let files = [SourceFile { path: "rules.yaml".into(), text: rules.into() }];
    let (rules, _) = compile(&files, &Context::default()).expect("valid rules");
    let shell = Arc::new(Shell {
        store,
        platform,
        time: Arc::new(Time::new(clock)),
        rules: Arc::new(ArcSwap::from_pointee(rules)),
        hosts: Hosts::new([("local", &[][..])]),
        settings: Settings {
            mode: Mode::Act,
            freshness: Duration::from_hours(10),
            docker_patience: fettle_core::settings::DOCKER_PATIENCE,
            recheck: fettle_core::settings::RECHECK,
            in_flight: 4,
            budget: Vec::new(),
            target_budget: Vec::new(),
            storm: None,
            trip: None,
            alertmanager: false,
            approvers: true,
            protected: Protected::default(),
            hosts: fettle_core::target::Hosts::default(),
        },
        telemetry: Arc::new(Metrics::new()),
        owner,
        wake: tokio::sync::Notify::new(),
        recheck: tokio::sync::Notify::new(),
        announce: tokio::sync::Notify::new(),
        upstream: None,
        query: None,
    });
    let readiness = Arc::new(Readiness::fulfilled());
    wait::until("the store is recovered", Duration::from_mins(1), async || {
        recover(&shell, &readiness).await.map_err(|error| error.to_string())
    })
    .await;
    let day = Duration::from_hours(24);
    let (intake, engine) = build(shell, readiness, Retention { notifications: day, audit: day }, None);
    // What an older version accepted must do no harm either.
    (intake.within(&Limits { bounds: Bounds::NONE, ..Limits::default() }), engine.start())
}
