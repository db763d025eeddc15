//! What a rule that loads always has, tried with rules put together from good and bad parts.

use std::time::Duration;

use proptest::prelude::*;

use super::compile::{Context, SourceFile, compile};
use super::fits::kinds;
use super::model::{Find, Mode, Rule, Step, Word};
use crate::action::{Action, NAMES};
use crate::target::{Disks, Kind};

/// Every kind of target, literal and from a label; the last ones do not load.
const TARGETS: [(&str, Kind); 11] = [
    ("{container: web}", Kind::Container),
    ("{container: $labels.c, allow: [\"web-*\"], min_healthy: 1}", Kind::Container),
    ("{compose: {project: shop, service: web}}", Kind::Compose),
    ("{compose: {project: shop, service: $labels.s}, allow: [web]}", Kind::Compose),
    ("{swarm: {service: web}}", Kind::Swarm),
    ("{swarm: {service: $labels.s}, allow: [web]}", Kind::Swarm),
    ("{disk: srv}", Kind::Disk),
    ("{disk: $labels.d, allow: [srv]}", Kind::Disk),
    ("{container: $labels.c}", Kind::Container),
    ("{disk: absent}", Kind::Disk),
    ("{swarm: {service: $labels.s}, allow: []}", Kind::Swarm),
];

/// Every action in ways that load on the targets it applies to.
const GOOD: [&str; 18] = [
    "restart",
    "{restart: {grace: 5s, dependents: {allow: [side]}, start_stopped: true}, after: 1m}",
    "{restart: , approval: {when: [env=prod], within: 5m}}",
    "stop",
    "{stop: {grace: 0s}}",
    "scale_down",
    "{scale_down: {by: 2, floor: 0}, restore: never}",
    "{scale_down: {by: 3, floor: 2}, restore: {after: 1h}, approval: }",
    "{scale_up: {ceiling: 2}}",
    "{scale_up: {by: 4, ceiling: 9}, restore: {}}",
    "{clean_logs: {roots: [/var/log]}}",
    "{clean_logs: {roots: [/a, /b/c/], files: [out], rotated: [], stop_when_free: 30%, free_above: 20}}",
    "prune",
    "{prune: {images: false, stopped_containers: true, older_than: 1h}}",
    "{set_limits: {memory: 6MiB}}",
    "{set_limits: {cpus: 0.5}, verify: {settle: 0s, healthy_for: 1m, resolved_within: 1m}}",
    "escalate",
    "{escalate: {message: x}}",
];

/// Steps that load nowhere.
const BAD: [&str; 14] = [
    "{scale_down: {by: 0}}",
    "scale_up",
    "clean_logs",
    "{clean_logs: {roots: [/]}}",
    "{clean_logs: {roots: [/a, /a/b]}}",
    "{clean_logs: {roots: [/a/../b]}}",
    "{clean_logs: {roots: [/a], files: []}}",
    "{prune: {images: false, build_cache: false}}",
    "set_limits",
    "{set_limits: {memory: 1MiB}}",
    "{restart: , restore: never}",
    "{restart: , approval: {within: 1h}}",
    "{restart: , verify: {healthy_for: 1h}}",
    "{restart: , stop: }",
];

fn context() -> Context {
    let permitted = ["clean_logs", "prune"].map(str::to_owned).into();
    Context { disks: Disks::from([("local".into(), [("srv".into(), permitted)].into())]), ..Context::default() }
}

fn load(keys: &str, target: &str, steps: &[&str], context: &Context) -> Option<Rule> {
    let text = format!(
        "version: 1\nrules:\n- {{name: a, match: [a=b], target: {target}, steps: [{}]{keys}}}\n",
        steps.join(", ")
    );
    match compile(&[SourceFile { path: "a.yaml".into(), text: text.clone() }], context) {
        Ok((set, _)) => set.get("a").map(|rule| (**rule).clone()),
        Err(found) => {
            let placed = |it: &crate::diagnostic::Diagnostic| !it.is_error() || (it.line == 3 && it.column > 2);
            assert!(found.iter().any(crate::diagnostic::Diagnostic::is_error) && found.iter().all(placed), "{text}");
            None
        }
    }
}

/// The action of a part.
fn action(step: &str) -> &'static str {
    let word = step.trim_start_matches('{').split([':', ' ', '}']).next().unwrap_or_default();
    NAMES.into_iter().find(|name| *name == word).expect("an action")
}

fn legal(step: &Step, context: &Context) -> bool {
    let does = match &step.action {
        Action::ScaleDown { by, .. } => *by > 0,
        Action::ScaleUp { by, ceiling } => *by > 0 && *ceiling > 0,
        Action::CleanLogs(it) => {
            let plain = |root: &String| {
                root.starts_with('/')
                    && root.len() > 1
                    && !root.split('/').skip(1).any(|it| matches!(it, "" | "." | ".."))
            };
            let apart =
                |a: &String| it.roots.iter().filter(|b| format!("{b}/").starts_with(&format!("{a}/"))).count() == 1;
            let names = it.files.iter().chain(&it.rotated).all(|it| !it.0.is_empty() && !it.0.contains('/'));
            let some = !it.roots.is_empty() && !it.files.is_empty() && it.max_files > 0 && it.max_bytes > 0;
            some && names && it.roots.iter().all(plain) && it.roots.iter().all(apart)
        }
        Action::Prune(it) => it.images || it.unused_images || it.build_cache || it.stopped_containers,
        Action::SetLimits { memory, nano_cpus } => {
            (memory.is_some() || nano_cpus.is_some()) && memory.is_none_or(|bytes| bytes >= 6 << 20)
        }
        Action::Restart { grace, dependents, .. } => {
            grace.subsec_nanos() == 0 && dependents.as_ref().is_none_or(|it| !it.allow.is_empty())
        }
        Action::Stop { grace } => grace.subsec_nanos() == 0,
        Action::Restore => false,
        Action::Escalate { .. } => true,
    };
    let verify = &step.verify;
    let judged = verify.settle + verify.healthy_for <= verify.resolved_within && !verify.resolved_within.is_zero();
    let returned = step.restore.is_none_or(|after| step.action.scales() && !after.is_zero());
    let asked = step.approval.is_some() || step.action.asks_by_default();
    let within = step.approval.as_ref().map_or(Duration::ZERO, |it| it.within);
    let answered = !asked || (context.approvers && (context.alertmanager || within <= context.freshness));
    does && judged && returned && answered
}

