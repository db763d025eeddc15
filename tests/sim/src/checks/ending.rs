//! What must hold once everything has come to rest.

use fettle_core::remediation::outcome::{ActionResult, Verdict};
use fettle_core::remediation::record::VerdictRow;
use fettle_core::rule::model::Mode;

use super::Truth;
use super::book::Book;
use super::oncall::was_executed;
use crate::history::short;
use crate::time::{length, micros};

/// A check of the end.
pub type Ending = fn(&Book, &Truth<'_>) -> Result<(), String>;

/// Every check of the end, by name.
pub const ENDING: &[(&str, Ending)] = &[
    ("every_effect_is_settled", every_effect_is_settled),
    ("a_late_call_is_reported", a_late_call_is_reported),
    ("a_late_call_that_docker_denied_is_reported", a_late_call_that_docker_denied_is_reported),
    ("no_breaker_waits_for_ever", no_breaker_waits_for_ever),
];

/// Each has its result in the audit, and each but the return of a loan its verdict.
fn every_effect_is_settled(book: &Book, _: &Truth<'_>) -> Result<(), String> {
    for intent in book.intents.values().filter(|it| it.mode == Mode::Act) {
        let id = short(intent.action);
        let Some(row) = book.rows.get(&intent.action) else {
            return Err(format!("{id} is not in the audit"));
        };
        if row.result.is_none() || row.finished_at.is_none() {
            return Err(format!("{} {id} never got a result in the audit", intent.name));
        }
        // A call that never left because Docker was away gets no verdict: it says nothing of the rule.
        if intent.returns.is_none() && intent.spends() && !book.judged.contains(&intent.action) {
            return Err(format!("{} {id} was never judged", intent.name));
        }
    }
    Ok(())
}

/// What was done after it had been given up is on record, unless its process died of it: as a verdict beside the row that
/// reads failed or unknown.
fn a_late_call_is_reported(book: &Book, truth: &Truth<'_>) -> Result<(), String> {
    late_calls(book, truth, false)
}

/// The same where Docker said no to it, and did it all the same.
fn a_late_call_that_docker_denied_is_reported(book: &Book, truth: &Truth<'_>) -> Result<(), String> {
    late_calls(book, truth, true)
}

fn late_calls(book: &Book, truth: &Truth<'_>, denied: bool) -> Result<(), String> {
    let said_no = |at: usize| {
        let ended = truth.calls[at].ended.and_then(|(_, answer)| answer.err());
        matches!(ended, Some("docker_error" | "docker_conflict" | "container_gone"))
    };
    let done = book.calls.iter().enumerate().filter(|(at, _)| was_executed(truth, *at) && said_no(*at) == denied);
    for (at, made) in done {
        let Some(intent) = made.action.and_then(|id| book.intents.get(&id)) else { continue };
        let failed = book.result_of(intent.action).is_some_and(|(result, _)| result == ActionResult::Failed);
        let reported = |row: &VerdictRow| row.action_id == intent.action && row.verdict == Verdict::Superseded;
        let limit = intent.counts_from + length(intent.does.conclusive_after());
        let late = micros(truth.calls[at].made_at) > limit;
        let lives = truth.world.replicas.iter().any(|it| it.owner() == Some(made.owner));
        let weather = &truth.plan.weather;
        if failed && late && !book.verdicts.iter().any(reported) && lives && weather.store == 0 && weather.outages == 0
        {
            return Err(format!("{} was done late, and the record reads that it was not", short(intent.action)));
        }
    }
    Ok(())
}

/// A probe that is over leaves the breaker closed, open, or ready for another.
fn no_breaker_waits_for_ever(book: &Book, _: &Truth<'_>) -> Result<(), String> {
    for (rule, probe) in &book.probes {
        let over = book.rows.get(probe).and_then(|row| book.docs.get(&row.remediation_id));
        if let Some(outcome) = over.and_then(fettle_core::remediation::state::Remediation::outcome) {
            return Err(format!("the breaker of {rule} waits for a probe that ended {outcome:?}"));
        }
    }
    Ok(())
}
