//! People: who is asked, what an answer is good for, pauses.

use super::driver::{Story, story};
use crate::remediation::outcome::Outcome;
use crate::remediation::refusal::Guard;
use crate::remediation::state::{Awaiting, State, StateName};
use crate::rule::model::{Approval, Mode, Rule, Step};
use crate::sight::{Container, EndedBy};
use crate::surroundings::{Answer, AnswerKind, Pause, PauseScope};
use crate::testing::{at, id, restart, rule, secs};

fn asking() -> Step {
    Step { approval: Some(Approval { when: Vec::new(), within: secs(600) }), ..restart() }
}

fn asked(rule: Rule) -> Story {
    let mut story = story(rule);
    story.wake();
    assert_eq!(story.state(), StateName::AwaitingApproval, "{:?}", story.told());
    story
}

impl Story {
    fn plan(&self) -> String {
        match &self.remediation.state {
            State::AwaitingApproval(Awaiting { proposal, .. }) => proposal.hash.clone(),
            other => panic!("nobody is asked: {other:?}"),
        }
    }

    fn answer(&mut self, kind: AnswerKind, plan: Option<String>) -> &mut Self {
        self.ids += 1;
        let answer = Answer { id: id(self.ids), kind, plan, by: "ann".into(), at: self.now };
        self.surroundings.answer = Some(answer);
        self.wake()
    }
}

#[test]
fn a_step_that_asks_waits_for_a_person_and_acts_on_their_yes() {
    let mut story = asked(rule("r").climbing([asking()]));
    assert_eq!((story.docker.effects, story.due()), (0, Some(at(600))));
    let plan = story.plan();
    story.run_to(30).answer(AnswerKind::Approve, Some(plan));
    assert_eq!((story.docker.effects, story.actions()[0].actor.as_str()), (1, "ann"));
    assert_eq!(story.remediation.answered, story.surroundings.answer.as_ref().map(|it| it.id), "used up by the intent");
}

#[test]
fn what_a_person_agreed_to_counts_as_an_act_against_budgets() {
    let mut story = story(rule("r").climbing([restart()])).in_mode(Mode::Propose);
    story.wake();
    let plan = story.plan();
    story.run_to(30).answer(AnswerKind::Approve, Some(plan));
    assert_eq!(story.docker.effects, 1, "{:?}", story.told());
    assert!(story.actions().iter().all(|row| row.mode == Mode::Act && row.spends), "{:?}", story.actions());
}

#[test]
fn an_answer_to_another_plan_or_after_its_time_changes_nothing() {
    let mut story = asked(rule("r").climbing([asking()]));
    story.run_to(30).answer(AnswerKind::Approve, Some("of another".into()));
    assert_eq!((story.state(), story.docker.effects), (StateName::AwaitingApproval, 0));
    let plan = story.plan();
    story.now = at(601);
    story.answer(AnswerKind::Approve, Some(plan));
    assert_eq!((story.outcome(), story.docker.effects), (Some(Outcome::Expired), 0));
    assert_eq!((story.audit(), story.events()), (vec!["restart expired approval".to_owned()], vec!["gave_up"]));
}

#[test]
fn a_no_rejects_and_is_on_record_under_the_persons_name() {
    let mut story = asked(rule("r").climbing([asking()]));
    let plan = story.plan();
    story.answer(AnswerKind::Reject, Some(plan));
    assert_eq!((story.outcome(), story.docker.effects), (Some(Outcome::Rejected), 0));
    assert_eq!((story.audit()[0].as_str(), story.actions()[0].actor.as_str()), ("restart refused approval", "ann"));
}

#[test]
fn a_yes_outlives_a_look_that_fails_and_nobody_is_asked_again() {
    let mut story = asked(rule("r").climbing([asking()]));
    let plan = story.plan();
    story.docker.reachable = false;
    story.now = at(30);
    story.answer(AnswerKind::Approve, Some(plan.clone()));
    assert_eq!((story.state(), story.due(), story.plan()), (StateName::AwaitingApproval, Some(at(32)), plan));
    story.run_to(300);
    assert_eq!((story.state(), story.docker.effects), (StateName::AwaitingApproval, 0), "longer than without a person");
    story.docker.reachable = true;
    story.run_to(320);
    assert_eq!((story.docker.effects, story.actions()[0].actor.as_str()), (1, "ann"));
    let asked = story.refusals().iter().filter(|it| **it == Guard::Approval).count();
    assert_eq!((asked, story.told().iter().filter(|it| **it == "approval asked for").count()), (1, 1));
}

#[test]
fn a_yes_that_no_look_could_follow_in_its_time_is_asked_for_again_when_docker_is_back() {
    let mut story = asked(rule("r").climbing([asking(), restart()]));
    let plan = story.plan();
    story.docker.reachable = false;
    story.now = at(30);
    story.answer(AnswerKind::Approve, Some(plan)).run_to(599);
    assert_eq!((story.state(), story.events()), (StateName::AwaitingApproval, vec!["gave_up"]), "reported once");
    story.repeat().run_to(600);
    assert_eq!((story.blocked_by(), story.actions().len()), (Some(Guard::DockerAway), 0));
    story.docker.reachable = true;
    story.run_to(620);
    assert_eq!((story.state(), story.remediation.rung), (StateName::AwaitingApproval, 0));
    assert_eq!((story.docker.effects, story.events()), (0, vec!["gave_up"]));
}

