//! `in_flight`: another remediation is at work on the same container under another name, or too many are at work at all.

use serde_json::json;

use super::{Basis, Counted, refusal};
use crate::remediation::refusal::{Guard, Refusal};

pub(super) fn check(counted: &Counted<'_>) -> Option<Refusal> {
    let (running, limit) = (counted.ledger.in_flight, counted.request.in_flight);
    if let Some(rival) = counted.ledger.rivals.first() {
        let why = format!("remediation {rival} is at work on the same container");
        return Some(refusal(Guard::InFlight, None, why, json!({"remediations": counted.ledger.rivals})));
    }
    (running >= limit).then(|| {
        let why = format!("{running} of {limit} effects are under way");
        refusal(Guard::InFlight, None, why, json!({"in_flight": running, "limit": limit}))
    })
}

pub(super) fn basis(counted: &Counted<'_>) -> Basis {
    let (running, limit) = (counted.ledger.in_flight, counted.request.in_flight);
    let why = format!("{running} of {limit} effects are under way");
    Basis::new(why, json!({"in_flight": running, "limit": limit}))
}
