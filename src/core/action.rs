//! The closed list of what fettle can do. One match arm each, no registry.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::core::duration;

/// One action with its parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Stop and start the container again.
    Restart {
        /// How long the process may take to end before it is killed. Whole seconds.
        grace: Duration,
    },
    /// Tell people; touches nothing.
    Escalate {
        /// What to say besides what is known anyway.
        message: Option<String>,
    },
}

/// How long the daemon may need beyond the grace time; after that a client that got no answer may look.
pub const CALL_MARGIN: Duration = Duration::from_secs(30);

impl Action {
    /// The word in rules, audit and metrics.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Restart { .. } => "restart",
            Self::Escalate { .. } => "escalate",
        }
    }

    /// Its parameters as they are written in rules, for records.
    #[must_use]
    pub fn parameters(&self) -> Value {
        match self {
            Self::Restart { grace } => json!({"grace": duration::show(*grace)}),
            Self::Escalate { message } => json!({"message": message}),
        }
    }

    /// Whether it changes anything outside fettle.
    #[must_use]
    pub fn has_effect(&self) -> bool {
        !matches!(self, Self::Escalate { .. })
    }

    /// How long after its intent an unchanged target proves that nothing happened: the daemon cannot still be at it.
    #[must_use]
    pub fn conclusive_after(&self) -> Duration {
        match self {
            Self::Restart { grace } => *grace + CALL_MARGIN,
            Self::Escalate { .. } => Duration::ZERO,
        }
    }
}

/// Every action's name, for metrics that exist from the start.
pub const NAMES: [&str; 2] = ["restart", "escalate"];
