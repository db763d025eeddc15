//! One claimed effort, driven until it has to wait or is closed: ask the core, answer its questions, store its decision.
//!
//! This is the one interpreter of [`Ask`], for remediations and for the return of loans, over the ports alone. It spawns no
//! task and measures time only on the clock port, so it also runs on a virtual clock, over a store in memory.
//!
//! Always holds: state, rows and next due time are stored together; between a stored intent and its stored result nothing
//! else is decided about the effort. When the store fails before an effect, the claim is let go and its lease runs out:
//! nothing happened. When it fails after an effect, the result is kept and stored again for as long as the lease lasts; after
//! that, a look finds the truth, and a call that others gave up is reported as late.

use std::time::Duration;

use async_trait::async_trait;

use crate::execute::execute;
use crate::lease::{DECISION_LEASE, call_lease};
use crate::look::look;
use crate::place::Place;
use crate::retry::Retry;
use crate::shell::Shell;
use fettle_core::alert::episode::AlertState;
use fettle_core::decide::{Ask, Blind, Call, Event, Whose, late};
use fettle_core::guard::{Admitted, Request, admit};
use fettle_core::ports::model::{Admission, Claim, Claimed, Commit, Judged, Ledger, Stored};
use fettle_core::ports::{Effort, StoreError, chain};
use fettle_core::remediation::record::Record;
use fettle_core::remediation::state::Attempt;
use fettle_core::target::Target;
use fettle_core::time::{Timestamp, after};

/// How long the store is asked to take the report of a late call.
const LATE_PATIENCE: Duration = Duration::from_mins(1);

/// A claimed effort on its way to the driver.
#[derive(Debug)]
pub struct Item<T> {
    /// The claim and what it holds.
    pub claimed: Claimed<T>,
    /// The alerts of a remediation that was opened just now; `None`: read them.
    pub heard: Option<Vec<AlertState>>,
}

/// One decision of the core.
#[derive(Debug)]
pub struct Step<T> {
    /// The next state.
    pub effort: T,
    /// Rows to store, in order.
    pub records: Vec<Record>,
    /// The question to answer before it can be stored.
    pub ask: Ask,
}

/// A call whose intent is stored.
#[derive(Debug, Clone)]
pub struct UnderWay {
    /// What is attempted.
    pub attempt: Attempt,
    /// On which target.
    pub target: Target,
}

/// How the core decides on one kind of effort.
#[async_trait]
pub trait Driven: Effort {
    /// Everything one decision is made from.
    type Known: Send + Sync;

    /// What an effort is called in the log.
    const NAME: &'static str;

    /// Reads everything a decision is made from, and the records that this alone causes.
    async fn known(
        &self,
        shell: &Shell,
        heard: Option<Vec<AlertState>>,
    ) -> Result<(Self::Known, Vec<Record>), StoreError>;

    /// Decides.
    fn decide(self, shell: &Shell, known: &Self::Known, event: Event) -> Step<Self>;

    /// The state and the rows that are stored with an admitted effect.
    fn begin(self, shell: &Shell, admitted: Admitted) -> (Self, Vec<Record>);

    /// Its target.
    fn target(&self) -> &Target;

    /// The call that is under way.
    fn under_way(&self) -> Option<UnderWay>;

    /// Lines of evidence to keep before a call.
    fn log_lines(&self, shell: &Shell) -> u32;

    /// Its remediation and rule, for the report of a late call on `target`.
    fn whose<'a>(&'a self, target: &'a Target) -> Whose<'a>;

    /// Called before the first look at its target.
    fn looks(&self, shell: &Shell);

    /// Reports a stored decision to logs, metrics and the announcer.
    fn report(&self, shell: &Shell, records: &[Record]);
}

