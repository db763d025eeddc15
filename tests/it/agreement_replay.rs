//! The replay of what the service recorded gives what the service did: the real engine on both databases, with containers
//! that are made to heal or not, beside the same core on the replay's clock.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use fettle::core::effect::Effect;
use fettle::core::rule::compile::{Context, SourceFile, compile};
use fettle::core::rule::model::{Budget, Mode};
use fettle::core::rule::set::RuleSet;
use fettle::core::settings::{Protected, Settings, TripLimit};
use fettle::core::sight::{Container, Found, Health, ImageLabel, Pin, Sight, Status, Wanted};
use fettle::core::surroundings::{Pause, PauseScope};
use fettle::core::target::{Disks, Hosts, Target};
use fettle::core::time::{Timestamp, after, before};
use fettle::engine::clock::{SystemClock, Time};
use fettle::engine::readiness::Readiness;
use fettle::engine::run::{build, recover};
use fettle::engine::shell::Shell;
use fettle::engine::upkeep::Retention;
use fettle::platform::{Performed, Platform, PlatformError};
use fettle::predict::replay::assume::Assume;
use fettle::predict::replay::record::Record;
use fettle::predict::replay::report::{About, Report, report};
use fettle::predict::replay::run::{Replay, Setup};
use fettle::predict::replay::source::{channel, database};
use fettle::store::history::{Period, open_history};
use fettle::store::view::RemediationFilter;
use fettle::telemetry::metrics::Metrics;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::postgres::Database;
use crate::support::wait;

/// Longer than anything waits here, on a machine with other work.
const SOON: Duration = Duration::from_mins(2);

const RULES: &str = r#"
version: 1
rules:
  - name: down
    match: ['alertname="Down"']
    target: {container: $labels.service, allow: ["fine-*", "sick-*", "broken-*", "closed-*", "missing-*"]}
    hold: 1s
    budget: [2 per 8s]
    cooldown: 1s
    regress_window: 5s
    steps:
      - restart: {grace: 1s}
        verify: {settle: 0s, healthy_for: 1s, resolved_within: 3s}
      - restart: {grace: 2s}
        verify: {settle: 0s, healthy_for: 1s, resolved_within: 2s}
        after: 1s
  - name: slow
    match: ['alertname="Slow"']
    target: {container: $labels.service, allow: ["*"]}
    cooldown: 2s
    steps:
      - restart: {grace: 1s}
        verify: {settle: 1s, healthy_for: 1s, resolved_within: 3s}
"#;

/// Other rules for the same alerts: they find more to do and less to try.
const OTHERS: &str = r#"
version: 1
rules:
  - name: down
    match: ['alertname="Down"']
    target: {container: $labels.service, allow: ["*"]}
    steps: [restart]
"#;

const SERVICES: [&str; 8] = ["fine-a", "fine-b", "fine-c", "sick-a", "broken-a", "closed-a", "missing-a", "outside-a"];

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
            addresses: Vec::new(),
            stopped_by_hand: None,
            number: None,
            memory_limit: None,
            nano_cpus: None,
            health_log: Vec::new(),
            dependents: Vec::new(),
        })
    }
}

fn hex(name: &str) -> String {
    name.bytes().map(|byte| format!("{byte:02x}")).collect()
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
        Performed { touched: json!({}), answer }
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
        in_flight: 100,
        budget: vec![Budget { max: 1000, per: Duration::from_hours(1) }],
        target_budget: Vec::new(),
        storm: None,
        trip: Some(TripLimit { unproven: 4, within: Duration::from_secs(6), then: Mode::Observe }),
        alertmanager: false,
        approvers: true,
        protected: Protected::default(),
    }
}

/// Numbers that look random and are the same for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % sides
    }
}

fn body(alert: &str, service: &str, since: Timestamp, ended: Option<Timestamp>) -> Bytes {
    let status = if ended.is_some() { "resolved" } else { "firing" };
    let ends_at = ended.map_or("0001-01-01T00:00:00Z".to_owned(), |at| at.to_string());
    let alert = json!({"status": status, "labels": {"alertname": alert, "service": service},
        "startsAt": since.to_string(), "endsAt": ends_at});
    json!({"version": "4", "receiver": "fettle", "alerts": [alert]}).to_string().into()
}

/// Waits for the next whole second of the test, or the half after it: what fires does so at the one, what resolves at the
/// other, and every time in the rules is whole. So nothing is decided at the instant at which something is heard.
async fn tick(began: std::time::Instant, halves: u32) {
    tokio::time::sleep_until((began + Duration::from_millis(500) * halves).into()).await;
}

