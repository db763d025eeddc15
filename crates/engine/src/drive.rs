//! One claimed remediation, driven until it has to wait or is closed: ask the core, do what it asks, store what it says.
//!
//! Always holds: its state, rows and next due time are stored together; between a stored intent and its stored result
//! nothing else is decided about it. When the store fails before an effect, the claim is let go and its lease runs out:
//! nothing happened. When it fails after an effect, the result is kept and tried again for as long as the lease lasts;
//! after that, looking finds the truth.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::execute::{call_lease, execute};
use crate::known::Known;
use crate::late::told_late;
use crate::shell::Shell;
use crate::worker::{DECISION_LEASE, Place, Work};
use fettle_core::alert::episode::AlertState;
use fettle_core::decide::{Ask, Blind, Decision, Event, Facts, Looked, Whose, begin, decide};
use fettle_core::guard::{Request, admit};
use fettle_core::ports::StoreError;
use fettle_core::ports::chain;
use fettle_core::ports::model::{Admission, Claim, Claimed, Commit, Judged, Ledger, Stored};
use fettle_core::ports::platform::PlatformError;
use fettle_core::ports::upstream::judge;
use fettle_core::remediation::record::Record;
use fettle_core::remediation::state::{Remediation, State};
use fettle_core::sight::Pin;
use fettle_core::target::Target;
use fettle_core::time::{Timestamp, after, since};

/// Pause before the result of an effect is stored again; doubled each time.
pub(super) const PAUSE: Duration = Duration::from_millis(50);

/// Longest such pause.
pub(super) const PAUSE_MAX: Duration = Duration::from_secs(2);

/// Drives it.
pub(super) async fn drive(shell: &Shell, again: &mpsc::Sender<Vec<AlertState>>, work: Work, place: Place) {
    match decide_and_store(shell, work, place).await {
        Ok(Some(closed)) if !closed.waiting.is_empty() => {
            // Should the queue be full, upkeep finds them waiting.
            let _ = again.try_send(closed.waiting);
        }
        Ok(Some(_)) => {}
        Ok(None) => tracing::info!("somebody else holds this remediation now, nothing was stored"),
        Err(error) => tracing::warn!(error = %chain(&error), "the decision could not be stored; it is made again"),
    }
    shell.wake.notify_one();
}

async fn decide_and_store(shell: &Shell, work: Work, place: Place) -> Result<Option<Stored>, StoreError> {
    let Work { claimed: Claimed { claim, effort: mut remediation }, alerts } = work;
    let begun_at = Instant::now();
    // Read once per decision: a look in between is bounded, and what is heard meanwhile wakes it again.
    let mut facts = Known::read(shell, &remediation).await?;
    if let Some(alerts) = alerts.filter(|_| shell.upstream.is_none()) {
        facts.alerts = alerts;
    }
    let (mut records, mut event, mut place) = (std::mem::take(&mut facts.ended), Event::Due, Some(place));
    loop {
        let decision = think(shell, remediation, &facts, event);
        remediation = decision.remediation;
        records.extend(decision.records);
        event = match decision.ask {
            Ask::Nothing => {
                let commit = Commit { effort: remediation, records, keep_until: None };
                let closed = shell.store.work().commit(&claim, &commit).await?;
                if closed.is_some() {
                    stored(shell, &commit.effort, &commit.records);
                }
                return Ok(closed);
            }
            Ask::Find(wanted) => {
                react(shell, &remediation);
                let found = shell.platform.find(&remediation.target, wanted).await;
                Event::Found(found.map_err(|error| blind(&error)))
            }
            Ask::Look { target, pin, query } => Event::Looked(look(shell, &target, &pin, query.as_deref()).await),
            Ask::Peek(request) => {
                let ledgers = shell.store.peek(&request.asks()).await?;
                Event::Peeked(admit(&request, &ledgers).map(|_| request))
            }
            Ask::Perform => {
                // Reached by a look: the effect before was found to have happened.
                let keep = call_keep(shell, &remediation);
                let commit = Commit { effort: remediation, records, keep_until: keep };
                let intended_at = Instant::now();
                let Some(kept) = shell.store.work().commit(&claim, &commit).await? else { return Ok(None) };
                stored(shell, &commit.effort, &commit.records);
                return carry_out(shell, kept.claim, commit.effort, intended_at).await;
            }
            Ask::Admit(request) => {
                // Asked once per decision: after a refusal the next decision has nothing more to ask.
                let seat = match place.take() {
                    Some(place) => place.leave().await,
                    None => None,
                };
                match admitted(shell, &claim, &remediation, &request, &records, begun_at).await? {
                    Answer::Lost => return Ok(None),
                    Answer::Refused(event) => *event,
                    Answer::Done(closed) => return Ok(Some(closed)),
                    Answer::Begun(claim, remediation, intended_at) => {
                        // An effect may last as long as its grace time; it has a limit of its own.
                        drop(seat);
                        return carry_out(shell, claim, *remediation, intended_at).await;
                    }
                }
            }
        };
    }
}

