//! Anything that can happen, in any order. What must hold is asked by [`super::checks`] after every decision.

use proptest::prelude::*;

use super::docker::{Restarts, failure};
use super::driver::{Story, story};
use crate::decide::{Blind, Call, Event};
use crate::remediation::outcome::Outcome;
use crate::remediation::record::{ActionRow, Record};
use crate::rule::model::{Mode, Rule};
use crate::sight::{Found, Health, Status};
use crate::testing::{at, container, escalate, firing, per, restart, rule, secs};
use crate::time::after;

#[derive(Debug, Clone)]
enum Happening {
    /// So many seconds pass, and the shell comes as late as that.
    Pause(u64),
    /// The shell comes on time, so often.
    OnTime(u8),
    Wake,
    Repeat,
    Resolve,
    Refire,
    AnotherAlert,
    Docker(bool),
    Restarts(Restarts),
    Late,
    Cures(bool),
    Person(u8),
    Policy,
    Others(u32),
    OtherEffect,
    Reload(u8),
    Stray(u8),
}

fn anything() -> impl Strategy<Value = Happening> {
    let restarts = prop_oneof![
        4 => Just(Restarts::Work),
        1 => Just(Restarts::DoneUnanswered),
        1 => Just(Restarts::NotDoneUnanswered),
        1 => Just(Restarts::Late),
        1 => Just(Restarts::Refused("docker_conflict")),
        1 => Just(Restarts::CutInHalf),
        1 => Just(Restarts::Gone),
        1 => Just(Restarts::Unsent),
        1 => any::<bool>().prop_map(|done| Restarts::Crash { done }),
        1 => Just(Restarts::Lie),
    ];
    prop_oneof![
        4 => (0u64..700).prop_map(Happening::Pause),
        12 => (1u8..6).prop_map(Happening::OnTime),
        2 => Just(Happening::Wake),
        10 => Just(Happening::Repeat),
        1 => Just(Happening::Resolve),
        1 => Just(Happening::Refire),
        1 => Just(Happening::AnotherAlert),
        2 => prop_oneof![3 => Just(true), 1 => Just(false)].prop_map(Happening::Docker),
        4 => restarts.prop_map(Happening::Restarts),
        1 => Just(Happening::Late),
        1 => any::<bool>().prop_map(Happening::Cures),
        1 => (0u8..9).prop_map(Happening::Person),
        1 => Just(Happening::Policy),
        1 => (0u32..6).prop_map(Happening::Others),
        1 => Just(Happening::OtherEffect),
        1 => (0u8..6).prop_map(Happening::Reload),
        2 => (0u8..7).prop_map(Happening::Stray),
    ]
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let step = (0u64..3, 0u64..60, 0u64..300)
        .prop_map(|(settle, healthy_for, within)| restart().verified(settle, healthy_for, within));
    (0u64..40, proptest::collection::vec(step, 0..4), any::<bool>(), 0u64..100, 1u32..4).prop_map(
        |(hold, mut steps, ends, pause, max)| {
            if ends || steps.is_empty() {
                steps.push(escalate("help").paused(pause));
            }
            let steps: Vec<_> = steps.into_iter().map(|it| it.paused(pause)).collect();
            rule("r").holding(hold).climbing(steps).limited_to(per(max, 900))
        },
    )
}

impl Story {
    fn happen(&mut self, happening: &Happening) {
        match *happening {
            Happening::Pause(seconds) => {
                self.now = after(self.now, secs(seconds));
                self.come();
            }
            Happening::OnTime(times) => (0..times).for_each(|_| {
                if let Some(due) = self.due() {
                    self.now = self.now.max(due);
                    self.wake();
                }
            }),
            Happening::Wake => drop(self.wake().now),
            Happening::Repeat => drop(self.repeat().now),
            Happening::Resolve => drop(self.resolve().now),
            Happening::Refire => {
                self.alerts[0] = crate::alert::episode::AlertState { evidence_at: self.now, ..firing("A") }
            }
            Happening::AnotherAlert => {
                self.alerts.truncate(3);
                self.alerts.push(firing("B"));
                self.repeat();
            }
            Happening::Docker(reachable) => self.docker.reachable = reachable,
            Happening::Restarts(restarts) => self.docker.restarts = restarts,
            Happening::Late => self.docker.late(self.now),
            Happening::Cures(cures) => self.docker.cures = cures,
            Happening::Person(deed) => self.person(deed),
            Happening::Policy => {
                let now = self.now;
                self.docker.change(|it| crate::sight::Container {
                    started_at: Some(now),
                    restart_count: it.restart_count + 1,
                    status: Status::Running,
                    ..it
                });
            }
            Happening::Others(count) => self.in_flight = count,
            Happening::OtherEffect => self.others.push(self.now),
            Happening::Reload(change) => self.reload(change),
            Happening::Stray(event) => self.stray(event),
        }
    }

    /// The shell comes if something is due.
    fn come(&mut self) {
        if self.due().is_some_and(|due| due <= self.now) {
            self.wake();
        }
    }

