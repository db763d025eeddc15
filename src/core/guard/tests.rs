use proptest::prelude::*;
use serde_json::json;

use super::ledger::{Ledger, LedgerAsk, Scope, ScopeKind};
use super::*;
use crate::core::alert::episode::AlertState;
use crate::core::remediation::state::Attempt;
use crate::core::rule::model::{Budget, Find, Mode, Verify, Word};
use crate::core::sight::{ImageLabel, Status};
use crate::core::testing::{at, container, escalate, firing, id, per, restart, rule, secs, settings, web};
use crate::core::time::{Timestamp, after, before};

fn without_look(alerts: &[AlertState], now: i64) -> Option<Refusal> {
    before_look(&Known { alerts, settings: &settings(), now: at(now) })
}

fn seen_by(rule: &Rule, found: &Found) -> Result<(), Refusal> {
    let mut settings = settings();
    settings.protected.containers.insert("guarded".into());
    settings.protected.compose_projects.insert("monitoring".into());
    settings.protected.own_container = Some("f".repeat(12));
    settings.protected.database.extend(["10.0.0.9".to_owned(), "db".to_owned()]);
    let seen = Seen { rule, action: &rule.steps[0].action, target: &web(), found, settings: &settings };
    after_look(&seen).map(|_| ())
}

fn refused(found: &Found) -> Option<Guard> {
    seen_by(&rule("r"), found).err().map(|refusal| refusal.guard)
}

fn one(sight: Sight) -> Found {
    Found::One(Box::new(sight))
}

fn request(scopes: Vec<Scope>, cooldown: u64, now: Timestamp) -> Request {
    let attempt = Attempt {
        action_id: id(1),
        rung: 0,
        action: restart().action,
        verify: Verify::default(),
        pin: container().pin(),
        intended_at: now,
    };
    let ask = LedgerAsk {
        remediation: id(2),
        rule: "r".into(),
        target: "container:local/web".into(),
        key: "k".into(),
        mode: Mode::Act,
        now,
        scopes,
    };
    Request { plan: Plan { attempt, key: "k".into(), mode: Mode::Act }, ask, cooldown: secs(cooldown), in_flight: 2 }
}

fn scope(kind: ScopeKind, budget: Budget) -> Scope {
    Scope { kind, budget }
}

/// What a store answers: for each scope the intents in `[now - per, ∞)`, newest first, at most `max`.
fn ledger_of(intents: &[Timestamp], ask: &LedgerAsk) -> Ledger {
    let spent = |scope: &Scope| {
        let mut inside: Vec<_> =
            intents.iter().copied().filter(|&it| it >= before(ask.now, scope.budget.per)).collect();
        inside.sort_by(|a, b| b.cmp(a));
        inside.truncate(scope.budget.max as usize);
        inside
    };
    Ledger { spent: ask.scopes.iter().map(spent).collect(), ..Ledger::default() }
}

fn asked_with(intents: &[i64], scopes: Vec<Scope>, now: Timestamp) -> Result<(), Refusal> {
    let request = request(scopes, 0, now);
    let intents: Vec<_> = intents.iter().map(|&second| at(second)).collect();
    admit(&request, &ledger_of(&intents, &request.ask)).map(|_| ())
}

