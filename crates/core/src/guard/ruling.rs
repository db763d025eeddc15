//! What one guard decides: it passes or refuses, and by which numbers.
//!
//! Always holds: a decision and an explanation ask the same function, so the numbers of an explanation are those by which a
//! decision passed. A pass describes itself only when an explanation reads it: most decisions pass every guard.

use serde_json::Value;

use super::answer::Answer;
use crate::remediation::refusal::{Guard, Refusal};
use crate::time::Timestamp;

/// What a guard decides by, in words and in numbers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Basis {
    /// For people.
    pub(super) why: String,
    /// The same in numbers.
    pub(super) numbers: Value,
}

impl Basis {
    pub(super) fn new(why: impl Into<String>, numbers: Value) -> Self {
        Self { why: why.into(), numbers }
    }
}

/// One guard's decision.
pub(super) enum Ruling<'a> {
    /// It has no objection.
    Passes(Box<dyn FnOnce() -> Basis + 'a>),
    /// It refuses.
    Refuses {
        /// When it may decide otherwise; `None` when no time is known.
        until: Option<Timestamp>,
        /// Why.
        basis: Basis,
    },
    /// It passes, because it knows nothing to decide by.
    Unknown,
}

impl<'a> Ruling<'a> {
    pub(super) fn passes(basis: impl FnOnce() -> Basis + 'a) -> Self {
        Self::Passes(Box::new(basis))
    }

    pub(super) fn refuses(until: Option<Timestamp>, why: impl Into<String>, numbers: Value) -> Self {
        Self::Refuses { until, basis: Basis::new(why, numbers) }
    }

    /// Refuses or passes by the same numbers.
    pub(super) fn refuses_if(refuses: bool, until: Option<Timestamp>, basis: impl FnOnce() -> Basis + 'a) -> Self {
        if refuses { Self::Refuses { until, basis: basis() } } else { Self::passes(basis) }
    }

    /// For a decision: only a refusal matters.
    pub(super) fn refusal(self, guard: Guard) -> Option<Refusal> {
        let Self::Refuses { until, basis: Basis { why, numbers } } = self else { return None };
        Some(Refusal { guard, until, why, detail: numbers })
    }

    /// For an explanation.
    pub(super) fn answer(self, guard: Guard) -> Answer {
        match self {
            Self::Passes(basis) => {
                let Basis { why, numbers } = basis();
                Answer::passes(guard, why, numbers)
            }
            Self::Refuses { until, basis: Basis { why, numbers } } => {
                Answer::no(Refusal { guard, until, why, detail: numbers })
            }
            Self::Unknown => Answer::unknown(guard),
        }
    }
}
