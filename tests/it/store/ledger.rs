//! The ledger: exact at the edges of a window, and strict however many ask at once.

use std::time::Duration;

use fettle_core::ports::StoreError;
use fettle_core::ports::model::{
    Admission, Changes, Claim, Commit, Judged, Ledger, LedgerAsk, ReceiveAsk, Scope, ScopeKind, Stored,
};
use fettle_core::remediation::loan::{Loan, LoanEnd};
use fettle_core::remediation::outcome::{ActionResult, Outcome};
use fettle_core::remediation::record::{ActionRow, BreakerRow, Record};
use fettle_core::remediation::refusal::{Guard, Refusal};
use fettle_core::remediation::state::Remediation;
use fettle_core::rule::model::{Budget, Mode};
use fettle_core::time::{Timestamp, after, before};
use uuid::Uuid;

use super::fixture::{
    at, closed, commit, ended, held, intent, lend, loan, open_all, open_claimed, record, returning, running, succeeded,
    target, write,
};
use super::{Db, on_all, retry};

on_all!(
    admissions_at_once_never_exceed_a_budget_in_any_window,
    a_window_is_closed_at_its_beginning_and_open_towards_the_future,
    each_scope_counts_its_own_and_a_row_once,
    observing_has_a_ledger_of_its_own,
    what_was_given_back_is_not_spent,
    the_last_effect_is_of_another_remediation,
    rivals_share_the_key_and_only_running_ones_are_in_flight,
    a_dependent_that_is_acted_on_is_taken_by_whoever_acts,
    a_loan_that_is_being_returned_is_a_rival_and_in_flight,
    several_asks_at_once_never_exceed_a_budget_together,
    the_ledger_knows_the_rules_breaker_as_the_facts_do,
    a_refusal_stores_nothing,
    an_abandoned_admission_stores_nothing,
    a_lost_claim_admits_nothing,
    what_is_spent_is_listed_newest_first,
);

const HOUR: Duration = Duration::from_hours(1);
const MICRO: Duration = Duration::from_micros(1);

pub fn scope(kind: ScopeKind, max: u32) -> Scope {
    Scope { kind, budget: Budget { max, per: HOUR } }
}

pub fn ask(remediation: &Remediation, now: Timestamp, scopes: &[Scope]) -> LedgerAsk {
    LedgerAsk {
        remediation: remediation.id,
        rule: remediation.rule.clone(),
        target: remediation.target.to_string(),
        key: format!("key:{}", remediation.target.name().unwrap_or_default()),
        keys: vec![format!("key:{}", remediation.target.name().unwrap_or_default())],
        mode: Mode::Act,
        now,
        unproven_since: now,
        scopes: scopes.to_vec(),
    }
}

pub fn no() -> Refusal {
    Refusal { guard: Guard::Budget, until: None, why: "no".into(), detail: serde_json::Value::Null }
}

/// What the ledger says, under the lock and without it: the same.
pub async fn read(db: &Db, ask: &LedgerAsk) -> Ledger {
    let mut locked = Vec::new();
    let mut judge = |ledgers: &[Ledger]| {
        locked = ledgers.to_vec();
        Judged::Refuse(no())
    };
    let nobody = Claim { id: ask.remediation.into(), owner: Uuid::now_v7().into(), version: 1, wakes: 0 };
    let answer = db.store.work().admit(&nobody, &[ask], &mut judge).await.unwrap();
    assert_eq!(answer, Admission::Refused(no()));
    assert_eq!(db.store.peek(&[ask]).await.unwrap(), locked);
    let [ledger] = &locked[..] else { panic!("one ledger for one ask: {locked:?}") };
    ledger.clone()
}