#[test]
fn evidence_as_old_as_freshness_is_still_fresh_and_a_microsecond_more_is_not() {
    let alerts = [firing("A")];
    assert_eq!(without_look(&alerts, 600), None);
    let known =
        Known { alerts: &alerts, settings: &settings(), now: after(at(600), std::time::Duration::from_micros(1)) };
    let refusal = before_look(&known).expect("stale");
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
    let by_hand = |it: Sight, by_hand| Sight { stopped_by_hand: by_hand, ..it };
    let named = |name: &str| Sight { name: name.into(), ..container() };
    let known_as = |address: &str| Sight { addresses: vec![address.into()], ..container() };
    for (found, expected) in [
        (one(container()), None),
        (Found::Nothing, Some(Guard::NoTarget)),
        (Found::Many(2), Some(Guard::AmbiguousTarget)),
        (one(container().unlabelled("fettle.enable")), Some(Guard::NotEnabled)),
        (one(container().labelled("fettle.enable", "True")), Some(Guard::NotEnabled)),
        (one(container().labelled("fettle.enable", "true ")), Some(Guard::NotEnabled)),
        (one(container().labelled("fettle.enable", "false")), Some(Guard::NotEnabled)),
        (one(Sight { image_label: ImageLabel::Present, ..container() }), Some(Guard::NotEnabled)),
        (one(Sight { image_label: ImageLabel::Unreadable, ..container() }), Some(Guard::NotEnabled)),
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
        (one(oom), None),
        (one(by_hand(container().exited(137), Some(true))), Some(Guard::Stopped)),
        (one(by_hand(container().exited(137), None)), None),
        (one(by_hand(container(), Some(true))), None),
        (one(container().labelled("fettle.hold", "deploying")), Some(Guard::HeldByLabel)),
        (one(container().labelled("fettle.hold", "")), Some(Guard::HeldByLabel)),
        (one(container().labelled("fettle.approval", "always")), Some(Guard::HeldByLabel)),
        (one(container().labelled("fettle.approval", "\u{1}?")), Some(Guard::HeldByLabel)),
        (one(container().labelled("fettle.budget", "99 per 1s")), Some(Guard::HeldByLabel)),
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
    let refusal = seen_by(&rule("r").allowing(&["api-*"]), &one(it)).expect_err("not allowed");
    assert_eq!((refusal.guard, refusal.detail), (Guard::NotAllowed, json!({"name": "web", "allow": ["api-*"]})));
    let refusal = seen_by(&rule("r").allowing(&["api-*"]), &Found::Many(3)).expect_err("ambiguous");
    assert_eq!((refusal.guard, refusal.detail), (Guard::AmbiguousTarget, json!({"found": 3})));
    let stale_and_gone = [firing("A").resolved_at(1)];
    assert_eq!(without_look(&stale_and_gone, 9999).expect("refused").guard, Guard::Resolved);
}

#[test]
fn the_names_stand_in_the_order_they_are_asked_and_only_these_are_final() {
    let words: Vec<_> = Guard::ALL.iter().map(|guard| guard.as_str()).collect();
    assert_eq!(
        words,
        [
            "expired",
            "resolved",
            "no_target",
            "ambiguous_target",
            "not_allowed",
            "not_enabled",
            "protected",
            "stopped",
            "held_by_label",
            "cooldown",
            "in_flight",
            "budget"
        ]
    );
    let last: Vec<_> = Guard::ALL.iter().filter(|guard| guard.is_final()).map(|guard| guard.as_str()).collect();
    assert_eq!(last, ["no_target", "ambiguous_target", "not_allowed", "not_enabled", "protected", "stopped"]);
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
fn a_stop_refuses_a_restart_only() {
    let step = escalate("x");
    let (rule, found) = (rule("r"), one(container().exited(0)));
    let seen = Seen { rule: &rule, action: &step.action, target: &web(), found: &found, settings: &settings() };
    assert!(after_look(&seen).is_ok());
}

#[test]
fn with_n_in_the_closed_window_there_is_no_room_and_just_after_the_nth_newest_left_there_is() {
    let scopes = || vec![scope(ScopeKind::RuleTarget, per(2, 100))];
    assert!(asked_with(&[], scopes(), at(0)).is_ok());
    assert!(asked_with(&[0], scopes(), at(0)).is_ok());
    let refusal = asked_with(&[0, 30], scopes(), at(100)).expect_err("both ends of the window belong to it");
    let free = after(at(100), std::time::Duration::from_micros(1));
    assert_eq!((refusal.guard, refusal.until), (Guard::Budget, Some(free)));
    assert_eq!(refusal.why, "2 of 2 in 100 s are used, this rule on this target");
    assert_eq!(refusal.detail["used"], 2);
    assert!(asked_with(&[0, 30], scopes(), free).is_ok());
    // More in the window than allowed (the limit was lowered): the N-th newest decides, not the oldest.
    let refusal = asked_with(&[0, 10, 20, 30], scopes(), at(40)).expect_err("full");
    assert_eq!(refusal.until, Some(after(at(120), std::time::Duration::from_micros(1))));
}

#[test]
fn of_several_full_budgets_the_one_that_is_free_last_is_told() {
    let scopes = vec![
        scope(ScopeKind::RuleTarget, per(1, 1000)),
        scope(ScopeKind::Rule, per(9, 10)),
        scope(ScopeKind::Target, per(3, 500)),
        scope(ScopeKind::Fleet, per(2, 5000)),
    ];
    let refusal = asked_with(&[0, 10, 20], scopes, at(30)).expect_err("three are full");
    assert_eq!(refusal.detail["scope"], "fleet");
    assert_eq!(refusal.until, Some(after(at(5010), std::time::Duration::from_micros(1))));
}

#[test]
fn every_configured_budget_is_asked_with_its_own_scope() {
    let mut rule = rule("r").limited_to(per(1, 10));
    rule.rule_budget = vec![per(2, 20), per(3, 30)];
    let kinds: Vec<_> = scopes(&rule, &settings()).into_iter().map(|it| (it.kind, it.budget.max)).collect();
    let expected = [
        (ScopeKind::RuleTarget, 1),
        (ScopeKind::Rule, 2),
        (ScopeKind::Rule, 3),
        (ScopeKind::Target, 6),
        (ScopeKind::Fleet, 20),
    ];
    assert_eq!(kinds, expected);
}

#[test]
fn a_budget_of_nothing_is_never_free() {
    let refusal = asked_with(&[], vec![scope(ScopeKind::Rule, per(0, 10))], at(0)).expect_err("nothing is allowed");
    assert_eq!(refusal.until, Some(Timestamp::MAX));
}

#[test]
fn cooldown_ends_at_its_last_instant_and_counts_from_the_last_effect_of_another() {
    let asked = |now: i64, last: Option<i64>| {
        let ledger = Ledger { last_effect: last.map(at), ..Ledger::default() };
        admit(&request(Vec::new(), 300, at(now)), &ledger).map(|_| ())
    };
    assert!(asked(0, None).is_ok());
    let refusal = asked(299, Some(0)).expect_err("too soon");
    assert_eq!((refusal.guard, refusal.until), (Guard::Cooldown, Some(at(300))));
    assert_eq!(refusal.detail["cooldown_seconds"], 300);
    assert!(asked(300, Some(0)).is_ok());
    assert!(asked(-50, Some(0)).is_err(), "a clock behind the last effect does not end it");
}

#[test]
fn in_flight_refuses_a_rival_on_the_same_container_and_the_one_above_the_limit() {
    let asked = |rivals: Vec<_>, in_flight| {
        admit(&request(Vec::new(), 0, at(0)), &Ledger { rivals, in_flight, ..Ledger::default() }).map(|_| ())
    };
    assert!(asked(vec![], 1).is_ok());
    let refusal = asked(vec![], 2).expect_err("two of two");
    assert_eq!(
        (refusal.guard, refusal.until, refusal.detail),
        (Guard::InFlight, None, json!({"in_flight": 2, "limit": 2}))
    );
    let refusal = asked(vec![id(7)], 0).expect_err("a rival");
    assert_eq!(refusal.detail, json!({"remediations": [id(7)]}));
}

#[test]
fn under_the_lock_cooldown_comes_first_then_in_flight_and_the_budget_last() {
    let request = request(vec![scope(ScopeKind::Rule, per(1, 100))], 300, at(0));
    let mut ledger = Ledger { spent: vec![vec![at(0)]], last_effect: Some(at(0)), rivals: vec![id(7)], in_flight: 9 };
    let guard = |ledger: &Ledger| admit(&request, ledger).expect_err("refused").guard;
    assert_eq!(guard(&ledger), Guard::Cooldown);
    ledger.last_effect = None;
    assert_eq!(guard(&ledger), Guard::InFlight);
    ledger.rivals.clear();
    ledger.in_flight = 0;
    assert_eq!(guard(&ledger), Guard::Budget);
}

proptest! {
    /// Admissions take the lock in another order than they read the clock, and the clock may be stepped back: still no
    /// window of the length, wherever it lies, holds more than allowed.
    #[test]
    fn no_closed_window_ever_holds_more_than_the_budget(
        max in 1u32..5,
        window in 1i64..40,
        steps in proptest::collection::vec(prop_oneof![4 => 0i64..10, 1 => -60i64..0, 1 => Just(0i64)], 1..200),
    ) {
        let budget = per(max, u64::try_from(window).expect("positive"));
        let (mut now, mut admitted) = (0, Vec::new());
        for step in steps {
            now += step;
            let request = request(vec![scope(ScopeKind::Rule, budget)], 0, at(now));
            match admit(&request, &ledger_of(&admitted, &request.ask)) {
                Ok(_) => admitted.push(at(now)),
                Err(refusal) => prop_assert!(refusal.until.expect("known") > at(now)),
            }
        }
        admitted.sort();
        for (index, &first) in admitted.iter().enumerate() {
            let inside = admitted.iter().skip(index).take_while(|&&it| it <= after(first, budget.per)).count();
            prop_assert!(inside <= max as usize, "{inside} of {max} from {first}");
        }
    }

    /// Told to come back at an instant, the request is admitted at that instant if nobody else was meanwhile.
    #[test]
    fn a_request_that_waits_until_told_is_admitted(
        max in 1u32..5,
        window in 1i64..40,
        intents in proptest::collection::vec(0i64..100, 0..20),
    ) {
        let scopes = || vec![scope(ScopeKind::Fleet, per(max, u64::try_from(window).expect("positive")))];
        if let Err(refusal) = asked_with(&intents, scopes(), at(100)) {
            prop_assert!(asked_with(&intents, scopes(), refusal.until.expect("known")).is_ok());
        }
    }
}
