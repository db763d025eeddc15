//! The `steps` of a rule and how each is judged.

use std::ops::Range;
use std::time::Duration;

use super::model::{Step, Verify};
use super::raw::{RawEscalate, RawRestart, RawRule, RawStep, RawVerify};
use crate::core::action::{Action, NAMES};
use crate::core::duration::show;
use crate::core::yaml::{Entry, Node, Value, duration, items, required, text};
use crate::diagnostic::nearest::advice;
use crate::diagnostic::{Report, codes};

/// How long a process may take to end unless the step says otherwise; Docker's own default.
const GRACE: Duration = Duration::from_secs(10);

/// Reads the ladder.
pub(super) fn read(
    raw: &RawRule<'_>,
    rule: &Range<usize>,
    defaults: &Verify,
    report: &mut Report<'_>,
) -> Option<Vec<Step>> {
    let node = required(raw.steps, "steps", rule, "write what to do, such as steps: [restart]", report)?;
    let list = items(node, report)?;
    if list.is_empty() {
        let help = "write what to do, such as [restart], or [escalate] to tell people only";
        report.add_with_help(&codes::STEPS_EMPTY, &node.at, "a rule needs at least one step", help);
    }
    let mut steps: Vec<Step> = Vec::new();
    let mut ended = false;
    for (index, item) in list.iter().enumerate() {
        if ended {
            let message = "this step would never run: nothing follows `escalate`";
            report.add_with_help(&codes::AFTER_ESCALATE, &item.at, message, "make `escalate` the last step");
        }
        let Some(step) = step(item, index == 0, defaults, report) else { continue };
        ended |= matches!(step.action, Action::Escalate { .. });
        steps.push(step);
    }
    Some(steps)
}

fn step(node: &Node, first: bool, defaults: &Verify, report: &mut Report<'_>) -> Option<Step> {
    if let Value::Scalar(name) = &node.value {
        let action = match name.as_str() {
            "restart" => Action::Restart { grace: GRACE, dependents: None, start_stopped: false },
            "escalate" => Action::Escalate { message: None },
            _ => {
                report.add_with_help(&codes::STEP, &node.at, "this is not an action", advice(name, &NAMES));
                return None;
            }
        };
        return Some(Step { verify: defaults.clone(), ..Step::plain(action) });
    }
    let raw = RawStep::read(node, report)?;
    let action = match (raw.restart, raw.escalate) {
        (Some(restart), None) => self::restart(restart, report),
        (None, Some(escalate)) => self::escalate(escalate, report),
        (None, None) => {
            if !only_unknown(node) {
                let help = format!("write one of: {}", NAMES.join(", "));
                report.add_with_help(&codes::STEP, &node.at, "the step names no action", help);
            }
            None
        }
        (Some(_), Some(_)) => {
            let message = "the step names more than one action";
            report.add_with_help(&codes::STEP, &node.at, message, "write one step for each, in order");
            None
        }
    };
    let before = report.found.len();
    let verify = verify(raw.verify, defaults.clone(), report);
    if report.found.len() == before {
        check_times(&verify, raw.verify, node, report);
    }
    if let (Some(verify), Some(Action::Escalate { .. })) = (raw.verify, &action) {
        let help = "remove `verify`, or put it under the step before";
        report.add_with_help(
            &codes::NO_EFFECT,
            &verify.at,
            "`escalate` changes nothing, so there is nothing to verify",
            help,
        );
    }
    let after = raw.after.and_then(|node| duration(node, report)).unwrap_or_default();
    if let (Some(node), true) = (raw.after, first) {
        let help = "use `hold` on the rule to wait before the first step";
        report.add_with_help(
            &codes::NO_EFFECT,
            &node.at,
            "`after` counts from the step before, and this is the first",
            help,
        );
    }
    Some(Step { verify, after, ..Step::plain(action?) })
}

/// Whether every key of the map has been reported as unknown already.
fn only_unknown(node: &Node) -> bool {
    let unknown = |entry: &Entry| !RawStep::KEYS.contains(&entry.key.as_str());
    matches!(&node.value, Value::Map(entries) if !entries.is_empty() && entries.iter().any(unknown))
}

fn restart(node: &Node, report: &mut Report<'_>) -> Option<Action> {
    if node.value == Value::Null {
        return Some(Action::Restart { grace: GRACE, dependents: None, start_stopped: false });
    }
    let raw = RawRestart::read(node, report)?;
    let grace = match raw.grace {
        Some(node) => {
            let grace = duration(node, report)?;
            if grace.subsec_nanos() != 0 {
                let message = "Docker counts the grace time in whole seconds";
                report.add_with_help(&codes::DURATION, &node.at, message, format!("write {}s", grace.as_secs() + 1));
            }
            grace
        }
        None => GRACE,
    };
    Some(Action::Restart { grace, dependents: None, start_stopped: false })
}

fn escalate(node: &Node, report: &mut Report<'_>) -> Option<Action> {
    if node.value == Value::Null {
        return Some(Action::Escalate { message: None });
    }
    let raw = RawEscalate::read(node, report)?;
    let message = raw.message.and_then(|node| text(node, report)).map(str::to_owned);
    Some(Action::Escalate { message })
}

/// Reads `verify` over what holds without it.
pub(super) fn verify(node: Option<&Node>, base: Verify, report: &mut Report<'_>) -> Verify {
    let Some(raw) = node.and_then(|node| RawVerify::read(node, report)) else { return base };
    let mut given = |node: Option<&Node>, base| node.and_then(|node| duration(node, report)).unwrap_or(base);
    Verify {
        settle: given(raw.settle, base.settle),
        healthy_for: given(raw.healthy_for, base.healthy_for),
        resolved_within: given(raw.resolved_within, base.resolved_within),
        query: base.query,
    }
}

/// Whether a target can be proven well before the time for it is over.
pub(super) fn check_times(verify: &Verify, node: Option<&Node>, step: &Node, report: &mut Report<'_>) {
    let needed = verify.settle.saturating_add(verify.healthy_for);
    if needed <= verify.resolved_within && !verify.resolved_within.is_zero() {
        return;
    }
    let at = node.map_or(&step.at, |node| &node.at);
    let message = if verify.resolved_within.is_zero() {
        "resolved_within is 0, so no alert could be seen resolved in time".to_owned()
    } else {
        let Verify { settle, healthy_for, resolved_within, .. } = *verify;
        format!(
            "settle {} and healthy_for {} end after resolved_within {}",
            show(settle),
            show(healthy_for),
            show(resolved_within)
        )
    };
    let help = format!("write resolved_within: {} or more", show(needed.max(Duration::from_mins(1))));
    report.add_with_help(&codes::VERIFY_TIMES, at, message, help);
}
