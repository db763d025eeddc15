//! What becomes of an effect, and what is believed of it.

use super::docker::Restarts;
use super::driver::{Story, story};
use crate::decide::{Ask, Event, begin};
use crate::effect::{Effect, Proof};
use crate::remediation::outcome::{Outcome, Verdict};
use crate::remediation::record::Record;
use crate::remediation::refusal::Guard;
use crate::remediation::state::{Running, State, StateName};
use crate::sight::{CallPath, Container, Health, Status};
use crate::testing::{at, container, restart, rule, secs};

/// The restart of `web` ends this way; two rungs, so that what follows is seen.
fn restarting(restarts: Restarts) -> Story {
    let mut story = story(rule("r").climbing([restart(), restart().paused(60)]));
    story.docker.restarts = restarts;
    story.wake();
    story
}

#[test]
fn a_crashed_container_is_restarted_proven_well_and_closed_fixed() {
    let mut story = story(rule("r"));
    story.run_to(10);
    assert_eq!(story.state(), StateName::Verifying);
    story.resolve().run_to(40);
    assert_eq!((story.outcome(), story.audit()), (Some(Outcome::Fixed), vec!["restart succeeded".to_owned()]));
    assert_eq!(story.verdicts(), [Verdict::Fixed]);
    assert_eq!(story.told(), ["restart intended", "restart succeeded", "verdict fixed", "closed fixed"]);
    assert_eq!((story.docker.effects, story.events().len()), (1, 0));
}

#[test]
fn a_resolve_before_the_target_settled_judges_nothing_early() {
    let mut story = story(rule("r").climbing([restart().verified(20, 30, 600)]));
    story.wake();
    let due = story.due();
    story.resolve();
    assert_eq!((story.state(), story.due()), (StateName::Verifying, due));
    assert_eq!(due, Some(at(21)));
    story.run_to(50);
    assert_eq!(story.outcome(), None, "well since 21 at the earliest");
    story.run_to(51);
    assert_eq!(story.outcome(), Some(Outcome::Fixed));
}

#[test]
fn a_conflict_is_a_failure_that_spends_and_the_next_rung_follows_after_its_pause() {
    let mut story = restarting(Restarts::Refused("docker_conflict"));
    assert_eq!(story.audit(), ["restart failed docker_conflict"]);
    assert!(story.result_of(story.actions()[0].id).expect("a result").spends);
    assert_eq!(story.due(), Some(at(61)));
    story.docker.restarts = Restarts::Work;
    story.run_to(61);
    assert_eq!((story.state(), story.docker.effects), (StateName::Verifying, 1));
}

#[test]
fn a_container_that_vanished_between_look_and_act_was_taken_by_somebody_else() {
    let story = restarting(Restarts::Gone);
    assert_eq!(story.audit(), ["restart failed container_gone"]);
    assert_eq!((story.verdicts(), story.outcome()), (vec![Verdict::Superseded], Some(Outcome::Superseded)));
    assert!(story.events().is_empty(), "a deployment wakes nobody");
}

#[test]
fn a_container_that_is_being_removed_is_looked_at_until_it_is_gone_and_superseded() {
    let mut story = restarting(Restarts::Removing);
    story.settings.trip = Some(crate::settings::TripLimit { unproven: 1, ..Default::default() });
    assert_eq!(
        (story.state(), story.due(), story.audit()),
        (StateName::Running, Some(at(2)), vec!["restart open".into()])
    );
    story.run_to(12);
    assert_eq!((story.state(), story.verdicts()), (StateName::Running, vec![]));
    story.docker.reachable = false;
    story.run_to(20);
    story.docker.reachable = true;
    story.docker.container = None;
    story.run_to(21);
    assert_eq!(story.audit(), ["restart failed container_gone"]);
    assert_eq!((story.verdicts(), story.outcome()), (vec![Verdict::Superseded], Some(Outcome::Superseded)));
    assert!(story.events().is_empty(), "a deployment wakes nobody, and no breaker opens");
}

#[test]
fn a_container_that_docker_fails_to_remove_is_a_failed_step() {
    let mut story = restarting(Restarts::Removing);
    story.run_to(30);
    assert_eq!((story.state(), story.verdicts()), (StateName::Running, vec![]));
    story.run_to(31);
    assert_eq!(
        (story.audit(), story.verdicts()),
        (vec!["restart failed container_gone".into()], vec![Verdict::NotFixed])
    );
}

