//! What PostgreSQL's row locks make two processes see of each other.

use std::time::Duration;

use fettle_core::ports::model::{Candidate, Standing};
use sqlx::{Connection, PgConnection};

use super::Db;
use super::fixture::{at, attached, held, open_all};
use super::receive::world;
use crate::support::wait;

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
        let waiting = "SELECT CAST(count(*) AS text) FROM pg_stat_activity \
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";
        wait::until("the reader waits for the lock", Duration::from_secs(3), async || {
            match &*db.texts(waiting).await {
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
