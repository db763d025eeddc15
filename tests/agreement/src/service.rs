//! The service lives a scenario: the shipped engine over the store in memory, on tokio's paused clock.
//!
//! Always holds: one thread and one seed, so a scenario is one history. Time passes only while every task waits.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use fettle_core::ports::Upstream;
use fettle_core::ports::model::Answered;
use fettle_core::rule::compile::{SourceFile, compile};
use fettle_core::rule::context::Context;
use fettle_core::rule::set::RuleSet;
use fettle_core::surroundings::{Answer, AnswerKind, Pause, PauseScope};
use fettle_core::target::{Disks, Hosts};
use fettle_core::time::{Timestamp, after};
use fettle_engine::clock::Time;
use fettle_engine::intake::Intake;
use fettle_engine::readiness::Readiness;
use fettle_engine::run::{Running, build, recover};
use fettle_engine::shell::Shell;
use fettle_engine::upkeep::Retention;
use fettle_memory::physics::Clock;
use fettle_memory::store::{Memory, Process};
use fettle_sim::machine::Machine;
use fettle_sim::rng::Rng;
use fettle_sim::time::instant;
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use crate::busy::Busy;
use crate::compare::{Difference, Tool};
use crate::coverage::Coverage;
use crate::docker::Docker;
use crate::explained::Asker;
use crate::scenario::{DISK, DISK_ALLOWS, HOST, Input, Scenario};
use crate::text::RULES;
use crate::told::{Told, by_service};
use crate::upstream::{Alertmanager, Prometheus};

/// Who the people of scenarios are.
const PERSON: &str = "somebody";

/// How long after an event everything that follows from it at once has followed. Calls to Docker take longer.
pub const AT_ONCE: Duration = Duration::from_millis(400);

/// What became of a scenario.
pub struct Lived {
    /// What was stored.
    pub told: Told,
    /// What of it is worth counting.
    pub coverage: Coverage,
    /// Where `explain` said something else than what came.
    pub said: Vec<Difference>,
    /// It decided about something again and again without any time passing.
    pub restless: Option<Difference>,
    /// The store, for a replay.
    pub memory: Arc<Memory>,
}

/// The service of a scenario.
pub struct Service {
    /// The engine's parts.
    pub shell: Arc<Shell>,
    /// Everything that is stored.
    pub memory: Arc<Memory>,
    /// What it asks and tells.
    pub alertmanager: Arc<Alertmanager>,
    docker: Arc<Docker>,
    busy: Arc<Busy>,
    intake: Intake,
    rules: [Arc<RuleSet>; 2],
    began: Instant,
    in_vain: Vec<Timestamp>,
    _running: Running,
}

/// The hosts of every scenario.
pub fn hosts() -> Hosts {
    Hosts::new([(HOST, &[][..])])
}

/// Their disks.
pub fn disks() -> Disks {
    let allow = DISK_ALLOWS.iter().map(|it| (*it).to_owned()).collect();
    Disks::from([(HOST.to_owned(), [(DISK.to_owned(), allow)].into())])
}

/// The rules of before a reload, or of after it.
pub fn rules(scenario: &Scenario, reloaded: bool) -> Arc<RuleSet> {
    let at = usize::from(reloaded);
    let file = SourceFile { path: RULES[at].into(), text: scenario.rules[at].to_string() };
    let context = Context {
        hosts: hosts(),
        freshness: scenario.settings.freshness,
        alertmanager: scenario.settings.alertmanager,
        prometheus: true,
        disks: disks(),
        ..Context::default()
    };
    match compile(&[file], &context) {
        Ok((rules, _)) => Arc::new(rules),
        Err(found) => panic!("seed {}: the rules do not load: {found:#?}", scenario.seed),
    }
}

/// Lives it.
pub fn live(scenario: &Scenario) -> Lived {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().expect("a runtime without I/O needs nothing");
    runtime.block_on(async {
        let mut service = Service::begin(scenario).await;
        let busy = service.busy.clone();
        // Cancel safe: whatever the service was doing ends with it.
        let said = tokio::select! {
            said = service.play(scenario) => said,
            () = busy.restless() => Vec::new(),
        };
        let mut coverage = Coverage::default();
        let end = after(instant(0), scenario.until);
        let mut told = service.memory.rows(|rows| by_service(rows, end, &mut coverage));
        told.given_up = service.alertmanager.given_up();
        told.in_vain = std::mem::take(&mut service.in_vain);
        Lived { told, coverage, said, restless: service.restless(), memory: service.memory.clone() }
    })
}

impl Service {
    async fn begin(scenario: &Scenario) -> Self {
        let began = Instant::now();
        let machine = Arc::new(Machine::new(began, Rng::new(scenario.seed)));
        let clock = Clock::new(began, instant(0));
        let memory = if scenario.hears { Memory::shared(move || clock.now()) } else { Memory::alone() };
        let owner = Uuid::from_u128(u128::from(scenario.seed) + 1).into();
        let docker = Docker::new(scenario, clock, memory.clone());
        let busy = Busy::new(clock);
        let alertmanager = Alertmanager::new(instant(0));
        let upstream = scenario.settings.alertmanager.then(|| alertmanager.clone() as Arc<dyn Upstream>);
        let rules = [rules(scenario, false), rules(scenario, true)];
        let store: Process = memory.process(owner);
        let shell = Arc::new(Shell {
            store: Arc::new(store),
            platform: docker.clone(),
            time: Arc::new(Time::new(machine)),
            rules: Arc::new(ArcSwap::new(rules[0].clone())),
            hosts: hosts(),
            settings: scenario.settings.clone(),
            upstream,
            query: Some(Arc::new(Prometheus(docker.clone()))),
            telemetry: busy.clone(),
            owner,
            wake: tokio::sync::Notify::new(),
            recheck: tokio::sync::Notify::new(),
            announce: tokio::sync::Notify::new(),
        });
        let readiness = Arc::new(Readiness::fulfilled());
        recover(&shell, &readiness).await.expect("the store in memory is always there");
        let days = |days: u64| Duration::from_hours(24 * days);
        let retention = Retention { notifications: days(30), audit: days(400) };
        let (intake, engine) = build(shell.clone(), readiness, retention, None);
        let running = engine.start();
        Self { shell, memory, alertmanager, docker, busy, intake, rules, began, in_vain: Vec::new(), _running: running }
    }

