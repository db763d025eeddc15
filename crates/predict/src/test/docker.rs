//! The platform of a test: the model's daemons, one per host, and calls that take and end as the test says.
//!
//! What a call does, and what a look shows, is the model's alone. Which action a call belongs to is in the audit: its intent
//! was stored right before.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::declared::{Answering, Declared, Ending, Metrics};
use super::model::{Change, ContainerChange, Tasks};
use crate::world::{Clock, Memory};
use fettle_core::effect::Effect;
use fettle_core::ports::platform::{Performed, Platform, PlatformError};
use fettle_core::ports::upstream::{Answer, Query, UpstreamError};
use fettle_core::sight::{self, CallPath, Found, Pin, Sight, Status, Wanted};
use fettle_core::target::{Hosts, Target};
use fettle_core::time::Timestamp;
use fettle_memory::physics::{By, Daemon, Failure, Request};

/// How long a person lets a container end; those of tests end at once.
const GRACE: Duration = Duration::from_secs(10);

/// The hosts of a test.
#[derive(Debug)]
pub(super) struct Docker {
    clock: Clock,
    memory: Arc<Memory>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    daemons: BTreeMap<String, Daemon>,
    answering: Answering,
}

impl State {
    fn daemon(&mut self, host: &str, now: Timestamp) -> Result<&mut Daemon, PlatformError> {
        if !self.answering.reaches(host) {
            return Err(unreachable(host));
        }
        let daemon = self.daemons.get_mut(host).ok_or_else(|| PlatformError::NoHost(host.to_owned()))?;
        daemon.advance(now);
        Ok(daemon)
    }

    fn do_it(
        &mut self,
        target: &Target,
        pin: &Pin,
        effect: &Effect,
        helps: bool,
        now: Timestamp,
    ) -> Result<(), PlatformError> {
        let endpoint = endpoint(target.host());
        let done = self.daemon(target.host(), now)?.perform(target, pin, effect, helps, now);
        done.map_err(|failure| match failure {
            Failure::Unfit(why) => PlatformError::Unfit(why),
            Failure::Answered(status, message) => {
                PlatformError::Answered { endpoint, status, message: message.to_owned() }
            }
        })
    }
}

