//! The guards that are asked before and after a look.

use serde_json::json;

use crate::action::Action;
use crate::alert::episode::AlertState;
use crate::guard::{Aim, Known, Permits, after_look, before_look, order};
use crate::remediation::refusal::{Guard, Refusal};
use crate::remediation::state::Remediation;
use crate::rule::model::Mode;
use crate::rule::model::{Find, Rule, Word};
use crate::settings::Settings;
use crate::sight::{Container, EndedBy, Found, ImageLabel, Pin, Status};
use crate::surroundings::Surroundings;
use crate::testing::{at, container, firing, opened, rule, settings, web};
use crate::time::after;

/// Everything that a guard may be asked with.
pub(super) struct World {
    pub(super) rule: Rule,
    pub(super) alerts: Vec<AlertState>,
    pub(super) surroundings: Surroundings,
    pub(super) settings: Settings,
    pub(super) remediation: Remediation,
    pub(super) now: crate::time::Timestamp,
}

pub(super) fn world(rule: Rule) -> World {
    World {
        remediation: opened(&rule),
        rule,
        alerts: vec![firing("A")],
        surroundings: Surroundings::default(),
        settings: settings(),
        now: at(0),
    }
}

impl World {
    fn known(&self) -> Known<'_> {
        Known {
            remediation: &self.remediation,
            rule: Some(&self.rule),
            alerts: &self.alerts,
            surroundings: &self.surroundings,
            settings: &self.settings,
            base_mode: Mode::Act,
            now: self.now,
        }
    }

    pub(super) fn look(&self, action: &Action, found: &Found, tried: Option<&Pin>) -> Result<String, Refusal> {
        self.look_after(action, found, tried, tried)
    }

    pub(super) fn look_after(
        &self,
        action: &Action,
        found: &Found,
        tried: Option<&Pin>,
        ended: Option<&Pin>,
    ) -> Result<String, Refusal> {
        let aim = Aim {
            known: self.known(),
            permits: Permits::Rule(&self.rule.target),
            min_healthy: self.rule.target.min_healthy,
            settle: self.rule.steps[0].verify.settle,
            action,
            target: &web(),
            tried,
            ended,
        };
        after_look(&aim, found).map(|sight| sight.pin().id)
    }
}

fn without_look(alerts: &[AlertState], now: i64) -> Option<Refusal> {
    let world = World { alerts: alerts.to_vec(), now: at(now), ..world(rule("r")) };
    before_look(&world.known())
}

fn seen_by(rule: &Rule, found: &Found) -> Result<(), Refusal> {
    let mut settings = settings();
    settings.protected.containers.insert("guarded".into());
    settings.protected.compose_projects.insert("monitoring".into());
    settings.protected.own_container = Some("f".repeat(12));
    settings.protected.database.extend(["10.0.0.9".to_owned(), "db".to_owned()]);
    let world = World { settings, ..world(rule.clone()) };
    world.look(&rule.steps[0].action, found, None).map(drop)
}

fn refused(found: &Found) -> Option<Guard> {
    seen_by(&rule("r"), found).err().map(|refusal| refusal.guard)
}

fn one(container: Container) -> Found {
    Found::one(container)
}

#[test]
fn evidence_as_old_as_freshness_is_still_fresh_and_a_microsecond_more_is_not() {
    let alerts = [firing("A")];
    assert_eq!(without_look(&alerts, 600), None);
    let now = after(at(600), std::time::Duration::from_micros(1));
    let world = World { alerts: alerts.to_vec(), now, ..world(rule("r")) };
    let refusal = before_look(&world.known()).expect("stale");
    assert_eq!(refusal.guard, Guard::Expired);
    assert_eq!(refusal.detail["freshness_seconds"], 600);
    assert_eq!(refusal.detail["age_seconds"], 600);
}

#[test]
fn the_newest_evidence_of_any_attached_alert_that_fires_counts() {
    assert_eq!(without_look(&[firing("A"), firing("B").heard_at(500)], 1100), None);
    let only_the_resolved_one_is_fresh = [firing("A"), firing("B").heard_at(500).resolved_at(501)];
    let refusal = without_look(&only_the_resolved_one_is_fresh, 1100).expect("stale");
    assert_eq!(refusal.guard, Guard::Expired);
}

