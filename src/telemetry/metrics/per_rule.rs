//! What every rule has: counters of outcomes, results, refusals and verdicts, and where its breaker stands.
//!
//! A rule has some fifty series. In the library's own vectors each costs several hundred bytes, which is 300 MB for
//! 10,000 rules; here a rule is one row of plain counters (0.4 KB), and the library sees them only while it is scraped.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use prometheus::core::{Collector, Desc};
use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};

use super::ACTIONS as NAMES;
use fettle_core::guard::BreakerState;
use fettle_core::remediation::conclusion::Unopened;
use fettle_core::remediation::outcome::{ActionResult, Outcome, Verdict};
use fettle_core::remediation::refusal::Guard;

/// With more rules than this, only series that ever counted are shown: the zeros of 10,000 rules would be half a million
/// lines, which no Prometheus wants.
const ZEROS_SHOWN_TO: usize = 500;

const OUTCOMES: (&str, &str) = ("fettle_remediations_total", "Remediations that were closed, by rule and outcome.");
const ACTIONS: (&str, &str) = (
    "fettle_actions_total",
    "Actions and refusals for good, as in the audit, by rule, action and result (did it happen?).",
);
const REFUSALS: (&str, &str) = ("fettle_refusals_total", "Times a guard said no, by rule and guard.");
const NOT_OPENED: (&str, &str) = (
    "fettle_alerts_not_opened_total",
    "Repeats of firing alerts for which no remediation was opened, by rule and reason.",
);
const VERDICTS: (&str, &str) =
    ("fettle_verdicts_total", "Verdicts on actions, by rule, action and verdict (did it help?).");
const BREAKERS: (&str, &str) =
    ("fettle_breaker_state", "Where the circuit breaker of a rule stands: 0 closed, 1 half open, 2 open.");

/// The counters of one rule.
#[derive(Default)]
pub(super) struct Counts {
    outcomes: [AtomicU64; Outcome::ALL.len()],
    actions: [[AtomicU64; ActionResult::ALL.len()]; NAMES.len()],
    refusals: [AtomicU64; Guard::ALL.len()],
    not_opened: [AtomicU64; Unopened::ALL.len()],
    verdicts: [[AtomicU64; Verdict::ALL.len()]; NAMES.len()],
    breaker: AtomicU64,
}

// A word's place in its list is its discriminant, so the row is found without comparing names.
impl Counts {
    pub(super) fn closed(&self, outcome: Outcome) {
        add(self.outcomes.get(outcome as usize));
    }

    pub(super) fn action(&self, action: &str, result: ActionResult) {
        add(of(&self.actions, action).and_then(|row| row.get(result as usize)));
    }

    pub(super) fn refusal(&self, guard: Guard) {
        add(self.refusals.get(guard as usize));
    }

    pub(super) fn not_opened(&self, reason: Unopened) {
        add(self.not_opened.get(reason as usize));
    }

    pub(super) fn verdict(&self, action: &str, verdict: Verdict) {
        add(of(&self.verdicts, action).and_then(|row| row.get(verdict as usize)));
    }
}

fn add(counter: Option<&AtomicU64>) {
    if let Some(counter) = counter {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

fn of<'a, T>(table: &'a [T; NAMES.len()], action: &str) -> Option<&'a T> {
    NAMES.iter().position(|&name| name == action).and_then(|at| table.get(at))
}

/// The counters of all rules. Cheap to clone; clones share them.
#[derive(Clone)]
pub(super) struct PerRule {
    rules: Arc<RwLock<BTreeMap<Box<str>, Arc<Counts>>>>,
    descs: Arc<[Desc; 6]>,
}

impl PerRule {
    pub(super) fn new() -> Self {
        let desc = |(name, help): (&str, &str), labels: &[&str]| {
            let labels = labels.iter().map(|&label| label.to_owned()).collect();
            Desc::new(name.to_owned(), help.to_owned(), labels, HashMap::new()).expect("legal constants")
        };
        let descs = [
            desc(OUTCOMES, &["rule", "outcome"]),
            desc(ACTIONS, &["rule", "action", "result"]),
            desc(REFUSALS, &["rule", "reason"]),
            desc(VERDICTS, &["rule", "action", "verdict"]),
            desc(BREAKERS, &["rule"]),
            desc(NOT_OPENED, &["rule", "reason"]),
        ];
        Self { rules: Arc::default(), descs: Arc::new(descs) }
    }

    /// These rules and no others. Those that stay keep their counts.
    pub(super) fn loaded(&self, names: &[&str]) {
        let wanted: BTreeSet<&str> = names.iter().copied().collect();
        let mut rules = self.rules.write().unwrap_or_else(PoisonError::into_inner);
        rules.retain(|name, _| wanted.contains(&**name));
        for name in wanted {
            rules.entry(name.into()).or_default();
        }
    }

