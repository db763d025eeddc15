//! Circuit breakers: what they count, who opens and closes them, and in which order.

use fettle_core::id::ActionId;
use fettle_core::ports::model::{Changes, ReceiveAsk};
use fettle_core::remediation::outcome::{Outcome, Verdict};
use fettle_core::remediation::record::{ActionRow, BreakerRow, Record, VerdictRow};
use fettle_core::remediation::state::Remediation;
use fettle_core::rule::model::Mode;
use fettle_core::surroundings::Breaker;
use fettle_core::time::Timestamp;
use uuid::Uuid;

use super::fixture::{at, closed, held, intent, open_all, record, write};
use super::{Db, facts, on_all};

on_all!(
    what_is_unproven_is_counted_for_the_rule_that_acted_on_its_own_target,
    at_most_so_many_and_the_newest_of_them,
    a_closed_breaker_counts_from_its_closing_on,
    what_was_decided_earlier_changes_nothing_that_was_decided_later,
    a_person_resets_what_is_open_or_unproven,
    those_ever_opened_are_listed_with_what_is_unproven,
);

/// Each a `not_fixed` verdict given to an effect of the rule at that time, by a remediation of its own.
pub async fn judged(db: &Db, all: &[(&str, Timestamp)]) {
    for (rule, when) in all {
        one(db, rule, *when, Verdict::NotFixed, |_| {}).await;
    }
}

async fn one(db: &Db, rule: &str, when: Timestamp, verdict: Verdict, change: impl Fn(&mut ActionRow)) {
    let it = Remediation { rule: rule.into(), ..closed(held("judged", at(0)), Outcome::Escalated, when) };
    let mut row = intent(&it, at(0));
    change(&mut row);
    let given = VerdictRow { action_id: row.id, at: when, verdict, reason: "seen".into() };
    let judged = Record::Verdict { rule: rule.into(), action: "restart", row: given };
    let records = vec![record(&row), judged];
    let changes = Changes { opened: vec![it], records, ..Changes::default() };
    write(&*db.store, &ReceiveAsk::new(db.owner, at(0)), changes).await.unwrap();
}

fn breaker(second: i64, opened_at: Option<Timestamp>, probe: Option<ActionId>) -> Record {
    Record::Breaker(BreakerRow { rule: "web".into(), at: at(second), opened_at, probe, by: None })
}

async fn of_web(db: &Db, since: Timestamp) -> Breaker {
    facts::of(db, &held("web", at(0)), since).await.surroundings.breaker
}

async fn what_is_unproven_is_counted_for_the_rule_that_acted_on_its_own_target(db: Db) {
    assert_eq!(of_web(&db, at(0)).await, Breaker::default());
    for (second, verdict) in (10..).zip(Verdict::ALL) {
        one(&db, "web", at(second), *verdict, |_| {}).await;
    }
    judged(&db, &[("other", at(50))]).await;
    one(&db, "web", at(51), Verdict::NotFixed, |row| row.mode = Mode::Observe).await;
    one(&db, "web", at(52), Verdict::NotFixed, |row| row.target = "container:local/dependent".into()).await;
    one(&db, "web", at(53), Verdict::NotFixed, |row| row.mode = Mode::Propose).await;
    let mut expected: Vec<_> =
        (10..).zip(Verdict::ALL).filter(|(_, it)| it.proves_nothing()).map(|(second, _)| at(second)).collect();
    expected.push(at(53));
    expected.reverse();
    assert_eq!(of_web(&db, at(0)).await.unproven, expected);
    assert_eq!(of_web(&db, at(53)).await.unproven, [at(53)], "from that instant on");
}

async fn at_most_so_many_and_the_newest_of_them(db: Db) {
    let all: Vec<_> = (1..=70).map(|second| ("web", at(second))).collect();
    judged(&db, &all).await;
    let unproven = of_web(&db, at(0)).await.unproven;
    assert_eq!(unproven, (7..=70).rev().map(at).collect::<Vec<_>>());
}

async fn a_closed_breaker_counts_from_its_closing_on(db: Db) {
    judged(&db, &[("web", at(10)), ("web", at(20)), ("web", at(30))]).await;
    let probe = Uuid::now_v7();
    db.store.record(&[breaker(20, Some(at(20)), None)]).await.unwrap();
    db.store.record(&[breaker(21, Some(at(20)), Some(probe.into()))]).await.unwrap();
    let open = Breaker { opened_at: Some(at(20)), probe: Some(probe.into()), unproven: vec![at(30), at(20), at(10)] };
    assert_eq!(of_web(&db, at(0)).await, open);

    db.store.record(&[breaker(25, None, None)]).await.unwrap();
    assert_eq!(of_web(&db, at(0)).await, Breaker { unproven: vec![at(30)], ..Breaker::default() });
    // Opened again, it still knows from when on.
    db.store.record(&[breaker(31, Some(at(31)), None)]).await.unwrap();
    assert_eq!(of_web(&db, at(0)).await.unproven, [at(30)]);
    db.store.record(&[breaker(40, None, None)]).await.unwrap();
    assert_eq!(of_web(&db, at(0)).await, Breaker::default());
    let closed = "SELECT rule FROM fettle_breakers WHERE closed_at IS NOT NULL AND opened_at IS NULL";
    let closed = db.told(closed, |rows| {
        let closed = rows.breakers().filter(|(_, it)| it.closed_at.is_some() && it.opened_at.is_none());
        closed.map(|(rule, _)| rule.to_owned()).collect()
    });
    assert_eq!(closed.await, ["web"]);
}

async fn what_was_decided_earlier_changes_nothing_that_was_decided_later(db: Db) {
    let probe = Uuid::now_v7();
    db.store.record(&[breaker(10, Some(at(5)), Some(probe.into()))]).await.unwrap();
    db.store.record(&[breaker(9, Some(at(9)), None)]).await.unwrap();
    let now = of_web(&db, at(0)).await;
    assert_eq!((now.opened_at, now.probe), (Some(at(5)), Some(probe.into())), "a late word forgets no probe");
}

async fn a_person_resets_what_is_open_or_unproven(db: Db) {
    assert!(!db.store.reset_breaker("web", "oncall", at(1)).await.unwrap(), "nothing to reset");
    assert_eq!(db.count("fettle_breakers").await, 0);
    judged(&db, &[("web", at(10))]).await;
    assert!(db.store.reset_breaker("web", "oncall", at(11)).await.unwrap());
    assert_eq!(of_web(&db, at(0)).await, Breaker::default());
    assert!(!db.store.reset_breaker("web", "oncall", at(12)).await.unwrap(), "it is closed and nothing is unproven");
    db.store.record(&[breaker(20, Some(at(20)), None)]).await.unwrap();
    assert!(db.store.reset_breaker("web", "boss", at(21)).await.unwrap());
    let by =
        db.told("SELECT by FROM fettle_breakers", |rows| rows.breakers().filter_map(|(_, it)| it.by.clone()).collect());
    assert_eq!(by.await, ["boss"]);
}

async fn those_ever_opened_are_listed_with_what_is_unproven(db: Db) {
    open_all(&*db.store, &[held("web", at(0))]).await;
    judged(&db, &[("web", at(10)), ("web", at(20)), ("never", at(20))]).await;
    assert_eq!(db.store.breakers(at(0)).await.unwrap(), []);
    db.store.record(&[breaker(20, Some(at(20)), None)]).await.unwrap();
    let listed = db.store.breakers(at(15)).await.unwrap();
    assert_eq!(listed, [("web".into(), Breaker { opened_at: Some(at(20)), probe: None, unproven: vec![at(20)] })]);
}
