//! `held_by_label`: the container's own label asks to be left alone. Labels only tighten.
//!
//! `fettle.hold=REASON` holds it. `fettle.budget=3 per 1h` is one more budget of the target; one that does not read is
//! read as the strictest there is. `fettle.approval` asks for a person:
//! see [`decide`](crate::decide).

use serde_json::json;

use super::facts::Aim;
use super::ruling::{Basis, Ruling};
use crate::rule::budget;
use crate::rule::model::Budget;
use crate::sight::Sight;

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

pub(super) fn ask<'a>(_aim: &'a Aim<'_>, sight: &'a Sight) -> Ruling<'a> {
    match is_held(sight) {
        Some((name, label, value)) => {
            let value: String = value.chars().take(256).collect();
            let why = format!("{name} carries {label}={value}");
            Ruling::refuses(None, why, json!({"label": label, "value": value}))
        }
        None => Ruling::passes(|| Basis::new("no label of its own holds it", json!({}))),
    }
}
