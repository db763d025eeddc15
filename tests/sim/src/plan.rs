//! What a schedule is about: the service's limits, the rules, and the alerts there can be. Drawn once from the seed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use fettle_core::action::{Action, CleanLogs, Dependents, Prune};
use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::alert::labels::Labels;
use fettle_core::matcher::parse;
use fettle_core::rule::model::{
    Approval, Budget, Evidence, Find, Mode, Pattern, Rule, Step, TargetSpec, Unless, Verify, Word,
};
use fettle_core::settings::{Protected, Settings, StormLimit, TripLimit};

use crate::rng::Rng;

/// The one host.
pub const HOST: &str = "local";

/// What can go wrong around fettle in this schedule. Not everything in each: what is quiet lets the rest go far.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    /// Processes on one database.
    pub replicas: usize,
    /// Crashes in a thousand steps of a process.
    pub crashes: u64,
    /// `kill -STOP` in a thousand steps.
    pub stops: u64,
    /// The store fails in a thousand calls, before or after it did its work.
    pub store: u64,
    /// Docker misbehaves in a thousand calls.
    pub docker: u64,
    /// People act: mean seconds between two deeds.
    pub people: u64,
    /// The machines' clocks are set in a thousand steps.
    pub clocks: u64,
    /// The clock of a single process is set by minutes. Then a look may be taken for conclusive too early.
    pub wild_clock: bool,
    /// Mean seconds between two troubles of a container.
    pub trouble: u64,
    /// A process may be stopped between the last look at its lease and the write of the request: design §1 documents that
    /// window.
    pub zombies: bool,
}

/// An alert there can be.
#[derive(Debug, Clone)]
pub struct AlertPlan {
    /// Its labels.
    pub labels: Labels,
    /// Its identity.
    pub fingerprint: Fingerprint,
    /// The container or service whose trouble it speaks of.
    pub about: String,
}