/// Until when the claim on a call is kept; `None` when no call is under way.
fn call_keep(shell: &Shell, remediation: &Remediation) -> Option<Timestamp> {
    match &remediation.state {
        State::Running { attempt, .. } => Some(after(shell.time.now(), call_lease(&attempt.action))),
        _ => None,
    }
}

/// The intent is stored: makes the call, and those of its dependents, one after the other. From here on the truth must reach
/// the store even if that takes a while. `intended_at` is from before the intent was stored: a process that stood still while
/// the database answered must find its intent old, because others may have taken it over since.
async fn carry_out(
    shell: &Shell,
    mut claim: Claim,
    mut remediation: Remediation,
    mut intended_at: Instant,
) -> Result<Option<Stored>, StoreError> {
    loop {
        let State::Running { attempt, .. } = &remediation.state else { return Ok(None) };
        let lease = call_lease(&attempt.action);
        let target = attempt.dependent.clone().unwrap_or_else(|| remediation.target.clone());
        let lines = remediation.rule_in(&shell.rules.load()).map_or(0, |rule| rule.evidence.log_lines);
        let attempt = attempt.clone();
        let call = execute(shell, &target, &attempt, lines, intended_at).await;
        let event = Event::Returned(call.clone());
        match store_result(shell, &claim, &remediation, event, intended_at + lease).await {
            Ok(Some((closed, Some((next, at))))) => {
                claim = closed.claim;
                (remediation, intended_at) = (next, at);
            }
            Ok(Some((closed, None))) => return Ok(Some(closed)),
            lost => {
                let whose = Whose { remediation: remediation.id, rule: &remediation.rule, target: &target };
                told_late(shell, &whose, &attempt, &call).await;
                return lost.map(|_| None);
            }
        }
    }
}

