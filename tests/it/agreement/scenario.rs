//! A random scenario, and what the world of `predict` says of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::alert::labels::Labels;
use fettle_core::alert::webhook::Webhook;
use fettle_core::announcement::AnnouncementName;
use fettle_core::id::{ActionId, RemediationId};
use fettle_core::rule::compile::{Context, SourceFile, compile};
use fettle_core::rule::model::{Budget, Mode};
use fettle_core::rule::set::RuleSet;
use fettle_core::settings::{Protected, Settings, StormLimit, TripLimit};
use fettle_core::surroundings::{AnswerKind, PauseScope};
use fettle_core::target::Hosts;
use fettle_core::time::{Timestamp, after, since};
use fettle_predict::world::{Clock, Deed, Happening, Setting, What, World, memory, virtually};
use serde_json::{Value, json};

use super::rig::{Foretold, Rig};

const RULES: &str = r#"
version: 1
defaults: {verify: {settle: 5s, healthy_for: 10s, resolved_within: 60s}, budget: [2 per 20m], cooldown: 1m}
rules:
  - name: down
    match: ['alertname="Down"']
    target: {container: $labels.service, allow: [a, b, c, d]}
    steps:
      - restart: {grace: 5s}
      - restart: {grace: 5s}
        after: 1m
  - name: slow
    match: ['alertname="Slow"']
    unless: [{match: ['alertname="HostDown"'], equal: [service]}]
    hold: 40s
    target: {container: $labels.service, allow: [a, b, c]}
    steps: [{restart: {grace: 5s}}, {escalate: {message: slow}}]
    budget: [3 per 30m]
    rule_budget: [4 per 30m]
  - name: ask
    match: ['alertname="Ask"']
    target: {container: $labels.service, allow: [a, b, c]}
    steps:
      - restart: {grace: 5s}
        approval: {within: 4m}
  - name: load
    match: ['alertname="Load"']
    target: {swarm: {service: e}}
    cooldown: 30s
    steps:
      - scale_down: {by: 1, floor: 1}
        restore: {after: 2m}
"#;

/// The same after a reload: one rule does less, one is gone, one begins to care for others.
const RELOADED: &str = r#"
version: 1
defaults: {verify: {settle: 5s, healthy_for: 10s, resolved_within: 60s}, budget: [2 per 20m], cooldown: 1m}
rules:
  - name: down
    match: ['alertname="Down"']
    target: {container: $labels.service, allow: [a, b, c, d]}
    steps: [{restart: {grace: 5s}}]
    budget: [1 per 10m]
  - name: ask
    match: ['alertname="Ask"']
    unless: [{match: ['alertname="HostDown"'], equal: [service]}]
    target: {container: $labels.service, allow: [a, b, c]}
    steps:
      - restart: {grace: 5s}
        approval: {within: 4m}
  - name: load
    match: ['alertname="Load"']
    target: {swarm: {service: e}}
    cooldown: 30s
    steps:
      - scale_down: {by: 1, floor: 1}
        restore: {after: 2m}
"#;

/// An event comes no nearer than this to what is due otherwise, nor do two targets to each other.
const CLEAR: Duration = Duration::from_secs(4);

/// Events of a scenario.
const EVENTS: usize = 30;

/// How long after the last event something may still happen.
pub const REST: Duration = Duration::from_mins(25);

#[derive(Debug, Clone)]
pub enum Input {
    /// A notification.
    Post(Value),
    /// An answer about a target.
    Answer(AnswerKind, String),
    /// All is paused, or not any more.
    Pause(bool),
    /// A container crashes.
    Crash(String),
    /// The rules of after a reload are loaded, or those of before again.
    Reload(bool),
    /// Alertmanager answers, or does not.
    Answers(bool),
    /// Alertmanager lists an alert no more.
    Gone(Fingerprint),
    /// A person silences an alert, or does not any more.
    Silence(Fingerprint, bool),
}

/// What a scenario must show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// There is an Alertmanager that can be asked, and it says what nobody posted.
    pub asked: bool,
    /// Something is lent and brought back.
    pub lends: bool,
}

