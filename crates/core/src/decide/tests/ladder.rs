//! What follows a verdict: the next rung, people, or the end.

use std::time::Duration;

use super::docker::Restarts;
use super::driver::{Story, story};
use crate::action::Action;
use crate::remediation::outcome::{Outcome, Verdict};
use crate::remediation::state::StateName;
use crate::rule::model::Step;
use crate::sight::{Container, Status};
use crate::testing::{at, escalate, restart, rule};

/// Well after the restart, and heard firing at 300.
fn heard_again(mut story: Story) -> Story {
    story.run_to(300).repeat().run_to(601);
    assert_eq!(story.verdicts(), [Verdict::StillFiring]);
    story
}

#[test]
fn still_firing_climbs_after_the_rungs_pause_which_counts_from_the_verdict() {
    let mut story = heard_again(story(rule("r").climbing([restart(), restart().paused(180)])));
    assert_eq!((story.state(), story.due(), story.remediation.rung), (StateName::Held, Some(at(781)), 1));
    story.repeat().run_to(780);
    assert_eq!(story.docker.effects, 1);
    story.run_to(781);
    assert_eq!((story.docker.effects, story.actions()[1].step, story.actions()[1].attempt), (2, 2, 2));
}

#[test]
fn not_fixed_climbs_and_the_last_rung_calls_people() {
    let mut story = story(rule("r").climbing([restart(), restart(), escalate("web is down")]));
    story.docker.cures = false;
    story.run_to(300).repeat().run_to(900).repeat().run_to(2000);
    assert_eq!(story.verdicts(), [Verdict::NotFixed, Verdict::NotFixed]);
    assert_eq!(story.audit(), ["restart succeeded", "restart succeeded", "escalate succeeded"]);
    assert_eq!((story.outcome(), story.remediation.reason()), (Some(Outcome::Escalated), Some("web is down")));
    assert_eq!(story.events(), ["escalated"]);
    let row = story.actions()[2];
    assert_eq!((row.step, row.attempt, row.spends), (3, 3, false));
}

#[test]
fn without_a_written_escalate_the_verdicts_reason_is_the_message() {
    let mut story = story(rule("r"));
    story.docker.cures = false;
    story.run_to(601);
    assert_eq!(story.remediation.reason(), Some("at the deadline the target is exited (1)"));
}

#[test]
fn an_escalate_with_a_pause_waits_and_is_dropped_when_the_alert_goes_meanwhile() {
    let paused = || heard_again(story(rule("r").climbing([restart(), escalate("x").paused(100)])));
    let mut stays = paused();
    stays.run_to(700);
    assert_eq!(stays.state(), StateName::Held);
    stays.run_to(701);
    assert_eq!(stays.outcome(), Some(Outcome::Escalated));
    let mut goes = paused();
    goes.run_to(650).resolve();
    assert_eq!((goes.outcome(), goes.events()), (Some(Outcome::Cleared), vec!["cleared_unproven"]));
}

#[test]
fn people_are_called_even_when_nobody_repeated_the_alert() {
    let mut story = story(rule("r").climbing([restart(), escalate("x").paused(3600)]));
    story.docker.cures = false;
    story.run_to(9000);
    assert_eq!(story.outcome(), Some(Outcome::Escalated));
}

#[test]
fn another_effect_needs_fresh_evidence() {
    let mut story = story(rule("r").climbing([restart(), restart()]));
    story.docker.cures = false;
    story.run_to(601);
    assert_eq!((story.outcome(), story.docker.effects), (Some(Outcome::Expired), 1));
}

#[test]
fn nobody_is_called_for_a_failed_call_whose_alert_went_away_meanwhile() {
    let mut story = story(rule("r"));
    story.docker.change(|it| it.being(Status::Running));
    story.docker.restarts = Restarts::NotDoneUnanswered;
    story.run_to(10).resolve().run_to(45);
    assert_eq!(story.audit(), ["restart failed not_executed"]);
    assert_eq!((story.outcome(), story.events()), (Some(Outcome::Cleared), vec!["cleared_unproven"]));
}

#[test]
fn a_resolve_between_two_rungs_is_cleared_with_a_warning() {
    let mut story = heard_again(story(rule("r").climbing([restart(), restart().paused(180)])));
    story.run_to(700).resolve();
    assert_eq!((story.outcome(), story.docker.effects), (Some(Outcome::Cleared), 1));
    assert_eq!((story.events(), story.audit().len()), (vec!["cleared_unproven"], 1));
}

