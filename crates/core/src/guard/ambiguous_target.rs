//! `ambiguous_target`: more than one container answers to the name; fettle never takes "the first".

use serde_json::json;

use super::{Basis, Seen, refusal};
use crate::remediation::refusal::{Guard, Refusal};
use crate::sight::Found;

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

pub(super) fn basis(seen: &Seen<'_>) -> Option<Basis> {
    let Found::One(sight) = seen.found else { return None };
    Some(Basis::new(format!("one {} answers to the name", sight.kind()), json!({"found": 1})))
}
