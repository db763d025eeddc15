//! Builders for the core's tests: a rule, a container, an alert, and the adjectives that change them.

#![expect(missing_docs, reason = "each builder is named after what it makes")]
#![expect(clippy::missing_panics_doc, clippy::return_self_not_must_use, reason = "builders, for tests alone")]

use std::collections::BTreeMap;
use std::time::Duration;

use uuid::Uuid;

use super::action::Action;
use super::alert::episode::{AlertState, Word as Said};
use super::alert::fingerprint::Fingerprint;
use super::alert::labels::Labels;
use super::remediation::state::{Opener, Remediation, State};
use super::rule::model::{Budget, Evidence, Find, Mode, Pattern, Rule, Step, TargetSpec, Verify, Word};
use super::settings::{Protected, Settings};
use super::sight::{Container, Health, ImageLabel, Sight, Status};
use super::target::Target;
use super::time::{Timestamp, after};

/// `second` seconds after the beginning of the tests' time.
pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_000_000 + second).expect("in range")
}

pub fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub fn id<T: From<Uuid>>(number: u128) -> T {
    Uuid::from_u128(number).into()
}

/// `container:local/web`.
pub fn web() -> Target {
    Target::Container { host: "local".into(), name: "web".into() }
}

pub fn labels(name: &str) -> Labels {
    Labels::from_iter([("alertname", name), ("service", "web")])
}

/// Firing since 0, heard of at 0.
pub fn firing(name: &str) -> AlertState {
    let labels = labels(name);
    AlertState::first(Fingerprint::of(&labels), labels, Said::Firing { starts_at: at(0) }, at(0)).0
}

impl AlertState {
    /// Heard firing again.
    pub fn heard_at(mut self, second: i64) -> Self {
        self.evidence_at = at(second);
        self.heard_at = at(second);
        self
    }

    pub fn resolved_at(mut self, second: i64) -> Self {
        self.firing = false;
        self.ended_at = Some(at(second));
        self.end_heard_at = Some(at(second));
        self.heard_at = at(second);
        self
    }
}

pub fn restart() -> Step {
    Step::plain(Action::Restart { grace: secs(10), dependents: None, start_stopped: false })
}

pub fn escalate(message: &str) -> Step {
    Step { action: Action::Escalate { message: Some(message.into()) }, ..restart() }
}

impl Step {
    pub fn paused(self, seconds: u64) -> Self {
        Self { after: secs(seconds), ..self }
    }

    pub fn verified(self, settle: u64, healthy_for: u64, resolved_within: u64) -> Self {
        let [settle, healthy_for, resolved_within] = [settle, healthy_for, resolved_within].map(secs);
        Self { verify: Verify { settle, healthy_for, resolved_within, query: None }, ..self }
    }
}

/// Restarts `container:local/web` once, at once; the defaults of the contract for everything else.
pub fn rule(name: &str) -> Rule {
    Rule {
        name: name.into(),
        owner: None,
        matchers: Vec::new(),
        target: TargetSpec {
            find: Find::Container(Word::Literal("web".into())),
            host: None,
            allow: Vec::new(),
            min_healthy: 0,
            min_age: None,
        },
        unless: Vec::new(),
        during: None,
        evidence: Evidence::default(),
        announce: None,
        hold: Duration::ZERO,
        steps: vec![restart()],
        budget: vec![per(3, 3600)],
        rule_budget: Vec::new(),
        cooldown: secs(300),
        regress_window: secs(1800),
        mode: Mode::Act,
        proceed: false,
        source: "rules/web.yaml:1".into(),
        digest: crate::rule::model::Digest::default(),
    }
}

/// What the rule's alert `A` opens at 0, held until the rule's hold is over.
pub fn opened(rule: &Rule) -> Remediation {
    let alert = firing("A");
    Remediation {
        id: id(1),
        rule: rule.name.clone(),
        target: web(),
        alert: Opener { fingerprint: alert.fingerprint, labels: alert.labels },
        order: None,
        opened_at: at(0),
        rung: 0,
        attempts: 0,
        blind: 0,
        away: None,
        pin: None,
        tried: None,
        ended: None,
        key: None,
        told: false,
        announced_until: None,
        answered: None,
        last_action: None,
        left: None,
        state: State::Held { until: after(at(0), rule.hold) },
    }
}

/// `max` in `seconds`.
pub fn per(max: u32, seconds: u64) -> Budget {
    Budget { max, per: secs(seconds) }
}

impl Rule {
    pub fn holding(self, seconds: u64) -> Self {
        Self { hold: secs(seconds), ..self }
    }

    pub fn climbing(self, steps: impl Into<Vec<Step>>) -> Self {
        Self { steps: steps.into(), ..self }
    }

    pub fn limited_to(self, budget: Budget) -> Self {
        Self { budget: vec![budget], ..self }
    }

    pub fn cooling(self, seconds: u64) -> Self {
        Self { cooldown: secs(seconds), ..self }
    }

