//! `no_target` and `ambiguous_target`: exactly one thing has the target's name; fettle never takes "the first".
//!
//! They narrow what was found down to the one target that all later guards are asked about. (A name that Docker does not
//! allow is refused when it is read.)

use serde_json::json;

use super::answer::Answer;
use crate::remediation::refusal::{Guard, Refusal};
use crate::sight::{Found, Sight};
use crate::target::Target;

/// The one thing that has the name.
pub(super) fn the_one<'f>(target: &Target, found: &'f Found) -> Result<&'f Sight, Refusal> {
    let (guard, found, why) = match found {
        Found::One(sight) => return Ok(sight),
        Found::Nothing => (Guard::NoTarget, 0, format!("nothing is named {target}")),
        Found::Many(found) => (Guard::AmbiguousTarget, *found, format!("{found} containers answer to {target}")),
    };
    Err(Refusal { guard, until: None, why, detail: json!({"found": found}) })
}

/// What both guards answer, in their order.
pub(super) fn answers(target: &Target, found: &Found) -> [Answer; 2] {
    let passes = |guard, why: String, found: usize| Answer::passes(guard, why, json!({"found": found}));
    match the_one(target, found) {
        Ok(sight) => [
            passes(Guard::NoTarget, format!("it is there: {}", sight.describe()), 1),
            passes(Guard::AmbiguousTarget, format!("one {} answers to the name", sight.kind()), 1),
        ],
        Err(refusal) => match found {
            Found::Many(found) => {
                [passes(Guard::NoTarget, "something has the name".to_owned(), *found), Answer::no(refusal)]
            }
            Found::Nothing | Found::One(_) => [Answer::no(refusal), Answer::unknown(Guard::AmbiguousTarget)],
        },
    }
}
