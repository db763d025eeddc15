//! `outside_window`: the rule acts only at other times, written as Alertmanager's time intervals.

use std::time::Duration;

use serde_json::json;

use super::{Basis, Known, refusal};
use crate::remediation::refusal::{Guard, Refusal};
use crate::time::after;

/// When it is asked again whether a window opens that none is known of within the years that are searched.
const FAR: Duration = Duration::from_hours(24);

pub(super) fn check(known: &Known<'_>) -> Option<Refusal> {
    let during = known.rule?.during.as_ref().filter(|during| !during.contains(known.now))?;
    let until = during.next_open(known.now).unwrap_or(after(known.now, FAR));
    let numbers = json!({"during": during, "opens_at": until});
    Some(refusal(Guard::OutsideWindow, Some(until), format!("the rule acts again at {until}"), numbers))
}

pub(super) fn basis(known: &Known<'_>) -> Option<Basis> {
    let during = &known.rule?.during;
    let why = if during.is_none() { "the rule acts at any time" } else { "the rule acts now" };
    Some(Basis::new(why, json!({"during": during})))
}