impl Docker {
    /// As it is declared.
    pub(super) fn new(declared: &Declared, hosts: &Hosts, clock: Clock, memory: Arc<Memory>) -> Arc<Self> {
        let named = |host: &str| (host.to_owned(), declared.daemon(host, clock.now()));
        let daemons = hosts.names().into_iter().map(named).collect();
        let state = Mutex::new(State { daemons, answering: declared.answering.clone() });
        Arc::new(Self { clock, memory, state: Arc::new(state) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something changes without fettle.
    pub(super) fn change(&self, change: &Change) {
        let (now, state) = (self.clock.now(), &mut *self.lock());
        let mut on = |host: &str, change: &mut dyn FnMut(&mut Daemon)| {
            state.daemons.get_mut(host).into_iter().for_each(change);
        };
        match change {
            Change::Container { host, name, to } => on(host, &mut |daemon| {
                if let Some(id) = daemon.id_of(name).map(str::to_owned) {
                    daemon.declare_change(&id, now, |seen| apply(seen, to, now));
                }
            }),
            Change::Service { host, name, replicas, running, updating } => on(host, &mut |daemon| {
                daemon.declare_service_change(name, |it| {
                    it.version += u64::from(replicas.is_some());
                    it.replicas = replicas.map_or(it.replicas, Tasks::count);
                    it.running = running.unwrap_or(it.running);
                    it.updating = updating.unwrap_or(it.updating);
                });
            }),
            Change::Disk { host, name, free, frees } => on(host, &mut |daemon| {
                if let Some(disk) = daemon.disk_mut(name) {
                    if let (Some(space), Some(free)) = (&mut disk.space, free) {
                        space.free = *free;
                    }
                    disk.frees = frees.unwrap_or(disk.frees);
                }
            }),
            Change::Restarted { name } => {
                by_person(&mut state.daemons, name, now, |id| Request::Restart { id, grace: GRACE });
            }
            Change::Removed { name } => {
                by_person(&mut state.daemons, name, now, |id| Request::Remove { id, force: true });
            }
            Change::Docker(answers) => state.answering.answer_as(answers),
        }
    }

    /// The action whose intent on this target is stored and has no result.
    fn action(&self, target: &Target) -> &'static str {
        self.memory.rows(|rows| rows.under_way(&target.to_string()).map_or("", |it| it.row.action))
    }
}

/// On the first host that has a container of this name.
fn by_person(
    daemons: &mut BTreeMap<String, Daemon>,
    name: &str,
    now: Timestamp,
    request: impl FnOnce(String) -> Request,
) {
    if let Some(daemon) = daemons.values_mut().find(|daemon| daemon.id_of(name).is_some())
        && let Some(id) = daemon.id_of(name).map(str::to_owned)
    {
        daemon.ask(request(id), By::Person, now);
        daemon.advance(now);
    }
}

#[async_trait]
impl Platform for Docker {
    async fn find(&self, target: &Target, wanted: Wanted) -> Result<Found, PlatformError> {
        let now = self.clock.now();
        let found = self.lock().daemon(target.host(), now)?.find(target, wanted);
        found.map_err(|_| unreachable(target.host()))
    }

    async fn look(&self, target: &Target, pin: &Pin) -> Result<Option<Sight>, PlatformError> {
        let now = self.clock.now();
        let seen = self.lock().daemon(target.host(), now)?.look(target, pin);
        seen.map_err(|_| unreachable(target.host()))
    }

    async fn call_path(&self, target: &Target, pin: &Pin, effect: &Effect) -> CallPath {
        let now = self.clock.now();
        self.lock().daemon(target.host(), now).map_or(CallPath::Silent, |daemon| daemon.call_path(pin, effect))
    }

    async fn perform(&self, target: &Target, pin: &Pin, effect: &Effect) -> Performed {
        Performed { touched: json!({}), answer: self.call(target, pin, effect).await, short: None }
    }

    async fn evidence(&self, _: &Target, _: &Pin, _: u32) -> Value {
        json!({})
    }

    async fn targets(&self) -> Vec<(String, Result<Vec<Target>, PlatformError>)> {
        Vec::new()
    }

    async fn ping(&self) -> Vec<(String, Result<(), PlatformError>)> {
        Vec::new()
    }
}

impl Docker {
    async fn call(&self, target: &Target, pin: &Pin, effect: &Effect) -> Result<(), PlatformError> {
        let (host, action) = (target.host(), self.action(target));
        let (ending, takes, reaches) = {
            let answering = &self.lock().answering;
            (answering.ending(action, target), answering.takes, answering.reaches(host))
        };
        if !reaches || ending == Ending::Unreachable {
            return Err(unreachable(host));
        }
        let limit = effect.answered_within();
        let timed_out = || PlatformError::TimedOut { endpoint: endpoint(host), after: limit };
        match ending {
            Ending::Silent => {
                // It is done at once, and nobody hears of it; what it says is lost with the answer.
                let _ = self.lock().do_it(target, pin, effect, true, self.clock.now());
            }
            Ending::Hangs => {}
            _ if takes > limit => {
                // The client has given up by then; the daemon does it all the same.
                let (state, clock) = (self.state.clone(), self.clock);
                let (target, pin, effect) = (target.clone(), pin.clone(), effect.clone());
                tokio::spawn(async move {
                    tokio::time::sleep(takes).await;
                    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                    if ending != Ending::Fails {
                        let _ = state.do_it(&target, &pin, &effect, ending != Ending::InVain, clock.now());
                    }
                });
            }
            _ => {
                tokio::time::sleep(takes).await;
                let mut state = self.lock();
                if !state.answering.reaches(host) {
                    // The host went away with it: nobody knows whether it is done, until somebody can look.
                    let cause = "the connection to docker broke".to_owned();
                    return Err(PlatformError::Broken { endpoint: endpoint(host), cause });
                }
                if ending == Ending::Fails {
                    let message = "docker says no".to_owned();
                    return Err(PlatformError::Answered { endpoint: endpoint(host), status: 500, message });
                }
                return state.do_it(target, pin, effect, ending != Ending::InVain, self.clock.now());
            }
        }
        tokio::time::sleep(limit).await;
        Err(timed_out())
    }
}

#[async_trait]
impl Query for Docker {
    async fn query(&self, _: &str, _: Option<Timestamp>) -> Result<Answer, UpstreamError> {
        match self.lock().answering.metrics {
            Metrics::Say(true) => Ok(Answer::Scalar(1.0)),
            Metrics::Say(false) => Ok(Answer::Empty),
            Metrics::Blind => {
                let (peer, cause) = ("prometheus".to_owned(), "the test says so".to_owned());
                Err(UpstreamError::Unreachable { peer, cause })
            }
        }
    }
}

fn endpoint(host: &str) -> String {
    format!("test:{host}")
}

fn unreachable(host: &str) -> PlatformError {
    PlatformError::Unreachable { endpoint: endpoint(host), cause: "the test says so".to_owned() }
}

/// What a test says that is different of a container from now on.
fn apply(seen: &mut sight::Container, to: &ContainerChange, now: Timestamp) {
    if let Some(labels) = &to.labels {
        seen.labels.extend(labels.iter().cloned());
    }
    if let Some(status) = to.status {
        if status == Status::Running && seen.status != Status::Running {
            // By itself: Docker's restart policy counts.
            (seen.started_at, seen.restart_count) = (Some(now), seen.restart_count + 1);
            (seen.exit_code, seen.oom_killed, seen.stopped_by_hand) = (0, false, Some(false));
            seen.health = seen.health.map(|_| sight::Health::Healthy);
        }
        seen.status = status;
        if to.exit_code.is_none() && status == Status::Exited && seen.exit_code == 0 {
            // What ends by itself while it should run has crashed.
            seen.exit_code = 1;
        }
    }
    seen.health = to.health.or(seen.health);
    seen.exit_code = to.exit_code.unwrap_or(seen.exit_code);
    seen.oom_killed = to.oom_killed.unwrap_or(seen.oom_killed);
    seen.stopped_by_hand = to.stopped_by_hand.or(seen.stopped_by_hand);
}
