//! `no_target` and `ambiguous_target`: exactly one thing has the target's name; fettle never takes "the first".
//!
//! The guards after them are asked about the one thing that was found. (A name that Docker does not allow is refused when it
//! is read.)

use serde_json::json;

use super::facts::Aim;
use super::ruling::{Basis, Ruling};
use crate::sight::Found;

/// Whether anything has the name.
pub(super) fn ask_none<'a>(aim: &'a Aim<'_>, found: &'a Found) -> Ruling<'a> {
    match found {
        Found::Nothing => Ruling::refuses(None, format!("nothing is named {}", aim.target), json!({"found": 0})),
        Found::Many(many) => Ruling::passes(move || Basis::new("something has the name", json!({"found": many}))),
        Found::One(sight) => {
            Ruling::passes(|| Basis::new(format!("it is there: {}", sight.describe()), json!({"found": 1})))
        }
    }
}

/// Whether only one thing has the name.
pub(super) fn ask_many<'a>(aim: &'a Aim<'_>, found: &'a Found) -> Ruling<'a> {
    match found {
        Found::Nothing => Ruling::Unknown,
        Found::Many(many) => {
            let why = format!("{many} containers answer to {}", aim.target);
            Ruling::refuses(None, why, json!({"found": many}))
        }
        Found::One(sight) => {
            Ruling::passes(|| Basis::new(format!("one {} answers to the name", sight.kind()), json!({"found": 1})))
        }
    }
}
