//! What an on-call person expects, held against what really happened: the daemon's runs and requests, who began and ended
//! them, and which alerts were true when.

use fettle_core::action::Action;
use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::effect::Effect;
use fettle_core::remediation::outcome::{ActionResult, Outcome};
use fettle_core::remediation::record::Record;
use fettle_core::remediation::state::{Remediation, State};
use fettle_core::rule::model::APPROVAL_WITHIN;
use fettle_core::sight::{Found, Wanted};
use fettle_core::target::Target;
use fettle_memory::physics::{By, Job, Request, Run};

use super::book::Book;
use super::effects::rule;
use super::{Deed, Truth};
use crate::alerts::Alerts;
use crate::history::short;
use crate::time::{MINUTE, Micros, SECOND, length, micros};

/// The requests of a call that reached the daemon.
pub fn jobs<'t>(truth: &'t Truth<'_>, call: usize) -> impl Iterator<Item = &'t Job> {
    truth.calls.get(call).into_iter().flat_map(|it| &it.requests).map(|ticket| truth.daemon.job(*ticket))
}

/// Whether the daemon has done something of this call.
pub fn was_executed(truth: &Truth<'_>, call: usize) -> bool {
    jobs(truth, call).any(|job| job.executed_at.is_some())
}

/// Whether the daemon may still do something of this call.
pub fn is_under_way(truth: &Truth<'_>, call: usize) -> bool {
    jobs(truth, call).any(Job::is_under_way)
}

/// The names of the containers that a target is about; `None`: it is not about containers.
fn is_of(target: &Target, run: &Run, truth: &Truth<'_>) -> bool {
    match target {
        Target::Container { name, .. } => run.name == *name,
        Target::Compose { project, service, .. } => {
            let label = |key: &str, value: &str| {
                truth.daemon.container(&run.id).is_none_or(|it| it.labels.get(key).is_some_and(|it| it == value))
            };
            label("com.docker.compose.project", project) && label("com.docker.compose.service", service)
        }
        _ => true,
    }
}

/// Runs of the target's containers that went on, began or ended since.
fn runs_since<'t>(truth: &'t Truth<'_>, target: &'t Target, since: Micros) -> impl Iterator<Item = &'t Run> {
    let lately = move |run: &&Run| micros(run.begun_at) >= since || run.ended.is_some_and(|it| micros(it.at) >= since);
    truth.daemon.runs().iter().filter(lately).filter(move |run| is_of(target, run, truth))
}

/// Whether a person, a deployment, the daemon's own restart, or fettle for another remediation began or ended a run since,
/// or changed what the target consists of.
pub fn another_acted(book: &Book, doc: &Remediation, truth: &Truth<'_>, since: Micros) -> bool {
    let other = |by: By| match by {
        By::Person | By::Deploy | By::Daemon | By::Swarm => true,
        By::Fettle(call) => {
            let made = usize::try_from(call).ok().and_then(|it| book.calls.get(it));
            let intent = made.and_then(|it| it.action).and_then(|id| book.intents.get(&id));
            // A call in the window of design §1 is another's: what it began is not what was planned.
            made.is_some_and(|it| it.zombie) || intent.is_none_or(|it| it.remediation != doc.id || it.returns.is_some())
        }
        By::Itself | By::Policy => false,
    };
    // A restart resets RestartCount when it arrives, before the run that it begins.
    let asked = truth.daemon.jobs().iter().any(|job| {
        micros(job.asked_at) >= since - MINUTE
            && (job.by.is_person() || (job.by.is_fettle() && other(job.by) && micros(job.asked_at) >= since))
            && job.executed_at.is_some()
            && match (&doc.target, job.request.container()) {
                (Target::Container { name, .. }, Some(id)) => {
                    truth.daemon.runs().iter().any(|run| run.id == id && run.name == *name)
                }
                _ => true,
            }
    });
    asked
        || runs_since(truth, &doc.target, since)
            .any(|run| other(run.begun_by) && micros(run.begun_at) >= since || run.ended.is_some_and(|it| other(it.by)))
}

