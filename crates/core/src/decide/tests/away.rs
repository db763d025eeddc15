//! A Docker that does not answer, before a decision, at the call, and while the effect is verified.

use super::docker::Restarts;
use super::driver::{Story, story};
use crate::action::{Action, Dependents};
use crate::announcement::AnnouncementName;
use crate::remediation::outcome::{Outcome, Verdict};
use crate::remediation::record::{BreakerRow, Record};
use crate::remediation::refusal::Guard;
use crate::remediation::state::StateName;
use crate::rule::model::{Mode, Pattern, Rule};
use crate::settings::TripLimit;
use crate::sight::Container;
use crate::surroundings::Breaker;
use crate::testing::{at, container, restart, rule, secs};

/// Docker does not answer from the first look on.
fn away(rule: Rule) -> Story {
    let mut story = story(rule);
    story.docker.reachable = false;
    story
}

/// The alert is repeated each minute.
fn repeated_to(story: &mut Story, second: i64) -> &mut Story {
    for minute in 0..=second / 60 {
        story.run_to(minute * 60).repeat();
    }
    story.run_to(second)
}

fn breaker_rows(story: &Story) -> Vec<BreakerRow> {
    let row = |it: &Record| if let Record::Breaker(row) = it { Some(row.clone()) } else { None };
    story.records.iter().filter_map(row).collect()
}

/// Until when fettle's alerts of this name stand, in the order in which they were announced.
fn announced(story: &Story, name: AnnouncementName) -> Vec<(String, bool)> {
    let row = |it: &Record| match it {
        Record::Announce(it) if it.name == name => Some((it.labels.get("reason").to_owned(), it.until > it.at)),
        _ => None,
    };
    story.records.iter().filter_map(row).collect()
}

#[test]
fn a_docker_that_is_away_is_waited_for_and_the_alert_is_decided_when_it_is_back() {
    for unseen in ["docker_unreachable", "docker_timeout", "docker_broken"] {
        let mut story = away(rule("r"));
        story.docker.unseen = unseen;
        story.wake();
        assert_eq!((story.blocked_by(), story.due()), (Some(Guard::DockerAway), Some(at(2))));
        assert_eq!((story.told(), story.refusals()), (vec!["blocked by docker_away"], vec![Guard::DockerAway]));
        let since = story.remediation.away.map(|it| it.since);
        story.run_to(60);
        assert_eq!((story.docker.finds, story.due()), (7, Some(at(74))), "at 0, 2, 6, 14, 29, 44, 59");
        assert_eq!((since, story.remediation.away.map(|it| it.since)), (Some(at(0)), since));
        assert_eq!((story.actions().len(), story.events().len(), story.refusals().len()), (0, 0, 1));
        story.docker.reachable = true;
        story.run_to(74);
        assert_eq!((story.state(), story.docker.effects), (StateName::Verifying, 1), "{unseen}");
        assert_eq!((story.remediation.away, story.remediation.attempts), (None, 1));
        assert_eq!(story.told()[1..3], ["docker answers again", "restart intended"]);
    }
}

#[test]
fn it_is_reported_to_people_once_after_its_patience_and_taken_back_when_docker_answers() {
    let mut story = away(rule("r"));
    story.settings.alertmanager = true;
    repeated_to(&mut story, 299);
    assert_eq!(story.events().len(), 0);
    story.run_to(300);
    assert_eq!((story.events(), story.blocked_by()), (vec!["gave_up"], Some(Guard::DockerAway)));
    repeated_to(&mut story, 3600);
    assert_eq!((story.events(), story.actions().len(), story.refusals().len()), (vec!["gave_up"], 0, 1));
    assert_eq!(announced(&story, AnnouncementName::GaveUp), [("docker_away".to_owned(), true)]);
    story.docker.reachable = true;
    story.run_to(3615);
    assert_eq!(story.docker.effects, 1);
    let all = [("docker_away".to_owned(), true), ("docker_away".to_owned(), false)];
    assert_eq!(announced(&story, AnnouncementName::GaveUp), all);
    assert!(!story.remediation.told, "what gives up later is reported, too");
}

#[test]
fn a_shorter_patience_reports_at_its_very_end() {
    let mut story = away(rule("r"));
    story.settings.docker_patience = secs(33);
    story.run_to(32);
    assert_eq!((story.events().len(), story.due()), (0, Some(at(33))));
    story.run_to(33);
    assert_eq!(story.events(), ["gave_up"]);
}

#[test]
fn what_only_observes_waits_and_reports_nothing() {
    let mut story = away(rule("r").observing());
    repeated_to(&mut story, 900);
    assert_eq!((story.blocked_by(), story.events().len()), (Some(Guard::DockerAway), 0));
    story.docker.reachable = true;
    story.run_to(915);
    assert_eq!(story.outcome(), Some(Outcome::Observed));
}

#[test]
fn an_alert_that_ends_meanwhile_cancels_and_one_that_is_not_heard_expires_and_leaves_its_episode() {
    let mut gone = away(rule("r"));
    gone.run_to(50).resolve();
    assert_eq!((gone.outcome(), gone.events().len()), (Some(Outcome::Cancelled), 0));
    let mut unheard = away(rule("r"));
    unheard.run_to(700);
    assert_eq!((unheard.outcome(), unheard.actions().len()), (Some(Outcome::Expired), 0));
    assert!(Outcome::Expired.leaves_episode_open());
}

