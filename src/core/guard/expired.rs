//! `expired`: the alert is believed to fire, but was last heard of too long ago to act on it.

use serde_json::json;

use super::{Known, refusal};
use crate::core::remediation::refusal::{Guard, Refusal};
use crate::core::time::since;

pub(super) fn check(known: &Known<'_>) -> Option<Refusal> {
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
