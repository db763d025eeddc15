//! The replay of what the service recorded gives what the service did: the real engine on both databases, with containers
//! that are made to heal or not, beside the same core on the replay's clock.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use fettle::telemetry::metrics::Metrics;
use fettle_core::effect::Effect;
use fettle_core::ports::history::Period;
use fettle_core::ports::platform::{Performed, Platform, PlatformError};
use fettle_core::ports::view::RemediationFilter;
use fettle_core::rule::compile::{Context, SourceFile, compile};
use fettle_core::rule::model::{Budget, Mode};
use fettle_core::rule::set::RuleSet;
use fettle_core::settings::{Protected, Settings, TripLimit};
use fettle_core::sight::{CallPath, Container, Found, Health, ImageLabel, Pin, Sight, Status, Wanted};
use fettle_core::surroundings::{Pause, PauseScope};
use fettle_core::target::{Disks, Hosts, Target};
use fettle_core::time::{Timestamp, after, before};
use fettle_engine::clock::{SystemClock, Time};
use fettle_engine::readiness::Readiness;
use fettle_engine::run::{build, recover};
use fettle_engine::shell::Shell;
use fettle_engine::upkeep::Retention;
use fettle_predict::replay::assume::Assume;
use fettle_predict::replay::record::Record;
use fettle_predict::replay::report::{About, Kind, Report, report};
use fettle_predict::replay::run::{Replay, Setup};
use fettle_predict::replay::source::{channel, database};
use fettle_store::history::open_history;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::postgres::Database;
use crate::support::wait;

/// Longer than anything waits here, on a machine with other work.
const SOON: Duration = Duration::from_mins(2);

/// A rule for each story, so that a breaker is one story's own.
fn stories() -> String {
    let ladder = "
    hold: 2s
    budget: [2 per 1m]
    cooldown: 0s
    regress_window: 10s
    steps:
      - restart: {grace: 1s}
        verify: {settle: 0s, healthy_for: 2s, resolved_within: 6s}
      - restart: {grace: 2s}
        verify: {settle: 0s, healthy_for: 2s, resolved_within: 4s}
        after: 2s
";
    let short = "
    cooldown: 8s
    steps:
      - restart: {grace: 1s}
        verify: {settle: 2s, healthy_for: 2s, resolved_within: 6s}
";
    let mut text = "version: 1\nrules:\n".to_owned();
    for (alert, steps) in STORIES.iter().map(|(alert, ..)| (*alert, ladder)).chain([("Slow", short)]) {
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "  - name: {alert}\n    match: ['alertname=\"{alert}\"']\n    target: {{container: $labels.service, \
             allow: [\"fine-*\", \"sick-*\", \"broken-*\", \"closed-*\", \"missing-*\"]}}{steps}"
        );
    }
    text
}

/// Another rule for the same alerts: it tries less and takes longer.
const OTHERS: &str = r#"
version: 1
rules:
  - name: any
    match: ['alertname=~".+"']
    target: {container: $labels.service, allow: ["*"]}
    steps: [restart]
"#;

const FIRES: bool = true;
const ENDS: bool = false;

