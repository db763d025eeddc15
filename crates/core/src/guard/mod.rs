//! Guards: the reasons not to act now, in one visible order, cheapest first and the budget last.
//!
//! Three lists, by what they need to know: nothing but what is stored; a look at the target; the ledger, read while
//! its lock is held. Each guard is one function that passes or refuses by its numbers, in its own
//! file: decisions and explanations both ask it.
//! Three of them need only names and are asked as soon as an alert is taken in, by [`receive`](crate::receive): a name
//! that Docker does not allow (`no_target`), a name that the rule does not (`not_allowed`), and an alert about another
//! machine (`other_host`). So a label's text reaches
//! Docker only where a rule permits it, and a flood of alerts that no rule permits costs no call. A name that is neither
//! permitted nor there is therefore `not_allowed`.
//! [`admit`] is the only code that makes an [`Admitted`], and an effect cannot begin without one.

mod answer;
mod budget;
mod cooldown;
pub(crate) mod docker_away;
mod earlier_run;
mod expired;
mod facts;
mod found;
mod held_by_label;
mod in_flight;
pub mod ledger;
mod min_healthy;
mod not_allowed;
mod not_enabled;
mod on_loan;
mod other_host;
mod outside_window;
mod paused;
mod protected;
mod resolved;
mod ruling;
mod run;
mod silenced;
mod starting;
mod stopped;
mod storm;
pub mod survey;
mod swarm_task;
mod together;
mod tripped;
mod unless;

pub use answer::{Answer, Says};
pub use docker_away::hides_target;
pub use facts::{Aim, Counted, Known, Permits, Request};
pub use held_by_label::is_held;
pub use other_host::by_instance as names_other_host;
pub use paused::by as paused_by;
pub use protected::reason as is_protected;
pub use stopped::asks as asks_whether_stopped;
pub use storm::ceiling as storm_ceiling;
pub use tripped::{BreakerState, ceiling as trip_ceiling, state as breaker_state};

use serde_json::Value;

use self::ledger::{Ledger, Scope, ScopeKind};
use self::ruling::Ruling;
use crate::remediation::refusal::{Guard, Refusal};
use crate::remediation::state::{Attempt, Plan};
use crate::rule::model::{Budget, Rule};
use crate::settings::Settings;
use crate::sight::{Found, Sight};
use crate::time::Timestamp;

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
    /// That the look was answered at all; a look that was not never gets here, see [`docker_away`].
    Answered,
    /// How many things have the target's name.
    Found(for<'a> fn(&'a Aim<'_>, &'a Found) -> Ruling<'a>),
    /// The target as a look showed it.
    Seen(for<'a> fn(&'a Aim<'_>, &'a Sight) -> Ruling<'a>),
}

impl OfAim {
    /// Asks it about what was found; a guard that judges the target knows nothing while there is none.
    fn of<'a>(&self, aim: &'a Aim<'_>, found: &'a Found) -> Ruling<'a> {
        match (self, found) {
            (Self::Plain(ask) | Self::Stored(ask), _) => ask(aim),
            (Self::Answered, _) => docker_away::answered(),
            (Self::Found(ask), found) => ask(aim, found),
            (Self::Seen(ask), Found::One(sight)) => ask(aim, sight),
            (Self::Seen(_), Found::Nothing | Found::Many(_)) => Ruling::Unknown,
        }
    }
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

/// Asked once the target was looked up.
const AFTER_LOOK: [(Guard, OfAim); 16] = [
    (Guard::NoTarget, OfAim::Found(found::ask_none)),
    (Guard::NotAllowed, OfAim::Plain(not_allowed::ask)),
    (Guard::OtherHost, OfAim::Plain(other_host::ask)),
    (Guard::DockerAway, OfAim::Answered),
    (Guard::AmbiguousTarget, OfAim::Found(found::ask_many)),
    (Guard::SwarmTask, OfAim::Seen(swarm_task::ask)),
    (Guard::NotEnabled, OfAim::Seen(not_enabled::ask)),
    (Guard::Protected, OfAim::Seen(protected::ask)),
    (Guard::Stopped, OfAim::Seen(stopped::ask)),
    (Guard::OnLoan, OfAim::Stored(on_loan::ask)),
    (Guard::HeldByLabel, OfAim::Seen(held_by_label::ask)),
    (Guard::Starting, OfAim::Seen(starting::ask)),
    (Guard::EarlierRun, OfAim::Seen(earlier_run::ask)),
    (Guard::MinHealthy, OfAim::Seen(min_healthy::ask)),
    (Guard::Storm, OfAim::Stored(storm::ask)),
    (Guard::Tripped, OfAim::Stored(tripped::ask)),
];

/// Asked while the ledger's lock is held.
const UNDER_LOCK: [OfCounted; 5] = [
    (Guard::OnLoan, on_loan::ask_again),
    (Guard::Tripped, tripped::ask_again),
    (Guard::Cooldown, cooldown::ask),
    (Guard::InFlight, in_flight::ask),
    (Guard::Budget, budget::ask),
];

/// Whether the lists ask it after the look already, and again under the lock.
fn is_asked_again(guard: Guard) -> bool {
    AFTER_LOOK.iter().any(|(of_aim, _)| *of_aim == guard)
}

/// The first guard that refuses without a look.
#[must_use]
pub fn before_look(known: &Known<'_>) -> Option<Refusal> {
    BEFORE_LOOK.iter().find_map(|(guard, _, ask)| ask(known).refusal(*guard))
}

/// The first guard that refuses what was found; else the one thing that may be touched.
pub fn after_look<'f>(aim: &Aim<'_>, found: &'f Found) -> Result<&'f Sight, Refusal> {
    let refusal = AFTER_LOOK.iter().find_map(|(guard, ask)| ask.of(aim, found).refusal(*guard));
    match (refusal, found) {
        (Some(refusal), _) => Err(refusal),
        (None, Found::One(sight)) => Ok(sight),
        // The list refuses these; without it there is still nothing to act on.
        (None, Found::Nothing | Found::Many(_)) => {
            let why = format!("no single thing is {}", aim.target);
            Err(Refusal { guard: Guard::NoTarget, until: None, why, detail: Value::Null })
        }
    }
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
    let of = |kind, budgets: &[Budget]| budgets.iter().map(move |&budget| Scope { kind, budget }).collect::<Vec<_>>();
    [
        of(ScopeKind::RuleTarget, &rule.budget),
        of(ScopeKind::Rule, &rule.rule_budget),
        of(ScopeKind::Target, &settings.target_budget),
        of(ScopeKind::Target, &held_by_label::budgets(sight).unwrap_or_default()),
        of(ScopeKind::Fleet, &settings.budget),
    ]
    .concat()
}

/// Whether this guard judges the target, so that its answer shows that a look was answered.
#[must_use]
pub fn judges_target(guard: Guard) -> bool {
    guard != Guard::DockerAway && !BEFORE_LOOK.iter().any(|(known, ..)| *known == guard)
}

/// Every guard in the order in which it is first asked: the three lists, with `not_scalable` and `approval`, which the plan
/// and the approval ask themselves.
#[must_use]
pub fn order() -> Vec<Guard> {
    let known = BEFORE_LOOK.iter().map(|(guard, ..)| *guard);
    let seen = AFTER_LOOK.iter().map(|(guard, _)| *guard);
    let counted = UNDER_LOCK.iter().map(|(guard, _)| *guard).filter(|guard| !is_asked_again(*guard));
    known.chain(seen).chain([Guard::NotScalable]).chain(counted).chain([Guard::Approval]).collect()
}

#[cfg(test)]
mod tests;
