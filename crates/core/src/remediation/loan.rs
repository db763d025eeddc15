//! A loan of replicas: scaling takes or gives what is to be brought back when the alert has stayed away.
//!
//! Opened with the intent of the scaling effect, so a crash in between forgets none. Its own row and its own timer: the
//! remediation that lent is closed long before. How it goes on is [`return_loan`](crate::decide::return_loan)'s.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::state::{Attempt, Opener};
use crate::effect::Effect;
use crate::id::{LoanId, RemediationId};
use crate::target::Target;
use crate::time::Timestamp;
use crate::words::words;

/// One loan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loan {
    /// The audit row of the scaling effect.
    pub id: LoanId,
    /// The remediation that lent.
    pub remediation: RemediationId,
    /// Its rule.
    pub rule: String,
    /// What was scaled.
    pub target: Target,
    /// What budget and exclusion are keyed by.
    pub key: String,
    /// Every key that excludes, `key` among them: the containers of a Compose service too.
    pub keys: Vec<String>,
    /// The alert that opened the remediation.
    pub alert: Opener,
    /// Which rung lent, from 1.
    pub step: u32,
    /// What was lent.
    pub effect: Effect,
    /// How long the alert must have stayed away.
    pub after: Duration,
    /// When it was lent.
    pub opened_at: Timestamp,
    /// Tries to return it so far.
    pub attempts: u32,
    /// Looks at the platform that failed in a row.
    pub blind: u32,
    /// Where it stands.
    pub state: LoanState,
}

/// Where a loan stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum LoanState {
    /// Lent.
    Lent {
        /// When to see whether it can be returned.
        until: Timestamp,
    },
    /// The intent to return it is stored.
    Returning {
        /// What is being done.
        attempt: Box<Attempt>,
        /// When to look whether it happened, should no answer come.
        until: Timestamp,
    },
    /// Over.
    Closed {
        /// How.
        end: LoanEnd,
        /// Why, in a few words.
        reason: String,
        /// When.
        at: Timestamp,
    },
}

words! {
    /// How a loan ended.
    LoanEnd {
        /// It is as it was before.
        Returned = "returned",
        /// Somebody else changed it in between.
        Superseded = "superseded",
        /// Nothing was ever lent: the scaling did not happen.
        Void = "void",
    }
}

impl Loan {
    /// When it must be decided next; `None` only when closed.
    #[must_use]
    pub fn due(&self) -> Option<Timestamp> {
        match self.state {
            LoanState::Lent { until } | LoanState::Returning { until, .. } => Some(until),
            LoanState::Closed { .. } => None,
        }
    }

    /// The state's word in the store: `lent`, `returning`, or how it ended.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match &self.state {
            LoanState::Lent { .. } => "lent",
            LoanState::Returning { .. } => "returning",
            LoanState::Closed { end, .. } => end.as_str(),
        }
    }
}
