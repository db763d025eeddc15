//! What earlier effects leave for the next one: the rows that budgets, cooldown and exclusion are counted from.
//!
//! The store fills a [`Ledger`] while it holds the budgets' lock; the guards judge it.

use crate::id::{EffortId, RemediationId};
use crate::rule::model::{Budget, Mode};
use crate::surroundings::{Breaker, OpenLoan};
use crate::time::Timestamp;

/// What is asked of the ledger for one planned effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerAsk {
    /// The remediation that plans.
    pub remediation: RemediationId,
    /// The rule.
    pub rule: String,
    /// The target as written.
    pub target: String,
    /// What was resolved: daemon and container id. Rows count when either this or `target` is theirs: two spellings
    /// of one container share a budget, and a container that was made anew does not start with a full one.
    pub key: String,
    /// Every key that excludes, `key` among them: the service it belongs to, the containers it consists of.
    pub keys: Vec<String>,
    /// `observe` keeps a ledger of its own.
    pub mode: Mode,
    /// Now, by the store's clock.
    pub now: Timestamp,
    /// Verdicts of the rule that proved nothing are counted from here on, for its breaker.
    pub unproven_since: Timestamp,
    /// Every budget that must hold.
    pub scopes: Vec<Scope>,
}

/// One budget with what it is counted over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope {
    /// Counted over what.
    pub kind: ScopeKind,
    /// At most so many.
    pub budget: Budget,
}

/// What a budget is counted over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ScopeKind {
    /// Effects of this rule on this target.
    RuleTarget,
    /// Effects of this rule.
    Rule,
    /// Effects on this target.
    Target,
    /// All effects.
    Fleet,
}

impl ScopeKind {
    /// The word in metrics and records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RuleTarget => "rule_target",
            Self::Rule => "rule",
            Self::Target => "target",
            Self::Fleet => "fleet",
        }
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ledger {
    /// For each scope asked, in order: when the `max`-th newest intent inside the closed window `[now - per, ∞)` was
    /// stored; `None` while there are fewer, which means that there is room.
    pub full_since: Vec<Option<Timestamp>>,
    /// For each scope asked, in order: how many intents lie inside its window; no more than its `max` are counted.
    pub used: Vec<u32>,
    /// When the last effect of any other remediation on this target or key was over (or was begun, when not yet over).
    pub last_effect: Option<Timestamp>,
    /// Other remediations that are running or verifying on one of these keys, and loans that are being returned.
    pub rivals: Vec<EffortId>,
    /// Open loans on one of these keys, in the order they were opened, its own too.
    pub loans: Vec<OpenLoan>,
    /// Remediations running an effect now, this one not counted.
    pub in_flight: u32,
    /// The rule's breaker.
    pub breaker: Breaker,
}
