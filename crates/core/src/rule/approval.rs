//! When a person must agree to a step, and how a loan of replicas is returned.

use std::time::Duration;

use super::compile::Context;
use super::matchers;
use super::mode::nobody_could;
use super::model::{APPROVAL_WITHIN, Approval, RESTORE_AFTER};
use super::raw::{RawApproval, RawRestore};
use crate::action::Action;
use crate::diagnostic::{Report, codes};
use crate::duration::show;
use crate::matcher::Patterns;
use crate::yaml::{Node, Value, duration};

/// Reads `approval`: without a value, or `{}`, a person must always agree.
pub(super) fn read(
    node: &Node,
    context: &Context,
    patterns: &mut Patterns,
    report: &mut Report<'_>,
) -> Option<Approval> {
    let raw = match node.value {
        Value::Null => RawApproval::default(),
        Value::Scalar(_) => {
            let help = "write {when: [MATCHER], within: 10m}, {} for always, or leave it out for never";
            report.add_with_help(&codes::WRONG_SHAPE, &node.at, "text where a map belongs", help);
            return None;
        }
        _ => RawApproval::read(node, report)?,
    };
    if !context.approvers {
        nobody_could(node, "a person must agree to this step", report);
    }
    let when = raw.when.map_or(Some(Vec::new()), |node| matchers::list(node, patterns, report));
    let within = raw.within.map_or(Some(APPROVAL_WITHIN), |node| positive(node, report));
    let within = within?;
    if context.stale_after(within) {
        let freshness = show(context.freshness);
        let message =
            format!("an answer after {} comes when the alert is stale: freshness is {freshness}", show(within));
        let help = format!("write within: {freshness} or less, raise freshness, or configure alertmanager");
        report.add_with_help(&codes::APPROVAL_STALE, &raw.within.unwrap_or(node).at, message, help);
    }
    Some(Approval { when: when?, within })
}

/// Reads `restore`: after how long a loan is returned; `None`: never, or it is not readable.
pub(super) fn restore(node: &Node, action: Option<&Action>, report: &mut Report<'_>) -> Option<Duration> {
    if let Some(action) = action.filter(|action| !action.scales()) {
        let message = format!("`{}` scales nothing, so there is nothing to return", action.name());
        let help = "remove `restore`; it belongs to scale_down and scale_up";
        report.add_with_help(&codes::RESTORE, &node.at, message, help);
        return None;
    }
    match &node.value {
        Value::Scalar(word) if word == "never" => None,
        Value::Map(_) => {
            let raw = RawRestore::read(node, report)?;
            raw.after.map_or(Some(RESTORE_AFTER), |node| positive(node, report))
        }
        _ => {
            let help = "write {after: 30m}, or never";
            report.add_with_help(&codes::RESTORE, &node.at, "this does not say when a loan is returned", help);
            None
        }
    }
}

fn positive(node: &Node, report: &mut Report<'_>) -> Option<Duration> {
    let length = duration(node, report)?;
    if length.is_zero() {
        report.add_with_help(&codes::DURATION, &node.at, "this must be longer than 0", "remove it for the default");
        return None;
    }
    Some(length)
}
