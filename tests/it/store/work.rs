//! Claims: exclusive, ending with their lease, and worthless once lost.

use std::collections::HashSet;
use std::sync::Arc;

use fettle_core::id::RemediationId;
use fettle_core::ports::model::{Changes, Claim, Commit, ReceiveAsk};
use fettle_core::remediation::outcome::Outcome;
use fettle_core::remediation::record::{Record, TransitionRow};
use fettle_core::remediation::state::{Remediation, Running, State, StateName, Verifying};
use uuid::Uuid;

use super::fixture::{at, awaiting, closed, commit, held, intent, open_all, open_claimed, record, running, write};
use super::{Db, on_all};

on_all!(
    claimers_at_once_never_get_the_same_remediation,
    claims_come_earliest_first_and_no_more_than_asked,
    what_is_stored_reads_back_as_it_was_in_every_state,
    an_ended_lease_is_taken_over_and_the_loser_stores_nothing,
    a_claim_that_ran_out_stays_lost_when_its_owner_claims_again,
    a_kept_claim_commits_again_and_a_used_one_does_not,
    a_wake_during_work_is_not_lost,
    a_wake_pulls_the_due_instant_to_now,
    what_is_due_next_is_what_nobody_holds,
    released_claims_are_free_at_once,
    a_failed_record_leaves_the_remediation_as_it_was,
    open_remediations_are_counted_by_state,
);

async fn claimers_at_once_never_get_the_same_remediation(db: Db) {
    let all: Vec<Remediation> = (0..100).map(|n| held(&format!("s{n}"), at(n % 7))).collect();
    open_all(&*db.store, &all).await;
    let claimers: Vec<_> = (0..8)
        .map(|_| {
            let store = db.store.clone();
            tokio::spawn(async move {
                let owner = Uuid::now_v7();
                let mut mine = Vec::new();
                // A claimer that comes away empty while others hold the rest locked tries again, as a worker does.
                for _ in 0..30 {
                    mine.extend(
                        store
                            .work()
                            .claim(owner.into(), at(10), at(99), 7)
                            .await
                            .unwrap()
                            .into_iter()
                            .map(|c| c.claim.id),
                    );
                }
                mine
            })
        })
        .collect();
    let mut ids = Vec::new();
    for claimer in claimers {
        ids.extend(claimer.await.unwrap());
    }
    assert_eq!(ids.len(), 100);
    assert_eq!(ids.into_iter().collect::<HashSet<_>>(), all.iter().map(|r| r.id.into()).collect());
}

async fn claims_come_earliest_first_and_no_more_than_asked(db: Db) {
    let all = [held("a", at(3)), held("b", at(1)), held("c", at(2)), held("d", at(11))];
    open_all(&*db.store, &all).await;
    let two = db.store.work().claim(db.owner, at(10), at(20), 2).await.unwrap();
    assert_eq!(two.iter().map(|c| &c.effort).collect::<Vec<_>>(), [&all[1], &all[2]]);
    let rest = db.store.work().claim(db.owner, at(10), at(20), 9).await.unwrap();
    assert_eq!(rest.iter().map(|c| &c.effort).collect::<Vec<_>>(), [&all[0]], "d is not due");
    assert_eq!(db.store.work().claim(db.owner, at(11), at(20), 9).await.unwrap().len(), 1, "due to the microsecond");
}

async fn what_is_stored_reads_back_as_it_was_in_every_state(db: Db) {
    let it = held("web", at(1));
    let mut claim = open_claimed(&*db.store, db.owner, &it).await;
    let row = intent(&it, at(2));
    let running = running(it, row.id, at(2));
    let State::Running(Running { attempt, .. }) = running.state.clone() else { unreachable!() };
    let mut verifying = running.clone();
    verifying.state = State::Verifying(Verifying {
        attempt,
        also: Vec::new(),
        effect_at: at(3),
        first: None,
        well_since: Some(at(4)),
        until: at(5),
    });
    let mut blocked = verifying.clone();
    blocked.state = State::Blocked { reason: fettle_core::remediation::refusal::Guard::Budget, until: at(6) };

    let asked = awaiting(blocked.clone(), "sha256:abc", at(7));
    for (next, records) in [(running, vec![record(&row)]), (verifying, vec![]), (blocked, vec![]), (asked, vec![])] {
        db.store.work().commit(&claim, &commit(&next, records)).await.unwrap().expect("claimed");
        let claimed = db.store.work().claim(db.owner, next.due().unwrap(), at(9999), 1).await.unwrap();
        assert_eq!(claimed[0].effort, next);
        claim = claimed[0].claim.clone();
    }
}

