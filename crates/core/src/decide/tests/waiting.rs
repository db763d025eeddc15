//! From opened to admitted, or to a reason why not.

use super::driver::{Story, story};
use crate::decide::Event;
use crate::remediation::outcome::{Outcome, Verdict};
use crate::remediation::refusal::Guard;
use crate::remediation::state::StateName;
use crate::rule::model::{Mode, Rule};
use crate::sight::{Container, ImageLabel, Status};
use crate::testing::{at, container, escalate, firing, per, rule};

#[test]
fn during_the_hold_the_target_is_noted_and_nothing_is_done() {
    let mut story = story(rule("r").holding(30));
    story.wake();
    assert_eq!((story.state(), story.due()), (StateName::Held, Some(at(30))));
    assert_eq!(story.told(), ["target noted"]);
    story.now = at(10);
    story.wake();
    assert_eq!((story.docker.finds, story.told().len()), (1, 1), "once is enough");
    story.run_to(30);
    assert_eq!((story.state(), story.docker.effects), (StateName::Verifying, 1));
}

#[test]
fn a_resolve_during_the_hold_cancels_without_a_row() {
    let mut story = story(rule("r").holding(30));
    story.run_to(10).resolve();
    assert_eq!((story.outcome(), story.actions().len()), (Some(Outcome::Cancelled), 0));
    assert_eq!((story.told(), story.docker.effects), (vec!["closed cancelled"], 0));
}

#[test]
fn one_alert_that_still_fires_keeps_the_effort_alive() {
    let mut story = story(rule("r").holding(30));
    story.alerts = vec![firing("A").resolved_at(5), firing("B")];
    story.run_to(31);
    assert_eq!((story.state(), story.docker.effects), (StateName::Verifying, 1));
}

#[test]
fn a_person_who_restarts_or_replaces_or_removes_the_container_during_the_hold_supersedes() {
    let acts: [fn(Container) -> Option<Container>; 3] =
        [|it| Some(it.restarted_at(12)), |it| Some(it.remade("b").unlabelled("fettle.enable")), |_| None];
    for act in acts {
        let mut story = story(rule("r").holding(30));
        story.wake();
        story.docker.container = story.docker.container.take().and_then(act);
        story.run_to(30);
        assert_eq!((story.outcome(), story.docker.effects), (Some(Outcome::Superseded), 0));
        assert_eq!(story.actions().len(), 0, "nobody was refused anything");
    }
}

#[test]
fn a_container_that_its_policy_restarts_during_the_hold_is_restarted_all_the_same() {
    let mut story = story(rule("r").holding(30));
    story.wake().docker.change(|it| it.crashed_at(12));
    story.run_to(30);
    assert_eq!(story.docker.effects, 1);
}

#[test]
fn a_target_absent_during_the_hold_is_looked_for_once_per_wake() {
    let mut story = story(rule("r").holding(30));
    story.docker.container = None;
    story.wake().wake().wake();
    assert_eq!((story.docker.finds, story.due(), story.told().len()), (3, Some(at(30)), 0));
    story.run_to(30);
    assert_eq!(story.audit(), ["restart refused no_target"]);
}

#[test]
fn every_final_guard_closes_refused_with_exactly_one_row() {
    type Setting = fn(&mut Story);
    let cases: [(Guard, Setting); 6] = [
        (Guard::NoTarget, |story| story.docker.container = None),
        (Guard::AmbiguousTarget, |story| story.docker.namesakes = 1),
        (Guard::NotAllowed, |story| story.rule = story.rule.take().map(|it| it.allowing(&["api"]))),
        (Guard::NotEnabled, |story| story.docker.change(|it| Container { image_label: ImageLabel::Present, ..it })),
        (Guard::Protected, |story| story.settings.protected.containers.extend(["web".into()])),
        (Guard::Stopped, |story| story.docker.change(|it| it.being(Status::Created))),
    ];
    for (guard, setting) in cases {
        let mut story = story(rule("r"));
        setting(&mut story);
        story.wake().wake();
        assert_eq!(story.audit(), [format!("restart refused {guard}")]);
        assert_eq!((story.outcome(), story.remediation.reason()), (Some(Outcome::Refused), Some(guard.as_str())));
        assert_eq!(story.told(), [format!("refused by {guard}")]);
        let row = story.actions()[0];
        assert_eq!((row.spends, row.attempt, story.docker.effects), (false, 0, 0));
        assert!(row.detail["why"].is_string() && story.events().is_empty());
    }
}

