//! What the guards are asked about: what is known, what a step would do, what is planned, what earlier effects leave.
//!
//! Always holds: plain values that are borrowed from the decision in the making; no guard changes any of them.

use std::time::Duration;

use super::ledger::{Ledger, LedgerAsk};
use crate::action::Action;
use crate::alert::episode::AlertState;
use crate::remediation::state::{Attempt, Plan, Remediation};
use crate::rule::model::{Mode, Pattern, Rule, TargetSpec};
use crate::settings::{Settings, TripLimit};
use crate::sight::Pin;
use crate::surroundings::Surroundings;
use crate::target::Target;
use crate::time::Timestamp;

/// What is known without looking at the target.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// What is decided about.
    pub remediation: &'a Remediation,
    /// Its rule; `None` when it was removed.
    pub rule: Option<&'a Rule>,
    /// The alerts attached to the remediation.
    pub alerts: &'a [AlertState],
    /// What is the case around it.
    pub surroundings: &'a Surroundings,
    /// The service's limits.
    pub settings: &'a Settings,
    /// The ceiling of rule and service, before storm and breaker lower it.
    pub base_mode: Mode,
    /// Now.
    pub now: Timestamp,
}

/// Who permits the name.
#[derive(Debug, Clone, Copy)]
pub enum Permits<'a> {
    /// The rule's target.
    Rule(&'a TargetSpec),
    /// A step's own list, for dependents.
    Patterns(&'a [Pattern]),
}

impl Permits<'_> {
    /// Whether it permits `name`.
    #[must_use]
    pub fn permits(&self, name: &str) -> bool {
        match self {
            Self::Rule(spec) => spec.permits(name),
            Self::Patterns(patterns) => patterns.iter().any(|pattern| pattern.permits(name)),
        }
    }

    /// What is permitted, for records.
    #[must_use]
    pub fn patterns(&self) -> Vec<&str> {
        let patterns = match self {
            Self::Rule(spec) => &spec.allow,
            Self::Patterns(patterns) => *patterns,
        };
        patterns.iter().map(|pattern| pattern.0.as_str()).collect()
    }
}

/// What a step would do, and to which target.
#[derive(Debug, Clone, Copy)]
pub struct Aim<'a> {
    /// What is known without a look.
    pub known: Known<'a>,
    /// Who permits the name.
    pub permits: Permits<'a>,
    /// How many containers of the service must stay well.
    pub min_healthy: u32,
    /// How long after the start of a run its alerts settle: the step's `settle`.
    pub settle: Duration,
    /// What would be done.
    pub action: &'a Action,
    /// The target as written.
    pub target: &'a Target,
    /// The run on which an effect of this very remediation was tried, if any.
    pub tried: Option<&'a Pin>,
    /// The run that an effect of this very remediation may have ended, if any.
    pub ended: Option<&'a Pin>,
}

/// An effect that is planned, with the limits that it must keep.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The effect.
    pub plan: Plan,
    /// What the ledger is asked.
    pub ask: LedgerAsk,
    /// Dependents that follow it, each with what the ledger is asked for it.
    pub also: Vec<(Attempt, LedgerAsk)>,
    /// The rule's cooldown.
    pub cooldown: std::time::Duration,
    /// Effects that may be under way at the same time.
    pub in_flight: u32,
    /// Whether an open loan of another remediation refuses it; the return of a loan passes.
    pub heeds_loans: bool,
    /// When the rule's breaker opens.
    pub trip: Option<TripLimit>,
    /// The plan's hash and why a person is asked, when it is only proposed.
    pub proposing: Option<(String, String)>,
}

impl Request {
    /// What the ledger is asked, in order: for the effect itself, then for each dependent.
    #[must_use]
    pub fn asks(&self) -> Vec<&LedgerAsk> {
        std::iter::once(&self.ask).chain(self.also.iter().map(|(_, ask)| ask)).collect()
    }

    /// The same, intended at `now`: the instant at which it is admitted, under the ledger's lock. Whoever planned it may have
    /// waited or stood still since, and others judge the intent by its age: when a look at the target proves that nothing
    /// happened, which budgets it counts in. The ledger was asked as of the earlier instant, which lets through no more.
    #[must_use]
    pub fn dated(mut self, now: Timestamp) -> Self {
        for attempt in std::iter::once(&mut self.plan.attempt).chain(self.also.iter_mut().map(|(attempt, _)| attempt)) {
            attempt.intended_at = attempt.intended_at.max(now);
        }
        self
    }
}

/// A request and what earlier effects leave for it.
#[derive(Debug, Clone, Copy)]
pub struct Counted<'a> {
    /// The request.
    pub request: &'a Request,
    /// What is asked of the ledger: for the effect itself, or for one of its dependents.
    pub ask: &'a LedgerAsk,
    /// The ledger.
    pub ledger: &'a Ledger,
}
