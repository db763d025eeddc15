//! What is the case around a remediation: all of it, and nothing of others.

use fettle_core::alert::episode::{AlertState, Word};
use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::alert::labels::Labels;
use fettle_core::effect::Effect;
use fettle_core::ports::model::{Changes, Commit, Facts, FactsAsk, ReceiveAsk};
use fettle_core::remediation::loan::{Loan, LoanEnd};
use fettle_core::remediation::outcome::Outcome;
use fettle_core::remediation::record::Record;
use fettle_core::remediation::state::Remediation;
use fettle_core::surroundings::{Answer, AnswerKind, OpenLoan, PauseScope, Surroundings};
use fettle_core::time::Timestamp;
use uuid::Uuid;

use super::fixture::{at, ended, firing, held, lend, loan, open_all, returning, target, write};
use super::pauses::pause;
use super::{Db, on_all};

on_all!(
    nothing_is_the_case_around_one_alone,
    the_attached_alerts_are_those_of_this_remediation,
    pauses_that_are_not_over_are_known_whatever_they_are_about,
    open_loans_are_found_by_target_and_by_any_key,
    the_last_answer_counts,
    alerts_that_an_unless_could_mean_fire_have_fresh_evidence_and_carry_its_labels,
    the_heartbeat_was_last_heard_when_it_fired,
    an_end_that_was_only_seen_is_stored_unless_something_was_heard_since,
);

fn ask(remediation: &Remediation) -> FactsAsk {
    FactsAsk {
        remediation: remediation.id,
        rule: remediation.rule.clone(),
        unproven_since: at(0),
        target: remediation.target.to_string(),
        key: remediation.key.clone(),
        unless: vec![],
        unless_since: at(0),
        now: at(5),
    }
}

/// Everything around `remediation`, with what is unproven since then.
pub async fn of(db: &Db, remediation: &Remediation, unproven_since: Timestamp) -> Facts {
    db.store.work().facts(&FactsAsk { unproven_since, ..ask(remediation) }).await.unwrap()
}

async fn nothing_is_the_case_around_one_alone(db: Db) {
    assert_eq!(of(&db, &held("web", at(0)), at(0)).await, Facts::default());
}

async fn the_attached_alerts_are_those_of_this_remediation(db: Db) {
    let (web, api) = (held("web", at(0)), held("api", at(0)));
    open_all(&*db.store, &[web.clone(), api.clone()]).await;
    assert_eq!(of(&db, &web, at(0)).await.alerts, [firing("web", at(0))]);
    assert_eq!(of(&db, &web, at(0)).await.alerts, db.store.attached(web.id).await.unwrap());
    assert_eq!(of(&db, &api, at(0)).await.surroundings, Surroundings::default());
}

async fn pauses_that_are_not_over_are_known_whatever_they_are_about(db: Db) {
    let of_other = PauseScope::Target(target("api").parse().unwrap());
    for pause in [pause(PauseScope::All, 1, Some(at(5))), pause(of_other, 2, None), pause(PauseScope::All, 3, None)] {
        db.store.pause(&pause).await.unwrap();
    }
    let seen = of(&db, &held("web", at(0)), at(0)).await.surroundings.pauses;
    assert_eq!(seen, db.store.pauses(at(5)).await.unwrap());
    assert_eq!(seen.len(), 2);
}

async fn open_loans_are_found_by_target_and_by_any_key(db: Db) {
    let lender = held("web", at(0));
    let lent = Loan { keys: vec!["key:web".into(), "key:replica".into()], ..loan(&lender, at(9)) };
    let claim = lend(&db, &lender, &lent, Outcome::Fixed).await;
    let Effect::SetReplicas { .. } = lent.effect else { unreachable!() };
    let open = OpenLoan {
        id: lent.id,
        remediation: lender.id,
        target: target("web"),
        detail: lent.effect.describe(),
        due_at: at(9),
    };
    let by = |service: &str, key: Option<&str>| Remediation { key: key.map(Into::into), ..held(service, at(0)) };
    let seen = async |it: Remediation| of(&db, &it, at(0)).await.surroundings.loans;
    assert_eq!(seen(by("web", None)).await, std::slice::from_ref(&open));
    assert_eq!(seen(by("another-name", Some("key:replica"))).await, std::slice::from_ref(&open));
    assert_eq!(seen(by("another-name", Some("key:api"))).await, []);
    assert_eq!(seen(by("another-name", None)).await, []);

    let back = Commit { effort: returning(&lent, at(10)), records: vec![], keep_until: Some(at(99)) };
    let claim = db.store.loans().commit(&claim, &back).await.unwrap().expect("claimed").claim;
    assert_eq!(seen(by("web", None)).await.len(), 1, "until it is back");
    let over = Commit { effort: ended(lent, LoanEnd::Returned, at(11)), records: vec![], keep_until: None };
    db.store.loans().commit(&claim, &over).await.unwrap().expect("claimed");
    assert_eq!(seen(by("web", None)).await, []);
}

