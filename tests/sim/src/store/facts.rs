//! What is read before a decision: the facts around it, and the ledger.

use std::collections::BTreeSet;

use fettle_core::alert::episode::AlertState;
use fettle_core::guard::ledger::{Ledger, LedgerAsk, ScopeKind};
use fettle_core::remediation::loan::{Loan, LoanState};
use fettle_core::remediation::record::{ActionRow, VerdictRow};
use fettle_core::remediation::state::{Remediation, State};
use fettle_core::rule::model::Mode;
use fettle_core::surroundings::{Breaker, OpenLoan, Pause, Surroundings};
use fettle_core::time::{Timestamp, before};
use uuid::Uuid;

use super::{FactsAsk, Row, Store};
use crate::mutants::Mutant;

impl Store {
    /// What is the case around a remediation.
    pub fn facts(&self, ask: &FactsAsk) -> (Vec<AlertState>, Surroundings) {
        let standing = |it: &&Pause| it.until.is_none_or(|until| until > ask.now);
        let pauses = if self.is(Mutant::PausesForgotten) {
            Vec::new()
        } else {
            self.pauses.iter().filter(standing).cloned().collect()
        };
        let related = |it: &&AlertState| ask.unless && it.firing && it.evidence_at >= ask.unless_since;
        let loans = self.loans.values().filter(|row| row.due.is_some()).filter(|row| {
            let loan = &row.doc;
            loan.target.to_string() == ask.target || ask.key.as_ref().is_some_and(|key| loan.keys.contains(key))
        });
        let loans = loans.map(|row| OpenLoan {
            id: row.doc.id,
            remediation: row.doc.remediation,
            target: row.doc.target.to_string(),
            detail: row.doc.effect.describe(),
            due_at: row.due.unwrap_or(ask.now),
        });
        let answer = self.answers.iter().rev().find(|(id, _)| *id == ask.remediation).map(|(_, it)| it.clone());
        let surroundings = Surroundings {
            pauses,
            storm: self.storm,
            breaker: self.breaker(&ask.rule, ask.unproven_since),
            loans: loans.collect(),
            related: self.alerts.values().filter(related).cloned().collect(),
            answer,
            ..Surroundings::default()
        };
        (self.attached(ask.remediation), surroundings)
    }

    fn breaker(&self, rule: &str, since: Timestamp) -> Breaker {
        if self.is(Mutant::BreakerIgnored) {
            return Breaker::default();
        }
        let known = self.breakers.get(rule);
        let closed_at = known.and_then(|(_, closed_at)| *closed_at);
        // A dependent's row shares the verdict and is not one more strike.
        let is_main = |row: &VerdictRow| {
            let action = self.actions.get(&row.action_id);
            let remediation = action.and_then(|it| self.remediations.get(&it.remediation_id));
            action.zip(remediation).is_none_or(|(action, it)| action.target == it.doc.target.to_string())
        };
        let counted = self.verdicts.iter().rev().filter(|(name, row)| {
            name == rule
                && row.verdict.proves_nothing()
                && row.at >= since
                && closed_at.is_none_or(|at| row.at > at)
                && is_main(row)
        });
        let mut unproven: Vec<_> = counted.map(|(_, row)| row.at).collect();
        unproven.sort_by(|a, b| b.cmp(a));
        Breaker {
            opened_at: known.and_then(|(row, _)| row.opened_at),
            probe: known.and_then(|(row, _)| row.probe),
            unproven,
        }
    }

    /// Reads the ledger.
    pub fn ledgers(&self, asks: &[&LedgerAsk]) -> Vec<Ledger> {
        asks.iter().map(|ask| self.ledger(ask)).collect()
    }

