//! `starting`: the container has just been started and is given its time: health `starting` within its start period, or
//! younger than the rule's `min_age`.
//!
//! Without `min_age` in the rule it is 30 s for a container without a health check, and none for one with a health check: that
//! says itself when it is ready. `min_age: 0s` turns the age off. The guard ends by itself; a crash loop is no start.

use std::time::Duration;

use serde_json::json;

use super::facts::{Aim, Permits};
use super::ruling::{Basis, Ruling};
use super::run::{begun_by_others, judged};
use crate::duration::show;
use crate::sight::{Container, Health, Sight, Status};
use crate::time::{after, since};

pub(super) fn ask<'a>(aim: &'a Aim<'_>, sight: &'a Sight) -> Ruling<'a> {
    let now = aim.known.now;
    let running = judged(aim, sight).filter(|it| it.status == Status::Running);
    let Some((it, started_at)) = running.and_then(|it| Some((it, begun_by_others(it)?))) else {
        return Ruling::passes(|| Basis::new("no container that has just been started", json!({})));
    };
    let (limit, what) = limit(aim, it);
    let until = after(started_at, limit);
    // A start in the future by more than the limit is the daemon's other clock: it has no age, and the wait would not end.
    let is_young = now < until && started_at <= after(now, limit);
    Ruling::refuses_if(is_young, Some(until), move || {
        let age = since(now, started_at);
        let why = format!("it was started {} ago, {what} is {}", show(Duration::from_secs(age.as_secs())), show(limit));
        let numbers = json!({"started_at": started_at, "age_seconds": age.as_secs(), "limit": what,
            "limit_seconds": limit.as_secs(), "health": it.health, "until": until});
        Basis::new(why, numbers)
    })
}

/// How long it is left alone after its start, and what sets that.
fn limit(aim: &Aim<'_>, it: &Container) -> (Duration, &'static str) {
    let min_age = match aim.permits {
        Permits::Rule(spec) => spec.min_age(it.health.is_some()),
        Permits::Patterns(_) => Duration::ZERO,
    };
    match it.health {
        Some(Health::Starting) if it.start_period > min_age => (it.start_period, "its start period"),
        _ => (min_age, "min_age"),
    }
}
