//! Events, samples of hosts, and alerts that nobody attends to.

use fettle_core::ports::model::{Candidate, Changes, ReceiveAsk, SAMPLED, Sample, Standing};
use fettle_core::ports::view::{EventFilter, EventView};
use fettle_core::remediation::record::{EventRow, Record, Severity};
use serde_json::json;
use uuid::Uuid;

use super::fixture::{at, firing, held, write};
use super::{Db, on_all};

on_all!(
    events_are_told_newest_first_filtered_and_paged,
    samples_are_apart_and_found_by_time,
    a_sample_that_is_stored_twice_is_there_once,
    alerts_without_an_open_remediation_are_found_page_by_page,
);

fn sample(event: &'static str, severity: Severity, second: i64) -> Sample {
    let (seconds, nanos) = (u64::try_from(at(second).as_second()).expect("after 1970"), 0);
    let id = Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanos)).into();
    let details = json!({"host": "node-a\0"});
    Sample { id, at: at(second), event, severity, details, cpu: 1.5, ram: 2.5, disk: Some(99.9) }
}

async fn told(db: &Db, filter: EventFilter) -> Vec<EventView> {
    db.store.events(&EventFilter { limit: if filter.limit == 0 { 9 } else { filter.limit }, ..filter }).await.unwrap()
}

fn names(events: &[EventView]) -> Vec<&str> {
    events.iter().map(|it| it.event.as_str()).collect()
}

async fn events_are_told_newest_first_filtered_and_paged(db: Db) {
    let row = |event, severity, second| {
        Record::Event(EventRow { at: at(second), event, severity, details: json!({"n": second}) })
    };
    let rows = [row("one", Severity::Info, 1), row("two", Severity::Critical, 2), row("three", Severity::Info, 3)];
    db.store.record(&rows).await.unwrap();
    db.store
        .sample(&[sample(SAMPLED, Severity::Info, 4), sample("host_stressed", Severity::Warning, 5)])
        .await
        .unwrap();
    let all = told(&db, EventFilter::default()).await;
    assert_eq!(names(&all), ["host_stressed", "three", "two", "one"]);
    assert_eq!((all[1].at, &all[1].details, all[1].cpu), (at(3), &json!({"n": 3}), None));
    assert_eq!((all[0].cpu, all[0].ram, all[0].disk), (Some(1.5), Some(2.5), Some(99.9)));
    let by = |severity: &str| EventFilter { severity: Some(severity.into()), ..EventFilter::default() };
    assert_eq!(names(&told(&db, by("critical")).await), ["two"]);
    assert_eq!(names(&told(&db, by("' OR 1=1")).await), [""; 0]);
    let named = EventFilter { event: Some("three".into()), ..EventFilter::default() };
    assert_eq!(names(&told(&db, named).await), ["three"]);
    assert_eq!(names(&told(&db, EventFilter { limit: 2, ..EventFilter::default() }).await), ["host_stressed", "three"]);
    let older = EventFilter { after: Some(all[1].id), ..EventFilter::default() };
    assert_eq!(names(&told(&db, older).await), ["two", "one"]);
    let since = EventFilter { since: Some(at(2)), ..EventFilter::default() };
    assert_eq!(names(&told(&db, since).await), ["host_stressed", "three", "two"]);
}

async fn samples_are_apart_and_found_by_time(db: Db) {
    let all: Vec<Sample> = (0..5).map(|n| sample(SAMPLED, Severity::Info, n * 60)).collect();
    db.store.sample(&all).await.unwrap();
    assert!(told(&db, EventFilter::default()).await.is_empty());
    let of = |since| EventFilter { event: Some(SAMPLED.into()), since, ..EventFilter::default() };
    let found = told(&db, of(None)).await;
    assert_eq!(found.iter().map(|it| it.at).collect::<Vec<_>>(), [at(240), at(180), at(120), at(60), at(0)]);
    assert_eq!(found[0].details["host"], "node-a\u{fffd}", "NUL goes into no database");
    assert_eq!(told(&db, of(Some(at(120)))).await.len(), 3);
}

async fn a_sample_that_is_stored_twice_is_there_once(db: Db) {
    let one = [sample(SAMPLED, Severity::Info, 0)];
    db.store.sample(&one).await.unwrap();
    db.store.sample(&one).await.unwrap();
    let filter = EventFilter { event: Some(SAMPLED.into()), ..EventFilter::default() };
    assert_eq!(told(&db, filter).await.len(), 1);
}

async fn alerts_without_an_open_remediation_are_found_page_by_page(db: Db) {
    let mut alerts: Vec<_> = ["a", "b", "c", "d"].map(|service| firing(service, at(0))).into();
    let attached = held("a", at(0));
    let candidate = |alert: &fettle_core::alert::episode::AlertState, standing| Candidate {
        fingerprint: alert.fingerprint,
        rule: "web".into(),
        episode: 1,
        target: "container:local/x".into(),
        standing,
        remediation: Some(attached.id),
        closed_at: None,
        conclusion: None,
        again_at: None,
    };
    let candidates = vec![candidate(&alerts[0], Standing::Attached), candidate(&alerts[1], Standing::Spent)];
    alerts[3].firing = false;
    alerts[3].ended_at = Some(at(1));
    alerts[3].end_heard_at = Some(at(1));
    let mut expected: Vec<_> = [&alerts[1], &alerts[2]].map(|it| it.fingerprint).into();
    expected.sort_by_key(ToString::to_string);
    let changes = Changes { alerts, candidates, opened: vec![attached.clone()], ..Changes::default() };
    write(&*db.store, &ReceiveAsk::new(db.owner, at(0)), changes).await.unwrap();
    let first = db.store.unattended(None, 1).await.unwrap();
    let second = db.store.unattended(Some(first[0].fingerprint), 9).await.unwrap();
    let found: Vec<_> = first.iter().chain(&second).map(|it| it.fingerprint).collect();
    assert_eq!(found, expected, "spent and never selected; not the attached, not the resolved");
}
