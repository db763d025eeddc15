//! Loans: opened with the intent, claimed by one, returned under the budgets' lock, and never lost.

use std::collections::HashSet;
use std::time::Duration;

use fettle_core::alert::episode::Word;
use fettle_core::ports::common::loan_end;
use fettle_core::ports::model::{
    Admission, Candidate, Changes, Claim, Commit, Judged, LoanFacts, LoanFactsAsk, ReceiveAsk, Standing, Stored,
};
use fettle_core::remediation::loan::{Loan, LoanEnd, LoanState};
use fettle_core::remediation::outcome::Outcome;
use fettle_core::remediation::record::Record;
use fettle_core::remediation::state::Remediation;
use fettle_core::surroundings::PauseScope;
use fettle_memory::store::Row;
use uuid::Uuid;

use super::fixture::{
    at, attached, closed, commit, ended, firing, held, intent, lend, loan, open_all, open_claimed, record, returning,
    running, write,
};
use super::ledger::{ask, no};
use super::{Db, on_all, on_both, retry};

on_all!(
    a_loan_is_opened_with_the_intent_and_reads_back,
    a_failed_commit_lends_nothing,
    a_void_loan_keeps_the_keys_it_was_opened_with_and_one_never_opened_is_none,
    claimers_at_once_never_get_the_same_loan,
    an_ended_lease_is_taken_over_and_the_loser_stores_nothing,
    released_and_adopted_loans_are_free_at_once,
    a_return_is_admitted_with_its_intent_or_refused_with_nothing,
    while_the_lender_is_at_work_its_loan_has_a_rival,
    a_return_and_an_effect_on_the_same_thing_are_not_both_admitted,
    the_alerts_of_a_loan_are_those_of_its_remediation_and_of_the_next,
);

// What a person at a shell may not do: there is no shell in memory.
on_both!(the_database_keeps_open_loans);

fn kept(loan: Loan, records: Vec<Record>) -> Commit<Loan> {
    Commit { effort: loan, records, keep_until: Some(at(9_000)) }
}

fn store<T>(commit: Commit<T>) -> Judged<T> {
    Judged::Store(Box::new(commit))
}

fn given_back(loan: Loan) -> Commit<Loan> {
    Commit { effort: loan, records: vec![], keep_until: None }
}

fn lent_until(loan: &Loan, second: i64) -> Loan {
    Loan { state: LoanState::Lent { until: at(second) }, ..loan.clone() }
}

async fn a_loan_is_opened_with_the_intent_and_reads_back(db: Db) {
    let it = held("web", at(0));
    let claim = open_claimed(&*db.store, db.owner, &it).await;
    let row = intent(&it, at(1));
    let lent = Loan { id: row.id.into(), ..loan(&it, at(50)) };
    let judge = |_: &[fettle_core::ports::model::Ledger]| {
        let begun = running(it.clone(), row.id, at(1));
        store(commit(&begun, vec![record(&row), Record::Loan(Box::new(lent.clone()))]))
    };
    let admitted = db.store.work().admit(&claim, &[&ask(&it, at(1), &[])], &mut &judge).await.unwrap();
    assert!(matches!(admitted, Admission::Admitted { .. }));
    assert_eq!(db.store.loans().claim(db.owner, at(49), at(99), 9).await.unwrap(), [], "not yet");
    let db = db.reopen().await;
    let claimed = db.store.loans().claim(db.owner, at(50), at(99), 9).await.unwrap();
    assert_eq!(claimed.iter().map(|c| &c.effort).collect::<Vec<_>>(), [&lent]);

    // Each state reads back.
    let mut claim = claimed[0].claim.clone();
    for next in [returning(&lent, at(60)), lent_until(&lent, 70)] {
        db.store.loans().commit(&claim, &given_back(next.clone())).await.unwrap().expect("claimed");
        let again = db.store.loans().claim(db.owner, at(80), at(99), 9).await.unwrap();
        assert_eq!(again[0].effort, next);
        claim = again[0].claim.clone();
    }
    db.store
        .loans()
        .commit(&claim, &given_back(ended(lent, LoanEnd::Returned, at(81))))
        .await
        .unwrap()
        .expect("claimed");
    assert_eq!(db.store.loans().claim(db.owner, at(9_999), at(10_000), 9).await.unwrap(), []);
    assert_eq!(stored(&db).await, ["returned in a test"]);
}