#[derive(Debug, Clone)]
pub struct Event {
    pub at: Timestamp,
    pub what: Input,
}

/// One remediation's story: its lines with their instants, and its audit rows.
#[derive(Debug, Clone, Default)]
pub struct Story {
    pub target: String,
    pub rule: String,
    pub lines: Vec<(Timestamp, String)>,
    /// Action, result, reason, verdict.
    pub rows: Vec<(String, String, String, String)>,
}

impl Story {
    pub fn whats(&self) -> Vec<String> {
        self.lines.iter().map(|(_, what)| what.clone()).collect()
    }
}

/// Everything that is compared.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// By target and rule, and of each in the order they were opened.
    pub stories: Vec<Story>,
    /// Whether each answer of a person was taken.
    pub answers: Vec<bool>,
    /// Targets that people were called for through Alertmanager.
    pub given_up: BTreeSet<String>,
}

impl Told {
    /// Effects, refusals for good, and blocks.
    pub fn counts(&self) -> (usize, usize, usize) {
        let lines = || self.stories.iter().flat_map(|it| &it.lines).map(|(_, what)| what.as_str());
        (
            lines().filter(|it| it.ends_with("intended")).count(),
            lines().filter(|it| it.starts_with("refused")).count(),
            lines().filter(|it| it.starts_with("blocked")).count(),
        )
    }
}

#[derive(Debug)]
pub struct Scenario {
    pub seed: u64,
    pub kind: Kind,
    pub start: Timestamp,
    pub events: Vec<Event>,
    pub foretold: Told,
    happened: Vec<Happening>,
}

struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }
}

/// The rules of before a reload, or of after it; compiled once, as thousands of scenarios are drawn.
pub fn rules(kind: Kind, reloaded: bool) -> Arc<RuleSet> {
    static COMPILED: [OnceLock<Arc<RuleSet>>; 4] = [const { OnceLock::new() }; 4];
    let compiled = COMPILED[2 * usize::from(kind.asked) + usize::from(reloaded)].get_or_init(|| {
        let text = if reloaded { RELOADED } else { RULES };
        let file = SourceFile { path: "rules.yaml".into(), text: text.into() };
        let context = Context { alertmanager: kind.asked, ..Context::default() };
        Arc::new(compile(&[file], &context).expect("valid rules").0)
    });
    compiled.clone()
}

pub fn settings(kind: Kind) -> Settings {
    let per = |max, minutes| Budget { max, per: Duration::from_mins(minutes) };
    let (two, ten) = (Duration::from_mins(2), Duration::from_mins(10));
    Settings {
        mode: Mode::Act,
        freshness: ten,
        docker_patience: fettle_core::settings::DOCKER_PATIENCE,
        recheck: fettle_core::settings::RECHECK,
        in_flight: 2,
        budget: vec![per(8, 10)],
        target_budget: vec![per(4, 30)],
        storm: Some(StormLimit { targets: 4, within: two, then: Mode::Propose, quiet_for: two }),
        trip: Some(TripLimit { unproven: 3, within: ten, then: Mode::Propose }),
        alertmanager: kind.asked,
        approvers: true,
        protected: Protected::default(),
        hosts: fettle_core::target::Hosts::default(),
    }
}

pub fn hosts() -> Hosts {
    Hosts::new([("local", &[][..])])
}

impl Scenario {
    pub fn draw(seed: u64, kind: Kind) -> Self {
        // Whole seconds: the start of a time that nothing else carries.
        let start = Timestamp::from_second(1_800_000_000).expect("in range");
        let mut drawing = Drawing::new(seed, kind);
        let mut at = start;
        let mut events = Vec::new();
        for _ in 0..EVENTS {
            at = after(at, Duration::from_millis(20_000 + 137 * drawing.dice.below(900)));
            events.extend(drawing.event(at).map(|what| Event { at, what }));
        }
        if drawing.down {
            at = after(at, Duration::from_secs(30));
            events.push(Event { at, what: Input::Answers(true) });
        }
        let mut it = Self { seed, kind, start, events, foretold: Told::default(), happened: Vec::new() };
        it.foretell();
        it
    }

