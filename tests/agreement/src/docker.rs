//! The Docker of a scenario as the engine has it: the model of Docker, and calls that take the time and end as a test file says.
//!
//! What an effect does to a container is the model's. Here is only what the words of a test file mean: when a call is answered
//! and how, and what changes by itself.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use fettle_core::effect::Effect;
use fettle_core::ports::platform::{Performed, Platform, PlatformError};
use fettle_core::sight::{self, CallPath, Found, Health, ImageLabel, Pin, Sight, Space, Status, Wanted};
use fettle_core::target::Target;
use fettle_core::time::Timestamp;
use fettle_memory::physics::{By, Clock, Daemon, Disk, Failure, Request, Spec, Timing, label};
use fettle_memory::store::Memory;
use serde_json::{Value, json};

use crate::scenario::{Answers, Change, DISK, DISK_ALLOWS, Ending, HOST, Input, Metrics, Scenario};
use crate::text::DISK_TOTAL;

/// The daemon's id.
const DAEMON: &str = "daemon-of-local";

/// How long a call takes where nothing is said.
const TAKES: Duration = Duration::from_secs(1);

/// How long what is declared has been running: since the day before the first day of Unix.
const RUNNING_SINCE: i64 = -86_400;

/// Where containers live.
pub struct Docker {
    state: Arc<Mutex<State>>,
    clock: Clock,
    memory: Arc<Memory>,
}

struct State {
    daemon: Daemon,
    takes: Duration,
    reachable: bool,
    metrics: Metrics,
    endings: Vec<(&'static str, Ending)>,
}

fn gib(size: u64) -> u64 {
    size << 30
}

impl Docker {
    /// The host of a scenario as it begins. What is called is found in `memory`: an intent is stored before its call.
    pub fn new(scenario: &Scenario, clock: Clock, memory: Arc<Memory>) -> Arc<Self> {
        let now = clock.now();
        let mut daemon = Daemon::new(DAEMON, now).timing(Timing::NONE);
        let mut numbers = std::collections::BTreeMap::new();
        for (made, it) in scenario.containers.iter().enumerate() {
            let mut labels = it.labels.clone();
            let number = it.compose.map(|(project, service)| {
                labels.insert(label::PROJECT.to_owned(), project.to_owned());
                labels.insert(label::SERVICE.to_owned(), service.to_owned());
                let number = numbers.entry((project, service)).or_insert(0_u32);
                *number += 1;
                *number
            });
            let seen = sight::Container {
                daemon: DAEMON.to_owned(),
                id: format!("{:012x}{}", made + 1, "0".repeat(52)),
                name: it.name.clone(),
                labels,
                image_label: if it.image_enables { ImageLabel::Present } else { ImageLabel::Absent },
                status: it.status,
                started_at: Timestamp::from_second(RUNNING_SINCE).ok(),
                restart_count: 0,
                exit_code: it.exit_code,
                oom_killed: false,
                health: it.health,
                start_period: std::time::Duration::ZERO,
                addresses: Vec::new(),
                stopped_by_hand: Some(it.stopped_by_hand),
                ended_at: None,
                ended_by: None,
                number,
                memory_limit: None,
                nano_cpus: None,
                health_log: Vec::new(),
                siblings_well: 0,
                dependents: Vec::new(),
            };
            let mut spec = Spec::named(&it.name);
            spec.depends_on = it.depends_on.iter().map(|name| (*name).to_owned()).collect();
            daemon.declare(seen, spec, now);
        }
        for (made, it) in scenario.services.iter().enumerate() {
            daemon.declare_service(sight::Service {
                daemon: DAEMON.to_owned(),
                id: format!("{:0>25}", format!("s{made}")),
                name: it.name.to_owned(),
                labels: it.labels.clone(),
                version: 1,
                replicas: it.replicas,
                running: it.replicas.unwrap_or(1),
                updating: false,
            });
        }
        let allow = DISK_ALLOWS.iter().map(|it| (*it).to_owned()).collect();
        let space = Some(Space { total: gib(DISK_TOTAL), free: gib(scenario.disk.0) });
        daemon.add_disk(DISK, Disk { allow, space, frees: gib(scenario.disk.1) });
        let mut state =
            State { daemon, takes: TAKES, reachable: true, metrics: Metrics::Say(true), endings: Vec::new() };
        state.answer_as(&scenario.answers);
        Arc::new(Self { state: Arc::new(Mutex::new(state)), clock, memory })
    }

