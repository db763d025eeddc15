//! What a look at the platform shows of a target, and what that says about its health.
//!
//! A look is a fact with no opinion in it: guards and verdicts read it, the platform only fills it in.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::time::Timestamp;

pub mod follow;
pub mod past;
mod path;
mod pin;
mod stop;

pub use self::past::{EndedBy, EndedRun, Past};
pub use self::path::{CallPath, Through};
pub use self::pin::{Pin, PolicyRestarts};
pub use self::stop::{Lifecycle, ended_by_person};

/// The result of looking a target up by its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Nothing has that name.
    Nothing,
    /// More than one container answers to it; how many.
    Many(usize),
    /// Exactly what the target names.
    One(Box<Sight>),
}

impl Found {
    /// Exactly this.
    pub fn one(sight: impl Into<Sight>) -> Self {
        Self::One(Box::new(sight.into()))
    }
}

/// A look that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blind {
    /// A bounded label.
    pub reason: &'static str,
    /// For people.
    pub error: String,
}

/// The reason of an answer that says that the target was removed, or is being removed.
pub const TARGET_GONE: &str = "container_gone";

/// What is looked for besides the target itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wanted {
    /// A Compose service is wanted as all of its containers, whatever they do.
    pub replicas: bool,
    /// The containers that depend on it are wanted too.
    pub dependents: bool,
    /// How many others of its Compose service are well is wanted too.
    pub siblings: bool,
}

/// A target as it was when looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sight {
    /// One container.
    Container(Box<Container>),
    /// All containers of one Compose service.
    Replicas(Replicas),
    /// A Swarm service.
    Service(Service),
    /// A disk of a host.
    Disk(Disk),
}

/// All containers of one Compose service, one-off ones left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replicas {
    /// The Docker daemon's own id.
    pub daemon: String,
    /// The Compose project.
    pub project: String,
    /// The service within the project.
    pub service: String,
    /// Every container of it, by Compose's number. Never empty.
    pub members: Vec<Container>,
}

/// A Swarm service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// The Docker daemon's own id.
    pub daemon: String,
    /// The service's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The service's own labels, not those of its containers.
    pub labels: BTreeMap<String, String>,
    /// Docker's version of it, which every change must name.
    pub version: u64,
    /// How many tasks are asked for; `None` in global mode.
    pub replicas: Option<u64>,
    /// How many tasks run.
    pub running: u64,
    /// Whether an update is being rolled out, or paused on the way.
    pub updating: bool,
}

/// A disk of a host: what clean-up of the host itself is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// The Docker daemon's own id.
    pub daemon: String,
    /// Its name in the configuration.
    pub name: String,
    /// What the configuration permits on it: action names.
    pub allow: BTreeSet<String>,
    /// The file system's size and what of it is free, in bytes; `None` when fettle cannot see it.
    pub space: Option<Space>,
}

/// A file system's size, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Space {
    /// All of it.
    pub total: u64,
    /// What an ordinary user may still write.
    pub free: u64,
}

impl Space {
    /// The share that is free, in percent, rounded down.
    #[must_use]
    pub fn free_percent(self) -> u8 {
        let percent = u128::from(self.free) * 100 / u128::from(self.total.max(1));
        u8::try_from(percent).unwrap_or(100)
    }
}

/// How a port of the machine that fettle runs on stands among [`Container::addresses`].
#[must_use]
pub fn published_port(port: u16) -> String {
    format!("this machine:{port}")
}

/// One container as it was when looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// The Docker daemon's own id, so that two host names of one daemon are one.
    pub daemon: String,
    /// The full 64-digit id: the only name ever put into a call that changes something.
    pub id: String,
    /// The name without the slash Docker puts before it.
    pub name: String,
    /// The container's labels, those of its image included, as Docker merges them.
    pub labels: BTreeMap<String, String>,
    /// Whether its image carries `fettle.enable` itself.
    pub image_label: ImageLabel,
    /// What it is doing.
    pub status: Status,
    /// When it was last started; `None` when it never was.
    pub started_at: Option<Timestamp>,
    /// Restarts by Docker's own policy since the last start by anyone else.
    pub restart_count: u64,
    /// Exit code of the last run; meaningful only when it is not running.
    pub exit_code: i64,
    /// Whether the kernel killed it for memory.
    pub oom_killed: bool,
    /// `None` when it has no health check.
    pub health: Option<Health>,
    /// How long after its start a failing health check does not count, by its definition.
    #[serde(default)]
    pub start_period: Duration,
    /// The addresses and aliases it is reached by, and the ports of this machine behind which it answers, for knowing fettle's
    /// own database.
    pub addresses: Vec<String>,
    /// Whether a person stopped or killed it through Docker's API; `None` when that is not known: it runs, its exit code shows
    /// it alone, or Docker has forgotten or denies the events of its end.
    pub stopped_by_hand: Option<bool>,
    /// When its last run ended; `None` while it runs, and where it never ran.
    #[serde(default)]
    pub ended_at: Option<Timestamp>,
    /// Who ended its last run, by the [stored history](past); `None` where the history does not know it.
    #[serde(default)]
    pub ended_by: Option<EndedBy>,
    /// Compose's number of it among its service's, where it has one.
    pub number: Option<u32>,
    /// The limit of its memory in bytes; `None` when there is none.
    pub memory_limit: Option<u64>,
    /// The limit of its processors in billionths; `None` when there is none.
    pub nano_cpus: Option<u64>,
    /// The last lines of its health check, the newest last, cut.
    pub health_log: Vec<String>,
    /// How many other containers of its Compose service are well; 0 unless it was asked for.
    #[serde(default)]
    pub siblings_well: u32,
    /// The containers that depend on it, in the order in which they are to be restarted; empty unless they were asked for.
    pub dependents: Vec<Container>,
}