    /// Where breakers stand; those that are not named are closed. Of a rule that is no longer loaded nothing is said.
    pub(super) fn breakers<'a>(&self, stand: impl IntoIterator<Item = (&'a str, BreakerState)>) {
        let rules = self.rules.read().unwrap_or_else(PoisonError::into_inner);
        let stand: HashMap<&str, u64> = stand.into_iter().map(|(rule, state)| (rule, level(state))).collect();
        for (rule, counts) in rules.iter() {
            counts.breaker.store(stand.get(&**rule).copied().unwrap_or(0), Ordering::Relaxed);
        }
    }

    /// One rule's counters. A rule that is no longer loaded may still end a remediation: it is counted until the next load.
    pub(super) fn of(&self, rule: &str) -> Arc<Counts> {
        if let Some(counts) = self.rules.read().unwrap_or_else(PoisonError::into_inner).get(rule) {
            return counts.clone();
        }
        self.rules.write().unwrap_or_else(PoisonError::into_inner).entry(rule.into()).or_default().clone()
    }
}

impl Collector for PerRule {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let rules = self.rules.read().unwrap_or_else(PoisonError::into_inner).clone();
        let zeros = rules.len() <= ZEROS_SHOWN_TO;
        let [mut outcomes, mut actions, mut refusals, mut not_opened, mut verdicts, mut breakers] =
            [const { Vec::new() }; 6];
        let show_as = |family: &mut Vec<Metric>, kind: MetricType, value: &AtomicU64, labels: &[(&str, &str)]| {
            let value = value.load(Ordering::Relaxed);
            if zeros || value > 0 {
                family.push(metric(kind, value, labels));
            }
        };
        let show = |family: &mut Vec<Metric>, counter: &AtomicU64, labels: &[(&str, &str)]| {
            show_as(family, MetricType::COUNTER, counter, labels);
        };
        for (rule, counts) in &rules {
            show_as(&mut breakers, MetricType::GAUGE, &counts.breaker, &[("rule", rule)]);
            for (counter, outcome) in counts.outcomes.iter().zip(Outcome::ALL) {
                show(&mut outcomes, counter, &[("outcome", outcome.as_str()), ("rule", rule)]);
            }
            for (counter, guard) in counts.refusals.iter().zip(Guard::ALL) {
                show(&mut refusals, counter, &[("reason", guard.as_str()), ("rule", rule)]);
            }
            for (counter, reason) in counts.not_opened.iter().zip(Unopened::ALL) {
                show(&mut not_opened, counter, &[("reason", reason.as_str()), ("rule", rule)]);
            }
            for (row, action) in counts.actions.iter().zip(NAMES) {
                for (counter, result) in row.iter().zip(ActionResult::ALL) {
                    show(&mut actions, counter, &[("action", action), ("result", result.as_str()), ("rule", rule)]);
                }
            }
            for (row, action) in counts.verdicts.iter().zip(NAMES) {
                for (counter, verdict) in row.iter().zip(Verdict::ALL) {
                    show(&mut verdicts, counter, &[("action", action), ("rule", rule), ("verdict", verdict.as_str())]);
                }
            }
        }
        let counters = [
            (OUTCOMES, outcomes),
            (ACTIONS, actions),
            (REFUSALS, refusals),
            (NOT_OPENED, not_opened),
            (VERDICTS, verdicts),
        ];
        let counters = counters.into_iter().map(|(names, metrics)| family(names, MetricType::COUNTER, metrics));
        counters.chain([family(BREAKERS, MetricType::GAUGE, breakers)]).collect()
    }
}

/// In the order in which it matters more.
fn level(state: BreakerState) -> u64 {
    match state {
        BreakerState::Closed => 0,
        BreakerState::HalfOpen => 1,
        BreakerState::Open => 2,
    }
}

fn family((name, help): (&str, &str), kind: MetricType, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}

#[expect(clippy::cast_precision_loss, reason = "the text format has floats only; counts stay exact up to 2^53")]
fn metric(kind: MetricType, value: u64, labels: &[(&str, &str)]) -> Metric {
    let pairs = labels.iter().map(|&(name, value)| {
        let mut pair = LabelPair::default();
        pair.set_name(name.to_owned());
        pair.set_value(value.to_owned());
        pair
    });
    let mut metric = Metric::from_label(pairs.collect());
    if kind == MetricType::GAUGE {
        let mut gauge = Gauge::default();
        gauge.set_value(value as f64);
        metric.set_gauge(gauge);
    } else {
        let mut counter = Counter::default();
        counter.set_value(value as f64);
        metric.set_counter(counter);
    }
    metric
}