#[test]
fn a_yes_is_void_when_somebody_acts_before_docker_can_be_seen_again() {
    let mut story = asked(rule("r").climbing([asking()]));
    let plan = story.plan();
    story.docker.reachable = false;
    story.now = at(30);
    story.answer(AnswerKind::Approve, Some(plan)).run_to(60);
    story.docker.change(|it| it.restarted_at(65));
    story.docker.reachable = true;
    story.run_to(90);
    assert_eq!((story.outcome(), story.docker.effects), (Some(Outcome::Superseded), 0));
}

#[test]
fn one_yes_is_good_for_one_attempt() {
    let mut story = asked(rule("r").climbing([asking(), asking()]));
    story.docker.cures = false;
    let plan = story.plan();
    story.answer(AnswerKind::Approve, Some(plan));
    story.repeat().run_to(640);
    assert_eq!((story.state(), story.docker.effects), (StateName::AwaitingApproval, 1), "{:?}", story.told());
}

#[test]
fn a_run_that_dockers_own_policy_began_is_the_same_plan_and_one_that_a_person_began_is_not() {
    let mut same = asked(rule("r").climbing([asking()]));
    let plan = same.plan();
    same.docker.change(|it| it.crashed_at(5).exited(1));
    same.run_to(10).answer(AnswerKind::Approve, Some(plan));
    assert_eq!(same.docker.effects, 1);
    let mut other = asked(rule("r").climbing([asking()]));
    let plan = other.plan();
    other.docker.change(|it| it.restarted_at(5));
    other.run_to(10).answer(AnswerKind::Approve, Some(plan));
    assert_eq!((other.outcome(), other.docker.effects), (Some(Outcome::Superseded), 0));
}

#[test]
fn nobody_is_asked_for_what_the_budget_forbids_anyway() {
    let mut story = story(rule("r").climbing([asking()]));
    story.in_flight = 4;
    story.wake();
    assert_eq!((story.state(), story.blocked_by()), (StateName::Blocked, Some(Guard::InFlight)));
}

#[test]
fn propose_makes_every_effect_wait_and_a_label_of_the_container_too() {
    let mut proposing = story(rule("r")).in_mode(Mode::Propose);
    proposing.wake();
    let mut labelled = story(rule("r"));
    labelled.docker.change(|it| it.labelled("fettle.approval", "always"));
    labelled.wake();
    for mut story in [proposing, labelled] {
        assert_eq!((story.state(), story.docker.effects), (StateName::AwaitingApproval, 0));
        let plan = story.plan();
        story.answer(AnswerKind::Approve, Some(plan));
        assert_eq!(story.docker.effects, 1);
    }
}

#[test]
fn an_approval_may_be_asked_for_some_alerts_only() {
    let prod = crate::matcher::parse("env=\"prod\"").expect("a matcher");
    let step = Step { approval: Some(Approval { when: prod, within: secs(60) }), ..restart() };
    let mut story = story(rule("r").climbing([step]));
    story.wake();
    assert_eq!(story.docker.effects, 1, "the alert has no env");
}

#[test]
fn a_resolve_while_a_person_is_asked_cancels() {
    let mut story = asked(rule("r").climbing([asking()]));
    story.run_to(5).resolve();
    assert_eq!((story.outcome(), story.docker.effects), (Some(Outcome::Cancelled), 0));
}

#[test]
fn a_person_may_cancel_whatever_it_waits_for() {
    for hold in [0, 60] {
        let mut story = story(rule("r").holding(hold).climbing([asking()]));
        story.wake().run_to(5);
        story.answer(AnswerKind::Cancel, None);
        assert_eq!((story.outcome(), story.docker.effects), (Some(Outcome::Cancelled), 0));
    }
}

#[test]
fn a_pause_holds_its_rule_or_target_or_everything_until_it_ends() {
    let web = "container:local/web".parse().expect("a target");
    let api = "container:local/api".parse().expect("a target");
    for (scope, holds) in [
        (PauseScope::All, true),
        (PauseScope::Rule("r".into()), true),
        (PauseScope::Rule("other".into()), false),
        (PauseScope::Target(web), true),
        (PauseScope::Target(api), false),
    ] {
        let mut story = story(rule("r"));
        let pause = Pause {
            id: id(7),
            scope: scope.clone(),
            reason: "release".into(),
            by: "ann".into(),
            at: at(0),
            until: Some(at(60)),
        };
        story.surroundings.pauses = vec![pause];
        story.wake();
        assert_eq!(story.blocked_by() == Some(Guard::Paused), holds, "{scope:?}");
        assert_eq!(story.docker.effects, usize::from(!holds));
        story.run_to(61);
        assert_eq!(story.docker.effects, 1, "it is over: {scope:?}");
    }
}

#[test]
fn a_pause_that_is_taken_back_holds_no_longer_than_the_wake() {
    let mut story = story(rule("r"));
    story.surroundings.pauses = vec![Pause {
        id: id(7),
        scope: PauseScope::All,
        reason: "release".into(),
        by: "ann".into(),
        at: at(0),
        until: Some(at(7200)),
    }];
    story.wake();
    assert_eq!((story.blocked_by(), story.due()), (Some(Guard::Paused), Some(at(7200))));
    story.surroundings.pauses.clear();
    story.run_to(10).wake();
    assert_eq!(story.docker.effects, 1);
}

/// The machine was rebooted: 137 is its shutdown or a person's stop.
#[test]
fn a_person_is_asked_where_the_daemon_began_after_the_container_ended() {
    let mut story = story(rule("r"));
    story.docker.change(|it| Container { stopped_by_hand: None, ended_by: Some(EndedBy::Unknown), ..it.exited(137) });
    story.run_to(1);
    assert_eq!((story.state(), story.docker.effects), (StateName::AwaitingApproval, 0));
    assert!(matches!(&story.remediation.state, State::AwaitingApproval(it) if it.proposal.why.contains("began after")));
}
