//! The `steps` of a rule: what each does, how it is judged, and who must agree.

use std::ops::Range;

use super::approval;
use super::mode::nobody_could;
use super::raw::{RawRule, RawStep};
use super::{actions, verify};
use crate::action::{Action, NAMES};
use crate::diagnostic::nearest::advice;
use crate::diagnostic::{Report, codes};
use crate::matcher::Patterns;
use crate::rule::context::Context;
use crate::rule::lint::fits;
use crate::rule::model::{Step, TargetSpec, Verify};
use crate::yaml::{Entry, Node, Value, duration, items, required};

/// What the steps of a rule are read against.
pub(super) struct Reading<'r> {
    pub(super) context: &'r Context,
    /// How a step is judged that does not say.
    pub(super) verify: &'r Verify,
    /// What they are done to; `None` when that could not be read.
    pub(super) target: Option<&'r TargetSpec>,
    pub(super) patterns: &'r mut Patterns,
}

/// Reads the ladder.
pub(super) fn read(
    raw: &RawRule<'_>,
    rule: &Range<usize>,
    reading: &mut Reading<'_>,
    report: &mut Report<'_>,
) -> Option<Vec<Step>> {
    let node = required(raw.steps, "steps", rule, "write what to do, such as steps: [restart]", report)?;
    let list = items(node, report)?;
    if list.is_empty() {
        let help = "write what to do, such as [restart], or [escalate] to tell people only";
        report.add_with_help(&codes::STEPS_EMPTY, &node.at, "a rule needs at least one step", help);
    }
    let mut steps: Vec<(Step, &Node)> = Vec::new();
    let mut ended = false;
    for (index, item) in list.iter().enumerate() {
        if ended {
            let message = "this step would never run: nothing follows `escalate`";
            report.add_with_help(&codes::AFTER_ESCALATE, &item.at, message, "make `escalate` the last step");
        }
        let Some(step) = step(item, index == 0, reading, report) else { continue };
        ended |= matches!(step.action, Action::Escalate { .. });
        steps.push((step, item));
    }
    check_scaling(&steps, report);
    Some(steps.into_iter().map(|(step, _)| step).collect())
}

fn step(node: &Node, first: bool, reading: &mut Reading<'_>, report: &mut Report<'_>) -> Option<Step> {
    let null = Node { at: node.at.clone(), value: Value::Null };
    let (raw, name, parameters) = match &node.value {
        Value::Scalar(name) if NAMES.contains(&name.as_str()) => (RawStep::default(), Some(name.as_str()), &null),
        Value::Scalar(name) => {
            report.add_with_help(&codes::STEP, &node.at, "this is not an action", advice(name, &NAMES));
            return None;
        }
        _ => {
            let raw = RawStep::read(node, report)?;
            let (name, parameters) = named(&raw, node, report).map_or((None, &null), |(name, it)| (Some(name), it));
            (raw, name, parameters)
        }
    };
    let action = name.and_then(|name| actions::read(name, parameters, reading.target, report));
    if let (Some(action), Some(target)) = (&action, reading.target) {
        fits::check(action, target, &node.at, reading.context, report);
        fits::check_spared(action, target, &node.at, report);
        if let Action::CleanLogs(clean) = action {
            let at = &inside(parameters, "roots").unwrap_or(node).at;
            fits::check_roots(clean, target, at, reading.context, report);
        }
    }
    let verify = judged(&raw, node, reading, report);
    let after = raw.after.and_then(|node| duration(node, report)).unwrap_or_default();
    if let (Some(node), true) = (raw.after, first) {
        let help = "use `hold` on the rule to wait before the first step";
        let message = "`after` counts from the step before, and this is the first";
        report.add_with_help(&codes::NO_EFFECT, &node.at, message, help);
    }
    let approval = raw.approval.and_then(|node| approval::read(node, reading.context, reading.patterns, report));
    let restore = raw.restore.map(|node| approval::restore(node, action.as_ref(), report));
    let action = action?;
    if !action.has_effect() {
        for (key, node) in [("verify", raw.verify), ("approval", raw.approval)] {
            let Some(node) = node else { continue };
            let message = format!("`escalate` changes nothing, so `{key}` means nothing here");
            let help = format!("remove `{key}`, or put it under the step before");
            report.add_with_help(&codes::NO_EFFECT, &node.at, message, help);
        }
    }
    if action.asks_by_default() && raw.approval.is_none() && !reading.context.approvers {
        nobody_could(parameters, "`container_log` is a last resort that a person must agree to", report);
    }
    let plain = Step::plain(action);
    Some(Step { verify, after, approval, restore: restore.unwrap_or(plain.restore), ..plain })
}

/// The action that a map names, with its parameters.
fn named<'n>(raw: &RawStep<'n>, node: &Node, report: &mut Report<'_>) -> Option<(&'static str, &'n Node)> {
    let given =
        [raw.restart, raw.stop, raw.scale_down, raw.scale_up, raw.clean_logs, raw.prune, raw.set_limits, raw.escalate];
    let mut given = NAMES.into_iter().zip(given).filter_map(|(name, node)| Some((name, node?)));
    match (given.next(), given.next()) {
        (Some(one), None) => Some(one),
        (Some(_), Some(_)) => {
            let message = "the step names more than one action";
            report.add_with_help(&codes::STEP, &node.at, message, "write one step for each, in order");
            None
        }
        (None, _) => {
            if !only_unknown(node) {
                let help = format!("write one of: {}", NAMES.join(", "));
                report.add_with_help(&codes::STEP, &node.at, "the step names no action", help);
            }
            None
        }
    }
}

/// Whether every key of the map has been reported as unknown already.
fn only_unknown(node: &Node) -> bool {
    let unknown = |entry: &Entry| !RawStep::KEYS.contains(&entry.key.as_str());
    matches!(&node.value, Value::Map(entries) if !entries.is_empty() && entries.iter().any(unknown))
}

/// Steps of one ladder must not contradict each other: none may keep more replicas than another may bring at most.
fn check_scaling(steps: &[(Step, &Node)], report: &mut Report<'_>) {
    let ceiling = |step: &Step| match step.action {
        Action::ScaleUp { ceiling, .. } => Some(ceiling),
        _ => None,
    };
    let lowest = steps.iter().filter_map(|(step, _)| ceiling(step)).min();
    for (step, node) in steps {
        if let (Action::ScaleDown { floor, .. }, Some(ceiling)) = (&step.action, lowest)
            && *floor > ceiling
        {
            let message = format!("the floor {floor} is above the ceiling {ceiling} of another step");
            let help = format!("write a floor of {ceiling} or less, or raise the ceiling");
            let at = &inside(node, "scale_down").and_then(|it| inside(it, "floor")).unwrap_or(node).at;
            report.add_with_help(&codes::FLOOR_ABOVE_CEILING, at, message, help);
        }
    }
}

/// What a map holds under `key`.
fn inside<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    let Value::Map(entries) = &node.value else { return None };
    entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
}

fn judged(raw: &RawStep<'_>, step: &Node, reading: &Reading<'_>, report: &mut Report<'_>) -> Verify {
    let before = report.found.len();
    let judged = verify::read(raw.verify, reading.verify.clone(), reading.context, report);
    if report.found[before..].iter().all(|it| !it.is_error()) {
        verify::check_times(&judged, raw.verify, step, report);
    }
    judged
}