/// Drives it. The result of the last commit; `None` when the claim was lost, or the decision was abandoned as too old: then
/// nothing more was stored.
pub async fn drive<T: Driven>(shell: &Shell, item: Item<T>, mut place: Place) -> Result<Option<Stored>, StoreError> {
    let Item { claimed: Claimed { claim, mut effort }, heard } = item;
    let begun_at = shell.time.monotonic();
    // Read once per decision: a look in between is bounded, and what is heard meanwhile wakes it again.
    let (known, mut records) = effort.known(shell, heard).await?;
    let mut event = Event::Due;
    loop {
        let step = effort.decide(shell, &known, event);
        effort = step.effort;
        records.extend(step.records);
        event = match step.ask {
            Ask::Nothing => {
                let commit = Commit { effort, records, keep_until: None };
                return store_in_time(shell, &claim, &commit, begun_at).await;
            }
            Ask::Find(wanted) => {
                effort.looks(shell);
                let found = shell.platform.find(effort.target(), wanted).await;
                Event::Found(found.map_err(|error| Blind::from(&error)))
            }
            Ask::Look { target, pin, query, path_of } => {
                Event::Looked(look(shell, &target, &pin, query.as_deref(), path_of.as_deref()).await)
            }
            Ask::Peek(request) => {
                let ledgers = shell.store.peek(&request.asks()).await?;
                Event::Peeked(admit(&request, &ledgers).map(|_| request))
            }
            Ask::Perform => {
                // Reached by a look: the effect before was found to have happened.
                let keep_until = keep(shell, &effort);
                let intended_at = shell.time.monotonic();
                let commit = Commit { effort, records, keep_until };
                let Some(stored) = store_in_time(shell, &claim, &commit, begun_at).await? else { return Ok(None) };
                // Most decisions make no call: they do not carry its room with them.
                return Box::pin(go_on(shell, stored, commit.effort, intended_at)).await;
            }
            Ask::Admit(request) => {
                place.wait().await;
                let answer = admit_and_store(shell, &claim, &effort, &request, &records, begun_at).await?;
                // An effect may last as long as its grace time; it has a limit of its own.
                place.leave();
                match answer {
                    Answer::NotOurs => return Ok(None),
                    Answer::Refused(event) => *event,
                    Answer::Intended { stored, effort, intended_at } => {
                        return Box::pin(go_on(shell, stored, *effort, intended_at)).await;
                    }
                }
            }
        };
    }
}

/// Whether a decision that began at this monotonic instant is too old to be stored. A process that stood still decides
/// nothing on facts from before: its claim has run out, its plan is dated too early for the budgets of those who came since,
/// and the time that it gives a person to answer has begun already.
fn is_too_old(shell: &Shell, begun_at: Duration) -> bool {
    shell.time.monotonic().saturating_sub(begun_at) > DECISION_LEASE
}

/// Stores a decision, unless it is too old: then it is made again by the next who claims it.
async fn store_in_time<T: Driven>(
    shell: &Shell,
    claim: &Claim,
    commit: &Commit<T>,
    begun_at: Duration,
) -> Result<Option<Stored>, StoreError> {
    if is_too_old(shell, begun_at) {
        tracing::warn!(id = %claim.id, "a decision took longer than its claim; it is made again");
        return Ok(None);
    }
    store(shell, claim, commit).await
}

/// Stores a decision and reports it.
async fn store<T: Driven>(shell: &Shell, claim: &Claim, commit: &Commit<T>) -> Result<Option<Stored>, StoreError> {
    let stored = T::work(&*shell.store).commit(claim, commit).await?;
    if stored.is_some() {
        commit.effort.report(shell, &commit.records);
    }
    Ok(stored)
}

/// Until when the claim on a call is kept; `None` when no call is under way.
fn keep<T: Driven>(shell: &Shell, effort: &T) -> Option<Timestamp> {
    effort.under_way().map(|call| after(shell.time.now(), call_lease(&call.attempt.action)))
}

enum Answer<T> {
    NotOurs,
    Refused(Box<Event>),
    Intended { stored: Stored, effort: Box<T>, intended_at: Duration },
}

/// Asks for the admission of an effect; its intent is stored with it.
async fn admit_and_store<T: Driven>(
    shell: &Shell,
    claim: &Claim,
    effort: &T,
    request: &Request,
    records: &[Record],
    begun_at: Duration,
) -> Result<Answer<T>, StoreError> {
    let mut intended_at = begun_at;
    let mut judge = |ledgers: &[Ledger]| {
        // Under the lock: the wait for it counts.
        if is_too_old(shell, begun_at) {
            return Judged::Abandon;
        }
        let admitted = match admit(&request.clone().dated(shell.time.now()), ledgers) {
            Ok(admitted) => admitted,
            Err(refusal) => return Judged::Refuse(refusal),
        };
        let (begun, rows) = effort.clone().begin(shell, admitted);
        let keep_until = keep(shell, &begun);
        let records = records.iter().cloned().chain(rows).collect();
        // Under the lock, right before it is stored: the wait for the lock makes no intent old.
        intended_at = shell.time.monotonic();
        Judged::Store(Box::new(Commit { effort: begun, records, keep_until }))
    };
    let admission = T::work(&*shell.store).admit(claim, &request.asks(), &mut judge).await?;
    Ok(match admission {
        Admission::Lost | Admission::Abandoned => Answer::NotOurs,
        Admission::Refused(refusal) => Answer::Refused(Box::new(Event::Refused(refusal))),
        Admission::Admitted { stored, commit } => {
            commit.effort.report(shell, &commit.records);
            Answer::Intended { stored, effort: Box::new(commit.effort), intended_at }
        }
    })
}

