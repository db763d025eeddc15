//! A scenario as data: rules, limits, what there is on the host, and what happens when. It is the one source of both sides.

use std::collections::BTreeMap;
use std::time::Duration;

use fettle_core::alert::labels::Labels;
use fettle_core::settings::Settings;
use fettle_core::sight::{Health, Status};
use fettle_core::surroundings::{AnswerKind, PauseScope};
use serde_json::Value;

/// The only host.
pub const HOST: &str = "local";

/// The only disk, and what the configuration permits on it.
pub const DISK: &str = "srv";
/// See [`DISK`].
pub const DISK_ALLOWS: [&str; 2] = ["clean_logs", "prune"];

/// A scenario.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Where it came from.
    pub seed: u64,
    /// The service's limits.
    pub settings: Settings,
    /// The rules at the beginning, and those of after a reload.
    pub rules: [Value; 2],
    /// What there is.
    pub containers: Vec<Container>,
    /// What there is of Swarm.
    pub services: Vec<Service>,
    /// GiB that are free on the disk, and that a clean-up gives back.
    pub disk: (u64, u64),
    /// How Docker answers at the beginning.
    pub answers: Answers,
    /// What happens, in the order of time.
    pub events: Vec<Event>,
    /// When it ends.
    pub until: Duration,
    /// When what is open is asked about.
    pub asks: Vec<Duration>,
    /// Whether the store tells processes of what becomes due, as PostgreSQL does.
    pub hears: bool,
}

/// A container at the beginning.
#[derive(Debug, Clone)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// Its own labels.
    pub labels: BTreeMap<String, String>,
    /// What it does.
    pub status: Status,
    /// `None`: it has no health check.
    pub health: Option<Health>,
    /// Of its last run.
    pub exit_code: i64,
    /// Whether its image says yes by itself.
    pub image_enables: bool,
    /// Whether a person stopped it.
    pub stopped_by_hand: bool,
    /// The Compose project and service.
    pub compose: Option<(&'static str, &'static str)>,
    /// What it depends on.
    pub depends_on: Vec<&'static str>,
}

/// A Swarm service at the beginning.
#[derive(Debug, Clone)]
pub struct Service {
    /// Its name.
    pub name: &'static str,
    /// Its own labels.
    pub labels: BTreeMap<String, String>,
    /// `None`: one task per node.
    pub replicas: Option<u64>,
}

/// How a call ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It is done and helps.
    Succeeds,
    /// It is done and does not help.
    InVain,
    /// Docker says no.
    Fails,
    /// No answer, and not done.
    Hangs,
    /// No answer, and done.
    Silent,
    /// Nothing is sent.
    Unreachable,
}

impl Ending {
    /// The word in a test file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeds => "succeeds",
            Self::InVain => "in_vain",
            Self::Fails => "fails",
            Self::Hangs => "hangs",
            Self::Silent => "silent",
            Self::Unreachable => "unreachable",
        }
    }
}

/// What metric queries say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metrics {
    /// That it is so, or not.
    Say(bool),
    /// Nothing: Prometheus cannot be asked.
    Blind,
}

/// How Docker and Prometheus answer from some time on; what is not said stays as it is.
#[derive(Debug, Clone, Default)]
pub struct Answers {
    /// How long a call takes.
    pub takes: Option<Duration>,
    /// Whether Docker can be reached.
    pub reachable: Option<bool>,
    /// What metric queries say.
    pub metrics: Option<Metrics>,
    /// How calls of an action end.
    pub endings: Vec<(&'static str, Ending)>,
}

/// Something that happens.
#[derive(Debug, Clone)]
pub struct Event {
    /// When, from the beginning.
    pub at: Duration,
    /// What.
    pub what: Input,
    /// Whether `explain` is asked about it before, and how: with the body itself, or with labels as on a command line.
    pub asked: Option<Asked>,
}

/// How a person asks about an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// With the body that is to come.
    ByBody,
    /// With labels alone.
    ByLabels,
}

/// What happens.
#[derive(Debug, Clone)]
pub enum Input {
    /// One notification says of these alerts that they fire, or do not any more.
    Post {
        /// Whether they fire.
        firing: bool,
        /// The alerts.
        alerts: Vec<Labels>,
    },
    /// A person answers about the open remediation of a target.
    Answer(AnswerKind, String),
    /// A person pauses something, perhaps for a time.
    Pause(PauseScope, Option<Duration>),
    /// A person ends the pauses of a scope.
    Resume(PauseScope),
    /// A person closes a rule's breaker.
    Reset(String),
    /// A person silences an alert, or ends that.
    Silence(Labels, bool),
    /// Alertmanager answers from now on, or does not.
    Answers(bool),
    /// Alertmanager lists this alert no more, and tells nobody.
    Gone(Labels),
    /// The rules of after a reload are loaded, or those of before again.
    Reload(bool),
    /// A container changes by itself.
    Container(String, Change),
    /// A Swarm service changes by itself.
    Service {
        /// Its name.
        name: &'static str,
        /// So many tasks are asked for.
        replicas: Option<u64>,
        /// So many run.
        running: Option<u64>,
    },
    /// So many GiB are free on the disk.
    Disk(u64),
    /// Somebody restarts a container.
    Restarted(String),
    /// Somebody removes it.
    Removed(String),
    /// Docker answers otherwise from now on.
    Docker(Answers),
}

/// What becomes of a container by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It ends with an error.
    Crashes,
    /// It is started again by its policy.
    Recovers,
    /// Its health check fails from now on.
    FallsIll,
    /// Its health check passes again.
    GetsWell,
    /// Somebody sets its label `fettle.hold`.
    IsHeld,
}

impl Scenario {
    /// Whether any event is of this kind.
    pub fn has(&self, kind: impl Fn(&Input) -> bool) -> bool {
        self.events.iter().any(|event| kind(&event.what))
    }
}