async fn the_last_answer_counts(db: Db) {
    let it = held("web", at(0));
    open_all(&*db.store, &[it.clone(), held("api", at(0))]).await;
    assert_eq!(of(&db, &it, at(0)).await.surroundings.answer, None);
    for second in [3, 2] {
        let id = Uuid::now_v7().into();
        let answer = Answer { id, kind: AnswerKind::Cancel, plan: None, by: format!("at {second}"), at: at(second) };
        db.store.answer(it.id, &answer).await.unwrap();
    }
    assert_eq!(of(&db, &it, at(0)).await.surroundings.answer.expect("answered").by, "at 3");
}

/// An alert with these labels that began to fire then.
async fn heard(db: &Db, pairs: &[(&str, &str)], when: i64) -> AlertState {
    let labels: Labels = pairs.iter().copied().collect();
    let alert = AlertState::first(Fingerprint::of(&labels), labels, Word::Firing { starts_at: at(when) }, at(when)).0;
    hear(db, &alert).await;
    alert
}

async fn hear(db: &Db, alert: &AlertState) {
    let mut ask = ReceiveAsk::new(db.owner, at(0));
    ask.fingerprints = [alert.fingerprint].into();
    write(&*db.store, &ask, Changes { alerts: vec![alert.clone()], ..Changes::default() }).await.unwrap();
}

/// For each `unless`, the labels that are asked for.
type Meant<'a> = &'a [&'a [(&'a str, &'a str)]];

async fn alerts_that_an_unless_could_mean_fire_have_fresh_evidence_and_carry_its_labels(db: Db) {
    let down = heard(&db, &[("alertname", "HostDown"), ("instance", "a"), ("we\"ird.$key", "\\v")], 50).await;
    let other = heard(&db, &[("alertname", "HostDown"), ("instance", "b")], 50).await;
    let mut over = heard(&db, &[("alertname", "HostDown"), ("instance", "a"), ("x", "over")], 50).await;
    over.hear(Word::Resolved { starts_at: at(50), ends_at: at(51) }, at(51), None);
    hear(&db, &over).await;
    heard(&db, &[("alertname", "HostDown"), ("instance", "a"), ("x", "stale")], 49).await;
    let net = heard(&db, &[("alertname", "NetDown"), ("instance", "a")], 60).await;

    let me = held("web", at(0));
    let unless = |all: &[&[(&str, &str)]]| FactsAsk {
        unless: all.iter().map(|pairs| pairs.iter().copied().collect()).collect(),
        unless_since: at(50),
        ..ask(&me)
    };
    let sorted = |mut alerts: Vec<&AlertState>| -> Vec<AlertState> {
        alerts.sort_by_key(|alert| alert.fingerprint);
        alerts.into_iter().cloned().collect()
    };
    let table: [(Meant<'_>, Vec<&AlertState>); 8] = [
        (&[], vec![]),
        (&[&[("alertname", "HostDown"), ("instance", "a")]], vec![&down]),
        (&[&[("alertname", "HostDown")]], vec![&down, &other]),
        (&[&[("instance", "a")]], vec![&down, &net]),
        (&[&[("alertname", "HostDown"), ("we\"ird.$key", "\\v")]], vec![&down]),
        (&[&[("alertname", "HostDown"), ("instance", "b")], &[("alertname", "NetDown")]], vec![&other, &net]),
        (&[&[("alertname", "HostDown")], &[("instance", "a")]], vec![&down, &other, &net]),
        (&[&[]], vec![&down, &other, &net]),
    ];
    for (all, expected) in table {
        let related = db.store.work().facts(&unless(all)).await.unwrap().surroundings.related;
        assert_eq!(related, sorted(expected), "{all:?}");
    }
}

async fn the_heartbeat_was_last_heard_when_it_fired(db: Db) {
    assert_eq!(db.store.last_heard("Watchdog").await.unwrap(), None);
    heard(&db, &[("alertname", "Watchdog"), ("prometheus", "a")], 10).await;
    let mut newer = heard(&db, &[("alertname", "Watchdog"), ("prometheus", "b")], 20).await;
    heard(&db, &[("alertname", "Other")], 90).await;
    assert_eq!(db.store.last_heard("Watchdog").await.unwrap(), Some(at(20)));
    newer.hear(Word::Resolved { starts_at: at(20), ends_at: at(30) }, at(30), None);
    hear(&db, &newer).await;
    assert_eq!(db.store.last_heard("Watchdog").await.unwrap(), Some(at(20)), "its end is no sign of life");
}

async fn an_end_that_was_only_seen_is_stored_unless_something_was_heard_since(db: Db) {
    let me = held("web", at(0));
    open_all(&*db.store, std::slice::from_ref(&me)).await;
    let mut seen = firing("web", at(0));
    seen.hear(Word::Resolved { starts_at: at(0), ends_at: at(30) }, at(30), None);

    let mut again = firing("web", at(0));
    again.hear(Word::Firing { starts_at: at(0) }, at(40), None);
    hear(&db, &again).await;
    db.store.record(&[Record::Ended(Box::new(seen.clone()))]).await.unwrap();
    assert_eq!(of(&db, &me, at(0)).await.alerts, [again.clone()], "heard firing after the look");

    again.hear(Word::Resolved { starts_at: at(0), ends_at: at(50) }, at(50), None);
    db.store.record(&[Record::Ended(Box::new(again.clone()))]).await.unwrap();
    assert_eq!(of(&db, &me, at(0)).await.alerts, [again]);
}
