//! The storm: what taking in knows of it, and what it leaves behind.

use std::collections::HashMap;

use fettle_core::ports::model::{Changes, Commit, ReceiveAsk, World};
use fettle_core::remediation::loan::LoanEnd;
use fettle_core::remediation::outcome::Outcome;
use fettle_core::remediation::state::Remediation;
use fettle_core::surroundings::Storm;

use super::fixture::{at, closed, ended, held, lend, loan, open_all, target, write};
use super::receive::see;
use super::{Db, on_all};

on_all!(
    the_storm_is_known_to_everybody_as_it_was_last_found,
    a_storm_found_twice_lasts_from_the_first_to_the_last,
    targets_of_late_are_known_each_once_and_those_refused_are_not,
    it_is_known_when_a_loan_was_last_returned,
);

fn storm(since: i64, last: i64, targets: u32) -> Storm {
    Storm { since: at(since), last_at: at(last), targets }
}

async fn found(db: &Db, storm: Storm) {
    let changes = Changes { storm: Some(storm), ..Changes::default() };
    write(&*db.store, &ReceiveAsk::new(db.owner, at(0)), changes).await.unwrap();
}

async fn world(db: &Db, since: i64, limit: u32) -> World {
    let mut ask = ReceiveAsk::new(db.owner, at(0));
    (ask.recent_since, ask.recent_limit) = (Some(at(since)), limit);
    see(db, &ask).await
}

async fn the_storm_is_known_to_everybody_as_it_was_last_found(db: Db) {
    assert_eq!(db.store.storm().await.unwrap(), None);
    assert_eq!(world(&db, 0, 5).await.past.storm, None);
    found(&db, storm(10, 20, 5)).await;
    assert_eq!(db.store.storm().await.unwrap(), Some(storm(10, 20, 5)));
    assert_eq!(world(&db, 0, 5).await.past.storm, Some(storm(10, 20, 5)));
    assert_eq!(super::facts::of(&db, &held("web", at(0)), at(0)).await.surroundings.storm, Some(storm(10, 20, 5)));
    assert_eq!(see(&db, &ReceiveAsk::new(db.owner, at(0))).await.past.storm, None, "not where storms are off");
    let db = db.reopen().await;
    assert_eq!(db.store.storm().await.unwrap(), Some(storm(10, 20, 5)));
}

async fn a_storm_found_twice_lasts_from_the_first_to_the_last(db: Db) {
    for (next, expected) in [
        (storm(10, 20, 5), storm(10, 20, 5)),
        // Another replica, which had not seen it.
        (storm(15, 18, 6), storm(10, 20, 5)),
        (storm(10, 30, 7), storm(10, 30, 7)),
        // The next one.
        (storm(90, 90, 5), storm(90, 90, 5)),
    ] {
        found(&db, next).await;
        assert_eq!(db.store.storm().await.unwrap(), Some(expected), "{next:?}");
    }
}

async fn targets_of_late_are_known_each_once_and_those_refused_are_not(db: Db) {
    let opened = |service, second| Remediation { opened_at: at(second), ..held(service, at(500)) };
    open_all(&*db.store, &[opened("early", 9), opened("a", 10), opened("b", 11)]).await;
    let over =
        vec![closed(opened("a", 12), Outcome::Fixed, at(13)), closed(opened("refused", 14), Outcome::Refused, at(14))];
    write(&*db.store, &ReceiveAsk::new(db.owner, at(0)), Changes { opened: over, ..Changes::default() }).await.unwrap();
    assert_eq!(world(&db, 10, 9).await.past.recent, [target("a"), target("b")].into());
    assert_eq!(world(&db, 10, 1).await.past.recent.len(), 1, "no more than asked for");
    assert_eq!(world(&db, 13, 9).await.past.recent, [].into());
    assert_eq!(see(&db, &ReceiveAsk::new(db.owner, at(0))).await.past.recent, [].into());
}

async fn it_is_known_when_a_loan_was_last_returned(db: Db) {
    let returned_at = async |service: &str, end, second| {
        let lender =
            Remediation { target: target(service).parse().unwrap(), ..held(&format!("{service}-{second}"), at(0)) };
        let lent = loan(&lender, at(5));
        let claim = lend(&db, &lender, &lent, Outcome::Fixed).await;
        let over = Commit { effort: ended(lent, end, at(second)), records: vec![], keep_until: None };
        db.store.loans().commit(&claim, &over).await.unwrap().expect("claimed");
    };
    returned_at("web", LoanEnd::Returned, 10).await;
    returned_at("web", LoanEnd::Returned, 20).await;
    returned_at("web", LoanEnd::Superseded, 30).await;
    returned_at("api", LoanEnd::Returned, 40).await;
    let mut ask = ReceiveAsk::new(db.owner, at(0));
    ask.targets = [target("web")].into();
    assert_eq!(see(&db, &ask).await.past.returned, HashMap::new());
    for (since, expected) in [(20, Some(at(20))), (21, None)] {
        ask.fixed_since = Some(at(since));
        let expected: HashMap<_, _> =
            expected.map(|when| (("web".to_owned(), target("web")), when)).into_iter().collect();
        assert_eq!(see(&db, &ask).await.past.returned, expected, "since {since}");
    }
}
