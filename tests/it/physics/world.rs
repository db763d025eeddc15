//! One face for the model and for a real daemon, so that a scenario is written once.
//!
//! Only what an observer of Docker can see goes through it. The model's time is virtual and moves as a scenario waits.

use std::collections::HashMap;
use std::time::Duration;

use fettle_memory::physics::{self, By, Generation, Part, Request, Spec, Ticket, Timing, Top};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::daemon::{Docker, freeze, signal};
use super::wire::{create, describe, of_model, of_real, wire};
use super::{http, shell};

use fettle_core::time::{Timestamp, after};

/// Between two looks, on the model too.
const LOOK_EVERY: Duration = Duration::from_millis(15);

/// How long something is waited for that Docker does within a second or two on an idle machine.
pub(super) const SOON: Duration = Duration::from_secs(30);

/// After this long without an answer there is none: the slowest answer of a daemon that is well took 0.3 s.
const NO_ANSWER: Duration = Duration::from_secs(3);

/// What an inspect shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    pub(super) status: String,
    pub(super) count: u64,
    /// The run, by the order in which `StartedAt` values were seen.
    pub(super) run: usize,
    pub(super) exit: i64,
    pub(super) oom: bool,
    pub(super) health: Option<String>,
}

impl State {
    /// Without health.
    pub(super) fn show(&self) -> String {
        let oom = if self.oom { " oom" } else { "" };
        format!("{} count {} run {} exit {}{oom}", self.status, self.count, self.run, self.exit)
    }
}

