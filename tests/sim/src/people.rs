//! People: they approve, reject, cancel, pause, resume, reset, silence, reload and order by hand; they restart fettle; and they
//! start, stop, remove and deploy containers without asking fettle.

use std::sync::Arc;
use std::time::Duration;

use fettle_core::action::Action;
use fettle_core::id::{PauseId, RemediationId};
use fettle_core::ports::People as _;
use fettle_core::ports::model::Answered;
use fettle_core::remediation::order::Order;
use fettle_core::remediation::state::{Awaiting, State};
use fettle_core::rule::set::RuleSet;
use fettle_core::settings::{Protected, Settings};
use fettle_core::surroundings::{Answer, AnswerKind, Pause, PauseScope};
use fettle_core::target::Target;
use fettle_memory::physics::{By, Request};

use crate::checks::Deed;
use crate::history::short;
use crate::mutants::Mutant;
use crate::plan::HOST;
use crate::time::{Micros, SECOND, instant};
use crate::town::CONTAINERS;
use crate::world::{Wake, World};

/// What they have set and not taken back.
#[derive(Debug, Default)]
pub struct People {
    /// Every alert is silenced.
    pub silences: bool,
    /// Alertmanager refuses connections.
    pub upstream_down: bool,
    /// Alertmanager takes connections and does not answer.
    pub upstream_silent: bool,
    /// Pauses that were not ended.
    pauses: Vec<PauseId>,
    /// A rule that is not loaded.
    unloaded: Option<usize>,
}

impl World {
    /// A person does something.
    pub fn person(self: &Arc<Self>) {
        if self.is_calm() {
            return;
        }
        self.later(self.plan.weather.people * 2, Wake::People);
        let deed = self.below(24);
        self.note(|| format!("people: deed {deed}"));
        match deed {
            0..7 => {
                let world = self.clone();
                tokio::spawn(async move { world.by_api(deed).await });
            }
            7 => self.reload(),
            8 => {
                let mut people = self.people();
                people.silences = !people.silences;
            }
            9 => {
                let mut people = self.people();
                people.upstream_down = !people.upstream_down;
            }
            10 => {
                let mut people = self.people();
                people.upstream_silent = !people.upstream_silent;
            }
            11 => {
                let at = self.below(u64::from(self.plan.weather.replicas));
                self.replicas[usize::try_from(at).unwrap_or(0)].restart(self);
            }
            _ => self.at_docker(deed),
        }
    }

    /// A rule is taken out, or put back.
    fn reload(&self) {
        let next = usize::try_from(self.below(self.plan.rules.len() as u64)).unwrap_or(0);
        let unloaded = {
            let mut people = self.people();
            people.unloaded = if people.unloaded.is_some() { None } else { Some(next) };
            people.unloaded
        };
        let rules = self.plan.rules.iter().enumerate().filter(|(at, _)| Some(*at) != unloaded);
        self.rules.store(Arc::new(RuleSet::of(rules.map(|(_, rule)| rule.clone()).collect())));
        self.deed(&Deed::Reloaded);
    }

    async fn by_api(self: Arc<Self>, deed: u64) {
        let Some(now) = self.replicas.iter().find_map(|it| it.time()) else { return };
        match deed {
            0..3 => self.answer(AnswerKind::Approve).await,
            3 => {
                let kind = if self.chance(500) { AnswerKind::Reject } else { AnswerKind::Cancel };
                self.answer(kind).await;
            }
            4 => self.pause(now).await,
            5 if self.chance(700) => {
                let id = self.people().pauses.pop();
                if let Some(id) = id
                    && self.store.resume(id, "oncall", now).await.is_ok()
                {
                    self.deed(&Deed::Resumed { pause: id });
                }
            }
            5 => {
                let rule = self.rng().pick(&self.plan.rules).name.clone();
                if let Ok(true) = self.store.reset_breaker(&rule, "oncall", now).await {
                    self.deed(&Deed::BreakerReset { rule: &rule });
                }
            }
            _ => self.order().await,
        }
    }