#[test]
fn resolved_is_said_only_when_every_attached_alert_is_gone_and_never_called_expired() {
    assert_eq!(without_look(&[firing("A").resolved_at(5), firing("B")], 10), None);
    let refusal = without_look(&[firing("A").resolved_at(5), firing("B").resolved_at(7)], 9999).expect("gone");
    assert_eq!((refusal.guard, &refusal.detail["ended_at"]), (Guard::Resolved, &json!(at(7))));
    assert_eq!(without_look(&[], 0).expect("nothing fires").guard, Guard::Resolved);
}

#[test]
fn each_guard_of_the_look_refuses_what_it_is_for_and_passes_its_neighbour() {
    let project = "com.docker.compose.project";
    let mut oom = container().exited(137);
    oom.oom_killed = true;
    let by_hand = |it: Container, by_hand| Container { stopped_by_hand: by_hand, ..it };
    let named = |name: &str| Container { name: name.into(), ..container() };
    let known_as = |address: &str| Container { addresses: vec![address.into()], ..container() };
    for (found, expected) in [
        (one(container()), None),
        (Found::Nothing, Some(Guard::NoTarget)),
        (Found::Many(2), Some(Guard::AmbiguousTarget)),
        (one(container().unlabelled("fettle.enable")), Some(Guard::NotEnabled)),
        (one(container().labelled("fettle.enable", "True")), Some(Guard::NotEnabled)),
        (one(container().labelled("fettle.enable", "true ")), Some(Guard::NotEnabled)),
        (one(container().labelled("fettle.enable", "false")), Some(Guard::NotEnabled)),
        (one(Container { image_label: ImageLabel::Present, ..container() }), Some(Guard::NotEnabled)),
        (one(Container { image_label: ImageLabel::Unreadable, ..container() }), Some(Guard::NotEnabled)),
        (one(container().labelled("fettle.actions", "restart")), None),
        (one(container().labelled("fettle.actions", "stop, restart")), None),
        (one(container().labelled("fettle.actions", "stop")), Some(Guard::NotEnabled)),
        (one(container().labelled("fettle.actions", "")), Some(Guard::NotEnabled)),
        (one(container().labelled("fettle.actions", "Restart")), Some(Guard::NotEnabled)),
        (one(named("guarded")), Some(Guard::Protected)),
        (one(named("guarded2")), None),
        (one(container().remade("f")), Some(Guard::Protected)),
        (one(container().labelled(project, "monitoring")), Some(Guard::Protected)),
        (one(container().labelled(project, "shop")), None),
        (one(container().labelled("com.docker.compose.service", "db")), Some(Guard::Protected)),
        (one(known_as("10.0.0.9")), Some(Guard::Protected)),
        (one(known_as("10.0.0.90")), None),
        (one(container().being(Status::Paused)), Some(Guard::Stopped)),
        (one(container().being(Status::Created)), Some(Guard::Stopped)),
        (one(container().being(Status::Removing)), Some(Guard::Stopped)),
        (one(container().being(Status::Unknown)), Some(Guard::Stopped)),
        (one(container().being(Status::Restarting)), None),
        (one(container().exited(0)), Some(Guard::Stopped)),
        (one(container().exited(143)), Some(Guard::Stopped)),
        (one(container().exited(1)), None),
        (one(container().exited(137)), None),
        (one(oom.clone()), None),
        (one(by_hand(container().exited(137), Some(true))), Some(Guard::Stopped)),
        (one(by_hand(container().exited(137), None)), Some(Guard::Stopped)),
        (one(by_hand(oom.clone(), None)), None),
        (one(by_hand(container().exited(1), None)), None),
        (one(by_hand(container(), Some(true))), None),
        (one(container().labelled("fettle.hold", "deploying")), Some(Guard::HeldByLabel)),
        (one(container().labelled("fettle.hold", "")), Some(Guard::HeldByLabel)),
        (one(container().labelled("fettle.approval", "always")), None),
        (one(container().labelled("fettle.budget", "99 per 1s")), None),
        (one(container().labelled("fettle.budget", "3 per 1h, 5 per 24h")), None),
        (one(container().labelled("fettle.budget", "none")), Some(Guard::HeldByLabel)),
        (one(container().labelled("fettle.budget", "")), Some(Guard::HeldByLabel)),
    ] {
        assert_eq!(refused(&found), expected, "{found:?}");
    }
}