/// The decision on the call's end, stored as soon as the store takes it; with the remediation and when it was intended, when
/// another call follows.
async fn store_result(
    shell: &Shell,
    claim: &Claim,
    remediation: &Remediation,
    event: Event,
    until: Instant,
) -> Result<Option<(Stored, Option<(Remediation, Instant)>)>, StoreError> {
    let mut pause = PAUSE;
    loop {
        let done = match Known::read(shell, remediation).await {
            Ok(facts) => {
                let decision = think(shell, remediation.clone(), &facts, event.clone());
                let goes_on = decision.ask == Ask::Perform;
                let keep_until = goes_on.then(|| call_keep(shell, &decision.remediation)).flatten();
                let records = facts.ended.into_iter().chain(decision.records).collect();
                let commit = Commit { effort: decision.remediation, records, keep_until };
                let at = Instant::now();
                let done = shell.store.work().commit(claim, &commit).await;
                if matches!(done, Ok(Some(_))) {
                    stored(shell, &commit.effort, &commit.records);
                }
                done.map(|closed| closed.map(|closed| (closed, goes_on.then_some((commit.effort, at)))))
            }
            Err(error) => Err(error),
        };
        match done {
            Err(error) if error.is_transient() && Instant::now() < until => {
                tracing::warn!(error = %chain(&error), "the result of an effect could not be stored yet");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
            done => return done,
        }
    }
}

/// A decision is stored: it is logged and counted, and told where it is to be told.
fn stored(shell: &Shell, remediation: &Remediation, records: &[Record]) {
    shell.telemetry.recorded(std::slice::from_ref(remediation), records);
    if records.iter().any(|record| matches!(record, Record::Announce(_))) {
        shell.announce.notify_one();
    }
}

fn think(shell: &Shell, remediation: Remediation, known: &Known, event: Event) -> Decision {
    let rule = remediation.rule_in(&shell.rules.load());
    let facts = Facts {
        rule: rule.as_deref(),
        settings: &shell.settings,
        alerts: &known.alerts,
        surroundings: &known.surroundings,
        now: shell.time.now(),
        new_ids: std::array::from_fn(|_| shell.time.new_id()),
    };
    decide(remediation, &facts, event)
}

enum Answer {
    Lost,
    Refused(Box<Event>),
    Begun(Claim, Box<Remediation>, Instant),
    Done(Stored),
}

async fn admitted(
    shell: &Shell,
    claim: &Claim,
    remediation: &Remediation,
    request: &Request,
    records: &[Record],
    begun_at: Instant,
) -> Result<Answer, StoreError> {
    // The intent's age counts from here, under the lock, right before it is stored: the wait for the lock makes no intent old.
    let mut intended_at = begun_at;
    let mut judge = |ledgers: &[Ledger]| {
        // A process that stood still decides nothing on facts from before: its claim has run out, and its plan is dated too
        // early for the budgets of those who came since.
        if begun_at.elapsed() > DECISION_LEASE {
            return Judged::Abandon;
        }
        let now = shell.time.now();
        let admitted = match admit(&request.clone().dated(now), ledgers) {
            Ok(admitted) => admitted,
            Err(refusal) => return Judged::Refuse(refusal),
        };
        let rule = remediation.rule_in(&shell.rules.load());
        let (begun, rows) = begin(remediation.clone(), admitted, rule.as_deref(), &shell.settings);
        let keep = matches!(begun.state, State::Running { .. });
        let keep_until = keep.then(|| after(now, call_lease(&request.plan.attempt.action)));
        let records = records.iter().cloned().chain(rows).collect();
        intended_at = Instant::now();
        Judged::Store(Box::new(Commit { effort: begun, records, keep_until }))
    };
    match shell.store.work().admit(claim, &request.asks(), &mut judge).await? {
        Admission::Lost | Admission::Abandoned => Ok(Answer::Lost),
        Admission::Refused(refusal) => Ok(Answer::Refused(Box::new(Event::Refused(refusal)))),
        Admission::Admitted { stored: closed, commit } => {
            stored(shell, &commit.effort, &commit.records);
            Ok(match commit.keep_until {
                Some(_) => Answer::Begun(closed.claim, Box::new(commit.effort), intended_at),
                None => Answer::Done(closed),
            })
        }
    }
}

/// Time from the request to the first look, once per remediation and only where no hold was asked for.
fn react(shell: &Shell, remediation: &Remediation) {
    if remediation.attempts == 0 && remediation.pin.is_none() && remediation.blind == 0 {
        let due = remediation.due().unwrap_or(remediation.opened_at);
        if due <= remediation.opened_at {
            shell.telemetry.reaction(since(shell.time.now(), remediation.opened_at));
        }
    }
}

pub(super) async fn look(shell: &Shell, target: &Target, pin: &Pin, query: Option<&str>) -> Looked {
    let sight = shell.platform.look(target, pin).await;
    let target = sight.map(|sight| sight.map(Box::new)).map_err(|error| blind(&error));
    let metric = match query {
        None => None,
        Some(query) => Some(metric(shell, query).await),
    };
    Looked { target, metric }
}

/// What the metric says now, by Prometheus' own clock; an answer that proves nothing is blindness.
async fn metric(shell: &Shell, query: &str) -> Result<bool, Blind> {
    let blind = |reason, error: String| Blind { reason, error };
    let Some(prometheus) = &shell.query else {
        return Err(blind("no_prometheus", "no Prometheus is configured".to_owned()));
    };
    let answer = prometheus.query(query, None).await;
    let answer = answer.map_err(|error| blind(error.reason(), error.to_string()))?;
    judge(&answer).ok_or_else(|| blind("metric_unproven", "the answer proves nothing".to_owned()))
}

/// A failed look, for the core.
pub(crate) fn blind(error: &PlatformError) -> Blind {
    Blind { reason: error.reason(), error: error.to_string() }
}
