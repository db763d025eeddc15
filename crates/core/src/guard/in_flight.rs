//! `in_flight`: another remediation is at work on the same container under another name, or too many are at work at all.

use serde_json::json;

use super::facts::Counted;
use super::ruling::{Basis, Ruling};

pub(super) fn ask<'a>(counted: &'a Counted<'_>) -> Ruling<'a> {
    if let Some(rival) = counted.ledger.rivals.first() {
        let why = format!("remediation {rival} is at work on the same container");
        return Ruling::refuses(None, why, json!({"remediations": counted.ledger.rivals}));
    }
    let (running, limit) = (counted.ledger.in_flight, counted.request.in_flight);
    Ruling::refuses_if(running >= limit, None, move || {
        let why = format!("{running} of {limit} effects are under way");
        Basis::new(why, json!({"in_flight": running, "limit": limit}))
    })
}