    /// The daemon as it is now.
    fn now(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.daemon.advance(self.clock.now());
        state
    }

    /// What a metric's query says.
    pub fn metric(&self) -> Metrics {
        self.now().metrics
    }

    /// Something changes without fettle.
    pub fn change(&self, input: &Input) {
        let (mut state, now) = (self.now(), self.clock.now());
        match input {
            Input::Container(name, change) => state.change(name, *change, now),
            Input::Service { name, replicas, running } => {
                state.daemon.declare_service_change(name, |seen| {
                    if replicas.is_some() {
                        seen.version += 1;
                        seen.replicas = *replicas;
                    }
                    seen.running = running.unwrap_or(seen.running);
                });
            }
            Input::Disk(free) => {
                if let Some(space) = state.daemon.disk_mut(DISK).and_then(|disk| disk.space.as_mut()) {
                    space.free = gib(*free);
                }
            }
            Input::Restarted(name) => {
                state.ask(name, now, |id| Request::Restart { id, grace: Duration::ZERO });
            }
            Input::Removed(name) => state.ask(name, now, |id| Request::Remove { id, force: true }),
            Input::Docker(answers) => state.answer_as(answers),
            _ => {}
        }
    }

    /// The action whose intent is stored and whose result is not.
    fn action(&self, target: &Target) -> &'static str {
        let written = target.to_string();
        self.memory.rows(|rows| {
            let under_way = |it: &&fettle_memory::store::Action| it.row.result.is_none() && it.row.target == written;
            rows.actions().rev().find(under_way).map_or("", |action| action.row.action)
        })
    }

    /// The client has given up by then; the daemon does it all the same.
    fn comes_late(&self, target: &Target, pin: &Pin, effect: &Effect, ending: Ending, takes: Duration) {
        if ending == Ending::Fails {
            return;
        }
        let (state, clock) = (self.state.clone(), self.clock);
        let (target, pin, effect) = (target.clone(), pin.clone(), effect.clone());
        tokio::spawn(async move {
            tokio::time::sleep(takes).await;
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            // Nobody hears what became of it.
            let _ = state.daemon.perform(&target, &pin, &effect, ending != Ending::InVain, clock.now());
        });
    }

    fn reach(&self) -> Result<MutexGuard<'_, State>, PlatformError> {
        let state = self.now();
        if state.reachable { Ok(state) } else { Err(unreachable()) }
    }

    async fn call(&self, target: &Target, pin: &Pin, effect: &Effect) -> Result<(), PlatformError> {
        let (action, patience) = (self.action(target), effect.answered_within());
        let (ending, takes) = {
            let state = self.reach()?;
            (state.ending(action), state.takes)
        };
        let lasts = match ending {
            Ending::Unreachable => return Err(unreachable()),
            Ending::Hangs => patience,
            Ending::Silent => {
                // It is done at once, and nobody hears of it.
                let _ = self.now().daemon.perform(target, pin, effect, true, self.clock.now());
                patience
            }
            Ending::Succeeds | Ending::InVain | Ending::Fails if takes > patience => {
                self.comes_late(target, pin, effect, ending, takes);
                tokio::time::sleep(patience).await;
                return Err(PlatformError::TimedOut { endpoint: HOST.to_owned(), after: patience });
            }
            Ending::Succeeds | Ending::InVain | Ending::Fails => takes,
        };
        tokio::time::sleep(lasts).await;
        let mut state = self.now();
        if !state.reachable {
            return Err(PlatformError::Broken { endpoint: HOST.to_owned(), cause: "it went away".to_owned() });
        }
        let answered = |status, message: &str| {
            Err(PlatformError::Answered { endpoint: HOST.to_owned(), status, message: message.to_owned() })
        };
        match state.ending(action) {
            Ending::Fails => answered(500, "docker says no"),
            Ending::Hangs | Ending::Silent => Err(PlatformError::TimedOut { endpoint: HOST.to_owned(), after: lasts }),
            ending @ (Ending::Succeeds | Ending::InVain | Ending::Unreachable) => {
                let helps = ending != Ending::InVain;
                match state.daemon.perform(target, pin, effect, helps, self.clock.now()) {
                    Ok(()) => Ok(()),
                    Err(Failure::Answered(status, why)) => answered(status, why),
                    Err(Failure::Unfit(why)) => Err(PlatformError::Unfit(why)),
                }
            }
        }
    }
}