/// How each loan stands, and why it is over.
async fn stored(db: &Db) -> Vec<String> {
    let told = db.told("SELECT state || ' ' || coalesce(reason, '-') FROM fettle_loans", |rows| {
        let said = |row: &Row<Loan>| {
            let reason = loan_end(&row.doc).map_or("-", |(_, reason)| reason);
            format!("{} {reason}", row.doc.word())
        };
        rows.loans().map(said).collect()
    });
    told.await
}

async fn a_failed_commit_lends_nothing(db: Db) {
    let it = held("web", at(0));
    let claim = open_claimed(&*db.store, db.owner, &it).await;
    let row = intent(&it, at(1));
    let lent = Record::Loan(Box::new(loan(&it, at(50))));
    // The result of an action that nobody intended.
    let nonsense = Record::Result(super::fixture::succeeded(Uuid::now_v7().into(), at(1), at(2)));
    let begun = commit(&running(it.clone(), row.id, at(1)), vec![record(&row), nonsense, lent.clone()]);
    db.store.work().commit(&claim, &begun).await.expect_err("refused");
    assert_eq!(db.count("loans").await, 0);
    let stale = Claim { version: claim.version - 1, ..claim };
    assert_eq!(db.store.work().commit(&stale, &commit(&it, vec![lent])).await.unwrap(), None);
    assert_eq!(db.count("loans").await, 0);
}

