//! `held_by_label`: the container's own label asks to be left alone. Labels only tighten.
//!
//! `fettle.hold=REASON` holds it. `fettle.approval` and `fettle.budget` ask for limits that this version cannot give per
//! container; a limit that cannot be given is read as the strictest one.

use serde_json::json;

use super::{Seen, refusal};
use crate::core::remediation::refusal::{Guard, Refusal};
use crate::core::sight::Found;

const HOLDING: [&str; 3] = ["fettle.hold", "fettle.approval", "fettle.budget"];

pub(super) fn check(seen: &Seen<'_>) -> Option<Refusal> {
    let Found::One(sight) = seen.found else { return None };
    let (label, value) = HOLDING.iter().find_map(|label| Some((label, sight.labels.get(*label)?)))?;
    let value: String = value.chars().take(256).collect();
    Some(refusal(
        Guard::HeldByLabel,
        None,
        format!("{} carries {label}={value}", sight.name),
        json!({"label": label, "value": value}),
    ))
}
