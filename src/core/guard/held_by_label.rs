//! `held_by_label`: the container's own label asks to be left alone. Labels only tighten.
//!
//! `fettle.hold=REASON` holds it. `fettle.budget=3 per 1h` is one more budget of the target; one that does not read is
//! read as the strictest there is. `fettle.approval` asks for a person, whom this version cannot ask: it holds too.

use serde_json::json;

use super::{Seen, refusal};
use crate::core::remediation::refusal::{Guard, Refusal};
use crate::core::rule::budget;
use crate::core::rule::model::Budget;
use crate::core::sight::{Found, Sight};

const HOLDING: [&str; 2] = ["fettle.hold", "fettle.approval"];
/// More budgets, separated by commas.
const BUDGET: &str = "fettle.budget";

/// The budgets that the container itself asks for; `None` when they do not read.
pub(super) fn budgets(sight: &Sight) -> Option<Vec<Budget>> {
    let Some(written) = sight.labels.get(BUDGET) else { return Some(Vec::new()) };
    written.split(',').map(|one| budget::parse(one).ok()).collect()
}

pub(super) fn check(seen: &Seen<'_>) -> Option<Refusal> {
    let Found::One(sight) = seen.found else { return None };
    let holding = HOLDING.iter().find_map(|&label| Some((label, sight.labels.get(label)?)));
    let unreadable = || budgets(sight).is_none().then_some((BUDGET, sight.labels.get(BUDGET)?));
    let (label, value) = holding.or_else(unreadable)?;
    let value: String = value.chars().take(256).collect();
    Some(refusal(
        Guard::HeldByLabel,
        None,
        format!("{} carries {label}={value}", sight.name),
        json!({"label": label, "value": value}),
    ))
}
