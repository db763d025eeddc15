//! `held_by_label`: the container's own label asks to be left alone. Labels only tighten.
//!
//! `fettle.hold=REASON` holds it. `fettle.budget=3 per 1h` is one more budget of the target; one that does not read is
//! read as the strictest there is. `fettle.approval` asks for a person:
//! see [`decide`](crate::decide).

use serde_json::json;

use super::{Basis, Seen, refusal};
use crate::remediation::refusal::{Guard, Refusal};
use crate::rule::budget;
use crate::rule::model::Budget;
use crate::sight::{Found, Sight};

const HOLD: &str = "fettle.hold";
/// More budgets, separated by commas.
const BUDGET: &str = "fettle.budget";

/// The budgets that the container itself asks for; `None` when they do not read.
pub(super) fn budgets(sight: &Sight) -> Option<Vec<Budget>> {
    let written = sight.parts().into_iter().filter_map(|part| part.labels.get(BUDGET));
    written.flat_map(|written| written.split(',')).map(|one| budget::parse(one).ok()).collect()
}

/// Which part of it asks to be left alone, by which label and value.
#[must_use]
pub fn is_held(sight: &Sight) -> Option<(&str, &'static str, &str)> {
    let unreadable = budgets(sight).is_none();
    sight.parts().into_iter().find_map(|part| {
        let holding = part.labels.get(HOLD).map(|value| (HOLD, value));
        let (label, value) =
            holding.or_else(|| if unreadable { Some((BUDGET, part.labels.get(BUDGET)?)) } else { None })?;
        Some((part.name, label, value.as_str()))
    })
}

pub(super) fn check(seen: &Seen<'_>) -> Option<Refusal> {
    let Found::One(sight) = seen.found else { return None };
    let (name, label, value) = is_held(sight)?;
    let value: String = value.chars().take(256).collect();
    Some(refusal(
        Guard::HeldByLabel,
        None,
        format!("{name} carries {label}={value}"),
        json!({"label": label, "value": value}),
    ))
}

pub(super) fn basis(seen: &Seen<'_>) -> Option<Basis> {
    let Found::One(_) = seen.found else { return None };
    Some(Basis::new("no label of its own holds it", json!({})))
}