async fn a_void_loan_keeps_the_keys_it_was_opened_with_and_one_never_opened_is_none(db: Db) {
    let it = held("web", at(0));
    open_all(&*db.store, std::slice::from_ref(&it)).await;
    let opened = Loan { keys: vec!["key:web".into(), "key:a".into(), "key:b".into()], ..loan(&it, at(5)) };
    let void = |of: &Loan| {
        let fewer = Loan { keys: vec!["key:web".into()], after: Duration::ZERO, ..of.clone() };
        Record::Loan(Box::new(ended(fewer, LoanEnd::Void, at(6))))
    };
    db.store.record(&[Record::Loan(Box::new(opened.clone()))]).await.unwrap();
    let held_by_another =
        db.store.loans().claim(Uuid::now_v7().into(), at(5), at(99), 9).await.unwrap().remove(0).claim;
    db.store.record(&[void(&opened)]).await.unwrap();
    let (sqlite, postgres) =
        ("SELECT doc ->> '$.keys' FROM loans", "SELECT replace(doc ->> 'keys', ' ', '') FROM loans");
    let keys = db.told(if db.is_sqlite() { sqlite } else { postgres }, |rows| {
        rows.loans().map(|row| serde_json::json!(row.doc.keys).to_string()).collect()
    });
    assert_eq!(keys.await, [r#"["key:web","key:a","key:b"]"#]);
    assert_eq!(stored(&db).await, ["void in a test"]);
    let late = db.store.loans().commit(&held_by_another, &given_back(lent_until(&opened, 99))).await.unwrap();
    assert_eq!(late, None, "nothing was lent");

    // A late word about what is over changes nothing, and what was never opened is not closed.
    db.store.record(&[Record::Loan(Box::new(opened.clone())), void(&loan(&it, at(5)))]).await.unwrap();
    assert_eq!(stored(&db).await, ["void in a test"]);
}

async fn claimers_at_once_never_get_the_same_loan(db: Db) {
    let lenders: Vec<Remediation> = (0..40).map(|n| held(&format!("s{n}"), at(0))).collect();
    open_all(&*db.store, &lenders).await;
    let records: Vec<_> = lenders.iter().map(|it| Record::Loan(Box::new(loan(it, at(5))))).collect();
    db.store.record(&records).await.unwrap();
    let claimers: Vec<_> = (0..6)
        .map(|_| {
            let store = db.store.clone();
            tokio::spawn(async move {
                let owner = Uuid::now_v7();
                let mut mine = Vec::new();
                for _ in 0..20 {
                    let claimed = store.loans().claim(owner.into(), at(5), at(99), 5).await.unwrap();
                    mine.extend(claimed.into_iter().map(|c| c.claim.id));
                }
                mine
            })
        })
        .collect();
    let mut ids = Vec::new();
    for claimer in claimers {
        ids.extend(claimer.await.unwrap());
    }
    assert_eq!(ids.len(), 40);
    assert_eq!(ids.into_iter().collect::<HashSet<_>>().len(), 40);
}

async fn an_ended_lease_is_taken_over_and_the_loser_stores_nothing(db: Db) {
    let it = held("web", at(0));
    open_all(&*db.store, std::slice::from_ref(&it)).await;
    let lent = loan(&it, at(5));
    db.store.record(&[Record::Loan(Box::new(lent.clone()))]).await.unwrap();
    let (one, other) = (Uuid::now_v7(), Uuid::now_v7());
    let first = db.store.loans().claim(one.into(), at(5), at(30), 1).await.unwrap().remove(0).claim;
    assert_eq!(
        db.store.loans().claim(other.into(), at(30), at(60), 1).await.unwrap(),
        [],
        "it holds to its last instant"
    );
    let second = db.store.loans().claim(other.into(), at(31), at(60), 1).await.unwrap().remove(0).claim;
    let row = intent(&it, at(31));
    let late = kept(returning(&lent, at(31)), vec![record(&row)]);
    assert_eq!(db.store.loans().commit(&first, &late).await.unwrap(), None);
    assert_eq!(db.count("actions").await, 0);
    let next = db.store.loans().commit(&second, &late).await.unwrap().expect("claimed");
    assert_eq!(next.claim, Claim { version: second.version + 1, ..second.clone() });
    assert_eq!(db.store.loans().commit(&second, &late).await.unwrap(), None, "used");
}

async fn released_and_adopted_loans_are_free_at_once(db: Db) {
    let it = held("web", at(0));
    open_all(&*db.store, std::slice::from_ref(&it)).await;
    db.store.record(&[Record::Loan(Box::new(loan(&it, at(5))))]).await.unwrap();
    let (dead, next) = (Uuid::now_v7(), Uuid::now_v7());
    let claimed = async |owner| db.store.loans().claim(owner, at(5), at(9_000), 9).await.unwrap().len();
    assert_eq!(claimed(dead.into()).await, 1);
    assert_eq!(claimed(next.into()).await, 0);
    assert_eq!(db.store.adopt(db.owner).await.unwrap(), 1, "nobody lives who holds it");
    assert_eq!(claimed(next.into()).await, 1);
    assert_eq!(db.store.release(next.into()).await.unwrap(), 1);
    assert_eq!(claimed(db.owner).await, 1);
    assert_eq!(db.store.adopt(db.owner).await.unwrap(), 0, "ours");
}

async fn a_return_is_admitted_with_its_intent_or_refused_with_nothing(db: Db) {
    let lender = held("web", at(0));
    let lent = loan(&lender, at(5));
    let claim = lend(&db, &lender, &lent, Outcome::Fixed).await;
    let asked = ask(&lender, at(10), &[]);
    let refused = db.store.loans().admit(&claim, &[&asked], &mut |_| Judged::Refuse(no())).await.unwrap();
    assert_eq!(refused, Admission::Refused(no()));

    let row = intent(&lender, at(10));
    let returning = returning(&lent, at(10));
    let judge = |_: &[fettle_core::ports::model::Ledger]| store(kept(returning.clone(), vec![record(&row)]));
    let stale = Claim { version: claim.version - 1, ..claim.clone() };
    assert_eq!(db.store.loans().admit(&stale, &[&asked], &mut &judge).await.unwrap(), Admission::Lost);
    assert_eq!(db.count("actions").await, 0);
    let admitted = db.store.loans().admit(&claim, &[&asked], &mut &judge).await.unwrap();
    let next = Stored { claim: Claim { version: claim.version + 1, ..claim }, waiting: vec![] };
    let commit = Box::new(kept(returning, vec![record(&row)]));
    assert_eq!(admitted, Admission::Admitted { stored: next, commit }, "what was stored comes back");
    assert_eq!((db.count("actions").await, stored(&db).await), (1, vec!["returning -".to_owned()]));
}

async fn while_the_lender_is_at_work_its_loan_has_a_rival(db: Db) {
    let it = held("web", at(0));
    let claim = open_claimed(&*db.store, db.owner, &it).await;
    let row = intent(&it, at(1));
    let lent = loan(&it, at(5));
    let begun = commit(&running(it.clone(), row.id, at(1)), vec![record(&row), Record::Loan(Box::new(lent))]);
    db.store.work().commit(&claim, &begun).await.unwrap().expect("claimed");
    let claim = db.store.loans().claim(db.owner, at(5), at(99), 1).await.unwrap().remove(0).claim;
    let mut rivals = Vec::new();
    let mut judge = |ledgers: &[fettle_core::ports::model::Ledger]| {
        rivals.clone_from(&ledgers[0].rivals);
        Judged::Refuse(no())
    };
    db.store.loans().admit(&claim, &[&ask(&it, at(6), &[])], &mut judge).await.unwrap();
    assert_eq!(rivals, [it.id.into()]);
}

async fn a_return_and_an_effect_on_the_same_thing_are_not_both_admitted(db: Db) {
    for round in 0..10 {
        let name = format!("s{round}");
        let lender = held(&name, at(0));
        let lent = loan(&lender, at(5));
        let back = lend(&db, &lender, &lent, Outcome::Fixed).await;
        let next = Remediation { target: lender.target.clone(), ..held(&format!("next-{name}"), at(0)) };
        let claim = open_claimed(&*db.store, db.owner, &next).await;
        let row = intent(&next, at(10));
        let free = |ledgers: &[fettle_core::ports::model::Ledger]| ledgers[0].rivals.is_empty();
        let act = |ledgers: &[fettle_core::ports::model::Ledger]| {
            let intended = commit(&running(next.clone(), row.id, at(10)), vec![record(&row)]);
            if free(ledgers) { store(intended) } else { Judged::Refuse(no()) }
        };
        let give = |ledgers: &[fettle_core::ports::model::Ledger]| {
            if free(ledgers) { store(kept(returning(&lent, at(10)), vec![])) } else { Judged::Refuse(no()) }
        };
        let (effect, returned) = (ask(&next, at(10), &[]), ask(&lender, at(10), &[]));
        let asks = [&effect];
        let (effect_answer, return_answer) = tokio::join!(
            retry(|| async { db.store.work().admit(&claim, &asks, &mut &act).await }),
            retry(|| async { db.store.loans().admit(&back, &[&returned], &mut &give).await })
        );
        let both = (
            matches!(effect_answer.unwrap(), Admission::Admitted { .. }),
            return_answer.unwrap() == Admission::Refused(no()),
        );
        assert_eq!(both.0, both.1, "round {round}: exactly one");
    }
}

async fn the_alerts_of_a_loan_are_those_of_its_remediation_and_of_the_next(db: Db) {
    let lender = held("web", at(0));
    let lent = loan(&lender, at(5));
    lend(&db, &lender, &lent, Outcome::Fixed).await;
    let given = super::pauses::pause(PauseScope::All, 1, None);
    db.store.pause(&given).await.unwrap();
    open_all(&*db.store, &[held("api", at(0))]).await;
    let LoanFacts { alerts, pauses } = db.store.loans().facts(&LoanFactsAsk::about(&lent, at(6))).await.unwrap();
    assert_eq!(
        (alerts, pauses.len()),
        (vec![firing("web", at(0))], 1),
        "attached to nothing any more, and still its own"
    );

    // It came back: the next remediation has taken the alert over, and was closed as well.
    let mut again = firing("web", at(0));
    again.hear(Word::Resolved { starts_at: at(0), ends_at: at(7) }, at(7), None);
    again.hear(Word::Firing { starts_at: at(8) }, at(8), None);
    let next = closed(held("web", at(0)), Outcome::Escalated, at(9));
    let spent = Candidate { standing: Standing::Spent, episode: 2, ..attached(&next) };
    let mut ask = ReceiveAsk::new(db.owner, at(9));
    ask.fingerprints = [again.fingerprint].into();
    let changes =
        Changes { alerts: vec![again.clone()], candidates: vec![spent], opened: vec![next], ..Changes::default() };
    write(&*db.store, &ask, changes).await.unwrap();
    assert_eq!(
        db.store.loans().facts(&LoanFactsAsk::about(&lent, at(9))).await.unwrap().alerts,
        [again],
        "it has not stayed away"
    );
}

async fn the_database_keeps_open_loans(db: Db) {
    let it = held("web", at(0));
    open_all(&*db.store, std::slice::from_ref(&it)).await;
    db.store.record(&[Record::Loan(Box::new(loan(&it, at(5))))]).await.unwrap();
    for sql in [
        "DELETE FROM loans",
        "UPDATE loans SET due_at = NULL",
        "UPDATE loans SET state = 'returned'",
        "UPDATE loans SET state = 'forgotten'",
    ] {
        db.sql(sql).await.expect_err(sql);
    }
}
