//! What the audit says of effects, held against what Docker was asked and did.

use fettle_core::effect::Effect;
use fettle_core::id::ActionId;
use fettle_core::remediation::outcome::ActionResult;
use fettle_core::remediation::record::Record;
use fettle_memory::physics::By;

use super::book::Book;
use super::effects::overdue_at;
use super::intent::Intent;
use super::oncall::{another_acted, jobs, was_executed};
use super::{Deed, Truth};
use crate::history::short;
use crate::time::{Micros, length, micros};

/// How an effect was executed that is on record as not executed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Execution {
    /// In the time that a daemon may take.
    InTime,
    /// Later: the daemon hung.
    Late,
    /// In time, and what it stopped was started, or what it started ended, before fettle looked; or half of it, because the
    /// daemon itself ended in its middle.
    Undone,
}

/// What is on record as not executed was not executed by a daemon that took no longer than it may, and is not executed later.
pub fn not_executed_was_not_executed(book: &Book, deed: &Deed<'_>, truth: &Truth<'_>) -> Result<(), String> {
    not_executed(book, deed, truth, Execution::InTime)
}

/// Nor was it executed and undone.
pub fn what_was_undone_was_executed(book: &Book, deed: &Deed<'_>, truth: &Truth<'_>) -> Result<(), String> {
    not_executed(book, deed, truth, Execution::Undone)
}

/// Nor is it executed by one that hung, once that goes on.
pub fn what_a_hung_docker_still_has_is_not_given_up(
    book: &Book,
    deed: &Deed<'_>,
    truth: &Truth<'_>,
) -> Result<(), String> {
    not_executed(book, deed, truth, Execution::Late)
}

/// A call that was made after its row was closed is another matter: its process stood still in the window that design §1
/// documents.
fn not_executed(book: &Book, deed: &Deed<'_>, truth: &Truth<'_>, how: Execution) -> Result<(), String> {
    let wrong = |action: ActionId, closed_at: Option<Micros>| {
        let intent = book.intents.get(&action)?;
        let of_its_time = |at: &&usize| {
            let made = micros(truth.calls.get(**at).map(|it| it.made_at).unwrap_or_default());
            !book.calls[**at].zombie && closed_at.is_none_or(|closed| made <= closed)
        };
        let late = |at: usize| {
            jobs(truth, at).filter_map(|job| job.executed_at).any(|it| micros(it) > overdue_at(book, intent))
        };
        let undone = |at: usize| {
            let Some(since) = jobs(truth, at).filter_map(|job| job.executed_at).min() else { return false };
            // Of several replicas only some had their turn.
            if jobs(truth, at).filter(|job| job.executed_at.is_some()).count() < intent.touches.len() {
                return true;
            }
            let mut runs = truth.daemon.runs().iter().filter(|run| intent.touches.contains(&run.id));
            match intent.effect {
                Effect::Stop { .. } | Effect::StopReplicas { .. } => runs.any(|run| run.begun_at >= since),
                // What it started after the row was closed was not there to be seen.
                Effect::Restart { .. } => !runs.any(|run| {
                    let in_time = closed_at.is_none_or(|closed| micros(run.begun_at) <= closed);
                    run.begun_by == By::Fettle(at as u64) && in_time
                }),
                Effect::StartReplicas { .. } => runs.any(|run| run.ended.is_some_and(|it| it.at >= since)),
                _ => false,
            }
        };
        let really = |at: usize| match () {
            () if late(at) => Execution::Late,
            () if undone(at) => Execution::Undone,
            () => Execution::InTime,
        };
        let executed = |at: &usize| was_executed(truth, *at) && really(*at) == how;
        intent.calls.iter().filter(of_its_time).any(executed).then_some(intent)
    };
    let found = match deed {
        Deed::Stored { records, .. } | Deed::Lent { records, .. } => records.iter().find_map(|it| match it {
            Record::Result(row) if row.reason.as_deref() == Some("not_executed") => wrong(row.action_id, None),
            _ => None,
        }),
        Deed::Tick => book.intents.values().find_map(|it| {
            let not_executed = it.result.as_ref().is_some_and(|row| row.reason.as_deref() == Some("not_executed"));
            // Requests that arrive later are of a call that was made before the row was closed, but for late calls.
            not_executed.then(|| wrong(it.action, Some(it.counts_from + length(it.does.conclusive_after()))))?
        }),
        _ => None,
    };
    found.map_or(Ok(()), |it| {
        Err(format!("{} {} is on record as not executed, and Docker executed it", it.name, short(it.action)))
    })
}

