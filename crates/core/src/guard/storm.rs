//! `storm`: so much is wrong at once that the cause is hardly each target's own, and fettle holds back.
//!
//! Counted when alerts are taken in: distinct targets opened fleet-wide, refused ones left out. Latched: it ends only when it
//! was not found again for `quiet_for`. It lowers the mode to `then`, and refuses only where that is `observe`.

use serde_json::json;

use super::facts::{Aim, Known};
use super::ruling::{Basis, Ruling};
use crate::rule::model::Mode;
use crate::settings::StormLimit;
use crate::surroundings::Storm;
use crate::time::{Timestamp, after};

/// The ceiling that a storm sets, while there is one.
#[must_use]
pub fn ceiling(known: &Known<'_>) -> Option<Mode> {
    let limit = known.settings.storm?;
    ends_at(known.surroundings.storm?, limit, known.now).map(|_| limit.then)
}

/// When the storm ends if nothing more comes; `None`: it is over.
fn ends_at(storm: Storm, limit: StormLimit, now: Timestamp) -> Option<Timestamp> {
    let end = after(storm.last_at, limit.quiet_for);
    (now < end).then_some(end)
}

pub(super) fn ask<'a>(aim: &'a Aim<'_>) -> Ruling<'a> {
    let known = &aim.known;
    let Some(limit) = known.settings.storm else {
        return Ruling::passes(|| Basis::new("storms are off", json!({})));
    };
    let within = limit.within.as_secs();
    let current = known.surroundings.storm.and_then(|storm| Some((storm, ends_at(storm, limit, known.now)?)));
    let Some((storm, until)) = current else {
        return Ruling::passes(move || {
            Basis::new("there is no storm", json!({"limit": limit.targets, "within_seconds": within}))
        });
    };
    let refuses = limit.then == Mode::Observe && known.base_mode > Mode::Observe;
    Ruling::refuses_if(refuses, Some(until), move || {
        let why = format!("{} targets were opened within {within} s", storm.targets);
        let numbers = json!({"targets": storm.targets, "limit": limit.targets, "within_seconds": within,
            "since": storm.since, "quiet_until": until});
        Basis::new(why, numbers)
    })
}
