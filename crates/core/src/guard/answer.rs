//! One guard's answer, as explanations show it.

use serde::Serialize;
use serde_json::{Value, json};

use crate::remediation::refusal::{Guard, Refusal};
use crate::time::Timestamp;
use crate::words::words;

words! {
    /// What a guard says.
    Says {
        /// Nothing against it.
        Passes = "passes",
        /// It may be done, but by a lower mode.
        Lowers = "lowers",
        /// Not now: it is asked again.
        Waits = "waits",
        /// No.
        Refuses = "refuses",
        /// What it would have to know is not known.
        NotAsked = "not_asked",
    }
}

/// One guard's answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    /// Which guard.
    pub guard: Guard,
    /// What it says.
    pub says: Says,
    /// Why, for people.
    pub why: String,
    /// When it could say otherwise, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The numbers it goes by.
    pub numbers: Value,
}

impl Answer {
    /// A guard's no.
    #[must_use]
    pub fn no(refusal: Refusal) -> Self {
        let Refusal { guard, until, why, detail } = refusal;
        let says = match guard {
            Guard::Expired | Guard::Resolved => Says::Refuses,
            guard if guard.is_final() => Says::Refuses,
            _ => Says::Waits,
        };
        Self { guard, says, why, until, numbers: detail }
    }

    /// It was not asked, and why not.
    #[must_use]
    pub fn not_asked(guard: Guard, why: &str) -> Self {
        Self { guard, says: Says::NotAsked, why: why.to_owned(), until: None, numbers: json!({}) }
    }

    /// It was asked, and knows nothing to decide by.
    pub(super) fn unknown(guard: Guard) -> Self {
        Self::not_asked(guard, "there is nothing to go by")
    }

    /// Nothing against it.
    #[must_use]
    pub fn passes(guard: Guard, why: impl Into<String>, numbers: Value) -> Self {
        Self { guard, says: Says::Passes, why: why.into(), until: None, numbers }
    }

    /// Whether nothing is done because of it.
    #[must_use]
    pub fn stands_against(&self) -> bool {
        matches!(self.says, Says::Waits | Says::Refuses)
    }
}