/// The remediation that was superseded with this deed, when nobody else acted since it was opened.
fn wrongly_superseded<'d>(book: &Book, deed: &'d Deed<'_>, truth: &Truth<'_>) -> Option<(&'d Remediation, Micros)> {
    let Deed::Stored { claim, after, .. } = deed else { return None };
    let about_containers = matches!(after.target, Target::Container { .. } | Target::Compose { .. });
    if after.outcome() != Some(Outcome::Superseded) || !about_containers {
        return None;
    }
    // To take the rule away is what a person does, and so is to remove the container, however long ago.
    let read_at = book.reads.get(&(claim.owner, after.id)).copied().unwrap_or(truth.now);
    let unloaded =
        || book.unloaded.iter().any(|(rule, _, back)| *rule == after.rule && back.is_none_or(|it| it >= read_at));
    let gone = || matches!(truth.daemon.find(&after.target, Wanted::default()), Ok(Found::Nothing));
    match after.reason() {
        Some("the rule was removed") if unloaded() => return None,
        Some(reason) if reason.contains("gone") && gone() => return None,
        _ => {}
    }
    // What happened shortly before it was opened may have been seen only since.
    let since = book.opened.get(&after.id).copied().unwrap_or(truth.now) - 30 * SECOND;
    (!another_acted(book, after, truth, since)).then_some((after, since))
}

/// A container that its restart policy starts again and again was not restarted by another.
pub fn a_crash_loop_is_not_superseded(book: &Book, deed: &Deed<'_>, truth: &Truth<'_>) -> Result<(), String> {
    let Some((doc, since)) = wrongly_superseded(book, deed, truth) else { return Ok(()) };
    let by_policy = runs_since(truth, &doc.target, since).filter(|run| run.begun_by == By::Policy).count();
    // Docker's start starts it too, and resets the count before that.
    let with_docker = truth.daemon.started_again_at().is_some_and(|at| micros(at) >= since);
    if by_policy == 0 || with_docker {
        return Ok(());
    }
    let (id, target, reason) = (short(doc.id), &doc.target, doc.reason().unwrap_or_default());
    Err(format!("{id} of {target}: {reason}; Docker's policy started it {by_policy} times, and nobody else did"))
}

/// Superseded means that a person or a deployment acted.
pub fn superseded_means_another_acted(book: &Book, deed: &Deed<'_>, truth: &Truth<'_>) -> Result<(), String> {
    nobody_else_acted(book, deed, truth, false)
}

/// What fettle itself asked for and gave up, and Docker did all the same, is no other's deed.
pub fn what_was_given_up_is_no_other(book: &Book, deed: &Deed<'_>, truth: &Truth<'_>) -> Result<(), String> {
    nobody_else_acted(book, deed, truth, true)
}

fn nobody_else_acted(book: &Book, deed: &Deed<'_>, truth: &Truth<'_>, given_up: bool) -> Result<(), String> {
    let Some((doc, since)) = wrongly_superseded(book, deed, truth) else { return Ok(()) };
    let own = book.intents.values().filter(|it| it.remediation == doc.id);
    let mut failed = own.filter(|it| it.result.as_ref().is_some_and(|row| row.result == ActionResult::Failed));
    if given_up != failed.any(|it| it.calls.iter().any(|at| was_executed(truth, *at))) {
        return Ok(());
    }
    if runs_since(truth, &doc.target, since).any(|run| run.begun_by == By::Policy) {
        return Ok(());
    }
    let (id, target, reason) = (short(doc.id), &doc.target, doc.reason().unwrap_or_default());
    Err(format!("{id} of {target}: {reason}; nobody but fettle itself did"))
}

/// What fettle could know of a stop.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// Docker tells of it.
    Told,
    /// Docker does not remember it any more, or a proxy hides it.
    Forgotten,
    /// Docker tells of it, and it ended the run that an earlier step of the same remediation was tried on.
    BetweenSteps,
}

/// fettle starts nothing that a person stopped, unless the step asks for it.
pub fn what_a_person_stopped_stays_stopped(book: &Book, deed: &Deed<'_>, truth: &Truth<'_>) -> Result<(), String> {
    stays_stopped(book, deed, truth, Stop::Told)
}

/// Nor what a person stopped after a step that does not restart it.
pub fn what_a_person_stopped_between_steps_stays_stopped(
    book: &Book,
    deed: &Deed<'_>,
    truth: &Truth<'_>,
) -> Result<(), String> {
    stays_stopped(book, deed, truth, Stop::BetweenSteps)
}

