//! `reach`: every rule against everything that is there: what it could touch now, and what refuses the rest.
//!
//! ```text
//! hosts ── inventory ──▶ containers, services, disks, each looked at once
//!                          × every rule and step ── core::decide::survey ──▶ may, or the guard that refuses
//! two sets of rules ── wider ──▶ what the new one may and the old one may not
//! ```
//!
//! Always holds: looks only, and never at the store. The guards are those of a decision. Asked are the guards that speak of
//! the thing itself: `no_target` to `min_healthy`, without open loans. What speaks of the moment (pauses, storms, breakers,
//! windows, cooldown, budgets) is left out, because it is no limit of what a rule can ever touch: `explain` asks it.
//!
//! Deliberately not: alerts. A target that a label names is every one that the rule permits, whether or not an alert would
//! ever say so.

mod inventory;
mod looser;
mod pairs;
mod wider;

#[cfg(test)]
mod tests;

use serde::Serialize;

pub use self::inventory::{HostSaid, Inventory, Thing, Unseen, gather};
pub use self::pairs::reach;
pub use self::wider::{Widening, wider};
use fettle_core::remediation::refusal::Guard;
use fettle_core::rule::model::Mode;
use fettle_core::rule::set::RuleSet;
use fettle_core::settings::Settings;
use fettle_core::target::{Hosts, Target};

/// What rules are held against, besides the things.
#[derive(Debug, Clone)]
pub struct Ground {
    /// The configured hosts.
    pub hosts: Hosts,
    /// The service's limits.
    pub settings: Settings,
}

/// What every rule could touch.
#[derive(Debug, Clone, Serialize)]
pub struct Reach {
    /// Every rule, in order.
    pub rules: Vec<RuleReach>,
    /// The things that they were held against.
    pub inventory: Inventory,
}

impl Reach {
    /// Holds `rules` against what is there.
    #[must_use]
    pub fn of(rules: &RuleSet, ground: &Ground, inventory: Inventory) -> Self {
        Self { rules: reach(rules, ground, &inventory), inventory }
    }
}

/// What one rule could touch.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RuleReach {
    /// The rule.
    pub rule: String,
    /// Where it is written.
    pub source: String,
    /// How far it may go: the lower of its own mode and the service's.
    pub mode: Mode,
    /// The target as the rule writes it.
    pub target: String,
    /// Which names it permits.
    pub allow: Vec<String>,
    /// Everything of that kind that it permits, with each step.
    pub touches: Vec<Touch>,
    /// How many more things of that kind there are, which it does not permit.
    pub not_allowed: usize,
}

/// One step on one thing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Touch {
    /// The thing.
    pub target: Target,
    /// Which rung, from 1.
    pub step: usize,
    /// What would be done.
    pub action: &'static str,
    /// Whether nothing of the thing itself stands against it.
    pub may: bool,
    /// The guard that does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guard: Option<Guard>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Whether a person must agree: `never`, `always: …`, `when …`, or `observed only`.
    pub approval: String,
}