/// Audit rows of closed remediations.
pub async fn past(db: &Db, rows: Vec<ActionRow>) {
    let opened = rows
        .iter()
        .map(|row| Remediation { id: row.remediation_id, ..closed(held("past", at(0)), Outcome::Fixed, at(0)) });
    let changes =
        Changes { opened: opened.collect(), records: rows.iter().map(record).collect(), ..Changes::default() };
    write(&*db.store, &ReceiveAsk::new(db.owner, at(0)), changes).await.unwrap();
}

/// An effect on `service` by a remediation of its own.
pub fn effect(service: &str, planned_at: Timestamp) -> ActionRow {
    ActionRow { remediation_id: Uuid::now_v7().into(), ..intent(&held(service, at(0)), planned_at) }
}

async fn admissions_at_once_never_exceed_a_budget_in_any_window(db: Db) {
    const EACH: i64 = 4;
    const MAX: usize = 3;
    let all: Vec<Remediation> = (0..16).map(|n| held(&format!("s{n}"), at(0))).collect();
    open_all(&*db.store, &all).await;
    let claimed = db.store.work().claim(db.owner, at(0), at(1_000_000), 16).await.unwrap();
    let tasks: Vec<_> = claimed
        .into_iter()
        .enumerate()
        .map(|(n, claimed)| {
            let store = db.store.clone();
            tokio::spawn(async move {
                let mut claim = claimed.claim;
                for round in 0..EACH {
                    // Each asks at its own time, so some ask about windows that begin before another's effect.
                    let now = at(round * 1300 + (i64::try_from(n).unwrap() * 37) % 1300);
                    let ask = ask(&claimed.effort, now, &[scope(ScopeKind::Rule, 3), scope(ScopeKind::Fleet, 3)]);
                    let judge = |ledgers: &[Ledger]| {
                        if ledgers[0].full_since.iter().any(Option::is_some) {
                            return Judged::Refuse(no());
                        }
                        let row = intent(&claimed.effort, now);
                        let mut next = commit(&running(claimed.effort.clone(), row.id, now), vec![record(&row)]);
                        next.keep_until = Some(at(1_000_000));
                        Judged::Store(Box::new(next))
                    };
                    let asks = [&ask];
                    match retry(|| async { store.work().admit(&claim, &asks, &mut &judge).await }).await.unwrap() {
                        Admission::Admitted { stored, .. } => claim = stored.claim,
                        Admission::Refused(_) => {}
                        Admission::Lost | Admission::Abandoned => panic!("nobody else claims"),
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let mut spent: Vec<Timestamp> = db.store.spent(at(-9999)).await.unwrap().iter().map(|s| s.planned_at).collect();
    spent.sort();
    assert!(spent.len() >= MAX, "{spent:?}");
    for window in spent.windows(MAX + 1) {
        assert!(window[MAX] > after(window[0], HOUR), "{window:?}");
    }
}

/// Everything that counts in a scope, newest first: what is full with a budget of 1, of 2, and so on.
async fn counted(db: &Db, ask: &LedgerAsk, kind: ScopeKind) -> Vec<Timestamp> {
    let mut times = Vec::new();
    for max in 1.. {
        let ledger = read(db, &LedgerAsk { scopes: vec![scope(kind, max)], ..ask.clone() }).await;
        match ledger.full_since[0] {
            Some(since) => times.push(since),
            None => break,
        }
    }
    times
}

async fn a_window_is_closed_at_its_beginning_and_open_towards_the_future(db: Db) {
    let now = at(10_000);
    let edge = before(now, HOUR);
    let times = [before(edge, MICRO), edge, at(9_000), after(now, MICRO), after(now, HOUR)];
    past(&db, times.map(|time| effect("web", time)).into()).await;
    let me = held("web", at(0));
    for kind in [ScopeKind::RuleTarget, ScopeKind::Rule, ScopeKind::Target, ScopeKind::Fleet] {
        let counted = counted(&db, &ask(&me, now, &[]), kind).await;
        assert_eq!(counted, [times[4], times[3], times[2], times[1]], "{kind:?}: newest first");
    }
}

async fn each_scope_counts_its_own_and_a_row_once(db: Db) {
    let now = at(100);
    let mut rows = vec![
        effect("web", at(1)),
        // Another spelling of the same container.
        ActionRow { target: "compose:local/shop/web".into(), ..effect("web", at(2)) },
        // The same name, made anew.
        ActionRow { key: Some("key:web-made-anew".into()), ..effect("web", at(3)) },
        ActionRow { rule: "disk".into(), ..effect("web", at(4)) },
        effect("api", at(5)),
        ActionRow { rule: "disk".into(), ..effect("api", at(6)) },
        // Never seen, so without a key.
        ActionRow { key: None, ..effect("web", at(7)) },
    ];
    rows.push(ActionRow { result: Some(ActionResult::Refused), spends: false, ..effect("web", at(8)) });
    past(&db, rows).await;
    let ask = ask(&held("web", at(0)), now, &[]);
    for (kind, expected) in [
        (ScopeKind::RuleTarget, &[7, 3, 2, 1][..]),
        (ScopeKind::Rule, &[7, 5, 3, 2, 1]),
        (ScopeKind::Target, &[7, 4, 3, 2, 1]),
        (ScopeKind::Fleet, &[7, 6, 5, 4, 3, 2, 1]),
    ] {
        let counted = counted(&db, &ask, kind).await;
        let seconds: Vec<_> = counted.iter().map(|time| time.as_second() - at(0).as_second()).collect();
        assert_eq!(seconds, expected, "{kind:?}");
    }
    // All scopes in one question give the same answers.
    let scopes = [(ScopeKind::RuleTarget, 4), (ScopeKind::Rule, 6), (ScopeKind::Target, 5), (ScopeKind::Fleet, 7)];
    let all = LedgerAsk { scopes: scopes.map(|(kind, max)| scope(kind, max)).into(), ..ask };
    let ledger = read(&db, &all).await;
    assert_eq!(ledger.full_since, [Some(at(1)), None, Some(at(1)), Some(at(1))]);
    assert_eq!(ledger.used, [4, 5, 5, 7], "counted up to the budget");
    let all = LedgerAsk { scopes: scopes.map(|(kind, _)| scope(kind, 2)).into(), ..all };
    assert_eq!(read(&db, &all).await.used, [2, 2, 2, 2]);
}

async fn observing_has_a_ledger_of_its_own(db: Db) {
    let observed = |second| ActionRow {
        mode: Mode::Observe,
        result: Some(ActionResult::Observed),
        finished_at: Some(at(second)),
        ..effect("web", at(second))
    };
    past(&db, vec![effect("web", at(1)), observed(2), observed(3)]).await;
    let acting = ask(&held("web", at(0)), at(100), &[]);
    let observing = LedgerAsk { mode: Mode::Observe, ..acting.clone() };
    for (ask, expected) in [(acting, &[at(1)][..]), (observing, &[at(3), at(2)])] {
        for kind in [ScopeKind::Fleet, ScopeKind::RuleTarget] {
            assert_eq!(counted(&db, &ask, kind).await, expected, "{kind:?}");
        }
        assert_eq!(read(&db, &ask).await.last_effect, Some(expected[0]));
    }
    assert_eq!(db.store.spent(at(0)).await.unwrap().len(), 1);
}

async fn what_was_given_back_is_not_spent(db: Db) {
    let it = held("web", at(0));
    let claim = open_claimed(&*db.store, db.owner, &it).await;
    let row = intent(&it, at(1));
    let mut first = commit(&running(it.clone(), row.id, at(1)), vec![record(&row)]);
    first.keep_until = Some(at(99));
    let claim = db.store.work().commit(&claim, &first).await.unwrap().expect("claimed").claim;

    let other = held("web", at(0));
    let ask = ask(&other, at(2), &[]);
    assert_eq!(counted(&db, &ask, ScopeKind::Target).await, [at(1)]);
    assert_eq!(read(&db, &ask).await.last_effect, Some(at(1)));
    let mut never_sent = succeeded(row.id, at(1), at(2));
    (never_sent.result, never_sent.spends) = (ActionResult::Failed, false);
    db.store.work().commit(&claim, &commit(&it, vec![Record::Result(never_sent)])).await.unwrap().expect("claimed");
    assert!(counted(&db, &ask, ScopeKind::Target).await.is_empty());
    assert_eq!(read(&db, &ask).await.last_effect, None);
}

async fn the_last_effect_is_of_another_remediation(db: Db) {
    let me = held("web", at(0));
    let finished = |row: ActionRow, second| ActionRow {
        result: Some(ActionResult::Succeeded),
        finished_at: Some(at(second)),
        ..row
    };
    past(
        &db,
        vec![
            finished(effect("web", at(1)), 30),
            finished(ActionRow { target: "compose:local/shop/web".into(), ..effect("web", at(2)) }, 40),
            finished(effect("api", at(3)), 90),
            ActionRow { remediation_id: me.id, ..effect("web", at(95)) },
        ],
    )
    .await;
    assert_eq!(read(&db, &ask(&me, at(100), &[])).await.last_effect, Some(at(40)));
    // Begun and not yet over.
    past(&db, vec![effect("web", at(50))]).await;
    assert_eq!(read(&db, &ask(&me, at(100), &[])).await.last_effect, Some(at(50)));
    let nobody = held("nobody", at(0));
    assert_eq!(read(&db, &ask(&nobody, at(100), &[])).await.last_effect, None);
}

async fn rivals_share_the_key_and_only_running_ones_are_in_flight(db: Db) {
    let spelled = Remediation { target: "compose:local/shop/web".parse().unwrap(), ..held("spelled", at(0)) };
    let all = [held("web", at(0)), spelled, held("api", at(0)), held("idle", at(500))];
    open_all(&*db.store, &all).await;
    for claimed in db.store.work().claim(db.owner, at(0), at(99), 9).await.unwrap() {
        let row = intent(&claimed.effort, at(1));
        let busy = running(claimed.effort, row.id, at(1));
        db.store.work().commit(&claimed.claim, &commit(&busy, vec![record(&row)])).await.unwrap().expect("claimed");
    }
    let ledger = read(&db, &ask(&all[0], at(2), &[])).await;
    assert_eq!((ledger.rivals, ledger.in_flight), (vec![all[1].id.into()], 2));
    let ledger = read(&db, &ask(&all[3], at(2), &[])).await;
    assert_eq!((ledger.rivals, ledger.in_flight), (vec![], 3));
    // By any of its keys: the service it belongs to, the containers it consists of.
    let keys = vec!["key:other".into(), "key:api".into(), "key:web".into()];
    let ledger = read(&db, &LedgerAsk { keys, ..ask(&all[3], at(2), &[]) }).await;
    let mut at_work = [all[0].id.into(), all[1].id.into(), all[2].id.into()];
    at_work.sort_unstable();
    assert_eq!(ledger.rivals, at_work);
}

async fn a_dependent_that_is_acted_on_is_taken_by_whoever_acts(db: Db) {
    let (main, side) = (held("web", at(0)), held("side", at(0)));
    open_all(&*db.store, &[main.clone(), side.clone()]).await;
    let claimed = db.store.work().claim(db.owner, at(0), at(99), 9).await.unwrap();
    let claimed = claimed.into_iter().find(|it| it.effort.id == main.id).expect("due");
    let (row, dependent) = (intent(&main, at(1)), ActionRow { remediation_id: main.id, ..intent(&side, at(1)) });
    let busy = running(claimed.effort, row.id, at(1));
    let rows = vec![record(&row), record(&dependent)];
    db.store.work().commit(&claimed.claim, &commit(&busy, rows)).await.unwrap().expect("claimed");
    assert_eq!(read(&db, &ask(&side, at(2), &[])).await.rivals, vec![main.id.into()]);
    assert!(read(&db, &ask(&main, at(2), &[])).await.rivals.is_empty());
}

async fn a_loan_that_is_being_returned_is_a_rival_and_in_flight(db: Db) {
    let (lender, me) = (held("web", at(0)), held("web-1", at(0)));
    let lent = Loan { keys: vec!["key:web".into(), "key:web-1".into()], ..loan(&lender, at(5)) };
    let claim = lend(&db, &lender, &lent, Outcome::Fixed).await;
    let asked = ask(&me, at(6), &[]);
    let ledger = read(&db, &asked).await;
    assert!(ledger.rivals.is_empty(), "lent, and nobody is at work");
    let found: Vec<_> = ledger.loans.iter().map(|it| (it.id, it.remediation, it.due_at)).collect();
    assert_eq!(found, vec![(lent.id, lender.id, at(5))], "by the key of the container, not the name");

    let back = returning(&lent, at(6));
    let commit = Commit { effort: back.clone(), records: vec![], keep_until: Some(at(99)) };
    let claim = db.store.loans().commit(&claim, &commit).await.unwrap().expect("claimed").claim;
    let ledger = read(&db, &asked).await;
    assert_eq!((ledger.rivals, ledger.in_flight, ledger.loans.len()), (vec![lent.id.into()], 1, 1));
    let elsewhere = read(&db, &LedgerAsk { keys: vec!["key:api".into()], ..asked.clone() }).await;
    assert_eq!((elsewhere.rivals, elsewhere.in_flight, elsewhere.loans), (vec![], 1, vec![]));

    let over = Commit { effort: ended(back, LoanEnd::Returned, at(7)), records: vec![], keep_until: None };
    db.store.loans().commit(&claim, &over).await.unwrap().expect("claimed");
    let ledger = read(&db, &asked).await;
    assert_eq!((ledger.rivals, ledger.in_flight, ledger.loans), (vec![], 0, vec![]));
}

/// Two effects of one step, asked for by many at once: what has room for one has not always room for both.
async fn several_asks_at_once_never_exceed_a_budget_together(db: Db) {
    let all: Vec<Remediation> = (0..8).map(|n| held(&format!("s{n}"), at(0))).collect();
    open_all(&*db.store, &all).await;
    let tasks: Vec<_> = (db.store.work().claim(db.owner, at(0), at(1_000_000), 8).await.unwrap().into_iter())
        .map(|claimed| {
            let store = db.store.clone();
            tokio::spawn(async move {
                let dependent = held("dependent", at(0));
                let main = ask(&claimed.effort, at(1), &[scope(ScopeKind::Fleet, 5)]);
                let also = LedgerAsk { target: target("dependent"), key: "key:dependent".into(), ..main.clone() };
                let judge = |ledgers: &[Ledger]| {
                    assert_eq!(ledgers.len(), 2);
                    if ledgers[0].used[0] + 2 > 5 {
                        return Judged::Refuse(no());
                    }
                    let row = intent(&claimed.effort, at(1));
                    let second = ActionRow { remediation_id: claimed.effort.id, ..intent(&dependent, at(1)) };
                    let begun = running(claimed.effort.clone(), row.id, at(1));
                    Judged::Store(Box::new(commit(&begun, vec![record(&row), record(&second)])))
                };
                let asks = [&main, &also];
                let answer =
                    retry(|| async { store.work().admit(&claimed.claim, &asks, &mut &judge).await }).await.unwrap();
                matches!(answer, Admission::Admitted { .. })
            })
        })
        .collect();
    let mut admitted = 0;
    for task in tasks {
        admitted += usize::from(task.await.unwrap());
    }
    assert_eq!((admitted, db.count("actions").await), (2, 4), "a third pair would make six of five");
}

async fn the_ledger_knows_the_rules_breaker_as_the_facts_do(db: Db) {
    let me = held("web", at(0));
    open_all(&*db.store, std::slice::from_ref(&me)).await;
    super::breakers::judged(&db, &[("web", at(10)), ("web", at(20)), ("web", at(30))]).await;
    let asked = LedgerAsk { unproven_since: at(20), ..ask(&me, at(40), &[]) };
    assert_eq!(read(&db, &asked).await.breaker.unproven, [at(30), at(20)]);
    let probe = Uuid::now_v7();
    let opened =
        BreakerRow { rule: "web".into(), at: at(31), opened_at: Some(at(30)), probe: Some(probe.into()), by: None };
    db.store.record(&[Record::Breaker(opened)]).await.unwrap();
    let breaker = read(&db, &asked).await.breaker;
    assert_eq!((breaker.opened_at, breaker.probe), (Some(at(30)), Some(probe.into())));
    assert_eq!(super::facts::of(&db, &me, at(20)).await.surroundings.breaker, breaker);
}

async fn a_refusal_stores_nothing(db: Db) {
    let it = held("web", at(0));
    let claim = open_claimed(&*db.store, db.owner, &it).await;
    let answer = db.store.work().admit(&claim, &[&ask(&it, at(1), &[])], &mut |_| Judged::Refuse(no())).await.unwrap();
    assert_eq!(answer, Admission::Refused(no()));
    assert!(db.store.work().commit(&claim, &commit(&it, vec![])).await.unwrap().is_some(), "the claim is untouched");
}

async fn an_abandoned_admission_stores_nothing(db: Db) {
    let it = held("web", at(0));
    let claim = open_claimed(&*db.store, db.owner, &it).await;
    let answer = db.store.work().admit(&claim, &[&ask(&it, at(1), &[])], &mut |_| Judged::Abandon).await.unwrap();
    assert_eq!(answer, Admission::Abandoned);
    assert!(db.store.work().commit(&claim, &commit(&it, vec![])).await.unwrap().is_some(), "the claim is untouched");
}

async fn a_lost_claim_admits_nothing(db: Db) {
    let it = held("web", at(0));
    let claim = open_claimed(&*db.store, db.owner, &it).await;
    let row = intent(&it, at(1));
    let begun = commit(&running(it.clone(), row.id, at(1)), vec![record(&row)]);
    let judge = |_: &[Ledger]| Judged::Store(Box::new(begun.clone()));
    let stale = Claim { version: claim.version - 1, ..claim.clone() };
    assert_eq!(db.store.work().admit(&stale, &[&ask(&it, at(1), &[])], &mut &judge).await.unwrap(), Admission::Lost);
    assert_eq!(db.count("actions").await, 0);

    let admitted = db.store.work().admit(&claim, &[&ask(&it, at(1), &[])], &mut &judge).await.unwrap();
    let next = Claim { version: claim.version + 1, ..claim };
    let stored = Stored { claim: next, waiting: vec![] };
    assert_eq!(admitted, Admission::Admitted { stored, commit: Box::new(begun.clone()) }, "what was stored comes back");
    assert_eq!(db.count("actions").await, 1);
    // The same intent cannot be stored twice, whoever tries.
    let changes = Changes { records: vec![record(&row)], ..Changes::default() };
    let again = write(&*db.store, &ReceiveAsk::new(db.owner, at(1)), changes).await;
    assert!(matches!(again, Err(StoreError::Conflict { .. } | StoreError::Refused { .. })));
}

async fn what_is_spent_is_listed_newest_first(db: Db) {
    past(&db, vec![effect("web", at(1)), effect("api", at(3)), effect("web", at(2))]).await;
    let spent = db.store.spent(at(2)).await.unwrap();
    let listed: Vec<_> = spent.iter().map(|s| (&*s.rule, s.target.clone(), s.planned_at)).collect();
    assert_eq!(listed, [("web", target("api"), at(3)), ("web", target("web"), at(2))]);
}
