//! `resolved`: every alert attached to the remediation is gone.

use serde_json::json;

use super::{Basis, Known, refusal};
use crate::remediation::refusal::{Guard, Refusal};

pub(super) fn check(known: &Known<'_>) -> Option<Refusal> {
    // An order is its own reason.
    if known.remediation.order.is_some() {
        return None;
    }
    (!known.alerts.iter().any(|alert| alert.firing)).then(|| {
        let ended = known.alerts.iter().filter_map(|alert| alert.ended_at).max();
        refusal(Guard::Resolved, None, "the alert is resolved".to_owned(), json!({"ended_at": ended}))
    })
}

pub(super) fn basis(known: &Known<'_>) -> Basis {
    let (firing, all) = (known.alerts.iter().filter(|alert| alert.firing).count(), known.alerts.len());
    Basis::new(format!("{firing} of {all} alerts fire"), json!({"firing": firing, "alerts": all}))
}
