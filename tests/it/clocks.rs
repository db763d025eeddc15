//! Machines whose wall clock is wrong, at the start and for three seconds in the middle: the real binary under libfaketime, on
//! both databases, with two replicas on PostgreSQL.
//!
//! Required of each: no budget is reopened (by Docker's own count of restarts), no remediation is closed because of a clock,
//! and no audit row is lost. The monotonic clock is right, as on a real machine.

use std::path::Path;
use std::time::Duration;

use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::StreamExt as _;
use serde_json::Value;

use crate::support::container::{Container, Run};
use crate::support::docker::Daemon;
use crate::support::fettle::{Fettle, Setup, firing, resolved};
use crate::support::postgres::Database;
use crate::support::{faketime, wait};

const SOON: Duration = Duration::from_mins(1);

/// How wrong a wall clock is, in the words of libfaketime, and whether health must report it (more than 5 s).
const OFFSETS: [(&str, bool); 5] = [("+3s", false), ("+150s", true), ("+1h", true), ("+3y", true), ("-4m", true)];

/// How long a clock is wrong in the middle.
const WRONG_FOR: Duration = Duration::from_secs(3);

/// How many restarts the budget of [`RULES`] allows.
const BUDGET: usize = 2;

const RULES: &str = r#"
version: 1
rules:
  - name: restart
    match: ['alertname="Down"']
    target: {min_age: 0s, container: $labels.service, allow: ["*"]}
    cooldown: 0s
    budget: [2 per 30m]
    steps:
      - restart: {grace: 1s}
        verify: {settle: 0s, healthy_for: 500ms, resolved_within: 30s}
"#;

/// The wall clock of one machine, which the test sets.
struct WallClock(tempfile::NamedTempFile);

impl WallClock {
    fn off_by(offset: &str) -> Self {
        let clock = Self(tempfile::NamedTempFile::new().expect("a file"));
        clock.set(offset);
        clock
    }

    fn set(&self, offset: &str) {
        // In one step: a clock that is read while the file is empty would be right.
        let new = self.0.path().with_extension("new");
        std::fs::write(&new, format!("{offset}\n")).expect("write the offset");
        std::fs::rename(&new, self.0.path()).expect("set the clock");
    }

    /// Starts a program on this machine.
    fn command(&self) -> Vec<String> {
        let file = |path: &Path| format!("FAKETIME_TIMESTAMP_FILE={}", path.display());
        vec![
            "env".into(),
            format!("LD_PRELOAD={}", faketime()),
            file(self.0.path()),
            "FAKETIME_NO_CACHE=1".into(),
            "FAKETIME_DONT_FAKE_MONOTONIC=1".into(),
        ]
    }
}

fn on(clock: &WallClock, daemon: &Daemon) -> Setup {
    let command = clock.command();
    Setup::new(&daemon.url(), RULES).wrapped_in(&command.iter().map(String::as_str).collect::<Vec<_>>())
}

/// One container with its alert.
struct Case {
    container: Container,
    target: String,
    since: i64,
}

impl Case {
    async fn start(daemon: &Daemon) -> Self {
        let container = Run::named("clocks").enabled().start(daemon).await;
        let target = format!("container:local/{}", container.name);
        Self { container, target, since: jiff::Timestamp::now().as_second() }
    }

    fn labels(&self) -> [(&str, &str); 2] {
        [("alertname", "Down"), ("service", &self.container.name)]
    }

    /// The alert fires, the container is restarted, and the alert ends.
    async fn is_restarted(&self, by: &Fettle) {
        let before = by.actions(&self.target).await.len();
        by.send(&firing(&self.labels())).await;
        wait::until("the container is restarted", SOON, async || {
            let rows = by.actions(&self.target).await;
            let done = rows.len() > before && rows[0]["result"] == "succeeded";
            if done { Ok(()) } else { Err(format!("{rows:#?}\n{}", by.log())) }
        })
        .await;
        by.send(&resolved(&self.labels())).await;
        assert_eq!(by.closed(&self.target, SOON).await["outcome"], "fixed", "{}", by.log());
    }

    /// The alert fires, and the budget refuses.
    async fn is_refused(&self, by: &Fettle) {
        by.send(&firing(&self.labels())).await;
        wait::until("the budget refuses", SOON, async || match by.remediations(&self.target).await.first() {
            Some(row) if row["state"] == "blocked" && row["reason"] == "budget" => Ok(()),
            other => Err(format!("{other:?}\n{}", by.log())),
        })
        .await;
    }

