//! The rules of a scenario, as they are written, and the alerts that they are for.

use fettle_core::alert::labels::Labels;
use fettle_core::duration::show;
use serde_json::{Value, json};

use super::{Dice, Theme};
use crate::text::budgets;

/// Rules and what they are about.
pub(super) struct Drawn {
    /// As they are written, before and after a reload.
    pub(super) rules: [Value; 2],
    /// Their names.
    pub(super) names: Vec<String>,
    /// Alerts that they select.
    pub(super) alerts: Vec<Labels>,
    /// Targets that these name.
    pub(super) targets: Vec<String>,
}

/// Containers that a rule permits.
const ALLOWED: [&str; 8] = ["a", "b", "c", "d", "e", "f", "p", "ghost"];

impl Drawn {
    pub(super) fn draw(dice: &mut Dice) -> Self {
        let (mut names, mut alerts, mut targets) = (Vec::new(), Vec::new(), Vec::new());
        let mut before = Vec::new();
        let many = if dice.theme == Theme::Others { dice.rng.between(1, 2) } else { dice.rng.between(1, 3) };
        for at in 0..many {
            let name = format!("r{at}");
            before.push(rule(dice, at, &name, &mut alerts, &mut targets));
            names.push(name);
        }
        // Of those that are loaded later one is gone, or one does something else.
        let mut after = before.clone();
        let changed = usize::try_from(dice.rng.below(after.len() as u64)).unwrap_or(0);
        if after.len() > 1 && dice.rng.chance(400) {
            after.remove(changed);
        } else {
            after[changed]["steps"] = json!([with_verify(dice, json!({"escalate": {"message": "after the reload"}}))]);
            after[changed]["cooldown"] = json!("20s");
        }
        let file = |rules: Vec<Value>| json!({"version": 1, "rules": rules});
        Self { rules: [file(before), file(after)], names, alerts, targets }
    }
}

/// What a rule is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Container,
    Compose,
    Swarm,
    Disk,
}

fn rule(dice: &mut Dice, at: u64, name: &str, alerts: &mut Vec<Labels>, targets: &mut Vec<String>) -> Value {
    let kind = match dice.theme {
        Theme::ComposeLoan if at == 0 => Kind::Compose,
        Theme::SwarmLoan if at == 0 => Kind::Swarm,
        Theme::Disk if at == 0 && dice.rng.chance(700) => Kind::Disk,
        Theme::Dependents | Theme::Storm => Kind::Container,
        Theme::Others if at == 0 => Kind::Container,
        _ => *dice.rng.pick(&[
            Kind::Container,
            Kind::Container,
            Kind::Container,
            Kind::Container,
            Kind::Compose,
            Kind::Swarm,
            Kind::Disk,
        ]),
    };
    let alertname = format!("R{at}");
    // Now and then a rule is asked about what a rule before it selected, too.
    let matchers = if at > 0 && dice.rng.chance(250) {
        json!([format!("alertname=~\"R0|{alertname}\"")])
    } else {
        json!([format!("alertname=\"{alertname}\"")])
    };
    let services = services_of(dice, kind);
    for service in &services {
        alerts.push(alert(dice, &alertname, service));
        let service = *service;
        targets.push(match kind {
            Kind::Container => format!("container:local/{service}"),
            Kind::Compose => format!("compose:local/shop/{service}"),
            Kind::Swarm => "swarm:local/api".to_owned(),
            Kind::Disk => "disk:local/srv".to_owned(),
        });
    }
    let mut rule = json!({
        "name": name,
        "match": matchers,
        "target": target(dice, kind),
        "steps": steps(dice, kind),
        "cooldown": show(if dice.theme == Theme::Budget { dice.seconds(&[10, 30]) } else { dice.seconds(&[10, 30, 60, 300]) }),
        "budget": budgets(&[if dice.theme == Theme::Budget { dice.budget(2, &[5, 20]) } else { dice.budget(6, &[10, 30]) }]),
        "regress_window": show(dice.seconds(&[600, 1800])),
    });
    options(dice, &mut rule);
    rule
}

fn services_of(dice: &mut Dice, kind: Kind) -> Vec<&'static str> {
    match kind {
        Kind::Swarm => vec!["api"],
        Kind::Disk => vec!["srv"],
        Kind::Compose => vec![if dice.rng.chance(200) { "db" } else { "web" }],
        Kind::Container => {
            let many = match dice.theme {
                Theme::Storm => 4,
                Theme::Trip => 3,
                Theme::Dependents | Theme::Others => 1,
                _ => dice.rng.between(1, 3),
            };
            let odd = dice.theme == Theme::Permission;
            let mut names: Vec<&str> = Vec::new();
            for at in 0..many {
                let name = match dice.rng.below(if odd { 12 } else { 40 }) {
                    0 => "d",
                    1 => "p",
                    2 => "ghost",
                    3 => "other",
                    4 => "",
                    5 => "c",
                    _ if dice.theme == Theme::Dependents && at == 0 => "a",
                    _ => *dice.rng.pick(&["a", "b", "c", "e", "f"]),
                };
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            names
        }
    }
}

