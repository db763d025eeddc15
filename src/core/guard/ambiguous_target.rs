//! `ambiguous_target`: more than one container answers to the name; fettle never takes "the first".

use serde_json::json;

use super::{Seen, refusal};
use crate::core::remediation::refusal::{Guard, Refusal};
use crate::core::sight::Found;

pub(super) fn check(seen: &Seen<'_>) -> Option<Refusal> {
    match seen.found {
        Found::Many(found) => Some(refusal(
            Guard::AmbiguousTarget,
            None,
            format!("{found} containers answer to {}", seen.target),
            json!({"found": found}),
        )),
        Found::Nothing | Found::One(_) => None,
    }
}
