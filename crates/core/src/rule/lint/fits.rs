//! Whether an action can be done to the target at all, and whether the configuration permits it on a disk.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use crate::action::{Action, CleanLogs};
use crate::diagnostic::nearest::advice;
use crate::diagnostic::{Report, codes};
use crate::rule::context::Context;
use crate::rule::model::{Find, TargetSpec, Word};
use crate::target::Kind;
use crate::yaml::Node;

/// On what an action can be done.
pub(in crate::rule) fn kinds(action: &Action) -> &'static [Kind] {
    use Kind::{Compose, Container, Disk, Swarm};
    match action {
        Action::Restart { .. } => &[Container, Compose, Swarm],
        Action::Stop { .. } | Action::SetLimits { .. } => &[Container, Compose],
        Action::ScaleDown { .. } | Action::ScaleUp { .. } | Action::Restore => &[Compose, Swarm],
        Action::CleanLogs(_) => &[Container, Compose, Disk],
        Action::Prune(_) => &[Disk],
        Action::Escalate { .. } => &[Container, Compose, Swarm, Disk],
    }
}

/// Refuses an action that does not apply to the target, and warns of one that the configuration never permits on it.
pub(in crate::rule) fn check(
    action: &Action,
    target: &TargetSpec,
    at: &Range<usize>,
    context: &Context,
    report: &mut Report<'_>,
) {
    let kind = target.kind();
    if kinds(action).contains(&kind) {
        return check_permitted(action, target, at, context, report);
    }
    let possible: Vec<&str> = kinds(action).iter().copied().map(Kind::as_str).collect();
    let message = format!("`{}` does not apply to a {} target", action.name(), kind.as_str());
    let help = format!("it applies to: {}", possible.join(", "));
    report.add_with_help(&codes::ACTION_TARGET, at, message, help);
}

/// A Compose service is stopped or restarted only where it has one container: a `min_healthy` spares that one while it is well.
pub(in crate::rule) fn check_spared(action: &Action, target: &TargetSpec, at: &Range<usize>, report: &mut Report<'_>) {
    let takes_away = matches!(action, Action::Restart { .. } | Action::Stop { .. });
    if target.kind() != Kind::Compose || !takes_away || target.min_healthy == 0 {
        return;
    }
    let (name, wanted) = (action.name(), target.min_healthy);
    let message = format!("with `min_healthy: {wanted}`, `{name}` waits while the service's only container is well");
    let help = "remove `min_healthy`; or name one of several containers: `target: {container: ...}`".to_owned();
    report.add_with_help(&codes::SPARED_WHILE_WELL, at, message, help);
}

/// The disks a target may mean, each with the actions that the configuration permits on it.
fn disks<'c>(target: &TargetSpec, context: &'c Context) -> Vec<(&'c str, &'c BTreeSet<String>)> {
    let Find::Disk(word) = &target.find else { return Vec::new() };
    let host = match &target.host {
        None => context.hosts.only(),
        Some(Word::Literal(name)) => context.hosts.find(name),
        Some(Word::Label(_)) => None,
    };
    let any_host = matches!(target.host, Some(Word::Label(_)));
    let hosts = context.disks.iter().filter(|(name, _)| any_host || host == Some(name.as_str()));
    let all = hosts.flat_map(|(_, disks)| disks).map(|(name, allow)| (name.as_str(), allow));
    all.filter(|(name, _)| matches!(word, Word::Literal(_)) || target.permits(name)).collect()
}

/// A disk must be configured where the rule looks for it.
pub(in crate::rule) fn check_disk(target: &TargetSpec, node: &Node, context: &Context, report: &mut Report<'_>) {
    let Find::Disk(word) = &target.find else { return };
    let found = disks(target, context);
    let names: BTreeSet<&str> = found.iter().map(|(name, _)| *name).collect();
    let message = match word {
        Word::Literal(name) if names.contains(name.as_str()) => return,
        Word::Literal(name) => format!("disk `{name}` is not configured for its host"),
        Word::Label(_) if !names.is_empty() => return,
        Word::Label(_) => "no configured disk is permitted by `allow`".to_owned(),
    };
    let names: Vec<&str> = names.into_iter().collect();
    let help = match word {
        Word::Literal(name) if !names.is_empty() => advice(name, &names),
        _ => "name one of the host's `disks` in the configuration, or add it there with what is permitted on it"
            .to_owned(),
    };
    report.add_with_help(&codes::DISK, &node.at, message, help);
}

/// What is cleaned on a disk must lie on it. Where a container's files lie only Docker knows.
pub(in crate::rule) fn check_roots(
    clean: &CleanLogs,
    target: &TargetSpec,
    at: &Range<usize>,
    context: &Context,
    report: &mut Report<'_>,
) {
    let mounts = mounts(target, context);
    if mounts.is_empty() {
        return;
    }
    for root in clean.roots.iter().filter(|root| !mounts.iter().any(|mount| Path::new(root).starts_with(mount))) {
        let message = format!("`{root}` does not lie on the disk, so nothing in it would be touched");
        let help = format!("name folders below {}", mounts.join(" or "));
        report.add_with_help(&codes::ROOT_ELSEWHERE, at, message, help);
    }
}

/// Where the disks that a target may mean are mounted.
fn mounts<'c>(target: &TargetSpec, context: &'c Context) -> Vec<&'c str> {
    let Find::Disk(word) = &target.find else { return Vec::new() };
    let meant = |name: &str| match word {
        Word::Literal(word) => word == name,
        Word::Label(_) => target.permits(name),
    };
    let host = |host: &str| match &target.host {
        None => context.hosts.only() == Some(host),
        Some(Word::Literal(name)) => context.hosts.find(name) == Some(host),
        Some(Word::Label(_)) => true,
    };
    let disks = context.mounts.iter().filter(|(name, _)| host(name)).flat_map(|(_, disks)| disks);
    disks.filter(|(name, _)| meant(name)).map(|(_, path)| path.as_str()).collect()
}

/// The configuration gives the second permission; what it never gives is told when the rule is loaded.
fn check_permitted(
    action: &Action,
    target: &TargetSpec,
    at: &Range<usize>,
    context: &Context,
    report: &mut Report<'_>,
) {
    let permitted = disks(target, context);
    let meant = |name: &str| !matches!(&target.find, Find::Disk(Word::Literal(word)) if word != name);
    let permitted: Vec<_> = permitted.into_iter().filter(|(name, _)| meant(name)).collect();
    if permitted.is_empty() || !action.has_effect() || permitted.iter().any(|(_, allow)| allow.contains(action.name()))
    {
        return;
    }
    let message = format!("the configuration does not permit `{}` on this disk", action.name());
    let help = format!("add {} to `allow` of the disk in the configuration", action.name());
    report.add_with_help(&codes::NOT_PERMITTED, at, message, help);
}
