//! The platform of the shipped engine over hosts of the model, with the deadlines of the real Docker client.
//!
//! A look ends within [`LOOK`]; a call within the time that its effect takes and
//! [`CALL_MARGIN`]. Dropping a call cancels nothing: the daemon goes on.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use super::daemon::Daemon;
use super::effect::Failure;
use super::follow::Stream;
use super::host::{Call, Host, Link, World};
use super::look::NoAnswer;
use super::request::{Answer, Request, Ticket};
use super::truth::By;
use crate::port::{Performed, Platform, PlatformError};
use fettle_core::action::{CALL_MARGIN, SCALE_GRACE};
use fettle_core::effect::{Effect, Replica};
use fettle_core::ports::platform::Followed;
use fettle_core::sight::{CallPath, Found, Pin, Sight, Wanted};
use fettle_core::target::Target;
use fettle_core::time::Timestamp;

/// Deadline of a look, as the real client has it.
const LOOK: Duration = Duration::from_secs(5);

/// What the daemon needs for one replica besides the process's time to end.
const TURN: Duration = Duration::from_secs(2);

/// One fettle's view of its hosts.
#[derive(Debug, Clone)]
pub struct Client {
    number: u32,
    /// By name, in order.
    hosts: Vec<(String, Arc<Host>)>,
    /// Hosts whose daemon has another name before it, and that name.
    twins: Vec<(String, String)>,
}

impl Client {
    /// The client of this number, with its hosts by name. Two clients may share hosts.
    #[must_use]
    pub fn new(number: u32, hosts: impl IntoIterator<Item = (String, Arc<Host>)>) -> Self {
        let mut hosts: Vec<_> = hosts.into_iter().collect();
        hosts.sort_by(|(a, _), (b, _)| a.cmp(b));
        let ids: Vec<String> = hosts.iter().map(|(_, host)| host.now().0.daemon.id().to_owned()).collect();
        let twin = |at: usize| {
            let first = ids.iter().position(|id| *id == ids[at]).filter(|first| *first < at)?;
            Some((hosts[at].0.clone(), hosts[first].0.clone()))
        };
        let twins = (0..hosts.len()).filter_map(twin).collect();
        Self { number, hosts, twins }
    }

    fn host(&self, name: &str) -> Result<&Host, PlatformError> {
        let found = self.hosts.iter().find(|(host, _)| host == name);
        found.map(|(_, host)| &**host).ok_or_else(|| PlatformError::NoHost(name.to_owned()))
    }

    /// A host that is the daemon of one before it finds nothing.
    fn only_one(&self, name: &str) -> Result<&Host, PlatformError> {
        let host = self.host(name)?;
        match self.twins.iter().find(|(twin, _)| twin == name) {
            Some((_, other)) => Err(PlatformError::SameDaemon { host: name.to_owned(), other: other.clone() }),
            None => Ok(host),
        }
    }

    /// One look: answered by `read`, or not before its deadline.
    async fn see<T>(
        &self,
        name: &str,
        host: &Host,
        read: impl Fn(&Daemon) -> Result<T, NoAnswer>,
    ) -> Result<T, PlatformError> {
        self.see_until(Instant::now() + LOOK, name, host, read).await
    }

    async fn see_until<T>(
        &self,
        deadline: Instant,
        name: &str,
        host: &Host,
        read: impl Fn(&Daemon) -> Result<T, NoAnswer>,
    ) -> Result<T, PlatformError> {
        loop {
            let changed = host.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            {
                let (world, _) = host.now();
                match world.link_of(self.number) {
                    Link::Away => return Err(unreachable(name)),
                    Link::Up => {
                        if let Ok(seen) = read(&world.daemon) {
                            return Ok(seen);
                        }
                    }
                    Link::Silent | Link::Mute => {}
                }
            }
            tokio::select! {
                biased;
                () = sleep_until(deadline) => return Err(timed_out(name, LOOK)),
                () = &mut changed => {}
            }
        }
    }

    /// One request that changes something, of the call of this number.
    async fn request(
        &self,
        name: &str,
        host: &Host,
        call: usize,
        request: Request,
        limit: Duration,
    ) -> Result<(), PlatformError> {
        let deadline = Instant::now() + limit;
        let sent = host.with(|world, now| match world.link_of(self.number) {
            Link::Away => Err(unreachable(name)),
            Link::Silent => Ok(None),
            Link::Up | Link::Mute => {
                let ticket = world.daemon.ask(request, By::Fettle(call as u64), now);
                world.calls[call].requests.push(ticket);
                Ok(Some(ticket))
            }
        })?;
        loop {
            let changed = host.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let next = {
                let (world, _) = host.now();
                match self.reply(name, &world, sent) {
                    Some(reply) => return reply,
                    // Where no answer can come, only a change of the world is waited for.
                    None if world.link_of(self.number) != Link::Up || sent.is_none() => deadline,
                    None => world.daemon.next().map_or(deadline, |at| host.clock().instant(at)),
                }
            };
            tokio::select! {
                biased;
                () = sleep_until(next.min(deadline)) => {}
                () = &mut changed => {}
            }
            if Instant::now() >= deadline {
                let (world, _) = host.now();
                return self.reply(name, &world, sent).unwrap_or_else(|| Err(timed_out(name, limit)));
            }
        }
    }

