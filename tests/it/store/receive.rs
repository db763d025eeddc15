//! Taking in: once per notification, on locked facts, all or nothing.

use std::sync::Arc;

use fettle_core::alert::episode::{AlertState, Word};
use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::alert::labels::Labels;
use fettle_core::id::ActionId;
use fettle_core::ports::StoreError;
use fettle_core::ports::model::{Candidate, Changes, OpenTarget, PastFix, ReceiveAsk, Standing, World};
use fettle_core::ports::view::{AlertFilter, AlertView, RemediationFilter};
use fettle_core::remediation::outcome::{Outcome, Verdict};
use fettle_core::remediation::state::{Remediation, StateName};
use uuid::Uuid;

use super::fixture::{
    at, attached, closed, commit, firing, held, intent, notification, open_all, open_claimed, record, target, verdict,
    write,
};
use super::{Db, on_all, retry};

on_all!(
    a_notification_is_taken_in_once_however_many_try,
    alerts_read_back_as_written_and_repeats_keep_their_labels,
    the_world_has_what_was_asked_for_and_nothing_else,
    the_last_fix_of_each_rule_is_known_back_to_the_given_instant,
    a_fix_is_known_with_whether_it_was_told_that_it_came_back,
    a_second_open_remediation_for_a_target_is_a_conflict_and_leaves_nothing,
    a_closed_remediation_makes_room_for_the_next,
    new_remediations_are_born_claimed,
    those_refused_at_once_are_stored_and_never_due,
    no_word_about_an_alert_is_lost_between_replicas,
    nul_and_hostile_text_in_labels_are_stored,
    a_batch_of_many_alerts_is_taken_in_at_once,
    what_a_batch_opens_it_can_wake,
    what_is_foreseen_takes_nothing_and_who_only_reads_cannot_write,
);

async fn a_notification_is_taken_in_once_however_many_try(db: Db) {
    let batch = [notification(at(1), "a"), notification(at(2), "b")];
    db.store.append(&batch).await.unwrap();
    let mut ask = ReceiveAsk::new(db.owner, at(3));
    ask.take = batch.iter().map(|n| n.id).chain([Uuid::now_v7().into()]).collect();

    let ask = Arc::new(ask);
    let tries = (0..8).map(|_| {
        let (store, ask) = (db.store.clone(), ask.clone());
        tokio::spawn(async move {
            let taken = std::sync::Mutex::new(0);
            let think = |world: &World| {
                *taken.lock().unwrap() = world.taken.len();
                Changes::default()
            };
            retry(|| store.receive(&ask, &think)).await.unwrap();
            taken.into_inner().unwrap()
        })
    });
    let mut taken = Vec::new();
    for one in tries.collect::<Vec<_>>() {
        taken.push(one.await.unwrap());
    }
    taken.sort_unstable();
    assert_eq!(taken, [0, 0, 0, 0, 0, 0, 0, 2]);
    assert_eq!(db.store.backlog().await.unwrap(), 0);
    assert_eq!(db.count("fettle_notifications").await, 2);
}

async fn what_is_foreseen_takes_nothing_and_who_only_reads_cannot_write(db: Db) {
    let web = held("web", at(5));
    open_all(&*db.store, std::slice::from_ref(&web)).await;
    let sent = notification(at(1), "a");
    db.store.append(std::slice::from_ref(&sent)).await.unwrap();
    let mut ask = ReceiveAsk::new(db.owner, at(3));
    ask.take = vec![sent.id];
    ask.targets = [target("web")].into();
    let reader = db.reader().await;
    for store in [&db.store, &reader] {
        let world = store.foresee(&ask).await.unwrap();
        assert!(world.taken.is_empty() && world.open.len() == 1, "{world:?}");
        assert_eq!(store.remediation(web.id).await.unwrap().as_ref(), Some(&web));
        assert_eq!(store.remediation(Uuid::now_v7().into()).await.unwrap(), None);
    }
    assert_eq!(db.store.backlog().await.unwrap(), 1);
    assert!(reader.append(&[notification(at(2), "b")]).await.is_err());
    assert!(write(&*reader, &ask, Changes::default()).await.is_err());
    assert_eq!(db.store.backlog().await.unwrap(), 1);
    reader.close().await;
    db.store.append(&[notification(at(2), "c")]).await.unwrap();
    assert_eq!(db.store.backlog().await.unwrap(), 2, "the reader held nobody up");
}