fn unreachable() -> PlatformError {
    PlatformError::Unreachable { endpoint: HOST.to_owned(), cause: "connection refused".to_owned() }
}

impl State {
    fn answer_as(&mut self, answers: &Answers) {
        self.takes = answers.takes.unwrap_or(self.takes);
        self.reachable = answers.reachable.unwrap_or(self.reachable);
        self.metrics = answers.metrics.unwrap_or(self.metrics);
        for (action, ending) in &answers.endings {
            self.endings.retain(|(other, _)| other != action);
            self.endings.push((action, *ending));
        }
    }

    fn ending(&self, action: &str) -> Ending {
        self.endings.iter().find(|(name, _)| *name == action).map_or(Ending::Succeeds, |(_, ending)| *ending)
    }

    /// A person asks the daemon for something.
    fn ask(&mut self, name: &str, now: Timestamp, request: impl Fn(String) -> Request) {
        if let Some(id) = self.daemon.id_of(name).map(str::to_owned) {
            self.daemon.ask(request(id), By::Person, now);
            self.daemon.advance(now);
        }
    }

    fn change(&mut self, name: &str, change: Change, now: Timestamp) {
        let Some(id) = self.daemon.id_of(name).map(str::to_owned) else { return };
        self.daemon.declare_change(&id, now, |seen| match change {
            Change::Crashes => {
                if seen.status == Status::Running {
                    seen.stopped_by_hand = Some(false);
                }
                (seen.status, seen.exit_code) = (Status::Exited, 1);
            }
            Change::Recovers => {
                if seen.status != Status::Running {
                    (seen.status, seen.started_at) = (Status::Running, Some(now));
                    (seen.exit_code, seen.oom_killed, seen.stopped_by_hand) = (0, false, Some(false));
                    seen.health = seen.health.map(|_| Health::Healthy);
                    seen.restart_count += 1;
                }
            }
            Change::FallsIll => seen.health = Some(Health::Unhealthy),
            Change::GetsWell => seen.health = Some(Health::Healthy),
            Change::IsHeld => drop(seen.labels.insert("fettle.hold".to_owned(), "a person works on it".to_owned())),
        });
    }
}

#[async_trait]
impl Platform for Docker {
    async fn find(&self, target: &Target, wanted: Wanted) -> Result<Found, PlatformError> {
        self.reach()?.daemon.find(target, wanted).map_err(|_| unreachable())
    }

    async fn look(&self, target: &Target, pin: &Pin) -> Result<Option<Sight>, PlatformError> {
        self.reach()?.daemon.look(target, pin).map_err(|_| unreachable())
    }

    async fn call_path(&self, _: &Target, pin: &Pin, effect: &Effect) -> CallPath {
        self.reach().map_or(CallPath::Silent, |state| state.daemon.call_path(pin, effect))
    }

    async fn perform(&self, target: &Target, pin: &Pin, effect: &Effect) -> Performed {
        let answer = self.call(target, pin, effect).await;
        Performed { touched: json!({}), answer, short: None }
    }

    async fn evidence(&self, _: &Target, _: &Pin, _: u32) -> Value {
        json!({})
    }

    async fn targets(&self) -> Vec<(String, Result<Vec<Target>, PlatformError>)> {
        let targets = self.reach().map(|state| state.daemon.targets(HOST));
        vec![(HOST.to_owned(), targets)]
    }

    async fn ping(&self) -> Vec<(String, Result<(), PlatformError>)> {
        vec![(HOST.to_owned(), self.reach().map(drop))]
    }
}
