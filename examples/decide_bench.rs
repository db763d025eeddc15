//! Measures one decision: `cargo run --release --example decide_bench`.
//!
//! A line per case, each a call of the core with everything around it in place (pauses, a breaker with strikes, budgets,
//! a dozen labels): `due` begins a decision and asks for a look, `found` passes all guards that need the look and plans the
//! effect, `looked` judges an effect. `p50_us` and `p99_us` are of single calls, arguments made before the clock is started.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program that prints figures and may stop on any fault"
)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use fettle_core::action::Action;
use fettle_core::alert::episode::{AlertState, Word};
use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::alert::labels::Labels;
use fettle_core::decide::{Ask, Event, Facts, IDS, Looked, decide};
use fettle_core::effect::Effect;
use fettle_core::remediation::state::{Attempt, Opener, Remediation, State, Verifying};
use fettle_core::rule::compile::{Context, SourceFile, compile};
use fettle_core::rule::model::{Budget, Mode, Rule};
use fettle_core::settings::{Protected, Settings, StormLimit, TripLimit};
use fettle_core::sight::{Container, Found, Health, ImageLabel, Sight, Status};
use fettle_core::surroundings::{Pause, PauseScope, Storm, Surroundings};
use fettle_core::target::Target;
use fettle_core::time::{Timestamp, after, before};
use uuid::Uuid;

/// Calls of each case.
const CALLS: usize = 100_000;

