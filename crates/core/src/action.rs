//! The closed list of what fettle can do, as rules ask for it. One match arm each, no registry.
//!
//! An action is what a rule says; what exactly it does to what was found is an [`Effect`](crate::effect::Effect).

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::duration;
use crate::target::Pattern;

/// One action with its parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Stop and start the container again; of a Swarm service, make its tasks anew.
    Restart {
        /// How long the process may take to end before it is killed. Whole seconds.
        grace: Duration,
        /// Which containers that depend on it are restarted after it.
        #[serde(default)]
        dependents: Option<Dependents>,
        /// Whether one that a person stopped is started too.
        #[serde(default)]
        start_stopped: bool,
    },
    /// Stop the container and leave it stopped.
    Stop {
        /// See [`Action::Restart`].
        grace: Duration,
    },
    /// Fewer replicas, as a loan.
    ScaleDown {
        /// How many fewer; at least 1.
        by: u32,
        /// Never fewer than this.
        floor: u32,
    },
    /// More replicas, as a loan.
    ScaleUp {
        /// How many more; at least 1.
        by: u32,
        /// Never more than this.
        ceiling: u32,
    },
    /// Shorten what grows and delete what is rotated and aged.
    CleanLogs(CleanLogs),
    /// Give back what Docker keeps and nobody uses.
    Prune(Prune),
    /// Other limits for a running container.
    SetLimits {
        /// Bytes of memory.
        memory: Option<u64>,
        /// Billionths of a processor.
        nano_cpus: Option<u64>,
    },
    /// Bring replicas back to what they were before a loan. Never written in a rule.
    Restore,
    /// Tell people; touches nothing.
    Escalate {
        /// What to say besides what is known anyway.
        message: Option<String>,
    },
}

/// Which dependents are restarted after a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependents {
    /// Which names are permitted; one that is found and not permitted refuses the whole step.
    pub allow: Vec<Pattern>,
}

/// What `clean_logs` may do, and where it ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CleanLogs {
    /// Folders, absolute; nothing outside of them is touched. Never empty.
    pub roots: Vec<String>,
    /// File names that may be touched, as globs of names, such as `*.log`. Never empty.
    pub files: Vec<Pattern>,
    /// File names that are rotated and may be deleted when they are old enough, such as `*.log.*` and `*.gz`.
    pub rotated: Vec<Pattern>,
    /// At most so many files per attempt.
    pub max_files: u32,
    /// At most so many bytes per attempt.
    pub max_bytes: u64,
    /// A rotated file is deleted only when it was not written for this long.
    pub older_than: Duration,
    /// A growing file is emptied only when it is larger than this.
    pub larger_than: u64,
    /// So many of the newest rotated files of each folder stay.
    pub keep_newest: u32,
    /// No more than needed: ends once this share of the file system is free, in percent.
    pub stop_when_free: Option<u8>,
    /// Helped only when this share of the file system is free afterwards, in percent.
    pub free_above: Option<u8>,
    /// Who it is done as inside a container; the image's own user when absent.
    pub user: Option<String>,
    /// Empty the container's own json-file log as well: the last resort, which needs a person unless the rule says not.
    pub container_log: bool,
}

/// What `prune` removes. Never a volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "four independent things that a rule switches on by name")]
pub struct Prune {
    /// Images without a name that no container uses.
    pub images: bool,
    /// Also images that have a name, when no container uses them.
    pub unused_images: bool,
    /// What builds left behind.
    pub build_cache: bool,
    /// Containers that are stopped, those of Compose excepted.
    pub stopped_containers: bool,
    /// Only what is older.
    pub older_than: Duration,
    /// Helped only when this share of the file system is free afterwards, in percent.
    pub free_above: Option<u8>,
}

/// How long the daemon may need beyond the grace time; after that a client that got no answer may look.
pub const CALL_MARGIN: Duration = Duration::from_secs(30);

