//! How a mode is written.

use super::model::Mode;
use crate::core::yaml::{Node, text};
use crate::diagnostic::{Report, codes};

/// Reads `observe` or `act`.
pub fn read(node: &Node, report: &mut Report<'_>) -> Option<Mode> {
    let (message, help) = match text(node, report)? {
        "observe" => return Some(Mode::Observe),
        "act" => return Some(Mode::Act),
        "propose" => (
            "`propose` needs approvals, which do not exist yet".to_owned(),
            "write observe to record what would be done, or act",
        ),
        other => (format!("\"{}\" is not a mode", other.chars().take(40).collect::<String>()), "write observe or act"),
    };
    report.add_with_help(&codes::UNKNOWN_WORD, &node.at, message, help);
    None
}
