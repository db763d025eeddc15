//! What everything-at-once says against a step is what a decision on the same facts refuses with.

use proptest::prelude::*;
use serde_json::json;

use crate::action::{Action, Dependents};
use crate::alert::episode::AlertState;
use crate::decide::{Ask, Decision, Event, Facts, begin, decide, survey};
use crate::guard::ledger::{Ledger, LedgerAsk};
use crate::guard::survey::{Answer, under_lock};
use crate::guard::{Request, admit};
use crate::hosts::Hosts;
use crate::remediation::outcome::Outcome;
use crate::remediation::refusal::Guard;
use crate::remediation::state::{Remediation, State, StateName};
use crate::rule::model::{Approval, Mode, Pattern, Rule, Step, Unless};
use crate::settings::{Settings, StormLimit, TripLimit};
use crate::sight::{Container, Disk, Found, ImageLabel, Replicas, Sight, Status};
use crate::surroundings::{Breaker, OpenLoan, Pause, PauseScope, Storm, Surroundings, Upstream};
use crate::testing::{at, container, firing, id, opened, per, restart, rule, secs, settings, web};
use crate::time::Timestamp;

/// Facts as they may be.
#[derive(Debug, Clone)]
struct World {
    rule: Rule,
    settings: Settings,
    alerts: Vec<AlertState>,
    surroundings: Surroundings,
    found: Found,
    used: u32,
    last_effect: Option<Timestamp>,
    rivals: u8,
    in_flight: u32,
    /// The opening alert's `instance`; `""`: it has none.
    instance: &'static str,
}

const NOW: i64 = 700;

/// One bit after the other of a number: mostly 0, so that what passes many guards is among the cases, too.
struct Dice(u64);

impl Dice {
    fn once_in(&mut self, sides: u64) -> bool {
        self.roll(sides) == 0
    }

    fn roll(&mut self, sides: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }
}

fn world(seed: u64) -> World {
    let mut dice = Dice(seed);
    let mut rule = rule("r").limited_to(per(2, 900)).cooling(300);
    rule.steps = vec![step(&mut dice)];
    rule.mode = [Mode::Act, Mode::Act, Mode::Propose, Mode::Observe][usize::try_from(dice.roll(4)).expect("small")];
    if dice.once_in(8) {
        rule = rule.allowing(&["api-*"]);
    }
    if dice.once_in(6) {
        rule.target.min_healthy = 1;
    }
    rule.unless = vec![Unless { matchers: Vec::new(), equal: Vec::new() }];
    let mut settings = settings();
    settings.storm = Some(StormLimit { then: lowered(&mut dice), ..StormLimit::default() });
    settings.trip = Some(TripLimit { then: lowered(&mut dice), ..TripLimit::default() });
    if dice.once_in(10) {
        settings.protected.containers.insert("web".into());
    }
    settings.hosts = Hosts::new([("local", &[][..]), ("node-b", &[][..])]);
    let heard = match dice.roll(8) {
        0 => 0,
        1 | 2 => NOW - 100,
        _ => NOW - 10,
    };
    let mut alerts = vec![firing("A").heard_at(heard)];
    if dice.once_in(10) {
        alerts = vec![firing("A").resolved_at(NOW - 5)];
    }
    World {
        rule,
        settings,
        alerts,
        surroundings: surroundings(&mut dice),
        found: found(&mut dice),
        used: u32::try_from(dice.roll(4)).expect("small"),
        last_effect: dice.once_in(4).then(|| at(NOW - i64::try_from(dice.roll(600)).expect("small"))),
        rivals: u8::from(dice.once_in(8)),
        in_flight: if dice.once_in(8) { 4 } else { 1 },
        instance: ["", "local:9100", "node-b:9100"][usize::from(dice.once_in(3)) + usize::from(dice.once_in(12))],
    }
}

fn step(dice: &mut Dice) -> Step {
    let dependents = dice.once_in(4).then(|| Dependents { allow: vec![Pattern("side*".into())] });
    let mut step = match dice.roll(8) {
        0 => Step::plain(Action::ScaleDown { by: 1, floor: 1 }),
        1 => Step::plain(Action::Stop { grace: secs(10) }),
        _ => Step {
            action: Action::Restart { grace: secs(10), dependents, start_stopped: dice.once_in(3) },
            ..restart()
        },
    };
    if dice.once_in(4) {
        step.approval = Some(Approval { when: Vec::new(), within: secs(600) });
    }
    step
}