/// Deadline of a change of a Swarm service: it answers when the change is stored, long before the tasks follow.
pub const SERVICE_CHANGE_LIMIT: Duration = Duration::from_secs(15);

/// Deadline of a change of a container's limits: 20 ms on a healthy daemon; the kernel may have to free memory first.
pub const LIMITS_CHANGE_LIMIT: Duration = Duration::from_secs(30);

/// How long a clean-up may take; it is bounded by files and bytes, this is for a slow disk.
pub const CLEAN_LIMIT: Duration = Duration::from_mins(2);

impl Action {
    /// The word in rules, audit and metrics.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Restart { .. } => "restart",
            Self::Stop { .. } => "stop",
            Self::ScaleDown { .. } => "scale_down",
            Self::ScaleUp { .. } => "scale_up",
            Self::CleanLogs(_) => "clean_logs",
            Self::Prune(_) => "prune",
            Self::SetLimits { .. } => "set_limits",
            Self::Restore => "restore",
            Self::Escalate { .. } => "escalate",
        }
    }

    /// Its parameters as they are written in rules, for records.
    #[must_use]
    pub fn parameters(&self) -> Value {
        match self {
            Self::Restart { grace, dependents, start_stopped } => {
                let mut it = json!({"grace": duration::show(*grace)});
                if let Some(dependents) = dependents {
                    it["dependents"] = json!({"allow": dependents.allow});
                }
                if *start_stopped {
                    it["start_stopped"] = json!(true);
                }
                it
            }
            Self::Stop { grace } => json!({"grace": duration::show(*grace)}),
            Self::ScaleDown { by, floor } => json!({"by": by, "floor": floor}),
            Self::ScaleUp { by, ceiling } => json!({"by": by, "ceiling": ceiling}),
            Self::CleanLogs(it) => json!(it),
            Self::Prune(it) => json!(it),
            Self::SetLimits { memory, nano_cpus } => json!({"memory": memory, "nano_cpus": nano_cpus}),
            Self::Restore => json!({}),
            Self::Escalate { message } => json!({"message": message}),
        }
    }

    /// Whether it changes anything outside fettle.
    #[must_use]
    pub fn has_effect(&self) -> bool {
        !matches!(self, Self::Escalate { .. })
    }

    /// Whether it changes how many replicas run: then it is a loan.
    #[must_use]
    pub fn scales(&self) -> bool {
        matches!(self, Self::ScaleDown { .. } | Self::ScaleUp { .. })
    }

    /// Whether a person is asked even when the rule does not say so.
    #[must_use]
    pub fn asks_by_default(&self) -> bool {
        matches!(self, Self::CleanLogs(CleanLogs { container_log: true, .. }))
    }

    /// The time the platform may need for it, without the margin.
    #[must_use]
    pub fn takes(&self) -> Duration {
        match self {
            Self::Restart { grace, .. } | Self::Stop { grace } => *grace,
            Self::ScaleDown { .. } | Self::ScaleUp { .. } | Self::Restore | Self::SetLimits { .. } => SCALE_GRACE,
            Self::CleanLogs(_) | Self::Prune(_) => CLEAN_LIMIT,
            Self::Escalate { .. } => Duration::ZERO,
        }
    }

    /// How long after its intent an unchanged target proves that nothing happened: the daemon cannot still be at it.
    #[must_use]
    pub fn conclusive_after(&self) -> Duration {
        match self {
            Self::Escalate { .. } => Duration::ZERO,
            action => action.takes() + CALL_MARGIN,
        }
    }
}

/// How long each replica may take to end when there are to be fewer: Docker's own default.
pub const SCALE_GRACE: Duration = Duration::from_secs(10);

/// Every action's name that a rule may write, for metrics that exist from the start.
pub const NAMES: [&str; 8] =
    ["restart", "stop", "scale_down", "scale_up", "clean_logs", "prune", "set_limits", "escalate"];
