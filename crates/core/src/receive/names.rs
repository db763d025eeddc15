//! What names alone decide, before anything is looked up: a refusal, or the target that may be looked at.

use serde_json::{Value, json};

use crate::alert::labels::Labels;
use crate::guard::names_other_host;
use crate::remediation::refusal::Guard;
use crate::select::Selected;
use crate::settings::Settings;
use crate::target::Target;

/// The answer of the guards that need only names.
#[derive(Debug)]
pub enum ByName<'a> {
    /// The names permit a look.
    Target(&'a Target),
    /// A guard refuses.
    Refused {
        /// The target as it is written in records.
        target: &'a Target,
        /// The guard.
        guard: Guard,
        /// Why, and the numbers.
        detail: Value,
    },
}

/// Asks the guards that need only names about an alert with these labels.
#[must_use]
pub fn by_name<'a>(selected: &'a Selected, labels: &Labels, settings: &Settings) -> ByName<'a> {
    let rule = &*selected.rule;
    match &selected.target {
        Err(unnamed) => {
            ByName::Refused { target: &unnamed.target, guard: Guard::NoTarget, detail: json!({"why": unnamed.detail}) }
        }
        // The text of an alert does not even reach Docker unless the rule permits it.
        Ok(target) if !target.name().is_some_and(|name| rule.target.permits(name)) => {
            let why = format!("{} is not in the rule's allow list", target.name().unwrap_or("?"));
            ByName::Refused { target, guard: Guard::NotAllowed, detail: json!({"why": why}) }
        }
        Ok(target) => match names_other_host(&rule.target, target, labels, &settings.hosts) {
            Some((why, numbers)) => {
                ByName::Refused { target, guard: Guard::OtherHost, detail: json!({"why": why, "numbers": numbers}) }
            }
            None => ByName::Target(target),
        },
    }
}
