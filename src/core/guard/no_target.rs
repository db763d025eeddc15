//! `no_target`: nothing has the target's name. (A name that Docker would not allow is refused when it is read.)

use serde_json::json;

use super::{Seen, refusal};
use crate::core::remediation::refusal::{Guard, Refusal};
use crate::core::sight::Found;

pub(super) fn check(seen: &Seen<'_>) -> Option<Refusal> {
    matches!(seen.found, Found::Nothing)
        .then(|| refusal(Guard::NoTarget, None, format!("nothing is named {}", seen.target), json!({"found": 0})))
}
