//! What must hold once everything has come to rest.

use fettle_core::remediation::outcome::{ActionResult, Verdict};
use fettle_core::rule::model::Mode;

use super::Truth;
use super::book::Book;
use crate::history::short;
use crate::time::length;

/// A check of the end.
pub type Ending = fn(&Book, &Truth<'_>) -> Result<(), String>;

/// Every check of the end, by name.
pub const ENDING: &[(&str, Ending)] = &[
    ("nothing_is_left_open", nothing_is_left_open),
    ("every_loan_is_over", every_loan_is_over),
    ("every_effect_is_settled", every_effect_is_settled),
    ("no_effect_happened_twice", no_effect_happened_twice),
    ("a_late_call_is_told", a_late_call_is_told),
    ("no_breaker_waits_for_ever", no_breaker_waits_for_ever),
];

fn nothing_is_left_open(_: &Book, truth: &Truth<'_>) -> Result<(), String> {
    if let Some(row) = truth.store.open.values().find_map(|id| truth.store.remediations.get(id)) {
        let doc = &row.doc;
        return Err(format!("{} of {} is left {:?}, due {:?}", short(doc.id), doc.target, doc.state, row.due));
    }
    if !truth.store.pending.is_empty() {
        return Err(format!("{} notifications were never taken in", truth.store.pending.len()));
    }
    let waiting = truth.store.waiting();
    if waiting.is_empty() { Ok(()) } else { Err(format!("{} alerts wait for ever", waiting.len())) }
}

fn every_loan_is_over(_: &Book, truth: &Truth<'_>) -> Result<(), String> {
    let left = truth
        .store
        .loans
        .values()
        .find(|row| row.due.is_some() && !truth.docker.hands_off(&row.doc, &truth.plan.settings.protected));
    left.map_or(Ok(()), |row| Err(format!("loan {} is left {:?}", short(row.doc.id), row.doc.state)))
}

/// Each has its result in the audit, and each but the return of a loan its verdict.
fn every_effect_is_settled(book: &Book, truth: &Truth<'_>) -> Result<(), String> {
    for intent in book.intents.values().filter(|it| it.mode == Mode::Act) {
        let id = short(intent.action);
        let Some(row) = truth.store.actions.get(&intent.action) else {
            return Err(format!("{id} is not in the audit"));
        };
        if row.result.is_none() || row.finished_at.is_none() {
            return Err(format!("{} {id} never got a result in the audit", intent.name));
        }
        if intent.returns.is_none() && !book.judged.contains(&intent.action) {
            return Err(format!("{} {id} was never judged", intent.name));
        }
    }
    Ok(())
}

fn no_effect_happened_twice(_: &Book, truth: &Truth<'_>) -> Result<(), String> {
    let twice = truth.docker.landed.iter().find(|(_, times)| **times > 1);
    twice.map_or(Ok(()), |(id, times)| Err(format!("{} happened {times} times", short(*id))))
}

/// What was done after it had been given up is on record, unless whoever did it died of it: as a verdict beside the row that
/// says that nothing happened.
fn a_late_call_is_told(book: &Book, truth: &Truth<'_>) -> Result<(), String> {
    for sent in truth.docker.calls.values().filter(|it| truth.docker.landed.contains_key(&it.action)) {
        let intent = book.intents.get(&sent.action);
        let failed = intent.is_some_and(|it| matches!(it.result, Some((ActionResult::Failed, _))));
        let told = truth
            .store
            .verdicts
            .iter()
            .any(|(_, row)| row.action_id == sent.action && row.verdict == Verdict::Superseded);
        let late = intent.is_some_and(|it| sent.begun_at > it.counts_from + length(it.does.conclusive_after()));
        if failed && late && !told && truth.running.contains(&sent.by) && truth.plan.weather.store == 0 {
            return Err(format!("{} was done late, and the record says that it was not", short(sent.action)));
        }
    }
    Ok(())
}

/// A probe that is over leaves the breaker closed, open, or ready for another.
fn no_breaker_waits_for_ever(_: &Book, truth: &Truth<'_>) -> Result<(), String> {
    for (rule, (row, _)) in &truth.store.breakers {
        let probe = row.probe.and_then(|id| truth.store.actions.get(&id));
        let over = probe.and_then(|it| truth.store.remediations.get(&it.remediation_id));
        if row.opened_at.is_some() && over.is_some_and(|row| row.doc.outcome().is_some()) {
            let outcome = over.and_then(|row| row.doc.outcome());
            return Err(format!("the breaker of {rule} waits for a probe that ended {outcome:?}"));
        }
    }
    Ok(())
}
