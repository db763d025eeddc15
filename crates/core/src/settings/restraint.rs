//! When fettle holds back by itself: a storm of alerts, and a rule that proves nothing.
//!
//! Both hold unless they are switched off with the word `off`; then only budgets are left. Without anybody who could
//! approve, `propose` would wait in vain: it is refused where it is written, and what holds by default observes instead.

use std::time::Duration;

use super::limits::positive;
use super::raw::{RawStorm, RawTrip};
use crate::diagnostic::{Report, codes};
use crate::rule::mode;
use crate::rule::model::Mode;
use crate::settings::{StormLimit, TripLimit};
use crate::yaml::{Node, Value, number};

/// What is said about one of them.
pub enum Said<L> {
    /// It is switched off.
    Off,
    /// These limits.
    Limit(L),
}

impl<L> Said<L> {
    /// What holds: `default` when nothing was said.
    pub fn settle(said: Option<Self>, default: L) -> Option<L> {
        match said {
            None => Some(default),
            Some(Self::Limit(limit)) => Some(limit),
            Some(Self::Off) => None,
        }
    }
}

/// The storm limit that holds when nothing is said.
pub fn default_storm(approvers: bool) -> StormLimit {
    let base = StormLimit::default();
    StormLimit { then: possible(base.then, approvers), ..base }
}

/// The trip limit that holds when nothing is said.
pub fn default_trip(approvers: bool) -> TripLimit {
    let base = TripLimit::default();
    TripLimit { then: possible(base.then, approvers), ..base }
}

fn possible(then: Mode, approvers: bool) -> Mode {
    if approvers { then } else { then.min(Mode::Observe) }
}

/// How far back both look.
pub fn looks_back(storm: Option<StormLimit>, trip: Option<TripLimit>) -> Duration {
    let storm = storm.map_or(Duration::ZERO, |it| it.within.max(it.quiet_for));
    storm.max(trip.map_or(Duration::ZERO, |it| it.within))
}

/// Reads `storm`; `off` is none.
pub fn storm(node: &Node, approvers: bool, report: &mut Report<'_>) -> Option<Said<StormLimit>> {
    if is_off(node, "{targets: 5, within: 2m}", report)? {
        return Some(Said::Off);
    }
    let raw = RawStorm::read(node, report)?;
    let base = default_storm(approvers);
    // One target alone is no storm.
    let targets = raw.targets.and_then(|node| number(node, 2..=10_000, report));
    let within = raw.within.and_then(|node| positive(node, report));
    let then = raw.then_mode.and_then(|node| ceiling(node, approvers, report));
    let quiet_for = raw.quiet_for.and_then(|node| positive(node, report));
    Some(Said::Limit(StormLimit {
        targets: targets.unwrap_or(base.targets),
        within: within.unwrap_or(base.within),
        then: then.unwrap_or(base.then),
        quiet_for: quiet_for.unwrap_or(base.quiet_for),
    }))
}

/// Reads `trip`; `off` is none.
pub fn trip(node: &Node, approvers: bool, report: &mut Report<'_>) -> Option<Said<TripLimit>> {
    if is_off(node, "{unproven: 3, within: 30m}", report)? {
        return Some(Said::Off);
    }
    let raw = RawTrip::read(node, report)?;
    let base = default_trip(approvers);
    let unproven = raw.unproven.and_then(|node| number(node, 1..=1000, report));
    let within = raw.within.and_then(|node| positive(node, report));
    let then = raw.then_mode.and_then(|node| ceiling(node, approvers, report));
    Some(Said::Limit(TripLimit {
        unproven: unproven.unwrap_or(base.unproven),
        within: within.unwrap_or(base.within),
        then: then.unwrap_or(base.then),
    }))
}

/// Whether it is switched off; `None` when it says neither that nor anything else.
fn is_off(node: &Node, example: &str, report: &mut Report<'_>) -> Option<bool> {
    match &node.value {
        Value::Scalar(word) if word == "off" => Some(true),
        Value::Map(_) => Some(false),
        other => {
            let message = format!("{} where limits or `off` belong", other.kind());
            let help = format!("write {example}, off, or remove the key for the default");
            report.add_with_help(&codes::WRONG_SHAPE, &node.at, message, help);
            None
        }
    }
}

fn ceiling(node: &Node, approvers: bool, report: &mut Report<'_>) -> Option<Mode> {
    let mode = mode::read(node, approvers, report)?;
    if mode == Mode::Act {
        let message = "with `act` nothing would be held back";
        report.add_with_help(&codes::HOLDS_NOTHING, &node.at, message, "write propose or observe, or switch it off");
    }
    Some(mode)
}
