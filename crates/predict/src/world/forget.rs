//! What can matter to nothing any more is forgotten, so that a month takes no more memory than what its rules look back on.

use std::sync::Arc;
use std::time::Duration;

use fettle_core::alert::episode::STALE_FOR;
use fettle_core::rule::model::Rule;
use fettle_core::rule::set::RuleSet;
use fettle_core::settings::Settings;
use fettle_core::time::{Timestamp, before};
use fettle_memory::store::Memory;

/// An alert that ended is as good as unknown once no firing body of before can still come; with room.
const ENDED_FOR: Duration = Duration::from_secs(6 * STALE_FOR.as_secs());

/// Windows are closed intervals, and a verdict comes some time after its effect.
const MORE: Duration = Duration::from_hours(1);

/// How long things can matter, and when it is looked again what can go.
#[derive(Debug)]
pub(super) struct Forgetting {
    keep: Duration,
    next: Option<Timestamp>,
}

impl Forgetting {
    pub(super) fn new(rules: &RuleSet, settings: &Settings) -> Self {
        Self { keep: longest(rules, settings), next: None }
    }

    /// From now on things can matter as long as these rules look back, too.
    pub(super) fn need(&mut self, rules: &RuleSet, settings: &Settings) {
        self.keep = self.keep.max(longest(rules, settings));
    }

    /// Forgets, now and then: each time a fourth of what is kept may go.
    pub(super) fn forget(&mut self, memory: &Memory, now: Timestamp) {
        if self.next.is_some_and(|next| now < next) {
            return;
        }
        if self.next.is_some() {
            memory.forget(before(now, self.keep), before(now, self.keep.max(ENDED_FOR)));
        }
        self.next = Some(fettle_core::time::after(now, self.keep / 4));
    }
}

/// Every window that effects, verdicts and openings are counted in, and every pause after them.
fn longest(rules: &RuleSet, settings: &Settings) -> Duration {
    let of = |rule: &Arc<Rule>| {
        let budgets = rule.budget.iter().chain(&rule.rule_budget).map(|it| it.per).max().unwrap_or_default();
        budgets.max(rule.cooldown).max(rule.regress_window)
    };
    let service = settings.budget.iter().chain(&settings.target_budget).map(|it| it.per);
    let storm = settings.storm.map(|it| it.within);
    let trip = settings.trip.map(|it| it.within);
    rules.iter().map(of).chain(service).chain(storm).chain(trip).max().unwrap_or_default() + MORE
}