/// Everything drawn at the beginning.
#[derive(Debug, Clone)]
pub struct Plan {
    /// See [`Weather`].
    pub weather: Weather,
    /// The service's limits.
    pub settings: Settings,
    /// The rules, in order.
    pub rules: Vec<Arc<Rule>>,
    /// The alerts.
    pub alerts: Vec<AlertPlan>,
    /// Whether `FettleWorking` holds back the original's notifications.
    pub inhibits: bool,
    /// How long the random part lasts, in seconds.
    pub seconds: u64,
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Names that rules and alerts speak of; the last is nobody's.
const SERVICES: [&str; 8] = ["app-0", "app-0", "app-1", "app-2", "side-0", "side-0", "shop-db-1", "ghost"];

/// Draws a plan.
pub fn draw(rng: &mut Rng) -> Plan {
    let settings = settings(rng);
    let count = rng.between(3, 6);
    let rules: Vec<_> = (0..count).map(|at| Arc::new(rule(rng, at, &settings))).collect();
    let alerts = (0..rng.between(3, 8)).map(|at| alert(rng, at, count)).collect();
    let per_mille = |rng: &mut Rng, at_most: u64| if rng.chance(500) { 0 } else { rng.between(1, at_most) };
    let weather = Weather {
        replicas: if rng.chance(500) { 2 } else { 1 },
        crashes: per_mille(rng, 12),
        stops: per_mille(rng, 8),
        store: per_mille(rng, 20),
        docker: if rng.chance(300) { 0 } else { rng.between(50, 400) },
        people: *rng.pick(&[20, 60, 200, 1_000_000]),
        clocks: per_mille(rng, 6),
        wild_clock: rng.chance(150),
        trouble: *rng.pick(&[40, 100, 300]),
        zombies: rng.chance(150),
    };
    let inhibits = settings.alertmanager && rng.chance(500);
    Plan { weather, inhibits, settings, rules, alerts, seconds: *rng.pick(&[300, 900, 1800, 3600]) }
}

fn budget(rng: &mut Rng, at_most: u64, periods: &[u64]) -> Budget {
    let max = u32::try_from(rng.between(1, at_most)).unwrap_or(1);
    Budget { max, per: secs(*rng.pick(periods)) }
}

fn budgets(rng: &mut Rng, at_most: u64, periods: &[u64]) -> Vec<Budget> {
    (0..rng.between(1, 2)).map(|_| budget(rng, at_most, periods)).collect()
}

fn mode(rng: &mut Rng) -> Mode {
    match rng.below(12) {
        0 => Mode::Observe,
        1 => Mode::Propose,
        _ => Mode::Act,
    }
}

fn settings(rng: &mut Rng) -> Settings {
    let then = |rng: &mut Rng| if rng.chance(600) { Mode::Propose } else { Mode::Observe };
    let some = |rng: &mut Rng, name: &str| rng.chance(60).then(|| name.to_owned());
    Settings {
        mode: mode(rng),
        freshness: secs(*rng.pick(&[120, 600])),
        in_flight: u32::try_from(rng.between(1, 4)).unwrap_or(1),
        budget: budgets(rng, 12, &[60, 600, 1800]),
        target_budget: budgets(rng, 5, &[120, 900, 3600]),
        storm: rng.chance(500).then(|| StormLimit {
            targets: u32::try_from(rng.between(2, 4)).unwrap_or(2),
            within: secs(*rng.pick(&[60, 120])),
            then: then(rng),
            quiet_for: secs(*rng.pick(&[120, 600])),
        }),
        trip: rng.chance(600).then(|| TripLimit {
            unproven: u32::try_from(rng.between(1, 3)).unwrap_or(1),
            within: secs(*rng.pick(&[120, 600, 1800])),
            then: then(rng),
        }),
        alertmanager: rng.chance(500),
        approvers: true,
        protected: Protected {
            containers: ["app-0", "side-0", "api", "shop-web-2"].iter().filter_map(|name| some(rng, name)).collect(),
            compose_projects: some(rng, "shop").into_iter().collect(),
            own_container: None,
            database: some(rng, "shop-db-1").into_iter().collect(),
        },
    }
}

fn steps(rng: &mut Rng, target: &TargetSpec) -> Vec<Step> {
    let mut steps: Vec<Step> = (0..rng.between(1, 3)).map(|_| step(rng, target)).collect();
    if rng.chance(400) {
        steps.push(Step { after: secs(*rng.pick(&[0, 0, 30])), ..Step::plain(Action::Escalate { message: None }) });
    }
    if let Some(first) = steps.first_mut() {
        first.after = Duration::ZERO;
    }
    steps
}

fn step(rng: &mut Rng, target: &TargetSpec) -> Step {
    let small = |rng: &mut Rng| u32::try_from(rng.between(1, 2)).unwrap_or(1);
    let grace = secs(*rng.pick(&[1, 10]));
    let restart = |rng: &mut Rng| {
        let allow = if rng.chance(700) { "side-*" } else { "nobody" };
        let dependents = rng.chance(450).then(|| Dependents { allow: vec![Pattern(allow.to_owned())] });
        Action::Restart { grace, dependents, start_stopped: rng.chance(150) }
    };
    let scale = |rng: &mut Rng| {
        let by = small(rng);
        if rng.chance(500) { Action::ScaleDown { by, floor: small(rng) } } else { Action::ScaleUp { by, ceiling: 4 } }
    };
    let action = match &target.find {
        Find::Disk(_) => match rng.below(2) {
            0 => Action::Prune(prune()),
            _ => Action::CleanLogs(clean(rng)),
        },
        Find::Swarm(_) => {
            if rng.chance(500) {
                restart(rng)
            } else {
                scale(rng)
            }
        }
        Find::Compose { service: Word::Literal(name), .. } if name == "web" => scale(rng),
        _ => match rng.below(12) {
            0 => Action::Stop { grace },
            1 => Action::SetLimits { memory: Some(1 << 28), nano_cpus: None },
            2 => Action::CleanLogs(clean(rng)),
            _ => restart(rng),
        },
    };
    let settle = *rng.pick(&[0, 2, 5]);
    let healthy_for = *rng.pick(&[2, 10, 30]);
    let resolved_within = settle + healthy_for + *rng.pick(&[10, 60, 180]);
    let approval = rng.chance(150).then(|| Approval {
        when: if rng.chance(500) { matchers("severity=\"critical\"") } else { Vec::new() },
        within: secs(*rng.pick(&[30, 120])),
    });
    let restore = action.scales().then(|| secs(*rng.pick(&[20, 60, 300])));
    let [settle, healthy_for, resolved_within] = [settle, healthy_for, resolved_within].map(secs);
    Step {
        verify: Verify { settle, healthy_for, resolved_within, query: None },
        after: secs(*rng.pick(&[0, 0, 5, 60])),
        approval,
        restore,
        ..Step::plain(action)
    }
}

fn clean(rng: &mut Rng) -> CleanLogs {
    CleanLogs {
        roots: vec!["/var/log/app".to_owned()],
        files: vec![Pattern("*.log".to_owned())],
        rotated: Vec::new(),
        max_files: 10,
        max_bytes: 1 << 30,
        older_than: secs(3600),
        larger_than: 1 << 20,
        keep_newest: 1,
        stop_when_free: None,
        free_above: Some(20),
        user: None,
        container_log: rng.chance(200),
    }
}

fn prune() -> Prune {
    Prune {
        images: true,
        unused_images: false,
        build_cache: true,
        stopped_containers: false,
        older_than: secs(3600),
        free_above: Some(20),
    }
}

fn matchers(text: &str) -> Vec<fettle_core::matcher::Matcher> {
    parse(text).unwrap_or_default()
}

fn rule(rng: &mut Rng, at: u64, settings: &Settings) -> Rule {
    let literal = |name: &str| Word::Literal(name.to_owned());
    let find = match rng.below(10) {
        0 | 1 => Find::Compose { project: literal("shop"), service: literal("web") },
        2 => Find::Compose { project: literal("shop"), service: literal("db") },
        3 => Find::Swarm(literal("api")),
        4 => Find::Disk(literal("srv")),
        5 => Find::Container(literal(rng.pick::<&str>(&SERVICES))),
        _ => Find::Container(Word::Label("service".to_owned())),
    };
    let labelled = matches!(find, Find::Container(Word::Label(_)));
    let allow: &[&str] = match (labelled, rng.below(3)) {
        (false, _) => &[],
        (true, 0) => &["app-*", "side-*"],
        (true, _) => &["*"],
    };
    let allow = allow.iter().map(|it| Pattern((*it).to_owned())).collect();
    let target = TargetSpec { find, host: None, allow, min_healthy: u32::from(rng.chance(200)) };
    let steps = steps(rng, &target);
    let unless = rng.chance(100).then(|| Unless { matchers: matchers("alertname=\"A0\""), equal: Vec::new() });
    Rule {
        name: format!("r{at}"),
        owner: None,
        matchers: if rng.chance(300) {
            matchers(&format!("alertname=~\"A{at}|A{}\"", at + 1))
        } else {
            matchers(&format!("alertname=\"A{at}\""))
        },
        target,
        hold: secs(*rng.pick(&[0, 0, 5, 30])).min(settings.freshness),
        steps,
        unless: unless.into_iter().collect(),
        during: None,
        evidence: Evidence::default(),
        announce: None,
        budget: budgets(rng, 3, &[60, 600, 3600]),
        rule_budget: if rng.chance(300) { budgets(rng, 4, &[300, 1800]) } else { Vec::new() },
        cooldown: secs(*rng.pick(&[0, 30, 300])),
        regress_window: secs(*rng.pick(&[60, 1800])),
        mode: mode(rng),
        proceed: rng.chance(300),
        source: format!("rules.yaml:{at}"),
    }
}

fn alert(rng: &mut Rng, at: u64, rules: u64) -> AlertPlan {
    let service = if rng.chance(30) { "../../etc" } else { rng.pick(&SERVICES) };
    let severity = if rng.chance(500) { "critical" } else { "warning" };
    // One more name than there are rules: some alerts are nobody's.
    let name = format!("A{}", rng.below(rules + 1));
    let instance = format!("node-{at}");
    let pairs = [("alertname", &*name), ("service", service), ("severity", severity), ("instance", &*instance)];
    let labels = Labels::from_iter(pairs);
    AlertPlan { fingerprint: Fingerprint::of(&labels), labels, about: service.to_owned() }
}

/// What the configuration permits on the disk.
pub fn disk_allow() -> BTreeSet<String> {
    ["prune", "clean_logs"].map(str::to_owned).into()
}

/// Labels of a container, some of which tighten.
pub fn labels(rng: &mut Rng, compose: Option<(&str, u32)>) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    let mut add = |key: &str, value: &str| drop(labels.insert(key.to_owned(), value.to_owned()));
    if let Some((service, number)) = compose {
        add("com.docker.compose.project", "shop");
        add("com.docker.compose.service", service);
        add("com.docker.compose.container-number", &number.to_string());
    }
    match rng.below(40) {
        0 => add("fettle.enable", "yes"),
        1 => {}
        _ => add("fettle.enable", "true"),
    }
    match rng.below(40) {
        0 => add("fettle.hold", "migration"),
        1 => add("fettle.budget", "1 per 20m"),
        2 => add("fettle.budget", "many"),
        3 => add("fettle.approval", "always"),
        4 => add("fettle.actions", "restart, scale_down"),
        5 => add("fettle.actions", "clean_logs"),
        _ => {}
    }
    labels
}
