//! Tests after every check.

use std::sync::Arc;
use std::time::Duration;

use super::declared::{Declared, Ending, Metrics};
use crate::world::Deed;
use fettle_core::alert::labels::Labels;
use fettle_core::announcement::AnnouncementName;
use fettle_core::remediation::outcome::{ActionResult, Outcome, Verdict};
use fettle_core::remediation::refusal::Guard;
use fettle_core::rule::set::RuleSet;
use fettle_core::settings::Settings;
use fettle_core::sight::{Health, Status};
use fettle_core::target::Hosts;
use fettle_core::time::Timestamp;

/// A file of tests, with the rules they are about.
#[derive(Debug)]
pub struct TestFile {
    /// As the user knows it.
    pub path: String,
    /// The rules that are tested.
    pub rules: Arc<RuleSet>,
    /// In the order written.
    pub cases: Vec<Case>,
    pub(super) settings: Settings,
    pub(super) hosts: Hosts,
}

/// One test.
#[derive(Debug)]
pub struct Case {
    /// What it shows.
    pub name: String,
    /// Where it stands.
    pub line: usize,
    pub(super) start: Timestamp,
    pub(super) docker: Declared,
    pub(super) timeline: Vec<Entry>,
    pub(super) expected: Vec<Expected>,
    pub(super) until: Option<Duration>,
}

impl TestFile {
    /// Every set of rules that is tested: those it begins with, and those that are loaded later.
    pub fn rule_sets(&self) -> impl Iterator<Item = &RuleSet> {
        let timelines = self.cases.iter().flat_map(|case| &case.timeline);
        let loaded = timelines.filter_map(|entry| match &entry.input {
            Input::Rules(rules) => Some(&**rules),
            _ => None,
        });
        std::iter::once(&*self.rules).chain(loaded)
    }
}

/// One thing that happens.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) at: Duration,
    pub(super) line: usize,
    pub(super) input: Input,
}

#[derive(Debug)]
pub(super) enum Input {
    /// A notification says of each whether it fires.
    Alerts { firing: bool, labels: Vec<Labels> },
    /// A person does something; a pause may last for some time.
    Person { deed: Deed, lasts: Option<Duration> },
    /// Alertmanager answers from now on, or does not.
    Alertmanager { answers: bool },
    /// Alertmanager does not list these any more.
    Gone(Vec<Labels>),
    /// Other rules are loaded.
    Rules(Arc<RuleSet>),
    /// Something changes without fettle.
    Change(Change),
}

#[derive(Debug)]
pub(super) enum Change {
    Container { host: String, name: String, to: ContainerChange },
    Service { host: String, name: String, replicas: Option<Tasks>, running: Option<u64>, updating: Option<bool> },
    Disk { host: String, name: String, free: Option<u64>, frees: Option<u64> },
    Restarted { name: String },
    Removed { name: String },
    Docker(Answers),
}

/// How many tasks a Swarm service is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tasks {
    /// One per node.
    Global,
    /// So many.
    Count(u64),
}

impl Tasks {
    /// As Docker shows it: `None` in global mode.
    pub(super) fn count(self) -> Option<u64> {
        match self {
            Self::Global => None,
            Self::Count(count) => Some(count),
        }
    }
}

/// What is different of a container from now on.
#[derive(Debug, Default)]
pub(super) struct ContainerChange {
    pub(super) labels: Option<Vec<(String, String)>>,
    pub(super) status: Option<Status>,
    pub(super) health: Option<Health>,
    pub(super) exit_code: Option<i64>,
    pub(super) oom_killed: Option<bool>,
    pub(super) stopped_by_hand: Option<bool>,
}

/// How Docker answers; what is not said stays as it is.
#[derive(Debug, Default)]
pub(super) struct Answers {
    pub(super) takes: Option<Duration>,
    pub(super) reachable: Option<Reachable>,
    pub(super) metrics: Option<Metrics>,
    /// Action, name (`None`: every other), ending.
    pub(super) endings: Vec<(&'static str, Option<String>, Ending)>,
}

/// Whether Docker can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reachable {
    /// On every host.
    All(bool),
    /// On these; the others stay as they are.
    Hosts(Vec<(String, bool)>),
}

/// One thing that must come of it.
#[derive(Debug)]
pub(super) struct Expected {
    pub(super) at: Duration,
    pub(super) line: usize,
    pub(super) want: Want,
    pub(super) target: Option<String>,
    pub(super) rule: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Want {
    Action { action: String, result: Option<ActionResult>, verdict: Option<Verdict> },
    Blocked(Guard),
    Refused(Guard),
    Awaiting(String),
    Outcome(Outcome),
    Announced(AnnouncementName),
}
