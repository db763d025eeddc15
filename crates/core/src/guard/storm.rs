//! `storm`: so much is wrong at once that the cause is hardly each target's own, and fettle holds back.
//!
//! Counted when alerts are taken in: distinct targets opened fleet-wide, refused ones left out. Latched: it ends only when it
//! was not found again for `quiet_for`. It lowers the mode to `then`, and refuses only where that is `observe`.

use serde_json::json;

use super::{Basis, Known, Seen, refusal};
use crate::remediation::refusal::{Guard, Refusal};
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

pub(super) fn check(seen: &Seen<'_>) -> Option<Refusal> {
    let known = &seen.known;
    let (limit, storm) = (known.settings.storm?, known.surroundings.storm?);
    let until = ends_at(storm, limit, known.now)?;
    (limit.then == Mode::Observe && known.base_mode > Mode::Observe).then(|| {
        let Basis { why, numbers } = said(storm, limit, until);
        refusal(Guard::Storm, Some(until), why, numbers)
    })
}

pub(super) fn basis(seen: &Seen<'_>) -> Basis {
    let known = &seen.known;
    let Some(limit) = known.settings.storm else { return Basis::new("storms are off", json!({})) };
    let standing = known.surroundings.storm.and_then(|storm| Some((storm, ends_at(storm, limit, known.now)?)));
    if let Some((storm, until)) = standing {
        return said(storm, limit, until);
    }
    let within = limit.within.as_secs();
    Basis::new("there is no storm", json!({"limit": limit.targets, "within_seconds": within}))
}

fn said(storm: Storm, limit: StormLimit, until: Timestamp) -> Basis {
    let why = format!("{} targets were opened within {} s", storm.targets, limit.within.as_secs());
    let numbers = json!({"targets": storm.targets, "limit": limit.targets, "within_seconds": limit.within.as_secs(),
        "since": storm.since, "quiet_until": until});
    Basis::new(why, numbers)
}