/// The same where Docker does not remember the stop any more, or does not tell. Of an end that nothing followed only the exit
/// code is known: one that `docker stop` does not leave behind counts as a crash.
pub fn what_docker_forgot_was_stopped_stays_stopped(
    book: &Book,
    deed: &Deed<'_>,
    truth: &Truth<'_>,
) -> Result<(), String> {
    stays_stopped(book, deed, truth, Stop::Forgotten)
}

fn stays_stopped(book: &Book, deed: &Deed<'_>, truth: &Truth<'_>, stop: Stop) -> Result<(), String> {
    let Deed::Tick = deed else { return Ok(()) };
    let runs = truth.daemon.runs();
    for (at, run) in runs.iter().enumerate().skip(book.runs_seen) {
        let By::Fettle(call) = run.begun_by else { continue };
        let made = usize::try_from(call).ok().and_then(|it| book.calls.get(it));
        let Some(intent) = made.and_then(|it| it.action).and_then(|id| book.intents.get(&id)) else { continue };
        let Action::Restart { start_stopped: false, .. } = intent.does else { continue };
        let mut earlier = book.intents.values().filter(|it| it.remediation == intent.remediation && it.at < intent.at);
        let known = match () {
            () if book.forgotten.contains(&intent.action) => Stop::Forgotten,
            () if earlier.any(|it| it.pin == intent.pin) => Stop::BetweenSteps,
            () => Stop::Told,
        };
        // Where it is not known who ended it, a person is asked.
        if known != stop || known == Stop::Forgotten && intent.approved.is_some() {
            continue;
        }
        let Some(ended) = runs[..at].iter().rev().find(|it| it.id == run.id).and_then(|it| it.ended) else { continue };
        let begun = run.begun_at;
        let by_person = |job: &&Job| {
            job.by.is_person()
                && job.request.container() == Some(&run.id)
                && job.executed_at.is_some_and(|it| it <= begun)
        };
        let last = truth.daemon.jobs().iter().rev().find(by_person).map(|job| &job.request);
        let stopped = matches!(last, Some(Request::Stop { .. } | Request::Kill { .. }));
        let looks_like_a_crash = stop == Stop::Forgotten && !matches!(ended.code, 0 | 137 | 143);
        if ended.by == By::Person && stopped && !looks_like_a_crash && micros(ended.at) < intent.read_at {
            let ago = (intent.read_at - micros(ended.at)) / SECOND;
            let (id, name) = (short(intent.action), &run.name);
            return Err(format!("{id} starts {name}, which a person stopped {ago} s before the facts were read"));
        }
    }
    Ok(())
}

/// However often it is tried, looked at or taken over: one intent has at most one effect.
pub fn one_intent_has_one_effect(book: &Book, deed: &Deed<'_>, truth: &Truth<'_>) -> Result<(), String> {
    let Deed::Tick = deed else { return Ok(()) };
    let twice = book.intents.values().find(|it| it.calls.iter().filter(|at| was_executed(truth, **at)).count() > 1);
    twice.map_or(Ok(()), |it| Err(format!("{} {} was executed more than once", it.name, short(it.action))))
}

/// A run that a person or a deployment began after the last evidence is not touched: nothing is known against it. What is
/// received once the run has settled counts as evidence, however old what it shows, and so does a `startsAt` after the start of
/// the run, though Alertmanager may have moved it: no receiver can know that.
pub fn a_newer_run_is_left_alone(book: &Book, deed: &Deed<'_>, truth: &Truth<'_>) -> Result<(), String> {
    let Deed::Called { pin, effect, zombie: false, .. } = deed else { return Ok(()) };
    let (Effect::Restart { .. } | Effect::Stop { .. }) = effect else { return Ok(()) };
    let Some(intent) = book.intent_of(pin, effect) else { return Ok(()) };
    if intent.dependent || intent.ordered || intent.returns.is_some() || intent.approved.is_some() {
        return Ok(());
    }
    let Some(doc) = book.docs.get(&intent.remediation) else { return Ok(()) };
    let current = truth.daemon.runs().iter().rev().find(|run| run.id == pin.id);
    let Some(run) = current.filter(|it| it.begun_by.is_person() && Some(it.begun_at) == pin.started_at) else {
        return Ok(());
    };
    let evidence = book.evidence_of(doc, truth);
    let settle = match &doc.state {
        State::Running(it) => length(it.attempt.verify.settle),
        _ => 0,
    };
    let heard = book.alerts_of(doc, truth).filter_map(|alert| book.heard.get(&alert)?.last()).max();
    let begun = micros(run.begun_at);
    let starts = book.alerts_of(doc, truth).filter_map(|alert| book.starts.get(&alert).copied()).max();
    if starts.is_some_and(|it| it >= begun)
        || evidence.is_some_and(|it| it >= begun)
        || heard.is_some_and(|it| *it + book.skew >= begun + settle)
    {
        return Ok(());
    }
    let (id, name) = (short(intent.action), &run.name);
    Err(format!("{id} touches the run of {name} that a person began at {}; the last evidence is older", run.begun_at))
}