#[test]
fn a_target_that_two_guards_refuse_is_refused_by_the_earlier() {
    // Each one adds the fault of an earlier guard to all later ones.
    let mut it = container().labelled("fettle.hold", "x");
    assert_eq!(refused(&one(it.clone())), Some(Guard::HeldByLabel));
    it = it.being(Status::Paused);
    assert_eq!(refused(&one(it.clone())), Some(Guard::Stopped));
    it.name = "guarded".into();
    assert_eq!(refused(&one(it.clone())), Some(Guard::Protected));
    it = it.unlabelled("fettle.enable");
    assert_eq!(refused(&one(it.clone())), Some(Guard::NotEnabled));
    it = it.labelled("com.docker.swarm.service.name", "shop_web");
    assert_eq!(refused(&one(it.clone())), Some(Guard::SwarmTask));
    let refusal = seen_by(&rule("r").allowing(&["api-*"]), &one(it)).expect_err("not allowed");
    assert_eq!((refusal.guard, refusal.detail), (Guard::NotAllowed, json!({"name": "web", "allow": ["api-*"]})));
    let refusal = seen_by(&rule("r").allowing(&["api-*"]), &Found::Many(3)).expect_err("not allowed");
    assert_eq!(refusal.guard, Guard::NotAllowed);
    let refusal = seen_by(&rule("r").allowing(&["w*"]), &Found::Many(3)).expect_err("ambiguous");
    assert_eq!((refusal.guard, refusal.detail), (Guard::AmbiguousTarget, json!({"found": 3})));
    assert_eq!(seen_by(&rule("r").allowing(&["api-*"]), &Found::Nothing).expect_err("gone").guard, Guard::NoTarget);
    let stale_and_gone = [firing("A").resolved_at(1)];
    assert_eq!(without_look(&stale_and_gone, 9999).expect("refused").guard, Guard::Resolved);
}

#[test]
fn the_names_are_in_the_order_in_which_they_are_asked_and_only_these_are_final() {
    assert_eq!(order(), Guard::ALL);
    let last: Vec<_> = Guard::ALL.iter().filter(|guard| guard.is_final()).map(|guard| guard.as_str()).collect();
    let expected = [
        "no_target",
        "not_allowed",
        "other_host",
        "ambiguous_target",
        "swarm_task",
        "not_enabled",
        "protected",
        "stopped",
        "on_loan",
        "not_scalable",
    ];
    assert_eq!(last, expected);
}

#[test]
fn a_task_of_a_swarm_service_is_refused_and_the_refusal_names_the_service_and_how_to_write_it() {
    let task = || container().labelled("com.docker.swarm.task.id", "q8x5");
    let named = task().labelled("com.docker.swarm.service.name", "shop_api");
    let refusal = seen_by(&rule("r"), &one(named)).expect_err("a task");
    assert_eq!((refusal.guard, refusal.guard.is_final(), refusal.until), (Guard::SwarmTask, true, None));
    assert_eq!(
        refusal.why,
        "web is a task of the Swarm service shop_api, and Swarm replaces it; write target: {swarm: {service: shop_api}}"
    );
    assert_eq!(refusal.detail, json!({"service": "shop_api", "task": "q8x5"}));
    let unnamed = seen_by(&rule("r"), &one(task())).expect_err("a task");
    assert!(unnamed.why.contains("swarm: {service: NAME}"), "{}", unnamed.why);
}