fn lowered(dice: &mut Dice) -> Mode {
    if dice.once_in(2) { Mode::Propose } else { Mode::Observe }
}

fn surroundings(dice: &mut Dice) -> Surroundings {
    let pause = |scope| Pause { id: id(50), scope, reason: "x".into(), by: "me".into(), at: at(0), until: None };
    let mut it = Surroundings::default();
    if dice.once_in(12) {
        it.pauses.push(pause(PauseScope::Target(web())));
    } else if dice.once_in(4) {
        it.pauses.push(pause(PauseScope::Rule("another".into())));
    }
    if dice.once_in(8) {
        it.storm = Some(Storm { since: at(0), last_at: at(NOW - 100), targets: 7 });
    }
    if dice.once_in(8) {
        let opened_at = Some(at(NOW - i64::try_from(dice.roll(4000)).expect("small")));
        let probe = dice.once_in(2).then(|| id(51));
        it.breaker = Breaker { opened_at, probe, unproven: vec![at(NOW - 50); 3] };
    }
    if dice.once_in(12) {
        let target = web().to_string();
        it.loans.push(OpenLoan { id: id(52), remediation: id(53), target, detail: json!({}), due_at: at(NOW + 50) });
    }
    if dice.once_in(12) {
        it.related.push(firing("HostDown").heard_at(NOW));
    }
    it.upstream = match dice.roll(6) {
        0 => Upstream::Silent { error: "no answer".into() },
        1 => Upstream::Answered { at: at(NOW), silenced: dice.once_in(2) },
        _ => Upstream::NotAsked,
    };
    it
}

fn found(dice: &mut Dice) -> Found {
    let sight: Sight = match dice.roll(16) {
        0 => return Found::Nothing,
        1 => return Found::Many(2),
        2 => {
            let allow = ["prune".to_owned()].into();
            Sight::Disk(Disk { daemon: "DAEMON".into(), name: "web".into(), allow, space: None })
        }
        3 | 4 => {
            let members = vec![one(dice), one(dice)];
            Sight::Replicas(Replicas {
                daemon: "DAEMON".into(),
                project: "shop".into(),
                service: "web".into(),
                members,
            })
        }
        _ => {
            let mut it = one(dice);
            if dice.once_in(3) {
                it.dependents = vec![Container { name: "sidecar".into(), id: "b".repeat(64), ..one(dice) }];
            }
            it.into()
        }
    };
    Found::one(sight)
}

fn one(dice: &mut Dice) -> Container {
    let mut it = container();
    if dice.once_in(10) {
        it = it.unlabelled("fettle.enable");
    }
    for (label, value) in [("fettle.actions", "stop"), ("fettle.hold", "x"), ("fettle.approval", "always")] {
        if dice.once_in(12) {
            it = it.labelled(label, value);
        }
    }
    if dice.once_in(6) {
        it = it.labelled("fettle.budget", if dice.once_in(3) { "much" } else { "1 per 1h" });
    }
    if dice.once_in(12) {
        it.image_label = ImageLabel::Present;
    }
    if dice.once_in(24) {
        it = it.labelled("com.docker.swarm.task.id", "q8x5");
    }
    if dice.once_in(4) {
        it = it.restarted_at(NOW - if dice.once_in(3) { 10 } else { 60 });
    }
    match dice.roll(10) {
        0 => it.being(Status::Paused),
        1 => it.exited(0),
        2 => it.exited(1),
        _ => it,
    }
}

