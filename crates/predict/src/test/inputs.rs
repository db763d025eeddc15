//! The timeline of a test: what is heard, what people do, what changes without fettle.

use std::sync::Arc;
use std::time::Duration;

use super::declared::Declared;
use super::load::{Places, Setting};
use super::model::{Change, ContainerChange, Entry, Input};
use super::raw::{RawContainer, RawDisk, RawDocker, RawEntry, RawService};
use super::things::{self, HEALTH, STATES, word};
use crate::world::Deed;
use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::alert::labels::Labels;
use fettle_core::diagnostic::nearest::advice;
use fettle_core::diagnostic::{Report, codes};
use fettle_core::surroundings::{AnswerKind, PauseScope};
use fettle_core::target::Target;
use fettle_core::yaml::{Node, Value, boolean, bytes, duration, entries, items, number, required, text, unknown_key};

/// Reads a timeline, in the order of time.
pub(super) fn timeline(node: &Node, setting: &Setting<'_>, declared: &Declared, report: &mut Report<'_>) -> Vec<Entry> {
    let mut timeline = Vec::new();
    for node in items(node, report).unwrap_or_default() {
        timeline.extend(entry(node, setting, declared, report));
    }
    timeline.sort_by_key(|it| it.at);
    timeline
}

/// When an entry is, from the beginning.
pub(super) fn at(node: Option<&Node>, of: &Node, report: &mut Report<'_>) -> Option<Duration> {
    let node = required(node, "at", &of.at, "write when, from the beginning, such as at: 1m", report)?;
    duration(node, report)
}

fn entry(node: &Node, setting: &Setting<'_>, declared: &Declared, report: &mut Report<'_>) -> Option<Entry> {
    let raw = RawEntry::read(node, report)?;
    let line = report.source.line(node.at.start);
    let at = at(raw.at, node, report);
    let said = [
        raw.firing,
        raw.resolved,
        raw.approve,
        raw.reject,
        raw.cancel,
        raw.pause,
        raw.resume,
        raw.reset,
        raw.silence,
        raw.unsilence,
        raw.alertmanager,
        raw.gone,
        raw.rules,
        raw.container,
        raw.service,
        raw.disk,
        raw.restarted,
        raw.removed,
        raw.docker,
    ];
    match said.iter().flatten().count() {
        1 => {}
        0 => {
            let help = "write one of firing, resolved, approve, reject, pause, container, docker, alertmanager, …";
            report.add_with_help(&codes::TEST_ENTRY, &node.at, "nothing happens in this entry", help);
            return None;
        }
        _ => {
            let help = "write an entry for each; entries of one time happen in the order written";
            report.add_with_help(&codes::TEST_ENTRY, &node.at, "more than one thing happens in this entry", help);
            return None;
        }
    }
    if let (Some(node), None) = (raw.length, raw.pause) {
        report.add(&codes::TEST_ENTRY, &node.at, "`for` is how long a pause lasts, and nothing is paused here");
    }
    let input = input(&raw, setting, declared, report);
    Some(Entry { at: at?, line, input: input? })
}

