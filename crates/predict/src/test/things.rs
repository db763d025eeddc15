//! What a test declares that there is, and how Docker answers.

use std::collections::BTreeMap;
use std::time::Duration;

use super::declared::{Declaration, Declared, DeclaredDisk, Ending, Metrics, daemon};
use super::load::Places;
use super::model::{Answers, Reachable, Tasks};
use super::raw::{RawCompose, RawContainer, RawDisk, RawDocker, RawService};
use fettle_core::diagnostic::nearest::advice;
use fettle_core::diagnostic::{Report, codes};
use fettle_core::sight::{Container, Health, ImageLabel, Service, Space, Status};
use fettle_core::target::is_name;
use fettle_core::time::Timestamp;
use fettle_core::yaml::{
    Node, Value, boolean, bytes, duration, entries, items, number, required, strings, text, unknown_key,
};

/// Any size.
const ANY: std::ops::RangeInclusive<u64> = 0..=1 << 60;

/// How long what was declared has been running when a test begins.
const RUNNING_SINCE: i64 = -86_400;

/// Reads what there is at the beginning.
pub(super) fn declared(node: Option<&Node>, places: &Places, report: &mut Report<'_>) -> Declared {
    let mut declared = Declared::new(places.disks.clone());
    let Some(raw) = node.and_then(|node| RawDocker::read(node, report)) else { return declared };
    for node in raw.containers.and_then(|node| items(node, report)).unwrap_or_default() {
        container(node, places, &mut declared, report);
    }
    for node in raw.services.and_then(|node| items(node, report)).unwrap_or_default() {
        service(node, places, &mut declared, report);
    }
    for node in raw.disks.and_then(|node| items(node, report)).unwrap_or_default() {
        disk(node, places, &mut declared, report);
    }
    let answers = answers(&raw, places, report);
    declared.answering.answer_as(&answers);
    declared
}

/// Reads how Docker answers.
pub(super) fn answers(raw: &RawDocker<'_>, places: &Places, report: &mut Report<'_>) -> Answers {
    let mut answers = Answers {
        takes: raw.takes.and_then(|node| duration(node, report)),
        reachable: raw.reachable.and_then(|node| reachable(node, places, report)),
        metrics: raw.metrics.and_then(|node| match text(node, report)? {
            "blind" => Some(Metrics::Blind),
            _ => boolean(node, report).map(Metrics::Say),
        }),
        endings: Vec::new(),
    };
    for (action, node) in raw.endings() {
        let Some(node) = node else { continue };
        if let Value::Map(entries) = &node.value {
            for entry in entries {
                let ending = word(&entry.value, &Ending::WORDS, "a way to end", report);
                answers.endings.extend(ending.map(|ending| (action, Some(entry.key.clone()), ending)));
            }
        } else {
            let ending = word(node, &Ending::WORDS, "a way to end", report);
            answers.endings.extend(ending.map(|ending| (action, None, ending)));
        }
    }
    answers
}

/// For all hosts, or a map of them.
fn reachable(node: &Node, places: &Places, report: &mut Report<'_>) -> Option<Reachable> {
    let Value::Map(_) = &node.value else { return boolean(node, report).map(Reachable::All) };
    let names = places.hosts.names();
    let mut hosts = Vec::new();
    for entry in entries(node, report)? {
        if !names.contains(&entry.key.as_str()) {
            unknown_key(entry, &names, report);
        } else if let Some(reachable) = boolean(&entry.value, report) {
            hosts.push((entry.key.clone(), reachable));
        }
    }
    Some(Reachable::Hosts(hosts))
}

/// One of these words.
pub(super) fn word<T: Copy>(node: &Node, words: &[(&str, T)], what: &str, report: &mut Report<'_>) -> Option<T> {
    let written = text(node, report)?;
    let known = words.iter().find(|(word, _)| *word == written).map(|(_, it)| *it);
    if known.is_none() {
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let shown: String = written.chars().take(60).collect();
        report.add_with_help(
            &codes::UNKNOWN_WORD,
            &node.at,
            format!("\"{shown}\" is not {what}"),
            advice(written, &names),
        );
    }
    known
}

/// Docker's words for states.
pub(super) const STATES: [(&str, Status); 7] = [
    ("created", Status::Created),
    ("running", Status::Running),
    ("paused", Status::Paused),
    ("restarting", Status::Restarting),
    ("removing", Status::Removing),
    ("exited", Status::Exited),
    ("dead", Status::Dead),
];