async fn an_ended_lease_is_taken_over_and_the_loser_stores_nothing(db: Db) {
    let it = held("web", at(1));
    open_all(&*db.store, std::slice::from_ref(&it)).await;
    let (one, other) = (Uuid::now_v7(), Uuid::now_v7());
    let first = db.store.work().claim(one.into(), at(1), at(30), 1).await.unwrap().remove(0).claim;
    assert_eq!(
        db.store.work().claim(other.into(), at(30), at(60), 1).await.unwrap(),
        [],
        "it holds to its last instant"
    );
    let second = db.store.work().claim(other.into(), at(31), at(60), 1).await.unwrap().remove(0).claim;

    let row = intent(&it, at(31));
    let late = commit(&running(it.clone(), row.id, at(31)), vec![record(&row)]);
    assert_eq!(db.store.work().commit(&first, &late).await.unwrap(), None);
    assert_eq!(db.count("actions").await, 0);
    assert!(db.store.work().commit(&second, &commit(&it, vec![])).await.unwrap().is_some());
}

async fn a_claim_that_ran_out_stays_lost_when_its_owner_claims_again(db: Db) {
    let it = held("web", at(1));
    open_all(&*db.store, std::slice::from_ref(&it)).await;
    let stale = db.store.work().claim(db.owner, at(1), at(30), 1).await.unwrap().remove(0).claim;
    let fresh = db.store.work().claim(db.owner, at(31), at(60), 1).await.unwrap().remove(0).claim;
    assert_eq!(db.store.work().commit(&stale, &commit(&it, vec![])).await.unwrap(), None);
    assert!(db.store.work().commit(&fresh, &commit(&it, vec![])).await.unwrap().is_some());
}

async fn a_kept_claim_commits_again_and_a_used_one_does_not(db: Db) {
    let it = held("web", at(1));
    let claim = open_claimed(&*db.store, db.owner, &it).await;
    let keep = Commit { effort: it.clone(), records: vec![], keep_until: Some(at(50)) };
    let next = db.store.work().commit(&claim, &keep).await.unwrap().expect("claimed").claim;
    assert_eq!(next, Claim { version: claim.version + 1, ..claim.clone() });
    assert_eq!(db.store.work().claim(Uuid::now_v7().into(), at(50), at(60), 1).await.unwrap(), [], "still held");
    assert_eq!(db.store.work().commit(&claim, &keep).await.unwrap(), None);
    db.store.work().commit(&next, &commit(&it, vec![])).await.unwrap().expect("claimed");
    assert_eq!(db.store.work().commit(&next, &keep).await.unwrap(), None, "given back");
}

async fn wake(db: &Db, id: RemediationId, now: i64) {
    let changes = Changes { woken: vec![id], ..Changes::default() };
    write(&*db.store, &ReceiveAsk::new(db.owner, at(now)), changes).await.unwrap();
}

async fn a_wake_during_work_is_not_lost(db: Db) {
    let it = held("web", at(1));
    let claim = open_claimed(&*db.store, db.owner, &it).await;
    wake(&db, it.id, 5).await;

    let mut later = it.clone();
    later.state = State::Held { until: at(1000) };
    // Neither by a commit that keeps the claim nor by the one after it.
    let keep = Commit { effort: later.clone(), records: vec![], keep_until: Some(at(50)) };
    let claim = db.store.work().commit(&claim, &keep).await.unwrap().expect("claimed").claim;
    db.store.work().commit(&claim, &commit(&later, vec![])).await.unwrap().expect("claimed");

    let again = db.store.work().claim(db.owner, at(5), at(60), 1).await.unwrap().remove(0);
    assert_eq!((&again.effort, again.claim.wakes), (&later, 1));
    // Seen once, it is due when it says.
    db.store.work().commit(&again.claim, &commit(&later, vec![])).await.unwrap().expect("claimed");
    assert_eq!(db.store.work().next_due(at(6)).await.unwrap(), Some(at(1000)));
}

