//! Guards: the reasons not to act now, in one visible order, cheapest first and the budget last.
//!
//! Three lists, by what they need to know: nothing but what is stored; a look at the target; the ledger, read while
//! its lock is held. Each guard is a function in a file of its own that passes (`None`) or refuses with its numbers.
//! Two of them need only names and are asked as soon as an alert is taken in, by [`receive`](crate::receive): a name
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
mod min_healthy;
mod no_target;
mod not_allowed;
mod not_enabled;
mod on_loan;
mod outside_window;
mod paused;
mod protected;
mod resolved;
mod silenced;
mod stopped;
mod storm;
pub mod survey;
mod together;
mod tripped;
mod unless;

pub use held_by_label::is_held;
pub use paused::by as paused_by;
pub use protected::reason as is_protected;
pub use storm::ceiling as storm_ceiling;
pub use survey::{Answer, Basis, Says};
pub use tripped::{BreakerState, ceiling as trip_ceiling, state as breaker_state};

use serde_json::Value;

use self::ledger::{Ledger, LedgerAsk, Scope, ScopeKind};
use self::survey::{Needs, OfCounted, OfKnown, OfSeen};
use crate::action::Action;
use crate::alert::episode::AlertState;
use crate::remediation::refusal::{Guard, Refusal};
use crate::remediation::state::{Attempt, Plan, Remediation};
use crate::rule::model::{Mode, Pattern, Rule, TargetSpec};
use crate::settings::{Settings, TripLimit};
use crate::sight::{Found, Pin, Sight};
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
    pub fn listed(&self) -> Vec<&str> {
        let patterns = match self {
            Self::Rule(spec) => &spec.allow,
            Self::Patterns(patterns) => *patterns,
        };
        patterns.iter().map(|pattern| pattern.0.as_str()).collect()
    }
}

/// What is known once the target was looked up.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// What is known without it.
    pub known: Known<'a>,
    /// Who permits the name.
    pub permits: Permits<'a>,
    /// So many containers of the service must stay well.
    pub min_healthy: u32,
    /// What would be done.
    pub action: &'a Action,
    /// The target as written.
    pub target: &'a Target,
    /// What was found.
    pub found: &'a Found,
    /// The run on which an effect of this very remediation was tried, if any.
    pub tried: Option<&'a Pin>,
}

/// Asked before anything is looked up.
const BEFORE_LOOK: [OfKnown; 6] = [
    (Guard::Paused, Needs::Store, paused::check, |it| Some(paused::basis(it))),
    (Guard::Expired, Needs::Nothing, expired::check, expired::basis),
    (Guard::Resolved, Needs::Nothing, resolved::check, |it| Some(resolved::basis(it))),
    (Guard::Silenced, Needs::Nothing, silenced::check, silenced::basis),
    (Guard::Unless, Needs::Store, unless::check, unless::basis),
    (Guard::OutsideWindow, Needs::Nothing, outside_window::check, outside_window::basis),
];

/// Asked once the target was looked up.
const AFTER_LOOK: [OfSeen; 11] = [
    (Guard::NoTarget, Needs::Look, no_target::check, no_target::basis),
    (Guard::AmbiguousTarget, Needs::Look, ambiguous_target::check, ambiguous_target::basis),
    (Guard::NotAllowed, Needs::Nothing, not_allowed::check, not_allowed::basis),
    (Guard::NotEnabled, Needs::Look, not_enabled::check, not_enabled::basis),
    (Guard::Protected, Needs::Look, protected::check, protected::basis),
    (Guard::Stopped, Needs::Look, stopped::check, stopped::basis),
    (Guard::OnLoan, Needs::Store, on_loan::check, |it| Some(on_loan::basis(it))),
    (Guard::HeldByLabel, Needs::Look, held_by_label::check, held_by_label::basis),
    (Guard::MinHealthy, Needs::Look, min_healthy::check, min_healthy::basis),
    (Guard::Storm, Needs::Store, storm::check, |it| Some(storm::basis(it))),
    (Guard::Tripped, Needs::Store, tripped::check, |it| Some(tripped::basis(it))),
];

/// Asked while the ledger's lock is held.
const UNDER_LOCK: [OfCounted; 4] = [
    // Asked a second time: what it goes by was said before.
    (Guard::Tripped, Needs::Store, tripped::still, |_| None),
    (Guard::Cooldown, Needs::Store, cooldown::check, |it| Some(cooldown::basis(it))),
    (Guard::InFlight, Needs::Store, in_flight::check, |it| Some(in_flight::basis(it))),
    (Guard::Budget, Needs::Store, budget::check, |it| Some(budget::basis(it))),
];

/// The first guard that refuses without a look.
#[must_use]
pub fn before_look(known: &Known<'_>) -> Option<Refusal> {
    BEFORE_LOOK.iter().find_map(|(_, _, check, _)| check(known))
}

/// The first guard that refuses what was seen; else the one container that may be touched.
pub fn after_look<'a>(seen: &Seen<'a>) -> Result<&'a Sight, Refusal> {
    if let Some(refusal) = AFTER_LOOK.iter().find_map(|(_, _, check, _)| check(seen)) {
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
    /// Dependents that follow it, each with what the ledger is asked for it.
    pub also: Vec<(Attempt, LedgerAsk)>,
    /// The rule's cooldown.
    pub cooldown: std::time::Duration,
    /// Effects that may be under way at the same time.
    pub in_flight: u32,
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

/// Every guard passed and the budget is spent with the commit that carries this. Only [`admit`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    plan: Plan,
    also: Vec<Attempt>,
    /// Since when the breaker is open whose probe this is.
    probes: Option<Timestamp>,
}

impl Admitted {
    /// What was admitted: the plan, its dependents, and since when the breaker is open whose probe it is.
    #[must_use]
    pub fn into_parts(self) -> (Plan, Vec<Attempt>, Option<Timestamp>) {
        (self.plan, self.also, self.probes)
    }
}

/// Asks the guards that count. To be called while the ledger's lock is held, with a ledger for each of the request's
/// [`asks`](Request::asks).
pub fn admit(request: &Request, ledgers: &[Ledger]) -> Result<Admitted, Refusal> {
    let asks = request.asks();
    let (Some(ledger), true) = (ledgers.first(), ledgers.len() == asks.len()) else {
        return Err(refusal(Guard::InFlight, None, "the ledger could not be read".to_owned(), Value::Null));
    };
    for (ask, ledger) in asks.into_iter().zip(ledgers) {
        let counted = Counted { request, ask, ledger };
        if let Some(refusal) = UNDER_LOCK.iter().find_map(|(_, _, check, _)| check(&counted)) {
            return Err(refusal);
        }
    }
    let crowded = together::check(request, ledgers);
    if let Some(refusal) = crowded {
        return Err(refusal);
    }
    let counted = Counted { request, ask: &request.ask, ledger };
    let also = request.also.iter().map(|(attempt, _)| attempt.clone()).collect();
    Ok(Admitted { plan: request.plan.clone(), also, probes: tripped::probes(&counted) })
}

/// Every budget that an effect of `rule` on the container must keep.
#[must_use]
pub fn scopes(rule: &Rule, settings: &Settings, sight: &Sight) -> Vec<Scope> {
    let of = |kind, budgets: &[crate::rule::model::Budget]| {
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
