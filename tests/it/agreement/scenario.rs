//! A random scenario, and what the world of `predict` says of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fettle::core::alert::webhook::Webhook;
use fettle::core::rule::compile::{Context, SourceFile, compile};
use fettle::core::rule::model::{Budget, Mode};
use fettle::core::rule::set::RuleSet;
use fettle::core::settings::{Protected, Settings, StormLimit, TripLimit};
use fettle::core::surroundings::{AnswerKind, PauseScope};
use fettle::core::target::Hosts;
use fettle::core::time::{Timestamp, after, since};
use fettle::predict::world::{Deed, Happening, Options, What, World};
use serde_json::{Value, json};
use uuid::Uuid;

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
"#;

/// An event comes no nearer than this to what is due otherwise, nor do two targets to each other.
const CLEAR: Duration = Duration::from_secs(4);

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
    /// In the order they were opened.
    pub stories: Vec<Story>,
    /// Whether each answer of a person was taken.
    pub answers: Vec<bool>,
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

pub fn rules() -> RuleSet {
    let file = SourceFile { path: "rules.yaml".into(), text: RULES.into() };
    compile(&[file], &Context::default()).expect("valid rules").0
}

pub fn settings() -> Settings {
    let per = |max, minutes| Budget { max, per: Duration::from_mins(minutes) };
    let (two, ten) = (Duration::from_mins(2), Duration::from_mins(10));
    Settings {
        mode: Mode::Act,
        freshness: ten,
        in_flight: 2,
        budget: vec![per(8, 10)],
        target_budget: vec![per(4, 30)],
        storm: Some(StormLimit { targets: 4, within: two, then: Mode::Propose, quiet_for: two }),
        trip: Some(TripLimit { unproven: 3, within: ten, then: Mode::Propose }),
        alertmanager: false,
        approvers: true,
        protected: Protected::default(),
    }
}

pub fn hosts() -> Hosts {
    Hosts::new([("local", &[][..])])
}

impl Scenario {
    pub fn draw(seed: u64) -> Self {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        // Whole seconds: the start of a time that nothing else carries.
        let start = Timestamp::from_second(1_800_000_000).expect("in range");
        let mut at = start;
        let mut firing: BTreeMap<(String, String), Timestamp> = BTreeMap::new();
        let mut events = Vec::new();
        let mut paused = false;
        for _ in 0..30 {
            at = after(at, Duration::from_millis(20_000 + 137 * dice.below(900)));
            let what = draw_event(&mut dice, at, &mut firing, &mut paused);
            events.push(Event { at, what });
        }
        let mut it = Self { seed, start, events, foretold: Told::default(), happened: Vec::new() };
        it.foretell();
        it
    }

    /// What the world says.
    fn foretell(&mut self) {
        let options = Options { hosts: hosts(), start: self.start, forgets: true };
        let docker = Foretold::new(Rig::new(self.seed));
        let mut world = World::new(Arc::new(rules()), settings(), docker, options).telling();
        for event in &self.events {
            match &event.what {
                Input::Post(body) => {
                    let webhook = Webhook::parse(body.to_string().as_bytes()).expect("a notification");
                    world.deliver(event.at, webhook.alerts);
                }
                Input::Answer(kind, target) => {
                    let deed = Deed::Answer { kind: *kind, target: target.clone() };
                    self.foretold.answers.push(world.person(event.at, "ann", deed).is_ok());
                }
                Input::Pause(true) => {
                    let deed = Deed::Pause { scope: PauseScope::All, reason: "a test".into(), until: None };
                    world.person(event.at, "ann", deed).expect("paused");
                }
                Input::Pause(false) => {
                    let deed = Deed::Resume { scope: PauseScope::All };
                    world.person(event.at, "ann", deed).expect("resumed");
                }
                Input::Crash(name) => {
                    world.reach(event.at);
                    world.docker().rig.crash(name);
                }
            }
        }
        let end = after(self.events.last().map_or(self.start, |it| it.at), REST);
        self.happened = world.advance(end);
        self.foretold.stories = stories(&self.happened);
    }

    /// Whether nothing comes so near to something else that the service may do them in either order.
    pub fn is_clear(&self) -> bool {
        let near = |a: Timestamp, b: Timestamp| since(a, b).max(since(b, a)) < CLEAR;
        let events = || self.events.iter().map(|it| it.at);
        let told: Vec<(Timestamp, &str)> =
            self.happened.iter().filter(|it| !it.target.is_empty()).map(|it| (it.at, it.target.as_str())).collect();
        // What an event causes comes at its very instant.
        let caused = |at: Timestamp| events().any(|it| it == at);
        let beside_events = told.iter().all(|(at, _)| caused(*at) || events().all(|it| !near(it, *at)));
        let targets_apart = told.iter().enumerate().all(|(n, (at, target))| {
            told[n + 1..]
                .iter()
                .take_while(|(other, _)| near(*other, *at))
                .all(|(other, theirs)| theirs == target || (caused(*at) && caused(*other) && at == other))
        });
        let (effects, _, blocked) = self.foretold.counts();
        beside_events && targets_apart && effects >= 3 && blocked >= 1
    }
}

fn draw_event(
    dice: &mut Dice,
    at: Timestamp,
    firing: &mut BTreeMap<(String, String), Timestamp>,
    paused: &mut bool,
) -> Input {
    let service = ["a", "b", "c", "c", "a", "d"][usize::try_from(dice.below(6)).expect("small")];
    let target = format!("container:local/{service}");
    match dice.below(20) {
        0..=7 => {
            let name = ["Down", "Down", "Slow", "Ask", "HostDown"][usize::try_from(dice.below(5)).expect("small")];
            let key = (name.to_owned(), service.to_owned());
            let starts_at = *firing.entry(key).or_insert(at);
            Input::Post(body(&[(name, service, starts_at, None)]))
        }
        8..=13 if !firing.is_empty() => {
            let chosen = usize::try_from(dice.below(firing.len() as u64)).expect("small");
            let key = firing.keys().nth(chosen).cloned().expect("one of them");
            let starts_at = firing.remove(&key).expect("it fires");
            Input::Post(body(&[(&key.0, &key.1, starts_at, Some(at))]))
        }
        14 | 15 => Input::Answer(AnswerKind::Approve, target),
        16 => Input::Answer(AnswerKind::Reject, target),
        17 => {
            *paused = !*paused;
            Input::Pause(*paused)
        }
        _ => Input::Crash(service.to_owned()),
    }
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
    let mut order: Vec<Uuid> = Vec::new();
    let mut stories: BTreeMap<Uuid, Story> = BTreeMap::new();
    let mut rows: BTreeMap<Uuid, (Uuid, usize)> = BTreeMap::new();
    for it in happened.iter().filter(|it| !it.remediation.is_nil()) {
        let id = it.remediation;
        if !stories.contains_key(&id) {
            order.push(id);
        }
        // What waits for it is told of it too, under another rule's name.
        let first = || Story { target: it.target.clone(), rule: it.rule.clone(), ..Story::default() };
        let story = stories.entry(id).or_insert_with(first);
        let mut row = |action: &str, result: &str, reason: &str, action_id: Option<Uuid>| {
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
    order.iter().filter_map(|id| stories.remove(id)).collect()
}
