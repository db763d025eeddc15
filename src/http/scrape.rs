//! What a scrape must ask for first: open remediations, the queue, what is left of the budgets, pauses, the storm, breakers.
//!
//! Always holds: a scrape is answered within [`PATIENCE`] and a little, whatever the database does; what could not be read
//! keeps its last value and `fettle_store_up` says so.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::api::{breaker_stands, unproven_since};
use crate::health::clock::seconds;
use crate::health::storm::lasting;
use crate::telemetry::metrics::Metrics;
use fettle_core::guard::ledger::ScopeKind;
use fettle_core::ports::model::Spent;
use fettle_core::ports::{Store, StoreError};
use fettle_core::rule::model::{Budget, Rule};
use fettle_core::rule::set::RuleSet;
use fettle_core::settings::Settings;
use fettle_core::time::{Timestamp, before};
use fettle_engine::clock::Time;
use fettle_engine::intake::Intake;
use fettle_engine::readiness::Readiness;
use fettle_engine::seldom::Seldom;

/// How long a scrape waits for the database: below Prometheus's shortest sensible scrape time-out.
const PATIENCE: Duration = Duration::from_secs(2);

/// With more rules than this, only budgets that something was spent of are shown; see the metrics' own limit.
const FULL_SHOWN_TO: usize = 500;

/// Everything a scrape asks.
pub(super) struct Scrape {
    pub(super) metrics: Arc<Metrics>,
    pub(super) store: Arc<dyn Store>,
    pub(super) intake: Intake,
    pub(super) rules: Arc<ArcSwap<RuleSet>>,
    pub(super) settings: Settings,
    pub(super) time: Arc<Time>,
    pub(super) complaints: Seldom,
    pub(super) readiness: Arc<Readiness>,
}

impl Scrape {
    /// Everything, in Prometheus's text format.
    pub(super) async fn render(&self) -> String {
        self.metrics.intake_queue(self.intake.waiting());
        let up = tokio::time::timeout(PATIENCE, self.read()).await.unwrap_or(false);
        self.metrics.store_up(up);
        self.metrics.ready(self.readiness.ready().is_ok());
        self.metrics.clock_offset(seconds(self.time.offset().machine));
        self.metrics.render()
    }

    /// What is left of every budget, by rule and scope; the service's own budgets have no rule.
    pub(super) async fn left(&self) -> Result<Vec<(String, ScopeKind, u32)>, StoreError> {
        let rules = self.rules.load_full();
        let now = self.time.now();
        let longest = budgets(&rules, &self.settings).map(|budget| budget.per).max().unwrap_or_default();
        let spent = self.store.spent(before(now, longest)).await?;
        Ok(remaining(&rules, &self.settings, &spent, now))
    }

    /// Whether the database answered.
    async fn read(&self) -> bool {
        let rules = self.rules.load_full();
        let now = self.time.now();
        let trip = self.settings.trip;
        let longest = budgets(&rules, &self.settings).map(|budget| budget.per).max().unwrap_or_default();
        // All at once, so that a scrape costs the database one round trip's time.
        let read = futures_util::future::try_join5(
            self.store.open_by_state(),
            self.store.spent(before(now, longest)),
            self.store.pauses(now),
            self.store.storm(),
            self.store.breakers(unproven_since(trip, now)),
        );
        match read.await {
            Ok((open, spent, pauses, storm, breakers)) => {
                self.metrics.open(&open);
                self.metrics.paused(pauses.len());
                self.metrics.storm(lasting(storm, self.settings.storm, now).is_some());
                let stand = breakers.iter().map(|(rule, it)| (rule.as_str(), breaker_stands(it, trip, now).0));
                self.metrics.breakers(stand);
                let left = remaining(&rules, &self.settings, &spent, now);
                self.metrics.budgets(left.iter().map(|(rule, scope, left)| (rule.as_str(), scope.as_str(), *left)));
                true
            }
            Err(error) => {
                if let Some(unsaid) = self.complaints.due("scrape") {
                    tracing::warn!(error = %fettle_core::ports::chain(&error), unsaid, "metrics could not be read from the database");
                }
                false
            }
        }
    }
}

fn budgets<'a>(rules: &'a RuleSet, settings: &'a Settings) -> impl Iterator<Item = &'a Budget> {
    let of_rules = rules.iter().flat_map(|rule| rule.budget.iter().chain(&rule.rule_budget));
    of_rules.chain(&settings.budget).chain(&settings.target_budget)
}

