//! What a container is made of: its name, its labels, its restart policy, its health check, and the program it runs.
//!
//! A program is described by what an observer can see of it: how long each run lasts, how it ends, when its health check
//! passes, and what it does on SIGTERM.

use std::collections::BTreeMap;
use std::time::Duration;

use fettle_core::sight::ImageLabel;

/// A container as it is created.
#[derive(Debug, Clone)]
pub struct Spec {
    /// The name, without Docker's slash.
    pub name: String,
    /// The labels, those of the image included, as an inspect shows them.
    pub labels: BTreeMap<String, String>,
    /// Whether the image carries `fettle.enable`.
    pub image_label: ImageLabel,
    /// The addresses and aliases that a look shows.
    pub addresses: Vec<String>,
    /// When Docker starts it again by itself.
    pub policy: Policy,
    /// `None`: no health check.
    pub check: Option<HealthCheck>,
    /// What it runs.
    pub program: Program,
    /// The container whose network it shares, by name (`network_mode: container:NAME`).
    pub network_of: Option<String>,
    /// Containers that it depends on, by name, for tools that declare it; Compose's label counts besides.
    pub depends_on: Vec<String>,
    /// The limit of its memory in bytes.
    pub memory_limit: Option<u64>,
    /// The limit of its processors in billionths.
    pub nano_cpus: Option<u64>,
}

/// Compose's labels, and Swarm's.
pub mod label {
    /// The Compose project.
    pub const PROJECT: &str = "com.docker.compose.project";
    /// The Compose service.
    pub const SERVICE: &str = "com.docker.compose.service";
    /// Compose's number of a container among its service's.
    pub const NUMBER: &str = "com.docker.compose.container-number";
    /// `True` for `compose run`.
    pub const ONEOFF: &str = "com.docker.compose.oneoff";
    /// `db:service_started:false,cache:service_healthy:true`.
    pub const DEPENDS_ON: &str = "com.docker.compose.depends_on";
    /// The Swarm service of a task's container.
    pub const SWARM_SERVICE: &str = "com.docker.swarm.service.name";
    /// The Swarm task of a container.
    pub const SWARM_TASK: &str = "com.docker.swarm.task.id";
}

impl Spec {
    /// A container that runs until it is stopped, without labels, policy and health check.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            labels: BTreeMap::new(),
            image_label: ImageLabel::Absent,
            addresses: Vec::new(),
            policy: Policy::No,
            check: None,
            program: Program::default(),
            network_of: None,
            depends_on: Vec::new(),
            memory_limit: None,
            nano_cpus: None,
        }
    }

    /// Adds a label.
    #[must_use]
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.labels.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Adds the label by which a container gives fettle permission.
    #[must_use]
    pub fn enabled(self) -> Self {
        self.label("fettle.enable", "true")
    }

    /// Adds the labels of replica `number` of a Compose service.
    #[must_use]
    pub fn compose(self, project: &str, service: &str, number: u32) -> Self {
        self.label(label::PROJECT, project)
            .label(label::SERVICE, service)
            .label(label::NUMBER, &number.to_string())
            .label(label::ONEOFF, "False")
    }

    /// Sets the restart policy.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Sets the health check.
    #[must_use]
    pub fn check(mut self, check: HealthCheck) -> Self {
        self.check = Some(check);
        self
    }

    /// Sets the program.
    #[must_use]
    pub fn runs(mut self, program: Program) -> Self {
        self.program = program;
        self
    }

    /// Shares the network of the container of this name.
    #[must_use]
    pub fn network_of(mut self, name: &str) -> Self {
        self.network_of = Some(name.to_owned());
        self
    }
}

/// Docker's restart policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// Never.
    #[default]
    No,
    /// After every end; also at the daemon's start, whoever stopped it.
    Always,
    /// After every end; at the daemon's start unless a person stopped it.
    UnlessStopped,
    /// After an exit code other than 0, at most this many times in a row.
    OnFailure {
        /// `None`: any number of times.
        max: Option<u64>,
    },
}

/// A health check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthCheck {
    /// How long failures do not count after a start.
    pub start_period: Duration,
    /// From the end of one probe to the next. Zero: the model shows the program's health at each instant, without probes.
    pub interval: Duration,
    /// How many failures in a row make it unhealthy.
    pub retries: u32,
}