/// Alert, service, and when it fires and ends.
type Tale = (&'static str, &'static str, &'static [(u64, bool)]);

/// When things fire and end, in fifths of a second. Between what is heard and what is due there is never less
/// than a second, so that a busy machine decides in the same order.
const STORIES: [Tale; 12] = [
    // Fixed; fixed by the second step when it comes back; then the budget is used up.
    ("Comes", "fine-a", &[(0, FIRES), (25, ENDS), (45, FIRES), (70, ENDS), (125, FIRES), (150, ENDS)]),
    ("Silent", "fine-b", &[(0, FIRES), (60, ENDS)]),
    ("Goes", "fine-c", &[(0, FIRES), (25, FIRES), (65, ENDS)]),
    ("Sick", "sick-a", &[(0, FIRES), (90, ENDS)]),
    ("Clears", "sick-b", &[(0, FIRES), (25, ENDS)]),
    ("Broken", "broken-a", &[(0, FIRES), (35, ENDS)]),
    // The breaker opens with the second failure.
    ("Frail", "broken-b", &[(0, FIRES), (35, ENDS), (50, FIRES), (75, ENDS)]),
    ("Closed", "closed-a", &[(0, FIRES), (25, ENDS)]),
    ("Missing", "missing-a", &[(0, FIRES), (25, ENDS)]),
    ("Outside", "outside-a", &[(0, FIRES), (25, ENDS)]),
    ("Paused", PAUSED, &[(10, FIRES), (55, ENDS)]),
    // Waits for the other rule's remediation of the same container.
    ("Waits", "fine-w", &[(10, FIRES), (45, ENDS)]),
];

/// Of the rule without a hold: one in whose way the story before stands, one that cools down.
const SLOW: [(&str, &[(u64, bool)]); 2] =
    [("fine-w", &[(0, FIRES), (25, ENDS)]), ("fine-d", &[(0, FIRES), (25, ENDS), (32, FIRES), (65, ENDS)])];

/// Paused from the first second on, for six seconds.
const PAUSED: &str = "fine-p";

/// Containers named after what they do: `fine` heals, `sick` never does, `broken` cannot be restarted, `closed` does not
/// permit fettle, `missing` is not there.
#[derive(Default)]
struct Town(Mutex<HashMap<String, i64>>);

impl Town {
    fn container(&self, name: &str) -> Option<Container> {
        let restarts = self.0.lock().expect("one test").get(name).copied().unwrap_or_default();
        let enable = if name.starts_with("closed") { "false" } else { "true" };
        (!name.starts_with("missing")).then(|| Container {
            daemon: "town".into(),
            id: format!("{:0>64}", hex(name)),
            name: name.into(),
            labels: [("fettle.enable".to_owned(), enable.to_owned())].into(),
            image_label: ImageLabel::Absent,
            status: Status::Running,
            started_at: Timestamp::from_second(1_000_000 + restarts).ok(),
            restart_count: 0,
            exit_code: 0,
            oom_killed: false,
            health: Some(if name.starts_with("sick") { Health::Unhealthy } else { Health::Healthy }),
            start_period: std::time::Duration::ZERO,
            addresses: Vec::new(),
            stopped_by_hand: None,
            ended_at: None,
            ended_by: None,
            number: None,
            memory_limit: None,
            nano_cpus: None,
            health_log: Vec::new(),
            siblings_well: 0,
            dependents: Vec::new(),
        })
    }
}

fn hex(name: &str) -> String {
    use std::fmt::Write as _;
    name.bytes().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes all");
        text
    })
}

#[async_trait]
impl Platform for Town {
    async fn find(&self, target: &Target, _: Wanted) -> Result<Found, PlatformError> {
        Ok(target.name().and_then(|name| self.container(name)).map_or(Found::Nothing, Found::one))
    }

    async fn look(&self, target: &Target, pin: &Pin) -> Result<Option<Sight>, PlatformError> {
        let seen = target.name().and_then(|name| self.container(name));
        Ok(seen.filter(|sight| sight.id == pin.id).map(Into::into))
    }

    async fn call_path(&self, _: &Target, _: &Pin, _: &Effect) -> CallPath {
        CallPath::Works
    }

    async fn perform(&self, target: &Target, _: &Pin, effect: &Effect) -> Performed {
        assert!(matches!(effect, Effect::Restart { .. }), "nothing else is asked here: {effect:?}");
        let name = target.name().expect("a name");
        let answer = if name.starts_with("broken") {
            let (endpoint, message) = ("town".to_owned(), "cannot restart it".to_owned());
            Err(PlatformError::Answered { endpoint, status: 500, message })
        } else {
            *self.0.lock().expect("one test").entry(name.to_owned()).or_default() += 1;
            Ok(())
        };
        Performed { touched: json!({}), answer, short: None }
    }

    async fn evidence(&self, _: &Target, _: &Pin, _: u32) -> Value {
        json!({})
    }