#[test]
fn a_call_that_never_left_is_planned_anew_and_counts_neither_as_an_attempt_nor_against_the_rule() {
    let mut story = story(rule("r").climbing([restart(), restart().paused(60)]));
    story.settings.trip = Some(TripLimit { unproven: 1, within: secs(1000), then: Mode::Observe });
    story.docker.restarts = Restarts::Unsent;
    story.wake();
    assert_eq!(story.audit(), ["restart failed docker_unreachable"]);
    assert!(!story.result_of(story.actions()[0].id).expect("a result").spends);
    assert_eq!((story.blocked_by(), story.due()), (Some(Guard::DockerAway), Some(at(3))));
    assert_eq!((story.verdicts(), breaker_rows(&story), story.remediation.attempts), (vec![], vec![], 0));
    story.docker.restarts = Restarts::Work;
    story.run_to(3);
    assert_eq!((story.docker.effects, story.remediation.rung, story.state()), (1, 0, StateName::Verifying));
    assert_eq!(story.remediation.away, None);
}

#[test]
fn calls_that_cannot_be_sent_though_looks_are_answered_leave_few_rows() {
    let mut story = story(rule("r"));
    story.docker.restarts = Restarts::Unsent;
    repeated_to(&mut story, 3600);
    assert_eq!(story.blocked_by(), Some(Guard::DockerAway));
    let rows = story.actions().len();
    assert!((60..=66).contains(&rows), "{rows} rows in an hour");
    assert_eq!((story.events(), story.verdicts()), (vec!["gave_up"], vec![]));
    story.resolve();
    assert_eq!(story.outcome(), Some(Outcome::Cancelled), "nothing was done");
}

#[test]
fn a_probe_that_never_left_makes_room_for_the_next() {
    let mut story = story(rule("r"));
    story.settings.trip = Some(TripLimit { unproven: 2, within: secs(1000), then: Mode::Propose });
    story.surroundings.breaker = Breaker { opened_at: Some(at(-1000)), probe: None, unproven: Vec::new() };
    story.docker.restarts = Restarts::Unsent;
    let decision = story.find_and_plan();
    assert!(matches!(decision.ask, crate::decide::Ask::Admit(_)));
    // The breaker is read again for the result: it has the probe by then.
    story.docker.restarts = Restarts::Crash { done: false };
    story.wake();
    story.surroundings.breaker.probe = story.remediation.last_action;
    story.give(crate::decide::Event::Returned(crate::decide::Call {
        started_at: at(0),
        detail: serde_json::json!({}),
        answer: Err(super::docker::failure("docker_unreachable", true, false)),
        after: Ok(None),
        short: None,
    }));
    let last = breaker_rows(&story).pop().expect("the probe is over");
    assert_eq!((last.opened_at, last.probe), (Some(at(-1000)), None));
    assert_eq!(story.verdicts(), []);
}

fn with_dependent() -> Story {
    let mut step = restart();
    if let Action::Restart { dependents, .. } = &mut step.action {
        *dependents = Some(Dependents { allow: vec![Pattern("*".into())] });
    }
    let mut story = story(rule("r").climbing([step]));
    story.docker.change(|it| Container {
        dependents: vec![Container { name: "side".into(), ..container().remade("d") }],
        ..it
    });
    story
}

#[test]
fn a_dependent_whose_call_never_left_is_restarted_when_docker_is_back() {
    let mut story = with_dependent();
    story.docker.dependents = Restarts::Unsent;
    story.wake();
    assert_eq!((story.state(), story.docker.effects, story.due()), (StateName::Running, 1, Some(at(4))));
    story.run_to(20);
    assert_eq!(story.audit(), ["restart succeeded", "restart open"]);
    story.docker.dependents = Restarts::Work;
    story.run_to(40);
    assert_eq!((story.docker.effects, story.state()), (2, StateName::Verifying));
    assert_eq!((story.audit(), story.remediation.away), (vec!["restart succeeded".to_owned(); 2], None));
}

#[test]
fn a_dependent_waits_no_longer_than_the_patience() {
    let mut story = with_dependent();
    story.docker.dependents = Restarts::Unsent;
    repeated_to(&mut story, 299);
    assert_eq!(story.state(), StateName::Running);
    story.run_to(320);
    assert_eq!(story.audit()[..2], ["restart succeeded", "restart failed docker_unreachable"]);
    assert_eq!((story.outcome(), story.docker.effects), (Some(Outcome::Escalated), 1));
}

#[test]
fn an_effect_that_nobody_can_see_is_not_judged_and_its_deadline_moves() {
    let mut story = story(rule("r").climbing([restart().verified(5, 30, 60), restart()]));
    story.docker.cures = false;
    story.settings.alertmanager = true;
    story.wake().docker.reachable = false;
    story.run_to(200);
    assert!(story.remediation.announced_until.is_some_and(|until| until > at(200)), "the page is held meanwhile");
    assert_eq!((story.state(), story.verdicts()), (StateName::Verifying, vec![]), "the deadline was at 61");
    story.docker.reachable = true;
    story.run_to(215);
    assert_eq!((story.state(), story.remediation.away), (StateName::Verifying, None), "not judged by the first look");
    story.docker.change(|it| Container { exit_code: 0, ..it.being(crate::sight::Status::Running) });
    story.resolve().run_to(260);
    assert_eq!((story.verdicts(), story.outcome()), (vec![Verdict::Fixed], Some(Outcome::Fixed)));
}

#[test]
fn an_effect_is_unknown_only_when_its_deadline_and_the_patience_are_over() {
    for (within, end) in [(60, 306), (900, 901)] {
        let mut story = story(rule("r").climbing([restart().verified(5, 30, within), restart()]));
        story.settings.docker_patience = secs(300);
        story.wake().docker.reachable = false;
        story.run_to(end - 1);
        assert_eq!((story.state(), story.verdicts()), (StateName::Verifying, vec![]), "{within}");
        story.run_to(end);
        assert_eq!((story.verdicts(), story.outcome()), (vec![Verdict::Unknown], Some(Outcome::Escalated)), "{within}");
    }
}
