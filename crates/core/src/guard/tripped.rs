//! `tripped`: the rule's circuit breaker.
//!
//! **closed**: acting. **open**: too many verdicts within `within` proved nothing; the mode is lowered to `then`.
//! **half-open**, once `within` has passed: one act is tried, the probe; while it is judged the mode stays lowered. A `fixed`
//! probe closes the breaker, any other verdict that proves nothing opens it anew. A person may reset it at any time.
//!
//! Asked twice: with the facts, where it lowers the mode, and under the ledger's lock, so that two targets of one rule cannot
//! both be the probe, nor pass while a verdict that trips it is being stored.

use serde_json::json;

use super::facts::{Aim, Counted, Known};
use super::ruling::{Basis, Ruling};
use crate::rule::model::Mode;
use crate::settings::TripLimit;
use crate::surroundings::Breaker;
use crate::time::{Timestamp, after, since};
use crate::words::words;

words! {
    /// Where a breaker stands.
    BreakerState {
        /// Acting.
        Closed = "closed",
        /// Refusing.
        Open = "open",
        /// One act is tried.
        HalfOpen = "half_open",
    }
}

/// Where a breaker stands, and since when.
#[must_use]
pub fn state(breaker: &Breaker, limit: TripLimit, now: Timestamp) -> (BreakerState, Option<Timestamp>) {
    match breaker.opened_at.or_else(|| trips(breaker, limit, now)) {
        None => (BreakerState::Closed, None),
        Some(at) if now < after(at, limit.within) => (BreakerState::Open, Some(at)),
        Some(at) => (BreakerState::HalfOpen, Some(at)),
    }
}

/// Verdicts of several targets, stored at the same time, of which none saw the others.
fn trips(breaker: &Breaker, limit: TripLimit, now: Timestamp) -> Option<Timestamp> {
    let recent = || breaker.unproven.iter().filter(|at| since(now, **at) <= limit.within);
    (recent().count() >= usize::try_from(limit.unproven).unwrap_or(usize::MAX)).then(|| recent().max().copied())?
}

/// The ceiling that the breaker sets; `None` while it is closed or one act may be tried.
#[must_use]
pub fn ceiling(known: &Known<'_>) -> Option<Mode> {
    lowered(&known.surroundings.breaker, known.settings.trip?, known.now).map(|(mode, _)| mode)
}

fn lowered(breaker: &Breaker, limit: TripLimit, now: Timestamp) -> Option<(Mode, Timestamp)> {
    let (state, at) = state(breaker, limit, now);
    let until = after(at?, limit.within);
    match state {
        BreakerState::Closed => None,
        BreakerState::HalfOpen if breaker.probe.is_none() => None,
        BreakerState::Open | BreakerState::HalfOpen => Some((limit.then, until)),
    }
}

/// With `then: observe` an open breaker refuses.
pub(super) fn ask<'a>(aim: &'a Aim<'_>) -> Ruling<'a> {
    let known = &aim.known;
    let Some(limit) = known.settings.trip else {
        return Ruling::passes(|| Basis::new("breakers are off", json!({})));
    };
    let (breaker, now) = (&known.surroundings.breaker, known.now);
    let lowered = lowered(breaker, limit, now);
    let refuses = known.base_mode > Mode::Observe && lowered.is_some_and(|(mode, _)| mode == Mode::Observe);
    let until = lowered.and_then(|(_, until)| known_end(until, now));
    Ruling::refuses_if(refuses, until, move || describe(breaker, limit, now))
}

/// Under the lock: what was planned as an act must still be one. Its numbers were reported before the look already, so a
/// pass has none.
pub(super) fn ask_again<'a>(counted: &'a Counted<'_>) -> Ruling<'a> {
    let plan = &counted.request.plan;
    let Some(limit) = counted.request.trip.filter(|_| plan.mode == Mode::Act && plan.approved.is_none()) else {
        return Ruling::Unknown;
    };
    let (breaker, now) = (&counted.ledger.breaker, counted.request.ask.now);
    match lowered(breaker, limit, now) {
        None => Ruling::Unknown,
        Some((_, until)) => Ruling::Refuses { until: known_end(until, now), basis: describe(breaker, limit, now) },
    }
}

/// A probe under way has no known end; it is asked again soon.
fn known_end(until: Timestamp, now: Timestamp) -> Option<Timestamp> {
    (until > now).then_some(until)
}

/// Since when the breaker is open whose probe this act would be.
#[must_use]
pub(super) fn probes(counted: &Counted<'_>) -> Option<Timestamp> {
    let limit = counted.request.trip?;
    match state(&counted.ledger.breaker, limit, counted.request.ask.now) {
        (BreakerState::HalfOpen, at) => at,
        _ => None,
    }
}

fn describe(breaker: &Breaker, limit: TripLimit, now: Timestamp) -> Basis {
    let (state, at) = state(breaker, limit, now);
    let why = format!("the rule's breaker is {state}: {} verdicts proved nothing", breaker.unproven.len());
    let numbers = json!({"state": state, "opened_at": at, "probe": breaker.probe, "unproven": breaker.unproven.len(),
        "limit": limit.unproven, "within_seconds": limit.within.as_secs(),
        "half_open_at": at.map(|at| after(at, limit.within))});
    Basis::new(why, numbers)
}
