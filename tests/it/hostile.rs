//! What somebody may send to harm the others: everything that is legal in a notification and meant for nobody's good.

use std::time::Duration;

use bytes::Bytes;
use fettle_core::ports::Store;
use fettle_core::ports::view::{EventFilter, RemediationFilter};
use serde_json::{Value, json};

use crate::store::Db;
use crate::support::engine::{Fast, start};
use crate::support::fettle::{all_firing, firing};
use crate::support::model::Model;
use crate::support::wait;

const SOON: Duration = Duration::from_mins(1);

const RULES: &str = r#"
version: 1
rules:
  - name: restart
    match: ['alertname=~".+"']
    target: {min_age: 0s, container: $labels.service, allow: ["*"]}
    steps: [restart]
"#;

/// Text that no compression makes short.
fn noise(length: usize) -> String {
    let mut state = 7_u64;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'!' + u8::try_from((state >> 33) % 90).unwrap_or(0))
    };
    std::iter::repeat_with(next).take(length).collect()
}

async fn opened(store: &dyn Store) -> Vec<String> {
    let filter = RemediationFilter { limit: 1000, ..RemediationFilter::default() };
    let all = store.remediations(&filter).await.expect("readable");
    all.into_iter().map(|it| it.target).collect()
}

/// Posts the body, then a good one, and waits until what the good one is about is opened.
async fn sent_before_a_good_one(db: &Db, body: &Value) {
    let clock = Fast::begin();
    let docker = Model::running(&clock).platform();
    let (intake, _running) = start(db.store.clone(), docker, clock, db.owner, RULES).await;
    let good = firing(&[("alertname", "Down"), ("service", "good")]);
    for body in [body, &good] {
        intake.submit("test", Bytes::from(body.to_string())).await.expect("acknowledged");
    }
    wait::until("the good one is worked on", SOON, async || {
        let all = opened(&*db.store).await;
        if all.iter().any(|it| it == "container:local/good") { Ok(()) } else { Err(format!("{all:?}")) }
    })
    .await;
    wait::until("nothing is left to be taken in", SOON, async || match db.store.backlog().await {
        Ok(0) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
}

async fn long_names(db: Db) {
    let long = noise(100_000);
    let body = all_firing(&[
        vec![("alertname", &long), ("severity", &long), ("service", "web"), (&long, &long)],
        vec![("alertname", "Down"), ("service", &long)],
    ]);
    sent_before_a_good_one(&db, &body).await;
    let all = opened(&*db.store).await;
    assert_eq!(all.len(), 3, "{all:?}");
    let events = db.store.events(&EventFilter { limit: 9, ..EventFilter::default() }).await.expect("readable");
    assert!(events.iter().all(|it| it.event != "notification_set_aside"), "{events:?}");
    let filter = RemediationFilter { target: Some("container:local/web".into()), limit: 1, ..Default::default() };
    let shown = db.store.remediations(&filter).await.expect("readable").remove(0);
    assert!(shown.alertname.len() < 1100 && long.starts_with(shown.alertname.trim_end_matches('…')));
    assert!(db.store.last_heard(&long).await.expect("readable").is_some(), "it is found by its name");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_longer_than_an_index_takes_are_cut_and_stop_nothing_on_postgresql() {
    long_names(Db::postgres().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_longer_than_an_index_takes_are_cut_and_stop_nothing_on_sqlite() {
    long_names(Db::sqlite().await).await;
}

async fn poison(db: Db, trigger: &str) {
    db.sql(trigger).await.expect("a trigger");
    let body = all_firing(&[
        vec![("alertname", "Down"), ("service", "beside")],
        vec![("alertname", "Poison"), ("service", "poison")],
    ]);
    sent_before_a_good_one(&db, &body).await;
    assert_eq!(opened(&*db.store).await, ["container:local/good"]);
    let events = db.store.events(&EventFilter { limit: 9, ..EventFilter::default() }).await.expect("readable");
    let aside: Vec<_> = events.iter().filter(|it| it.event == "notification_set_aside").collect();
    let [told] = &aside[..] else { panic!("told once: {events:?}") };
    assert_eq!((told.severity.as_str(), &told.details["alerts"]), ("critical", &json!(2)), "{told:?}");
    assert!(told.details["error"].as_str().is_some_and(|why| why.contains("poison")), "{told:?}");
    assert_eq!(db.count("notifications").await, 2, "it stays stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_database_cannot_take_is_set_aside_and_holds_up_nothing_else_on_postgresql() {
    let trigger = "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'poison' USING ERRCODE = '22003'; END $$;
        CREATE TRIGGER poison BEFORE INSERT ON alerts FOR EACH ROW WHEN (NEW.alertname = 'Poison')
            EXECUTE FUNCTION poison();";
    poison(Db::postgres().await, trigger).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_database_cannot_take_is_set_aside_and_holds_up_nothing_else_on_sqlite() {
    let trigger = "CREATE TRIGGER poison BEFORE INSERT ON alerts WHEN NEW.alertname = 'Poison'
        BEGIN SELECT RAISE(ABORT, 'poison'); END";
    poison(Db::sqlite().await, trigger).await;
}

async fn more_than_a_transaction_takes(db: Db) {
    let numbers: Vec<String> = (0..5000).map(|n| n.to_string()).collect();
    let alerts: Vec<_> = numbers.iter().map(|n| vec![("n", n.as_str())]).collect();
    sent_before_a_good_one(&db, &all_firing(&alerts)).await;
    assert_eq!(db.count("alerts").await, 5001);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_of_more_alerts_than_a_transaction_takes_is_taken_in_whole_on_postgresql() {
    more_than_a_transaction_takes(Db::postgres().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_of_more_alerts_than_a_transaction_takes_is_taken_in_whole_on_sqlite() {
    more_than_a_transaction_takes(Db::sqlite().await).await;
}