/// Nothing is done once every alert of the remediation is known not to fire. What Alertmanager's API shows counts besides, so
/// this holds only where none is asked.
pub fn an_effect_has_an_alert_that_fires(book: &Book, deed: &Deed<'_>, truth: &Truth<'_>) -> Result<(), String> {
    let Deed::Intended(intent) = deed else { return Ok(()) };
    if intent.ordered || intent.returns.is_some() || truth.plan.settings.alertmanager {
        return Ok(());
    }
    let mut own =
        book.attached.iter().filter(|(_, ids)| ids.contains(&intent.remediation)).map(|(it, _)| it).peekable();
    let known_ended = |it: &Fingerprint| book.ended.get(it).is_some_and(|at| *at < intent.read_at);
    if own.peek().is_none() || !own.all(known_ended) {
        return Ok(());
    }
    Err(format!("{} {} though every alert of its remediation had ended", intent.name, short(intent.action)))
}

/// Nothing is done on the word of alerts that were all heard last longer than `freshness` ago.
pub fn an_effect_has_fresh_evidence(book: &Book, deed: &Deed<'_>, truth: &Truth<'_>) -> Result<(), String> {
    let Deed::Intended(intent) = deed else { return Ok(()) };
    if intent.ordered || intent.returns.is_some() {
        return Ok(());
    }
    let Some(doc) = book.docs.get(&intent.remediation) else { return Ok(()) };
    let heard = book.alerts_of(doc, truth).filter_map(|alert| book.heard.get(&alert)?.last()).max();
    let age = intent.read_at - heard.copied().unwrap_or(0);
    if age <= length(truth.plan.settings.freshness) + 2 * book.skew {
        return Ok(());
    }
    Err(format!("{} {} on alerts last heard {} s ago", intent.name, short(intent.action), age / SECOND))
}

/// A notification is dated when it is received, and stored within the intake's patience of that or refused.
const STORED_WITHIN: Micros = 5 * SECOND;

/// An alert that was heard firing within `freshness` does not expire. It counts once it was taken in, and from when it was
/// stored; that it is dated a little earlier and clocks that are somewhat off are allowed for.
pub fn an_alert_heard_lately_does_not_expire(book: &Book, deed: &Deed<'_>, truth: &Truth<'_>) -> Result<(), String> {
    let Deed::Stored { claim, after, records, .. } = deed else { return Ok(()) };
    let unheard = after.reason().is_some_and(|it| it.starts_with("last heard"));
    if after.outcome() != Some(Outcome::Expired) || after.order.is_some() || !unheard {
        return Ok(());
    }
    let mut read_at = book.reads.get(&(claim.owner, after.id)).copied().unwrap_or(truth.now);
    if !book.decided.contains(&after.id) && !truth.plan.settings.alertmanager {
        // The first decision is made from what opened it.
        read_at = read_at.min(book.opened.get(&after.id).copied().unwrap_or(read_at));
    }
    // Alertmanager's API says that it does not fire any more.
    let ended =
        |it: &Fingerprint| records.iter().any(|row| matches!(row, Record::Ended(seen) if seen.fingerprint == *it));
    let attached = book.attached.iter().filter(|(it, ids)| ids.contains(&after.id) && !ended(it));
    let taken = attached.filter_map(|(it, _)| book.taken.get(it)).flatten().filter(|it| it.at < read_at);
    let off = if truth.wild() { 0 } else { 2 * book.skew };
    let fresh = length(truth.plan.settings.freshness) - off - STORED_WITHIN;
    // A process that stood still with the notification in its hands stores it later, with the date of its receipt.
    let lately =
        taken.map(|it| it.posted_at.min(it.received_at + STORED_WITHIN)).filter(|at| truth.now - at < fresh).max();
    lately.map_or(Ok(()), |at| {
        let (id, ago, reason) = (short(after.id), (truth.now - at) / SECOND, after.reason().unwrap_or_default());
        Err(format!("{id} expired ({reason}), and its alert was heard {ago} s ago"))
    })
}

