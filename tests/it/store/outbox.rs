//! The outbox: what was announced is delivered at least once, as it stands, until it is over.

use std::collections::BTreeMap;

use fettle_core::alert::episode::Word;
use fettle_core::alert::labels::Labels;
use fettle_core::announcement::{Announcement, AnnouncementName};
use fettle_core::id::RemediationId;
use fettle_core::ports::model::{Changes, Outgoing, ReceiveAsk};
use fettle_core::remediation::outcome::Outcome;
use fettle_core::remediation::record::Record;
use uuid::Uuid;

use super::fixture::{at, closed, commit, firing, held, open_claimed, write};
use super::{Db, on_all};

on_all!(
    what_is_announced_is_delivered_as_it_stands_and_renewed,
    a_change_is_delivered_and_the_same_again_is_not,
    a_change_during_the_delivery_is_delivered_after_it,
    what_is_taken_back_is_delivered_once_and_ends,
    what_does_not_stand_is_not_taken_back,
    what_lapsed_ends_by_itself_and_begins_anew,
    deliverers_at_once_never_get_the_same_announcement,
    an_undelivered_announcement_is_free_when_its_deliverer_is_gone,
    a_call_for_people_is_taken_back_when_its_alerts_are_over,
    what_a_lost_claim_announces_is_never_said,
);

fn announcement(name: AnnouncementName, about: RemediationId, second: i64, until: i64) -> Announcement {
    let labels = Labels::from_iter([("alertname", name.as_str()), ("fettle", "self"), ("odd", "a\0b")]);
    let annotations = BTreeMap::from([("summary".to_owned(), "fettle is at work".to_owned())]);
    Announcement { name, remediation: about, labels, annotations, at: at(second), until: at(until) }
}

fn working(about: RemediationId, second: i64, until: i64) -> Announcement {
    announcement(AnnouncementName::Working, about, second, until)
}

async fn announce(db: &Db, it: Announcement) {
    db.store.record(&[Record::Announce(Box::new(it))]).await.unwrap();
}

/// What is due at that time, each delivered at once; what was delivered ten seconds ago is renewed.
async fn delivered(db: &Db, second: i64) -> Vec<Outgoing> {
    let due = claimed(db, second).await;
    for outgoing in &due {
        db.store.announced(outgoing, at(second)).await.unwrap();
    }
    due
}

async fn claimed(db: &Db, second: i64) -> Vec<Outgoing> {
    db.store.announcements(db.owner, at(second), at(second - 10), at(second + 30), 100).await.unwrap()
}

async fn what_is_announced_is_delivered_as_it_stands_and_renewed(db: Db) {
    let about = Uuid::now_v7();
    let mut it = working(about.into(), 1, 100);
    announce(&db, it.clone()).await;
    announce(&db, announcement(AnnouncementName::PipelineSilent, Uuid::nil().into(), 2, 100)).await;
    let first = delivered(&db, 3).await;
    it.labels.set("odd", "a\u{fffd}b");
    assert_eq!(first.iter().map(|o| (o.starts_at, &o.announcement)).next(), Some((at(1), &it)));
    assert_eq!(first.len(), 2);
    assert_eq!(delivered(&db, 13).await, [], "delivered ten seconds ago");
    assert_eq!(delivered(&db, 14).await.len(), 2, "renewed");
    let db = db.reopen().await;
    assert_eq!(delivered(&db, 25).await.len(), 2, "by whoever comes next");
}

async fn a_change_is_delivered_and_the_same_again_is_not(db: Db) {
    let about = Uuid::now_v7();
    announce(&db, working(about.into(), 1, 100)).await;
    let first = delivered(&db, 1).await.remove(0);
    announce(&db, Announcement { at: at(2), ..working(about.into(), 1, 100) }).await;
    assert_eq!(delivered(&db, 3).await, [], "nothing changed");
    announce(&db, working(about.into(), 4, 200)).await;
    let later = delivered(&db, 5).await.remove(0);
    assert_eq!((later.id, later.starts_at, later.announcement.until), (first.id, at(1), at(200)));
    assert!(later.version > first.version);
    let mut labelled = working(about.into(), 6, 200);
    labelled.labels.set("more", "of it");
    announce(&db, labelled.clone()).await;
    assert_eq!(delivered(&db, 7).await.remove(0).announcement.labels.get("more"), "of it");
    assert_eq!(db.count("announcements").await, 1);
}

async fn a_change_during_the_delivery_is_delivered_after_it(db: Db) {
    let about = Uuid::now_v7();
    announce(&db, working(about.into(), 1, 100)).await;
    let under_way = claimed(&db, 2).await.remove(0);
    announce(&db, working(about.into(), 3, 3)).await;
    assert_eq!(claimed(&db, 4).await, [], "one at a time");
    db.store.announced(&under_way, at(5)).await.unwrap();
    let after = delivered(&db, 6).await;
    assert_eq!(after.iter().map(|o| o.announcement.until).collect::<Vec<_>>(), [at(3)]);
}

async fn what_is_taken_back_is_delivered_once_and_ends(db: Db) {
    let about = Uuid::now_v7();
    announce(&db, working(about.into(), 1, 100)).await;
    delivered(&db, 2).await;
    announce(&db, working(about.into(), 3, 3)).await;
    // A peer was not there: it stays.
    let lost = claimed(&db, 4).await;
    assert_eq!(lost.len(), 1);
    let again = delivered(&db, 40).await;
    assert_eq!(again, lost);
    assert_eq!((again[0].announcement.at, again[0].announcement.until), (at(3), at(3)));
    for second in [41, 60, 999] {
        assert_eq!(delivered(&db, second).await, [], "at {second}");
    }
    // The next effort of the same remediation stands for itself.
    announce(&db, working(about.into(), 1_000, 1_100)).await;
    let next = delivered(&db, 1_001).await.remove(0);
    assert_ne!(next.id, again[0].id);
    assert_eq!(next.starts_at, at(1_000));
}

