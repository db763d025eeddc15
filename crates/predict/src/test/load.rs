//! From the text of a test file to its tests, or to every problem in it and in the rules it names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::model::{Case, TestFile};
use super::raw::{RawFile, RawHost, RawTest};
use super::{inputs, things, wants};
use fettle_core::diagnostic::{Diagnostic, Report, Source, codes, sort};
use fettle_core::rule::compile::{Context, SourceFile, compile};
use fettle_core::rule::set::RuleSet;
use fettle_core::settings::overrides::{self, Overrides};
use fettle_core::target::{Disks, Hosts, is_name};
use fettle_core::time::{self, Timestamp};
use fettle_core::yaml::{Node, Value, boolean, duration, entries, items, parse, required, strings, text};
use fettle_engine::rule_files::read_rules;

/// 2024-01-01T09:00:00Z: a Monday on which people are at work.
const START: i64 = 1_704_099_600;

/// The hosts of a test file, and what may be done on their disks.
#[derive(Debug)]
pub(super) struct Places {
    pub(super) hosts: Hosts,
    pub(super) disks: Disks,
}

/// Reads a file of tests and compiles the rules that it names. Warnings about the rules are theirs, not its.
pub fn load(file: &SourceFile) -> Result<TestFile, Vec<Diagnostic>> {
    let mut report = Report::new(Source::new(&file.path, &file.text));
    let loaded = read(file, &mut report);
    let mut found = report.found;
    sort(&mut found);
    found.dedup();
    match loaded {
        Some(loaded) if found.is_empty() => Ok(loaded),
        _ => Err(found),
    }
}

fn read(file: &SourceFile, report: &mut Report<'_>) -> Option<TestFile> {
    let root = parse(report)?;
    if root.value == Value::Null {
        let help = "write rule_files and tests, or remove it";
        report.add_with_help(&codes::TEST_EMPTY, &root.at, "the file says nothing", help);
        return None;
    }
    let raw = RawFile::read(&root, report)?;
    let places = places(raw.hosts, report);
    let alertmanager = raw.alertmanager.and_then(|node| boolean(node, report)).unwrap_or(false);
    let given = Overrides {
        mode: raw.mode,
        limits: raw.limits,
        storm: raw.storm,
        trip: raw.trip,
        freshness: raw.freshness,
        docker_patience: raw.docker_patience,
        recheck: raw.recheck,
        protected: raw.protected,
    };
    let settings = overrides::settings(&given, places.hosts.clone(), alertmanager, report);
    let context = Context {
        hosts: places.hosts.clone(),
        freshness: settings.freshness,
        alertmanager,
        prometheus: true,
        disks: places.disks.clone(),
        ..Context::default()
    };
    let setting = Setting { places: &places, context: &context, path: &file.path };
    let help = "name the rules that are tested, such as rule_files: [web.yaml]";
    let rules =
        required(raw.rule_files, "rule_files", &root.at, help, report).and_then(|node| setting.rules(node, report));
    let help = "write tests, each with name, timeline and expect";
    let list = required(raw.tests, "tests", &root.at, help, report).and_then(|node| items(node, report));
    let mut names = BTreeSet::new();
    let mut cases = Vec::new();
    for node in list.unwrap_or_default() {
        cases.extend(case(node, &setting, &mut names, report));
    }
    if list.is_some_and(<[Node]>::is_empty) {
        report.add(&codes::TEST_EMPTY, &root.at, "there is no test in this file");
    }
    Some(TestFile { path: file.path.clone(), rules: Arc::new(rules?), cases, settings, hosts: places.hosts })
}

/// What timelines are read with.
pub(super) struct Setting<'a> {
    pub(super) places: &'a Places,
    pub(super) context: &'a Context,
    /// Of the file of tests.
    path: &'a str,
}

impl Setting<'_> {
    /// The rules in these files, from the folder of the file of tests.
    pub(super) fn rules(&self, node: &Node, report: &mut Report<'_>) -> Option<RuleSet> {
        let folder = Path::new(self.path).parent().unwrap_or(Path::new(""));
        let names = strings(node, report)?;
        if names.is_empty() {
            report.add_with_help(
                &codes::TEST_RULES,
                &node.at,
                "no rules are tested",
                "write the name of a file with rules",
            );
            return None;
        }
        let (mut files, mut unread) = (Vec::new(), false);
        for name in names {
            match read_rules(&folder.join(name)) {
                Ok(read) => files.extend(read),
                Err(found) => {
                    report.found.extend(found);
                    unread = true;
                }
            }
        }
        if unread {
            return None;
        }
        match compile(&files, self.context) {
            Ok((set, _)) if set.is_empty() => {
                report.add(&codes::TEST_RULES, &node.at, "there is no rule in these files");
                None
            }
            Ok((set, _)) => Some(set),
            Err(found) => {
                let errors = found.iter().filter(|it| it.is_error()).count();
                let message = format!("the rules do not load with what this test says ({errors} problems)");
                report.add(&codes::TEST_RULES, &node.at, message);
                report.found.extend(found.into_iter().filter(Diagnostic::is_error));
                None
            }
        }
    }
}