#[test]
fn a_container_that_asks_to_be_left_alone_is_asked_again_until_it_does_not() {
    let mut story = story(rule("r"));
    story.docker.change(|it| it.labelled("fettle.hold", "deploying"));
    story.run_to(20);
    assert_eq!((story.blocked_by(), story.due()), (Some(Guard::HeldByLabel), Some(at(25))));
    assert_eq!((story.told(), story.refusals()), (vec!["blocked by held_by_label"], vec![Guard::HeldByLabel]));
    story.docker.change(|it| it.remade("b").unlabelled("fettle.hold"));
    story.run_to(30);
    assert_eq!(
        (story.outcome(), story.docker.effects),
        (Some(Outcome::Superseded), 0),
        "labels change with the container"
    );
}

fn spent_at(rule: Rule, seconds: &[i64]) -> Story {
    let mut story = story(rule);
    story.others = seconds.iter().map(|&second| at(second)).collect();
    story
}

#[test]
fn cooldown_waits_for_its_end_and_then_acts() {
    let mut story = spent_at(rule("r").cooling(300), &[-100]);
    story.wake();
    assert_eq!((story.blocked_by(), story.due()), (Some(Guard::Cooldown), Some(at(200))));
    story.run_to(199);
    assert_eq!((story.docker.effects, story.docker.finds), (0, 1), "no look before its time");
    story.run_to(200);
    assert_eq!((story.docker.effects, story.audit()), (1, vec!["restart succeeded".to_owned()]));
}

#[test]
fn a_used_up_budget_tells_people_once_and_repeats_change_nothing() {
    let mut limited = rule("r").cooling(0);
    limited.rule_budget = vec![per(1, 3600)];
    let mut story = spent_at(limited, &[-10]);
    story.wake();
    assert_eq!(
        (story.blocked_by(), story.due()),
        (Some(Guard::Budget), Some(at(3590) + std::time::Duration::from_micros(1)))
    );
    assert_eq!((story.events(), story.audit()), (vec!["gave_up"], vec!["restart refused budget".to_owned()]));
    assert_eq!(story.refusals(), [Guard::Budget]);
    let records = story.records.len();
    for second in [60, 400, 900, 3500] {
        story.run_to(second).repeat();
        assert_eq!(story.records.len(), records);
    }
    story.run_to(3591);
    assert_eq!((story.docker.effects, story.events().len()), (1, 1));
}

#[test]
fn blocked_for_longer_than_the_evidence_is_fresh_ends_expired() {
    let mut story = spent_at(rule("r").cooling(700), &[-1]);
    story.run_to(699);
    assert_eq!((story.outcome(), story.docker.effects), (Some(Outcome::Expired), 0));
    assert_eq!((story.refusals(), story.actions().len()), (vec![Guard::Cooldown, Guard::Expired], 0));
    assert!(Outcome::Expired.leaves_episode_open());
}

#[test]
fn a_resolve_while_blocked_cancels() {
    let mut story = spent_at(rule("r"), &[-1]);
    story.run_to(50).resolve();
    assert_eq!(story.outcome(), Some(Outcome::Cancelled));
}

#[test]
fn too_many_effects_under_way_are_waited_for() {
    let mut story = story(rule("r"));
    story.in_flight = 4;
    story.run_to(7);
    assert_eq!((story.blocked_by(), story.due()), (Some(Guard::InFlight), Some(at(10))));
    story.in_flight = 3;
    story.run_to(10);
    assert_eq!(story.docker.effects, 1);
}

#[test]
fn four_looks_that_docker_refuses_are_a_failed_step_that_spends_nothing_and_people_are_told() {
    let mut story = story(rule("r"));
    (story.docker.reachable, story.docker.unseen) = (false, "docker_error");
    story.run_to(6);
    assert_eq!((story.state(), story.actions().len()), (StateName::Held, 0));
    story.run_to(7);
    assert_eq!(story.audit(), ["restart failed docker_error", "escalate succeeded"]);
    assert_eq!((story.verdicts(), story.outcome()), (vec![Verdict::NotFixed], Some(Outcome::Escalated)));
    assert!(story.actions().iter().all(|row| !row.spends));
    assert_eq!(story.events(), ["escalated"]);
}