impl World {
    fn opened(&self) -> Remediation {
        let mut it = opened(&self.rule);
        it.alert.labels.set("instance", self.instance);
        it
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            rule: Some(&self.rule),
            settings: &self.settings,
            alerts: &self.alerts,
            surroundings: &self.surroundings,
            now: at(NOW),
            new_ids: std::array::from_fn(|n| id(100 + n as u128)),
        }
    }

    fn ledger(&self, ask: &LedgerAsk) -> Ledger {
        let full = |used: u32, max: u32| (used >= max).then(|| at(NOW - 60));
        Ledger {
            loans: Vec::new(),
            used: ask.scopes.iter().map(|scope| self.used.min(scope.budget.max)).collect(),
            full_since: ask.scopes.iter().map(|scope| full(self.used, scope.budget.max)).collect(),
            last_effect: self.last_effect,
            rivals: vec![id(60); usize::from(self.rivals)],
            in_flight: self.in_flight,
            breaker: self.surroundings.breaker.clone(),
        }
    }

    fn ledgers(&self, request: &Request) -> Vec<Ledger> {
        request.asks().into_iter().map(|ask| self.ledger(ask)).collect()
    }

    /// What a decision comes to, as the shell drives it.
    fn decided(&self) -> Remediation {
        let facts = self.facts();
        let mut event = Event::Due;
        let mut remediation = Remediation { state: State::Held { until: at(NOW) }, ..self.opened() };
        loop {
            let Decision { remediation: next, ask, .. } = decide(remediation, &facts, event);
            remediation = next;
            event = match ask {
                Ask::Find(_) => Event::Found(Ok(self.found.clone())),
                Ask::Peek(request) => Event::Peeked(admit(&request, &self.ledgers(&request)).map(|_| request)),
                Ask::Admit(request) => match admit(&request, &self.ledgers(&request)) {
                    Err(refusal) => Event::Refused(refusal),
                    Ok(admitted) => return begin(remediation, admitted, facts.rule, facts.settings).0,
                },
                Ask::Nothing => return remediation,
                ask => panic!("nothing is under way: {ask:?}"),
            };
        }
    }

    /// Everything that everybody says, in the order of asking.
    fn said(&self) -> Vec<Answer> {
        let survey = survey(&self.opened(), &self.facts(), Some(Ok(&self.found)), true);
        let counted = survey.request.as_deref().map(|request| under_lock(request, &self.ledgers(request)));
        let approval = survey.approval(true);
        survey.answers.into_iter().chain(counted.unwrap_or_default()).chain([approval]).collect()
    }
}

/// The guard that a decision ended with.
fn ended(remediation: &Remediation) -> Option<Guard> {
    match &remediation.state {
        State::Blocked { reason, .. } => Some(*reason),
        State::AwaitingApproval { .. } => Some(Guard::Approval),
        State::Closed { outcome: Outcome::Refused, reason, .. } => Guard::from_word(reason),
        State::Closed { outcome: Outcome::Expired, .. } => Some(Guard::Expired),
        State::Closed { outcome: Outcome::Cancelled, .. } => Some(Guard::Resolved),
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, ..ProptestConfig::default() })]

    #[test]
    fn the_first_that_stands_against_it_is_the_one_that_a_decision_refuses_with(seed in any::<u64>()) {
        let world = world(seed);
        let said = world.said();
        let first = said.iter().find(|answer| answer.stands_against()).map(|answer| answer.guard);
        let decided = world.decided();
        prop_assert_eq!(first, ended(&decided), "{:#?}\n{:?}", said, decided.state);
    }
}

#[test]
fn the_cases_reach_every_guard_and_every_end() {
    let ends: Vec<(Option<Guard>, StateName)> = (0..4096)
        .map(|seed| world(seed).decided())
        .map(|remediation| (ended(&remediation), remediation.state_name()))
        .collect();
    let never: Vec<&str> = Guard::ALL
        .iter()
        .filter(|guard| !ends.iter().any(|(end, _)| end == &Some(**guard)))
        .map(|guard| guard.as_str())
        .collect();
    // Whether there is a window is told by the guard's own tests, and every look of these cases is answered.
    assert_eq!(never, ["outside_window", "docker_away"]);
    assert!(ends.iter().any(|(_, state)| *state == StateName::Running));
}

#[test]
fn every_guard_of_the_contract_has_a_word_even_where_nothing_is_known() {
    let it = World { found: Found::Nothing, ..world(1) };
    let survey = survey(&opened(&it.rule), &it.facts(), None, false);
    let uncounted = crate::guard::survey::uncounted("the database was not asked");
    let approval = survey.approval(false);
    let mut said: Vec<Guard> =
        survey.answers.iter().chain(&uncounted).chain([&approval]).map(|answer| answer.guard).collect();
    said.sort_unstable();
    assert_eq!(said, Guard::ALL);
}
