//! One container as the daemon keeps it.

use std::time::Duration;

use super::request::Ticket;
use super::spec::{Life, Policy, Spec, label};
use super::truth::By;
use fettle_core::sight::{Container as Seen, Health, Status};
use fettle_core::time::Timestamp;

/// The number of a container at its daemon; never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key(pub(super) u32);

/// The first pause before a start by policy.
const BACKOFF: Duration = Duration::from_millis(100);
/// The longest.
const BACKOFF_MAX: Duration = Duration::from_mins(1);
/// A run of this length resets the pause.
const BACKOFF_RESET: Duration = Duration::from_secs(10);

/// A container.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent flags, most of them Docker's own")]
pub(super) struct Container {
    /// As an inspect shows it, but for `stopped_by_hand` and `dependents`.
    pub(super) seen: Seen,
    pub(super) spec: Spec,
    /// How many runs it has had.
    pub(super) runs: usize,
    /// The current run's number among all of the daemon; `None`: no process lives.
    pub(super) run: Option<usize>,
    pub(super) life: Life,
    /// From when the times of `life` count.
    pub(super) life_from: Timestamp,
    /// Counts changes of `life`, so that an end that was planned before is not carried out.
    pub(super) life_number: u32,
    pub(super) finished_at: Option<Timestamp>,
    /// Docker's `HasBeenManuallyStopped`.
    pub(super) stopped_through_api: bool,
    /// The restart policy is off until the next start by a request.
    pub(super) cancelled: bool,
    pub(super) backoff: Duration,
    /// Counts pauses, so that one that was called off does not end with a start.
    pub(super) pause: u32,
    /// Failures of the health check in a row.
    pub(super) failing: u32,
    /// Who sent the last signal to this run.
    pub(super) ended_by: Option<By>,
    /// Requests that wait for its end.
    pub(super) enders: Vec<Ticket>,
    pub(super) starting: Option<Starting>,
    /// Requests that wait for the end of a start that is not theirs.
    pub(super) after_start: Vec<Ticket>,
    /// Its lock is held by a call that does not come back: an inspect gets no answer.
    pub(super) held: bool,
    /// Docker's `State.Error` is set: the last start failed.
    pub(super) start_failed: bool,
    /// Every start fails: its program is gone.
    pub(super) broken: bool,
    /// `stopped_by_hand` was declared and is shown as it is.
    pub(super) hand_declared: bool,
    /// Its health was declared and is shown as it is, until the next run.
    pub(super) health_declared: bool,
    /// The Swarm service whose task it is.
    pub(super) task_of: Option<usize>,
    pub(super) removed: bool,
    /// Its removal has begun: nothing starts it any more.
    pub(super) removing: bool,
}

/// A start under way.
#[derive(Debug)]
pub(super) struct Starting {
    pub(super) by: By,
    pub(super) fails: bool,
    /// Requests that end with it.
    pub(super) of: Vec<Ticket>,
}

impl Container {
    pub(super) fn new(daemon: &str, id: String, spec: Spec, now: Timestamp) -> Self {
        let number = spec.labels.get(label::NUMBER).and_then(|text| text.parse().ok());
        let seen = Seen {
            daemon: daemon.to_owned(),
            id,
            name: spec.name.clone(),
            labels: spec.labels.clone(),
            image_label: spec.image_label,
            status: Status::Created,
            started_at: None,
            restart_count: 0,
            exit_code: 0,
            oom_killed: false,
            health: None,
            start_period: spec.check.map(|check| check.start_period).unwrap_or_default(),
            addresses: spec.addresses.clone(),
            stopped_by_hand: None,
            ended_at: None,
            ended_by: None,
            number,
            memory_limit: spec.memory_limit,
            nano_cpus: spec.nano_cpus,
            health_log: Vec::new(),
            siblings_well: 0,
            dependents: Vec::new(),
        };
        Self::of(seen, spec, now)
    }

    /// Exactly as it is seen.
    pub(super) fn of(seen: Seen, spec: Spec, now: Timestamp) -> Self {
        Self {
            seen,
            spec,
            runs: 0,
            run: None,
            life: Life::WELL,
            life_from: now,
            life_number: 0,
            finished_at: None,
            stopped_through_api: false,
            cancelled: false,
            backoff: Duration::ZERO,
            pause: 0,
            failing: 0,
            ended_by: None,
            enders: Vec::new(),
            starting: None,
            after_start: Vec::new(),
            held: false,
            start_failed: false,
            broken: false,
            hand_declared: false,
            health_declared: false,
            task_of: None,
            removed: false,
            removing: false,
        }
    }

    /// Whether a process is there.
    pub(super) fn is_alive(&self) -> bool {
        matches!(self.seen.status, Status::Running | Status::Paused)
    }

    /// The project and service of Compose that keep it running, one-off containers left out.
    pub(super) fn service(&self) -> Option<(&str, &str)> {
        let label = |key: &str| self.seen.labels.get(key).map(String::as_str);
        if label(label::ONEOFF).is_some_and(|text| text != "False") {
            return None;
        }
        label(label::PROJECT).zip(label(label::SERVICE))
    }

    /// Whether its policy starts it again after this end.
    pub(super) fn restarts_after(&self, code: i64) -> bool {
        !self.cancelled && self.spec.policy.restarts(code, self.stopped_through_api, self.seen.restart_count)
    }

    /// The pause before the next start by policy, after a run of this length.
    pub(super) fn next_backoff(&mut self, ran: Duration) -> Duration {
        if ran >= BACKOFF_RESET {
            self.backoff = Duration::ZERO;
        }
        self.backoff = if self.backoff.is_zero() { BACKOFF } else { (self.backoff * 2).min(BACKOFF_MAX) };
        self.backoff
    }

    /// What a start by a request forgets.
    pub(super) fn reset_policy(&mut self) {
        self.cancelled = false;
        self.stopped_through_api = false;
        self.backoff = Duration::ZERO;
        self.seen.restart_count = 0;
    }

    /// The state of an end that nothing follows.
    pub(super) fn set_exited(&mut self) {
        self.seen.status = Status::Exited;
        self.pause += 1;
    }

    /// What the daemon shows of a health check whose monitor has ended.
    pub(super) fn end_health(&mut self) {
        if self.seen.health.is_some() && !self.is_checked_at_once() {
            self.seen.health = Some(Health::Unhealthy);
        }
    }

    /// Whether its health is shown without probes.
    pub(super) fn is_checked_at_once(&self) -> bool {
        self.spec.check.is_some_and(|check| check.interval.is_zero())
    }
}

impl Policy {
    fn restarts(self, code: i64, stopped_through_api: bool, count: u64) -> bool {
        match self {
            Self::No => false,
            Self::Always => true,
            Self::UnlessStopped => !stopped_through_api,
            Self::OnFailure { max } => code != 0 && max.is_none_or(|max| max == 0 || count < max),
        }
    }

    /// Whether the daemon starts it when it starts itself.
    pub(super) fn returns_with_daemon(self, code: i64, stopped_through_api: bool, count: u64) -> bool {
        self.restarts(code, stopped_through_api, count)
    }
}