/// Docker's words for health.
pub(super) const HEALTH: [(&str, Health); 3] =
    [("starting", Health::Starting), ("healthy", Health::Healthy), ("unhealthy", Health::Unhealthy)];

/// A legal name.
pub(super) fn name(node: Option<&Node>, of: &Node, report: &mut Report<'_>) -> Option<String> {
    let node = required(node, "name", &of.at, "give it the name that Docker shows", report)?;
    let name = text(node, report)?;
    if is_name(name) {
        return Some(name.to_owned());
    }
    report.add(&codes::TARGET_NAME, &node.at, format!("\"{}\" is not a name Docker allows", name.escape_debug()));
    None
}

/// The host it is on; the only one where none is named.
pub(super) fn host(node: Option<&Node>, of: &Node, places: &Places, report: &mut Report<'_>) -> Option<String> {
    let Some(node) = node else {
        let only = places.hosts.only();
        if only.is_none() {
            let help = format!("write one of {}", places.hosts.names().join(", "));
            report.add_with_help(&codes::HOST, &of.at, "which host, of several?", help);
        }
        return only.map(str::to_owned);
    };
    let written = text(node, report)?;
    let names = places.hosts.names();
    if !names.contains(&written) {
        report.add_with_help(&codes::HOST, &node.at, "the test has no such host", advice(written, &names));
        return None;
    }
    Some(written.to_owned())
}

/// Names and values as written.
pub(super) fn labels(node: &Node, report: &mut Report<'_>) -> Option<Vec<(String, String)>> {
    let mut labels = Vec::new();
    for entry in entries(node, report)? {
        if let Some(value) = text(&entry.value, report) {
            labels.push((entry.key.clone(), value.to_owned()));
        }
    }
    Some(labels)
}

fn own_labels(node: Option<&Node>, report: &mut Report<'_>) -> BTreeMap<String, String> {
    match node.and_then(|node| labels(node, report)) {
        Some(labels) => labels.into_iter().collect(),
        None => BTreeMap::from([("fettle.enable".to_owned(), "true".to_owned())]),
    }
}

fn container(node: &Node, places: &Places, declared: &mut Declared, report: &mut Report<'_>) -> Option<()> {
    let raw = RawContainer::read(node, report)?;
    let name = name(raw.name, node, report);
    let host = host(raw.host, node, places, report);
    let mut labels = own_labels(raw.labels, report);
    let status = raw.state.and_then(|node| word(node, &STATES, "one of Docker's states", report));
    let health = raw.health.and_then(|node| word(node, &HEALTH, "one of Docker's words for health", report));
    let exit_code = raw.exit_code.and_then(|node| number(node, 0..=255_i64, report)).unwrap_or(0);
    let oom_killed = raw.oom_killed.and_then(|node| boolean(node, report)).unwrap_or(false);
    let image_enables = raw.image_enables.and_then(|node| boolean(node, report)).unwrap_or(false);
    let stopped_by_hand = raw.stopped_by_hand.and_then(|node| boolean(node, report)).unwrap_or(false);
    let compose = raw.compose.and_then(|node| compose(node, report));
    let given = raw.number.and_then(|node| number(node, 1..=10_000, report));
    let depends_on = raw.depends_on.and_then(|node| strings(node, report)).unwrap_or_default();
    let start_period = raw.start_period.and_then(|node| duration(node, report));
    if let Some(node) = raw.start_period.filter(|_| health.is_none()) {
        let help = "write `health: starting` beside it, or remove it";
        report.add_with_help(&codes::NO_EFFECT, &node.at, "without a health check there is no start period", help);
    }
    let started_ago = raw.started.and_then(|node| ago(node, report));
    let (name, host) = (name?, host?);
    if declared.containers.iter().any(|it| it.host == host && it.seen.name == name) {
        report.add(&codes::DECLARED_TWICE, &node.at, format!("another container of this host is named `{name}`"));
        return None;
    }
    let mut number = None;
    if let Some((project, service)) = compose {
        let same = |it: &&Declaration| {
            it.host == host
                && it.seen.labels.get("com.docker.compose.project") == Some(&project)
                && it.seen.labels.get("com.docker.compose.service") == Some(&service)
        };
        let before = declared.containers.iter().filter(same).filter_map(|it| it.seen.number).max();
        number = Some(given.unwrap_or(before.unwrap_or(0) + 1));
        labels.insert("com.docker.compose.project".to_owned(), project);
        labels.insert("com.docker.compose.service".to_owned(), service);
    }
    let status = status.unwrap_or(Status::Running);
    let seen = Container {
        daemon: daemon(&host),
        id: declared.next_id(),
        name,
        labels,
        image_label: if image_enables { ImageLabel::Present } else { ImageLabel::Absent },
        status,
        started_at: (status != Status::Created).then(|| Timestamp::from_second(RUNNING_SINCE).ok()).flatten(),
        restart_count: 0,
        exit_code,
        oom_killed,
        health,
        start_period: start_period.unwrap_or_default(),
        addresses: Vec::new(),
        stopped_by_hand: Some(stopped_by_hand),
        ended_at: None,
        ended_by: None,
        number,
        memory_limit: None,
        nano_cpus: None,
        health_log: Vec::new(),
        siblings_well: 0,
        dependents: Vec::new(),
    };
    let depends_on = depends_on.into_iter().map(str::to_owned).collect();
    declared.containers.push(Declaration { host, seen, started_ago, depends_on });
    Some(())
}