#[test]
fn a_literal_target_permits_itself_and_a_labelled_one_needs_its_allow() {
    assert!(seen_by(&rule("r"), &one(container())).is_ok());
    assert!(seen_by(&rule("r").allowing(&["w*"]), &one(container())).is_ok());
    let mut literal = rule("r");
    literal.target.find = Find::Container(Word::Literal("other".into()));
    assert_eq!(seen_by(&literal, &one(container())).expect_err("another name").guard, Guard::NotAllowed);
}

#[test]
fn a_label_of_any_length_is_cut_in_the_record() {
    let refusal = seen_by(&rule("r"), &one(container().labelled("fettle.hold", &"é".repeat(9999)))).expect_err("held");
    assert_eq!(refusal.detail["value"].as_str().map(|it| it.chars().count()), Some(256));
    assert_eq!(refusal.until, None);
}

#[test]
fn what_does_not_run_cannot_be_stopped_or_limited() {
    let found = one(container().exited(1));
    let limits = Action::SetLimits { memory: Some(1 << 30), nano_cpus: None };
    for action in [Action::Stop { grace: std::time::Duration::ZERO }, limits] {
        let refusal = world(rule("r")).look(&action, &found, None).expect_err("it does not run");
        assert_eq!(refusal.guard, Guard::Stopped);
        assert!(world(rule("r")).look(&action, &one(container()), None).is_ok());
    }
}

#[test]
fn a_restart_of_ours_that_was_cut_in_half_is_nobodys_decision_to_stop_it() {
    let cut = Container { stopped_by_hand: Some(true), ..container().exited(143) };
    let found = one(cut.clone());
    let rule = rule("r");
    let asked = |tried: Option<&Pin>| {
        world(rule.clone()).look(&rule.steps[0].action, &found, tried).map_err(|refusal| refusal.guard)
    };
    assert_eq!(asked(None), Err(Guard::Stopped));
    assert_eq!(asked(Some(&cut.pin())), Ok(cut.id.clone()));
    let another = Pin { restart_count: 9, ..cut.pin() };
    assert_eq!(asked(Some(&another)), Err(Guard::Stopped), "another run than the one that was tried");
    let pin = cut.pin();
    let limited = world(rule.clone()).look_after(&rule.steps[0].action, &found, Some(&pin), None);
    assert_eq!(limited.map_err(|it| it.guard), Err(Guard::Stopped), "what was tried on this run does not end it");
}

#[test]
fn the_stored_history_of_the_runs_counts_before_the_exit_code() {
    let asked = |code: i64, ended_by: EndedBy| {
        let it = Container { stopped_by_hand: None, ended_by: Some(ended_by), ..container().exited(code) };
        let rule = rule("r");
        let passes = world(rule.clone()).look(&rule.steps[0].action, &one(it.clone()), None);
        let asks = crate::guard::asks_whether_stopped(&rule.steps[0].action, &it.into(), None);
        (passes.map_err(|refusal| refusal.guard).is_ok(), asks)
    };
    for code in [0, 1, 137, 143] {
        assert_eq!(asked(code, EndedBy::Person), (false, false), "{code}");
        assert_eq!(asked(code, EndedBy::Itself), (true, false), "{code}");
        assert_eq!(asked(code, EndedBy::Daemon), (true, false), "{code}");
    }
    assert_eq!(asked(0, EndedBy::Unknown), (false, false));
    assert_eq!(asked(1, EndedBy::Unknown), (true, false));
    assert_eq!(asked(137, EndedBy::Unknown), (true, true), "a person's stop or the machine's shutdown");
    assert_eq!(asked(143, EndedBy::Unknown), (true, true));
}

/// A restart, by fettle or by hand, whose start failed: it has the events of a stop.
#[test]
fn a_start_that_failed_is_no_stop_whatever_the_history_shows() {
    let failed = Container { stopped_by_hand: Some(false), ended_by: Some(EndedBy::Person), ..container().exited(127) };
    let rule = rule("r");
    assert!(world(rule.clone()).look(&rule.steps[0].action, &one(failed), None).is_ok());
}