    /// What the world says.
    fn foretell(&mut self) {
        let (answers, happened) = virtually(self.start, async |clock| self.live(clock).await);
        (self.foretold.answers, self.happened) = (answers, happened);
        self.foretold.stories = stories(&self.happened);
        let gave_up = |it: &&Happening| matches!(it.what, What::Announced { name: AnnouncementName::GaveUp, .. });
        self.foretold.given_up = self.happened.iter().filter(gave_up).map(|it| it.target.clone()).collect();
    }

    /// What becomes of people's answers, and what happens.
    async fn live(&self, clock: Clock) -> (Vec<bool>, Vec<Happening>) {
        let docker = Foretold::new(Rig::new(self.seed), clock);
        let (rules_of, mut answered) = (|reloaded| rules(self.kind, reloaded), Vec::new());
        let setting = Setting {
            rules: rules_of(false),
            settings: settings(self.kind),
            hosts: hosts(),
            clock,
            memory: memory(clock),
            platform: docker.clone(),
            query: None,
            forgets: true,
            steady: false,
        };
        let mut world = World::begin(setting).telling();
        for Event { at, what } in &self.events {
            match what {
                Input::Post(body) => {
                    let webhook = Webhook::parse(body.to_string().as_bytes()).expect("a notification");
                    world.deliver(*at, webhook.alerts).await;
                }
                Input::Answer(kind, target) => {
                    let deed = Deed::Answer { kind: *kind, target: target.clone() };
                    answered.push(world.person(*at, "ann", deed).await.is_ok());
                }
                Input::Pause(pauses) => {
                    let (scope, reason) = (PauseScope::All, "a test".to_owned());
                    let deed =
                        if *pauses { Deed::Pause { scope, reason, until: None } } else { Deed::Resume { scope } };
                    world.person(*at, "ann", deed).await.expect("it is as it was left");
                }
                Input::Silence(alert, silenced) => {
                    let deed = Deed::Silence { alert: *alert, silenced: *silenced };
                    world.person(*at, "ann", deed).await.expect("anybody may");
                }
                Input::Crash(name) => {
                    world.reach(*at).await;
                    docker.change(|rig| rig.crash(name));
                }
                Input::Reload(reloaded) => world.reload(*at, rules_of(*reloaded)).await,
                Input::Answers(answers) => world.alertmanager_answers(*at, *answers).await,
                Input::Gone(alert) => world.gone(*at, *alert).await,
            }
        }
        let end = after(self.events.last().map_or(self.start, |it| it.at), REST);
        (answered, world.advance(end).await)
    }

    /// Whether nothing comes so near to something else that the service may do them in either order, and enough happens.
    pub fn is_clear(&self) -> bool {
        let near = |a: Timestamp, b: Timestamp| since(a, b).max(since(b, a)) < CLEAR;
        let events = || self.events.iter().map(|it| it.at);
        let told: Vec<&Happening> = self.happened.iter().filter(|it| !it.target.is_empty()).collect();
        // What an event causes comes at its very instant.
        let caused = |at: Timestamp| events().any(|it| it == at);
        let beside_events = told.iter().all(|it| caused(it.at) || events().all(|event| !near(event, it.at)));
        let targets_apart = told.iter().enumerate().all(|(n, it)| {
            told[n + 1..].iter().take_while(|other| near(other.at, it.at)).all(|other| {
                let together = caused(it.at) && caused(other.at) && it.at == other.at;
                // Whoever comes first takes what is left for all.
                it.target == other.target || (together && !is_rationed(it) && !is_rationed(other))
            })
        });
        let (effects, _, blocked) = self.foretold.counts();
        beside_events && targets_apart && effects >= 3 && blocked >= 1 && self.shows()
    }

    /// What the kind promises.
    fn shows(&self) -> bool {
        let lent = |it: &Story| it.rows.iter().any(|(action, result, ..)| action == "restore" && result == "succeeded");
        let upstream = |what: &str| what == "blocked by silenced" || what == "blocked by expired";
        let told =
            |of: &dyn Fn(&str) -> bool| self.foretold.stories.iter().flat_map(|it| &it.lines).any(|(_, what)| of(what));
        (!self.kind.lends || self.foretold.stories.iter().any(lent))
            && (!self.kind.asked || (told(&upstream) && !self.foretold.given_up.is_empty()))
    }

