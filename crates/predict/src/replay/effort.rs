//! One remediation in the same words, whether it was recorded or replayed, so that the two can be compared.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use fettle_core::remediation::outcome::{ActionResult, Outcome, Verdict};
use fettle_core::remediation::refusal::Guard;
use fettle_core::time::Timestamp;

/// One remediation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Effort {
    /// The rule's name.
    pub rule: Arc<str>,
    /// The target as written.
    pub target: Arc<str>,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it was closed; `None`: it was open at the end of the period.
    pub closed_at: Option<Timestamp>,
    /// What was done, or would have been, in order.
    pub acts: Vec<Act>,
    /// The guard that refused for good.
    pub refused: Option<Guard>,
    /// The guards that made it wait, each once, in the order in which they first did.
    pub blocked: Vec<Guard>,
    /// How often a person was asked.
    pub asked: u32,
    /// How it ended.
    pub outcome: Option<Outcome>,
}

/// One action of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Act {
    /// When it was decided.
    pub at: Timestamp,
    /// Its name.
    pub action: &'static str,
    /// Which rung, from 1.
    pub step: u32,
    /// Did it happen?
    pub result: Option<ActionResult>,
    /// Did it help?
    pub verdict: Option<Verdict>,
}

impl Effort {
    /// One in which nothing has happened yet.
    pub(super) fn new(rule: &str, target: &str, opened_at: Timestamp) -> Self {
        Self {
            rule: rule.into(),
            target: target.into(),
            opened_at,
            closed_at: None,
            acts: Vec::new(),
            refused: None,
            blocked: Vec::new(),
            asked: 0,
            outcome: None,
        }
    }

    /// An audit row of it. What a waiting guard refused is told as a block.
    pub(super) fn row(&mut self, act: Act, guard: Option<Guard>) {
        match act.result {
            Some(ActionResult::Refused) => {
                self.refused = guard.filter(|it| it.is_final() || *it == Guard::Approval).or(self.refused);
            }
            Some(ActionResult::Expired) => {}
            _ => self.acts.push(act),
        }
    }

    /// A waiting guard said no.
    pub(super) fn block(&mut self, guard: Guard) {
        if !self.blocked.contains(&guard) {
            self.blocked.push(guard);
        }
    }

    /// Whether the same was done for the same reasons, whenever exactly.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let acts = |it: &Self| -> Vec<_> {
            it.acts.iter().map(|act| (act.action, act.step, act.result, act.verdict)).collect()
        };
        let mut blocked = (self.blocked.clone(), other.blocked.clone());
        blocked.0.sort_unstable();
        blocked.1.sort_unstable();
        self.rule == other.rule
            && self.target == other.target
            && self.outcome == other.outcome
            && self.refused == other.refused
            && self.asked == other.asked
            && blocked.0 == blocked.1
            && acts(self) == acts(other)
    }
}

/// Candidates of a rule that waited for another rule's remediation of the same target: rule, when, why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Waits(pub Vec<(Arc<str>, Timestamp, Guard)>);

impl Waits {
    pub(super) fn add(&mut self, rule: &str, at: Timestamp, guard: Guard) {
        self.0.push((rule.into(), at, guard));
    }
}

/// What was done and refused, in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Remediations opened.
    pub opened: u64,
    /// Effects by name.
    pub actions: BTreeMap<&'static str, u64>,
    /// Effects that were only recorded, because the mode is `observe`.
    pub observed: BTreeMap<&'static str, u64>,
    /// Refusals for good, and candidates that waited (`in_flight`), by guard.
    pub refused: BTreeMap<&'static str, u64>,
    /// Remediations that a guard made wait, by guard.
    pub blocked: BTreeMap<&'static str, u64>,
    /// Questions to people.
    pub asked: u64,
    /// Times that people were called.
    pub escalated: u64,
    /// Remediations by how they ended; `open`: not yet.
    pub outcomes: BTreeMap<&'static str, u64>,
}

impl Tally {
    /// Counts a remediation.
    pub fn add(&mut self, effort: &Effort) {
        self.opened += 1;
        self.asked += u64::from(effort.asked);
        for act in &effort.acts {
            match (act.action, act.result) {
                (name, Some(ActionResult::Observed)) => *self.observed.entry(name).or_default() += 1,
                ("escalate", _) => self.escalated += 1,
                (name, _) => *self.actions.entry(name).or_default() += 1,
            }
        }
        if let Some(guard) = effort.refused {
            *self.refused.entry(guard.as_str()).or_default() += 1;
        }
        for guard in &effort.blocked {
            *self.blocked.entry(guard.as_str()).or_default() += 1;
        }
        *self.outcomes.entry(effort.outcome.map_or("open", Outcome::as_str)).or_default() += 1;
    }

    /// Counts a candidate that waited.
    pub fn wait(&mut self, guard: Guard) {
        *self.refused.entry(guard.as_str()).or_default() += 1;
    }

    /// Adds another one.
    pub fn absorb(&mut self, other: &Self) {
        fn sum(into: &mut BTreeMap<&'static str, u64>, from: &BTreeMap<&'static str, u64>) {
            for (name, count) in from {
                *into.entry(name).or_default() += count;
            }
        }
        self.opened += other.opened;
        self.asked += other.asked;
        self.escalated += other.escalated;
        sum(&mut self.actions, &other.actions);
        sum(&mut self.observed, &other.observed);
        sum(&mut self.refused, &other.refused);
        sum(&mut self.blocked, &other.blocked);
        sum(&mut self.outcomes, &other.outcomes);
    }
}

/// An action's name as the core writes it; one of another version is `other`.
pub(super) fn action_name(word: &str) -> &'static str {
    const KNOWN: [&str; 9] =
        ["restart", "stop", "scale_down", "scale_up", "clean_logs", "prune", "set_limits", "restore", "escalate"];
    KNOWN.into_iter().find(|it| *it == word).unwrap_or("other")
}