/// Between a decision and its row lies no more than a claim lasts.
const PROPOSED_WITHIN: Micros = 20 * SECOND;

/// A person has the time to answer that the rule gives, from when the proposal was made.
pub fn a_person_has_time_to_answer(book: &Book, deed: &Deed<'_>, truth: &Truth<'_>) -> Result<(), String> {
    time_to_answer(book, deed, truth, false)
}

/// The same for a proposal that was stored long after it was decided: its process stood still, and nobody else took over.
pub fn a_proposal_stored_late_leaves_time_to_answer(
    book: &Book,
    deed: &Deed<'_>,
    truth: &Truth<'_>,
) -> Result<(), String> {
    time_to_answer(book, deed, truth, true)
}

fn time_to_answer(book: &Book, deed: &Deed<'_>, truth: &Truth<'_>, late: bool) -> Result<(), String> {
    let Deed::Stored { after, .. } = deed else { return Ok(()) };
    let unanswered = after.reason().is_some_and(|it| it.starts_with("nobody answered"));
    let Some(asked_at) = book.asked.get(&after.id).filter(|_| unanswered) else { return Ok(()) };
    let (rung, decided_at) = match book.docs.get(&after.id).map(|doc| &doc.state) {
        Some(State::AwaitingApproval(asked)) => (asked.proposal.rung, micros(asked.proposal.asked_at)),
        _ => (after.rung, *asked_at),
    };
    let step = rule(truth, &after.rule).and_then(|rule| rule.steps.get(rung));
    let within = step.and_then(|it| it.approval.as_ref()).map_or(APPROVAL_WITHIN, |it| it.within);
    let waited = truth.now - asked_at;
    let off = if truth.wild() { 0 } else { 2 * book.skew };
    let stored_late = !truth.wild() && asked_at - decided_at > PROPOSED_WITHIN + off;
    if late != stored_late || waited >= length(within) - PROPOSED_WITHIN - off {
        return Ok(());
    }
    let (id, reason) = (short(after.id), after.reason().unwrap_or_default());
    Err(format!("{id} was given up ({reason}) {} s after the proposal was made", waited / SECOND))
}

/// An alert that was given up because Docker could not be reached, and fires on when Docker is back, is decided again.
pub fn an_alert_that_fires_is_decided_again(book: &Book, deed: &Deed<'_>, truth: &Truth<'_>) -> Result<(), String> {
    let (Deed::Tick, Some(back_at)) = (deed, truth.faults.back_at) else { return Ok(()) };
    if truth.faults.is_away() || truth.world.is_calm() || book.reloaded || truth.now - back_at < 4 * MINUTE {
        return Ok(());
    }
    for (fingerprint, ids) in &book.attached {
        let Some(alert) = Alerts::by_fingerprint(truth.plan, *fingerprint) else { continue };
        let Some(doc) = ids.last().and_then(|id| book.docs.get(id)) else { continue };
        let given_up = doc.outcome() == Some(Outcome::Escalated) && !book.had_effect(doc.id, truth);
        let closed_at = book.closed.get(&doc.id).copied().unwrap_or(truth.now);
        let rows = book.rows.values().filter(|row| row.remediation_id == doc.id);
        let unreachable = rows.filter_map(|row| row.reason.as_deref()).any(|it| it == "docker_unreachable");
        if !given_up || !unreachable || closed_at > back_at {
            continue;
        }
        let heard = book.heard.get(&alert).map(Vec::as_slice).unwrap_or_default();
        let since = heard.iter().filter(|at| **at > back_at + MINUTE).count();
        let (firing, began) = {
            let alerts = truth.world.alerts();
            (alerts.all[alert].firing, alerts.all[alert].starts_at)
        };
        if firing && began < closed_at && since >= 2 {
            let (id, ago) = (short(doc.id), (truth.now - back_at) / MINUTE);
            return Err(format!("{id} was given up while Docker was away; its alert fires on {ago} minutes after"));
        }
    }
    Ok(())
}