    /// What it decided about again and again, without any time passing.
    fn restless(&self) -> Option<Difference> {
        if !self.busy.is_restless() {
            return None;
        }
        self.memory.rows(|rows| {
            let last = rows.remediations().next_back()?;
            let steps: Vec<&str> = last.doc.steps.iter().rev().take(6).map(|step| step.what.as_str()).collect();
            let many = rows.remediations().count();
            let really =
                format!("{many} remediations, the last of {} by {}: {steps:?}", last.doc.target, last.doc.rule);
            let (class, foretold) =
                ("work does not come to rest".to_owned(), "time passes between two decisions".to_owned());
            Some(Difference { tool: Tool::Test, class, at: last.doc.remediation.opened_at, foretold, really })
        })
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        self.shell.time.now()
    }

    async fn until(&self, at: Duration) {
        sleep_until(self.began + at).await;
    }

    async fn play(&mut self, scenario: &Scenario) -> Vec<Difference> {
        let mut asker = Asker::default();
        let mut asks = scenario.asks.iter().peekable();
        for event in &scenario.events {
            while let Some(at) = asks.next_if(|at| **at < event.at) {
                self.until(*at).await;
                asker.ask_about_open(self).await;
            }
            self.until(event.at).await;
            if let (Some(how), Input::Post { firing: true, alerts }) = (event.asked, &event.what) {
                asker.ask_about(self, alerts, how).await;
            }
            if !self.happens(&event.what).await {
                self.in_vain.push(self.now());
            }
            if event.asked.is_some() {
                self.until(event.at + AT_ONCE).await;
                asker.look(self);
            }
        }
        for at in asks {
            self.until(*at).await;
            asker.ask_about_open(self).await;
        }
        self.until(scenario.until).await;
        asker.finish(self)
    }

    /// It happens; whether it had an effect.
    async fn happens(&self, what: &Input) -> bool {
        let (store, now) = (&self.shell.store, self.now());
        let taken = match what {
            Input::Post { firing, alerts } => {
                let body = self.alertmanager.sends(*firing, alerts, now).to_string();
                self.intake.submit("alertmanager", Bytes::from(body)).await.expect("the store takes it");
                true
            }
            Input::Answer(kind, target) => self.answer(*kind, target).await,
            Input::Pause(scope, lasts) => {
                let (id, until) = (self.shell.time.new_id(), lasts.map(|lasts| after(now, lasts)));
                let (scope, reason, by) = (scope.clone(), "a test".to_owned(), PERSON.to_owned());
                store.pause(&Pause { id, scope, reason, by, at: now, until }).await.expect("stored");
                true
            }
            Input::Resume(scope) => self.resume(scope).await,
            Input::Reset(rule) => store.reset_breaker(rule, PERSON, now).await.expect("stored"),
            Input::Silence(alert, silenced) => {
                self.alertmanager.silence(alert, *silenced);
                true
            }
            Input::Answers(answers) => {
                self.alertmanager.answers(*answers);
                self.shell.announce.notify_one();
                true
            }
            Input::Gone(alert) => {
                self.alertmanager.gone(alert);
                true
            }
            Input::Reload(reloaded) => {
                self.shell.rules.store(self.rules[usize::from(*reloaded)].clone());
                true
            }
            change => {
                self.docker.change(change);
                true
            }
        };
        // As the API does after what a person did.
        if matches!(what, Input::Answer(..) | Input::Pause(..) | Input::Resume(_) | Input::Reset(_)) {
            self.shell.wake.notify_one();
        }
        taken
    }

    async fn answer(&self, kind: AnswerKind, target: &str) -> bool {
        let proposed = self.memory.rows(|rows| {
            let open = rows.open_on(target)?;
            let asked = open.doc.steps.iter().rev().find(|step| step.what == "approval asked for");
            let plan = asked.and_then(|step| step.detail["plan"].as_str().map(str::to_owned));
            Some((open.doc.remediation.id, plan))
        });
        let Some((remediation, plan)) = proposed else { return false };
        let (id, by, at) = (self.shell.time.new_id(), PERSON.to_owned(), self.now());
        let plan = if kind == AnswerKind::Cancel { None } else { plan };
        let answer = Answer { id, kind, plan, by, at };
        self.shell.store.answer(remediation, &answer).await.expect("stored") == Answered::Taken
    }

    async fn resume(&self, scope: &PauseScope) -> bool {
        let (store, now) = (&self.shell.store, self.now());
        let pauses = fettle_core::ports::Standing::pauses(&**store, now).await.expect("readable");
        let mut any = false;
        for pause in pauses.iter().filter(|it| it.scope == *scope) {
            any |= store.resume(pause.id, PERSON, now).await.expect("stored");
        }
        any
    }
}