fn places(node: Option<&Node>, report: &mut Report<'_>) -> Places {
    let local = || Places { hosts: Hosts::new([("local", &[][..])]), disks: Disks::new() };
    let Some(node) = node else { return local() };
    let mut instances: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut disks = Disks::new();
    match &node.value {
        Value::Map(_) => {
            for entry in entries(node, report).unwrap_or_default() {
                let raw = match entry.value.value {
                    Value::Null => RawHost::default(),
                    _ => RawHost::read(&entry.value, report).unwrap_or_default(),
                };
                let words = raw.instances.and_then(|node| strings(node, report)).unwrap_or_default();
                instances.insert(entry.key.clone(), words.into_iter().map(str::to_owned).collect());
                let mut theirs = BTreeMap::new();
                for disk in raw.disks.and_then(|node| entries(node, report)).unwrap_or_default() {
                    let allow = strings(&disk.value, report).unwrap_or_default();
                    theirs.insert(disk.key.clone(), allow.into_iter().map(str::to_owned).collect());
                }
                disks.insert(entry.key.clone(), theirs);
            }
        }
        _ => {
            for name in strings(node, report).unwrap_or_default() {
                instances.insert(name.to_owned(), Vec::new());
            }
        }
    }
    if let Some(name) = instances.keys().find(|name| !is_name(name)) {
        report.add(&codes::TARGET_NAME, &node.at, format!("\"{name}\" is not a host's name"));
        return local();
    }
    if instances.is_empty() {
        return local();
    }
    Places { hosts: Hosts::new(instances.iter().map(|(name, words)| (name.as_str(), words.as_slice()))), disks }
}

fn case(node: &Node, setting: &Setting<'_>, names: &mut BTreeSet<String>, report: &mut Report<'_>) -> Option<Case> {
    let raw = RawTest::read(node, report)?;
    let name = required(raw.name, "name", &node.at, "say what the test shows, as a claim", report)
        .and_then(|node| Some((text(node, report)?.trim().to_owned(), node)));
    if let Some((name, node)) = &name {
        if name.is_empty() {
            report.add_with_help(
                &codes::TEST_NAME,
                &node.at,
                "the name is empty",
                "say what the test shows, as a claim",
            );
        } else if !names.insert(name.clone()) {
            report.add(&codes::TEST_NAME, &node.at, "another test of this file has this name");
        }
    }
    let docker = things::declared(raw.docker, setting.places, report);
    let help = "write what happens, such as - {at: 0m, firing: {alertname: X}}";
    let timeline = required(raw.timeline, "timeline", &node.at, help, report);
    if let Some(timeline) = timeline
        && matches!(&timeline.value, Value::List(items) if items.is_empty())
    {
        report.add_with_help(&codes::TEST_EMPTY, &timeline.at, "nothing happens in this test", help);
    }
    let timeline = timeline.map(|node| inputs::timeline(node, setting, &docker, report)).unwrap_or_default();
    // Nothing is expected: nothing may happen.
    let expected = raw.expect.map(|node| wants::expected(node, report)).unwrap_or_default();
    let until = raw.until.and_then(|node| duration(node, report));
    let start = raw.start.map(|node| start(node, report));
    let start = start.unwrap_or_else(|| Timestamp::from_second(START).ok());
    let line = report.source.line(node.at.start);
    Some(Case { name: name?.0, line, start: start?, docker, timeline, expected, until })
}

fn start(node: &Node, report: &mut Report<'_>) -> Option<Timestamp> {
    let written = text(node, report)?;
    let read = time::read(written);
    if let Err(error) = &read {
        let help = "write an instant such as 2024-01-01T09:00:00Z";
        report.add_with_help(&codes::UNKNOWN_WORD, &node.at, error.to_string(), help);
    }
    read.ok()
}
