//! The seam between engine and store: what passes it is shown to the checks, and this is where deliberate faults are put in.

use fettle_core::announcement::AnnouncementName;
use fettle_core::id::{ActionId, RemediationId, ReplicaId};
use fettle_core::ports::model::{Admission, Claim, Claimed, Commit, Facts, FactsAsk, Judged, Ledger, LedgerAsk};
use fettle_core::ports::model::{LoanFacts, LoanFactsAsk, Stored};
use fettle_core::ports::{Effort, Judge, Store, StoreError};
use fettle_core::receive::Changes;
use fettle_core::remediation::loan::Loan;
use fettle_core::remediation::record::Record;
use fettle_core::remediation::state::{Awaiting, Remediation, State};
use fettle_core::surroundings::{AnswerKind, Breaker};

use crate::checks::Deed;
use crate::mutants::Mutant;
use crate::world::World;

/// An effort whose decisions the checks see.
pub trait Watched: Effort {
    /// What a process finds due, with the fault in it.
    fn claimed(_: Option<Mutant>, claimed: Vec<Claimed<Self>>) -> Vec<Claimed<Self>> {
        claimed
    }

    /// What a question for facts is about.
    fn asked_about(ask: &Self::Ask) -> Option<RemediationId>;

    /// What a decision is made from, with the fault in it.
    fn found(world: &World, ask: &Self::Ask, facts: Self::Facts) -> Self::Facts;

    /// What one decision stores, with the fault in it.
    fn written(mutant: Option<Mutant>, commit: Commit<Self>) -> Commit<Self>;

    /// An effect was admitted with this commit.
    fn admitted<'a>(owner: ReplicaId, asks: &'a [&'a LedgerAsk], commit: &'a Commit<Self>) -> Deed<'a>;

    /// A decision was stored.
    fn stored<'a>(claim: &'a Claim, commit: &'a Commit<Self>, kept: Option<&'a Claim>, fenced: bool) -> Deed<'a>;
}

impl Watched for Remediation {
    fn claimed(mutant: Option<Mutant>, mut claimed: Vec<Claimed<Self>>) -> Vec<Claimed<Self>> {
        if mutant == Some(Mutant::ApprovalReused) {
            for it in &mut claimed {
                it.effort.answered = None;
            }
        }
        claimed
    }

    fn asked_about(ask: &FactsAsk) -> Option<RemediationId> {
        Some(ask.remediation)
    }

    fn found(world: &World, ask: &FactsAsk, mut facts: Facts) -> Facts {
        match world.mutant {
            Some(Mutant::PausesForgotten) => facts.surroundings.pauses.clear(),
            Some(Mutant::BreakerIgnored) => facts.surroundings.breaker = Breaker::default(),
            Some(Mutant::ApprovalReused) => {
                let checks = world.checks();
                let asked = checks.doc(ask.remediation).and_then(|doc| match &doc.state {
                    State::AwaitingApproval(Awaiting { proposal, .. }) => Some(proposal),
                    _ => None,
                });
                let given = facts.surroundings.answer.as_mut().filter(|it| it.kind == AnswerKind::Approve);
                if let (Some(asked), Some(answer)) = (asked, given) {
                    (answer.plan, answer.at) = (Some(asked.hash.clone()), answer.at.max(asked.asked_at));
                }
            }
            _ => {}
        }
        facts
    }

    fn written(mutant: Option<Mutant>, mut commit: Commit<Self>) -> Commit<Self> {
        records(mutant, &mut commit.records);
        let nothing = |it: &Record| match it {
            Record::Verdict { row, .. } if row.verdict.proves_nothing() => Some(row.at),
            _ => None,
        };
        if mutant == Some(Mutant::VerdictIgnored)
            && commit.effort.outcome().is_some()
            && let Some(until) = commit.records.iter().find_map(nothing)
        {
            commit.effort.state = State::Held { until };
        }
        commit
    }

    fn admitted<'a>(owner: ReplicaId, asks: &'a [&'a LedgerAsk], commit: &'a Commit<Self>) -> Deed<'a> {
        Deed::Admitted { owner, asks, commit }
    }

    fn stored<'a>(claim: &'a Claim, commit: &'a Commit<Self>, kept: Option<&'a Claim>, fenced: bool) -> Deed<'a> {
        Deed::Stored { claim, after: &commit.effort, records: &commit.records, kept, fenced }
    }
}

impl Watched for Loan {
    fn asked_about(_: &LoanFactsAsk) -> Option<RemediationId> {
        None
    }