/// How long ago: `10s ago`.
fn ago(node: &Node, report: &mut Report<'_>) -> Option<Duration> {
    let written = text(node, report)?;
    let length = written.trim().strip_suffix("ago").filter(|rest| rest.ends_with(' '));
    let read = length.and_then(|length| fettle_core::duration::parse(length.trim()).ok());
    if read.is_none() {
        let shown: String = written.escape_debug().take(60).collect();
        let message = format!("\"{shown}\" is not a time before the test begins");
        report.add_with_help(
            &codes::DURATION,
            &node.at,
            message,
            "write a length of time and `ago`, such as `10s ago`",
        );
    }
    read
}

fn compose(node: &Node, report: &mut Report<'_>) -> Option<(String, String)> {
    let raw = RawCompose::read(node, report)?;
    let help = "write compose: {project: P, service: S}";
    let project = required(raw.project, "project", &node.at, help, report).and_then(|it| text(it, report));
    let service = required(raw.service, "service", &node.at, help, report).and_then(|it| text(it, report));
    Some((project?.to_owned(), service?.to_owned()))
}

/// `global`, or how many.
pub(super) fn replicas(node: &Node, report: &mut Report<'_>) -> Option<Tasks> {
    match text(node, report)? {
        "global" => Some(Tasks::Global),
        _ => number(node, 0..=10_000, report).map(Tasks::Count),
    }
}

fn service(node: &Node, places: &Places, declared: &mut Declared, report: &mut Report<'_>) -> Option<()> {
    let raw = RawService::read(node, report)?;
    let name = name(raw.name, node, report);
    let host = host(raw.host, node, places, report);
    let labels = own_labels(raw.labels, report);
    let replicas = raw.replicas.and_then(|node| replicas(node, report)).unwrap_or(Tasks::Count(1)).count();
    let running = raw.running.and_then(|node| number(node, 0..=10_000, report)).unwrap_or(replicas.unwrap_or(1));
    let updating = raw.updating.and_then(|node| boolean(node, report)).unwrap_or(false);
    let key = (host?, name?);
    if declared.services.contains_key(&key) {
        report.add(&codes::DECLARED_TWICE, &node.at, format!("another service of this host is named `{}`", key.1));
        return None;
    }
    let (daemon, id, name) = (daemon(&key.0), declared.next_id(), key.1.clone());
    declared.services.insert(key, Service { daemon, id, name, labels, version: 1, replicas, running, updating });
    Some(())
}

fn disk(node: &Node, places: &Places, declared: &mut Declared, report: &mut Report<'_>) -> Option<()> {
    let raw = RawDisk::read(node, report)?;
    let name = name(raw.name, node, report);
    let host = host(raw.host, node, places, report);
    let mut size = |node: Option<&Node>| node.and_then(|node| bytes(node, ANY, "a size in bytes", report));
    let (total, free, frees) = (size(raw.total), size(raw.free), size(raw.frees));
    let (host, name) = (host?, name?);
    if !places.disks.get(&host).is_some_and(|disks| disks.contains_key(&name)) {
        let help = format!("write hosts: {{{host}: {{disks: {{{name}: [clean_logs]}}}}}}");
        report.add_with_help(&codes::DISK, &node.at, format!("`hosts` has no disk `{name}` on {host}"), help);
    }
    let total = total.unwrap_or(100 << 30);
    let space = Space { total, free: free.unwrap_or(total / 2).min(total) };
    let it = DeclaredDisk { space, frees: frees.unwrap_or(0) };
    if declared.disks.insert((host, name), it).is_some() {
        report.add(&codes::DECLARED_TWICE, &node.at, "another disk of this host has this name");
    }
    Some(())
}