    /// Notifications that speak of several targets.
    pub fn of_several(&self) -> usize {
        let several = |it: &&Event| matches!(&it.what, Input::Post(body) if targets(body) > 1);
        self.events.iter().filter(several).count()
    }
}

/// Whether a limit that targets share said no.
fn is_rationed(it: &Happening) -> bool {
    let shared = |guard: &str| matches!(guard, "in_flight" | "budget" | "storm" | "tripped");
    match &it.what {
        What::Blocked { guard, .. } => shared(guard.as_str()),
        What::Refused { guard, .. } => shared(guard),
        _ => false,
    }
}

fn targets(body: &Value) -> usize {
    let alerts = body["alerts"].as_array().expect("a list");
    alerts.iter().map(|it| it["labels"]["service"].as_str().expect("a name")).collect::<BTreeSet<_>>().len()
}

/// What is so while a scenario is drawn.
struct Drawing {
    dice: Dice,
    kind: Kind,
    /// Name and service of what fires, since when.
    firing: BTreeMap<(String, String), Timestamp>,
    silenced: BTreeSet<(String, String)>,
    paused: bool,
    reloaded: bool,
    down: bool,
}

impl Drawing {
    fn new(seed: u64, kind: Kind) -> Self {
        Self {
            dice: Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            kind,
            firing: BTreeMap::new(),
            silenced: BTreeSet::new(),
            paused: false,
            reloaded: false,
            down: false,
        }
    }

    fn one_of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[usize::try_from(self.dice.below(all.len() as u64)).expect("small")]
    }

    /// One of those that fire.
    fn fires(&mut self) -> Option<(String, String)> {
        let chosen = self.dice.below(self.firing.len().max(1) as u64);
        self.firing.keys().nth(usize::try_from(chosen).expect("small")).cloned()
    }

    fn event(&mut self, at: Timestamp) -> Option<Input> {
        let service = self.one_of(&["a", "b", "c", "c", "a", "d"]).to_owned();
        let target = format!("container:local/{service}");
        Some(match self.dice.below(if self.kind.asked { 28 } else { 23 }) {
            0..=8 => self.post(at),
            9..=15 => return self.resolve(at),
            16 | 17 => Input::Answer(AnswerKind::Approve, target),
            18 => Input::Answer(AnswerKind::Reject, target),
            19 => {
                self.paused = !self.paused;
                Input::Pause(self.paused)
            }
            20 => {
                self.reloaded = !self.reloaded;
                Input::Reload(self.reloaded)
            }
            21 | 22 => Input::Crash(service),
            23 | 24 => {
                self.down = !self.down;
                Input::Answers(!self.down)
            }
            25 => {
                let key = self.fires()?;
                self.firing.remove(&key);
                Input::Gone(fingerprint(&key))
            }
            _ => {
                if let Some(key) = self.silenced.pop_first() {
                    Input::Silence(fingerprint(&key), false)
                } else {
                    let key = self.fires()?;
                    self.silenced.insert(key.clone());
                    Input::Silence(fingerprint(&key), true)
                }
            }
        })
    }

    /// One to three alerts, of two targets at most, fire.
    fn post(&mut self, at: Timestamp) -> Input {
        let many = 1 + self.dice.below(6) / 3 + self.dice.below(4) / 3;
        let mut keys: BTreeSet<(String, String)> = BTreeSet::new();
        for _ in 0..many {
            let name = self.one_of(&["Down", "Down", "Slow", "Ask", "HostDown", "Load", "Load"]);
            let service = if name == "Load" { "e" } else { self.one_of(&["a", "b", "c", "c", "a", "d"]) };
            let services: BTreeSet<&str> = keys.iter().map(|(_, service)| service.as_str()).collect();
            if services.len() < 2 || services.contains(service) {
                keys.insert((name.to_owned(), service.to_owned()));
            }
        }
        let mut alerts = Vec::new();
        for key in &keys {
            let since = *self.firing.entry(key.clone()).or_insert(at);
            alerts.push((key.0.as_str(), key.1.as_str(), since, None));
        }
        Input::Post(body(&alerts))
    }

    /// One or two that fire end.
    fn resolve(&mut self, at: Timestamp) -> Option<Input> {
        let mut ended = Vec::new();
        for _ in 0..=self.dice.below(3) / 2 {
            let Some(key) = self.fires() else { break };
            if let Some(since) = self.firing.remove(&key) {
                ended.push((key, since));
            }
        }
        let alerts: Vec<_> =
            ended.iter().map(|((name, service), since)| (name.as_str(), service.as_str(), *since, Some(at))).collect();
        (!alerts.is_empty()).then(|| Input::Post(body(&alerts)))
    }
}

