//! The worker: claims what is due, asks the core, does what it asks, stores what it says.
//!
//! Always holds: a remediation is decided only under a claim, and its state, rows and next due time are stored together; a
//! claim that was lost stores nothing. Between a stored intent and its stored result nothing else is decided about it: if
//! this process dies there, whoever claims it next finds `running` and looks before anything else.
//!
//! When the store fails before an effect, the claim is let go and its lease runs out: nothing happened. When it fails after
//! an effect, the result is kept and tried again for as long as the lease lasts; after that, looking finds the truth.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::core::alert::episode::AlertState;
use crate::core::decide::{Ask, Blind, Decision, Event, Facts, begin, decide};
use crate::core::guard::{Request, admit};
use crate::core::remediation::record::Record;
use crate::core::remediation::state::{Remediation, State};
use crate::core::time::{after, since};
use crate::engine::execute::{call_lease, execute};
use crate::engine::intake::chain;
use crate::engine::shell::Shell;
use crate::platform::PlatformError;
use crate::store::StoreError;
use crate::store::model::{Admission, Claim, Claimed, Closed, Commit};
use crate::telemetry::events;

/// How long a claim lasts for deciding: several store and Docker time-outs of 5 s.
pub const DECISION_LEASE: Duration = Duration::from_secs(20);

/// Remediations decided at the same time. Deciding waits for the database and for Docker's looks, of which more than some
/// sixteen at once make all of them slower; effects have their own, lower limit.
const AT_ONCE: usize = 16;

/// New remediations that may wait in memory for their turn.
const QUEUE: usize = 4096;

/// Longest pause between two looks for due work: other replicas' wakes are not heard here.
const POLL: Duration = Duration::from_secs(1);

/// How long work under way may take to end at shutdown.
pub const DRAIN: Duration = Duration::from_secs(25);

/// Where new remediations wait for the worker.
#[derive(Clone)]
pub struct Queue(mpsc::Sender<Work>);

/// A claimed remediation, with its alerts where they are known already.
struct Work {
    claimed: Claimed,
    alerts: Option<Vec<AlertState>>,
}

impl Queue {
    /// How many more fit.
    #[must_use]
    pub fn room(&self) -> usize {
        self.0.capacity()
    }

    /// Puts a new one in, with the alerts attached to it.
    pub(crate) async fn push(&self, claimed: Claimed, alerts: Vec<AlertState>) {
        // The worker ends only at shutdown: then the lease runs out and another process goes on.
        let _ = self.0.send(Work { claimed, alerts: Some(alerts) }).await;
    }
}

/// The task that drives remediations.
pub struct Worker {
    shell: Arc<Shell>,
    queue: mpsc::Receiver<Work>,
    again: mpsc::Sender<Vec<AlertState>>,
}

/// The worker and the queue to it. Alerts whose candidates waited go to `again`.
#[must_use]
pub fn worker(shell: Arc<Shell>, again: mpsc::Sender<Vec<AlertState>>) -> (Queue, Worker) {
    let (queue, waiting) = mpsc::channel(QUEUE);
    (Queue(queue), Worker { shell, queue: waiting, again })
}