#[test]
fn a_restart_whose_answer_is_lost_is_looked_at_and_reconciled() {
    let story = restarting(Restarts::DoneUnanswered);
    assert_eq!(story.audit(), ["restart succeeded reconciled"]);
    assert_eq!((story.state(), story.docker.effects), (StateName::Verifying, 1));
}

/// The restart of a container that runs, and is unwell.
fn restarting_a_running_one(restarts: Restarts) -> Story {
    let mut story = story(rule("r").climbing([restart(), restart().paused(60)]));
    story.docker.change(|it| it.being(Status::Running).checked(Health::Unhealthy));
    story.docker.restarts = restarts;
    story.wake();
    story
}

#[test]
fn not_executed_takes_two_looks_through_the_whole_path_a_call_apart() {
    let mut story = restarting_a_running_one(Restarts::NotDoneUnanswered);
    for second in 1..44 {
        story.run_to(second);
        assert_eq!((story.state(), story.audit()), (StateName::Running, vec!["restart open".to_owned()]), "{second}");
    }
    story.run_to(44);
    assert_eq!(story.audit(), ["restart failed not_executed"], "the first look was grace + 30 s ago");
    assert!(story.result_of(story.actions()[0].id).expect("a result").spends);
    assert_eq!((story.verdicts(), story.state()), (vec![Verdict::NotFixed], StateName::Held));
}

#[test]
fn a_look_that_does_not_take_the_whole_path_begins_the_proof_again() {
    let mut story = restarting_a_running_one(Restarts::Late);
    story.docker.path = CallPath::Works;
    story.run_to(30);
    story.docker.path = CallPath::Silent;
    story.run_to(60);
    story.docker.path = CallPath::Works;
    story.run_to(99);
    assert_eq!(story.audit(), ["restart open"], "seen through the path since 62 only");
    story.docker.late(at(99));
    story.run_to(102);
    assert_eq!((story.audit(), story.docker.effects), (vec!["restart succeeded reconciled".to_owned()], 1));
}

#[test]
fn a_daemon_that_hangs_for_long_leaves_the_outcome_unknown_and_only_people_follow() {
    let mut story = restarting_a_running_one(Restarts::Late);
    story.run_to(639);
    assert_eq!(story.audit(), ["restart open"]);
    story.run_to(642);
    assert_eq!(story.audit(), ["restart unknown no_proof", "escalate succeeded"], "the second restart is not tried");
    assert_eq!((story.outcome(), story.docker.effects), (Some(Outcome::Escalated), 0));
}

#[test]
fn nothing_proves_that_a_stopped_container_was_not_started() {
    let mut story = restarting(Restarts::NotDoneUnanswered);
    story.run_to(79);
    assert_eq!(story.audit(), ["restart open"]);
    story.run_to(80);
    assert_eq!(story.audit(), ["restart unknown no_proof", "escalate succeeded"]);
    assert_eq!(story.outcome(), Some(Outcome::Escalated));
}

#[test]
fn an_effect_that_comes_late_is_found_and_not_doubled() {
    let mut story = restarting(Restarts::Late);
    story.run_to(30);
    story.docker.late(at(30));
    story.run_to(33);
    assert_eq!(story.audit(), ["restart succeeded reconciled"]);
    assert_eq!((story.state(), story.docker.effects), (StateName::Verifying, 1));
}

#[test]
fn an_effect_later_than_its_client_waited_is_found_and_not_doubled() {
    let mut story = restarting_a_running_one(Restarts::Late);
    story.run_to(90);
    assert_eq!(story.audit(), ["restart open"], "the daemon is silent");
    story.docker.late(at(95));
    story.run_to(120);
    assert_eq!((story.audit(), story.docker.effects), (vec!["restart succeeded reconciled".to_owned()], 1));
}

#[test]
fn a_policy_that_restarts_a_crashing_container_is_not_mistaken_for_our_call() {
    let mut story = restarting(Restarts::Late);
    story.docker.change(|it| it.crashed_at(5));
    story.run_to(10);
    assert_eq!(story.state(), StateName::Running, "the daemon may still be at it");
    story.docker.late(at(12));
    story.run_to(15);
    assert_eq!((story.state(), story.audit()), (StateName::Verifying, vec!["restart succeeded reconciled".to_owned()]));
    story.resolve().run_to(60);
    assert_eq!(story.outcome(), Some(Outcome::Fixed), "our own restart supersedes nothing");
}

