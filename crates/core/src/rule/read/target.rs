//! The `target` of a rule: literal names, or exactly one label's value under an `allow`.

use std::ops::Range;
use std::time::Duration;

use super::raw::{RawCompose, RawRule, RawSwarm, RawTarget};
use crate::diagnostic::{Report, codes};
use crate::duration::show;
use crate::rule::context::Context;
use crate::rule::lint::{fits, other_machine};
use crate::rule::model::{Find, Pattern, TargetSpec, Word};
use crate::target::is_name;
use crate::yaml::{Node, Value, duration, items, number, required, text};

const LABEL_HELP: &str = "write a literal name, or exactly $labels.NAME with a name of letters, digits, `_` and `.`";

/// How a target may be written.
const KINDS: &str =
    "{container: NAME}, {compose: {project: NAME, service: NAME}}, {swarm: {service: NAME}}, {disk: NAME}";

/// More replicas of one service are not met in the field, and a slip of the keyboard is.
const MIN_HEALTHY_MAX: u32 = 10_000;

/// What takes longer than this to start is not meant.
const MIN_AGE_MAX: Duration = Duration::from_hours(24);

/// Reads the target and everything that limits it.
pub(super) fn read(
    raw: &RawRule<'_>,
    rule: &Range<usize>,
    context: &Context,
    report: &mut Report<'_>,
) -> Option<TargetSpec> {
    let help = format!("write one of: {KINDS}");
    let node = required(raw.target, "target", rule, &help, report)?;
    let before = report.found.len();
    let raw = RawTarget::read(node, report)?;
    let find = find(&raw, node, report);
    let host = host(&raw, node, context, report);
    let allow = raw.allow.map(|node| names(node, report)).unwrap_or_default();
    let min_healthy = raw.min_healthy.and_then(|node| number(node, 0..=MIN_HEALTHY_MAX, report)).unwrap_or(0);
    let find = find?;
    check_allow(&find, raw.allow, &allow, node, report);
    other_machine::check(&find, node, context, report);
    if let (Find::Disk(_), Some(node)) = (&find, raw.min_healthy) {
        let message = "a disk has no containers that could stay well";
        report.add_with_help(&codes::NO_EFFECT, &node.at, message, "remove `min_healthy`");
    }
    let min_age = raw.min_age.and_then(|node| min_age(node, &find, report));
    let target = TargetSpec { find, host, allow, min_healthy, min_age };
    if let (Some(disk), true) = (raw.disk, report.found.len() == before) {
        fits::check_disk(&target, disk, context, report);
    }
    Some(target)
}

/// Reads the least age of a container; a Swarm service and a disk have none.
fn min_age(node: &Node, find: &Find, report: &mut Report<'_>) -> Option<Duration> {
    let age = duration(node, report)?;
    if let Find::Swarm(_) | Find::Disk(_) = find {
        let message = "only a container has an age";
        report.add_with_help(&codes::NO_EFFECT, &node.at, message, "remove `min_age`");
    }
    if age > MIN_AGE_MAX {
        let message = format!("`min_age` is at most {}", show(MIN_AGE_MAX));
        let help = "write how long the container needs after its start; a wait for a person is `mode: propose`";
        report.add_with_help(&codes::DURATION, &node.at, message, help);
    }
    Some(age)
}

fn find(raw: &RawTarget<'_>, node: &Node, report: &mut Report<'_>) -> Option<Find> {
    let given: Vec<&Node> = [raw.container, raw.compose, raw.swarm, raw.disk].into_iter().flatten().collect();
    match given[..] {
        [_] => {}
        [] => {
            let help = format!("write one of: {KINDS}");
            report.add_with_help(&codes::TARGET_KIND, &node.at, "the target names nothing", help);
            return None;
        }
        [_, second, ..] => {
            let message = "the target names more than one thing";
            report.add_with_help(&codes::TARGET_KIND, &second.at, message, "keep one; write two rules for two targets");
            return None;
        }
    }
    if let Some(compose) = raw.compose {
        let it = RawCompose::read(compose, report)?;
        let help = "a Compose target needs project and service";
        let project = required(it.project, "project", &compose.at, help, report);
        let service = required(it.service, "service", &compose.at, help, report);
        let project = project.and_then(|node| name_of(node, report));
        let service = service.and_then(|node| name_of(node, report));
        return Some(Find::Compose { project: project?, service: service? });
    }
    if let Some(swarm) = raw.swarm {
        let it = RawSwarm::read(swarm, report)?;
        let service = required(it.service, "service", &swarm.at, "write swarm: {service: NAME}", report)?;
        return Some(Find::Swarm(name_of(service, report)?));
    }
    if let Some(disk) = raw.disk {
        return Some(Find::Disk(name_of(disk, report)?));
    }
    Some(Find::Container(name_of(raw.container?, report)?))
}