impl HealthCheck {
    /// Health is known at once: for tools that declare it.
    pub const AT_ONCE: Self = Self { start_period: Duration::ZERO, interval: Duration::ZERO, retries: 1 };

    /// A probe each `interval`, unhealthy after `retries` failures.
    #[must_use]
    pub fn every(interval: Duration, retries: u32) -> Self {
        Self { start_period: Duration::ZERO, interval, retries }
    }
}

/// A program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Its runs in order; the last one is repeated. Never empty.
    pub lives: Vec<Life>,
    /// What it does on SIGTERM.
    pub term: Term,
}

impl Default for Program {
    /// Runs until it is stopped, is healthy at once, and ends at once on SIGTERM with 143.
    fn default() -> Self {
        Self { lives: vec![Life::WELL], term: Term::AT_ONCE }
    }
}

impl Program {
    /// Every run is this one.
    #[must_use]
    pub fn of(life: Life) -> Self {
        Self { lives: vec![life], ..Self::default() }
    }

    /// The same with another answer to SIGTERM.
    #[must_use]
    pub fn on_term(mut self, term: Term) -> Self {
        self.term = term;
        self
    }

    /// The run of this number, from 0.
    pub(super) fn life(&self, run: usize) -> Life {
        self.lives.get(run).or(self.lives.last()).copied().unwrap_or(Life::WELL)
    }
}

/// One run of a program. Times count from its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// When and how it ends by itself; `None`: it does not.
    pub ends: Option<End>,
    /// From when on its health check passes; `None`: never.
    pub healthy_from: Option<Duration>,
    /// From when on its health check fails again; `None`: never.
    pub unhealthy_from: Option<Duration>,
}

impl Life {
    /// Runs, and is healthy from its start.
    pub const WELL: Self = Self { ends: None, healthy_from: Some(Duration::ZERO), unhealthy_from: None };
    /// Runs, and its health check always fails.
    pub const UNHEALTHY: Self = Self { ends: None, healthy_from: None, unhealthy_from: None };

    /// Ends by itself with this exit code.
    #[must_use]
    pub fn ends(after: Duration, code: i64) -> Self {
        Self { ends: Some(End { after, code, oom: false }), ..Self::WELL }
    }

    /// The kernel kills it for memory.
    #[must_use]
    pub fn out_of_memory(after: Duration) -> Self {
        Self { ends: Some(End { after, code: 137, oom: true }), ..Self::WELL }
    }

    /// Healthy only from this long after its start.
    #[must_use]
    pub fn healthy_from(after: Duration) -> Self {
        Self { healthy_from: Some(after), ..Self::WELL }
    }

    /// Whether its health check passes at this age.
    pub(super) fn passes(&self, age: Duration) -> bool {
        self.healthy_from.is_some_and(|from| age >= from) && self.unhealthy_from.is_none_or(|from| age < from)
    }
}

/// How a run ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// The length of the run.
    pub after: Duration,
    /// The exit code.
    pub code: i64,
    /// The kernel killed it for memory.
    pub oom: bool,
}

/// What a program does on SIGTERM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Term {
    /// Ends.
    Ends {
        /// How long it takes to end.
        after: Duration,
        /// The exit code.
        code: i64,
    },
    /// Goes on, until SIGKILL.
    Ignores,
}

impl Term {
    /// Ends at once with the code of SIGTERM.
    pub const AT_ONCE: Self = Self::Ends { after: Duration::ZERO, code: 143 };
}

/// The Docker that is modelled: the two whose order of events differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Generation {
    /// Docker 20.10: of a stop, `die` comes before `stop`.
    V20,
    /// Docker 28: `stop` comes before `die`, but the two race.
    #[default]
    V28,
}

/// How long the daemon itself needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// From the beginning of a start to the running process.
    pub start: Duration,
    /// From the end of the process to the end of a removal, from 32 to 83 ms on Docker 20.10 and rounded up here; a look shows the
    /// container as `removing` meanwhile.
    pub remove: Duration,
    /// From a change of a Swarm service to the new task's start.
    pub schedule: Duration,
}

impl Timing {
    /// As measured on an idle machine.
    pub const MEASURED: Self = Self {
        start: Duration::from_millis(300),
        remove: Duration::from_millis(100),
        schedule: Duration::from_secs(1),
    };
    /// Nothing takes time: for tools that declare when things happen.
    pub const NONE: Self = Self { start: Duration::ZERO, remove: Duration::ZERO, schedule: Duration::ZERO };
}