    async fn targets(&self) -> Vec<(String, Result<Vec<Target>, PlatformError>)> {
        Vec::new()
    }

    async fn ping(&self) -> Vec<(String, Result<(), PlatformError>)> {
        vec![("local".to_owned(), Ok(()))]
    }
}

fn rules(text: &str) -> RuleSet {
    let file = SourceFile { path: "rules.yaml".into(), text: text.into() };
    compile(&[file], &Context::default()).expect("valid rules").0
}

fn settings() -> Settings {
    Settings {
        mode: Mode::Act,
        freshness: Duration::from_mins(10),
        docker_patience: fettle_core::settings::DOCKER_PATIENCE,
        recheck: fettle_core::settings::RECHECK,
        in_flight: 100,
        budget: vec![Budget { max: 1000, per: Duration::from_hours(1) }],
        target_budget: Vec::new(),
        storm: None,
        trip: Some(TripLimit { unproven: 2, within: Duration::from_mins(10), then: Mode::Observe }),
        alertmanager: false,
        approvers: true,
        protected: Protected::default(),
        hosts: fettle_core::target::Hosts::default(),
    }
}

fn body(alert: &str, service: &str, since: Timestamp, ended: Option<Timestamp>) -> Bytes {
    let status = if ended.is_some() { "resolved" } else { "firing" };
    let ends_at = ended.map_or("0001-01-01T00:00:00Z".to_owned(), |at| at.to_string());
    let alert = json!({"status": status, "labels": {"alertname": alert, "service": service},
        "startsAt": since.to_string(), "endsAt": ends_at});
    json!({"version": "4", "receiver": "fettle", "alerts": [alert]}).to_string().into()
}

/// Everything that is heard, in order: when, alert, service, what.
fn heard() -> Vec<(u64, &'static str, &'static str, bool)> {
    let slow = SLOW.iter().map(|(service, words)| ("Slow", *service, *words));
    let all = STORIES.iter().copied().chain(slow);
    let mut heard: Vec<_> = all
        .flat_map(|(alert, service, words)| words.iter().map(move |(at, word)| (*at, alert, service, *word)))
        .collect();
    heard.sort_by_key(|(at, ..)| *at);
    heard
}

/// The stories, as they are told to the service and as it makes them end.
async fn lived(url: &str) {
    let owner = Uuid::now_v7();
    let store = fettle_store::open(url, owner.into()).await.expect("the database opens");
    let shell = Arc::new(Shell {
        store: store.clone(),
        platform: Arc::new(Town::default()),
        time: Arc::new(Time::new(Arc::new(SystemClock::default()))),
        rules: Arc::new(ArcSwap::from_pointee(rules(&stories()))),
        hosts: Hosts::new([("local", &[][..])]),
        settings: settings(),
        telemetry: Arc::new(Metrics::new()),
        owner: owner.into(),
        wake: tokio::sync::Notify::new(),
        recheck: tokio::sync::Notify::new(),
        announce: tokio::sync::Notify::new(),
        upstream: None,
        query: None,
    });
    let readiness = Arc::new(Readiness::fulfilled());
    recover(&shell, &readiness).await.expect("recovery");
    let day = Duration::from_hours(24);
    let (intake, engine) = build(shell.clone(), readiness, Retention { notifications: day, audit: day }, None);
    let running = engine.start();
    let mut since: HashMap<(&str, &str), Timestamp> = HashMap::new();
    let began = tokio::time::Instant::now();
    let at = |fifths: u64| began + Duration::from_millis(200 * fifths);
    let pausing = async {
        // The passing of time is what is told here; there is no condition to wait for.
        tokio::time::sleep_until(at(5)).await;
        let (now, target) = (shell.time.now(), format!("container:local/{PAUSED}").parse().expect("a target"));
        let (scope, until) = (PauseScope::Target(target), Some(after(now, Duration::from_secs(6))));
        let pause =
            Pause { id: Uuid::now_v7().into(), scope, reason: "a test".into(), by: "anna".into(), at: now, until };
        store.pause(&pause).await.expect("paused");
    };
    let telling = async {
        for (fifths, alert, service, fires) in heard() {
            tokio::time::sleep_until(at(fifths)).await;
            let now = shell.time.now();
            let began = *since.entry((alert, service)).or_insert(now);
            let body = body(alert, service, began, (!fires).then_some(now));
            intake.submit("anonymous", body).await.expect("taken");
            if !fires {
                since.remove(&(alert, service));
            }
        }
    };
    tokio::join!(pausing, telling);
    wait::until("nothing is open", SOON, async || {
        let filter = RemediationFilter { state: Some("open".into()), limit: 9, ..RemediationFilter::default() };
        let open = store.remediations(&filter).await.expect("listed");
        if open.is_empty() { Ok(()) } else { Err(format!("{open:#?}")) }
    })
    .await;
    running.stop().await;
}