const RULES: &str = "version: 1
rules:
  - name: web-restart
    match: ['alertname=\"ServiceDown\"', 'env=~\"prod|stage\"']
    target: {container: $labels.service, allow: [web, \"api-*\"]}
    steps: [restart, restart]
    budget: [2 per 1h, 5 per 24h]
    rule_budget: [6 per 1h]
";

fn main() {
    let files = [SourceFile { path: "rules.yaml".to_owned(), text: RULES.to_owned() }];
    let (rules, _) = compile(&files, &Context::default()).unwrap();
    let rule: Rule = (**rules.iter().next().unwrap()).clone();
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    let alert = alert(now);
    let settings = settings();
    let surroundings = surroundings(now);
    let facts = Facts {
        rule: Some(&rule),
        settings: &settings,
        alerts: std::slice::from_ref(&alert),
        surroundings: &surroundings,
        now,
        new_ids: std::array::from_fn::<_, IDS, _>(|at| Uuid::from_u128(at as u128 + 10)),
    };
    let held = remediation(&rule, &alert, now);
    measure("due", &held, &Event::Due, &facts);
    measure("found", &held, &Event::Found(Ok(Found::one(container(now)))), &facts);
    let judged = verifying(&held, &rule, now);
    let look = Looked::from(Ok(Some(Box::new(Sight::from(container(now))))));
    measure("looked", &judged, &Event::Looked(look), &facts);
}

fn measure(case: &str, remediation: &Remediation, event: &Event, facts: &Facts<'_>) {
    let mut times = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let (remediation, event) = (remediation.clone(), event.clone());
        let begin = Instant::now();
        let decision = decide(black_box(remediation), black_box(facts), black_box(event));
        times.push(begin.elapsed());
        let decision = black_box(decision);
        assert_eq!(
            matches!(decision.ask, Ask::Nothing),
            case == "looked",
            "{case} went another way: {:?}",
            decision.ask
        );
    }
    times.sort_unstable();
    let at = |percent: usize| times[times.len() * percent / 100].as_secs_f64() * 1e6;
    println!("{{\"case\":\"{case}\",\"p50_us\":{:.2},\"p99_us\":{:.2}}}", at(50), at(99));
}

/// As Prometheus sends it, with a dozen labels; heard a minute ago.
fn alert(now: Timestamp) -> AlertState {
    let mut labels = vec![("alertname", "ServiceDown"), ("env", "prod"), ("service", "web")];
    for name in ["instance", "job", "namespace", "pod", "region", "severity", "team", "cluster", "zone"] {
        labels.push((name, "some-value-7"));
    }
    let labels = Labels::from_iter(labels);
    let at = before(now, Duration::from_mins(1));
    AlertState::first(Fingerprint::of(&labels), labels, Word::Firing { starts_at: at }, at).0
}

fn settings() -> Settings {
    let per = |max, minutes| Budget { max, per: Duration::from_mins(minutes) };
    Settings {
        mode: Mode::Act,
        freshness: Duration::from_mins(10),
        docker_patience: fettle_core::settings::DOCKER_PATIENCE,
        recheck: fettle_core::settings::RECHECK,
        in_flight: 4,
        budget: vec![per(20, 10)],
        target_budget: vec![per(6, 60)],
        storm: Some(StormLimit::default()),
        trip: Some(TripLimit::default()),
        alertmanager: true,
        approvers: true,
        protected: Protected {
            containers: ["fettle", "fettle-db"].map(str::to_owned).into(),
            compose_projects: ["monitoring".to_owned()].into(),
            own_container: Some("f".repeat(64)),
            database: ["db".to_owned()].into(),
        },
        hosts: fettle_core::target::Hosts::default(),
    }
}

/// A pause of something else, a storm that is over, two strikes.
fn surroundings(now: Timestamp) -> Surroundings {
    let long_ago = before(now, Duration::from_hours(2));
    let mut it = Surroundings::default();
    it.pauses.push(Pause {
        id: Uuid::from_u128(1).into(),
        scope: PauseScope::Rule("another".to_owned()),
        reason: "deploy".to_owned(),
        by: "oncall".to_owned(),
        at: long_ago,
        until: None,
    });
    it.storm = Some(Storm { since: long_ago, last_at: long_ago, targets: 7 });
    it.breaker.unproven = [1, 5].map(|minutes| before(now, Duration::from_mins(minutes))).into();
    it
}

fn remediation(rule: &Rule, alert: &AlertState, now: Timestamp) -> Remediation {
    Remediation {
        id: Uuid::from_u128(2).into(),
        rule: rule.name.clone(),
        target: Target::Container { host: "local".to_owned(), name: "web".to_owned() },
        alert: Opener { fingerprint: alert.fingerprint, labels: alert.labels.clone() },
        order: None,
        opened_at: now,
        rung: 0,
        attempts: 0,
        blind: 0,
        away: None,
        pin: None,
        tried: None,
        ended: None,
        key: None,
        told: false,
        announced_until: None,
        answered: None,
        last_action: None,
        left: None,
        state: State::Held { until: now },
    }
}

fn container(now: Timestamp) -> Container {
    Container {
        daemon: "DAEMON".to_owned(),
        id: "a".repeat(64),
        name: "web".to_owned(),
        labels: BTreeMap::from(
            [("fettle.enable", "true"), ("com.docker.compose.project", "shop"), ("com.docker.compose.service", "web")]
                .map(|(name, value)| (name.to_owned(), value.to_owned())),
        ),
        image_label: ImageLabel::Absent,
        status: Status::Running,
        started_at: Some(before(now, Duration::from_hours(5))),
        restart_count: 0,
        exit_code: 0,
        oom_killed: false,
        health: Some(Health::Unhealthy),
        start_period: Duration::ZERO,
        addresses: vec!["web".to_owned(), "172.18.0.4".to_owned()],
        stopped_by_hand: Some(false),
        ended_at: None,
        ended_by: None,
        number: Some(1),
        memory_limit: None,
        nano_cpus: None,
        health_log: vec!["connection refused".to_owned(); 3],
        siblings_well: 0,
        dependents: Vec::new(),
    }
}

fn verifying(held: &Remediation, rule: &Rule, now: Timestamp) -> Remediation {
    let container = container(now);
    let effect_at = before(now, Duration::from_mins(2));
    let attempt = Attempt {
        action_id: Uuid::from_u128(3).into(),
        rung: 0,
        action: Action::Restart { grace: Duration::from_secs(10), dependents: None, start_stopped: false },
        effect: Effect::Restart { grace: Duration::from_secs(10) },
        dependent: None,
        verify: rule.steps[0].verify.clone(),
        pin: container.pin(),
        intended_at: effect_at,
    };
    let state = State::Verifying(Verifying {
        attempt: Box::new(attempt),
        also: Vec::new(),
        effect_at,
        first: None,
        well_since: None,
        until: now,
    });
    let announced_until = Some(after(now, Duration::from_hours(1)));
    Remediation {
        attempts: 1,
        pin: Some(container.pin()),
        key: Some(container.key()),
        announced_until,
        state,
        ..held.clone()
    }
}
