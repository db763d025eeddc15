//! Budgets that are never used up, because another limit is reached first every time.
//!
//! Always holds: what is told is certain. The longest a target could be worked on is reckoned with steps that take no time at
//! all, so a budget that is only unlikely to be used up is not told.

use std::time::Duration;

use super::limits::Limits;
use super::model::{Budget, Find, Step, TargetSpec, Word};
use super::raw::RawRule;
use crate::diagnostic::{Report, codes};
use crate::duration::show;
use crate::yaml::{Node, Value};

/// Warns of each budget of the rule itself that cannot be used up.
pub(super) fn check(
    limits: &Limits,
    steps: &[Step],
    target: Option<&TargetSpec>,
    raw: &RawRule<'_>,
    report: &mut Report<'_>,
) {
    let effects = u64::try_from(steps.iter().filter(|step| step.action.has_effect()).count()).unwrap_or(u64::MAX);
    for (node, budgets, wide) in [(raw.budget, &limits.budget, false), (raw.rule_budget, &limits.rule_budget, true)] {
        let Some(Node { value: Value::List(items), .. }) = node else { continue };
        // A budget of all targets is bounded by those of each only where there are not any number of them.
        let targets = if wide { target.and_then(count) } else { Some(1) };
        for (at, (budget, item)) in budgets.iter().zip(items).enumerate() {
            let others = budgets.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, other)| other);
            let by_other = others.map(|other| (most(other, budget.per), format!("{other} lets")));
            let by_target = targets.into_iter().flat_map(|targets| {
                let each = limits.budget.iter().filter(|_| wide);
                let each = each.map(|it| (most(it, budget.per), format!("the budget of {it} per target lets")));
                let calm = by_cooldown(limits.cooldown, effects, budget.per)
                    .map(|most| (most, format!("a cooldown of {} lets", show(limits.cooldown))));
                each.chain(calm).map(move |(most, why)| (most.saturating_mul(targets), why))
            });
            let Some((most, why)) = by_other.chain(by_target).min_by_key(|(most, _)| *most) else { continue };
            if most < u64::from(budget.max) {
                let message =
                    format!("this budget is never used up: {why} at most {most} happen in {}", show(budget.per));
                let help = format!("write {most} or less, or remove it");
                report.add_with_help(&codes::BUDGET_IDLE, &item.at, message, help);
            }
        }
    }
}

/// How often `budget` lets something happen in any window of length `per`.
fn most(budget: &Budget, per: Duration) -> u64 {
    let windows = per.as_nanos() / budget.per.as_nanos().max(1) + 1;
    u64::try_from(windows).unwrap_or(u64::MAX).saturating_mul(u64::from(budget.max))
}

/// How many effects one target can see in a window: as many as the ladder has, and again after each cooldown.
fn by_cooldown(cooldown: Duration, effects: u64, per: Duration) -> Option<u64> {
    let times = per.as_nanos().checked_div(cooldown.as_nanos())? + 1;
    Some(u64::try_from(times).unwrap_or(u64::MAX).saturating_mul(effects))
}

/// How many targets there can be, if that can be told.
fn count(target: &TargetSpec) -> Option<u64> {
    let literal = |word: &Word| matches!(word, Word::Literal(_));
    let name = match &target.find {
        Find::Compose { project, .. } if !literal(project) => return None,
        Find::Container(name) | Find::Swarm(name) | Find::Disk(name) | Find::Compose { service: name, .. } => name,
    };
    if target.host.as_ref().is_some_and(|host| !literal(host)) {
        return None;
    }
    if literal(name) {
        return Some(1);
    }
    let globs = target.allow.iter().any(|pattern| pattern.0.contains('*'));
    (!globs).then(|| u64::try_from(target.allow.len()).unwrap_or(u64::MAX))
}
