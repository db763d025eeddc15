//! What PostgreSQL's row locks make two processes see of each other.

use std::time::Duration;

use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::ports::StoreError;
use fettle_core::ports::model::{Candidate, Changes, ReceiveAsk, Standing};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::Db;
use super::fixture::{at, attached, held, notification, open_all, write};
use super::receive::world;
use crate::support::wait;

/// How many wait for a row that somebody else has locked.
const WAITING: &str = "SELECT CAST(count(*) AS text) FROM pg_stat_activity \
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_closes_while_its_alert_is_heard_is_seen_closed_with_all_that_hangs_on_it() {
    let db = Db::postgres().await;
    let it = held("web", at(5));
    open_all(&*db.store, std::slice::from_ref(&it)).await;
    // As `commit` does it, stopped half-way.
    let mut closing = PgConnection::connect(&db.url()).await.unwrap();
    let close = "BEGIN; UPDATE remediations SET state = 'closed', outcome = 'fixed', due_at = NULL, \
                 closed_at = '2027-01-15 08:00:09Z', \
                 doc = doc || '{\"last_action\": \"0197d1f0-5c1e-7c3a-9a52-3d1f6f0c8b11\", \"rung\": 0}'; \
                 UPDATE candidates SET standing = 'spent'";
    sqlx::raw_sql(close).execute(&mut closing).await.unwrap();
    let finish = async {
        wait::until("the reader waits for the lock", Duration::from_secs(3), async || {
            match &*db.texts(WAITING).await {
                [one] if one == "1" => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
        sqlx::raw_sql("COMMIT").execute(&mut closing).await.unwrap();
    };
    let services = ["web"];
    let (world, ()) = tokio::join!(world(&db, &services), finish);
    assert_eq!(world.open, [].into());
    let spent = Candidate { standing: Standing::Spent, ..attached(&it) };
    assert_eq!(world.candidates[&it.alert.fingerprint], [spent]);
    assert_eq!(world.past.fixed.len(), 1, "it counts as regressed when it fires again");
}

/// Two alerts are locked one after the other; somebody else who takes them in the other order makes a deadlock, which
/// PostgreSQL resolves by ending one of the two.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_deadlock_is_a_conflict_that_takes_nothing_in_and_the_next_try_does() {
    let db = Db::postgres().await;
    let both = [held("api", at(5)), held("web", at(5))];
    open_all(&*db.store, &both).await;
    let mut fingerprints = both.each_ref().map(|it| it.alert.fingerprint);
    fingerprints.sort_by_key(ToString::to_string);
    let [first, second] = fingerprints;
    let heard = notification(at(6), "a");
    let id = heard.id;
    db.store.append(&[heard]).await.unwrap();
    let mut ask = ReceiveAsk::new(db.owner, at(7));
    (ask.take, ask.fingerprints) = (vec![id], [first, second].into());

    // This one never notices the deadlock first: the store's transaction is the one that ends.
    let mut other = PgConnection::connect(&db.url()).await.unwrap();
    let lock = |it: Fingerprint| AssertSqlSafe(format!("SELECT 1 FROM alerts WHERE fingerprint = '{it}' FOR UPDATE"));
    sqlx::raw_sql("SET deadlock_timeout = '10min'; BEGIN").execute(&mut other).await.unwrap();
    sqlx::raw_sql(lock(second)).execute(&mut other).await.unwrap();
    let close_the_circle = async {
        wait::until("the store waits for the second alert", Duration::from_secs(10), async || {
            match &*db.texts(WAITING).await {
                [one] if one == "1" => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
        sqlx::raw_sql(lock(first)).execute(&mut other).await.unwrap();
    };
    let (received, ()) = tokio::join!(write(&*db.store, &ask, Changes::default()), close_the_circle);
    let error = received.expect_err("it was ended");
    assert!(matches!(error, StoreError::Conflict { .. }) && error.is_transient(), "{error:?}");
    assert_eq!(db.store.backlog().await.unwrap(), 1, "nothing was taken in");
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();

    write(&*db.store, &ask, Changes::default()).await.expect("the next try");
    assert_eq!(db.store.backlog().await.unwrap(), 0);
}