#[test]
fn a_no_from_docker_stays_a_no_though_the_policy_restarted_the_container_meanwhile() {
    let mut story = story(rule("r"));
    story.docker.restarts = Restarts::Crash { done: false };
    story.wake();
    let look = Ok(Some(Box::new(container().crashed_at(1).into())));
    let answer = Err(super::docker::failure("docker_error", false, true));
    story.give(Event::Returned(super::super::Call {
        started_at: at(0),
        detail: serde_json::json!({}),
        answer,
        after: look,
        short: None,
    }));
    assert_eq!(story.audit()[0], "restart failed docker_error");
}

#[test]
fn what_was_done_and_was_not_enough_succeeded_and_did_not_fix() {
    let mut story = story(rule("r").climbing([restart(), restart()]));
    story.docker.restarts = Restarts::Crash { done: false };
    story.wake();
    let why = "12 % of the file system of /logs are free after it, and 40 % were asked for";
    story.give(Event::Returned(super::super::Call {
        started_at: at(0),
        detail: serde_json::json!({"cleaned": {"count": 3}}),
        answer: Ok(()),
        after: Ok(Some(Box::new(container().into()))),
        short: Some(why.to_owned()),
    }));
    assert_eq!((story.audit(), story.verdicts()), (vec!["restart succeeded".to_owned()], vec![Verdict::NotFixed]));
    let reason = story.records.iter().find_map(|it| match it {
        Record::Verdict { row, .. } => Some(row.reason.clone()),
        _ => None,
    });
    assert_eq!(
        (reason.as_deref(), story.remediation.rung),
        (Some(why), 1),
        "with the numbers, and on to the next rung"
    );
}

#[test]
fn an_intent_is_as_old_as_its_admission_and_not_as_its_plan() {
    let mut story = story(rule("r"));
    let decision = story.find_and_plan();
    let Ask::Admit(request) = decision.ask else { panic!("{:?}", decision.ask) };
    let planned = request.plan.attempt.intended_at;
    let late = at(19);
    let ledgers = vec![crate::guard::ledger::Ledger {
        used: vec![0; request.ask.scopes.len()],
        full_since: vec![None; request.ask.scopes.len()],
        ..Default::default()
    }];
    let admitted = crate::guard::admit(&request.clone().dated(late), &ledgers).expect("admitted");
    let (begun, records) = begin(decision.remediation, admitted, story.rule.as_ref(), &story.settings);
    let State::Running(Running { attempt, .. }) = &begun.state else { panic!("{:?}", begun.state) };
    let Some(Record::Action(row)) = records.first() else { panic!("{records:?}") };
    assert_eq!((planned, attempt.intended_at, row.planned_at), (at(0), late, late));
    assert_eq!(request.dated(at(-5)).plan.attempt.intended_at, at(0), "and never younger than its plan");
}

#[test]
fn a_start_by_policy_proves_no_call() {
    let mut story = restarting(Restarts::NotDoneUnanswered);
    story.docker.change(|it| it.crashed_at(5));
    story.run_to(39);
    assert_eq!(story.state(), StateName::Running);
    story.run_to(40);
    assert_eq!(story.audit(), ["restart unknown restarted_by_policy", "escalate succeeded"]);
}

/// A stop that was carried out and undone by a person leaves a running container, too.
#[test]
fn a_start_since_proves_no_stop_and_disproves_none() {
    let stop = Effect::Stop { grace: secs(10) };
    let before = container().restarted_at(0).pin();
    let proof = |it: Container| stop.proof(&before, &it.into());
    assert_eq!(proof(container().restarted_at(0).exited(0)), Proof::Happened);
    assert_eq!(proof(container().restarted_at(0)), Proof::Untouched);
    assert_eq!(proof(container().restarted_at(9)), Proof::Perhaps);
}

#[test]
fn after_a_crash_fettle_looks_first_and_never_restarts_twice() {
    for done in [true, false] {
        let mut story = restarting_a_running_one(Restarts::Crash { done });
        assert_eq!((story.state(), story.due()), (StateName::Running, Some(at(0))), "looked at as soon as taken over");
        story.docker.restarts = Restarts::Work;
        story.run_to(60);
        assert_eq!(story.docker.effects, usize::from(done));
        let expected = if done { "restart succeeded reconciled" } else { "restart failed not_executed" };
        assert_eq!(story.audit()[0], expected);
    }
}