async fn a_wake_pulls_the_due_instant_to_now(db: Db) {
    let it = held("web", at(1000));
    open_all(&*db.store, std::slice::from_ref(&it)).await;
    wake(&db, it.id, 5).await;
    assert_eq!(db.store.work().next_due(at(5)).await.unwrap(), Some(at(5)));
    wake(&db, it.id, 7).await;
    assert_eq!(db.store.work().next_due(at(7)).await.unwrap(), Some(at(5)), "never later");
}

async fn what_is_due_next_is_what_nobody_holds(db: Db) {
    assert_eq!(db.store.work().next_due(at(0)).await.unwrap(), None);
    open_all(&*db.store, &[held("a", at(5)), held("b", at(8))]).await;
    assert_eq!(db.store.work().next_due(at(0)).await.unwrap(), Some(at(5)));
    db.store.work().claim(db.owner, at(5), at(30), 1).await.unwrap();
    assert_eq!(db.store.work().next_due(at(30)).await.unwrap(), Some(at(8)));
    assert_eq!(db.store.work().next_due(at(31)).await.unwrap(), Some(at(5)), "the lease ended");
}

async fn released_claims_are_free_at_once(db: Db) {
    open_all(&*db.store, &[held("a", at(1)), held("b", at(1)), held("c", at(1))]).await;
    let other = Uuid::now_v7();
    db.store.work().claim(other.into(), at(1), at(30), 1).await.unwrap();
    let mine = db.store.work().claim(db.owner, at(1), at(30), 9).await.unwrap();
    assert_eq!(mine.len(), 2);
    assert_eq!(db.store.release(db.owner).await.unwrap(), 2);
    assert_eq!(db.store.work().commit(&mine[0].claim, &commit(&mine[0].effort, vec![])).await.unwrap(), None);
    assert_eq!(db.store.work().claim(Uuid::now_v7().into(), at(1), at(30), 9).await.unwrap().len(), 2);
}

async fn a_failed_record_leaves_the_remediation_as_it_was(db: Db) {
    let it = held("web", at(1));
    let claim = open_claimed(&*db.store, db.owner, &it).await;
    let told = Record::Transition(TransitionRow {
        remediation_id: it.id,
        at: at(2),
        state: StateName::Closed,
        what: "closed".into(),
        detail: serde_json::Value::Null,
    });
    // The result of an action that nobody intended.
    let nonsense = Record::Result(super::fixture::succeeded(Uuid::now_v7().into(), at(1), at(2)));
    let done = closed(it.clone(), Outcome::Fixed, at(2));
    let refused = db.store.work().commit(&claim, &commit(&done, vec![told, nonsense])).await;
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(db.count("transitions").await, 0);
    assert!(db.store.work().commit(&claim, &commit(&it, vec![])).await.unwrap().is_some(), "still ours, still open");
}

async fn open_remediations_are_counted_by_state(db: Db) {
    let store: Arc<_> = db.store.clone();
    open_all(&*store, &[held("a", at(1)), held("b", at(1)), held("c", at(9))]).await;
    let claimed = store.work().claim(db.owner, at(1), at(30), 9).await.unwrap();
    let row = intent(&claimed[0].effort, at(2));
    let busy = running(claimed[0].effort.clone(), row.id, at(2));
    store.work().commit(&claimed[0].claim, &commit(&busy, vec![record(&row)])).await.unwrap().expect("claimed");
    let done = closed(claimed[1].effort.clone(), Outcome::Cancelled, at(2));
    store.work().commit(&claimed[1].claim, &commit(&done, vec![])).await.unwrap().expect("claimed");
    assert_eq!(store.open_by_state().await.unwrap(), [("held".to_owned(), 1), ("running".to_owned(), 1)]);
}