impl Worker {
    /// Works until `stop`, then lets what is under way end for at most [`DRAIN`].
    pub async fn run(mut self, stop: CancellationToken) {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        let mut tasks = JoinSet::new();
        let mut next = Instant::now();
        while !stop.is_cancelled() {
            let Ok(place) = places.clone().acquire_owned().await else { break };
            // Cancel safe: recv, notified, sleep and cancelled keep what they did not give; join_next too.
            let due = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(work) = self.queue.recv() => vec![work],
                Some(ended) = tasks.join_next(), if !tasks.is_empty() => {
                    watch(ended);
                    continue;
                }
                () = self.shell.wake.notified() => self.claim(&places, &mut next).await,
                () = tokio::time::sleep_until(next) => self.claim(&places, &mut next).await,
            };
            let mut place = Some(place);
            for work in due {
                let place = match place.take() {
                    Some(place) => place,
                    None => match places.clone().acquire_owned().await {
                        Ok(place) => place,
                        Err(_) => break,
                    },
                };
                let (shell, again) = (self.shell.clone(), self.again.clone());
                tasks.spawn(async move {
                    // At info every line about a remediation carries these fields itself; with debug, what others log does too.
                    let span = tracing::debug_span!("remediation", remediation.id = %work.claimed.claim.id,
                        rule = work.claimed.remediation.rule, target = %work.claimed.remediation.target);
                    drive(&shell, &again, work).instrument(span).await;
                    drop(place);
                });
            }
        }
        let drained = tokio::time::timeout(DRAIN, async {
            while let Some(ended) = tasks.join_next().await {
                watch(ended);
            }
        });
        if drained.await.is_err() {
            tracing::warn!(
                under_way = tasks.len(),
                "shutdown did not wait for all effects; they are looked at after the next start"
            );
        }
    }

    /// Claims what is due and sets when to look next.
    async fn claim(&self, places: &Semaphore, next: &mut Instant) -> Vec<Work> {
        let now = self.shell.time.now();
        // The caller holds one place already.
        let limit = u32::try_from(places.available_permits() + 1).unwrap_or(u32::MAX);
        let lease = after(now, DECISION_LEASE);
        *next = Instant::now() + POLL;
        match self.shell.store.claim(self.shell.owner, now, lease, limit).await {
            Ok(claimed) if claimed.is_empty() => {
                if let Ok(Some(due)) = self.shell.store.next_due(now).await {
                    *next = Instant::now() + since(due, now).min(POLL);
                }
                Vec::new()
            }
            Ok(claimed) => {
                // There may be more.
                *next = Instant::now();
                claimed.into_iter().map(|claimed| Work { claimed, alerts: None }).collect()
            }
            Err(error) => {
                tracing::warn!(error = %chain(&error), "due remediations could not be claimed");
                Vec::new()
            }
        }
    }
}

fn watch(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a remediation's task ended unasked; its lease runs out and it is claimed again");
    }
}

/// Drives one claimed remediation until it has to wait or is closed.
async fn drive(shell: &Shell, again: &mpsc::Sender<Vec<AlertState>>, work: Work) {
    match decide_and_store(shell, work).await {
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

async fn decide_and_store(shell: &Shell, work: Work) -> Result<Option<Closed>, StoreError> {
    let Work { claimed: Claimed { claim, mut remediation }, alerts } = work;
    // Read once per decision: a look in between is bounded, and what is heard meanwhile wakes it again.
    let alerts = match alerts {
        Some(alerts) => alerts,
        None => shell.store.attached(remediation.id).await?,
    };
    let (mut records, mut event) = (Vec::new(), Event::Due);
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
            Ask::Admit(request) => match admitted(shell, &claim, &remediation, &request, &records).await? {
                Answer::Lost => return Ok(None),
                Answer::Refused(event) => *event,
                Answer::Done(closed) => return Ok(Some(closed)),
                Answer::Begun(claim, remediation) => {
                    // From here on the truth must reach the store even if it takes a while.
                    let State::Running { attempt, .. } = &remediation.state else { return Ok(None) };
                    let lease = call_lease(&attempt.action);
                    let stored_at = Instant::now();
                    let call = execute(shell, remediation.target.host(), attempt, stored_at).await;
                    let event = Event::Returned(call);
                    return store_result(shell, claim, *remediation, event, stored_at + lease).await;
                }
            },
        };
    }
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
    let judge = |ledger: &crate::store::model::Ledger| {
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

async fn look(
    shell: &Shell,
    remediation: &Remediation,
    id: &str,
) -> Result<Option<Box<crate::core::sight::Sight>>, Blind> {
    let sight = shell.platform.look(remediation.target.host(), id).await;
    sight.map(|sight| sight.map(Box::new)).map_err(|error| blind(&error))
}

/// A failed look, for the core.
pub(crate) fn blind(error: &PlatformError) -> Blind {
    Blind { reason: error.reason(), error: error.to_string() }
}
