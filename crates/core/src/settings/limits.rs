//! What bounds the whole service.

use std::time::Duration;

use crate::alert::bounds::Bounds;
use crate::diagnostic::{Report, codes};
use crate::rule::budget;
use crate::rule::model::Budget;
use crate::yaml::{Node, duration};

/// Bodies above [`SMALL`] that are read at the same time.
pub const LARGE_AT_ONCE: usize = 2;

/// Up to this many bytes a body needs no turn.
pub const SMALL: usize = 256 << 10;

/// Bytes of small bodies that are read at the same time.
pub const SMALL_AT_ONCE: usize = 4 << 20;

/// Bytes of bodies that a store gives back at once, if there is more than one.
pub const READ_BACK: usize = 4 << 20;

/// What bounds the whole service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Effects at the same time.
    pub in_flight: u32,
    /// Effects of all rules on all targets.
    pub budget: Vec<Budget>,
    /// Effects of all rules on one target.
    pub target_budget: Vec<Budget>,
    /// Largest body of a notification.
    pub body_bytes: usize,
    /// The limits of one notification.
    pub bounds: Bounds,
    /// Bytes that are reserved for all notifications together while they are read, stored and taken in.
    pub memory_bytes: usize,
    /// Notifications of one sender; `None` is any number.
    pub senders: Option<Budget>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            in_flight: 4,
            budget: vec![Budget { max: 20, per: Duration::from_mins(10) }],
            target_budget: vec![Budget { max: 6, per: Duration::from_hours(1) }],
            body_bytes: 10 << 20,
            bounds: Bounds::default(),
            memory_bytes: 128 << 20,
            senders: None,
        }
    }
}

impl Limits {
    /// What is reserved for the largest notification while it is stored, as much while one is read back, and what is being read.
    #[must_use]
    pub fn memory_needed(&self) -> usize {
        self.reading_bytes().saturating_add(self.bounds.cost(self.body_bytes).saturating_mul(2))
    }

    /// The share of `memory_bytes` for notifications from the end of their body until they are taken in. The rest is for bodies that are
    /// being read, and for what is read back from the store.
    #[must_use]
    pub fn working_bytes(&self) -> usize {
        let beside = self.reading_bytes().saturating_add(self.bounds.cost(self.body_bytes.max(READ_BACK)));
        self.memory_bytes.saturating_sub(beside).max(self.bounds.cost(self.body_bytes))
    }

    fn reading_bytes(&self) -> usize {
        self.body_bytes.saturating_mul(LARGE_AT_ONCE).saturating_add(SMALL_AT_ONCE)
    }

    /// The longest window that a budget of the service looks back.
    pub fn longest_window(&self) -> Duration {
        self.budget.iter().chain(&self.target_budget).map(|budget| budget.per).max().unwrap_or_default()
    }
}

/// Reads budgets; an empty list is refused.
pub fn read_budgets(node: &Node, report: &mut Report<'_>) -> Option<Vec<Budget>> {
    let before = report.found.len();
    let budgets = budget::read(node, report)?;
    if budgets.is_empty() && report.found.len() == before {
        let help = "write one, such as [20 per 10m], or remove the key for the default";
        report.add_with_help(&codes::BUDGET, &node.at, "without any budget fettle could act without end", help);
    }
    Some(budgets.into_iter().map(|(budget, _)| budget).collect())
}

/// Reads a length of time above zero.
pub fn positive(node: &Node, report: &mut Report<'_>) -> Option<Duration> {
    let length = duration(node, report)?;
    if length.is_zero() {
        report.add_with_help(&codes::DURATION, &node.at, "this must be longer than 0", "remove it for the default");
        return None;
    }
    Some(length)
}
