//! What other roles hold in PostgreSQL, and what fettle's own locks leave behind when a wait for them ends.

use std::time::{Duration, Instant};

use fettle_core::id::ReplicaId;
use fettle_core::ports::model::{Admission, Judged};
use fettle_core::ports::{Store, StoreError};
use fettle_store::open;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use super::Db;
use super::fixture::{at, commit, held, intent, notification, open_all, open_claimed, record, running};
use super::ledger::ask;
use crate::support::private_postgres::PrivatePostgres;

/// One admission, from the claim to the stored intent.
async fn admit(store: &dyn Store, owner: ReplicaId, service: &str) -> Result<bool, StoreError> {
    let it = held(service, at(5));
    let claim = open_claimed(store, owner, &it).await;
    let row = intent(&it, at(6));
    let under_way = commit(&running(it.clone(), row.id, at(6)), vec![record(&row)]);
    let mut judge = |_: &[_]| Judged::Store(Box::new(under_way.clone()));
    let ask = ask(&it, at(6), &[]);
    store.work().admit(&claim, &[&ask], &mut judge).await.map(|it| matches!(it, Admission::Admitted { .. }))
}

async fn run(url: &str, sql: &'static str) -> PgConnection {
    let mut connection = PgConnection::connect(url).await.expect("connect");
    sqlx::raw_sql(sql).execute(&mut connection).await.expect(sql);
    connection
}

/// Every function that takes an advisory lock is forbidden to fettle's role: a key that any role may hold stops nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fettle_takes_no_advisory_lock_from_its_migrations_to_its_end() {
    let postgres = PrivatePostgres::start().await;
    run(&postgres.url(), "CREATE ROLE fettle LOGIN").await;
    run(&postgres.url(), "ALTER DATABASE postgres OWNER TO fettle").await;
    let forbid = "DO $$ DECLARE it regprocedure; BEGIN
        FOR it IN SELECT oid FROM pg_proc WHERE proname LIKE 'pg\\_%advisory%lock%' LOOP
            EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', it);
        END LOOP; END $$";
    run(&postgres.url(), forbid).await;
    let url = postgres.url().replace("postgres://postgres@", "postgres://fettle@");
    let refused =
        sqlx::raw_sql("SELECT pg_advisory_lock(1)").execute(&mut PgConnection::connect(&url).await.unwrap()).await;
    assert!(refused.is_err(), "the functions are forbidden");

    let owner: ReplicaId = Uuid::now_v7().into();
    let store = open(&url, owner).await.expect("it migrates and shows that it lives");
    store.append(&[notification(at(1), "{}")]).await.expect("append");
    assert!(admit(&*store, owner, "web").await.expect("admit"));
    assert_eq!(store.adopt(Uuid::now_v7().into()).await.expect("adopt"), 0, "it lives");
    store.close().await;
}

/// sqlx 0.9.0 counts no transaction when the text that begins it fails after its `BEGIN`, and gave such connections back.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_wait_for_the_turn_that_ends_in_an_error_leaves_no_connection_in_a_transaction() {
    let db = Db::postgres().await;
    let holder = run(&db.url(), "BEGIN; SELECT * FROM turns FOR UPDATE").await;
    // One at a time: more than the pool has connections would only take longer.
    let begun = Instant::now();
    for service in ["a", "b"] {
        let error = admit(&*db.store, db.owner, service).await.expect_err("the turn is taken");
        assert!(error.is_transient(), "{error:?}");
    }
    assert!(begun.elapsed() < Duration::from_secs(14), "{:?}", begun.elapsed());
    holder.close().await.expect("close");
    for n in 0..12 {
        assert!(admit(&*db.store, db.owner, &format!("after-{n}")).await.expect("the turn is free"));
    }
    let left = "SELECT pid::text FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
    assert_eq!(db.texts(left).await, Vec::<String>::new());
    db.store.close().await;
}

/// A dashboard in a transaction that read every view holds locks on every table.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reader_in_a_long_transaction_stops_nothing() {
    let db = Db::postgres().await;
    let reader = run(
        &db.url(),
        "BEGIN READ ONLY; SELECT pg_advisory_lock(1718908002, 1); SELECT pg_advisory_lock(n) FROM generate_series(1, 9) n; \
         LOCK TABLE turns, processes, alerts, remediations, notifications, pending, actions IN ACCESS SHARE MODE; \
         SELECT count(*) FROM fettle_audit",
    )
    .await;
    let begun = Instant::now();
    for n in 0..20 {
        assert!(admit(&*db.store, db.owner, &format!("web-{n}")).await.expect("admit"));
    }
    let again = open(&db.url(), Uuid::now_v7().into()).await.expect("another one starts");
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    again.close().await;
    reader.close().await.expect("close");
    db.store.close().await;
}

/// The lock of a migration is taken by one process; the next waits a bounded time and may try again.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_migration_that_waits_for_another_ends_as_transient() {
    let db = Db::postgres().await;
    let other = run(&db.url(), "BEGIN; LOCK TABLE _sqlx_migrations IN SHARE UPDATE EXCLUSIVE MODE").await;
    let begun = Instant::now();
    match open(&db.url(), Uuid::now_v7().into()).await {
        Ok(_) => panic!("it did not wait"),
        Err(error) => assert!(error.is_transient(), "{error:?}"),
    }
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    other.close().await.expect("close");
    open(&db.url(), Uuid::now_v7().into()).await.expect("the lock is free").close().await;
}

/// A pooler keeps the session of a client that is gone: then the process is dead when it was not seen for long.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_process_whose_session_outlasts_it_is_dead_when_it_was_not_seen_for_long() {
    let db = Db::postgres().await;
    open_all(&*db.store, &[held("a", at(1))]).await;
    let gone = Uuid::now_v7();
    assert_eq!(db.store.work().claim(gone.into(), at(2), at(9999), 9).await.unwrap().len(), 1);
    let session = run(&db.url(), "SELECT 1").await;
    let seen = async |ago: &str| {
        let sql = format!(
            "INSERT INTO processes SELECT '{gone}', pid, backend_start, clock_timestamp() - interval '{ago}' \
             FROM pg_stat_activity WHERE datname = current_database() AND query = 'SELECT 1' \
             ON CONFLICT (owner) DO UPDATE SET seen_at = excluded.seen_at"
        );
        assert!(db.sql(&sql).await.unwrap() > 0);
    };
    seen("20 s").await;
    assert_eq!(db.store.adopt(db.owner).await.unwrap(), 0, "it was seen");
    seen("40 s").await;
    assert_eq!(db.store.adopt(db.owner).await.unwrap(), 1);
    assert_eq!(db.texts("SELECT count(*)::text FROM processes").await, ["1"], "the dead leave no row");
    drop(session);
    db.store.close().await;
}