/// A literal, or exactly one label.
fn word(node: &Node, report: &mut Report<'_>) -> Option<Word> {
    let written = text(node, report)?;
    if let Some(label) = written.strip_prefix("$labels.")
        && is_label(label)
    {
        return Some(Word::Label(label.to_owned()));
    }
    if written.contains(['$', '{', '}']) {
        let message = "a value is literal or exactly one label, never text put together";
        report.add_with_help(&codes::LABEL_REFERENCE, &node.at, message, LABEL_HELP);
        return None;
    }
    Some(Word::Literal(written.to_owned()))
}

/// Label names that can be referred to. Wider ones are legal in alerts, but would not end visibly inside a value.
fn is_label(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.'))
}

fn name_of(node: &Node, report: &mut Report<'_>) -> Option<Word> {
    let word = word(node, report)?;
    match &word {
        Word::Literal(name) if !is_name(name) => {
            report.add_with_help(
                &codes::TARGET_NAME,
                &node.at,
                "this is not a name that Docker allows",
                "a name is letters, digits, `_`, `.` and `-`, beginning with a letter or digit",
            );
            None
        }
        _ => Some(word),
    }
}

fn host(raw: &RawTarget<'_>, node: &Node, context: &Context, report: &mut Report<'_>) -> Option<Word> {
    let Some(host) = raw.host else {
        if context.hosts.only().is_none() {
            report.add_with_help(
                &codes::HOST,
                &node.at,
                "several hosts are configured and the target names none",
                format!("add host: $labels.instance, or one of {}", context.hosts.names().join(", ")),
            );
        }
        return None;
    };
    let word = word(host, report)?;
    if let Word::Literal(name) = &word
        && context.hosts.find(name).is_none()
    {
        let names = context.hosts.names();
        let help = crate::diagnostic::nearest::advice(name, &names);
        report.add_with_help(&codes::HOST, &host.at, "this host is not configured", help);
    }
    Some(word)
}

/// Reads a list of names and globs of names.
pub(super) fn names(node: &Node, report: &mut Report<'_>) -> Vec<Pattern> {
    let mut patterns = Vec::new();
    for item in items(node, report).unwrap_or_default() {
        let Some(pattern) = text(item, report) else { continue };
        // What is left when every star stands for one letter must be a name.
        if !is_name(&pattern.replace('*', "x")) {
            let help = "a pattern is an exact name, or one with `*` for any run of name characters";
            report.add_with_help(&codes::ALLOW, &item.at, "no Docker name can match this pattern", help);
            continue;
        }
        if pattern.bytes().all(|b| b == b'*') {
            let help = "list the names, or a glob such as api-*";
            report.add_with_help(&codes::ALLOW_ALL, &item.at, "this permits every name", help);
        }
        patterns.push(Pattern(pattern.to_owned()));
    }
    if matches!(&node.value, Value::List(items) if items.is_empty()) {
        let help = "list the names it may touch";
        report.add_with_help(&codes::ALLOW, &node.at, "an empty `allow` permits nothing", help);
    }
    patterns
}

/// Whether `allow` is there when it must be, and can permit anything at all.
fn check_allow(find: &Find, node: Option<&Node>, allow: &[Pattern], target: &Node, report: &mut Report<'_>) {
    let (project, name) = match find {
        Find::Container(name) | Find::Swarm(name) | Find::Disk(name) => (None, name),
        Find::Compose { project, service } => (Some(project), service),
    };
    let labelled = |word: &Word| matches!(word, Word::Label(_));
    let Some(node) = node else {
        if labelled(name) || project.is_some_and(labelled) {
            report.add_with_help(
                &codes::ALLOW_MISSING,
                &target.at,
                "the target's name comes from a label, so the rule must say which names it may touch",
                "add allow: [NAME, \"prefix-*\"]",
            );
        }
        return;
    };
    if let Word::Literal(name) = name
        && !allow.is_empty()
        && !allow.iter().any(|pattern| pattern.permits(name))
    {
        let message = format!("`allow` leaves out the rule's own target `{name}`");
        report.add_with_help(&codes::ALLOW, &node.at, message, "a literal name needs no `allow`; remove it");
    }
    if project.is_some_and(labelled) {
        report.add_with_help(
            &codes::ANY_PROJECT,
            &target.at,
            "`allow` speaks of the service; the project may be any that the label names",
            "write the project's name",
        );
    }
}