/// What is asked to find out what hangs.
#[derive(Debug, Clone, Copy)]
pub(super) enum Question<'q> {
    Ping,
    List,
    Inspect(&'q str),
    Top(&'q str),
}

/// A request on its way.
pub(super) enum Sent {
    Real(JoinHandle<Option<u16>>),
    Model(Ticket),
}

/// The model, or a real daemon.
pub(super) enum World {
    Real {
        docker: Docker,
        runs: HashMap<String, Vec<String>>,
        names: Vec<String>,
    },
    Model {
        daemon: Box<physics::Daemon>,
        now: Timestamp,
        runs: HashMap<String, Vec<String>>,
        live_restore: bool,
        generation: Generation,
    },
}

impl World {
    pub(super) fn real(docker: Docker) -> Self {
        Self::Real { docker, runs: HashMap::new(), names: Vec::new() }
    }

    pub(super) fn model(generation: Generation, live_restore: bool) -> Self {
        let now = Timestamp::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let daemon = physics::Daemon::new("MODEL", now).generation(generation).timing(Timing::MEASURED);
        Self::Model { daemon: Box::new(daemon), now, runs: HashMap::new(), live_restore, generation }
    }

    /// Creates a container under a unique name of this stem; its full id.
    pub(super) async fn create(&mut self, spec: Spec) -> String {
        match self {
            Self::Model { daemon, now, .. } => daemon.create(spec, *now),
            Self::Real { docker, names, .. } => {
                let name = crate::support::unique(&spec.name);
                let id = create(docker, &name, &spec).await;
                names.push(id.clone());
                id
            }
        }
    }

    /// Creates and starts one.
    pub(super) async fn run(&mut self, spec: Spec) -> String {
        let id = self.create(spec).await;
        let started = self.ask(Request::Start { id: id.clone() }).await;
        assert_eq!(started, 204, "{id} starts");
        if let Self::Real { docker, .. } = self {
            let socket = docker.socket();
            let path = format!("/containers/{id}/logs?stdout=1");
            super::until_ok("the program has begun", async || {
                let log = http::ask(&socket, "GET", &path, None).await.map_err(|error| error.to_string())?.body;
                if log.contains(shell::READY) { Ok(()) } else { Err(log) }
            })
            .await;
        }
        id
    }

    /// Sends a request and waits for its status.
    pub(super) async fn ask(&mut self, request: Request) -> u16 {
        let sent = self.send(request);
        self.answer(sent, Duration::from_mins(1)).await.expect("an answer")
    }

    /// Sends a request.
    pub(super) fn send(&mut self, request: Request) -> Sent {
        match self {
            Self::Model { daemon, now, .. } => Sent::Model(daemon.ask(request, By::Person, *now)),
            Self::Real { docker, .. } => {
                let (method, path, body) = wire(&request);
                let socket = docker.socket();
                Sent::Real(tokio::spawn(async move {
                    http::ask(&socket, method, &path, body.as_ref()).await.ok().map(|it| it.status)
                }))
            }
        }
    }

    /// The status of its answer; `None`: there was none within this time, or the connection broke.
    pub(super) async fn answer(&mut self, sent: Sent, within: Duration) -> Option<u16> {
        match (self, sent) {
            (Self::Model { daemon, now, .. }, Sent::Model(ticket)) => {
                let end = after(*now, within);
                while daemon.job(ticket).received().is_none() && *now < end {
                    *now = daemon.next().unwrap_or(end).min(end).max(*now);
                    daemon.advance(*now);
                }
                daemon.job(ticket).received().and_then(|(_, answer)| answer.status())
            }
            (Self::Real { .. }, Sent::Real(task)) => {
                tokio::time::timeout(within, task).await.ok().and_then(|it| it.expect("the request's task"))
            }
            _ => panic!("a request of the other world"),
        }
    }

    /// An inspect; `None`: there is no such container.
    pub(super) async fn look(&mut self, id: &str) -> Option<State> {
        match self {
            Self::Model { daemon, now, runs, .. } => {
                daemon.advance(*now);
                daemon.container(id).map(|seen| of_model(seen, runs))
            }
            Self::Real { docker, runs, .. } => {
                let path = format!("/containers/{id}/json");
                let asked = http::ask(&docker.socket(), "GET", &path, None).await.expect("an inspect");
                (asked.status == 200).then(|| of_real(&asked.json(), id, runs))
            }
        }
    }

    /// Looks until `is` holds, and gives that look.
    pub(super) async fn until(&mut self, what: &str, id: &str, is: impl Fn(&State) -> bool) -> State {
        self.history(what, id, SOON, is).await.pop().expect("the last look")
    }

    /// Looks until `is` holds; every state that was seen, each once in a row.
    pub(super) async fn history(
        &mut self,
        what: &str,
        id: &str,
        within: Duration,
        is: impl Fn(&State) -> bool,
    ) -> Vec<State> {
        let mut seen: Vec<State> = Vec::new();
        let mut waited = Duration::ZERO;
        let begun = Instant::now();
        loop {
            if let Some(state) = self.look(id).await {
                if seen.last() != Some(&state) {
                    seen.push(state);
                }
                if seen.last().is_some_and(&is) {
                    return seen;
                }
            }
            let too_long = if self.is_model() { waited } else { begun.elapsed() };
            assert!(too_long < within, "not within {within:?}: {what}; seen: {seen:#?}");
            self.pass(LOOK_EVERY).await;
            waited += LOOK_EVERY;
        }
    }

    /// Looks until `is` holds, and how long that took: by the model's clock, or by the test's.
    pub(super) async fn timed(&mut self, what: &str, id: &str, is: impl Fn(&State) -> bool) -> (State, Duration) {
        let (begun, from) = (Instant::now(), self.now());
        let state = self.until(what, id, is).await;
        let waited = match (from, self.now()) {
            (Some(from), Some(to)) => fettle_core::time::since(to, from),
            _ => begun.elapsed(),
        };
        (state, waited)
    }

    fn now(&self) -> Option<Timestamp> {
        match self {
            Self::Model { now, .. } => Some(*now),
            Self::Real { .. } => None,
        }
    }

    /// Waits for an event of a container.
    pub(super) async fn until_event(&mut self, what: &str, id: &str, event: &str) {
        self.until_events(what, id, |events| events.iter().any(|it| it == event)).await;
    }

    /// Waits until the daemon has forgotten all events of a container.
    pub(super) async fn until_no_event(&mut self, what: &str, id: &str) {
        self.until_events(what, id, <[String]>::is_empty).await;
    }

    async fn until_events(&mut self, what: &str, id: &str, is: impl Fn(&[String]) -> bool) {
        let (begun, mut waited) = (Instant::now(), Duration::ZERO);
        loop {
            let events = self.events(id).await;
            if is(&events) {
                return;
            }
            let too_long = if self.is_model() { waited } else { begun.elapsed() };
            assert!(too_long < SOON, "not within {SOON:?}: {what}; the events: {events:?}");
            self.pass(LOOK_EVERY).await;
            waited += LOOK_EVERY;
        }
    }

    /// Asks until it gets `Ok`.
    pub(super) async fn until_some<T>(
        &mut self,
        what: &str,
        within: Duration,
        look: impl AsyncFn(&mut Self) -> Result<T, String>,
    ) -> T {
        let (begun, mut waited) = (Instant::now(), Duration::ZERO);
        loop {
            let last = match look(self).await {
                Ok(it) => return it,
                Err(last) => last,
            };
            let too_long = if self.is_model() { waited } else { begun.elapsed() };
            assert!(too_long < within, "not within {within:?}: {what}; last seen: {last}");
            self.pass(LOOK_EVERY).await;
            waited += LOOK_EVERY;
        }
    }

    /// Later starts of this container fail: the program that it runs is gone.
    pub(super) async fn break_starts(&mut self, id: &str) {
        match self {
            Self::Model { daemon, .. } => daemon.break_starts(id, true),
            Self::Real { docker, .. } => {
                let socket = docker.socket();
                let body = json!({"Cmd": ["rm", "/bin/sh"]});
                let made = http::ask(&socket, "POST", &format!("/containers/{id}/exec"), Some(&body)).await;
                let exec = made.expect("an exec").json()["Id"].as_str().expect("an id").to_owned();
                let path = format!("/exec/{exec}/start");
                let started = http::ask(&socket, "POST", &path, Some(&json!({"Detach": true}))).await;
                assert_eq!(started.expect("a start").status, 200);
                let path = format!("/exec/{exec}/json");
                super::until_ok("the program is gone", async || {
                    let it = http::ask(&socket, "GET", &path, None).await.expect("an exec").json();
                    if it["ExitCode"] == 0 { Ok(()) } else { Err(it.to_string()) }
                })
                .await;
            }
        }
    }

    /// `compose up` of one service; the id of its container. `changed`: with another configuration.
    pub(super) async fn compose_up(&mut self, service: &str, changed: bool) -> String {
        match self {
            Self::Model { daemon, now, .. } => {
                let name = format!("shop_{service}_1");
                if changed {
                    daemon.deploy("shop", *now);
                    *now = after(*now, SOON);
                    daemon.advance(*now);
                } else {
                    daemon.run(Spec::named(name.clone()).compose("shop", service, 1), *now);
                }
                daemon.id_of(&name).expect("it is there").to_owned()
            }
            Self::Real { docker, .. } => super::compose::up(docker, service, changed).await,
        }
    }

    /// A request that was sent has reached the daemon, as far as it can: a local socket takes it within milliseconds.
    pub(super) async fn settle(&mut self) {
        self.pass(Duration::from_millis(500)).await;
    }

    /// The limit of its memory.
    pub(super) async fn memory_limit(&mut self, id: &str) -> Option<u64> {
        match self {
            Self::Model { daemon, .. } => daemon.container(id).and_then(|it| it.memory_limit),
            Self::Real { docker, .. } => {
                let path = format!("/containers/{id}/json");
                let asked = http::ask(&docker.socket(), "GET", &path, None).await.expect("an inspect");
                asked.json()["HostConfig"]["Memory"].as_u64()
            }
        }
    }

    /// Watches for this long; every state that was seen, each once in a row.
    pub(super) async fn watch(&mut self, id: &str, length: Duration) -> Vec<State> {
        let (mut seen, begun, mut waited): (Vec<State>, _, _) = (Vec::new(), Instant::now(), Duration::ZERO);
        loop {
            if let Some(state) = self.look(id).await
                && seen.last() != Some(&state)
            {
                seen.push(state);
            }
            if (if self.is_model() { waited } else { begun.elapsed() }) >= length {
                return seen;
            }
            self.pass(LOOK_EVERY).await;
            waited += LOOK_EVERY;
        }
    }

    /// Time passes.
    async fn pass(&mut self, length: Duration) {
        match self {
            Self::Model { daemon, now, .. } => {
                *now = after(*now, length);
                daemon.advance(*now);
            }
            Self::Real { .. } => tokio::time::sleep(length).await,
        }
    }

    fn is_model(&self) -> bool {
        matches!(self, Self::Model { .. })
    }

    /// What the daemon remembers of a container's events, those of health probes and of `top` left out.
    pub(super) async fn events(&mut self, id: &str) -> Vec<String> {
        let mut events = self.events_as_reported(id).await;
        if self.generation() == Generation::V28 {
            // Docker 28 reports the two in either order: under load it was seen to change.
            for at in 1..events.len() {
                if events[at] == "stop" && events[at - 1].starts_with("die ") {
                    events.swap(at - 1, at);
                }
            }
        }
        events
    }

    fn generation(&self) -> Generation {
        match self {
            Self::Model { generation, .. } => *generation,
            Self::Real { docker, .. } => docker.generation,
        }
    }

    async fn events_as_reported(&mut self, id: &str) -> Vec<String> {
        match self {
            Self::Model { daemon, .. } => {
                daemon.events().filter(|event| event.id == id).map(|event| event.what.describe()).collect()
            }
            Self::Real { docker, .. } => {
                let filters = format!("%7B%22container%22%3A%5B%22{id}%22%5D%2C%22type%22%3A%5B%22container%22%5D%7D");
                let until = Timestamp::now();
                let path = format!(
                    "/events?since=1&until={}.{:09}&filters={filters}",
                    until.as_second(),
                    until.subsec_nanosecond()
                );
                let body = http::ask(&docker.socket(), "GET", &path, None).await.expect("events").body;
                let events = serde_json::Deserializer::from_str(&body).into_iter::<Value>().flatten();
                let events = events.map(|event| describe(&event));
                events.filter(|it| !it.starts_with("exec_") && it != "top").collect()
            }
        }
    }

    /// The answer to a question; `None`: none.
    pub(super) async fn question(&mut self, question: Question<'_>) -> Option<u16> {
        match self {
            Self::Model { daemon, now, .. } => {
                daemon.advance(*now);
                match question {
                    Question::Ping | Question::List => daemon.answers().then_some(200),
                    Question::Inspect(id) => daemon.answers_inspect(id).then_some(200),
                    Question::Top(id) => match daemon.top(id) {
                        Top::Processes => Some(200),
                        Top::Failed(status) => Some(status),
                        Top::None => None,
                    },
                }
            }
            Self::Real { docker, .. } => {
                let path = match question {
                    Question::Ping => "/_ping".to_owned(),
                    Question::List => "/containers/json?all=1".to_owned(),
                    Question::Inspect(id) => format!("/containers/{id}/json"),
                    Question::Top(id) => format!("/containers/{id}/top"),
                };
                let asked = tokio::time::timeout(NO_ANSWER, http::ask(&docker.socket(), "GET", &path, None)).await;
                asked.ok().and_then(Result::ok).map(|it| it.status)
            }
        }
    }

    /// A part stands still.
    pub(super) async fn hang(&mut self, part: &Part) {
        match self {
            Self::Model { daemon, now, .. } => daemon.hang(part, *now),
            Self::Real { docker, .. } => freeze(pid(docker, part)).await,
        }
    }

    /// It goes on.
    pub(super) fn resume(&mut self, part: &Part) {
        match self {
            Self::Model { daemon, now, .. } => daemon.resume(part, *now),
            Self::Real { docker, .. } => signal(pid(docker, part), "-CONT"),
        }
    }

    /// dockerd ends.
    pub(super) async fn stop_daemon(&mut self) {
        match self {
            Self::Model { daemon, now, live_restore, .. } => daemon.stop_daemon(*live_restore, *now),
            Self::Real { docker, .. } => docker.stop().await,
        }
    }

    /// dockerd starts.
    pub(super) async fn start_daemon(&mut self) {
        match self {
            Self::Model { daemon, now, .. } => {
                *now = after(*now, Duration::from_secs(1));
                daemon.start_daemon(*now);
            }
            Self::Real { docker, .. } => docker.start().await,
        }
    }

    /// Removes what the scenario made.
    pub(super) async fn clear(self) {
        if let Self::Real { docker, names, .. } = self {
            for id in names {
                let _ = http::ask(&docker.socket(), "DELETE", &format!("/containers/{id}?force=1"), None).await;
            }
        }
    }
}

fn pid(docker: &Docker, part: &Part) -> u32 {
    match part {
        Part::Dockerd => docker.dockerd(),
        Part::Containerd => docker.containerd(),
        Part::Shim(id) => docker.shim(id),
    }
}
