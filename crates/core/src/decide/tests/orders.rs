//! Orders by hand: through the same guards, with a person's name, and answered at once.

use super::driver::{Story, story};
use crate::action::Action;
use crate::remediation::order::Order;
use crate::remediation::outcome::Outcome;
use crate::remediation::state::StateName;
use crate::rule::model::{BY_HAND, Mode};
use crate::surroundings::{Pause, PauseScope};
use crate::testing::{at, id, restart, secs};

/// Ann orders a restart of `web` at 0; nothing fires.
fn ordered() -> Story {
    let action = Action::Restart { grace: secs(10), dependents: None, start_stopped: false };
    let order = Order { by: "ann".into(), action };
    let mut story = story(crate::testing::rule(BY_HAND).climbing([restart()]));
    story.rule = Some(order.rule(&story.remediation.target));
    story.remediation.order = Some(order);
    story.remediation.rule = BY_HAND.into();
    story.alerts.clear();
    story.settings.alertmanager = true;
    story
}

#[test]
fn an_order_is_carried_out_without_an_alert_and_judged_by_its_target_alone() {
    let mut story = ordered();
    story.wake();
    assert_eq!((story.docker.effects, story.actions()[0].actor.as_str()), (1, "ann"));
    story.run_to(120);
    assert_eq!(story.outcome(), Some(Outcome::Fixed), "{:?}", story.told());
    let told = story.records.iter().any(|it| matches!(it, crate::remediation::record::Record::Announce(_)));
    assert!(!told, "whoever ordered it knows");
}

#[test]
fn whoever_orders_it_agrees_to_it_and_only_observing_does_nothing() {
    let mut story = ordered();
    story.settings.mode = Mode::Propose;
    story.wake();
    assert_eq!(story.docker.effects, 1, "nobody else is asked");
    let mut story = ordered();
    story.settings.mode = Mode::Observe;
    story.wake();
    assert_eq!((story.docker.effects, story.outcome()), (0, Some(Outcome::Observed)));
}

#[test]
fn a_guard_that_would_wait_refuses_an_order_for_good_and_on_record() {
    let mut story = ordered();
    let pause =
        Pause { id: id(7), scope: PauseScope::All, reason: "deploy".into(), by: "bob".into(), at: at(0), until: None };
    story.surroundings.pauses.push(pause);
    story.wake();
    assert_eq!((story.outcome(), story.docker.effects), (Some(Outcome::Refused), 0));
    assert_eq!(story.audit(), ["restart refused paused"]);
    let mut story = ordered();
    story.others = vec![at(0)];
    story.now = at(1);
    story.wake();
    assert_eq!(story.audit(), ["restart refused cooldown"]);
    assert_eq!(story.actions()[0].actor, "ann");
}

#[test]
fn an_order_that_was_not_begun_within_a_minute_is_not_begun_any_more() {
    let mut story = ordered();
    story.now = at(61);
    story.wake();
    assert_eq!((story.outcome(), story.docker.effects), (Some(Outcome::Refused), 0));
    assert_eq!(story.audit(), ["restart refused expired"]);
    let mut story = ordered();
    story.now = at(60);
    story.wake();
    assert_eq!((story.state(), story.docker.effects), (StateName::Verifying, 1));
}

#[test]
fn a_docker_that_is_away_refuses_an_order_at_once() {
    let mut story = ordered();
    story.docker.reachable = false;
    story.wake();
    assert_eq!(
        (story.outcome(), story.audit()),
        (Some(Outcome::Refused), vec!["restart refused docker_away".to_owned()])
    );
    let mut unsent = ordered();
    unsent.docker.restarts = super::docker::Restarts::Unsent;
    unsent.wake();
    let rows = ["restart failed docker_unreachable", "restart refused docker_away"];
    assert_eq!((unsent.outcome(), unsent.audit()), (Some(Outcome::Refused), rows.map(str::to_owned).to_vec()));
}