#[test]
fn a_person_who_acts_between_two_rungs_supersedes() {
    let mut story = heard_again(story(rule("r").climbing([restart(), restart().paused(180)])));
    story.repeat().docker.change(|it| it.restarted_at(650));
    story.run_to(781);
    assert_eq!((story.outcome(), story.docker.effects), (Some(Outcome::Superseded), 1));
}

#[test]
fn unknown_calls_people_whatever_rungs_are_left() {
    let mut story = story(rule("r").climbing([restart(), restart(), restart()]));
    story.run_to(500).repeat().docker.reachable = false;
    story.run_to(900);
    assert_eq!((story.verdicts(), story.outcome()), (vec![Verdict::Unknown], Some(Outcome::Escalated)));
    assert_eq!(story.docker.effects, 1);
}

#[test]
fn a_remediation_that_resumes_one_rung_up_begins_there() {
    let mut story = story(rule("r").climbing([restart(), restart(), escalate("x")]));
    story.remediation.rung = 1;
    story.docker.cures = false;
    story.run_to(700);
    assert_eq!((story.actions()[0].step, story.docker.effects), (2, 1));
    assert_eq!(story.outcome(), Some(Outcome::Escalated));
}

#[test]
fn a_container_that_a_person_stops_after_our_restart_failed_stays_stopped() {
    for restarts in [Restarts::Refused("docker_conflict"), Restarts::NotDoneUnanswered] {
        let mut story = story(rule("r").climbing([restart(), restart().paused(60)]));
        story.docker.change(|it| it.being(Status::Running));
        story.docker.restarts = restarts;
        story.run_to(50).docker.change(|it| Container { stopped_by_hand: Some(true), ..it.exited(143) });
        story.docker.restarts = Restarts::Work;
        story.run_to(200);
        assert_eq!(
            (story.outcome(), story.remediation.reason()),
            (Some(Outcome::Refused), Some("stopped")),
            "{restarts:?}"
        );
        assert_eq!(story.docker.effects, 0);
    }
}

#[test]
fn a_container_that_our_own_restart_left_stopped_is_started_by_the_next_rung() {
    let mut story = story(rule("r").climbing([restart(), restart().paused(60)]));
    story.docker.restarts = Restarts::CutInHalf;
    story.docker.change(|it| Container { stopped_by_hand: Some(true), ..it.being(Status::Running) });
    story.run_to(50);
    story.docker.restarts = Restarts::Work;
    story.run_to(70);
    assert_eq!((story.state(), story.docker.effects), (StateName::Verifying, 1));
}

/// Only a step that found the container running can have stopped it.
#[test]
fn a_stop_before_the_first_step_stays_a_persons_for_the_next_one() {
    let overrules = Action::Restart { grace: Duration::from_secs(10), dependents: None, start_stopped: true };
    let mut story = story(rule("r").climbing([Step { action: overrules, ..restart() }, restart().paused(60)]));
    story.docker.change(|it| Container { stopped_by_hand: Some(true), ..it.exited(143) });
    story.docker.restarts = Restarts::Refused("docker_error");
    story.run_to(50);
    story.docker.restarts = Restarts::Work;
    story.run_to(200);
    assert_eq!((story.outcome(), story.remediation.reason()), (Some(Outcome::Refused), Some("stopped")));
    assert_eq!(story.docker.effects, 0);
}

/// The first step changes limits on the same run: it cannot have stopped the container.
#[test]
fn a_stop_between_two_steps_is_a_persons_where_the_first_step_ends_no_run() {
    let limits = Action::SetLimits { memory: Some(1 << 30), nano_cpus: None };
    let mut story = story(rule("r").climbing([Step { action: limits, ..restart() }, restart()]));
    story.docker.change(|it| Container { status: Status::Running, ..it });
    story.run_to(300).repeat();
    assert_eq!(story.audit(), ["set_limits succeeded"]);
    story.docker.change(|it| Container { stopped_by_hand: Some(true), ..it.exited(143) });
    story.run_to(900).repeat().run_to(1300);
    assert_eq!(story.audit().last().map(String::as_str), Some("restart refused stopped"));
    assert_eq!((story.outcome(), story.docker.effects), (Some(Outcome::Refused), 1));
}