/// What is left of each budget: the least over its windows and targets. The service's own budgets have no rule.
fn remaining(rules: &RuleSet, settings: &Settings, spent: &[Spent], now: Timestamp) -> Vec<(String, ScopeKind, u32)> {
    let mut by_rule: BTreeMap<&str, Vec<&Spent>> = BTreeMap::new();
    for it in spent {
        by_rule.entry(&it.rule).or_default().push(it);
    }
    let all: Vec<&Spent> = spent.iter().collect();
    let show =
        |rule: &Rule, mine: &[&Spent]| !mine.is_empty() || rules.len() <= FULL_SHOWN_TO || rule.budget.is_empty();
    let mut left = Vec::new();
    let mut say = |rule: &str, kind, budgets: &[Budget], of: &[&Spent]| {
        if let Some(least) = budgets.iter().map(|budget| least(budget, kind, of, now)).min() {
            left.push((rule.to_owned(), kind, least));
        }
    };
    for rule in rules.iter() {
        let mine = by_rule.get(rule.name.as_str()).map_or(&[][..], Vec::as_slice);
        if show(rule, mine) {
            say(&rule.name, ScopeKind::RuleTarget, &rule.budget, mine);
            say(&rule.name, ScopeKind::Rule, &rule.rule_budget, mine);
        }
    }
    say("", ScopeKind::Target, &settings.target_budget, &all);
    say("", ScopeKind::Fleet, &settings.budget, &all);
    left
}

/// What is left of one budget in the closed window that ends now, for the target that spent most.
fn least(budget: &Budget, kind: ScopeKind, spent: &[&Spent], now: Timestamp) -> u32 {
    let since = before(now, budget.per);
    let inside = spent.iter().filter(|it| it.planned_at >= since);
    let used = match kind {
        ScopeKind::Rule | ScopeKind::Fleet => inside.count(),
        ScopeKind::RuleTarget | ScopeKind::Target => {
            let mut by_target: BTreeMap<&str, usize> = BTreeMap::new();
            inside.for_each(|it| *by_target.entry(&it.target).or_default() += 1);
            by_target.into_values().max().unwrap_or(0)
        }
    };
    budget.max.saturating_sub(u32::try_from(used).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spent(rule: &str, target: &str, seconds_ago: u64) -> Spent {
        let planned_at = before(now(), Duration::from_secs(seconds_ago));
        Spent { rule: rule.into(), target: target.into(), planned_at }
    }

    fn now() -> Timestamp {
        Timestamp::from_second(1_700_000_000).expect("in range")
    }

    #[test]
    fn what_is_left_is_the_least_over_targets_and_ends_with_the_closed_window() {
        let budget = Budget { max: 3, per: Duration::from_mins(1) };
        let rows = [spent("r", "a", 0), spent("r", "a", 60), spent("r", "a", 61), spent("r", "b", 1)];
        let rows: Vec<&Spent> = rows.iter().collect();
        assert_eq!(least(&budget, ScopeKind::RuleTarget, &rows, now()), 1, "two of a; the third has left");
        assert_eq!(least(&budget, ScopeKind::Rule, &rows, now()), 0);
        assert_eq!(least(&budget, ScopeKind::Fleet, &[], now()), 3, "nothing spent, all of it left");
    }

    #[test]
    fn budgets_of_the_service_have_no_rule() {
        let settings = Settings {
            mode: fettle_core::rule::model::Mode::Act,
            freshness: Duration::from_mins(10),
            docker_patience: fettle_core::settings::DOCKER_PATIENCE,
            recheck: fettle_core::settings::RECHECK,
            in_flight: 4,
            budget: vec![
                Budget { max: 20, per: Duration::from_mins(10) },
                Budget { max: 5, per: Duration::from_secs(10) },
            ],
            target_budget: vec![Budget { max: 6, per: Duration::from_hours(1) }],
            storm: None,
            trip: None,
            alertmanager: false,
            approvers: true,
            protected: fettle_core::settings::Protected::default(),
            hosts: fettle_core::target::Hosts::default(),
        };
        let rows = [spent("r", "a", 0), spent("q", "a", 11)];
        let left = remaining(&RuleSet::default(), &settings, &rows, now());
        assert_eq!(left, [(String::new(), ScopeKind::Target, 4), (String::new(), ScopeKind::Fleet, 4)]);
    }
}
