//! The rules and the mode change while a remediation is open.

use super::docker::Restarts;
use super::driver::{Story, story};
use crate::remediation::outcome::Outcome;
use crate::remediation::state::StateName;
use crate::rule::model::Mode;
use crate::testing::{escalate, restart, rule};

fn without_rule(mut story: Story) -> Story {
    story.rule = None;
    story.wake();
    story
}

#[test]
fn a_rule_removed_before_anything_was_done_ends_it_and_leaves_the_episode_to_a_rule_that_comes_back() {
    let mut held = story(rule("r").holding(30));
    held.wake();
    assert_eq!(without_rule(held).outcome(), Some(Outcome::Superseded));
    assert!(Outcome::Superseded.leaves_episode_open());
    let mut blocked = story(rule("r"));
    blocked.in_flight = 9;
    blocked.wake();
    let blocked = without_rule(blocked);
    assert_eq!(
        (blocked.outcome(), blocked.remediation.reason()),
        (Some(Outcome::Superseded), Some("the rule was removed"))
    );
}

#[test]
fn a_rule_removed_while_its_effect_runs_or_is_judged_still_gets_its_result_and_verdict() {
    let mut running = story(rule("r"));
    running.docker.restarts = Restarts::Crash { done: true };
    running.wake();
    let mut running = without_rule(running);
    assert_eq!(
        (running.state(), running.audit()),
        (StateName::Verifying, vec!["restart succeeded reconciled".to_owned()])
    );
    running.resolve().run_to(60);
    assert_eq!(running.outcome(), Some(Outcome::Fixed));
    let mut judged = story(rule("r").climbing([restart(), restart()]));
    judged.docker.cures = false;
    judged.wake();
    judged.rule = None;
    judged.run_to(601);
    assert_eq!((judged.outcome(), judged.docker.effects), (Some(Outcome::Escalated), 1));
}

fn between_rungs() -> Story {
    let mut story = story(rule("r").climbing([restart(), restart().paused(300)]));
    story.docker.cures = false;
    story.run_to(601);
    assert_eq!((story.state(), story.remediation.rung), (StateName::Held, 1));
    story
}

#[test]
fn a_rule_removed_between_two_rungs_calls_people_unless_the_alert_is_gone() {
    let called = without_rule(between_rungs());
    assert_eq!((called.outcome(), called.events()), (Some(Outcome::Escalated), vec!["escalated"]));
    assert_eq!(called.actions()[1].mode, Mode::Act, "people were called, so it reads as done");
    let mut gone = between_rungs();
    gone.rule = None;
    gone.resolve();
    assert_eq!((gone.outcome(), gone.events()), (Some(Outcome::Cleared), vec!["cleared_unproven"]));
    let observing = without_rule(between_rungs().in_mode(Mode::Observe));
    assert_eq!((observing.outcome(), observing.events().len()), (Some(Outcome::Observed), 0));
}

#[test]
fn a_ladder_that_became_shorter_than_the_rung_calls_people() {
    let mut story = between_rungs();
    story.rule = story.rule.map(|it| it.climbing([restart()]));
    story.run_to(1000);
    assert_eq!(
        (story.outcome(), story.remediation.reason()),
        (Some(Outcome::Escalated), Some("nothing on the ladder helped"))
    );
    assert_eq!(story.docker.effects, 1);
}

#[test]
fn a_rung_that_became_another_action_is_taken_as_it_is_now() {
    let mut story = between_rungs();
    story.rule = story.rule.map(|it| it.climbing([restart(), escalate("changed")]));
    story.run_to(1000);
    assert_eq!((story.outcome(), story.remediation.reason()), (Some(Outcome::Escalated), Some("changed")));
}

#[test]
fn a_mode_lowered_before_the_effect_observes_and_after_it_judges_on() {
    let mut held = story(rule("r").holding(30));
    held.wake();
    let mut held = held.in_mode(Mode::Observe);
    held.run_to(30);
    assert_eq!((held.outcome(), held.docker.effects), (Some(Outcome::Observed), 0));
    let mut verifying = story(rule("r"));
    verifying.wake();
    let mut verifying = verifying.in_mode(Mode::Observe);
    verifying.resolve().run_to(60);
    assert_eq!(verifying.outcome(), Some(Outcome::Fixed));
    let mut climbing = between_rungs().in_mode(Mode::Observe);
    climbing.repeat().run_to(1000);
    assert_eq!((climbing.outcome(), climbing.docker.effects), (Some(Outcome::Observed), 1));
}

#[test]
fn a_judgement_under_way_keeps_the_verification_it_began_with() {
    let mut story = story(rule("r"));
    story.wake();
    story.rule = story.rule.map(|it| it.climbing([restart().verified(0, 0, 0)]));
    story.run_to(600);
    assert_eq!(story.outcome(), None);
}