fn fingerprint((name, service): &(String, String)) -> Fingerprint {
    Fingerprint::of(&Labels::from_iter([("alertname", name.as_str()), ("service", service.as_str())]))
}

fn body(alerts: &[(&str, &str, Timestamp, Option<Timestamp>)]) -> Value {
    let alert = |(name, service, starts_at, ends_at): &(&str, &str, Timestamp, Option<Timestamp>)| {
        json!({
            "status": if ends_at.is_some() { "resolved" } else { "firing" },
            "labels": {"alertname": name, "service": service},
            "annotations": {},
            "startsAt": starts_at,
            "endsAt": ends_at.map_or("0001-01-01T00:00:00Z".to_owned(), |at| at.to_string()),
        })
    };
    json!({
        "version": "4", "groupKey": "{}:{}", "receiver": "fettle", "status": "firing", "truncatedAlerts": 0,
        "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "externalURL": "",
        "alerts": alerts.iter().map(alert).collect::<Vec<_>>(),
    })
}

/// The stories that the world told.
fn stories(happened: &[Happening]) -> Vec<Story> {
    let mut order: Vec<RemediationId> = Vec::new();
    let mut stories: BTreeMap<RemediationId, Story> = BTreeMap::new();
    let mut rows: BTreeMap<ActionId, (RemediationId, usize)> = BTreeMap::new();
    for it in happened.iter().filter(|it| !it.remediation.is_nil()) {
        let id = it.remediation;
        if !stories.contains_key(&id) {
            order.push(id);
        }
        // What waits for it is told of it too, under another rule's name.
        let first = || Story { target: it.target.clone(), rule: it.rule.clone(), ..Story::default() };
        let story = stories.entry(id).or_insert_with(first);
        let mut row = |action: &str, result: &str, reason: &str, action_id: Option<ActionId>| {
            story.rows.push((action.to_owned(), result.to_owned(), reason.to_owned(), String::new()));
            if let Some(action_id) = action_id {
                rows.insert(action_id, (id, story.rows.len() - 1));
            }
        };
        match &it.what {
            What::Told { what } => story.lines.push((it.at, what.clone())),
            What::Began { action_id, action, .. } => row(action, "", "", Some(*action_id)),
            What::Refused { action, guard, .. } => row(action, "refused", guard, None),
            What::Unanswered { action } => row(action, "expired", "approval", None),
            What::Escalated { .. } => row("escalate", "succeeded", "", None),
            What::Ended { action_id, result, reason } => {
                let at = rows[action_id].1;
                story.rows[at].1 = result.to_string();
                story.rows[at].2 = reason.clone().unwrap_or_default();
            }
            _ => {}
        }
    }
    // A verdict of later is told of no remediation.
    for it in happened {
        if let What::Verdict { action_id, verdict, .. } = &it.what
            && let Some((id, at)) = rows.get(action_id)
            && let Some(story) = stories.get_mut(id)
        {
            story.rows[*at].3 = verdict.to_string();
        }
    }
    in_order(order.iter().filter_map(|id| stories.remove(id)).collect())
}

/// Of several that are opened by one notification nobody is the first.
pub fn in_order(mut stories: Vec<Story>) -> Vec<Story> {
    stories.sort_by(|a, b| (&a.target, &a.rule).cmp(&(&b.target, &b.rule)));
    stories
}