    /// What has come back by now.
    fn reply(&self, name: &str, world: &World, sent: Option<Ticket>) -> Option<Result<(), PlatformError>> {
        match world.link_of(self.number) {
            Link::Away => return Some(Err(broken(name))),
            Link::Silent | Link::Mute => return None,
            Link::Up => {}
        }
        let (_, answer) = world.daemon.job(sent?).received()?;
        Some(match answer {
            Answer::Done | Answer::Already => Ok(()),
            Answer::Broken => Err(broken(name)),
            Answer::Failed(status, message) => {
                Err(PlatformError::Answered { endpoint: endpoint(name), status, message: message.to_owned() })
            }
        })
    }

    async fn carry_out(
        &self,
        target: &Target,
        pin: &Pin,
        effect: &Effect,
        host: &Host,
        call: usize,
    ) -> (Value, Result<(), PlatformError>) {
        let name = target.host();
        let reads_first =
            matches!(effect, Effect::SetReplicas { .. } | Effect::ForceUpdate { .. } | Effect::SetLimits { .. });
        let read = |daemon: &Daemon| {
            if daemon.answers_inspect(&pin.id) { Ok(daemon.requests(target, pin, effect)) } else { Err(NoAnswer) }
        };
        let requests = if reads_first {
            self.see(name, host, read).await.map_err(unsent)
        } else {
            Ok(host.now().0.daemon.requests(target, pin, effect))
        };
        let requests = match requests {
            Ok(Ok(requests)) => requests,
            Ok(Err(Failure::Unfit(why))) => return (json!({}), Err(PlatformError::Unfit(why))),
            Ok(Err(Failure::Answered(status, message))) => {
                let error = PlatformError::Answered { endpoint: endpoint(name), status, message: message.to_owned() };
                return (json!({}), Err(error));
            }
            Err(error) => return (json!({}), Err(error)),
        };
        match effect {
            Effect::StopReplicas { replicas, grace, .. } => {
                self.each(name, host, call, (replicas, requests), "stopped", *grace + TURN).await
            }
            Effect::StartReplicas { replicas, .. } => {
                self.each(name, host, call, (replicas, requests), "started", TURN).await
            }
            _ => {
                let limit = effect.answered_within();
                let mut answer = Ok(());
                for request in requests {
                    answer = self.request(name, host, call, request, limit).await;
                }
                (json!({}), answer)
            }
        }
    }

    /// One replica after the other; at the first failure the rest is left alone.
    async fn each(
        &self,
        name: &str,
        host: &Host,
        call: usize,
        (replicas, requests): (&[Replica], Vec<Request>),
        done: &str,
        turn: Duration,
    ) -> (Value, Result<(), PlatformError>) {
        let deadline = Instant::now() + SCALE_GRACE + CALL_MARGIN;
        let mut touched: Vec<&Replica> = Vec::new();
        let mut answer = Ok(());
        for (replica, request) in replicas.iter().zip(requests) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left < turn {
                let (n, all) = (touched.len(), replicas.len());
                let why = format!("{n} of {all} replicas {done}, no time for the rest");
                answer = Err(PlatformError::Incomplete(why));
                break;
            }
            answer = self.request(name, host, call, request, left).await;
            if answer.is_err() {
                break;
            }
            touched.push(replica);
        }
        (json!({ done: touched }), answer)
    }
}

#[async_trait]
impl Platform for Client {
    async fn find(&self, target: &Target, wanted: Wanted) -> Result<Found, PlatformError> {
        if matches!(target, Target::Unresolvable { .. }) {
            return Ok(Found::Nothing);
        }
        let host = self.only_one(target.host())?;
        self.see(target.host(), host, |daemon| daemon.find(target, wanted)).await
    }

    async fn look(&self, target: &Target, pin: &Pin) -> Result<Option<Sight>, PlatformError> {
        let host = self.host(target.host())?;
        self.see(target.host(), host, |daemon| daemon.look(target, pin)).await
    }

    async fn call_path(&self, target: &Target, pin: &Pin, effect: &Effect) -> CallPath {
        let Ok(host) = self.host(target.host()) else { return CallPath::NotShown };
        let read = |daemon: &Daemon| match daemon.call_path(pin, effect) {
            CallPath::Silent => Err(NoAnswer),
            path => Ok(path),
        };
        self.see(target.host(), host, read).await.unwrap_or(CallPath::Silent)
    }

