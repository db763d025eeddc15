//! Loans: those that are due are claimed and brought back, or seen to be somebody else's by now.
//!
//! Always holds: as for remediations, a loan is decided only under a claim, and its intent is stored before the call. There
//! are few of them and none is in a hurry, so one is driven after the other.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::drive::{PAUSE, PAUSE_MAX, blind, look};
use crate::execute::{call_lease, execute};
use crate::late::told_late;
use crate::pulse::{Pulse, ROUND};
use crate::shell::Shell;
use crate::worker::DECISION_LEASE;
use fettle_core::decide::{Ask, Event, LoanDecision, LoanFacts, Whose, begin_return, return_loan};
use fettle_core::guard::{Request, admit};
use fettle_core::ports::StoreError;
use fettle_core::ports::chain;
use fettle_core::ports::model::{Admission, Claim, Claimed, Commit, Judged, Ledger, LoanFactsAsk};
use fettle_core::remediation::loan::{Loan, LoanState};
use fettle_core::time::after;

/// How often due loans are looked for. They wait for minutes at least, and a call under way is looked at every 2 s.
const EVERY: Duration = Duration::from_secs(1);

/// How long one loan may take: the longest call that returns one, and the looks and the store around it.
const ONE: Duration = Duration::from_mins(5);

/// Loans driven one after the other before it is asked again whether to stop.
const AT_ONCE: usize = 8;

/// The task that brings loans back.
pub struct Loans {
    /// The engine's parts.
    pub shell: Arc<Shell>,
}

impl Loans {
    /// Works until `stop`; a call under way is let end.
    pub async fn run(self, stop: CancellationToken, pulse: Pulse) {
        let mut every = tokio::time::interval(EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            pulse.again(ROUND);
            // Cancel safe: both keep nothing.
            tokio::select! {
                biased;
                () = stop.cancelled() => {
                    pulse.done();
                    return;
                }
                _ = every.tick() => {}
            }
            for _ in 0..AT_ONCE {
                // Claimed one by one: a call may last longer than the claim on those that wait behind it.
                let now = self.shell.time.now();
                let lease = after(now, DECISION_LEASE);
                let due = match self.shell.store.loans().claim(self.shell.owner, now, lease, 1).await {
                    Ok(due) => due,
                    Err(error) => {
                        tracing::debug!(error = %chain(&error), "due loans could not be claimed");
                        break;
                    }
                };
                let Some(loan) = due.into_iter().next() else { break };
                let id = loan.effort.id;
                pulse.again(ONE);
                if let Err(error) = drive(&self.shell, loan).await {
                    tracing::warn!(loan.id = %id, error = %chain(&error), "a decision about a loan could not be stored");
                }
            }
        }
    }
}

async fn drive(shell: &Shell, claimed: Claimed<Loan>) -> Result<(), StoreError> {
    let Claimed { claim, effort: mut loan } = claimed;
    let begun_at = Instant::now();
    let mut event = Event::Due;
    loop {
        let decision = think(shell, loan, event).await?;
        match decision.ask {
            Ask::Nothing => {
                store(shell, &claim, Commit { effort: decision.loan, records: decision.records, keep_until: None })
                    .await?;
                return Ok(());
            }
            Ask::Find(wanted) => {
                loan = decision.loan;
                event = Event::Found(shell.platform.find(&loan.target, wanted).await.map_err(|error| blind(&error)));
            }
            Ask::Look { target, pin, .. } => {
                loan = decision.loan;
                event = Event::Looked(look(shell, &target, &pin, None).await);
            }
            Ask::Admit(request) => match admitted(shell, &claim, &decision.loan, &request, begun_at).await? {
                Answer::Lost => return Ok(()),
                Answer::Refused(refused) => {
                    loan = decision.loan;
                    event = *refused;
                }
                Answer::Begun(kept, begun, intended_at) => return carry_out(shell, &kept, *begun, intended_at).await,
            },
            // Never asked about a loan: it proposes nothing and has no dependents.
            Ask::Peek(_) | Ask::Perform => return Ok(()),
        }
    }
}

async fn think(shell: &Shell, loan: Loan, event: Event) -> Result<LoanDecision, StoreError> {
    let now = shell.time.now();
    let around = shell.store.loans().facts(&LoanFactsAsk::about(&loan, now)).await?;
    let facts = LoanFacts {
        alerts: &around.alerts,
        pauses: &around.pauses,
        settings: &shell.settings,
        now,
        new_id: shell.time.new_id(),
    };
    Ok(return_loan(loan, &facts, event))
}

async fn store(shell: &Shell, claim: &Claim, commit: Commit<Loan>) -> Result<Option<Claim>, StoreError> {
    let kept = shell.store.loans().commit(claim, &commit).await?;
    if kept.is_some() {
        shell.telemetry.loan(&commit.effort, &commit.records);
    }
    Ok(kept.map(|stored| stored.claim))
}

enum Answer {
    Lost,
    Refused(Box<Event>),
    Begun(Claim, Box<Loan>, Instant),
}

async fn admitted(
    shell: &Shell,
    claim: &Claim,
    loan: &Loan,
    request: &Request,
    begun_at: Instant,
) -> Result<Answer, StoreError> {
    let mut intended_at = begun_at;
    let mut judge = |ledgers: &[Ledger]| {
        // As for remediations: a process that stood still brings nothing back by what it knew before.
        if begun_at.elapsed() > DECISION_LEASE {
            return Judged::Abandon;
        }
        let now = shell.time.now();
        let admitted = match admit(&request.clone().dated(now), ledgers) {
            Ok(admitted) => admitted,
            Err(refusal) => return Judged::Refuse(refusal),
        };
        let (begun, records) = begin_return(loan.clone(), admitted);
        let keep_until = Some(after(now, call_lease(&request.plan.attempt.action)));
        intended_at = Instant::now();
        Judged::Store(Box::new(Commit { effort: begun, records, keep_until }))
    };
    Ok(match shell.store.loans().admit(claim, &request.asks(), &mut judge).await? {
        Admission::Lost | Admission::Abandoned => Answer::Lost,
        Admission::Refused(refusal) => Answer::Refused(Box::new(Event::Refused(refusal))),
        Admission::Admitted { stored, commit } => {
            shell.telemetry.loan(&commit.effort, &commit.records);
            Answer::Begun(stored.claim, Box::new(commit.effort), intended_at)
        }
    })
}

/// Makes the call and stores what became of it, as soon as the store takes it and for as long as the claim may last.
async fn carry_out(shell: &Shell, claim: &Claim, loan: Loan, intended_at: Instant) -> Result<(), StoreError> {
    let LoanState::Returning { attempt, .. } = loan.state.clone() else { return Ok(()) };
    let until = intended_at + call_lease(&attempt.action);
    let call = execute(shell, &loan.target, &attempt, 0, intended_at).await;
    let mut pause = PAUSE;
    let stored = loop {
        let stored = match think(shell, loan.clone(), Event::Returned(call.clone())).await {
            Ok(decision) => {
                let commit = Commit { effort: decision.loan, records: decision.records, keep_until: None };
                store(shell, claim, commit).await
            }
            Err(error) => Err(error),
        };
        match stored {
            Err(error) if error.is_transient() && Instant::now() < until => {
                tracing::warn!(loan.id = %claim.id, error = %chain(&error), "the return of a loan could not be stored yet");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
            stored => break stored,
        }
    };
    if !matches!(stored, Ok(Some(_))) {
        let whose = Whose { remediation: loan.remediation, rule: &loan.rule, target: &loan.target };
        told_late(shell, &whose, &attempt, &call).await;
    }
    stored.map(drop)
}