    fn found(world: &World, _: &LoanFactsAsk, mut facts: LoanFacts) -> LoanFacts {
        if world.mutant == Some(Mutant::PausesForgotten) {
            facts.pauses.clear();
        }
        facts
    }

    fn written(mutant: Option<Mutant>, mut commit: Commit<Self>) -> Commit<Self> {
        records(mutant, &mut commit.records);
        commit
    }

    fn admitted<'a>(_: ReplicaId, _: &'a [&'a LedgerAsk], commit: &'a Commit<Self>) -> Deed<'a> {
        Deed::Returning { loan: &commit.effort }
    }

    fn stored<'a>(_: &'a Claim, commit: &'a Commit<Self>, _: Option<&'a Claim>, _: bool) -> Deed<'a> {
        Deed::Lent { loan: &commit.effort, records: &commit.records }
    }
}

/// What is written of notifications.
pub fn received(mutant: Option<Mutant>, mut changes: Changes) -> Changes {
    match mutant {
        Some(Mutant::CandidatesLost) => changes.candidates.clear(),
        Some(Mutant::StormNotLatched) => changes.storm = None,
        _ => {}
    }
    changes
}

fn ledgers(mutant: Option<Mutant>, found: &[Ledger], asks: &[&LedgerAsk]) -> Vec<Ledger> {
    let mut found = found.to_vec();
    for (ledger, ask) in found.iter_mut().zip(asks) {
        match mutant {
            // A budget of more than one is never found full.
            Some(Mutant::BudgetIgnored) => {
                for (full, scope) in ledger.full_since.iter_mut().zip(&ask.scopes) {
                    if scope.budget.max > 1 {
                        *full = None;
                    }
                }
            }
            Some(Mutant::BreakerIgnored) => ledger.breaker = Breaker::default(),
            Some(Mutant::ExclusionForgotten) => ledger.rivals.clear(),
            _ => {}
        }
    }
    found
}

fn records(mutant: Option<Mutant>, records: &mut Vec<Record>) {
    match mutant {
        Some(Mutant::ResultLost) => records.retain(|it| !matches!(it, Record::Result(_))),
        Some(Mutant::LoanForgotten) => records.retain(|it| !matches!(it, Record::Loan(_))),
        Some(Mutant::IntentNotStored) => {
            records.retain(|it| !matches!(it, Record::Action(row) if row.result.is_none()));
        }
        Some(Mutant::WorkingNotWithdrawn) => records.retain(|it| match it {
            Record::Announce(it) => it.name != AnnouncementName::Working || it.until > it.at,
            _ => true,
        }),
        _ => {}
    }
}

/// An admission.
pub async fn admit<T: Watched>(
    world: &World,
    owner: ReplicaId,
    store: &dyn Store,
    claim: &Claim,
    asks: &[&LedgerAsk],
    judge: Judge<'_, T>,
) -> Result<Admission<T>, StoreError> {
    let mutant = world.mutant;
    let mut judge = |found: &[Ledger]| match judge(&ledgers(mutant, found, asks)) {
        Judged::Store(commit) => Judged::Store(Box::new(T::written(mutant, *commit))),
        other => other,
    };
    let admission = T::work(store).admit(claim, asks, &mut judge).await?;
    if let Admission::Admitted { stored, commit } = &admission {
        let kept = commit.keep_until.map(|_| &stored.claim);
        world.deed(&T::admitted(owner, asks, commit));
        world.deed(&T::stored(claim, commit, kept, true));
    }
    Ok(admission)
}

/// A decision is stored.
pub async fn commit<T: Watched>(
    world: &World,
    store: &dyn Store,
    claim: &Claim,
    commit: &Commit<T>,
) -> Result<Option<Stored>, StoreError> {
    let commit = T::written(world.mutant, commit.clone());
    let mut fenced = true;
    let mut stored = T::work(store).commit(claim, &commit).await?;
    if stored.is_none() && world.mutant == Some(Mutant::LeaseNotFenced) {
        let current = world.checks().claim_of(claim.id);
        if let Some(current) = current {
            fenced = false;
            stored = T::work(store).commit(&current, &commit).await?;
        }
    }
    if let Some(stored) = &stored {
        let kept = commit.keep_until.map(|_| &stored.claim);
        world.deed(&T::stored(claim, &commit, kept, fenced));
    }
    Ok(stored)
}

/// The report of a late call.
pub async fn late(world: &World, store: &dyn Store, action: ActionId, records: &[Record]) -> Result<bool, StoreError> {
    if world.mutant == Some(Mutant::LateCallsUnreported) {
        return Ok(false);
    }
    let stored = store.late(action, records).await?;
    if stored {
        world.deed(&Deed::Late { records });
    }
    Ok(stored)
}
