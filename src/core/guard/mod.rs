//! Guards: the reasons not to act now, in one visible order, cheapest first and the budget last.
//!
//! Three lists, by what they need to know: nothing but what is stored; a look at the target; the ledger, read while
//! its lock is held. Each guard is a function in a file of its own that passes (`None`) or refuses with its numbers.
//! Two of them need only names and are asked as soon as an alert is taken in, by [`receive`](crate::core::receive): a name
//! that Docker does not allow (`no_target`) and a name that the rule does not (`not_allowed`). So a label's text reaches
//! Docker only where a rule permits it, and a flood of alerts that no rule permits costs no call. A name that is neither
//! permitted nor there is therefore `not_allowed`.
//! [`admit`] is the only code that makes an [`Admitted`], and an effect cannot begin without one.

mod ambiguous_target;
mod budget;
mod cooldown;
mod expired;
mod held_by_label;
mod in_flight;
pub mod ledger;
mod no_target;
mod not_allowed;
mod not_enabled;
mod protected;
mod resolved;
mod stopped;

use serde_json::Value;

use self::ledger::{Ledger, LedgerAsk, Scope, ScopeKind};
use crate::core::action::Action;
use crate::core::alert::episode::AlertState;
use crate::core::remediation::refusal::{Guard, Refusal};
use crate::core::remediation::state::Plan;
use crate::core::rule::model::Rule;
use crate::core::settings::Settings;
use crate::core::sight::{Found, Pin, Sight};
use crate::core::target::Target;
use crate::core::time::Timestamp;

/// What is known without looking at the target.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The alerts attached to the remediation.
    pub alerts: &'a [AlertState],
    /// The service's limits.
    pub settings: &'a Settings,
    /// Now.
    pub now: Timestamp,
}

/// What is known once the target was looked up.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// The rule.
    pub rule: &'a Rule,
    /// What would be done.
    pub action: &'a Action,
    /// The target as written.
    pub target: &'a Target,
    /// What was found.
    pub found: &'a Found,
    /// The run on which an effect of this very remediation was tried, if any.
    pub tried: Option<&'a Pin>,
    /// The service's limits.
    pub settings: &'a Settings,
}

/// Asked before anything is looked up.
const BEFORE_LOOK: [fn(&Known<'_>) -> Option<Refusal>; 2] = [expired::check, resolved::check];

/// Asked once the target was looked up.
const AFTER_LOOK: [fn(&Seen<'_>) -> Option<Refusal>; 7] = [
    no_target::check,
    ambiguous_target::check,
    not_allowed::check,
    not_enabled::check,
    protected::check,
    stopped::check,
    held_by_label::check,
];

/// Asked while the ledger's lock is held.
const UNDER_LOCK: [fn(&Counted<'_>) -> Option<Refusal>; 3] = [cooldown::check, in_flight::check, budget::check];

/// The first guard that refuses without a look.
#[must_use]
pub fn before_look(known: &Known<'_>) -> Option<Refusal> {
    BEFORE_LOOK.iter().find_map(|guard| guard(known))
}

/// The first guard that refuses what was seen; else the one container that may be touched.
pub fn after_look<'a>(seen: &Seen<'a>) -> Result<&'a Sight, Refusal> {
    if let Some(refusal) = AFTER_LOOK.iter().find_map(|guard| guard(seen)) {
        return Err(refusal);
    }
    match seen.found {
        Found::One(sight) => Ok(sight),
        Found::Nothing | Found::Many(_) => {
            Err(refusal(Guard::NoTarget, None, "nothing was found".to_owned(), Value::Null))
        }
    }
}

/// An effect that is planned, with the limits that it must keep.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The effect.
    pub plan: Plan,
    /// What the ledger is asked.
    pub ask: LedgerAsk,
    /// The rule's cooldown.
    pub cooldown: std::time::Duration,
    /// Effects that may be under way at the same time.
    pub in_flight: u32,
}

/// A request and what earlier effects leave for it.
#[derive(Debug, Clone, Copy)]
pub struct Counted<'a> {
    /// The request.
    pub request: &'a Request,
    /// The ledger.
    pub ledger: &'a Ledger,
}

/// Every guard passed and the budget is spent with the commit that carries this. Only [`admit`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    plan: Plan,
}

impl Admitted {
    /// What was admitted.
    #[must_use]
    pub fn into_plan(self) -> Plan {
        self.plan
    }
}

/// Asks the guards that count. To be called while the ledger's lock is held.
pub fn admit(request: &Request, ledger: &Ledger) -> Result<Admitted, Refusal> {
    let counted = Counted { request, ledger };
    match UNDER_LOCK.iter().find_map(|guard| guard(&counted)) {
        Some(refusal) => Err(refusal),
        None => Ok(Admitted { plan: request.plan.clone() }),
    }
}

/// Every budget that an effect of `rule` on the container must keep.
#[must_use]
pub fn scopes(rule: &Rule, settings: &Settings, sight: &Sight) -> Vec<Scope> {
    let of = |kind, budgets: &[crate::core::rule::model::Budget]| {
        budgets.iter().map(move |&budget| Scope { kind, budget }).collect::<Vec<_>>()
    };
    [
        of(ScopeKind::RuleTarget, &rule.budget),
        of(ScopeKind::Rule, &rule.rule_budget),
        of(ScopeKind::Target, &settings.target_budget),
        of(ScopeKind::Target, &held_by_label::budgets(sight).unwrap_or_default()),
        of(ScopeKind::Fleet, &settings.budget),
    ]
    .concat()
}

fn refusal(guard: Guard, until: Option<Timestamp>, why: String, detail: Value) -> Refusal {
    Refusal { guard, until, why, detail }
}

#[cfg(test)]
mod tests;