/// What an effect that never reached Docker was taken for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TakenFor {
    /// Nothing else that happened.
    Nothing,
    /// A start by Docker's policy since.
    Policy,
    /// What was the case before: an earlier effect had done the same.
    Earlier,
    /// What somebody else has done since.
    Another,
}

/// What is on record as done was at least received by Docker.
pub fn what_succeeded_reached_docker(book: &Book, deed: &Deed<'_>, truth: &Truth<'_>) -> Result<(), String> {
    succeeded_unasked(book, deed, truth, TakenFor::Nothing)
}

/// The same where somebody else changed it since. Docker does not say who did it, so the row must say that it was concluded
/// from a look.
pub fn what_another_did_is_no_success(book: &Book, deed: &Deed<'_>, truth: &Truth<'_>) -> Result<(), String> {
    succeeded_unasked(book, deed, truth, TakenFor::Another)
}

/// The same where it was so already: that proves no call.
pub fn what_was_so_already_is_no_success(book: &Book, deed: &Deed<'_>, truth: &Truth<'_>) -> Result<(), String> {
    succeeded_unasked(book, deed, truth, TakenFor::Earlier)
}

/// The same where Docker's policy has started the container since: that proves no call.
pub fn a_start_by_policy_is_no_success(book: &Book, deed: &Deed<'_>, truth: &Truth<'_>) -> Result<(), String> {
    succeeded_unasked(book, deed, truth, TakenFor::Policy)
}

fn succeeded_unasked(book: &Book, deed: &Deed<'_>, truth: &Truth<'_>, what: TakenFor) -> Result<(), String> {
    let (Deed::Stored { records, .. } | Deed::Lent { records, .. }) = deed else { return Ok(()) };
    for record in *records {
        let Record::Result(row) = record else { continue };
        let Some(intent) = book.intents.get(&row.action_id).filter(|_| row.result == ActionResult::Succeeded) else {
            continue;
        };
        let since = intent.read_at;
        let started =
            truth.daemon.runs().iter().rev().any(|run| {
                intent.touches.contains(&run.id) && run.begun_by == By::Policy && micros(run.begun_at) >= since
            });
        let same = |it: &&Intent| it.at < intent.at && it.effect == intent.effect && it.touches == intent.touches;
        let earlier = || book.intents.values().filter(same).flat_map(|it| &it.calls).any(|at| was_executed(truth, *at));
        let doc = || book.docs.get(&intent.remediation);
        let changed = || doc().is_some_and(|doc| another_acted(book, doc, truth, since));
        // Docker's own start begins runs too, and a look cannot tell them from a restart.
        let with_docker = truth.daemon.started_again_at().is_some_and(|at| micros(at) >= since);
        let really = match &intent.effect {
            Effect::Restart { .. } if with_docker => TakenFor::Another,
            _ if started => TakenFor::Policy,
            Effect::SetLimits { .. } if earlier() => TakenFor::Earlier,
            _ if changed() => TakenFor::Another,
            _ => TakenFor::Nothing,
        };
        let is_marked = what == TakenFor::Another && row.reason.as_deref() == Some("reconciled");
        if really == what && !is_marked && !intent.calls.iter().any(|at| jobs(truth, *at).next().is_some()) {
            let (id, name, reason) = (short(intent.action), intent.name, row.reason.as_deref().unwrap_or_default());
            return Err(format!("{name} {id} succeeded ({reason}), and Docker received no request for it"));
        }
    }
    Ok(())
}
