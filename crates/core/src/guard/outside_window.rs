//! `outside_window`: the rule acts only at other times, written as Alertmanager's time intervals.

use std::time::Duration;

use serde_json::json;

use super::facts::Known;
use super::ruling::{Basis, Ruling};
use crate::time::after;

/// When it is asked again whether a window opens that none is known of within the years that are searched.
const FAR: Duration = Duration::from_hours(24);

pub(super) fn ask<'a>(known: &'a Known<'_>) -> Ruling<'a> {
    let Some(rule) = known.rule else { return Ruling::Unknown };
    let during = &rule.during;
    if let Some(closed) = during.as_ref().filter(|during| !during.contains(known.now)) {
        let until = closed.next_open(known.now).unwrap_or(after(known.now, FAR));
        let numbers = json!({"during": closed, "opens_at": until});
        return Ruling::refuses(Some(until), format!("the rule acts again at {until}"), numbers);
    }
    Ruling::passes(move || {
        let why = if during.is_none() { "the rule acts at any time" } else { "the rule acts now" };
        Basis::new(why, json!({"during": during}))
    })
}
