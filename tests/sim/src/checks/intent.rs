//! Effects as they were admitted: what a decision that was stored means to do to Docker.

use std::collections::BTreeSet;

use fettle_core::action::Action;
use fettle_core::effect::Effect;
use fettle_core::id::{ActionId, AnswerId, LoanId, RemediationId, ReplicaId};
use fettle_core::ports::model::{Commit, LedgerAsk};
use fettle_core::remediation::loan::{Loan, LoanState};
use fettle_core::remediation::record::{Record, ResultRow};
use fettle_core::remediation::state::{Attempt, Awaiting, Remediation, Running, State};
use fettle_core::rule::model::Mode;
use fettle_core::sight::Pin;
use fettle_core::target::Target;
use fettle_core::time::Timestamp;

use super::book::Book;
use crate::time::Micros;

/// An effect that was admitted.
#[derive(Debug, Clone)]
pub struct Intent {
    /// Its row.
    pub action: ActionId,
    /// The remediation; of a return, the one that made the loan.
    pub remediation: RemediationId,
    /// The rule.
    pub rule: String,
    /// The remediation's target.
    pub target: Target,
    /// What is touched, as written.
    pub written: String,
    /// What it is counted by.
    pub key: String,
    /// Act or observe.
    pub mode: Mode,
    /// When, by the process's time.
    pub planned_at: Timestamp,
    /// When, by true time.
    pub at: Micros,
    /// Since when its own time counts, by true time: a dependent's begins when what it follows is over.
    pub counts_from: Micros,
    /// When its facts were read, by true time.
    pub read_at: Micros,
    /// What it touches: full ids.
    pub touches: BTreeSet<String>,
    /// The action's name.
    pub name: &'static str,
    /// The action.
    pub does: Action,
    /// What exactly is done.
    pub effect: Effect,
    /// The run that was decided about.
    pub pin: Pin,
    /// Which rung.
    pub rung: usize,
    /// The answer that it uses, and the plan that was approved.
    pub approved: Option<(AnswerId, String)>,
    /// Ordered by a person by hand.
    pub ordered: bool,
    /// A dependent of another effect.
    pub dependent: bool,
    /// The loan that it returns.
    pub returns: Option<LoanId>,
    /// It makes a loan that is to be returned.
    pub lends: bool,
    /// How it ended.
    pub result: Option<ResultRow>,
    /// Calls that were made for it.
    pub calls: Vec<usize>,
}

/// A body that was stored.
#[derive(Debug, Clone, Copy)]
pub struct Posted {
    /// When, by true time.
    pub at: Micros,
    /// When, by the process's.
    pub received_at: Timestamp,
}

/// A word that an alert fires, that was taken in.
#[derive(Debug, Clone, Copy)]
pub struct Taken {
    /// When it was stored, by true time.
    pub posted_at: Micros,
    /// When it was received, as it is dated.
    pub received_at: Micros,
    /// When it was taken in, by true time.
    pub at: Micros,
}

impl Intent {
    /// Whether it counts against budgets, as far as the record goes.
    pub fn spends(&self) -> bool {
        self.result.as_ref().is_none_or(|row| row.spends)
    }
}

/// A call, beside the host's own row of it.
#[derive(Debug, Clone)]
pub struct Made {
    /// For which row.
    pub action: Option<ActionId>,
    /// By which process.
    pub owner: ReplicaId,
    /// That process stood still after the check of its lease.
    pub zombie: bool,
}

/// What an effect touches: full ids.
pub fn touched(effect: &Effect, pin: &Pin) -> BTreeSet<String> {
    match effect {
        Effect::StopReplicas { replicas, .. } | Effect::StartReplicas { replicas, .. } => {
            replicas.iter().map(|it| it.id.clone()).collect()
        }
        _ => BTreeSet::from([pin.id.clone()]),
    }
}

impl Book {
    /// The effects of one admission.
    pub fn intents_of(
        &self,
        owner: ReplicaId,
        asks: &[&LedgerAsk],
        commit: &Commit<Remediation>,
        now: Micros,
    ) -> Vec<Intent> {
        let doc = &commit.effort;
        let attempts: Vec<&Attempt> = match &doc.state {
            State::Running(Running { attempt, queue, .. }) => std::iter::once(&**attempt).chain(queue).collect(),
            _ => Vec::new(),
        };
        let read_at = self.reads.get(&(owner, doc.id)).copied().unwrap_or(now);
        let hash = match self.docs.get(&doc.id).map(|it| &it.state) {
            Some(State::AwaitingApproval(Awaiting { proposal, .. })) => Some(proposal.hash.clone()),
            _ => None,
        };
        let of = |attempt: &&Attempt| {
            let dependent = attempt.dependent.is_some();
            let row = commit.records.iter().find_map(|it| match it {
                Record::Action(row) if row.id == attempt.action_id => Some(row),
                _ => None,
            });
            let by_person = row.is_some_and(|row| row.actor != "fettle") && doc.order.is_none();
            let key = asks.first().map(|ask| ask.key.clone()).unwrap_or_default();
            Intent {
                action: attempt.action_id,
                remediation: doc.id,
                rule: doc.rule.clone(),
                target: doc.target.clone(),
                written: attempt.dependent.as_ref().unwrap_or(&doc.target).to_string(),
                key: if dependent { format!("{}/{}", crate::town::DAEMON, attempt.pin.id) } else { key },
                mode: Mode::Act,
                planned_at: attempt.intended_at,
                at: now,
                counts_from: now,
                read_at,
                touches: touched(&attempt.effect, &attempt.pin),
                name: attempt.action.name(),
                does: attempt.action.clone(),
                effect: attempt.effect.clone(),
                pin: attempt.pin.clone(),
                rung: attempt.rung,
                approved: doc.answered.filter(|_| by_person).map(|id| (id, hash.clone().unwrap_or_default())),
                ordered: doc.order.is_some(),
                dependent,
                returns: None,
                lends: attempt.action.scales() && !dependent && doc.order.is_none(),
                result: None,
                calls: Vec::new(),
            }
        };
        attempts.iter().map(of).collect()
    }

    /// The return of a loan.
    pub fn returns_of(loan: &Loan, now: Micros) -> Vec<Intent> {
        let LoanState::Returning { attempt, .. } = &loan.state else { return Vec::new() };
        vec![Intent {
            action: attempt.action_id,
            remediation: loan.remediation,
            rule: loan.rule.clone(),
            target: loan.target.clone(),
            written: loan.target.to_string(),
            key: loan.key.clone(),
            mode: Mode::Act,
            planned_at: attempt.intended_at,
            at: now,
            counts_from: now,
            read_at: now,
            touches: touched(&attempt.effect, &attempt.pin),
            name: "restore",
            does: attempt.action.clone(),
            effect: attempt.effect.clone(),
            pin: attempt.pin.clone(),
            rung: attempt.rung,
            approved: None,
            ordered: false,
            dependent: false,
            returns: Some(loan.id),
            lends: false,
            result: None,
            calls: Vec::new(),
        }]
    }
}