    pub fn observing(self) -> Self {
        Self { mode: Mode::Observe, ..self }
    }

    /// The target is named by the label `service` and may be any of these.
    pub fn allowing(mut self, allow: &[&str]) -> Self {
        self.target.find = Find::Container(Word::Label("service".into()));
        self.target.allow = allow.iter().map(|&name| Pattern(name.into())).collect();
        self
    }
}

pub fn settings() -> Settings {
    Settings {
        mode: Mode::Act,
        freshness: secs(600),
        docker_patience: secs(300),
        recheck: secs(300),
        in_flight: 4,
        budget: vec![per(20, 600)],
        target_budget: vec![per(6, 3600)],
        storm: None,
        trip: None,
        alertmanager: false,
        approvers: true,
        protected: Protected::default(),
        hosts: super::target::Hosts::new([("local", &[][..])]),
    }
}

/// `web`, enabled by its own label, running since -1000, without a health check.
pub fn container() -> Container {
    Container {
        daemon: "DAEMON".into(),
        id: "a".repeat(64),
        name: "web".into(),
        labels: BTreeMap::from([("fettle.enable".into(), "true".into())]),
        image_label: ImageLabel::Absent,
        status: Status::Running,
        started_at: Some(at(-1000)),
        restart_count: 0,
        exit_code: 0,
        oom_killed: false,
        health: None,
        start_period: Duration::ZERO,
        addresses: Vec::new(),
        stopped_by_hand: Some(false),
        ended_at: None,
        ended_by: None,
        number: None,
        memory_limit: None,
        nano_cpus: None,
        health_log: Vec::new(),
        siblings_well: 0,
        dependents: Vec::new(),
    }
}

impl Container {
    pub fn labelled(mut self, name: &str, value: &str) -> Self {
        self.labels.insert(name.into(), value.into());
        self
    }

    pub fn unlabelled(mut self, name: &str) -> Self {
        self.labels.remove(name);
        self
    }

    pub fn being(self, status: Status) -> Self {
        Self { status, ..self }
    }

    /// As a look shows it: 0 and 143 say nothing about who ended it.
    pub fn exited(self, exit_code: i64) -> Self {
        let stopped_by_hand = self.stopped_by_hand.filter(|_| !matches!(exit_code, 0 | 143));
        Self { status: Status::Exited, exit_code, stopped_by_hand, ..self }
    }

    pub fn checked(self, health: Health) -> Self {
        Self { health: Some(health), ..self }
    }

    /// With health `starting` and a start period.
    pub fn in_start_period(self, seconds: u64) -> Self {
        Self { start_period: secs(seconds), ..self.checked(Health::Starting) }
    }

    /// Started again by somebody, which begins Docker's count anew.
    pub fn restarted_at(self, second: i64) -> Self {
        Self { started_at: Some(at(second)), restart_count: 0, status: Status::Running, ..self }
    }

    /// Started again by Docker's own policy.
    pub fn crashed_at(self, second: i64) -> Self {
        let restart_count = self.restart_count + 1;
        Self { restart_count, ..self.restarted_at(second) }
    }

    /// Ended, and Docker's policy waits before it starts it: the first step of [`Container::crashed_at`].
    pub fn awaiting_policy(self) -> Self {
        Self { status: Status::Restarting, restart_count: self.restart_count + 1, exit_code: 1, ..self }
    }

    /// Started by the policy that waited: the second step of [`Container::crashed_at`].
    pub fn started_by_policy_at(self, second: i64) -> Self {
        Self { status: Status::Running, started_at: Some(at(second)), exit_code: 0, ..self }
    }

    /// Removed and made anew under the same name.
    pub fn remade(self, digit: &str) -> Self {
        Self { id: digit.repeat(64), ..self }
    }
}

/// The same adjectives for what a look shows.
impl Sight {
    fn changed(self, how: impl FnOnce(Container) -> Container) -> Self {
        match self {
            Self::Container(it) => how(*it).into(),
            other => other,
        }
    }

    pub fn being(self, status: Status) -> Self {
        self.changed(|it| it.being(status))
    }

    pub fn exited(self, exit_code: i64) -> Self {
        self.changed(|it| it.exited(exit_code))
    }

    pub fn checked(self, health: Health) -> Self {
        self.changed(|it| it.checked(health))
    }

    pub fn restarted_at(self, second: i64) -> Self {
        self.changed(|it| it.restarted_at(second))
    }

    pub fn crashed_at(self, second: i64) -> Self {
        self.changed(|it| it.crashed_at(second))
    }

    pub fn awaiting_policy(self) -> Self {
        self.changed(Container::awaiting_policy)
    }

    pub fn started_by_policy_at(self, second: i64) -> Self {
        self.changed(|it| it.started_by_policy_at(second))
    }

    pub fn remade(self, digit: &str) -> Self {
        self.changed(|it| it.remade(digit))
    }
}