fn alert(dice: &mut Dice, alertname: &str, service: &str) -> Labels {
    let severity = *dice.rng.pick(&["warning", "critical"]);
    let all = [("alertname", alertname), ("service", service), ("severity", severity)];
    all.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

fn target(dice: &mut Dice, kind: Kind) -> Value {
    match kind {
        Kind::Container => json!({"container": "$labels.service", "allow": ALLOWED}),
        Kind::Compose => {
            let min_healthy = *dice.rng.pick(&[0, 0, 1, 2, 3]);
            json!({"compose": {"project": "shop", "service": "$labels.service"}, "allow": ["web", "db"],
                "min_healthy": min_healthy})
        }
        Kind::Swarm => json!({"swarm": {"service": "api"}}),
        Kind::Disk => json!({"disk": "srv"}),
    }
}

/// The ladder.
fn steps(dice: &mut Dice, kind: Kind) -> Value {
    let rungs = match dice.theme {
        Theme::Budget => 3,
        Theme::ComposeLoan | Theme::SwarmLoan => dice.rng.between(2, 3),
        _ => dice.rng.between(1, 3),
    };
    let mut steps: Vec<Value> = (0..rungs).map(|at| effect(dice, kind, at)).collect();
    if dice.rng.chance(350) {
        let mut last = json!({"escalate": {"message": "nothing helped"}});
        if dice.rng.chance(300) {
            last["after"] = json!("30s");
        }
        steps.push(last);
    }
    Value::from(steps)
}

/// A step with an effect.
fn effect(dice: &mut Dice, kind: Kind, rung: u64) -> Value {
    let restart = |dice: &mut Dice| json!({"restart": {"grace": show(dice.seconds(&[1, 5, 10]))}});
    let mut step = match kind {
        Kind::Container => match dice.rng.below(12) {
            0 => json!({"stop": {"grace": "2s"}}),
            1 => json!({"set_limits": {"memory": "512MiB", "cpus": 1.5}}),
            2 => json!({"clean_logs": {"roots": ["/var/log/app"], "container_log": dice.rng.chance(300)}}),
            _ => {
                let mut step = restart(dice);
                if dice.likely(Theme::Dependents) {
                    let allow = if dice.rng.chance(800) { "side" } else { "nothing" };
                    step["restart"]["dependents"] = json!({"allow": [allow]});
                }
                if dice.rng.chance(150) {
                    step["restart"]["start_stopped"] = json!(true);
                }
                step
            }
        },
        Kind::Compose if rung == 0 || dice.theme == Theme::ComposeLoan => match dice.rng.below(5) {
            0..3 => json!({"scale_down": {"by": dice.rng.between(1, 2), "floor": 1}}),
            3 => json!({"scale_up": {"by": 1, "ceiling": 4}}),
            _ => restart(dice),
        },
        Kind::Swarm if rung == 0 || dice.theme == Theme::SwarmLoan => match dice.rng.below(4) {
            0 | 1 => json!({"scale_down": {"by": 1, "floor": 1}}),
            2 => json!({"scale_up": {"by": 1, "ceiling": 5}}),
            _ => restart(dice),
        },
        Kind::Compose | Kind::Swarm => restart(dice),
        Kind::Disk => {
            let free = *dice.rng.pick(&["10%", "30%", "60%"]);
            if dice.rng.chance(500) {
                json!({"prune": {"older_than": "24h", "free_above": free}})
            } else {
                json!({"clean_logs": {"roots": ["/srv/logs"], "free_above": free}})
            }
        }
    };
    if step.get("scale_down").is_some() || step.get("scale_up").is_some() {
        step["restore"] =
            if dice.rng.chance(100) { json!("never") } else { json!({"after": show(dice.seconds(&[60, 120, 240]))}) };
    }
    if rung > 0 && dice.rng.chance(500) {
        step["after"] = json!(show(dice.seconds(&[10, 30, 90])));
    }
    if dice.likely(Theme::Approval) {
        step["approval"] = json!({"within": show(dice.seconds(&[120, 300, 600]).min(dice.patience))});
        if dice.rng.chance(200) {
            step["approval"]["when"] = json!(["severity=\"critical\""]);
        }
    }
    with_verify(dice, step)
}

fn with_verify(dice: &mut Dice, mut step: Value) -> Value {
    if step.get("escalate").is_some() {
        return step;
    }
    let mut verify = json!({
        "settle": show(dice.seconds(&[0, 5, 10])),
        "healthy_for": show(dice.seconds(&[10, 20, 30])),
        "resolved_within": show(dice.seconds(&[60, 90, 180])),
    });
    if dice.rng.chance(100) {
        verify["query"] = json!("up == 1");
    }
    step["verify"] = verify;
    step
}

/// What most rules leave out.
fn options(dice: &mut Dice, rule: &mut Value) {
    if dice.theme == Theme::Expired && dice.rng.chance(500) {
        rule["hold"] = json!(show(dice.seconds(&[30, 180]).min(dice.patience)));
    } else if dice.rng.chance(150) {
        rule["hold"] = json!(show(dice.seconds(&[20, 40]).min(dice.patience)));
    }
    if dice.likely(Theme::Elsewhere) {
        // It begins at eight.
        let (from, to) =
            *dice.rng.pick(&[("08:00", "08:05"), ("08:10", "09:00"), ("07:00", "07:30"), ("08:02", "08:20")]);
        rule["during"] = json!([{"times": [{"start_time": from, "end_time": to}]}]);
    }
    if dice.likely(Theme::Elsewhere) {
        rule["unless"] = json!([{"match": ["alertname=\"HostDown\""], "equal": ["service"]}]);
    }
    match dice.rng.below(if dice.theme == Theme::Mode { 4 } else { 30 }) {
        0 => rule["mode"] = json!("observe"),
        1 => rule["mode"] = json!("propose"),
        _ => {}
    }
    if dice.rng.chance(100) {
        rule["rule_budget"] = json!(budgets(&[dice.budget(3, &[10, 30])]));
    }
    if dice.rng.chance(100) {
        rule["evidence"] = json!({"log_lines": 20});
    }
    if dice.rng.chance(250) {
        rule["continue"] = json!(true);
    }
}