/// What is known of the alerts and targets of these services.
pub async fn world(db: &Db, services: &[&str]) -> World {
    let mut ask = ReceiveAsk::new(db.owner, at(0));
    ask.fingerprints = services.iter().map(|s| firing(s, at(0)).fingerprint).collect();
    ask.targets = services.iter().map(|s| target(s)).collect();
    ask.fixed_since = Some(at(-1000));
    see(db, &ask).await
}

/// As the core gets it when it takes notifications in: whoever speaks of an alert has its labels.
fn unlabelled(alert: &AlertState) -> AlertState {
    AlertState { labels: Labels::default(), ..alert.clone() }
}

/// The alert as the store gives it to people.
async fn shown(db: &Db) -> AlertView {
    let filter = AlertFilter { limit: 9, ..AlertFilter::default() };
    db.store.alerts(&filter).await.unwrap().remove(0)
}

/// What taking in would read, and what is foreseen of it, which is the same.
pub async fn see(db: &Db, ask: &ReceiveAsk) -> World {
    let seen = std::sync::Mutex::new(Vec::new());
    let think = |world: &World| {
        let mut seen = seen.lock().unwrap();
        seen.push(world.clone());
        // Something must be opened before the past is read, and only the last word is written.
        let opened = if seen.len() == 1 { vec![held("never-written", at(0))] } else { Vec::new() };
        Changes { opened, ..Changes::default() }
    };
    db.store.receive(ask, &think).await.unwrap();
    let [first, seen] = <[World; 2]>::try_from(seen.into_inner().unwrap()).expect("asked twice");
    assert_eq!((&first.alerts, &first.candidates, &first.open), (&seen.alerts, &seen.candidates, &seen.open));
    for store in [db.store.clone(), db.reader().await] {
        let foreseen = store.foresee(ask).await.unwrap();
        assert_eq!((&foreseen.alerts, &foreseen.candidates), (&seen.alerts, &seen.candidates));
        assert_eq!((&foreseen.open, &foreseen.past), (&seen.open, &seen.past));
    }
    seen
}

async fn alerts_read_back_as_written_and_repeats_keep_their_labels(db: Db) {
    let mut alert = firing("web", at(1));
    let ask = |alert: &AlertState| {
        let mut ask = ReceiveAsk::new(db.owner, at(1));
        ask.fingerprints = [alert.fingerprint].into();
        ask
    };
    let change = |alert: &AlertState| Changes { alerts: vec![alert.clone()], ..Changes::default() };
    write(&*db.store, &ask(&alert), change(&alert)).await.unwrap();
    assert_eq!(world(&db, &["web"]).await.alerts[&alert.fingerprint], unlabelled(&alert));

    for (word, when) in [
        (Word::Firing { starts_at: at(1) }, at(5)),
        (Word::Resolved { starts_at: at(1), ends_at: at(7) }, at(8)),
        (Word::Firing { starts_at: at(9) }, at(10)),
    ] {
        alert.hear(word, when, None);
        write(&*db.store, &ask(&alert), change(&alert)).await.unwrap();
        assert_eq!(world(&db, &["web"]).await.alerts[&alert.fingerprint], unlabelled(&alert));
        assert_eq!(shown(&db).await.labels, serde_json::to_value(&alert.labels).unwrap());
    }
    assert_eq!(db.count("alerts").await, 1);
}

