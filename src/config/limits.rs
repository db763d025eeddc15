//! What bounds the whole service, and how long it remembers.

use std::time::Duration;

use crate::core::rule::budget;
use crate::core::rule::model::Budget;
use crate::core::yaml::{Node, bytes, text};
use crate::diagnostic::{Report, codes};

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
            senders: None,
        }
    }
}

impl Limits {
    /// The longest window that a budget of the service looks back.
    pub fn longest_window(&self) -> Duration {
        self.budget.iter().chain(&self.target_budget).map(|budget| budget.per).max().unwrap_or_default()
    }
}

/// How long rows are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// Notifications as they came.
    pub notifications: Duration,
    /// What was done or refused, and the alerts and remediations it speaks of.
    pub audit: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self { notifications: Duration::from_hours(30 * 24), audit: Duration::from_hours(400 * 24) }
    }
}

pub(super) fn read_budgets(node: &Node, report: &mut Report<'_>) -> Option<Vec<Budget>> {
    let before = report.found.len();
    let budgets = budget::read(node, report)?;
    if budgets.is_empty() && report.found.len() == before {
        let help = "write one, such as [20 per 10m], or remove the key for the default";
        report.add_with_help(&codes::BUDGET, &node.at, "without any budget fettle could act without end", help);
    }
    Some(budgets.into_iter().map(|(budget, _)| budget).collect())
}

pub(super) fn read_pace(node: &Node, report: &mut Report<'_>) -> Option<Budget> {
    match budget::parse(text(node, report)?) {
        Ok(pace) => Some(pace),
        Err(message) => {
            report.add_with_help(&codes::BUDGET, &node.at, message, "write N per DURATION, such as 50 per 1s");
            None
        }
    }
}

/// Smallest and largest body: below the first no notification fits, above the second memory is at risk.
const BODY: std::ops::RangeInclusive<u64> = 1 << 10..=1 << 30;

/// Reads a size such as `10MiB`.
pub(super) fn read_bytes(node: &Node, report: &mut Report<'_>) -> Option<usize> {
    bytes(node, BODY, "from 1KiB to 1GiB", report).and_then(|size| usize::try_from(size).ok())
}
