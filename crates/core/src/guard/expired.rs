//! `expired`: the alert is believed to fire, but was last heard of too long ago to act on it.

use std::time::Duration;

use serde_json::json;

use super::{Basis, Known, refusal};
use crate::remediation::order;
use crate::remediation::refusal::{Guard, Refusal};
use crate::time::{Timestamp, since};

pub(super) fn check(known: &Known<'_>) -> Option<Refusal> {
    if known.remediation.order_lapsed(known.now) {
        let (age, limit) = (since(known.now, known.remediation.opened_at).as_secs(), order::STANDS.as_secs());
        return Some(refusal(
            Guard::Expired,
            None,
            format!("ordered {age} s ago and not begun; an order stands for {limit} s"),
            json!({"ordered_at": known.remediation.opened_at, "age_seconds": age, "stands_seconds": limit}),
        ));
    }
    let (newest, age) = heard(known)?;
    (age > known.settings.freshness).then(|| {
        let Basis { why, numbers } = said(known, newest, age);
        refusal(Guard::Expired, None, why, numbers)
    })
}

pub(super) fn basis(known: &Known<'_>) -> Option<Basis> {
    heard(known).map(|(newest, age)| said(known, newest, age))
}

/// When an attached alert was last heard firing, and how long ago that is; `None` when none fires.
fn heard(known: &Known<'_>) -> Option<(Timestamp, Duration)> {
    let newest = known.alerts.iter().filter(|alert| alert.firing).map(|alert| alert.evidence_at).max()?;
    Some((newest, since(known.now, newest)))
}

fn said(known: &Known<'_>, newest: Timestamp, age: Duration) -> Basis {
    let (age, limit) = (age.as_secs(), known.settings.freshness.as_secs());
    Basis::new(
        format!("last heard firing {age} s ago, freshness is {limit} s"),
        json!({"evidence_at": newest, "age_seconds": age, "freshness_seconds": limit}),
    )
}