async fn the_world_has_what_was_asked_for_and_nothing_else(db: Db) {
    let (web, api) = (held("web", at(5)), held("api", at(5)));
    open_all(&*db.store, &[web.clone(), api]).await;
    let world = world(&db, &["web", "nothing"]).await;
    assert_eq!(world.alerts.keys().collect::<Vec<_>>(), [&web.alert.fingerprint]);
    assert_eq!(world.candidates[&web.alert.fingerprint], [attached(&web)]);
    assert_eq!(
        world.open,
        [(target("web"), OpenTarget { id: web.id, rule: "web".into(), state: StateName::Held })].into()
    );
    assert!(world.past.fixed.is_empty() && world.taken.is_empty());
}

async fn fixed_at(db: &Db, rule: &str, second: i64) -> ActionId {
    let action = Uuid::now_v7().into();
    let mut it = held("web", at(0));
    (it.rule, it.rung, it.last_action) = (rule.into(), 1, Some(action));
    let opened = vec![closed(it, Outcome::Fixed, at(second))];
    write(&*db.store, &ReceiveAsk::new(db.owner, at(0)), Changes { opened, ..Changes::default() }).await.unwrap();
    action
}

async fn the_last_fix_of_each_rule_is_known_back_to_the_given_instant(db: Db) {
    fixed_at(&db, "web", 10).await;
    let last = fixed_at(&db, "web", 30).await;
    fixed_at(&db, "web", 20).await;
    let other = fixed_at(&db, "disk", 15).await;
    let mut ask = ReceiveAsk::new(db.owner, at(0));
    ask.targets = [target("web")].into();

    assert_eq!(see(&db, &ask).await.past.fixed, [].into());
    ask.fixed_since = Some(at(15));
    let fix = |action, second| PastFix { regressed: false, action, rung: 1, closed_at: at(second) };
    let both = [(("web".into(), target("web")), fix(last, 30)), (("disk".into(), target("web")), fix(other, 15))];
    assert_eq!(see(&db, &ask).await.past.fixed, both.into());
    ask.fixed_since = Some(at(16));
    assert_eq!(see(&db, &ask).await.past.fixed.len(), 1);
}

async fn a_fix_is_known_with_whether_it_was_told_that_it_came_back(db: Db) {
    let it = closed(held("web", at(0)), Outcome::Fixed, at(30));
    let row = intent(&it, at(1));
    let it = Remediation { last_action: Some(row.id), ..it };
    let records = vec![record(&row), verdict(row.id, Verdict::Fixed, at(30))];
    let changes = Changes { opened: vec![it], records, ..Changes::default() };
    write(&*db.store, &ReceiveAsk::new(db.owner, at(0)), changes).await.unwrap();
    let mut ask = ReceiveAsk::new(db.owner, at(0));
    (ask.targets, ask.fixed_since) = ([target("web")].into(), Some(at(0)));
    let known =
        async || see(&db, &ask).await.past.fixed.into_values().map(|it| (it.action, it.regressed)).collect::<Vec<_>>();
    assert_eq!(known().await, [(row.id, false)]);
    let records = vec![verdict(row.id, Verdict::Regressed, at(40))];
    write(&*db.store, &ReceiveAsk::new(db.owner, at(0)), Changes { records, ..Changes::default() }).await.unwrap();
    assert_eq!(known().await, [(row.id, true)]);
}

async fn a_second_open_remediation_for_a_target_is_a_conflict_and_leaves_nothing(db: Db) {
    open_all(&*db.store, &[held("web", at(5))]).await;
    let sent = notification(at(1), "{}");
    db.store.append(std::slice::from_ref(&sent)).await.unwrap();

    let mut ask = ReceiveAsk::new(db.owner, at(2));
    ask.take = vec![sent.id];
    let changes = Changes {
        alerts: vec![firing("other", at(1))],
        opened: vec![held("free", at(5)), held("web", at(5))],
        ..Changes::default()
    };
    let refused = write(&*db.store, &ask, changes).await;
    assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{refused:?}");
    assert_eq!(db.store.backlog().await.unwrap(), 1, "still to be taken in");
    assert_eq!((db.count("remediations").await, db.count("alerts").await), (1, 1));
}

