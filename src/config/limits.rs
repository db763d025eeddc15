//! What bounds the whole service, and how long it remembers.

use std::time::Duration;

use fettle_core::diagnostic::{Report, codes};
use fettle_core::rule::budget;
use fettle_core::rule::model::Budget;
use fettle_core::yaml::{Node, bytes, number, text};

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

/// Smallest and largest bound of a text: below the first no name fits.
const TEXT: std::ops::RangeInclusive<u64> = 64..=64 << 20;

/// Reads how long a name, a value or the texts of one alert may be, such as `64KiB`.
pub(super) fn read_text(node: &Node, report: &mut Report<'_>) -> Option<usize> {
    bytes(node, TEXT, "from 64B to 64MiB", report).and_then(|size| usize::try_from(size).ok())
}

/// Reads how many alerts one notification may have.
pub(super) fn read_alerts(node: &Node, report: &mut Report<'_>) -> Option<usize> {
    number(node, 1..=1_000_000, report).and_then(|count| usize::try_from(count).ok())
}

/// Reads how many labels or annotations one alert may have.
pub(super) fn read_pairs(node: &Node, report: &mut Report<'_>) -> Option<usize> {
    number(node, 1..=10_000, report).and_then(|count| usize::try_from(count).ok())
}

/// Smallest and largest share: below the first no notification fits.
const MEMORY: std::ops::RangeInclusive<u64> = 1 << 20..=1 << 40;

/// Reads what all notifications together may take, such as `128MiB`.
pub(super) fn read_memory(node: &Node, report: &mut Report<'_>) -> Option<usize> {
    bytes(node, MEMORY, "from 1MiB to 1TiB", report).and_then(|size| usize::try_from(size).ok())
}