    /// The budget holds by Docker's own count, the clock closed nothing, and the audit is whole.
    async fn is_sound(&self, daemon: &Daemon, by: &Fettle, offset: &str) {
        let restarts = self.restarts(daemon).await;
        assert_eq!(restarts, BUDGET, "{offset}: by Docker's own count");
        let outcomes: Vec<Value> =
            by.remediations(&self.target).await.iter().rev().map(|it| it["outcome"].clone()).collect();
        assert_eq!(outcomes, ["fixed".into(), "fixed".into(), Value::Null], "{offset}\n{}", by.log());
        let done = by.actions(&self.target).await.iter().filter(|row| row["result"] == "succeeded").count();
        assert_eq!(done, BUDGET, "{offset}: no audit row is lost");
    }

    async fn restarts(&self, daemon: &Daemon) -> usize {
        let filters = [("container", vec![self.container.name.clone()]), ("event", vec!["restart".to_owned()])];
        let asked = EventsOptionsBuilder::default()
            .since(&self.since.to_string())
            .until(&(jiff::Timestamp::now().as_second() + 1).to_string())
            .filters(&filters.into_iter().collect())
            .build();
        daemon.client.events(Some(asked)).map(|event| event.expect("an event")).count().await
    }
}

/// Health names a clock that is off by more than 5 s.
async fn reports(fettle: &Fettle, expected: bool, offset: &str) {
    let health = fettle.get("/api/v1/health").await;
    let status = if expected { "degraded" } else { "healthy" };
    assert_eq!(health["components"]["clock"]["status"], status, "{offset}: {:#}", health["issues"]);
}

#[tokio::test]
async fn a_replica_that_starts_with_a_wrong_clock_counts_as_the_others_do() {
    let daemon = Daemon::shared().await;
    for (offset, is_reported) in OFFSETS {
        let database = Database::create().await;
        let case = Case::start(&daemon).await;
        let right = Setup::new(&daemon.url(), RULES).database(&database.url()).start().await;
        let clock = WallClock::off_by(offset);
        let wrong = on(&clock, &daemon).database(&database.url()).start().await;
        reports(&right, false, offset).await;
        reports(&wrong, is_reported, offset).await;
        case.is_restarted(&right).await;
        case.is_restarted(&wrong).await;
        drop(right);
        case.is_refused(&wrong).await;
        case.is_sound(&daemon, &wrong, offset).await;
    }
}

#[tokio::test]
async fn a_replica_whose_clock_is_wrong_for_a_moment_counts_as_before() {
    let daemon = Daemon::shared().await;
    let (database, case) = (Database::create().await, Case::start(&daemon).await);
    let clock = WallClock::off_by("+0s");
    let right = Setup::new(&daemon.url(), RULES).database(&database.url()).start().await;
    let wrong = on(&clock, &daemon).database(&database.url()).start().await;
    wrong_for_a_moment(&clock, &case, [&right, &wrong]).await;
    case.is_sound(&daemon, &wrong, "in the middle").await;
}

#[tokio::test]
async fn a_process_on_sqlite_whose_clock_is_wrong_for_a_moment_counts_as_before() {
    let daemon = Daemon::shared().await;
    let case = Case::start(&daemon).await;
    let clock = WallClock::off_by("+0s");
    let fettle = on(&clock, &daemon).start().await;
    wrong_for_a_moment(&clock, &case, [&fettle, &fettle]).await;
    case.is_sound(&daemon, &fettle, "in the middle").await;
}

/// One restart, each clock for a moment while an alert comes in, the second restart, and the third is refused.
async fn wrong_for_a_moment(clock: &WallClock, case: &Case, [first, second]: [&Fettle; 2]) {
    case.is_restarted(first).await;
    for (offset, _) in OFFSETS {
        clock.set(offset);
        second.send(&firing(&[("alertname", "Other"), ("offset", offset)])).await;
        // Nothing to wait for: this is how long the clock is wrong.
        tokio::time::sleep(WRONG_FOR).await;
        clock.set("+0s");
    }
    case.is_restarted(second).await;
    case.is_refused(second).await;
    case.is_refused(first).await;
}

#[tokio::test]
async fn a_process_on_sqlite_that_starts_with_a_wrong_clock_goes_on_from_the_one_before() {
    let daemon = Daemon::shared().await;
    for (offset, is_reported) in OFFSETS {
        let case = Case::start(&daemon).await;
        let clock = WallClock::off_by("+0s");
        let mut fettle = on(&clock, &daemon).start().await;
        case.is_restarted(&fettle).await;
        assert_eq!(fettle.terminate(), Some(0));
        clock.set(offset);
        fettle.launch();
        fettle.ready().await;
        reports(&fettle, is_reported, offset).await;
        case.is_restarted(&fettle).await;
        assert_eq!(fettle.terminate(), Some(0));
        clock.set("+0s");
        fettle.launch();
        fettle.ready().await;
        case.is_refused(&fettle).await;
        case.is_sound(&daemon, &fettle, offset).await;
    }
}