async fn a_closed_remediation_makes_room_for_the_next(db: Db) {
    let first = held("web", at(1));
    let claim = open_claimed(&*db.store, db.owner, &first).await;
    let done = closed(first, Outcome::Cancelled, at(2));
    db.store.work().commit(&claim, &commit(&done, vec![])).await.unwrap().expect("claimed");

    let opened = vec![held("web", at(5))];
    write(&*db.store, &ReceiveAsk::new(db.owner, at(3)), Changes { opened, ..Changes::default() }).await.unwrap();
}

async fn new_remediations_are_born_claimed(db: Db) {
    let it = held("web", at(1));
    let mut ask = ReceiveAsk::new(db.owner, at(0));
    ask.lease_until = Some(at(30));
    write(&*db.store, &ask, Changes { opened: vec![it.clone()], ..Changes::default() }).await.unwrap();

    assert_eq!(db.store.work().claim(Uuid::now_v7().into(), at(30), at(60), 10).await.unwrap(), []);
    assert_eq!(db.store.work().next_due(at(30)).await.unwrap(), None);
    let born = fettle_core::ports::model::Claim { id: it.id.into(), owner: db.owner, version: 1, wakes: 0 };
    assert!(db.store.work().commit(&born, &commit(&it, vec![])).await.unwrap().is_some());
}

async fn those_refused_at_once_are_stored_and_never_due(db: Db) {
    let mut ask = ReceiveAsk::new(db.owner, at(0));
    ask.lease_until = Some(at(30));
    // More than one for a target, since they are over.
    let opened: Vec<Remediation> = (0..3).map(|_| closed(held("web", at(0)), Outcome::Refused, at(0))).collect();
    write(&*db.store, &ask, Changes { opened, ..Changes::default() }).await.unwrap();
    assert_eq!(db.store.work().claim(db.owner, at(99_999), at(99_999), 10).await.unwrap(), []);
    let all = db.store.remediations(&RemediationFilter { limit: 9, ..RemediationFilter::default() }).await.unwrap();
    assert_eq!(all.iter().filter(|it| it.outcome.as_deref() == Some("refused")).count(), 3);
}

