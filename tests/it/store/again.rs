//! Candidates whose remediation had no effect: what they keep, and when they are taken.

use fettle_core::alert::episode::{AlertState, Word};
use fettle_core::ports::model::{Again, Candidate, Changes, ReceiveAsk, Standing};
use fettle_core::ports::view::{AlertFilter, AlertView};
use fettle_core::remediation::outcome::Outcome;

use super::fixture::{at, attached, closed, commit, held, open_claimed, refused, write};
use super::{Db, on_all};

on_all!(
    closing_without_an_effect_keeps_what_it_came_to,
    what_is_due_is_taken_once_and_moved,
    what_fires_no_more_in_its_episode_is_left_out_for_ever,
    another_remediation_or_none_waits_for_nothing,
    two_that_take_at_once_take_different_ones,
);

/// The alert of `service` as it is when its remediation was refused at 2 and is decided again at 302.
async fn refuse(db: &Db, service: &str) -> (AlertState, Candidate) {
    let it = held(service, at(1));
    let claim = open_claimed(&*db.store, db.owner, &it).await;
    let alert = db.store.attached(it.id).await.unwrap().remove(0);
    let done = refused(it.clone(), at(2), at(302));
    db.store.work().commit(&claim, &commit(&done, vec![])).await.unwrap().expect("claimed");
    let left = done.left.clone().expect("left");
    let candidate = Candidate {
        standing: Standing::Spent,
        closed_at: Some(at(2)),
        conclusion: Some(left.conclusion),
        again_at: Some(left.again_at),
        ..attached(&it)
    };
    (alert, candidate)
}

async fn closing_without_an_effect_keeps_what_it_came_to(db: Db) {
    let (alert, candidate) = refuse(&db, "web").await;
    assert_eq!(db.candidates(alert.fingerprint).await, std::slice::from_ref(&candidate));
    assert_eq!(db.store.next_again().await.unwrap(), Some(at(302)));
    let shown = db.store.alerts(&AlertFilter { limit: 9, ..AlertFilter::default() }).await.unwrap();
    let expected = AlertView::with_candidates(alert.clone(), vec![candidate.clone()]);
    assert_eq!(shown, std::slice::from_ref(&expected));
    let rules = expected.rules.expect("asked for");
    let came = candidate.conclusion.as_ref().map(|it| it.came.as_str());
    assert_eq!((rules[0].standing, rules[0].reason, rules[0].again_at), ("spent", came, Some(at(302))));
    // A core that takes a repeat in writes it back as it is.
    let soon = Candidate { again_at: Some(at(40)), ..candidate };
    let changes = Changes { candidates: vec![soon.clone()], ..Changes::default() };
    write(&*db.store, &ReceiveAsk::new(db.owner, at(30)), changes).await.unwrap();
    assert_eq!(db.candidates(alert.fingerprint).await, [soon]);
    assert_eq!(db.store.next_again().await.unwrap(), Some(at(40)));
}

async fn what_is_due_is_taken_once_and_moved(db: Db) {
    let (web, first) = refuse(&db, "web").await;
    let (api, second) = refuse(&db, "api").await;
    assert_eq!(db.store.take_again(at(301), at(601), 9).await.unwrap(), []);
    let taken = db.store.take_again(at(302), at(602), 9).await.unwrap();
    let moved = |candidate: Candidate| Candidate { again_at: Some(at(602)), ..candidate };
    let mut expected = [Again { alert: web, candidate: moved(first) }, Again { alert: api, candidate: moved(second) }];
    expected.sort_by_key(|it| it.alert.fingerprint);
    assert_eq!(taken, expected);
    assert_eq!(db.store.take_again(at(302), at(602), 9).await.unwrap(), []);
    assert_eq!(db.store.next_again().await.unwrap(), Some(at(602)));
    assert_eq!(db.store.take_again(at(700), at(1000), 1).await.unwrap().len(), 1, "as many as are wanted");
}

async fn what_fires_no_more_in_its_episode_is_left_out_for_ever(db: Db) {
    let (mut gone, _) = refuse(&db, "web").await;
    let (later, _) = refuse(&db, "api").await;
    gone.hear(Word::Resolved { starts_at: at(0), ends_at: at(9) }, at(10), None);
    let later = AlertState { episode: 2, ..later };
    let mut ask = ReceiveAsk::new(db.owner, at(10));
    ask.fingerprints = [gone.fingerprint, later.fingerprint].into();
    write(&*db.store, &ask, Changes { alerts: vec![gone, later], ..Changes::default() }).await.unwrap();
    assert_eq!(db.store.take_again(at(302), at(602), 9).await.unwrap(), []);
    assert_eq!(db.store.next_again().await.unwrap(), None);
}

async fn another_remediation_or_none_waits_for_nothing(db: Db) {
    let (alert, _) = refuse(&db, "web").await;
    let next = held("web", at(50));
    let changes = Changes {
        candidates: vec![Candidate { fingerprint: alert.fingerprint, ..attached(&next) }],
        opened: vec![next.clone()],
        ..Changes::default()
    };
    write(&*db.store, &ReceiveAsk::new(db.owner, at(50)), changes).await.unwrap();
    assert_eq!(db.store.next_again().await.unwrap(), None);
    let claim = db.store.work().claim(db.owner, at(60), at(99), 1).await.unwrap().remove(0).claim;
    let done = closed(next, Outcome::Escalated, at(60));
    db.store.work().commit(&claim, &commit(&done, vec![])).await.unwrap().expect("claimed");
    assert_eq!(db.store.next_again().await.unwrap(), None, "an effect spends the episode");
}

async fn two_that_take_at_once_take_different_ones(db: Db) {
    let mut all = Vec::new();
    for number in 0..8 {
        all.push(refuse(&db, &format!("s{number}")).await.0.fingerprint);
    }
    let take = || db.store.take_again(at(302), at(602), 8);
    let (one, other) = tokio::join!(take(), take());
    let taken = one.unwrap().into_iter().chain(other.unwrap());
    let mut taken: Vec<_> = taken.map(|it| it.alert.fingerprint).collect();
    // What another one holds at that instant is taken the next time.
    taken.extend(take().await.unwrap().into_iter().map(|it| it.alert.fingerprint));
    all.sort_unstable();
    taken.sort_unstable();
    assert_eq!(taken, all);
}
