//! The guards that are asked under the lock: cooldown, exclusion, budgets.

use proptest::prelude::*;
use serde_json::json;
use uuid::Uuid;

use crate::effect::Effect;
use crate::guard::ledger::{Ledger, LedgerAsk, Scope, ScopeKind};
use crate::guard::{Admitted, Request, scopes};
use crate::remediation::refusal::{Guard, Refusal};
use crate::remediation::state::{Attempt, Plan};
use crate::rule::model::{Budget, Mode, Verify};
use crate::surroundings::OpenLoan;
use crate::testing::{at, container, id, per, restart, rule, secs, settings};
use crate::time::{Timestamp, after, before};

fn request(scopes: Vec<Scope>, cooldown: u64, now: Timestamp) -> Request {
    let attempt = Attempt {
        action_id: id(1),
        rung: 0,
        action: restart().action,
        effect: Effect::Restart { grace: secs(10) },
        dependent: None,
        verify: Verify::default(),
        pin: container().pin(),
        intended_at: now,
    };
    let ask = LedgerAsk {
        remediation: id(2),
        rule: "r".into(),
        target: "container:local/web".into(),
        key: "k".into(),
        keys: vec!["k".into()],
        mode: Mode::Act,
        now,
        unproven_since: now,
        scopes,
    };
    Request {
        plan: Plan { attempt, key: "k".into(), ends_run: true, mode: Mode::Act, approved: None, restore: None },
        ask,
        also: Vec::new(),
        cooldown: secs(cooldown),
        in_flight: 2,
        heeds_loans: true,
        trip: None,
        proposing: None,
    }
}

/// One effect, one ledger.
fn admit(request: &Request, ledger: &Ledger) -> Result<Admitted, Refusal> {
    crate::guard::admit(request, std::slice::from_ref(ledger))
}

fn scope(kind: ScopeKind, budget: Budget) -> Scope {
    Scope { kind, budget }
}

/// What a store answers: for each scope the `max`-th newest of the intents in `[now - per, ∞)`.
fn ledger_of(intents: &[Timestamp], ask: &LedgerAsk) -> Ledger {
    let spent = |scope: &Scope| {
        let mut inside: Vec<_> =
            intents.iter().copied().filter(|&it| it >= before(ask.now, scope.budget.per)).collect();
        inside.sort_by(|a, b| b.cmp(a));
        inside.get(scope.budget.max as usize - 1).copied()
    };
    Ledger { full_since: ask.scopes.iter().map(spent).collect(), ..Ledger::default() }
}

fn asked_with(intents: &[i64], scopes: Vec<Scope>, now: Timestamp) -> Result<(), Refusal> {
    let request = request(scopes, 0, now);
    let intents: Vec<_> = intents.iter().map(|&second| at(second)).collect();
    admit(&request, &ledger_of(&intents, &request.ask)).map(|_| ())
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
    let kinds: Vec<_> =
        scopes(&rule, &settings(), &container().into()).into_iter().map(|it| (it.kind, it.budget.max)).collect();
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
fn a_containers_own_budget_is_one_more_budget_of_the_target() {
    let own = container().labelled("fettle.budget", "1 per 5m");
    let kinds: Vec<_> =
        scopes(&rule("r"), &settings(), &own.into()).into_iter().map(|it| (it.kind, it.budget.max)).collect();
    assert!(kinds.contains(&(ScopeKind::Target, 1)), "{kinds:?}");
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
    assert_eq!(refusal.detail, json!({"remediations": [id::<Uuid>(7)]}));
}

#[test]
fn a_loan_under_any_key_of_what_was_found_refuses() {
    let loan = |remediation| OpenLoan {
        id: id(8),
        remediation,
        target: "compose:local/shop/web".into(),
        detail: json!({"from": 3}),
        due_at: at(60),
    };
    let mut request = request(Vec::new(), 0, at(0));
    let others = Ledger { loans: vec![loan(id(7))], ..Ledger::default() };
    let refusal = admit(&request, &others).expect_err("lent");
    assert_eq!((refusal.guard, &refusal.detail["lent"]), (Guard::OnLoan, &json!({"from": 3})));
    let own = Ledger { loans: vec![loan(id(2))], ..Ledger::default() };
    assert!(admit(&request, &own).is_ok(), "a restart after its own scaling");
    request.heeds_loans = false;
    assert!(admit(&request, &others).is_ok(), "the return itself");
}

#[test]
fn under_the_lock_cooldown_comes_first_then_in_flight_and_the_budget_last() {
    let request = request(vec![scope(ScopeKind::Rule, per(1, 100))], 300, at(0));
    let mut ledger = Ledger {
        full_since: vec![Some(at(0))],
        last_effect: Some(at(0)),
        rivals: vec![id(7)],
        in_flight: 9,
        ..Ledger::default()
    };
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
