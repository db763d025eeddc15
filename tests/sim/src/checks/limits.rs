//! Checks on budgets, storms and breakers.

use fettle_core::id::ActionId;
use fettle_core::remediation::record::Record;
use fettle_core::rule::budget;
use fettle_core::rule::model::{Budget, Mode};
use fettle_core::time::{after, before};

use super::book::Book;
use super::effects::{CALLED_WITHIN, rule};
use super::intent::Intent;
use super::oncall::was_executed;
use super::{Deed, Truth};
use crate::history::short;
use crate::time::{Micros, length, micros};

/// Over which effects a budget is counted.
type Scope = fn(&Intent, &Intent) -> bool;

fn same_target(a: &Intent, b: &Intent) -> bool {
    a.written == b.written || a.key == b.key
}

/// Every budget that an effect must keep, put together here once more.
fn budgets(intent: &Intent, truth: &Truth<'_>) -> Vec<(&'static str, Budget, Scope)> {
    let settings = &truth.plan.settings;
    let mut all: Vec<(&'static str, Budget, Scope)> = Vec::new();
    if let Some(rule) = rule(truth, &intent.rule) {
        let of_rule: Scope = |a, b| a.rule == b.rule;
        let of_both: Scope = |a, b| a.rule == b.rule && same_target(a, b);
        all.extend(rule.budget.iter().map(|it| ("budget", *it, of_both)));
        all.extend(rule.rule_budget.iter().map(|it| ("rule_budget", *it, of_rule)));
    }
    all.extend(settings.target_budget.iter().map(|it| ("target_budget", *it, same_target as Scope)));
    all.extend(settings.budget.iter().map(|it| ("fleet", *it, (|_, _| true) as Scope)));
    for id in &intent.touches {
        let written = truth.daemon.container(id).and_then(|it| it.labels.get("fettle.budget"));
        let read = written.into_iter().flat_map(|it| it.split(',')).filter_map(|it| budget::parse(it).ok());
        all.extend(read.map(|it| ("fettle.budget", it, same_target as Scope)));
    }
    all
}

/// Never more effects than any budget allows in any window, wherever it lies: by the instants that were stored, and by true
/// time as far as the processes' clocks agreed with it.
pub fn budgets_hold(book: &Book, deed: &Deed<'_>, truth: &Truth<'_>) -> Result<(), String> {
    let Deed::Intended(intent) = deed else { return Ok(()) };
    if intent.returns.is_some() {
        return Ok(());
    }
    let counts = |it: &&Intent| it.returns.is_none() && it.mode == intent.mode && it.spends();
    for (name, budget, same) in budgets(intent, truth) {
        let counted: Vec<&Intent> = book.intents.values().filter(counts).filter(|it| same(it, intent)).collect();
        let stored = counted.iter().map(|it| micros(it.planned_at)).collect();
        let really = counted.iter().map(|it| it.at).collect();
        let window = length(budget.per);
        // An intent is dated in the transaction that stores it, by a clock that is off by so much at most.
        let agreed = window - 2 * book.skew;
        let views = [
            ("stored", fullest(stored, micros(intent.planned_at), window)),
            ("true", fullest(really, intent.at, agreed)),
        ];
        for (clock, most) in views {
            if most > budget.max as usize {
                let (max, id) = (budget.max, short(intent.action));
                let with: Vec<_> = counted.iter().map(|it| short(it.action)).collect();
                let what = format!("{} {id} of {}", intent.name, intent.written);
                return Err(format!(
                    "{what} makes it {most} in a window of {name} {max} per {window} us, {clock} time, with {with:?}"
                ));
            }
        }
    }
    Ok(())
}

/// The same by Docker's own count: calls that it executed, dated when they were made. Between an intent and its call lies at
/// most [`CALLED_WITHIN`]. A dependent's call is made after that of its step has ended: it counts as if it were made in its
/// time. Budgets are kept by the processes' clocks, so where those are only somewhat off, that is allowed for.
pub fn budgets_hold_at_docker(book: &Book, deed: &Deed<'_>, truth: &Truth<'_>) -> Result<(), String> {
    let Deed::Tick = deed else { return Ok(()) };
    let new = (0..book.calls.len()).filter(|at| !book.executed.contains(at) && was_executed(truth, *at));
    for at in new {
        let Some(intent) = book.calls[at].action.and_then(|id| book.intents.get(&id)) else { continue };
        if intent.returns.is_some() || intent.ordered || book.calls[at].zombie {
            continue;
        }
        for (name, budget, same) in budgets(intent, truth) {
            let others = book.intents.values().filter(|it| it.returns.is_none() && same(it, intent));
            let calls = others.flat_map(|it| &it.calls).filter(|it| **it != at && was_executed(truth, **it));
            let made = calls.filter(|it| !book.calls[**it].zombie).map(|it| dated(book, truth, *it)).collect();
            let off = if truth.wild() { 0 } else { 2 * book.skew };
            let window = length(budget.per) - CALLED_WITHIN - off;
            let most = fullest(made, dated(book, truth, at), window);
            if most > budget.max as usize {
                let (id, what, max) = (short(intent.action), &intent.written, budget.max);
                return Err(format!("{id} makes it {most} calls to {what} within {window} us, {name} is {max}"));
            }
        }
    }
    Ok(())
}

/// When a call counts: when it was made, and in the time of its intent.
fn dated(book: &Book, truth: &Truth<'_>, call: usize) -> Micros {
    let made_at = micros(truth.calls[call].made_at);
    let intent = book.calls[call].action.and_then(|id| book.intents.get(&id));
    intent.map_or(made_at, |it| made_at.min(it.at + CALLED_WITHIN))
}

/// The most instants in any closed window of this length around a new one, which counts as well.
fn fullest(mut all: Vec<Micros>, new: Micros, window: Micros) -> usize {
    if window < 0 {
        return 0;
    }
    all.push(new);
    all.retain(|it| (new - window..=new + window).contains(it));
    let inside = |from: &Micros| all.iter().filter(|it| (*from..=*from + window).contains(it)).count();
    all.iter().filter(|from| **from <= new).map(inside).max().unwrap_or(0)
}

/// While there is a storm nothing is done by itself.
pub fn a_storm_holds_back(book: &Book, deed: &Deed<'_>, truth: &Truth<'_>) -> Result<(), String> {
    let Deed::Intended(intent) = deed else { return Ok(()) };
    let Some(limit) = truth.plan.settings.storm else { return Ok(()) };
    if intent.mode != Mode::Act || intent.returns.is_some() || intent.ordered {
        return Ok(());
    }
    let known = book.storms.iter().rev().find(|(found, _)| *found < intent.read_at);
    let Some((_, last_at)) = known.filter(|(_, at)| intent.planned_at < after(*at, limit.quiet_for)) else {
        return Ok(());
    };
    if intent.approved.is_none() || limit.then == Mode::Observe {
        return Err(format!("{} {} in the storm of {last_at}", intent.name, short(intent.action)));
    }
    Ok(())
}

/// While a rule's breaker is open nothing is done by itself, but for one act once it is half open.
pub fn an_open_breaker_holds_back(book: &Book, deed: &Deed<'_>, truth: &Truth<'_>) -> Result<(), String> {
    let Deed::Intended(intent) = deed else { return Ok(()) };
    let Some(limit) = truth.plan.settings.trip else { return Ok(()) };
    let by_itself = intent.mode == Mode::Act
        && intent.returns.is_none()
        && !intent.dependent
        && intent.approved.is_none()
        && !intent.ordered;
    let Some(breaker) = book.breakers.get(&intent.rule).filter(|_| by_itself) else { return Ok(()) };
    let id = short(intent.action);
    let Some(opened_at) = breaker.opened_at else {
        let since = before(intent.planned_at, limit.within);
        let strikes = breaker.strikes.iter().filter(|(at, _)| *at > since).count();
        if strikes >= limit.unproven as usize {
            return Err(format!(
                "{} {id} of {} after {strikes} verdicts that proved nothing",
                intent.name, intent.rule
            ));
        }
        return Ok(());
    };
    if intent.planned_at < after(opened_at, limit.within) {
        return Err(format!("{} {id} of {} while its breaker is open since {opened_at}", intent.name, intent.rule));
    }
    match breaker.probe {
        Some(probe) => Err(format!("{} {id} of {} beside the probe {}", intent.name, intent.rule, short(probe))),
        None => Ok(()),
    }
}

/// A verdict about a host that could not be reached is no strike against the rule.
pub fn an_unreachable_host_opens_no_breaker(book: &Book, deed: &Deed<'_>, truth: &Truth<'_>) -> Result<(), String> {
    let (Deed::Stored { records, .. }, Some(limit)) = (deed, truth.plan.settings.trip) else { return Ok(()) };
    let now = |action: ActionId| {
        records.iter().rev().find_map(|it| match it {
            Record::Result(row) if row.action_id == action => Some(row.reason.as_deref()),
            Record::Action(row) if row.id == action => Some(row.reason.as_deref()),
            _ => None,
        })
    };
    let unreachable = |action: ActionId| {
        let before = || book.rows.get(&action).and_then(|row| row.reason.as_deref());
        now(action).unwrap_or_else(before) == Some("docker_unreachable")
    };
    for record in *records {
        let Record::Verdict { rule, row, .. } = record else { continue };
        let dependent = book.intents.get(&row.action_id).is_some_and(|it| it.dependent);
        let observed =
            |it: &Record| matches!(it, Record::Action(it) if it.id == row.action_id && it.mode == Mode::Observe);
        if !row.verdict.proves_nothing() || dependent || records.iter().any(observed) {
            continue;
        }
        let since = before(row.at, limit.within);
        let strikes = book.breakers.get(rule).map(|it| it.strikes.as_slice()).unwrap_or_default();
        let recent = || strikes.iter().filter(|(at, _)| *at >= since).map(|(_, action)| *action).chain([row.action_id]);
        let (all, proven) = (recent().count(), recent().filter(|it| !unreachable(*it)).count());
        if all >= limit.unproven as usize && proven < limit.unproven as usize {
            return Err(format!(
                "the breaker of {rule} opens by {all} verdicts, of which only {proven} reached Docker"
            ));
        }
    }
    Ok(())
}
