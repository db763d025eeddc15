//! How a mode is written.

use super::model::Mode;
use crate::diagnostic::{Report, codes};
use crate::yaml::{Node, text};

/// Reads `observe`, `propose` or `act`. `propose` needs somebody who could approve.
pub fn read(node: &Node, approvers: bool, report: &mut Report<'_>) -> Option<Mode> {
    match text(node, report)? {
        "observe" => Some(Mode::Observe),
        "propose" => {
            if !approvers {
                nobody_could(node, "with `propose` every effect waits for a person", report);
            }
            Some(Mode::Propose)
        }
        "act" => Some(Mode::Act),
        other => {
            let message = format!("\"{}\" is not a mode", other.chars().take(40).collect::<String>());
            report.add_with_help(&codes::UNKNOWN_WORD, &node.at, message, "write observe, propose or act");
            None
        }
    }
}

/// A person must agree, and there is none who may.
pub fn nobody_could(node: &Node, what: &str, report: &mut Report<'_>) {
    let message = format!("{what}, and no token may approve");
    let help = "add a token with the role admin to auth.tokens; `fettle token new` makes one";
    report.add_with_help(&codes::NO_APPROVER, &node.at, message, help);
}
