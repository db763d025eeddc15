//! The rules and the service's limits of a schedule, drawn from the seed. A third of the rules are as a person writes them who
//! relies on the defaults; the others are drawn from everything that loads.

use std::sync::Arc;
use std::time::Duration;

use fettle_core::action::{Action, CleanLogs, Dependents, Prune};
use fettle_core::matcher::parse;
use fettle_core::rule::model::{
    Approval, Budget, Evidence, Find, Mode, Pattern, Rule, Step, TargetSpec, Unless, Verify, Word,
};
use fettle_core::settings::{Protected, Settings, StormLimit, TripLimit};

use crate::plan::SERVICES;
use crate::rng::Rng;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Draws the rules, in order; in a crowd they are about the same few things.
pub fn rules(rng: &mut Rng, count: u64, settings: &Settings, crowd: bool) -> Vec<Arc<Rule>> {
    (0..count).map(|at| Arc::new(rule(rng, at, settings, crowd))).collect()
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

/// Draws the service's limits.
pub fn settings(rng: &mut Rng) -> Settings {
    let shipped = rng.chance(300);
    let then = |rng: &mut Rng| if rng.chance(600) { Mode::Propose } else { Mode::Observe };
    let some = |rng: &mut Rng, name: &str| rng.chance(60).then(|| name.to_owned());
    Settings {
        mode: mode(rng),
        freshness: secs(if shipped { 600 } else { *rng.pick(&[120, 600]) }),
        docker_patience: fettle_core::settings::DOCKER_PATIENCE,
        recheck: fettle_core::settings::RECHECK,
        in_flight: if shipped { 4 } else { u32::try_from(rng.between(1, 4)).unwrap_or(1) },
        budget: if shipped { vec![Budget { max: 20, per: secs(600) }] } else { budgets(rng, 12, &[60, 600, 1800]) },
        target_budget: if shipped {
            vec![Budget { max: 6, per: secs(3600) }]
        } else {
            budgets(rng, 5, &[120, 900, 3600])
        },
        storm: rng.chance(500).then(|| StormLimit {
            targets: u32::try_from(rng.between(2, 4)).unwrap_or(2),
            within: secs(*rng.pick(&[60, 120])),
            then: then(rng),
            quiet_for: secs(*rng.pick(&[120, 600])),
        }),
        trip: if shipped {
            Some(TripLimit::default())
        } else {
            rng.chance(600).then(|| TripLimit {
                unproven: u32::try_from(rng.between(1, 3)).unwrap_or(1),
                within: secs(*rng.pick(&[120, 600, 1800])),
                then: then(rng),
            })
        },
        alertmanager: rng.chance(500),
        approvers: true,
        hosts: fettle_core::target::Hosts::default(),
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

/// As they stand in a rule that relies on the defaults: `steps: [restart]`, or two of them.
fn plain_steps(rng: &mut Rng) -> Vec<Step> {
    let restart = || Step::plain(Action::Restart { grace: secs(10), dependents: None, start_stopped: false });
    (0..rng.between(1, 2)).map(|_| restart()).collect()
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

fn rule(rng: &mut Rng, at: u64, settings: &Settings, crowd: bool) -> Rule {
    let literal = |name: &str| Word::Literal(name.to_owned());
    let find = match rng.below(10) {
        3.. if crowd => Find::Container(Word::Label("service".to_owned())),
        0..3 if crowd => Find::Compose { project: literal("shop"), service: literal("db") },
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
    let target = TargetSpec { find, host: None, allow, min_healthy: u32::from(rng.chance(200)), min_age: None };
    let plain = matches!(target.find, Find::Container(_)) && rng.chance(400);
    let steps = if plain { plain_steps(rng) } else { steps(rng, &target) };
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
        hold: if plain { secs(0) } else { secs(*rng.pick(&[0, 0, 5, 30])).min(settings.freshness) },
        steps,
        unless: unless.into_iter().collect(),
        during: None,
        evidence: Evidence::default(),
        announce: None,
        budget: if plain { vec![Budget { max: 3, per: secs(3600) }] } else { budgets(rng, 3, &[60, 600, 3600]) },
        rule_budget: if rng.chance(300) { budgets(rng, 4, &[300, 1800]) } else { Vec::new() },
        cooldown: secs(if plain { 300 } else { *rng.pick(&[0, 30, 300]) }),
        regress_window: secs(*rng.pick(&[60, 1800])),
        mode: if plain { Mode::Act } else { mode(rng) },
        proceed: rng.chance(300),
        source: format!("rules.yaml:{at}"),
        digest: fettle_core::rule::model::Digest::default(),
    }
}
