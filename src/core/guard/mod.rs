//! Guards: the reasons not to act now, in one visible order, cheapest first and the budget last.
//!
//! Three lists, by what they need to know: nothing but what is stored; a look at the target; the ledger, read while
//! its lock is held. Each guard is one function that passes or refuses by its numbers, in its own
//! file: decisions and explanations both ask it.
//! Two of them need only names and are asked as soon as an alert is taken in, by [`receive`](crate::core::receive): a name
//! that Docker does not allow (`no_target`) and a name that the rule does not (`not_allowed`). So a label's text reaches
//! Docker only where a rule permits it, and a flood of alerts that no rule permits costs no call. A name that is neither
//! permitted nor there is therefore `not_allowed`.
//! [`admit`] is the only code that makes an [`Admitted`], and an effect cannot begin without one.

mod budget;
mod cooldown;
mod expired;
mod found;
mod held_by_label;
mod in_flight;
pub mod ledger;
mod min_healthy;
mod not_allowed;
mod not_enabled;
mod on_loan;
mod outside_window;
mod paused;
mod protected;
mod resolved;
mod ruling;
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
pub use survey::{Answer, Says};
pub use tripped::{BreakerState, ceiling as trip_ceiling, state as breaker_state};

use serde_json::Value;

use self::ledger::{Ledger, LedgerAsk, Scope, ScopeKind};
use self::ruling::Ruling;
use crate::core::action::Action;
use crate::core::alert::episode::AlertState;
use crate::core::remediation::refusal::{Guard, Refusal};
use crate::core::remediation::state::{Attempt, Plan, Remediation};
use crate::core::rule::model::{Mode, Pattern, Rule, TargetSpec};
use crate::core::settings::{Settings, TripLimit};
use crate::core::sight::{Found, Pin, Sight};
use crate::core::surroundings::Surroundings;
use crate::core::target::Target;
use crate::core::time::Timestamp;

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

/// What a step would do, and to which target.
#[derive(Debug, Clone, Copy)]
pub struct Aim<'a> {
    /// What is known without a look.
    pub known: Known<'a>,
    /// Who permits the name.
    pub permits: Permits<'a>,
    /// How many containers of the service must stay well.
    pub min_healthy: u32,
    /// What would be done.
    pub action: &'a Action,
    /// The target as written.
    pub target: &'a Target,
    /// The run on which an effect of this very remediation was tried, if any.
    pub tried: Option<&'a Pin>,
}

/// What a guard without a look must know besides rule, alert and settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    /// Nothing more.
    Nothing,
    /// What is stored.
    Store,
}

/// A guard that needs no look.
type OfKnown = (Guard, Needs, for<'a> fn(&'a Known<'_>) -> Ruling<'a>);

/// A guard that judges a step, by what it must know for that.
enum OfAim {
    /// Rule and names alone.
    Plain(for<'a> fn(&'a Aim<'_>) -> Ruling<'a>),
    /// What is stored.
    Stored(for<'a> fn(&'a Aim<'_>) -> Ruling<'a>),
    /// The target as a look showed it.
    Seen(for<'a> fn(&'a Aim<'_>, &'a Sight) -> Ruling<'a>),
}

/// A guard that counts.
type OfCounted = (Guard, for<'a> fn(&'a Counted<'_>) -> Ruling<'a>);

/// Asked before anything is looked up.
const BEFORE_LOOK: [OfKnown; 6] = [
    (Guard::Paused, Needs::Store, paused::ask),
    (Guard::Expired, Needs::Nothing, expired::ask),
    (Guard::Resolved, Needs::Nothing, resolved::ask),
    (Guard::Silenced, Needs::Nothing, silenced::ask),
    (Guard::Unless, Needs::Store, unless::ask),
    (Guard::OutsideWindow, Needs::Nothing, outside_window::ask),
];

/// Asked once the target was looked up, after `no_target` and `ambiguous_target` ([`found::the_one`]).
const AFTER_LOOK: [(Guard, OfAim); 9] = [
    (Guard::NotAllowed, OfAim::Plain(not_allowed::ask)),
    (Guard::NotEnabled, OfAim::Seen(not_enabled::ask)),
    (Guard::Protected, OfAim::Seen(protected::ask)),
    (Guard::Stopped, OfAim::Seen(stopped::ask)),
    (Guard::OnLoan, OfAim::Stored(on_loan::ask)),
    (Guard::HeldByLabel, OfAim::Seen(held_by_label::ask)),
    (Guard::MinHealthy, OfAim::Seen(min_healthy::ask)),
    (Guard::Storm, OfAim::Stored(storm::ask)),
    (Guard::Tripped, OfAim::Stored(tripped::ask)),
];

/// Asked while the ledger's lock is held.
const UNDER_LOCK: [OfCounted; 4] = [
    (Guard::Tripped, tripped::ask_again),
    (Guard::Cooldown, cooldown::ask),
    (Guard::InFlight, in_flight::ask),
    (Guard::Budget, budget::ask),
];

/// The first guard that refuses without a look.
#[must_use]
pub fn before_look(known: &Known<'_>) -> Option<Refusal> {
    BEFORE_LOOK.iter().find_map(|(guard, _, ask)| ask(known).refusal(*guard))
}

/// The first guard that refuses what was found; else the one thing that may be touched.
pub fn after_look<'f>(aim: &Aim<'_>, found: &'f Found) -> Result<&'f Sight, Refusal> {
    let sight = found::the_one(aim.target, found)?;
    let refusal = AFTER_LOOK.iter().find_map(|(guard, ask)| {
        let ruling = match ask {
            OfAim::Plain(ask) | OfAim::Stored(ask) => ask(aim),
            OfAim::Seen(ask) => ask(aim, sight),
        };
        ruling.refusal(*guard)
    });
    refusal.map_or(Ok(sight), Err)
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
        let why = "the ledger could not be read".to_owned();
        return Err(Refusal { guard: Guard::InFlight, until: None, why, detail: Value::Null });
    };
    for (ask, ledger) in asks.into_iter().zip(ledgers) {
        let counted = Counted { request, ask, ledger };
        if let Some(refusal) = UNDER_LOCK.iter().find_map(|(guard, ask)| ask(&counted).refusal(*guard)) {
            return Err(refusal);
        }
    }
    if let Some(refusal) = together::check(request, ledgers) {
        return Err(refusal);
    }
    let counted = Counted { request, ask: &request.ask, ledger };
    let also = request.also.iter().map(|(attempt, _)| attempt.clone()).collect();
    Ok(Admitted { plan: request.plan.clone(), also, probes: tripped::probes(&counted) })
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

#[cfg(test)]
mod tests;