async fn what_does_not_stand_is_not_taken_back(db: Db) {
    announce(&db, working(Uuid::now_v7().into(), 3, 3)).await;
    assert_eq!(delivered(&db, 4).await, []);
    assert_eq!(db.count("announcements").await, 0);
}

async fn what_lapsed_ends_by_itself_and_begins_anew(db: Db) {
    let about = Uuid::now_v7();
    announce(&db, working(about.into(), 1, 20)).await;
    delivered(&db, 2).await;
    assert_eq!(delivered(&db, 20).await, [], "its end was told with it");
    let ended = db.told("SELECT name FROM announcements WHERE ended", |rows| {
        rows.announcements().filter(|it| it.ended).map(|it| it.announcement.name.to_string()).collect()
    });
    assert_eq!(ended.await, ["FettleWorking"]);
    announce(&db, working(about.into(), 30, 50)).await;
    assert_eq!(delivered(&db, 31).await.remove(0).starts_at, at(30));
    // Never delivered while it stood, and changed after it: it begins with the change.
    announce(&db, working(about.into(), 60, 90)).await;
    assert_eq!(delivered(&db, 61).await.remove(0).starts_at, at(60));
}

async fn deliverers_at_once_never_get_the_same_announcement(db: Db) {
    let all: Vec<_> = (0..40).map(|_| Record::Announce(Box::new(working(Uuid::now_v7().into(), 1, 100)))).collect();
    db.store.record(&all).await.unwrap();
    let deliverers: Vec<_> = (0..6)
        .map(|_| {
            let store = db.store.clone();
            tokio::spawn(async move {
                let mut mine = Vec::new();
                for _ in 0..20 {
                    let due = store.announcements(Uuid::now_v7().into(), at(2), at(-9), at(50), 5).await.unwrap();
                    mine.extend(due.into_iter().map(|outgoing| outgoing.id));
                }
                mine
            })
        })
        .collect();
    let mut ids = Vec::new();
    for deliverer in deliverers {
        ids.extend(deliverer.await.unwrap());
    }
    ids.sort_unstable();
    let claimed = ids.len();
    ids.dedup();
    assert_eq!((claimed, ids.len()), (40, 40));
}

async fn an_undelivered_announcement_is_free_when_its_deliverer_is_gone(db: Db) {
    announce(&db, working(Uuid::now_v7().into(), 1, 1_000)).await;
    let claim = async |owner, second| {
        db.store.announcements(owner, at(second), at(-9), at(second + 30), 9).await.unwrap().len()
    };
    let dead = Uuid::now_v7();
    assert_eq!(claim(dead.into(), 2).await, 1);
    assert_eq!(claim(db.owner, 32).await, 0, "it holds to its last instant");
    assert_eq!(claim(db.owner, 33).await, 1);
    assert_eq!(db.store.release(db.owner).await.unwrap(), 1);
    assert_eq!(claim(dead.into(), 34).await, 1);
    assert_eq!(db.store.adopt(db.owner).await.unwrap(), 1);
    assert_eq!(claim(db.owner, 35).await, 1);
}

async fn a_call_for_people_is_taken_back_when_its_alerts_are_over(db: Db) {
    let it = held("web", at(1));
    let claim = open_claimed(&*db.store, db.owner, &it).await;
    let called = announcement(AnnouncementName::GaveUp, it.id, 2, 9_000);
    let over = commit(&closed(it.clone(), Outcome::Escalated, at(2)), vec![Record::Announce(Box::new(called))]);
    db.store.work().commit(&claim, &over).await.unwrap().expect("claimed");
    announce(&db, working(Uuid::now_v7().into(), 2, 9_000)).await;
    assert_eq!(delivered(&db, 3).await.len(), 2);

    let mut alert = firing("web", at(0));
    for (word, second, expected) in [
        (Word::Firing { starts_at: at(0) }, 10, None),
        (Word::Resolved { starts_at: at(0), ends_at: at(19) }, 20, Some((at(21), at(21)))),
        (Word::Resolved { starts_at: at(0), ends_at: at(19) }, 22, None),
    ] {
        alert.hear(word, at(second), None);
        let mut ask = ReceiveAsk::new(db.owner, at(second));
        ask.fingerprints = [alert.fingerprint].into();
        write(&*db.store, &ask, Changes { alerts: vec![alert.clone()], ..Changes::default() }).await.unwrap();
        let due = delivered(&db, second + 1).await;
        let called = due.iter().find(|o| o.announcement.remediation == it.id && o.announcement.until < at(9_000));
        assert_eq!(called.map(|o| (o.announcement.at, o.announcement.until)), expected, "at {second}");
    }
}

async fn what_a_lost_claim_announces_is_never_said(db: Db) {
    let it = held("web", at(1));
    let claim = open_claimed(&*db.store, db.owner, &it).await;
    let said = Record::Announce(Box::new(working(it.id, 2, 100)));
    let stale = fettle_core::ports::model::Claim { version: claim.version - 1, ..claim.clone() };
    assert_eq!(db.store.work().commit(&stale, &commit(&it, vec![said.clone()])).await.unwrap(), None);
    assert_eq!(delivered(&db, 3).await, []);
    db.store.work().commit(&claim, &commit(&it, vec![said])).await.unwrap().expect("claimed");
    assert_eq!(delivered(&db, 3).await.len(), 1);
}
