//! The ledger: what earlier effects leave for the next one, read under the lock that every write takes.

use std::collections::BTreeSet;

use fettle_core::id::{EffortId, RemediationId};
use fettle_core::ports::model::{Ledger, LedgerAsk, Scope, ScopeKind};
use fettle_core::remediation::record::ActionRow;
use fettle_core::text::clean;
use fettle_core::time::{Timestamp, before};

use super::Rows;
use super::facts::open_loan;

impl Rows {
    /// Reads the ledger for each of `asks`.
    pub(super) fn ledgers(&self, asks: &[&LedgerAsk]) -> Vec<Ledger> {
        asks.iter().map(|ask| self.ledger(ask, ask.remediation)).collect()
    }

    /// Reads the ledger on behalf of this remediation: what it does itself is no rival. A return has none.
    pub(super) fn ledger(&self, ask: &LedgerAsk, on_behalf: RemediationId) -> Ledger {
        let mut ledger = Ledger::default();
        for scope in &ask.scopes {
            let (used, oldest) = self.count(ask, *scope);
            ledger.full_since.push((used >= scope.budget.max).then_some(oldest.unwrap_or(ask.now)));
            ledger.used.push(used);
        }
        let on_it = self.actions.spent_on(&clean(&ask.target), &clean(&ask.key));
        let of_others = on_it.filter(|row| row.mode == ask.mode && row.remediation_id != on_behalf);
        ledger.last_effect = of_others.map(|row| row.finished_at.unwrap_or(row.planned_at)).max();
        ledger.rivals = self.rivals(&ask.keys, on_behalf);
        ledger.loans = self.loans.open_on_keys(&ask.keys).filter_map(open_loan).collect();
        ledger.in_flight = self.remediations.running(on_behalf).saturating_add(self.loans.returning());
        ledger.breaker = self.breaker(&ask.rule, ask.unproven_since);
        ledger
    }

    /// How many intents lie in the window, counted up to the budget, and when the oldest of those counted was stored.
    fn count(&self, ask: &LedgerAsk, scope: Scope) -> (u32, Option<Timestamp>) {
        let since = before(ask.now, scope.budget.per);
        let max = usize::try_from(scope.budget.max).unwrap_or(usize::MAX);
        let newest = |rows: &mut dyn Iterator<Item = &ActionRow>| {
            let inside = rows.take_while(|row| row.planned_at >= since).filter(|row| row.mode == ask.mode);
            inside.take(max).fold((0, None), |(used, _), row| (used + 1, Some(row.planned_at)))
        };
        let (rule, target, key) = (clean(&ask.rule), clean(&ask.target), clean(&ask.key));
        match scope.kind {
            ScopeKind::Fleet => newest(&mut self.actions.spent()),
            ScopeKind::Rule => newest(&mut self.actions.spent_by(&rule)),
            ScopeKind::Target => newest(&mut self.actions.spent_on(&target, &key)),
            ScopeKind::RuleTarget => newest(&mut self.actions.spent_on(&target, &key).filter(|row| *row.rule == *rule)),
        }
    }

    /// Who is at work on one of these keys. Effects without a result too: a dependent is acted on under the key of what it
    /// depends on.
    fn rivals(&self, keys: &[String], but: RemediationId) -> Vec<EffortId> {
        let mut rivals: BTreeSet<EffortId> = BTreeSet::new();
        for key in keys {
            let key = clean(key);
            rivals.extend(self.remediations.at_work_on(&key).map(EffortId::from));
            rivals.extend(self.actions.under_way(&key).map(|row| EffortId::from(row.remediation_id)));
        }
        rivals.remove(&but.into());
        rivals.extend(self.loans.returning_on(keys).map(EffortId::from));
        rivals.into_iter().collect()
    }
}
