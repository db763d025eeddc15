//! A PostgreSQL that goes away: said quickly, said as transient, and over when it is back.

use std::time::{Duration, Instant};

use fettle_core::ports::{Store, StoreError};
use fettle_store::open;
use sqlx::Connection;
use uuid::Uuid;

use super::Db;
use super::fixture::{at, held, notification, open_all};
use crate::support::postgres::Database;
use crate::support::private_postgres::PrivatePostgres;
use crate::support::proxy::{Fault, Proxy};
use crate::support::wait;

const SOON: Duration = Duration::from_secs(10);

async fn append(store: &dyn Store) -> Result<(), StoreError> {
    store.append(&[notification(at(1), "{}")]).await
}

async fn until_it_works(store: &dyn Store) {
    let works = async || append(store).await.map_err(|e| format!("{e:?}"));
    wait::until("the store works again", SOON, works).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_cut_network_is_transient_and_said_within_two_seconds() {
    let database = Database::create().await;
    let proxy = Proxy::tcp(database.address()).await;
    let store = open(&database.url_through(proxy.address()), Uuid::now_v7().into()).await.unwrap();
    append(&*store).await.unwrap();

    proxy.fail(Fault::Cut);
    for _ in 0..3 {
        let begun = Instant::now();
        let error = append(&*store).await.expect_err("cut");
        assert!(error.is_transient(), "{error:?}");
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    }
    proxy.restore();
    until_it_works(&*store).await;
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_network_that_swallows_everything_is_given_up_and_holds_no_connection() {
    let database = Database::create().await;
    let proxy = Proxy::tcp(database.address()).await;
    let store = open(&database.url_through(proxy.address()), Uuid::now_v7().into()).await.unwrap();
    append(&*store).await.unwrap();

    proxy.fail(Fault::Stalled);
    // More at once than there are connections.
    let begun = Instant::now();
    let tries: Vec<_> = (0..15)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { append(&*store).await })
        })
        .collect();
    for one in tries {
        let error = one.await.unwrap().expect_err("stalled");
        assert!(error.is_transient(), "{error:?}");
    }
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    proxy.restore();
    until_it_works(&*store).await;
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn connections_that_the_server_ended_are_replaced() {
    let database = Database::create().await;
    let store = open(&database.url(), Uuid::now_v7().into()).await.unwrap();
    append(&*store).await.unwrap();
    database.terminate_connections().await;
    until_it_works(&*store).await;
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_acknowledged_before_a_kill_is_there_after_it() {
    let postgres = PrivatePostgres::start().await;
    let store = open(&postgres.url(), Uuid::now_v7().into()).await.unwrap();
    let batch: Vec<_> = (0..50).map(|n| notification(at(n), "kept")).collect();
    store.append(&batch).await.unwrap();

    postgres.kill();
    let error = append(&*store).await.expect_err("it is dead");
    assert!(error.is_transient(), "{error:?}");
    postgres.restart().await;
    until_it_works(&*store).await;
    let kept = store.pending(at(999), 100).await.unwrap();
    assert!(batch.iter().all(|sent| kept.iter().any(|n| n.id == sent.id)));
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_sign_of_life_is_given_again_after_its_connection_died() {
    let db = Db::postgres().await;
    open_all(&*db.store, &[held("a", at(1))]).await;
    let other = Uuid::now_v7();
    db.store.work().claim(db.owner, at(1), at(9999), 9).await.unwrap();
    let holder = "SELECT pid::text FROM processes";
    let first = db.texts(holder).await;
    assert_eq!(first.len(), 1);
    db.sql(&format!("SELECT pg_terminate_backend({})", first[0])).await.unwrap();
    let again = async || match db.texts(holder).await {
        now if now.is_empty() || now == first => Err(format!("held by {now:?}")),
        _ => Ok(()),
    };
    wait::until("another connection shows that it lives", SOON, again).await;
    let replica = open(&db.url(), other.into()).await.expect("open the store a second time");
    assert_eq!(replica.adopt(other.into()).await.unwrap(), 0, "we live");
    replica.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn connections_that_answer_no_more_are_replaced_while_the_server_answers_new_ones() {
    let database = Database::create().await;
    let proxy = Proxy::tcp(database.address()).await;
    let store = open(&database.url_through(proxy.address()), Uuid::now_v7().into()).await.unwrap();
    // Both pools have connections, and all of them lose an answer: from then on they are mute.
    for _ in 0..3 {
        proxy.fail(Fault::AnswersLost);
        let tries: Vec<_> = (0..15)
            .map(|n| {
                let store = store.clone();
                tokio::spawn(async move {
                    let given_up = Duration::from_millis(n * 20);
                    // Some callers go away in the middle of it.
                    let _ = tokio::time::timeout(given_up, append(&*store)).await;
                    let _ = tokio::time::timeout(given_up, store.backlog()).await;
                })
            })
            .collect();
        for one in tries {
            one.await.unwrap();
        }
        proxy.restore();
        until_it_works(&*store).await;
        wait::until("the other pool works", SOON, async || store.backlog().await.map_err(|e| format!("{e:?}"))).await;
    }
    proxy.fail(Fault::Stalled);
    let begun = Instant::now();
    store.close().await;
    assert!(begun.elapsed() < Duration::from_secs(6), "the end is bounded: {:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sessions_that_became_read_only_are_replaced_when_the_database_may_be_written() {
    let db = Db::postgres().await;
    append(&*db.store).await.unwrap();
    let alter = async |what: &str| {
        let sql = format!("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I {what}', current_database()); END $$");
        db.sql(&sql).await.unwrap();
    };
    alter("SET default_transaction_read_only = on").await;
    db.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
        .await
        .unwrap();
    wait::until("it is refused as read-only", SOON, async || match append(&*db.store).await {
        Err(error) if format!("{error:?}").contains("25006") => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    let mut writer = sqlx::PgConnection::connect(&db.url()).await.unwrap();
    for sql in [
        "SET default_transaction_read_only = off",
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET default_transaction_read_only', current_database()); END $$",
    ] {
        sqlx::raw_sql(sql).execute(&mut writer).await.unwrap();
    }
    until_it_works(&*db.store).await;
    db.store.close().await;
}
