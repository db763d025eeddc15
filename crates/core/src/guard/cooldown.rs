//! `cooldown`: an earlier remediation acted on this target too recently.

use std::time::Duration;

use serde_json::json;

use super::{Basis, Counted, refusal};
use crate::remediation::refusal::{Guard, Refusal};
use crate::time::{Timestamp, after};

pub(super) fn check(counted: &Counted<'_>) -> Option<Refusal> {
    let (now, cooldown) = (counted.ask.now, counted.request.cooldown);
    let last = counted.ledger.last_effect?;
    let until = after(last, cooldown);
    (now < until).then(|| {
        let Basis { why, numbers } = said(last, cooldown);
        refusal(Guard::Cooldown, Some(until), why, numbers)
    })
}

pub(super) fn basis(counted: &Counted<'_>) -> Basis {
    let cooldown = counted.request.cooldown;
    if let Some(last) = counted.ledger.last_effect {
        return said(last, cooldown);
    }
    let numbers = json!({"last_effect": null, "cooldown_seconds": cooldown.as_secs()});
    Basis::new("nothing was done to it before", numbers)
}

fn said(last: Timestamp, cooldown: Duration) -> Basis {
    let seconds = cooldown.as_secs();
    let numbers = json!({"last_effect": last, "cooldown_seconds": seconds, "until": after(last, cooldown)});
    Basis::new(format!("the last effect on it was at {last}, cooldown is {seconds} s"), numbers)
}