fn input(raw: &RawEntry<'_>, setting: &Setting<'_>, declared: &Declared, report: &mut Report<'_>) -> Option<Input> {
    let person = |deed| Some(Input::Person { deed, lasts: None });
    let answer = |kind, node: &Node, report: &mut Report<'_>| {
        Some(Input::Person { deed: Deed::Answer { kind, target: target(node, report)? }, lasts: None })
    };
    if let Some(node) = raw.firing {
        return Some(Input::Alerts { firing: true, labels: alerts(node, report)? });
    }
    if let Some(node) = raw.resolved {
        return Some(Input::Alerts { firing: false, labels: alerts(node, report)? });
    }
    if let Some(node) = raw.approve {
        return answer(AnswerKind::Approve, node, report);
    }
    if let Some(node) = raw.reject {
        return answer(AnswerKind::Reject, node, report);
    }
    if let Some(node) = raw.cancel {
        return answer(AnswerKind::Cancel, node, report);
    }
    if let Some(node) = raw.pause {
        let lasts = raw.length.and_then(|node| duration(node, report));
        let deed = Deed::Pause { scope: scope(node, report)?, reason: "a test".to_owned(), until: None };
        return Some(Input::Person { deed, lasts });
    }
    if let Some(node) = raw.resume {
        return person(Deed::Resume { scope: scope(node, report)? });
    }
    if let Some(node) = raw.reset {
        return person(Deed::ResetBreaker { rule: text(node, report)?.to_owned() });
    }
    if let Some(node) = [raw.silence, raw.unsilence, raw.alertmanager, raw.gone].into_iter().flatten().next()
        && !setting.context.alertmanager
    {
        let message = "nobody asks Alertmanager in this file, so nothing comes of this";
        report.add_with_help(&codes::TEST_ENTRY, &node.at, message, "write alertmanager: true at the top of the file");
        return None;
    }
    if let Some(node) = raw.alertmanager {
        let answers = word(node, &[("up", true), ("down", false)], "how Alertmanager is", report)?;
        return Some(Input::Alertmanager { answers });
    }
    if let Some(node) = raw.gone {
        return Some(Input::Gone(alerts(node, report)?));
    }
    if let Some(node) = raw.rules {
        return setting.rules(node, report).map(|rules| Input::Rules(Arc::new(rules)));
    }
    for (node, silenced) in [(raw.silence, true), (raw.unsilence, false)] {
        if let Some(node) = node {
            let labels: Labels = things::labels(node, report)?.into_iter().collect();
            return person(Deed::Silence { alert: Fingerprint::of(&labels), silenced });
        }
    }
    change(raw, setting.places, declared, report).map(Input::Change)
}

fn change(raw: &RawEntry<'_>, places: &Places, declared: &Declared, report: &mut Report<'_>) -> Option<Change> {
    let names = || declared.containers.iter().map(|it| it.seen.name.as_str()).collect::<Vec<_>>();
    if let Some(node) = raw.container {
        return container(node, places, declared, report);
    }
    if let Some(node) = raw.service {
        let raw = RawService::read(node, report)?;
        let (name, host) = (things::name(raw.name, node, report)?, things::host(raw.host, node, places, report)?);
        let known: Vec<&str> = declared.services.keys().map(|(_, name)| name.as_str()).collect();
        is_declared(&name, &known, node, report)?;
        let replicas = raw.replicas.and_then(|node| things::replicas(node, report));
        let running = raw.running.and_then(|node| number(node, 0..=10_000, report));
        let updating = raw.updating.and_then(|node| boolean(node, report));
        return Some(Change::Service { host, name, replicas, running, updating });
    }
    if let Some(node) = raw.disk {
        let raw = RawDisk::read(node, report)?;
        let (name, host) = (things::name(raw.name, node, report)?, things::host(raw.host, node, places, report)?);
        let known: Vec<&str> = declared.disks.keys().map(|(_, name)| name.as_str()).collect();
        is_declared(&name, &known, node, report)?;
        let mut size = |node: Option<&Node>| node.and_then(|node| bytes(node, 0..=1 << 60, "a size in bytes", report));
        return Some(Change::Disk { host, name, free: size(raw.free), frees: size(raw.frees) });
    }
    if let Some(node) = raw.restarted {
        let name = text(node, report)?;
        is_declared(name, &names(), node, report)?;
        return Some(Change::Restarted { name: name.to_owned() });
    }
    if let Some(node) = raw.removed {
        let name = text(node, report)?;
        is_declared(name, &names(), node, report)?;
        return Some(Change::Removed { name: name.to_owned() });
    }
    let node = raw.docker?;
    let raw = RawDocker::read(node, report)?;
    if let Some(node) = [raw.containers, raw.services, raw.disks].into_iter().flatten().next() {
        let help = "declare it in the test's own `docker`, and change it by `container`, `service` or `disk`";
        report.add_with_help(&codes::TEST_ENTRY, &node.at, "things are declared at the beginning", help);
        return None;
    }
    Some(Change::Docker(things::answers(&raw, places, report)))
}

