//! What a remediation without an effect came to. A later look is compared with it, so that a repeat that leads to the same answer
//! records nothing.
//!
//! Always holds: what Docker's restart policy does is no change, as everywhere else; the text of a rule is compared, and not where
//! it is written.

use serde::{Deserialize, Serialize};

use super::refusal::Guard;
use crate::sight::Pin;
use crate::time::Timestamp;
use crate::words::words;

/// What a remediation without an effect came to, and from what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conclusion {
    /// What it came to.
    #[serde(flatten)]
    pub came: Came,
    /// The digest of its rule ([`Rule::digest`](crate::rule::model::Rule::digest)); empty when the rule was removed.
    pub rule: String,
    /// The run of the target that was seen last; `None`: nothing was seen.
    pub seen: Option<Pin>,
    /// When this was last found.
    pub looked_at: Timestamp,
}

/// What a remediation without an effect came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "came")]
pub enum Came {
    /// A final guard refused.
    Refused {
        /// The guard.
        guard: Guard,
    },
    /// It recorded what fettle would have done.
    Observed,
    /// No person answered the proposal in time.
    Unanswered,
    /// A person rejected the proposal, or cancelled the remediation. Time alone does not change that.
    Declined,
    /// Somebody else acted, or the rule was removed, before fettle did anything.
    Superseded,
}

impl Came {
    /// The word for it, in metrics and the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused { guard } => guard.as_str(),
            Self::Observed => "observed",
            Self::Unanswered => "unanswered",
            Self::Declined => "declined",
            Self::Superseded => "superseded",
        }
    }
}

words! {
    /// Why a repeat of a firing alert opens no remediation.
    Unopened {
        /// An effect spent the episode.
        Effect = "effect",
        /// The last remediation was refused.
        Refused = "refused",
        /// It recorded what fettle would have done.
        Observed = "observed",
        /// No person answered its proposal in time.
        Unanswered = "unanswered",
        /// A person rejected or cancelled it.
        Declined = "declined",
        /// Somebody else acted before it did.
        Superseded = "superseded",
    }
}

impl From<Option<Came>> for Unopened {
    fn from(came: Option<Came>) -> Self {
        match came {
            None => Self::Effect,
            Some(Came::Refused { .. }) => Self::Refused,
            Some(Came::Observed) => Self::Observed,
            Some(Came::Unanswered) => Self::Unanswered,
            Some(Came::Declined) => Self::Declined,
            Some(Came::Superseded) => Self::Superseded,
        }
    }
}

/// What a remediation without an effect leaves to its alerts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// What it came to.
    #[serde(flatten)]
    pub conclusion: Conclusion,
    /// When it is looked at again, should nothing be heard before.
    pub again_at: Timestamp,
}