fn keeps_its_promises(rule: &Rule, context: &Context) -> bool {
    let selecting = rule.matchers.iter().any(|it| !it.matches_empty())
        && rule.unless.iter().all(|it| it.matchers.iter().any(|it| !it.matches_empty()));
    let last = rule.steps.len().saturating_sub(1);
    let ladder = !rule.steps.is_empty()
        && rule.steps.iter().enumerate().all(|(at, it)| it.action.has_effect() || at == last)
        && rule.steps.iter().all(|it| legal(it, context) && kinds(&it.action).contains(&rule.target.kind()));
    let floors = rule.steps.iter().filter_map(|it| match it.action {
        Action::ScaleDown { floor, .. } => Some(floor),
        _ => None,
    });
    let ceilings: Vec<u32> = rule
        .steps
        .iter()
        .filter_map(|it| match it.action {
            Action::ScaleUp { ceiling, .. } => Some(ceiling),
            _ => None,
        })
        .collect();
    let room = floors.into_iter().all(|floor| ceilings.iter().all(|ceiling| floor <= *ceiling));
    let words = match &rule.target.find {
        Find::Compose { project, service } => vec![project, service],
        Find::Container(word) | Find::Swarm(word) | Find::Disk(word) => vec![word],
    };
    let literal = words.iter().all(|word| matches!(word, Word::Literal(_)));
    let open = rule.during.as_ref().is_none_or(|it| !it.never_opens());
    let kept = rule.evidence.log_lines <= 1000 && (rule.mode != Mode::Propose || context.approvers);
    let fresh = context.alertmanager || rule.hold <= context.freshness;
    selecting && ladder && room && open && kept && fresh && (literal || !rule.target.allow.is_empty())
}

#[test]
fn an_action_loads_exactly_on_the_targets_it_applies_to() {
    let context = context();
    for (target, kind) in TARGETS {
        let sound = load("", target, &["escalate"], &context).is_some();
        assert_eq!(sound, !TARGETS[8..].iter().any(|(bad, _)| *bad == target), "{target}");
        for step in GOOD {
            let rule = load("", target, &[step], &context);
            let fits = match action(step) {
                "restart" => kind != Kind::Disk,
                "stop" | "set_limits" => matches!(kind, Kind::Container | Kind::Compose),
                "scale_down" | "scale_up" => matches!(kind, Kind::Compose | Kind::Swarm),
                "clean_logs" => kind != Kind::Swarm,
                "prune" => kind == Kind::Disk,
                _ => true,
            };
            assert_eq!(rule.is_some(), sound && fits, "{step} on {target}");
            assert!(rule.is_none_or(|rule| keeps_its_promises(&rule, &context)), "{step} on {target}");
        }
        for step in BAD {
            assert!(load("", target, &[step], &context).is_none(), "{step} on {target}");
        }
    }
}

proptest! {
    #[test]
    fn a_rule_that_loads_keeps_every_promise_and_one_that_does_not_says_where(
        target in prop::sample::select(TARGETS.to_vec()),
        steps in prop::collection::vec(prop::sample::select([&GOOD[..], &GOOD[..], &BAD[..]].concat()), 0..5),
        keys in prop::sample::subsequence(vec![
            ", unless: [{match: [x=y], equal: [a]}]",
            ", hold: 1h",
            ", hold: 5m",
            ", mode: propose",
            ", during: [{weekdays: [monday]}]",
            ", during: [{months: [april], days_of_month: ['31']}]",
            ", evidence: {log_lines: 1000}",
            ", unless: [{match: ['x=~\".*\"']}]",
        ], 0..3),
        approvers in any::<bool>(),
        alertmanager in any::<bool>(),
    ) {
        let context = Context { alertmanager, approvers, ..context() };
        if let Some(rule) = load(&keys.concat(), target.0, &steps, &context) {
            prop_assert!(keeps_its_promises(&rule, &context), "{:#?}", rule);
            prop_assert_eq!(rule.steps.len(), steps.len());
        }
    }

    #[test]
    fn no_damage_to_any_key_makes_compile_panic(
        at in any::<prop::sample::Index>(), cut in 0..20_usize, put in "[\\[\\]{}:,'\"$é/%~ \n\t&*0-9.-]{0,4}",
    ) {
        let good = include_str!("../../../../tests/corpus/rules/all-keys.good.yaml");
        let chars: Vec<char> = good.chars().collect();
        let from = at.index(chars.len());
        let tail = chars[from..].iter().copied().skip(cut);
        let text: String = chars[..from].iter().copied().chain(put.chars()).chain(tail).collect();
        match compile(&[SourceFile { path: "x".into(), text }], &context()) {
            Ok((set, _)) => for rule in set.iter() {
                prop_assert!(keeps_its_promises(rule, &context()), "{:#?}", rule);
            },
            Err(found) => prop_assert!(!found.is_empty()),
        }
    }
}
