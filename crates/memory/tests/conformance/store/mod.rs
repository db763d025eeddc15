//! The suite, and how it is run here.

#[path = "../../../../../tests/it/store/again.rs"]
mod again;
#[path = "../../../../../tests/it/store/answers.rs"]
mod answers;
#[path = "../../../../../tests/it/store/audit.rs"]
mod audit;
#[path = "../../../../../tests/it/store/breakers.rs"]
mod breakers;
#[path = "../../../../../tests/it/store/db.rs"]
mod db;
#[path = "../../../../../tests/it/store/events.rs"]
mod events;
#[path = "../../../../../tests/it/store/facts.rs"]
mod facts;
#[path = "../../../../../tests/it/store/fixture.rs"]
pub mod fixture;
#[path = "../../../../../tests/it/store/history.rs"]
mod history;
#[path = "../../../../../tests/it/store/inbox.rs"]
mod inbox;
#[path = "../../../../../tests/it/store/ledger.rs"]
pub mod ledger;
#[path = "../../../../../tests/it/store/loans.rs"]
mod loans;
#[path = "../../../../../tests/it/store/outbox.rs"]
mod outbox;
#[path = "../../../../../tests/it/store/pauses.rs"]
mod pauses;
#[path = "../../../../../tests/it/store/places.rs"]
mod places;
#[path = "../../../../../tests/it/store/prune.rs"]
mod prune;
#[path = "../../../../../tests/it/store/read.rs"]
mod read;
#[path = "../../../../../tests/it/store/receive.rs"]
mod receive;
#[path = "../../../../../tests/it/store/storm.rs"]
mod storm;
#[path = "../../../../../tests/it/store/waiting.rs"]
mod waiting;
#[path = "../../../../../tests/it/store/work.rs"]
mod work;

pub use db::{Db, retry};

/// Runs each named `async fn(Db)` on the one database that needs no server.
macro_rules! on_both {
    ($($test:ident),* $(,)?) => { $(
        mod $test {
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn sqlite() {
                super::$test(crate::store::Db::sqlite().await).await;
            }
        }
    )* };
}
use on_both;

/// Runs each named `async fn(Db)` on both stores that need no server.
macro_rules! on_all {
    ($($test:ident),* $(,)?) => { $(
        mod $test {
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn sqlite() {
                super::$test(crate::store::Db::sqlite().await).await;
            }
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn memory() {
                super::$test(crate::store::Db::memory().await).await;
            }
        }
    )* };
}
use on_all;