    async fn answer(&self, kind: AnswerKind) {
        let Some(now) = self.replicas.iter().find_map(|it| it.time()) else { return };
        let asked: Vec<(RemediationId, Option<String>)> = {
            let checks = self.checks();
            let open = checks.docs().filter(|doc| doc.outcome().is_none());
            open.filter_map(|doc| match &doc.state {
                State::AwaitingApproval(Awaiting { proposal, .. }) => Some((doc.id, Some(proposal.hash.clone()))),
                _ if kind == AnswerKind::Cancel => Some((doc.id, None)),
                _ => None,
            })
            .collect()
        };
        if asked.is_empty() {
            return;
        }
        let (remediation, mut plan) = self.rng().pick(&asked).clone();
        if self.chance(50) {
            plan = Some("another".to_owned());
        }
        let id = self.new_id();
        let answer = Answer { id, kind, plan, by: "oncall".to_owned(), at: now };
        let answered = self.store.answer(remediation, &answer).await;
        self.note(|| format!("people: {kind} {}: {answered:?}", short(remediation)));
        if let Ok(Answered::Taken) = answered {
            self.deed(&Deed::Answered { remediation, answer: &answer });
            self.replicas.iter().for_each(|it| it.wake());
        }
    }

    async fn pause(&self, at: fettle_core::time::Timestamp) {
        let targets: Vec<Target> = self.checks().docs().map(|doc| doc.target.clone()).collect();
        let pause = {
            let id = self.new_id();
            let mut rng = self.rng();
            let scope = match rng.below(4) {
                0 => PauseScope::All,
                1 => PauseScope::Rule(rng.pick(&self.plan.rules).name.clone()),
                _ if targets.is_empty() => PauseScope::All,
                _ => PauseScope::Target(rng.pick(&targets).clone()),
            };
            let lasts = Micros::try_from(rng.between(20, 300)).unwrap_or(20) * SECOND;
            let until = rng.chance(700).then(|| instant(self.now() + lasts));
            Pause { id, scope, reason: "deploy".to_owned(), by: "oncall".to_owned(), at, until }
        };
        if self.store.pause(&pause).await.is_ok() {
            self.note(|| format!("people: pause {:?} until {:?}", pause.scope, pause.until));
            self.people().pauses.push(pause.id);
            self.deed(&Deed::Paused { pause: &pause });
        }
    }

    /// One action by hand, or everything that fires is decided again.
    async fn order(&self) {
        let Some(by_hand) = self.replicas.iter().find_map(|it| it.by_hand()) else { return };
        if self.chance(300) {
            let _ = by_hand.self_heal("oncall").await;
            return;
        }
        let name = (*self.rng().pick(&CONTAINERS)).to_owned();
        let target = Target::Container { host: HOST.to_owned(), name };
        let action = Action::Restart { grace: Duration::from_secs(10), dependents: None, start_stopped: false };
        let _ = by_hand.order(&target, &Order { by: "oncall".to_owned(), action }).await;
    }

    /// Something is done to a container, or to the Swarm service, without asking fettle.
    fn at_docker(&self, deed: u64) {
        let (name, grace) = {
            let mut rng = self.rng();
            (*rng.pick(&CONTAINERS), Duration::from_secs(10))
        };
        let now = instant(self.now());
        self.note(|| format!("people: {name} at Docker"));
        self.docker(|docker| {
            let daemon = &mut docker.daemon;
            if daemon.is_away() {
                return;
            }
            let id = daemon.id_of(name).map(str::to_owned);
            match (deed, id) {
                (12..15, Some(id)) => drop(daemon.ask(Request::Stop { id, grace }, By::Person, now)),
                (15 | 16, Some(id)) => drop(daemon.ask(Request::Start { id }, By::Person, now)),
                (17 | 18, Some(id)) => drop(daemon.ask(Request::Restart { id, grace }, By::Person, now)),
                (19, Some(id)) => drop(daemon.ask(Request::Kill { id, signal: 9 }, By::Person, now)),
                (20, Some(id)) => drop(daemon.ask(Request::Recreate { id, grace }, By::Person, now)),
                (21, _) => drop(daemon.deploy("shop", now)),
                (22, _) => drop(daemon.scale_service("api", 2 + (self.below(3)), now)),
                (23, Some(id)) => drop(daemon.ask(Request::Remove { id, force: true }, By::Person, now)),
                _ => {}
            }
        });
    }

    /// Nothing is paused or silenced any more.
    pub fn people_rest(self: &Arc<Self>) {
        let pauses = {
            let mut people = self.people();
            *people = People { pauses: std::mem::take(&mut people.pauses), ..People::default() };
            std::mem::take(&mut people.pauses)
        };
        let world = self.clone();
        tokio::spawn(async move {
            for id in pauses {
                if world.store.resume(id, "oncall", instant(world.now())).await.is_ok() {
                    world.deed(&Deed::Resumed { pause: id });
                }
            }
        });
    }

    /// The service's limits as the processes have them.
    pub fn settings(&self) -> Settings {
        let mut settings = self.plan.settings.clone();
        if self.mutant == Some(Mutant::ProtectedIgnored) {
            settings.protected = Protected::default();
        }
        settings
    }
}