fn container(node: &Node, places: &Places, declared: &Declared, report: &mut Report<'_>) -> Option<Change> {
    let raw = RawContainer::read(node, report)?;
    let (name, host) = (things::name(raw.name, node, report)?, things::host(raw.host, node, places, report)?);
    let known: Vec<&str> = declared.containers.iter().map(|it| it.seen.name.as_str()).collect();
    is_declared(&name, &known, node, report)?;
    for fixed in [raw.image_enables, raw.compose, raw.number, raw.depends_on, raw.started, raw.start_period]
        .into_iter()
        .flatten()
    {
        let message = "this does not change while a container lives";
        report.add_with_help(&codes::TEST_ENTRY, &fixed.at, message, "say it where the container is declared");
    }
    let to = ContainerChange {
        labels: raw.labels.and_then(|node| things::labels(node, report)),
        status: raw.state.and_then(|node| word(node, &STATES, "one of Docker's states", report)),
        health: raw.health.and_then(|node| word(node, &HEALTH, "one of Docker's words for health", report)),
        exit_code: raw.exit_code.and_then(|node| number(node, 0..=255_i64, report)),
        oom_killed: raw.oom_killed.and_then(|node| boolean(node, report)),
        stopped_by_hand: raw.stopped_by_hand.and_then(|node| boolean(node, report)),
    };
    Some(Change::Container { host, name, to })
}

fn is_declared(name: &str, known: &[&str], node: &Node, report: &mut Report<'_>) -> Option<()> {
    if known.contains(&name) {
        return Some(());
    }
    let message = format!("the test declares nothing named `{name}`");
    report.add_with_help(&codes::NOT_DECLARED, &node.at, message, advice(name, known));
    None
}

/// One alert's labels, or a list of them.
fn alerts(node: &Node, report: &mut Report<'_>) -> Option<Vec<Labels>> {
    let one = |node: &Node, report: &mut Report<'_>| -> Option<Labels> {
        let labels: Labels = things::labels(node, report)?.into_iter().collect();
        if labels.is_empty() {
            report.add(&codes::TEST_ENTRY, &node.at, "an alert has labels");
            return None;
        }
        Some(labels)
    };
    match &node.value {
        Value::List(list) => Some(list.iter().filter_map(|node| one(node, report)).collect()),
        _ => Some(vec![one(node, report)?]),
    }
}

/// A target as written.
pub(super) fn target(node: &Node, report: &mut Report<'_>) -> Option<String> {
    let written = text(node, report)?;
    match written.parse::<Target>() {
        Ok(target) => Some(target.to_string()),
        Err(error) => {
            let help = "quote it: \"container:local/web\"";
            report.add_with_help(&codes::UNKNOWN_WORD, &node.at, error.to_string(), help);
            None
        }
    }
}

/// `all`, `{rule: NAME}` or `{target: TARGET}`.
fn scope(node: &Node, report: &mut Report<'_>) -> Option<PauseScope> {
    if let Value::Scalar(written) = &node.value {
        if written == "all" {
            return Some(PauseScope::All);
        }
        let help = "write all, {rule: NAME} or {target: \"container:local/web\"}";
        report.add_with_help(&codes::UNKNOWN_WORD, &node.at, "what is paused?", help);
        return None;
    }
    match entries(node, report)? {
        [entry] if entry.key == "rule" => Some(PauseScope::Rule(text(&entry.value, report)?.to_owned())),
        [entry] if entry.key == "target" => target(&entry.value, report)?.parse().ok().map(PauseScope::Target),
        [entry] => {
            unknown_key(entry, &["rule", "target"], report);
            None
        }
        _ => {
            report.add(&codes::TEST_ENTRY, &node.at, "a pause is about all, one rule or one target");
            None
        }
    }
}