    fn person(&mut self, deed: u8) {
        let now = self.now;
        match deed {
            0 => self.docker.container = None,
            1 => self.docker.container = Some(container().remade("c")),
            2 => {
                self.docker.change(|it| crate::sight::Container { started_at: Some(now), restart_count: 0, ..it });
            }
            3 => self.docker.change(|it| it.exited(0)),
            4 => self.docker.change(|it| it.labelled("fettle.hold", "wait")),
            5 => self.docker.change(|it| it.unlabelled("fettle.hold")),
            6 => self.docker.change(|it| it.checked(Health::Unhealthy)),
            7 => self.docker.change(|it| it.checked(Health::Healthy).being(Status::Running)),
            _ => self.docker.namesakes = 1 - self.docker.namesakes.min(1),
        }
    }

    fn reload(&mut self, change: u8) {
        self.rule = match change {
            0 => None,
            1 => Some(rule("r").climbing([restart()])),
            2 => Some(rule("r").climbing([restart(), escalate("x")]).observing()),
            3 => Some(rule("r").allowing(&["api"])),
            4 => Some(rule("r").climbing([escalate("y").paused(30)])),
            _ => Some(rule("r").climbing([restart(), restart(), restart()])),
        };
        self.settings.mode = if change == 2 { Mode::Observe } else { Mode::Act };
    }

    /// An answer nobody asked for, or the same answer twice.
    fn stray(&mut self, event: u8) {
        let blind = || Blind { reason: "docker_unreachable", error: "x".into() };
        let sight = || self.docker.container.clone().map(|it| Box::new(it.into()));
        let event = match event {
            0 => Event::Found(Ok(Found::Nothing)),
            1 => Event::Found(Err(blind())),
            2 => Event::Found(sight().map_or(Ok(Found::Many(2)), |it| Ok(Found::One(it)))),
            3 => Event::Looked(Err(blind()).into()),
            4 => Event::Looked(Ok(sight()).into()),
            5 => Event::Returned(Call {
                started_at: self.now,
                detail: serde_json::json!({}),
                answer: Err(failure("docker_timeout", false, false)),
                after: Err(blind()),
                short: None,
            }),
            _ => Event::Looked(Ok(None).into()),
        };
        self.give(event);
    }

    /// Real intents, refunded ones left out.
    fn intents(&self) -> Vec<crate::time::Timestamp> {
        let spent = |row: &&crate::remediation::record::ActionRow| {
            row.spends && self.result_of(row.id).is_none_or(|result| result.spends)
        };
        self.actions().into_iter().filter(spent).map(|row| row.planned_at).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_record_is_whole_the_budget_holds_and_the_effort_ends(
        rule in any_rule(),
        cures: bool,
        happenings in proptest::collection::vec(anything(), 1..100),
    ) {
        let budget = rule.budget[0];
        let mut story = story(rule.clone());
        story.docker.cures = cures;
        let mut reloaded = false;
        for happening in happenings {
            reloaded |= matches!(happening, Happening::Reload(_));
            story.happen(&happening);
            let asked = story.actions().iter().filter(|row| row.result.is_none()).count();
            prop_assert!(story.docker.effects <= asked, "no effect without its intent");
            prop_assert_eq!(story.outcome().is_some(), story.due().is_none());
        }
        if !reloaded {
            let intents = story.intents();
            for (index, &first) in intents.iter().enumerate() {
                let inside = intents.iter().skip(index).take_while(|&&it| it <= after(first, budget.per)).count();
                prop_assert!(inside <= budget.max as usize);
            }
        }
        // From here on nobody says a word, and nothing gets in the way.
        story.rule = Some(rule);
        story.docker.reachable = true;
        story.in_flight = 0;
        story.docker.change(|it| it.unlabelled("fettle.hold"));
        story.run_to(100_000);
        prop_assert!(story.now < at(200_000));
        let outcome = story.outcome().expect("nothing is forgotten");
        let effects = story.actions().iter().filter(|row| row.result.is_none()).count();
        let acted = effects + story.actions().iter().filter(|row| row.action == "restart").count() > 0;
        let unsent = |it: &&ActionRow| story.result_of(it.id).is_some_and(|it| !it.spends);
        let sent = effects - story.actions().into_iter().filter(unsent).count();
        match outcome {
            Outcome::Fixed | Outcome::Unconfirmed => prop_assert!(effects > 0, "{outcome} needs an effect"),
            Outcome::Cancelled => prop_assert_eq!(sent, 0),
            Outcome::Refused | Outcome::Observed => prop_assert!(!story.actions().is_empty()),
            Outcome::Escalated => prop_assert_eq!(story.events().iter().filter(|&&it| it == "escalated").count(), 1),
            Outcome::Cleared => prop_assert!(acted && story.events().contains(&"cleared_unproven")),
            Outcome::Expired | Outcome::Superseded | Outcome::Rejected => {}
        }
        let gave_up = |it: &&Record| match it {
            Record::Event(it) => it.event == "gave_up" && it.details["guard"] != "docker_away",
            _ => false,
        };
        prop_assert!(story.records.iter().filter(gave_up).count() <= 1, "people are told once");
        prop_assert!(story.verdicts().len() >= sent, "every effect that was sent is judged");
    }
}