#[test]
fn a_wake_while_running_only_looks() {
    let mut story = restarting(Restarts::Crash { done: false });
    story.now = at(7);
    story.resolve();
    assert_eq!((story.state(), story.due()), (StateName::Running, Some(at(9))));
    story.resolve();
    assert_eq!((story.docker.effects, story.docker.finds), (0, 1));
}

#[test]
fn what_cannot_be_seen_after_the_effect_stays_unknown_and_only_people_follow() {
    let mut story = restarting(Restarts::DoneUnanswered);
    assert_eq!(story.docker.effects, 1);
    let mut story_blind = super::driver::story(rule("r").climbing([restart(), restart()]));
    story_blind.docker.restarts = Restarts::Crash { done: true };
    story_blind.wake();
    story_blind.docker.reachable = false;
    story_blind.run_to(639);
    assert_eq!(story_blind.state(), StateName::Running);
    story_blind.run_to(645);
    assert_eq!(story_blind.audit(), ["restart unknown docker_unreachable", "escalate succeeded"]);
    assert_eq!((story_blind.verdicts(), story_blind.outcome()), (vec![Verdict::Unknown], Some(Outcome::Escalated)));
    story.docker.reachable = false;
    story.run_to(700);
    assert_eq!((story.verdicts(), story.outcome()), (vec![Verdict::Unknown], Some(Outcome::Escalated)));
}

#[test]
fn a_container_gone_while_its_restart_is_unknown_is_superseded() {
    let mut story = restarting(Restarts::Crash { done: false });
    story.docker.container = None;
    story.run_to(40);
    assert_eq!(story.audit(), ["restart unknown target_gone"]);
    assert_eq!((story.verdicts(), story.outcome()), (vec![Verdict::Superseded], Some(Outcome::Superseded)));
}

#[test]
fn a_person_who_acts_after_the_effect_supersedes_it() {
    for act in [|it: Container| it.restarted_at(20), |it: Container| it.remade("b")] {
        let mut story = story(rule("r"));
        story.run_to(10).docker.change(act);
        story.resolve().run_to(40);
        assert_eq!((story.verdicts(), story.outcome()), (vec![Verdict::Superseded], Some(Outcome::Superseded)));
    }
}

#[test]
fn a_container_that_crashes_on_is_never_fixed() {
    let mut story = story(rule("r").climbing([restart().verified(5, 30, 120)]));
    story.run_to(6);
    story.resolve();
    for second in (10..120).step_by(10) {
        story.docker.change(|it| it.crashed_at(second));
        story.run_to(second + 9);
    }
    story.run_to(200);
    assert_eq!((story.verdicts(), story.outcome()), (vec![Verdict::Cleared], Some(Outcome::Cleared)));
}

#[test]
fn a_health_check_that_flaps_is_seen_between_the_looks() {
    let mut story = story(rule("r"));
    story.docker.change(|it| it.checked(Health::Healthy));
    story.run_to(10);
    story.resolve();
    story.docker.change(|it| it.checked(Health::Unhealthy));
    story.run_to(14).docker.change(|it| it.checked(Health::Healthy));
    story.run_to(43);
    assert_eq!(story.outcome(), None);
    story.run_to(46);
    assert_eq!(story.outcome(), Some(Outcome::Fixed));
}

#[test]
fn a_paused_container_is_not_well() {
    let mut story = story(rule("r"));
    story.run_to(10).docker.change(|it| it.being(Status::Paused));
    story.run_to(601);
    assert_eq!((story.verdicts(), story.outcome()), (vec![Verdict::NotFixed], Some(Outcome::Escalated)));
}

#[test]
fn a_stopped_container_whose_alert_cleared_by_itself_is_cleared_with_a_warning() {
    let mut story = story(rule("r"));
    story.docker.cures = false;
    story.run_to(10).resolve().run_to(601);
    assert_eq!((story.verdicts(), story.outcome()), (vec![Verdict::Cleared], Some(Outcome::Cleared)));
    assert_eq!(story.events(), ["cleared_unproven"]);
    assert_eq!(story.refusals(), [] as [Guard; 0]);
}

#[test]
fn well_and_silent_is_unconfirmed_and_wakes_nobody() {
    let mut story = story(rule("r"));
    story.run_to(601);
    assert_eq!((story.verdicts(), story.outcome()), (vec![Verdict::Unconfirmed], Some(Outcome::Unconfirmed)));
    assert_eq!(story.events(), ["unconfirmed"], "on record, and no page");
}
