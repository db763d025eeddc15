//! What becomes of the alerts when a remediation is closed, and of those that waited for its target.

use fettle_core::alert::episode::{AlertState, Word};
use fettle_core::ports::model::{Candidate, Changes, ReceiveAsk, Standing, World};
use fettle_core::remediation::outcome::Outcome;
use uuid::Uuid;

use super::fixture::{at, attached, closed, commit, firing, held, open_all, open_claimed, target, write};
use super::{Db, on_all, retry};

on_all!(
    closing_spends_the_episode_or_frees_it,
    closing_gives_back_who_waited_for_the_target_and_still_fires,
    who_waits_for_a_free_target_is_found_again,
    no_alert_is_left_attached_to_a_closed_remediation,
    attached_alerts_are_read_as_they_are_now,
);

async fn closing_spends_the_episode_or_frees_it(db: Db) {
    for &outcome in Outcome::ALL {
        let it = held(outcome.as_str(), at(1));
        let claim = open_claimed(&*db.store, db.owner, &it).await;
        let done = closed(it.clone(), outcome, at(2));
        db.store.work().commit(&claim, &commit(&done, vec![])).await.unwrap().expect("claimed");
        let after = db.candidates(it.alert.fingerprint).await;
        let free = matches!(outcome, Outcome::Expired | Outcome::Superseded);
        let standing = if free { Standing::Free } else { Standing::Spent };
        assert_eq!(after, [Candidate { standing, closed_at: Some(at(2)), ..attached(&it) }], "{outcome:?}");
    }
}

/// An alert for rule `disk` that waits for the target of `service`.
fn waits(alert: &AlertState, service: &str) -> Candidate {
    Candidate {
        fingerprint: alert.fingerprint,
        rule: "disk".into(),
        episode: alert.episode,
        target: target(service),
        standing: Standing::Waiting,
        remediation: None,
        closed_at: None,
        conclusion: None,
        again_at: None,
    }
}

async fn let_wait(db: &Db, alert: &AlertState, candidate: Candidate) {
    let changes = Changes { alerts: vec![alert.clone()], candidates: vec![candidate], ..Changes::default() };
    write(&*db.store, &ReceiveAsk::new(db.owner, at(1)), changes).await.unwrap();
}

/// Four that wait for `web`: one fires, one is gone, one is in a later episode, one waits for another target.
async fn four_that_wait(db: &Db) -> AlertState {
    let fires = firing("fires", at(1));
    let mut gone = firing("gone", at(1));
    gone.hear(Word::Resolved { starts_at: at(1), ends_at: at(2) }, at(2), None);
    let later = AlertState { episode: 2, ..firing("later", at(1)) };
    let elsewhere = firing("elsewhere", at(1));
    let_wait(db, &fires, waits(&fires, "web")).await;
    let_wait(db, &gone, waits(&gone, "web")).await;
    let_wait(db, &later, Candidate { episode: 1, ..waits(&later, "web") }).await;
    let_wait(db, &elsewhere, waits(&elsewhere, "api")).await;
    fires
}

async fn closing_gives_back_who_waited_for_the_target_and_still_fires(db: Db) {
    let it = held("web", at(1));
    let claim = open_claimed(&*db.store, db.owner, &it).await;
    let fires = four_that_wait(&db).await;

    let open = db.store.work().commit(&claim, &commit(&it, vec![])).await.unwrap().expect("claimed");
    assert_eq!(open.waiting, [], "not before it is closed");
    let claim = db.store.work().claim(db.owner, at(9), at(99), 1).await.unwrap().remove(0).claim;
    let done = closed(it, Outcome::Fixed, at(10));
    let left = db.store.work().commit(&claim, &commit(&done, vec![])).await.unwrap().expect("claimed");
    assert_eq!(left.waiting, [fires]);
}

async fn who_waits_for_a_free_target_is_found_again(db: Db) {
    open_all(&*db.store, &[held("api", at(1))]).await;
    let fires = four_that_wait(&db).await;
    // `web` is free and `api` is not.
    assert_eq!(db.store.waiting(10).await.unwrap(), [fires]);
    assert_eq!(db.store.waiting(0).await.unwrap(), []);
}

async fn no_alert_is_left_attached_to_a_closed_remediation(db: Db) {
    for round in 0..20 {
        let name = format!("s{round}");
        let it = held(&name, at(1));
        let claim = open_claimed(&*db.store, db.owner, &it).await;
        let joins = firing(&format!("joins-{round}"), at(1));

        let mut ask = ReceiveAsk::new(db.owner, at(2));
        ask.fingerprints = [joins.fingerprint].into();
        ask.targets = [target(&name)].into();
        let think = |world: &World| {
            let open = world.open.get(&target(&name)).map(|open| open.id);
            let candidates = open.map(|id| Candidate {
                standing: Standing::Attached,
                remediation: Some(id),
                ..waits(&joins, &name)
            });
            Changes { alerts: vec![joins.clone()], candidates: candidates.into_iter().collect(), ..Changes::default() }
        };
        let done = commit(&closed(it.clone(), Outcome::Fixed, at(2)), vec![]);
        let (closing, taking) =
            tokio::join!(retry(|| db.store.work().commit(&claim, &done)), retry(|| db.store.receive(&ask, &think)));
        closing.unwrap().expect("claimed");
        taking.unwrap();
        let after = db.candidates(joins.fingerprint).await;
        assert!(after.iter().all(|c| c.standing == Standing::Spent), "round {round}: {after:?}");
    }
}

async fn attached_alerts_are_read_as_they_are_now(db: Db) {
    let it = held("web", at(1));
    let claim = open_claimed(&*db.store, db.owner, &it).await;
    let mut alert = db.store.attached(it.id).await.unwrap().remove(0);
    assert_eq!(alert, firing("web", at(0)));
    alert.hear(Word::Resolved { starts_at: at(0), ends_at: at(4) }, at(5), None);
    let mut ask = ReceiveAsk::new(db.owner, at(5));
    ask.fingerprints = [alert.fingerprint].into();
    write(&*db.store, &ask, Changes { alerts: vec![alert.clone()], ..Changes::default() }).await.unwrap();
    assert_eq!(db.store.attached(it.id).await.unwrap(), [alert]);

    assert_eq!(db.store.attached(Uuid::now_v7().into()).await.unwrap(), []);
    let done = closed(it.clone(), Outcome::Fixed, at(9));
    db.store.work().commit(&claim, &commit(&done, vec![])).await.unwrap().expect("claimed");
    assert_eq!(db.store.attached(it.id).await.unwrap(), [], "nothing is attached to what is over");
}
