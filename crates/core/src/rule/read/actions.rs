//! The parameters of each action, and what holds without them.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::clean;
use super::raw::{RawDependents, RawEscalate, RawRestart, RawScaleDown, RawScaleUp, RawSetLimits, RawStop, given};
use super::target::names;
use crate::action::{Action, Dependents};
use crate::diagnostic::{Report, codes};
use crate::rule::model::{Find, TargetSpec};
use crate::yaml::{Node, boolean, bytes, duration, number, required, text};

/// How long a process may take to end unless the step says otherwise; Docker's own default.
const GRACE: Duration = Duration::from_secs(10);

/// Replicas. More of one service are not met in the field, and a slip of the keyboard is.
const REPLICAS_MAX: u32 = 10_000;

/// Docker refuses less, and a process cannot live on it.
const MEMORY: RangeInclusive<u64> = 6 << 20..=1 << 50;

/// Docker takes no less than a hundredth of a processor; in billionths.
const NANO_CPUS: RangeInclusive<u64> = 10_000_000..=1024 * 1_000_000_000;

/// Reads the parameters of the action `name`; `node` is where they stand, a null node for none.
pub(super) fn read(name: &str, node: &Node, target: Option<&TargetSpec>, report: &mut Report<'_>) -> Option<Action> {
    match name {
        "restart" => restart(node, target, report),
        "stop" => {
            let raw = given(node, RawStop::read, report)?;
            Some(Action::Stop { grace: grace(raw.grace, report)? })
        }
        "scale_down" => {
            let raw = given(node, RawScaleDown::read, report)?;
            let (by, floor) =
                (by(raw.by, report), raw.floor.map_or(Some(1), |node| number(node, 0..=REPLICAS_MAX, report)));
            Some(Action::ScaleDown { by: by?, floor: floor? })
        }
        "scale_up" => {
            let raw = given(node, RawScaleUp::read, report)?;
            let help = "say how many there may be at most, such as {ceiling: 4}";
            let ceiling = required(raw.ceiling, "ceiling", &node.at, help, report);
            let (by, ceiling) = (by(raw.by, report), ceiling.and_then(|node| number(node, 1..=REPLICAS_MAX, report)));
            Some(Action::ScaleUp { by: by?, ceiling: ceiling? })
        }
        "clean_logs" => clean::clean_logs(node, target, report),
        "prune" => clean::prune(node, report),
        "set_limits" => set_limits(node, report),
        "escalate" => {
            let raw = given(node, RawEscalate::read, report)?;
            let message = raw.message.and_then(|node| text(node, report)).map(str::to_owned);
            Some(Action::Escalate { message })
        }
        _ => None,
    }
}

fn restart(node: &Node, target: Option<&TargetSpec>, report: &mut Report<'_>) -> Option<Action> {
    let raw = given(node, RawRestart::read, report)?;
    if target.is_some_and(|target| matches!(target.find, Find::Swarm(_))) {
        for (key, node) in [("grace", raw.grace), ("dependents", raw.dependents), ("start_stopped", raw.start_stopped)]
        {
            let Some(node) = node else { continue };
            let message = format!("Swarm makes tasks anew in its own way, so `{key}` means nothing there");
            report.add_with_help(&codes::NO_EFFECT, &node.at, message, format!("remove `{key}`"));
        }
    }
    let grace = grace(raw.grace, report);
    let dependents = raw.dependents.map(|node| dependents(node, report));
    let start_stopped = raw.start_stopped.map_or(Some(false), |node| boolean(node, report));
    let dependents = match dependents {
        None => None,
        Some(read) => Some(read?),
    };
    Some(Action::Restart { grace: grace?, dependents, start_stopped: start_stopped? })
}

fn dependents(node: &Node, report: &mut Report<'_>) -> Option<Dependents> {
    let raw = RawDependents::read(node, report)?;
    let help = "list the names it may restart as well, such as {allow: [web-sidecar]}";
    let list = required(raw.allow, "allow", &node.at, help, report)?;
    let before = report.found.len();
    let allow = names(list, report);
    let whole = report.found[before..].iter().all(|it| !it.is_error());
    whole.then_some(Dependents { allow })
}

fn grace(node: Option<&Node>, report: &mut Report<'_>) -> Option<Duration> {
    let Some(node) = node else { return Some(GRACE) };
    let grace = duration(node, report)?;
    if grace.subsec_nanos() != 0 {
        let message = "Docker counts the grace time in whole seconds";
        report.add_with_help(&codes::DURATION, &node.at, message, format!("write {}s", grace.as_secs() + 1));
    }
    Some(grace)
}

fn by(node: Option<&Node>, report: &mut Report<'_>) -> Option<u32> {
    node.map_or(Some(1), |node| number(node, 1..=REPLICAS_MAX, report))
}

fn set_limits(node: &Node, report: &mut Report<'_>) -> Option<Action> {
    let raw = given(node, RawSetLimits::read, report)?;
    if raw.memory.is_none() && raw.cpus.is_none() {
        let help = "write memory, cpus or both, such as {memory: 512MiB, cpus: 1.5}";
        report.add_with_help(&codes::NOTHING_TO_DO, &node.at, "`set_limits` sets no limit", help);
        return None;
    }
    let memory = raw.memory.map(|node| bytes(node, MEMORY, "from 6MiB, below which Docker starts nothing", report));
    let nano_cpus = raw.cpus.map(|node| cpus(node, report));
    // What is not said stays as it is; what is said wrongly has been reported.
    if memory == Some(None) || nano_cpus == Some(None) {
        return None;
    }
    Some(Action::SetLimits { memory: memory.flatten(), nano_cpus: nano_cpus.flatten() })
}

/// Reads a number of processors such as `1.5`, in billionths.
fn cpus(node: &Node, report: &mut Report<'_>) -> Option<u64> {
    let written = text(node, report)?;
    let nanos = nanos(written).filter(|nanos| NANO_CPUS.contains(nanos));
    if nanos.is_none() {
        let shown: String = written.chars().take(40).collect();
        let message = format!("\"{shown}\" is not a number of processors");
        report.add_with_help(&codes::NUMBER, &node.at, message, "write a number from 0.01 to 1024, such as 1.5");
    }
    nanos
}

/// A decimal number with at most nine digits behind its point, in billionths.
fn nanos(written: &str) -> Option<u64> {
    let (whole, part) = written.split_once('.').unwrap_or((written, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(part) || part.len() > 9 {
        return None;
    }
    let whole = whole.parse::<u64>().ok()?.checked_mul(1_000_000_000)?;
    whole.checked_add(format!("{part:0<9}").parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::nanos;

    #[test]
    fn processors_are_read_to_the_billionth() {
        for (text, read) in [
            ("1", Some(1_000_000_000)),
            ("0.5", Some(500_000_000)),
            ("1.25", Some(1_250_000_000)),
            ("0.000000001", Some(1)),
            ("0.0000000001", None),
            ("1.", None),
            (".5", None),
            ("-1", None),
            ("1e3", None),
            ("99999999999999999999", None),
            ("", None),
        ] {
            assert_eq!(nanos(text), read, "{text}");
        }
    }
}