/// One thing that carries labels of its own: what the second permission is asked of.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its full id.
    pub id: &'a str,
    /// Its labels.
    pub labels: &'a BTreeMap<String, String>,
    /// See [`ImageLabel`].
    pub image_label: ImageLabel,
    /// See [`Container::addresses`].
    pub addresses: &'a [String],
}

/// Whether the image of a container carries the label that only the container itself may carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageLabel {
    /// It does not.
    Absent,
    /// It does, whatever the value: the container's label may be inherited, so it proves nothing.
    Present,
    /// The image could not be looked at.
    Unreadable,
}

/// Docker's container states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Made, never started.
    Created,
    /// Running.
    Running,
    /// Frozen.
    Paused,
    /// Between a crash and the next start by policy.
    Restarting,
    /// Being removed.
    Removing,
    /// Stopped or crashed.
    Exited,
    /// Docker failed to remove it.
    Dead,
    /// A state this version does not know.
    Unknown,
}

/// Docker's health-check states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Not yet known.
    Starting,
    /// The last check passed.
    Healthy,
    /// Enough checks failed.
    Unhealthy,
}

impl From<Container> for Sight {
    fn from(it: Container) -> Self {
        Self::Container(Box::new(it))
    }
}

impl Sight {
    /// What it is, for messages.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Container(_) => "container",
            Self::Replicas(_) => "Compose service",
            Self::Service(_) => "Swarm service",
            Self::Disk(_) => "disk",
        }
    }

    /// The container, when it is one.
    #[must_use]
    pub fn container(&self) -> Option<&Container> {
        match self {
            Self::Container(it) => Some(it),
            _ => None,
        }
    }

    /// What identifies it as it is now. Replicas are identified by their ids: to start or stop one is not to make it anew.
    #[must_use]
    pub fn pin(&self) -> Pin {
        let plain = |id: String, size| Pin { id, started_at: None, restart_count: 0, size };
        match self {
            Self::Container(it) => it.pin(),
            Self::Replicas(it) => {
                let mut ids: Vec<&str> =
                    it.members.iter().map(|member| member.id.get(..12).unwrap_or(&member.id)).collect();
                ids.sort_unstable();
                plain(format!("{}/{}:{}", it.project, it.service, ids.join("+")), None)
            }
            Self::Service(it) => plain(it.id.clone(), it.replicas),
            Self::Disk(it) => plain(it.name.clone(), None),
        }
    }

    /// What budget, cooldown and exclusion are keyed by: the daemon's id and the thing's own, never a spelling.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Container(it) => it.key(),
            Self::Replicas(it) => format!("{}/{}/{}", it.daemon, it.project, it.service),
            Self::Service(it) => format!("{}/{}", it.daemon, it.id),
            Self::Disk(it) => format!("{}/disk:{}", it.daemon, it.name),
        }
    }

    /// Every key that excludes: its own, that of the service it belongs to, those of the containers it consists of.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        let mut keys = vec![self.key()];
        match self {
            Self::Container(it) => keys.extend(it.service_key()),
            Self::Replicas(it) => keys.extend(it.members.iter().map(Container::key)),
            Self::Service(_) | Self::Disk(_) => {}
        }
        keys
    }

    /// Everything in it that carries labels of its own. A disk carries none: the configuration speaks for it.
    #[must_use]
    pub fn parts(&self) -> Vec<Part<'_>> {
        match self {
            Self::Container(it) => vec![it.part()],
            Self::Replicas(it) => it.members.iter().map(Container::part).collect(),
            Self::Service(it) => vec![Part {
                name: &it.name,
                id: &it.id,
                labels: &it.labels,
                image_label: ImageLabel::Absent,
                addresses: &[],
            }],
            Self::Disk(_) => Vec::new(),
        }
    }

    /// Whether it does what it is there for: a container runs and passes its health check, a service has the tasks it asks
    /// for, every running replica is well. A disk is judged by what the action says must be free.
    #[must_use]
    pub fn is_well(&self) -> bool {
        match self {
            Self::Container(it) => it.is_well(),
            Self::Replicas(it) => {
                let running = it.running();
                !running.is_empty() && running.iter().all(|member| member.is_well())
            }
            Self::Service(it) => !it.updating && it.running > 0 && it.replicas.is_none_or(|want| it.running >= want),
            Self::Disk(_) => true,
        }
    }

    /// Whether it has a health check that only shows to who looks.
    #[must_use]
    pub fn is_checked(&self) -> bool {
        match self {
            Self::Container(it) => it.health.is_some(),
            Self::Replicas(_) | Self::Service(_) => true,
            Self::Disk(_) => false,
        }
    }

    /// What is wrong, for records.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Container(it) => it.describe(),
            Self::Replicas(it) => {
                let running = it.running();
                let well = running.iter().filter(|member| member.is_well()).count();
                format!("{well} well and {} running of {} replicas", running.len(), it.members.len())
            }
            Self::Service(it) => {
                let wanted = it.replicas.map_or("one per node".to_owned(), |n| n.to_string());
                format!("{} of {wanted} tasks running{}", it.running, if it.updating { ", updating" } else { "" })
            }
            Self::Disk(it) => match it.space {
                Some(space) => format!("{} % free", space.free_percent()),
                None => "free space not to be seen".to_owned(),
            },
        }
    }
}

