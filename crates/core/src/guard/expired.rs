//! `expired`: the alert is believed to fire, but was last heard of too long ago to act on it.

use std::time::Duration;

use serde_json::json;

use super::facts::Known;
use super::ruling::{Basis, Ruling};
use crate::remediation::order;
use crate::time::{Timestamp, since};

pub(super) fn ask<'a>(known: &'a Known<'_>) -> Ruling<'a> {
    if known.remediation.order_lapsed(known.now) {
        let (age, limit) = (since(known.now, known.remediation.opened_at).as_secs(), order::STANDS.as_secs());
        return Ruling::refuses(
            None,
            format!("ordered {age} s ago and not begun; an order stands for {limit} s"),
            json!({"ordered_at": known.remediation.opened_at, "age_seconds": age, "stands_seconds": limit}),
        );
    }
    let Some((newest, age)) = heard(known) else { return Ruling::Unknown };
    let freshness = known.settings.freshness;
    Ruling::refuses_if(age > freshness, None, move || {
        let (age, limit) = (age.as_secs(), freshness.as_secs());
        Basis::new(
            format!("last heard firing {age} s ago, freshness is {limit} s"),
            json!({"evidence_at": newest, "age_seconds": age, "freshness_seconds": limit}),
        )
    })
}

/// When an attached alert was last heard firing, and how long ago that is; `None` when none fires.
fn heard(known: &Known<'_>) -> Option<(Timestamp, Duration)> {
    let newest = known.alerts.iter().filter(|alert| alert.firing).map(|alert| alert.evidence_at).max()?;
    Some((newest, since(known.now, newest)))
}