async fn replayed(url: &str, text: &str, assume: Assume) -> Report {
    let history = open_history(url).await.expect("the record opens");
    let now = Timestamp::now();
    let period = Period { from: before(now, Duration::from_hours(1)), to: after(now, Duration::from_mins(1)) };
    let record = Record::read(&*history, period).await.expect("the record reads");
    let setup = Setup {
        rules: Arc::new(rules(text)),
        settings: settings(),
        hosts: Hosts::new([("local", &[][..])]),
        disks: Disks::new(),
        assume,
        from: period.from,
        start: period.from,
        keeps: true,
    };
    let mut replay = Replay::new(setup, record);
    let (into, mut batches) = channel();
    let (read, ()) = tokio::join!(database::run(&*history, period, into), async {
        while let Some(batch) = batches.recv().await {
            assert!(batch.unreadable.is_empty());
            batch.deliveries.into_iter().for_each(|delivery| replay.deliver(delivery));
        }
    });
    read.expect("the notifications read");
    history.close().await;
    let about = About { source: "it".into(), from: period.from, to: period.to, has_record: true, all: true };
    report(about, replay.finish(period.to))
}

async fn agrees(url: &str) {
    lived(url).await;
    let same = replayed(url, &stories(), Assume::AsRecorded).await;
    let compared = same.compared.expect("there is a record");
    let differ: Vec<_> = same.remediations.iter().filter(|it| it.change != Kind::Same).collect();
    assert_eq!((compared.different, compared.new, compared.gone), (0, 0, 0), "{differ:#?}");
    assert_eq!(Some(&same.total.would), same.total.was.as_ref());
    // Every story came to the end that it was written for.
    let total = &same.total.would;
    let expected = json!({
        "opened": 18, "asked": 0, "escalated": 3, "observed": {},
        "actions": {"restart": 17},
        "refused": {"in_flight": 1, "no_target": 1, "not_allowed": 1, "not_enabled": 1},
        "blocked": {"budget": 1, "cooldown": 1, "paused": 1, "tripped": 1},
        "outcomes": {"cancelled": 2, "cleared": 1, "escalated": 3, "fixed": 8, "refused": 3, "unconfirmed": 1},
    });
    assert_eq!(serde_json::to_value(total).expect("JSON"), expected);

    let other = replayed(url, OTHERS, Assume::AsRecorded).await;
    let compared = other.compared.expect("there is a record");
    assert!(
        compared.same == 0 && compared.different > 5 && compared.gone > 0,
        "other rules make a difference: {compared:?}"
    );
    let worse = replayed(url, &stories(), Assume::NotFixed).await;
    assert!(!worse.total.would.outcomes.contains_key("fixed"), "{:?}", worse.total.would);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_replay_of_a_record_on_sqlite_gives_what_the_service_did() {
    let folder = tempfile::tempdir().expect("a folder");
    agrees(&format!("sqlite://{}", folder.path().join("fettle.db").display())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_replay_of_a_record_on_postgresql_gives_what_the_service_did() {
    let database = Database::create().await;
    agrees(&database.url()).await;
}
