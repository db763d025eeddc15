//! The circuit breakers of the rules: opened and closed by decisions, reset by hand.

use std::collections::BTreeMap;
use std::sync::Arc;

use fettle_core::id::ActionId;
use fettle_core::ports::StoreError;
use fettle_core::ports::common::UNPROVEN_MAX;
use fettle_core::remediation::record::BreakerRow;
use fettle_core::remediation::refusal::Guard;
use fettle_core::surroundings::Breaker;
use fettle_core::text::clean;
use fettle_core::time::Timestamp;

use super::clean::text;
use super::{Process, Rows};

/// The breaker of a rule that was ever opened or reset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Circuit {
    /// When that was decided.
    pub at: Timestamp,
    /// Since when it is open.
    pub opened_at: Option<Timestamp>,
    /// The one act that is tried while half open.
    pub probe: Option<ActionId>,
    /// When it was last closed: verdicts from before count no more.
    pub closed_at: Option<Timestamp>,
    /// Who closed it by hand.
    pub by: Option<String>,
}

pub(super) type Breakers = BTreeMap<Arc<str>, Circuit>;

impl Rows {
    /// What was decided before what is stored says nothing any more: else a verdict that was long on its way would forget a
    /// probe.
    pub(super) fn switch(&mut self, row: &BreakerRow) {
        let rule = self.names.share(&clean(&row.rule));
        let known = self.breakers.get(&rule);
        if known.is_some_and(|known| row.at < known.at) {
            return;
        }
        let closed_at = if row.opened_at.is_none() { Some(row.at) } else { known.and_then(|it| it.closed_at) };
        let probe = row.probe.filter(|_| row.opened_at.is_some());
        let by = row.by.as_deref().map(text);
        self.breakers.insert(rule, Circuit { at: row.at, opened_at: row.opened_at, probe, closed_at, by });
    }

    /// When verdicts on the rule were given that proved nothing, newest first, none from before its breaker was last closed.
    fn unproven(&self, rule: &str) -> impl Iterator<Item = Timestamp> {
        let closed_at = self.breakers.get(rule).and_then(|it| it.closed_at);
        self.actions.unproven(rule).take_while(move |at| closed_at.is_none_or(|closed| *at > closed))
    }

    /// A rule's breaker, with what is unproven since `since`.
    pub(super) fn breaker(&self, rule: &str, since: Timestamp) -> Breaker {
        let rule = clean(rule);
        let known = self.breakers.get(&*rule);
        let most = usize::try_from(UNPROVEN_MAX).unwrap_or(usize::MAX);
        Breaker {
            opened_at: known.and_then(|it| it.opened_at),
            probe: known.and_then(|it| it.probe),
            unproven: self.unproven(&rule).take_while(|at| *at >= since).take(most).collect(),
        }
    }

    /// Closes a rule's breaker; false when there is nothing to reset.
    fn reset(&mut self, rule: &str, by: &str, now: Timestamp) -> bool {
        let named = clean(rule);
        let is_open = self.breakers.get(&*named).is_some_and(|it| it.opened_at.is_some());
        if !is_open && self.unproven(&named).next().is_none() {
            return false;
        }
        self.switch(&BreakerRow {
            rule: rule.to_owned(),
            at: now,
            opened_at: None,
            probe: None,
            by: Some(by.to_owned()),
        });
        if self.remediations.wake_blocked(Guard::Tripped, Some(rule), now) {
            self.processes.tell();
        }
        true
    }
}

impl Process {
    pub(super) fn reset(&self, rule: &str, by: &str, now: Timestamp) -> Result<bool, StoreError> {
        self.write("reset a breaker", |rows| Ok(rows.reset(rule, by, now)))
    }
}