    fn ledger(&self, ask: &LedgerAsk) -> Ledger {
        let mode = |row: &&ActionRow| row.spends && (row.mode == Mode::Observe) == (ask.mode == Mode::Observe);
        let same_target = |row: &ActionRow| row.target == ask.target || row.key.as_ref() == Some(&ask.key);
        let mut ledger = Ledger::default();
        for scope in &ask.scopes {
            let since = before(ask.now, scope.budget.per);
            let counted = self.actions.values().filter(mode).filter(|row| row.planned_at >= since);
            let mut inside: Vec<_> = counted
                .filter(|row| match scope.kind {
                    ScopeKind::Fleet => true,
                    ScopeKind::Rule => row.rule == ask.rule,
                    ScopeKind::Target => same_target(row),
                    ScopeKind::RuleTarget => row.rule == ask.rule && same_target(row),
                })
                .map(|row| row.planned_at)
                .collect();
            inside.sort_by(|a, b| b.cmp(a));
            let max = scope.budget.max as usize + usize::from(self.is(Mutant::BudgetOffByOne));
            ledger.full_since.push(inside.get(max - 1).copied());
            ledger.used.push(u32::try_from(inside.len().min(max)).unwrap_or(u32::MAX));
        }
        let others = self.actions.values().filter(mode).filter(|row| row.remediation_id != ask.remediation);
        let on_it = others.filter(|row| same_target(row));
        ledger.last_effect = on_it.map(|row| row.finished_at.unwrap_or(row.planned_at)).max();
        if !self.is(Mutant::ExclusionForgotten) {
            ledger.rivals = self.rivals(ask);
        }
        let running = |row: &&Row<Remediation>| matches!(row.doc.state, State::Running { .. });
        let open = self.open.values().filter(|id| **id != ask.remediation).filter_map(|id| self.remediations.get(id));
        let returning = self.loans.values().filter(|row| matches!(row.doc.state, LoanState::Returning { .. })).count();
        ledger.in_flight = u32::try_from(open.filter(running).count() + returning).unwrap_or(u32::MAX);
        ledger.breaker = self.breaker(&ask.rule, ask.unproven_since);
        ledger
    }

    /// Who else is at work on one of these keys: remediations, effects without a result (those on dependents too), and
    /// loans that are being returned.
    fn rivals(&self, ask: &LedgerAsk) -> Vec<Uuid> {
        let at_work =
            |row: &&Row<Remediation>| matches!(row.doc.state, State::Running { .. } | State::Verifying { .. });
        let keyed = |key: &Option<String>| key.as_ref().is_some_and(|key| ask.keys.contains(key));
        let open = self.open.values().filter(|id| **id != ask.remediation).filter_map(|id| self.remediations.get(id));
        let mut rivals: Vec<_> = open.filter(at_work).filter(|row| keyed(&row.doc.key)).map(|row| row.doc.id).collect();
        let open_effect =
            |row: &&ActionRow| row.result.is_none() && row.remediation_id != ask.remediation && keyed(&row.key);
        rivals.extend(self.actions.values().filter(open_effect).map(|row| row.remediation_id));
        let returning = |row: &&Row<Loan>| matches!(row.doc.state, LoanState::Returning { .. });
        let theirs = |loan: &Loan| loan.keys.iter().any(|key| ask.keys.contains(key));
        rivals.extend(self.loans.values().filter(returning).filter(|row| theirs(&row.doc)).map(|row| row.doc.id));
        rivals.sort_unstable();
        rivals.dedup();
        rivals
    }

    /// The alerts of the remediation that lent, and the pauses that are not over.
    pub fn loan_facts(&self, loan: &Loan, now: Timestamp) -> (Vec<AlertState>, Vec<Pause>) {
        // Of every remediation of this rule and target: a later one may have taken over what fires by now.
        let same = |id: Uuid| {
            let row = self.remediations.get(&id);
            row.is_some_and(|row| row.doc.rule == loan.rule && row.doc.target == loan.target)
        };
        let of_these = self.candidates.values().filter(|it| it.remediation.is_some_and(same));
        let theirs: BTreeSet<_> = of_these.map(|it| it.fingerprint).collect();
        let alerts = theirs.iter().filter_map(|it| self.alerts.get(it)).cloned().collect();
        let pauses = self.pauses.iter().filter(|it| it.until.is_none_or(|until| until > now)).cloned().collect();
        (alerts, pauses)
    }
}