/// Fifteen seconds of alerts, and what the service makes of them.
async fn lived(url: &str, seed: u64) {
    let owner = Uuid::now_v7();
    let store = fettle::store::open(url, owner).await.expect("the database opens");
    let shell = Arc::new(Shell {
        store: store.clone(),
        platform: Arc::new(Town::default()),
        time: Arc::new(Time::new(Arc::new(SystemClock))),
        rules: Arc::new(ArcSwap::from_pointee(rules(RULES))),
        hosts: Hosts::new([("local", &[][..])]),
        settings: settings(),
        metrics: Arc::new(Metrics::new()),
        owner,
        wake: tokio::sync::Notify::new(),
        announce: tokio::sync::Notify::new(),
        upstream: None,
        query: None,
    });
    let readiness = Arc::new(Readiness::default());
    recover(&shell, &readiness).await.expect("recovery");
    let day = Duration::from_hours(24);
    let (intake, engine) = build(shell.clone(), readiness, Retention { notifications: day, audit: day }, None);
    let running = engine.start();
    let (mut dice, mut firing): (_, Vec<(&str, &str, Timestamp)>) = (Dice(seed), Vec::new());
    let began = std::time::Instant::now();
    let send = async |alert: &str, service: &str, since: Timestamp, ended: Option<Timestamp>| {
        let body = body(alert, service, since, ended);
        intake.submit("anonymous", body).await.expect("taken");
    };
    for second in 0..15 {
        tick(began, 2 * second).await;
        if second == 6 {
            let (at, until) = (shell.time.now(), Some(after(shell.time.now(), Duration::from_millis(3500))));
            let scope = PauseScope::Target("container:local/fine-a".parse().expect("a target"));
            let pause = Pause { id: Uuid::now_v7(), scope, reason: "a test".into(), by: "anna".into(), at, until };
            store.pause(&pause).await.expect("paused");
        }
        for _ in 0..2 {
            let (alert, service) = (["Down", "Down", "Slow"][dice.roll(3)], SERVICES[dice.roll(SERVICES.len())]);
            let known = firing.iter().find(|it| (it.0, it.1) == (alert, service)).map(|it| it.2);
            let since = known.unwrap_or_else(Timestamp::now);
            if known.is_none() {
                firing.push((alert, service, since));
            }
            send(alert, service, since, None).await;
        }
        tick(began, 2 * second + 1).await;
        if !firing.is_empty() && dice.roll(3) > 0 {
            let (alert, service, since) = firing.swap_remove(dice.roll(firing.len()));
            send(alert, service, since, Some(Timestamp::now())).await;
        }
    }
    tick(began, 41).await;
    for (alert, service, since) in firing {
        send(alert, service, since, Some(Timestamp::now())).await;
    }
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

async fn agrees(url: &str, seed: u64) {
    lived(url, seed).await;
    let same = replayed(url, RULES, Assume::AsRecorded).await;
    let compared = same.compared.expect("there is a record");
    let shown = || {
        let differ = same.remediations.iter().filter(|it| {
            it.was.is_none() || it.would.is_none() || {
                !it.was.as_ref().zip(it.would.as_ref()).is_some_and(|(was, would)| was.is_same(would))
            }
        });
        differ.map(|it| format!("{it:#?}")).collect::<Vec<_>>().join("\n")
    };
    assert_eq!((compared.different, compared.new, compared.gone), (0, 0, 0), "seed {seed}\n{}", shown());
    assert!(compared.same >= 12, "seed {seed}: enough happened: {compared:?}");
    assert_eq!(Some(&same.total.would), same.total.was.as_ref(), "seed {seed}");
    let total = &same.total.would;
    for what in ["not_enabled", "no_target"] {
        assert!(total.refused.contains_key(what), "seed {seed}: {total:?}");
    }
    assert!(total.actions["restart"] >= 5 && total.blocked.len() >= 2, "seed {seed}: {total:?}");
    assert!(total.outcomes.contains_key("fixed") && total.escalated > 0, "seed {seed}: {total:?}");

    let other = replayed(url, OTHERS, Assume::AsRecorded).await;
    let compared = other.compared.expect("there is a record");
    assert!(compared.different + compared.new > 0 && compared.gone > 0, "other rules make a difference: {compared:?}");
    let worse = replayed(url, RULES, Assume::NotFixed).await;
    assert!(!worse.total.would.outcomes.contains_key("fixed"), "{:?}", worse.total.would);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_replay_of_a_record_on_sqlite_gives_what_the_service_did() {
    let folder = tempfile::tempdir().expect("a folder");
    agrees(&format!("sqlite://{}", folder.path().join("fettle.db").display()), 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_replay_of_a_record_on_postgresql_gives_what_the_service_did() {
    let database = Database::create().await;
    agrees(&database.url(), 7).await;
}