#[test]
fn a_look_that_docker_refuses_does_not_hide_what_blocks() {
    let mut story = spent_at(rule("r").cooling(100), &[0]);
    story.docker.unseen = "docker_error";
    story.wake().docker.reachable = false;
    story.run_to(100);
    assert_eq!((story.blocked_by(), story.due()), (Some(Guard::Cooldown), Some(at(101))));
    story.docker.reachable = true;
    story.others.push(at(100));
    story.run_to(101);
    assert_eq!((story.blocked_by(), story.due()), (Some(Guard::Cooldown), Some(at(200))));
    assert_eq!(story.refusals(), [Guard::Cooldown], "one stretch of being blocked is counted once");
}

#[test]
fn a_look_that_works_again_forgets_the_ones_in_vain() {
    let mut story = story(rule("r"));
    story.in_flight = 9;
    for second in 0..60 {
        story.docker.reachable = ![5, 6].contains(&(second % 8));
        story.run_to(second);
    }
    assert_eq!((story.state(), story.actions().len()), (StateName::Blocked, 0));
}

#[test]
fn observe_records_what_would_be_done_and_does_nothing() {
    for mut story in [story(rule("r").observing()), story(rule("r")).in_mode(Mode::Observe)] {
        story.run_to(100);
        assert_eq!((story.outcome(), story.audit()), (Some(Outcome::Observed), vec!["restart observed".to_owned()]));
        assert_eq!((story.docker.effects, story.events().len()), (0, 0));
        assert_eq!((story.actions()[0].mode, story.told()), (Mode::Observe, vec!["would restart"]));
    }
}

#[test]
fn observe_calls_nobody_when_its_own_budget_is_used_up() {
    let mut limited = rule("r").cooling(0).observing();
    limited.rule_budget = vec![per(1, 3600)];
    let mut story = spent_at(limited, &[-10]);
    story.wake();
    assert_eq!((story.blocked_by(), story.audit()), (Some(Guard::Budget), vec!["restart refused budget".to_owned()]));
    assert!(story.events().is_empty());
}

#[test]
fn a_rule_that_only_escalates_does_so_after_its_hold_if_the_alert_is_fresh_and_there() {
    let only = || rule("r").holding(30).climbing([escalate("look at it")]);
    let mut called = story(only());
    called.run_to(30);
    assert_eq!((called.outcome(), called.events()), (Some(Outcome::Escalated), vec!["escalated"]));
    assert_eq!(called.actions()[0].detail["message"], "look at it");
    let mut gone = story(only());
    gone.run_to(10).resolve();
    assert_eq!((gone.outcome(), gone.events().len()), (Some(Outcome::Cancelled), 0));
    let mut stale = story(only());
    stale.now = at(5000);
    stale.wake();
    assert_eq!((stale.outcome(), stale.events().len()), (Some(Outcome::Expired), 0));
}

#[test]
fn an_answer_that_comes_after_the_hold_ended_is_judged_as_on_time() {
    let found = || Event::Found(Ok(crate::sight::Found::one(container())));
    let mut only = story(rule("r").holding(30).climbing([escalate("x")]));
    only.now = at(31);
    only.give(found());
    assert_eq!(only.outcome(), Some(Outcome::Escalated), "an escalation is not admitted as an effect");
    let mut resolved = story(rule("r"));
    resolved.alerts = vec![firing("A").resolved_at(1)];
    resolved.give(found());
    assert_eq!((resolved.outcome(), resolved.docker.effects), (Some(Outcome::Cancelled), 0));
}

#[test]
fn events_that_belong_to_another_state_change_nothing() {
    let mut story = story(rule("r").holding(30));
    let before = story.remediation.clone();
    story.give(Event::Looked(Ok(None).into()));
    assert_eq!((&story.remediation, story.records.len()), (&before, 0));
}
