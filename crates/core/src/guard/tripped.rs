//! `tripped`: the rule's circuit breaker.
//!
//! **closed**: acting. **open**: too many verdicts within `within` proved nothing; the mode is lowered to `then`.
//! **half-open**, once `within` has passed: one act is tried, the probe; while it is judged the mode stays lowered. A `fixed`
//! probe closes the breaker, any other verdict that proves nothing opens it anew. A person may reset it at any time.
//!
//! Asked twice: with the facts, where it lowers the mode, and under the ledger's lock, so that two targets of one rule cannot
//! both be the probe, nor pass while a verdict that trips it is being stored.

use serde_json::json;

use super::{Basis, Counted, Known, Seen, refusal};
use crate::remediation::refusal::{Guard, Refusal};
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
pub(super) fn check(seen: &Seen<'_>) -> Option<Refusal> {
    let known = &seen.known;
    let limit = known.settings.trip?;
    let breaker = &known.surroundings.breaker;
    let (mode, until) = lowered(breaker, limit, known.now)?;
    (mode == Mode::Observe && known.base_mode > Mode::Observe).then(|| no(breaker, limit, until, known.now))
}

/// Under the lock: what was planned as an act must still be one.
pub(super) fn still(counted: &Counted<'_>) -> Option<Refusal> {
    let (limit, plan) = (counted.request.trip?, &counted.request.plan);
    if plan.mode != Mode::Act || plan.approved.is_some() {
        return None;
    }
    let (breaker, now) = (&counted.ledger.breaker, counted.request.ask.now);
    let (_, until) = lowered(breaker, limit, now)?;
    Some(no(breaker, limit, until, now))
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

pub(super) fn basis(seen: &Seen<'_>) -> Basis {
    let known = &seen.known;
    match known.settings.trip {
        Some(limit) => said(&known.surroundings.breaker, limit, known.now),
        None => Basis::new("breakers are off", json!({})),
    }
}

fn no(breaker: &Breaker, limit: TripLimit, until: Timestamp, now: Timestamp) -> Refusal {
    let Basis { why, numbers } = said(breaker, limit, now);
    // A probe under way has no known end; it is asked again soon.
    refusal(Guard::Tripped, (until > now).then_some(until), why, numbers)
}

fn said(breaker: &Breaker, limit: TripLimit, now: Timestamp) -> Basis {
    let (state, at) = state(breaker, limit, now);
    let why = format!("the rule's breaker is {state}: {} verdicts proved nothing", breaker.unproven.len());
    let numbers = json!({"state": state, "opened_at": at, "probe": breaker.probe, "unproven": breaker.unproven.len(),
        "limit": limit.unproven, "within_seconds": limit.within.as_secs(),
        "half_open_at": at.map(|at| after(at, limit.within))});
    Basis::new(why, numbers)
}
