//! `resolved`: every alert attached to the remediation is gone.

use serde_json::json;

use super::facts::Known;
use super::ruling::{Basis, Ruling};

pub(super) fn ask<'a>(known: &'a Known<'_>) -> Ruling<'a> {
    let firing = known.alerts.iter().filter(|alert| alert.firing).count();
    // An order is its own reason.
    if firing == 0 && known.remediation.order.is_none() {
        let ended = known.alerts.iter().filter_map(|alert| alert.ended_at).max();
        return Ruling::refuses(None, "the alert is resolved", json!({"ended_at": ended}));
    }
    let all = known.alerts.len();
    Ruling::passes(move || {
        Basis::new(format!("{firing} of {all} alerts fire"), json!({"firing": firing, "alerts": all}))
    })
}