async fn no_word_about_an_alert_is_lost_between_replicas(db: Db) {
    const WORKERS: i64 = 8;
    const WORDS: i64 = 10;
    let services = ["a", "b", "c"];
    let tasks: Vec<_> = (0..WORKERS)
        .map(|_| {
            let store = db.store.clone();
            let mut ask = ReceiveAsk::new(db.owner, at(0));
            ask.fingerprints = services.iter().map(|s| firing(s, at(0)).fingerprint).collect();
            // Counts in `episode` how often each alert was heard of.
            let think = move |world: &World| {
                let heard = services.map(|service| {
                    let new = firing(service, at(0));
                    match world.alerts.get(&new.fingerprint) {
                        Some(known) => AlertState { episode: known.episode + 1, ..known.clone() },
                        None => new,
                    }
                });
                Changes { alerts: heard.into(), ..Changes::default() }
            };
            tokio::spawn(async move {
                for _ in 0..WORDS {
                    retry(|| store.receive(&ask, &think)).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    for alert in world(&db, &services).await.alerts.values() {
        assert_eq!(alert.episode, WORKERS * WORDS);
    }
}

async fn nul_and_hostile_text_in_labels_are_stored(db: Db) {
    let hostile = Labels::from_iter([
        ("alertname", "a\0b"),
        ("severity", "\0"),
        ("quote", "'; DROP TABLE alerts; --\"\\u0000\\"),
        ("emoji\0", "\u{10ffff}\u{200b}\r\n\t"),
    ]);
    let alert = AlertState { labels: hostile.clone(), ..firing("web", at(1)) };
    let mut it = held("web", at(1));
    it.alert.labels = hostile.clone();
    let mut row = super::fixture::intent(&it, at(1));
    (row.labels, row.error, row.detail) = (hostile, Some("\0".into()), serde_json::json!({"a\0": ["\0", "\\u0000"]}));
    let changes = Changes {
        alerts: vec![alert.clone()],
        opened: vec![it],
        records: vec![super::fixture::record(&row)],
        ..Changes::default()
    };
    write(&*db.store, &ReceiveAsk::new(db.owner, at(1)), changes).await.unwrap();

    let kept = shown(&db).await.labels;
    assert_eq!(kept["alertname"], "a\u{fffd}b");
    assert_eq!(kept["quote"], alert.labels.get("quote"));
    assert_eq!(kept["emoji\u{fffd}"], alert.labels.get("emoji\0"));
    let filter = fettle_core::ports::view::ActionFilter { limit: 1, ..Default::default() };
    let action = &db.store.actions(&filter).await.unwrap()[0];
    assert_eq!(action.alertname, "a\u{fffd}b");
    assert_eq!(action.detail, serde_json::json!({"a\u{fffd}": ["\u{fffd}", "\\u0000"]}));
}

async fn what_a_batch_opens_it_can_wake(db: Db) {
    let (old, new) = (held("old", at(500)), held("new", at(500)));
    open_all(&*db.store, std::slice::from_ref(&old)).await;
    let changes = Changes {
        opened: vec![new.clone()],
        woken: vec![old.id, new.id],
        alerts: vec![firing("new", at(1))],
        candidates: vec![attached(&new)],
        ..Changes::default()
    };
    write(&*db.store, &ReceiveAsk::new(db.owner, at(7)), changes).await.unwrap();
    let claimed = db.store.work().claim(db.owner, at(7), at(99), 9).await.unwrap();
    let mut woken: Vec<_> = claimed.iter().map(|it| (it.claim.id, it.claim.wakes)).collect();
    woken.sort_unstable();
    assert_eq!(woken, [(old.id.into(), 1), (new.id.into(), 1)], "due at once, and counted");
}

async fn a_batch_of_many_alerts_is_taken_in_at_once(db: Db) {
    let alerts: Vec<AlertState> = (0..2000)
        .map(|n| {
            let labels = Labels::from_iter([("alertname", "Many".to_owned()), ("n", n.to_string())]);
            AlertState::first(Fingerprint::of(&labels), labels, Word::Firing { starts_at: at(0) }, at(0)).0
        })
        .collect();
    let candidates: Vec<Candidate> = alerts
        .iter()
        .map(|alert| Candidate {
            fingerprint: alert.fingerprint,
            rule: "web".into(),
            episode: 1,
            target: target("web"),
            standing: Standing::Spent,
            remediation: None,
            closed_at: None,
            conclusion: None,
            again_at: None,
        })
        .collect();
    let mut ask = ReceiveAsk::new(db.owner, at(0));
    ask.fingerprints = alerts.iter().map(|a| a.fingerprint).collect();
    let changes = Changes { alerts, candidates, ..Changes::default() };
    write(&*db.store, &ask, changes.clone()).await.unwrap();
    let world = see(&db, &ask).await;
    assert_eq!((world.alerts.len(), world.candidates.len()), (2000, 2000));
    // And once more, as a batch of pure repeats.
    store_again(&db, &ask, changes).await;
    assert_eq!(db.count("alerts").await, 2000);
}

async fn store_again(db: &Db, ask: &ReceiveAsk, mut changes: Changes) {
    for alert in &mut changes.alerts {
        alert.hear(Word::Firing { starts_at: at(0) }, at(60), None);
    }
    let heard = changes.alerts[0].clone();
    write(&*db.store, ask, changes).await.unwrap();
    assert_eq!(see(db, ask).await.alerts[&heard.fingerprint], unlabelled(&heard));
}
