//! `no_target`: nothing has the target's name. (A name that Docker would not allow is refused when it is read.)

use serde_json::json;

use super::{Basis, Seen, refusal};
use crate::remediation::refusal::{Guard, Refusal};
use crate::sight::Found;

pub(super) fn check(seen: &Seen<'_>) -> Option<Refusal> {
    matches!(seen.found, Found::Nothing)
        .then(|| refusal(Guard::NoTarget, None, format!("nothing is named {}", seen.target), json!({"found": 0})))
}

pub(super) fn basis(seen: &Seen<'_>) -> Option<Basis> {
    match seen.found {
        Found::Nothing => None,
        Found::Many(found) => Some(Basis::new("something has the name", json!({"found": found}))),
        Found::One(sight) => Some(Basis::new(format!("it is there: {}", sight.describe()), json!({"found": 1}))),
    }
}
