//! Answers of people: to exactly what was proposed, once, in time; and seen by whoever decides next.

use fettle_core::ports::model::{Answered, Claim};
use fettle_core::remediation::outcome::Outcome;
use fettle_core::remediation::state::{Awaiting, Remediation, State};
use fettle_core::surroundings::{Answer, AnswerKind};
use uuid::Uuid;

use super::fixture::{at, awaiting, closed, commit, held, intent, open_all, open_claimed, record, running};
use super::{Db, facts, on_all, on_both, retry};

on_all!(
    an_answer_counts_for_the_proposal_it_names_in_time_and_once,
    the_same_plan_proposed_anew_may_be_answered_anew,
    what_does_not_wait_for_a_person_may_only_be_cancelled,
    nothing_is_approved_after_a_cancel,
    an_answer_wakes_the_remediation,
    an_answer_and_the_expiry_cannot_both_be_stored,
    a_cancel_takes_no_effect_out_of_anybodys_hands,
    of_many_answers_at_once_one_is_taken,
);

// What a person at a shell may not do: there is no shell in memory.
on_both!(the_database_refuses_every_change_of_an_answer);

fn answer(kind: AnswerKind, plan: Option<&str>, second: i64) -> Answer {
    Answer { id: Uuid::now_v7().into(), kind, plan: plan.map(Into::into), by: "oncall".into(), at: at(second) }
}

/// A remediation that waits for a person until 100, claimed by nobody.
async fn asked(db: &Db, service: &str) -> Remediation {
    let it = awaiting(held(service, at(1)), "plan-a", at(100));
    open_all(&*db.store, std::slice::from_ref(&it)).await;
    it
}

async fn an_answer_counts_for_the_proposal_it_names_in_time_and_once(db: Db) {
    use AnswerKind::{Approve, Reject};
    let it = asked(&db, "web").await;
    for (kind, plan, second, expected) in [
        (Approve, Some("plan-b"), 5, Answered::Changed),
        (Approve, None, 5, Answered::Changed),
        (Reject, Some("plan-a"), 101, Answered::TooLate),
        (Approve, Some("plan-a"), 100, Answered::Taken),
        (Approve, Some("plan-a"), 100, Answered::Used),
        (Reject, Some("plan-a"), 101, Answered::Used),
    ] {
        let given = answer(kind, plan, second);
        assert_eq!(db.store.answer(it.id, &given).await.unwrap(), expected, "{kind} {plan:?} at {second}");
    }
    let unknown = db.store.answer(Uuid::now_v7().into(), &answer(Approve, Some("plan-a"), 5)).await.unwrap();
    assert_eq!(unknown, Answered::Unknown);
    assert_eq!(db.count("answers").await, 1);
}

async fn nothing_is_approved_after_a_cancel(db: Db) {
    let it = asked(&db, "web").await;
    for (kind, expected) in [(AnswerKind::Cancel, Answered::Taken), (AnswerKind::Approve, Answered::Used)] {
        let given = answer(kind, Some("plan-a"), 5);
        assert_eq!(db.store.answer(it.id, &given).await.unwrap(), expected, "{kind}");
    }
}

async fn the_same_plan_proposed_anew_may_be_answered_anew(db: Db) {
    let it = asked(&db, "web").await;
    let approve = || answer(AnswerKind::Approve, Some("plan-a"), 5);
    assert_eq!(db.store.answer(it.id, &approve()).await.unwrap(), Answered::Taken);
    let claimed = db.store.work().claim(db.owner, at(5), at(99), 1).await.unwrap().remove(0);
    let mut again = it.clone();
    let State::AwaitingApproval(Awaiting { proposal, .. }) = &mut again.state else { unreachable!() };
    proposal.asked_at = at(50);
    db.store.work().commit(&claimed.claim, &commit(&again, vec![])).await.unwrap().expect("claimed");
    assert_eq!(db.store.answer(it.id, &approve()).await.unwrap(), Answered::Taken);
}

async fn what_does_not_wait_for_a_person_may_only_be_cancelled(db: Db) {
    let it = held("web", at(1));
    let claim = open_claimed(&*db.store, db.owner, &it).await;
    for kind in [AnswerKind::Approve, AnswerKind::Reject] {
        assert_eq!(db.store.answer(it.id, &answer(kind, Some("plan-a"), 5)).await.unwrap(), Answered::NotWaiting);
    }
    for second in [5, 6] {
        let cancel = answer(AnswerKind::Cancel, None, second);
        assert_eq!(db.store.answer(it.id, &cancel).await.unwrap(), Answered::Taken, "said twice is no harm");
    }
    let over = closed(it.clone(), Outcome::Cancelled, at(7));
    db.store.work().commit(&claim, &commit(&over, vec![])).await.unwrap().expect("still claimed");
    let late = db.store.answer(it.id, &answer(AnswerKind::Cancel, None, 8)).await.unwrap();
    assert_eq!(late, Answered::NotWaiting);
}