    async fn perform(&self, target: &Target, pin: &Pin, effect: &Effect) -> Performed {
        let host = match self.host(target.host()) {
            Ok(host) => host,
            Err(error) => return Performed { touched: json!({}), answer: Err(error), short: None },
        };
        let call = host.with(|world, made_at| {
            let (client, requests) = (self.number, Vec::new());
            let (target, pin, effect) = (target.clone(), pin.clone(), effect.clone());
            world.calls.push(Call { client, target, pin, effect, made_at, requests, ended: None });
            world.calls.len() - 1
        });
        let (touched, answer) = self.carry_out(target, pin, effect, host, call).await;
        host.with(|world, now| {
            let reason = answer.as_ref().err().map_or(Ok(()), |error| Err(error.reason()));
            world.calls[call].ended = Some((now, reason));
        });
        // What a clean-up frees inside a container is not modelled.
        Performed { touched, answer, short: None }
    }

    async fn evidence(&self, target: &Target, pin: &Pin, log_lines: u32) -> Value {
        let seen = match self.host(target.host()) {
            Ok(host) => self.see(target.host(), host, |daemon| daemon.look(target, pin)).await,
            Err(error) => Err(error),
        };
        match seen {
            Ok(_) => json!({"log": [], "asked": log_lines}),
            Err(error) => json!({"error": error.to_string()}),
        }
    }

    async fn targets(&self) -> Vec<(String, Result<Vec<Target>, PlatformError>)> {
        // All hosts have one deadline, as if they were asked at the same time.
        let deadline = Instant::now() + LOOK;
        let mut all = Vec::new();
        for (name, host) in &self.hosts {
            let read = |daemon: &Daemon| if daemon.answers() { Ok(daemon.targets(name)) } else { Err(NoAnswer) };
            let seen = match self.only_one(name) {
                Ok(_) => self.see_until(deadline, name, host, read).await,
                Err(error) => Err(error),
            };
            all.push((name.clone(), seen));
        }
        all
    }

    fn followed(&self) -> Vec<String> {
        self.hosts.iter().map(|(name, _)| name.clone()).collect()
    }

    async fn daemon(&self, host: &str) -> Result<String, PlatformError> {
        let found = self.only_one(host)?;
        let read = |daemon: &Daemon| if daemon.answers() { Ok(daemon.id().to_owned()) } else { Err(NoAnswer) };
        self.see(host, found, read).await
    }

    async fn follow(&self, host: &str, since: Option<Timestamp>) -> Result<Followed, PlatformError> {
        let found = self.hosts.iter().find(|(name, _)| name == host).map(|(_, found)| found);
        let found = found.ok_or_else(|| PlatformError::NoHost(host.to_owned()))?;
        let read = |daemon: &Daemon| if daemon.answers() { Ok(daemon.events_denied) } else { Err(NoAnswer) };
        if self.see(host, found, read).await? {
            let message = "Forbidden".to_owned();
            return Err(PlatformError::Answered { endpoint: endpoint(host), status: 403, message });
        }
        Ok(Stream::open(host, self.number, found, since))
    }

    async fn ping(&self) -> Vec<(String, Result<(), PlatformError>)> {
        // All hosts have one deadline, as if they were asked at the same time.
        let deadline = Instant::now() + LOOK;
        let mut all = Vec::new();
        for (name, host) in &self.hosts {
            let read = |daemon: &Daemon| if daemon.answers() { Ok(()) } else { Err(NoAnswer) };
            let seen = match self.see_until(deadline, name, host, read).await {
                Ok(()) => self.only_one(name).map(drop),
                Err(error) => Err(error),
            };
            all.push((name.clone(), seen));
        }
        all
    }
}

fn endpoint(name: &str) -> String {
    format!("memory:{name}")
}

fn unreachable(name: &str) -> PlatformError {
    PlatformError::Unreachable { endpoint: endpoint(name), cause: "connection refused".to_owned() }
}

fn timed_out(name: &str, after: Duration) -> PlatformError {
    PlatformError::TimedOut { endpoint: endpoint(name), after }
}

fn broken(name: &str) -> PlatformError {
    PlatformError::Broken { endpoint: endpoint(name), cause: "connection closed before message completed".to_owned() }
}

/// What failed before anything was sent that changes something.
fn unsent(error: PlatformError) -> PlatformError {
    match error {
        PlatformError::TimedOut { .. } | PlatformError::Broken { .. } => {
            PlatformError::Unfit(format!("nothing was sent: {error}"))
        }
        error => error,
    }
}
