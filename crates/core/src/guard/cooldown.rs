//! `cooldown`: an earlier remediation acted on this target too recently.

use serde_json::json;

use super::facts::Counted;
use super::ruling::{Basis, Ruling};
use crate::time::after;

pub(super) fn ask<'a>(counted: &'a Counted<'_>) -> Ruling<'a> {
    let cooldown = counted.request.cooldown;
    let seconds = cooldown.as_secs();
    let Some(last) = counted.ledger.last_effect else {
        return Ruling::passes(move || {
            Basis::new("nothing was done to it before", json!({"last_effect": null, "cooldown_seconds": seconds}))
        });
    };
    let until = after(last, cooldown);
    Ruling::refuses_if(counted.ask.now < until, Some(until), move || {
        let numbers = json!({"last_effect": last, "cooldown_seconds": seconds, "until": until});
        Basis::new(format!("the last effect on it was at {last}, cooldown is {seconds} s"), numbers)
    })
}