async fn an_answer_wakes_the_remediation(db: Db) {
    let it = asked(&db, "web").await;
    assert_eq!(db.store.work().next_due(at(5)).await.unwrap(), Some(at(100)));
    let given = answer(AnswerKind::Reject, Some("plan-a"), 5);
    assert_eq!(db.store.answer(it.id, &given).await.unwrap(), Answered::Taken);
    assert_eq!(db.store.work().next_due(at(5)).await.unwrap(), Some(at(5)));
    assert_eq!(facts::of(&db, &it, at(0)).await.surroundings.answer, Some(given));
}

/// The next decision after an answer that was taken has seen it: whoever held the remediation stores nothing any more.
async fn an_answer_and_the_expiry_cannot_both_be_stored(db: Db) {
    let (mut taken, mut expired) = (0, 0);
    for round in 0..12 {
        let it = asked(&db, &format!("s{round}")).await;
        let claimed = db.store.work().claim(db.owner, at(100), at(999), 50).await.unwrap();
        let claim = claimed.into_iter().map(|c| c.claim).find(|claim| claim.id == it.id.into()).expect("due");
        let over = commit(&closed(it.clone(), Outcome::Expired, at(100)), vec![]);
        let given = answer(AnswerKind::Approve, Some("plan-a"), 100);
        let (expiry, answered) =
            tokio::join!(retry(|| db.store.work().commit(&claim, &over)), retry(|| db.store.answer(it.id, &given)));
        match (expiry.unwrap(), answered.unwrap()) {
            (None, Answered::Taken) => taken += 1,
            (Some(_), Answered::NotWaiting) => expired += 1,
            both => panic!("round {round}: {both:?}"),
        }
    }
    assert_eq!(taken + expired, 12);
    // In this order nothing is left to chance.
    let it = asked(&db, "first").await;
    let claim = claim_of(&db, &it).await;
    let given = answer(AnswerKind::Approve, Some("plan-a"), 100);
    assert_eq!(db.store.answer(it.id, &given).await.unwrap(), Answered::Taken);
    let over = commit(&closed(it.clone(), Outcome::Expired, at(100)), vec![]);
    assert_eq!(db.store.work().commit(&claim, &over).await.unwrap(), None, "decided without the answer");
    assert_ne!(claim_of(&db, &it).await.version, claim.version, "free at once, to be decided anew");
}

async fn claim_of(db: &Db, it: &Remediation) -> Claim {
    let claimed = db.store.work().claim(db.owner, at(100), at(999), 50).await.unwrap();
    claimed.into_iter().map(|c| c.claim).find(|claim| claim.id == it.id.into()).expect("due")
}

async fn a_cancel_takes_no_effect_out_of_anybodys_hands(db: Db) {
    let it = held("web", at(1));
    let claim = open_claimed(&*db.store, db.owner, &it).await;
    let row = intent(&it, at(2));
    let busy = running(it.clone(), row.id, at(2));
    let mut begun = commit(&busy, vec![record(&row)]);
    begun.keep_until = Some(at(99));
    let claim = db.store.work().commit(&claim, &begun).await.unwrap().expect("claimed").claim;
    let cancel = answer(AnswerKind::Cancel, None, 5);
    assert_eq!(db.store.answer(it.id, &cancel).await.unwrap(), Answered::Taken);
    let result =
        vec![fettle_core::remediation::record::Record::Result(super::fixture::succeeded(row.id, at(2), at(6)))];
    assert!(db.store.work().commit(&claim, &commit(&busy, result)).await.unwrap().is_some(), "its result is stored");
    assert_eq!(db.store.work().next_due(at(6)).await.unwrap(), Some(at(5)), "and it is woken");
}

async fn of_many_answers_at_once_one_is_taken(db: Db) {
    let it = asked(&db, "web").await;
    let tries: Vec<_> = (0..8)
        .map(|n| {
            let (store, id) = (db.store.clone(), it.id);
            let kind = if n % 2 == 0 { AnswerKind::Approve } else { AnswerKind::Reject };
            tokio::spawn(async move {
                let given = answer(kind, Some("plan-a"), 5);
                retry(|| store.answer(id, &given)).await
            })
        })
        .collect();
    let mut taken = 0;
    for one in tries {
        match one.await.unwrap() {
            Ok(Answered::Taken) => taken += 1,
            Ok(Answered::Used) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((taken, db.count("answers").await), (1, 1));
}

async fn the_database_refuses_every_change_of_an_answer(db: Db) {
    let it = asked(&db, "web").await;
    let given = answer(AnswerKind::Approve, Some("plan-a"), 5);
    db.store.answer(it.id, &given).await.unwrap();
    let replaced = "INSERT OR REPLACE INTO answers SELECT * FROM answers";
    for sql in [
        "UPDATE answers SET by = 'x'",
        "UPDATE answers SET kind = 'reject'",
        "DELETE FROM answers",
        if db.is_sqlite() { replaced } else { "TRUNCATE answers" },
    ] {
        db.sql(sql).await.expect_err(sql);
    }
    assert_eq!(db.texts("SELECT by FROM answers").await, ["oncall"]);
}
