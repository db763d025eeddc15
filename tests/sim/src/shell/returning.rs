//! One claimed loan, driven as a remediation is.

use std::rc::Rc;

use fettle_core::decide::{Ask, Event, LoanDecision, LoanFacts, Looked, Whose, begin_return, return_loan};
use fettle_core::guard::admit;
use fettle_core::remediation::loan::{Loan, LoanState};
use fettle_core::time::after;

use super::drive::{call_lease, execute, told_late};
use super::{Replica, Unavailable};
use crate::history::short;
use crate::store::{Admission, Claim, Commit};
use crate::time::{Micros, SECOND, length};
use crate::world::{Sleep, World};

/// Has a claimed loan driven.
pub fn spawn(world: &Rc<World>, me: &Rc<Replica>, claim: Claim, loan: Loan) {
    let (w, r) = (world.clone(), me.clone());
    world.spawn(me.number, async move {
        // What could not be stored is decided again when the lease runs out.
        let _ = drive(&w, &r, claim, loan).await;
        w.wake_all();
    });
}

async fn think(world: &Rc<World>, me: &Rc<Replica>, loan: Loan, event: Event) -> Result<LoanDecision, Unavailable> {
    let now = me.now(world);
    let (alerts, pauses) = me.ask(world, |store| store.loan_facts(&loan, now)).await?;
    let settings = &world.plan.settings;
    let facts = LoanFacts { alerts: &alerts, pauses: &pauses, settings, now, new_id: world.new_id() };
    Ok(return_loan(loan, &facts, event))
}

async fn commit(
    world: &Rc<World>,
    me: &Rc<Replica>,
    claim: &Claim,
    decision: LoanDecision,
) -> Result<Option<Claim>, Unavailable> {
    let done = Commit { doc: decision.loan, records: decision.records, keep_until: None };
    let w = world.clone();
    world.tell(|| format!("r{} loan {}: {:?}", me.number, short(claim.id), done.doc.state));
    me.ask(world, move |store| {
        let stored = store.commit_loan(claim, &done);
        if stored.is_some() {
            w.checks.borrow_mut().push_loan(&done.doc, &done.records);
        }
        stored
    })
    .await
}

async fn drive(world: &Rc<World>, me: &Rc<Replica>, claim: Claim, mut loan: Loan) -> Result<(), Unavailable> {
    let begun_at = world.now();
    let mut event = Event::Due;
    loop {
        let decision = think(world, me, loan, event).await?;
        loan = decision.loan.clone();
        event = match decision.ask.clone() {
            Ask::Nothing | Ask::Perform | Ask::Peek(_) => {
                commit(world, me, &claim, decision).await?;
                return Ok(());
            }
            Ask::Find(wanted) => {
                me.step(world, 300_000).await;
                let (docker, trouble) = (world.docker.borrow(), world.docker_trouble());
                Event::Found(docker.find(&mut world.rng.borrow_mut(), trouble, &loan.target, wanted))
            }
            Ask::Look { target, pin, .. } => {
                me.step(world, 300_000).await;
                let (docker, trouble) = (world.docker.borrow(), world.docker_trouble());
                Event::Looked(Looked::from(docker.look(&mut world.rng.borrow_mut(), trouble, &target, &pin)))
            }
            Ask::Admit(request) => {
                let intended_at = world.now();
                let w = world.clone();
                let admission = me
                    .ask(world, |store| {
                        if w.now() - begun_at > length(super::DECISION_LEASE) {
                            // The claim has run out, and the facts are from before.
                            return Admission::Lost;
                        }
                        let now = me.now(&w);
                        let dated = request.clone().dated(now);
                        let admission = store.admit_return(&claim, &request.asks(), |ledgers| {
                            let admitted = admit(&dated, ledgers)?;
                            let (doc, records) = begin_return(loan.clone(), admitted);
                            let lease = call_lease(&request.plan.attempt.action);
                            Ok(Commit { doc, records, keep_until: Some(after(now, lease)) })
                        });
                        if let Admission::Admitted(_, commit) = &admission {
                            let mut checks = w.checks.borrow_mut();
                            checks.push_loan(&commit.doc, &commit.records);
                            checks.push_return(&dated, &loan, w.now());
                        }
                        admission
                    })
                    .await;
                match admission? {
                    Admission::Lost => return Ok(()),
                    Admission::Refused(refusal) => Event::Refused(refusal),
                    Admission::Admitted(stored, commit) => {
                        return carry_out(world, me, stored.claim, commit.doc, intended_at).await;
                    }
                }
            }
        };
    }
}

async fn carry_out(
    world: &Rc<World>,
    me: &Rc<Replica>,
    claim: Claim,
    loan: Loan,
    stored_at: Micros,
) -> Result<(), Unavailable> {
    let LoanState::Returning { attempt, .. } = loan.state.clone() else { return Ok(()) };
    let until: Micros = stored_at + length(call_lease(&attempt.action));
    let call = execute(world, me, &loan.target, &attempt, stored_at).await;
    loop {
        let stored = match think(world, me, loan.clone(), Event::Returned(call.clone())).await {
            Ok(decision) => commit(world, me, &claim, decision).await,
            Err(error) => Err(error),
        };
        match stored {
            Err(Unavailable) if world.now() < until => {
                Sleep::until(world, world.now() + SECOND / 20 + world.below(2 * SECOND)).await;
            }
            stored => {
                if !matches!(stored, Ok(Some(_))) {
                    let whose = Whose { remediation: loan.remediation, rule: &loan.rule, target: &loan.target };
                    told_late(world, me, &whose, &attempt, &call).await;
                }
                return stored.map(drop);
            }
        }
    }
}
