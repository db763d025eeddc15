//! The `target` of a rule: literal names, or exactly one label's value under an `allow`.

use std::ops::Range;

use super::compile::Context;
use super::model::{Find, Pattern, TargetSpec, Word};
use super::raw::{RawCompose, RawRule, RawTarget};
use crate::core::target::is_name;
use crate::core::yaml::{Node, items, required, text};
use crate::diagnostic::{Report, codes};

const LABEL_HELP: &str = "write a literal name, or exactly $labels.NAME with a name of letters, digits, `_` and `.`";

/// Reads the target and everything that limits it.
pub(super) fn read(
    raw: &RawRule<'_>,
    rule: &Range<usize>,
    context: &Context,
    report: &mut Report<'_>,
) -> Option<TargetSpec> {
    let help = "write {container: NAME} or {compose: {project: …, service: …}}";
    let node = required(raw.target, "target", rule, help, report)?;
    let raw = RawTarget::read(node, report)?;
    let find = find(&raw, node, report);
    let host = host(&raw, node, context, report);
    let allow = allow(raw.allow, report);
    let find = find?;
    check_allow(&find, raw.allow, &allow, node, report);
    Some(TargetSpec { find, host, allow, min_healthy: 0 })
}

fn find(raw: &RawTarget<'_>, node: &Node, report: &mut Report<'_>) -> Option<Find> {
    match (raw.container, raw.compose) {
        (Some(name), None) => Some(Find::Container(name_of(name, report)?)),
        (None, Some(compose)) => {
            let it = RawCompose::read(compose, report)?;
            let help = "a Compose target needs project and service";
            let project = required(it.project, "project", &compose.at, help, report);
            let service = required(it.service, "service", &compose.at, help, report);
            let project = project.and_then(|node| name_of(node, report));
            let service = service.and_then(|node| name_of(node, report));
            Some(Find::Compose { project: project?, service: service? })
        }
        (None, None) => {
            report.add_with_help(
                &codes::TARGET_KIND,
                &node.at,
                "the target names nothing",
                "write container: NAME, or compose: {project: …, service: …}",
            );
            None
        }
        (Some(_), Some(compose)) => {
            report.add_with_help(
                &codes::TARGET_KIND,
                &compose.at,
                "the target names both a container and a Compose service",
                "keep one; write two rules for two targets",
            );
            None
        }
    }
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

fn allow(node: Option<&Node>, report: &mut Report<'_>) -> Vec<Pattern> {
    let Some(list) = node.and_then(|node| items(node, report)) else { return Vec::new() };
    let mut patterns = Vec::new();
    for item in list {
        let Some(pattern) = text(item, report) else { continue };
        // What is left when every star stands for one letter must be a name.
        if !is_name(&pattern.replace('*', "x")) {
            let help = "a pattern is an exact name, or one with `*` for any run of name characters";
            report.add_with_help(&codes::ALLOW, &item.at, "no Docker name can match this pattern", help);
            continue;
        }
        if pattern.bytes().all(|b| b == b'*') {
            let message = "this permits every name a label may bring";
            report.add_with_help(&codes::ALLOW_ALL, &item.at, message, "list the names, or a glob such as api-*");
        }
        patterns.push(Pattern(pattern.to_owned()));
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
    if matches!(&node.value, crate::core::yaml::Value::List(items) if items.is_empty()) {
        report.add_with_help(
            &codes::ALLOW,
            &node.at,
            "an empty `allow` permits nothing",
            "list the names it may touch",
        );
    }
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