impl Replicas {
    /// Those that run, by number.
    #[must_use]
    pub fn running(&self) -> Vec<&Container> {
        let mut running: Vec<_> = self.members.iter().filter(|it| it.status == Status::Running).collect();
        running.sort_by_key(|it| it.number);
        running
    }

    /// How many are well, this one left out.
    #[must_use]
    pub fn well_beside(&self, id: &str) -> u32 {
        let others = self.members.iter().filter(|it| it.id != id && it.is_well());
        u32::try_from(others.count()).unwrap_or(u32::MAX)
    }

    /// Those that are stopped and could be started, by number.
    #[must_use]
    pub fn stopped(&self) -> Vec<&Container> {
        let mut stopped: Vec<_> =
            self.members.iter().filter(|it| matches!(it.status, Status::Exited | Status::Created)).collect();
        stopped.sort_by_key(|it| it.number);
        stopped
    }
}

impl Container {
    /// Identifies this run. While Docker waits before the next start (`restarting`), `RestartCount` counts that start already;
    /// here it counts only the starts that led to this run.
    #[must_use]
    pub fn pin(&self) -> Pin {
        let pending = u64::from(self.status == Status::Restarting);
        Pin {
            id: self.id.clone(),
            started_at: self.started_at,
            restart_count: self.restart_count.saturating_sub(pending),
            size: None,
        }
    }

    /// The daemon's id and its own, never a spelling.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}/{}", self.daemon, self.id)
    }

    /// The Compose service it belongs to, as a key of its own: who scales the service and who restarts this one exclude
    /// each other.
    #[must_use]
    pub fn service_key(&self) -> Option<String> {
        let (project, service) = self.compose_service()?;
        Some(format!("{}/{project}/{service}", self.daemon))
    }

    /// The Compose project and service that its labels name.
    #[must_use]
    pub fn compose_service(&self) -> Option<(&str, &str)> {
        let label = |key: &str| self.labels.get(key).map(String::as_str);
        label("com.docker.compose.project").zip(label("com.docker.compose.service"))
    }

    fn part(&self) -> Part<'_> {
        Part {
            name: &self.name,
            id: &self.id,
            labels: &self.labels,
            image_label: self.image_label,
            addresses: &self.addresses,
        }
    }

    /// Whether it runs and, where there is a health check, passes it.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.status == Status::Running && self.health.is_none_or(|health| health == Health::Healthy)
    }

    /// What is wrong, for records: `exited (137, out of memory)`, `unhealthy`, `running`.
    #[must_use]
    pub fn describe(&self) -> String {
        match (self.status, self.health) {
            (Status::Running, Some(Health::Healthy)) => "running and healthy".into(),
            (Status::Running, Some(Health::Starting)) => "running, health not yet known".into(),
            (Status::Running, Some(Health::Unhealthy)) => "running but unhealthy".into(),
            (Status::Running, None) => "running".into(),
            (Status::Exited | Status::Dead | Status::Restarting, _) => {
                let memory = if self.oom_killed { ", out of memory" } else { "" };
                format!("{} ({}{memory})", self.status.as_str(), self.exit_code)
            }
            (status, _) => status.as_str().into(),
        }
    }
}

impl Status {
    /// Docker's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Removing => "removing",
            Self::Exited => "exited",
            Self::Dead => "dead",
            Self::Unknown => "unknown",
        }
    }
}
