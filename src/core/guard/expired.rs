//! `expired`: the alert is believed to fire, but was last heard of too long ago to act on it.

use serde_json::json;

use super::{Known, refusal};
use crate::core::remediation::order;
use crate::core::remediation::refusal::{Guard, Refusal};
use crate::core::time::since;

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
    let newest = known.alerts.iter().filter(|alert| alert.firing).map(|alert| alert.evidence_at).max()?;
    let age = since(known.now, newest);
    (age > known.settings.freshness).then(|| {
        let (age, limit) = (age.as_secs(), known.settings.freshness.as_secs());
        refusal(
            Guard::Expired,
            None,
            format!("last heard firing {age} s ago, freshness is {limit} s"),
            json!({"evidence_at": newest, "age_seconds": age, "freshness_seconds": limit}),
        )
    })
}