/// The decision is stored; makes the calls that it began, one after the other. From here on the truth must reach the store
/// even if that takes a while. `intended_at` is from before the intent was stored: a process that stood still while the
/// database answered must find its intent old, because others may have taken it over since.
async fn go_on<T: Driven>(
    shell: &Shell,
    mut stored: Stored,
    mut effort: T,
    mut intended_at: Duration,
) -> Result<Option<Stored>, StoreError> {
    while let Some(UnderWay { attempt, target }) = effort.under_way() {
        let call = execute(shell, &target, &attempt, effort.log_lines(shell), intended_at).await;
        let until = intended_at + call_lease(&attempt.action);
        match store_result(shell, &stored.claim, &effort, &call, until).await {
            Ok(Some(Next { stored: next, goes_on: Some((begun, at)) })) => {
                (stored, effort, intended_at) = (next, begun, at);
            }
            Ok(Some(Next { stored, goes_on: None })) => return Ok(Some(stored)),
            lost => {
                report_late(shell, &effort.whose(&target), &attempt, &call).await;
                return lost.map(|_| None);
            }
        }
    }
    Ok(Some(stored))
}

/// The stored result of a call, and the call that follows, with when it was intended.
struct Next<T> {
    stored: Stored,
    goes_on: Option<(T, Duration)>,
}

/// The decision on the call's end, stored as soon as the store takes it.
async fn store_result<T: Driven>(
    shell: &Shell,
    claim: &Claim,
    effort: &T,
    call: &Call,
    until: Duration,
) -> Result<Option<Next<T>>, StoreError> {
    let passes = |error: &StoreError| {
        let transient = error.is_transient();
        if transient {
            tracing::warn!(id = %claim.id, error = %chain(error), "cannot store the result of an effect yet; retrying");
        }
        transient
    };
    let attempt = || async {
        let (known, mut records) = effort.known(shell, None).await?;
        let step = effort.clone().decide(shell, &known, Event::Returned(call.clone()));
        records.extend(step.records);
        let goes_on = step.ask == Ask::Perform;
        let keep_until = if goes_on { keep(shell, &step.effort) } else { None };
        let commit = Commit { effort: step.effort, records, keep_until };
        let at = shell.time.monotonic();
        let stored = store(shell, claim, &commit).await?;
        Ok(stored.map(|stored| Next { stored, goes_on: goes_on.then_some((commit.effort, at)) }))
    };
    Retry::store_until(until).run(&shell.time, passes, attempt).await
}

/// The result of this call could not be stored under its claim: what the call did is written beside the row that others
/// closed.
///
/// Docker checks no fencing token, so a process that stood still between its last look at the clock and the write of the
/// request acts late (design §1). Who took over has seen an unchanged target and closed the row as failed. Not done: should
/// this process die right after its call, nothing is reported; then the next look at the target sees a run that is not ours,
/// and supersedes what is planned.
async fn report_late(shell: &Shell, whose: &Whose<'_>, attempt: &Attempt, call: &Call) {
    let Some(records) = late(whose, attempt, call, shell.time.now()) else { return };
    let retry = Retry::store_until(shell.time.monotonic() + LATE_PATIENCE);
    let done = retry.run(&shell.time, StoreError::is_transient, || shell.store.late(attempt.action_id, &records)).await;
    match done {
        Ok(true) => shell.telemetry.late(&records),
        // Its row reads succeeded, or is open still: then a look will find out.
        Ok(false) => {}
        Err(error) => tracing::error!(action.id = %attempt.action_id, error = %chain(&error),
            "cannot record a late call; its audit row reads not executed"),
    }
}

#[cfg(test)]
mod tests;
