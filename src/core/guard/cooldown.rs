//! `cooldown`: an earlier remediation acted on this target too recently.

use serde_json::json;

use super::{Counted, refusal};
use crate::core::remediation::refusal::{Guard, Refusal};
use crate::core::time::after;

pub(super) fn check(counted: &Counted<'_>) -> Option<Refusal> {
    let (now, cooldown) = (counted.ask.now, counted.request.cooldown);
    let last = counted.ledger.last_effect?;
    let until = after(last, cooldown);
    (now < until).then(|| {
        refusal(
            Guard::Cooldown,
            Some(until),
            format!("the last effect on it was at {last}, cooldown is {} s", cooldown.as_secs()),
            json!({"last_effect": last, "cooldown_seconds": cooldown.as_secs(), "until": until}),
        )
    })
}
