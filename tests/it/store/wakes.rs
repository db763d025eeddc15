//! Wakes between processes that share a PostgreSQL: what one makes due, another decides at once.

use std::time::{Duration, Instant};

use fettle_core::alert::episode::{AlertState, Word};
use fettle_core::ports::model::{Changes, ReceiveAsk};
use fettle_core::time::{Timestamp, after};
use fettle_store::open;
use serde_json::json;
use uuid::Uuid;

use super::Db;
use super::fixture::{attached, awaiting, held, open_all, target, write};
use crate::support::fettle::Setup;
use crate::support::postgres::Database;
use crate::support::wait;

/// Well below the time between two polls, and far above what a wake needs.
const AT_ONCE: Duration = Duration::from_secs(3);

const RULES: &str = "version: 1\nrules:\n  - name: web\n    match: ['alertname=\"ServiceDown\"']\n    \
    target: {container: $labels.service, allow: [\"*\"]}\n    steps: [restart]\n";

/// Opens what an alert about `service` opens, claimed by nobody: as a process does that is at the end of its room.
async fn receives(store: &dyn fettle_core::ports::Store, service: &str) {
    let now = Timestamp::now();
    let mut it = held(service, now);
    it.opened_at = now;
    let alert = AlertState::first(it.alert.fingerprint, it.alert.labels.clone(), Word::Firing { starts_at: now }, now);
    let changes =
        Changes { alerts: vec![alert.0], candidates: vec![attached(&it)], opened: vec![it], ..Changes::default() };
    write(store, &ReceiveAsk::new(Uuid::now_v7().into(), now), changes).await.expect("take it in");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_received_before_it_was_stopped_the_other_decides_without_waiting_for_its_poll() {
    let database = Database::create().await;
    let other = Setup::new("unix:///nowhere/docker.sock", RULES).database(&database.url()).start().await;
    let (status, _) = other.ask("/api/v1/pause", &json!({"reason": "nothing is touched", "for": "1h"})).await;
    assert!(status < 300, "{status}");
    // It stores what it hears and works on nothing: stopped right after its transaction.
    let stopped = open(&database.url(), Uuid::now_v7().into()).await.expect("a store");
    for round in 0..5 {
        // A decision ends with a look for more, so the next poll is a whole interval away when a round begins.
        let (service, begun) = (format!("service-{round}"), Instant::now());
        receives(&*stopped, &service).await;
        wait::until("it is decided", Duration::from_secs(20), async || {
            let all = other.remediations(&target(&service)).await;
            let state = all.first().and_then(|it| it["state"].as_str()).unwrap_or_default().to_owned();
            if state == "blocked" { Ok(()) } else { Err(format!("{all:#?}")) }
        })
        .await;
        let took = begun.elapsed();
        assert!(round == 0 || took < AT_ONCE, "round {round} took {took:?}: it waited for the poll");
    }
    stopped.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wake_is_heard_by_all_that_listen_and_kept_for_who_comes_later() {
    let db = Db::postgres().await;
    let another = open(&db.url(), Uuid::now_v7().into()).await.expect("open the store a second time");
    for store in [&db.store, &another] {
        // The first look makes up for what was said before anybody listened.
        wait::until(
            "it listens",
            Duration::from_secs(20),
            async || {
                if store.hears() { Ok(()) } else { Err("deaf".to_owned()) }
            },
        )
        .await;
        tokio::time::timeout(AT_ONCE, store.woken()).await.expect("a first look").expect("a store");
    }
    let it = awaiting(held("web", super::fixture::at(1)), "h", after(super::fixture::at(1), Duration::from_mins(9)));
    open_all(&*db.store, std::slice::from_ref(&it)).await;
    for store in [&another, &db.store] {
        tokio::time::timeout(AT_ONCE * 5, store.woken()).await.expect("what was opened for anybody").expect("a store");
    }
    assert_eq!(another.release(Uuid::now_v7().into()).await.expect("a store"), 0);
    let quiet = tokio::time::timeout(Duration::from_millis(300), db.store.woken()).await;
    assert!(quiet.is_err(), "where nothing became due nobody is woken");
}
