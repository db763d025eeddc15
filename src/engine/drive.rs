//! One claimed remediation, driven until it has to wait or is closed: ask the core, do what it asks, store what it says.
//!
//! Always holds: its state, rows and next due time are stored together; between a stored intent and its stored result
//! nothing else is decided about it. When the store fails before an effect, the claim is let go and its lease runs out:
//! nothing happened. When it fails after an effect, the result is kept and tried again for as long as the lease lasts;
//! after that, looking finds the truth.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::core::alert::episode::AlertState;
use crate::core::decide::{Ask, Blind, Decision, Event, Facts, begin, decide};
use crate::core::guard::{Request, admit};
use crate::core::remediation::record::Record;
use crate::core::remediation::state::{Remediation, State};
use crate::core::sight::Sight;
use crate::core::time::{after, since};
use crate::engine::execute::{call_lease, execute};
use crate::engine::intake::chain;
use crate::engine::shell::Shell;
use crate::engine::worker::{Place, Work};
use crate::platform::PlatformError;
use crate::store::StoreError;
use crate::store::model::{Admission, Claim, Claimed, Closed, Commit, Ledger};
use crate::telemetry::events;

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

async fn decide_and_store(shell: &Shell, work: Work, place: Place) -> Result<Option<Closed>, StoreError> {
    let Work { claimed: Claimed { claim, mut remediation }, alerts } = work;
    // Read once per decision: a look in between is bounded, and what is heard meanwhile wakes it again.
    let alerts = match alerts {
        Some(alerts) => alerts,
        None => shell.store.attached(remediation.id).await?,
    };
    let (mut records, mut event, mut place) = (Vec::new(), Event::Due, Some(place));
    loop {
        let decision = think(shell, remediation, &alerts, event);
        remediation = decision.remediation;
        records.extend(decision.records);
        event = match decision.ask {
            Ask::Nothing => {
                let commit = Commit { remediation, records, keep_until: None };
                let closed = shell.store.commit(&claim, &commit).await?;
                if closed.is_some() {
                    events::recorded(&shell.metrics, &commit.remediation, &commit.records);
                }
                return Ok(closed);
            }
            Ask::Find => {
                react(shell, &remediation);
                Event::Found(shell.platform.find(&remediation.target).await.map_err(|error| blind(&error)))
            }
            Ask::Look { id } => Event::Looked(look(shell, &remediation, &id).await),
            Ask::Admit(request) => {
                // Asked once per decision: after a refusal the next decision has nothing more to ask.
                let seat = match place.take() {
                    Some(place) => place.leave().await,
                    None => None,
                };
                match admitted(shell, &claim, &remediation, &request, &records).await? {
                    Answer::Lost => return Ok(None),
                    Answer::Refused(event) => *event,
                    Answer::Done(closed) => return Ok(Some(closed)),
                    Answer::Begun(claim, remediation) => {
                        // An effect may last as long as its grace time; it has a limit of its own.
                        drop(seat);
                        return carry_out(shell, claim, *remediation).await;
                    }
                }
            }
        };
    }
}

/// The intent is stored: makes the call. From here on the truth must reach the store even if that takes a while.
async fn carry_out(shell: &Shell, claim: Claim, remediation: Remediation) -> Result<Option<Closed>, StoreError> {
    let State::Running { attempt, .. } = &remediation.state else { return Ok(None) };
    let lease = call_lease(&attempt.action);
    let stored_at = Instant::now();
    let call = execute(shell, remediation.target.host(), attempt, stored_at).await;
    store_result(shell, claim, remediation, Event::Returned(call), stored_at + lease).await
}

/// The decision on the call's end, stored as soon as the store takes it.
async fn store_result(
    shell: &Shell,
    claim: Claim,
    remediation: Remediation,
    event: Event,
    until: Instant,
) -> Result<Option<Closed>, StoreError> {
    let mut pause = Duration::from_millis(50);
    loop {
        let stored = match shell.store.attached(remediation.id).await {
            Ok(alerts) => {
                let decision = think(shell, remediation.clone(), &alerts, event.clone());
                let commit = Commit { remediation: decision.remediation, records: decision.records, keep_until: None };
                let stored = shell.store.commit(&claim, &commit).await;
                if matches!(stored, Ok(Some(_))) {
                    events::recorded(&shell.metrics, &commit.remediation, &commit.records);
                }
                stored
            }
            Err(error) => Err(error),
        };
        match stored {
            Err(error) if error.is_transient() && Instant::now() < until => {
                tracing::warn!(error = %chain(&error), "the result of an effect could not be stored yet");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(2));
            }
            stored => return stored,
        }
    }
}

fn think(shell: &Shell, remediation: Remediation, alerts: &[AlertState], event: Event) -> Decision {
    let rules = shell.rules.load();
    let facts = Facts {
        rule: rules.get(&remediation.rule).map(|rule| &**rule),
        settings: &shell.settings,
        alerts,
        now: shell.time.now(),
        new_ids: [shell.time.new_id(), shell.time.new_id()],
    };
    decide(remediation, &facts, event)
}

enum Answer {
    Lost,
    Refused(Box<Event>),
    Begun(Claim, Box<Remediation>),
    Done(Closed),
}

async fn admitted(
    shell: &Shell,
    claim: &Claim,
    remediation: &Remediation,
    request: &Request,
    records: &[Record],
) -> Result<Answer, StoreError> {
    // The store calls back inside its transaction; what was committed is what it was given last.
    let given: Mutex<Option<Commit>> = Mutex::new(None);
    let judge = |ledger: &Ledger| {
        let admitted = admit(request, ledger)?;
        let (begun, rows) = begin(remediation.clone(), admitted);
        let keep = matches!(begun.state, State::Running { .. });
        let keep_until = keep.then(|| after(request.ask.now, call_lease(&request.plan.attempt.action)));
        let records = records.iter().cloned().chain(rows).collect();
        let commit = Commit { remediation: begun, records, keep_until };
        *given.lock().unwrap_or_else(PoisonError::into_inner) = Some(commit.clone());
        Ok(commit)
    };
    match shell.store.admit(claim, &request.ask, &judge).await? {
        Admission::Lost => Ok(Answer::Lost),
        Admission::Refused(refusal) => Ok(Answer::Refused(Box::new(Event::Refused(refusal)))),
        Admission::Admitted(closed) => {
            let commit = given.into_inner().unwrap_or_else(PoisonError::into_inner);
            let commit = commit.expect("an admission is stored from what judge gave");
            events::recorded(&shell.metrics, &commit.remediation, &commit.records);
            Ok(match commit.keep_until {
                Some(_) => Answer::Begun(closed.claim, Box::new(commit.remediation)),
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
            shell.metrics.reaction(since(shell.time.now(), remediation.opened_at));
        }
    }
}

async fn look(shell: &Shell, remediation: &Remediation, id: &str) -> Result<Option<Box<Sight>>, Blind> {
    let sight = shell.platform.look(remediation.target.host(), id).await;
    sight.map(|sight| sight.map(Box::new)).map_err(|error| blind(&error))
}

/// A failed look, for the core.
pub(crate) fn blind(error: &PlatformError) -> Blind {
    Blind { reason: error.reason(), error: error.to_string() }
}
