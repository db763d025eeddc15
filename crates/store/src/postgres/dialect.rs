//! What PostgreSQL calls the things that both stores have: everything in `shared/` is compiled against this.
//!
//! Always holds: nothing here decides anything. Where the two databases differ by more than a word, the aggregate is two
//! texts.

pub(super) use super::Postgres as Database;
pub(super) use super::wakes::tell;
pub(super) use sqlx::PgConnection as Conn;

use crate::db_types::DbId;

/// How a transaction begins that a person asked for.
pub(super) const BEGIN: &str = "BEGIN";

/// How a transaction begins that decides.
pub(super) use super::connect::BEGIN as BEGIN_DECIDING;

/// One snapshot for several questions.
pub(super) const BEGIN_SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY";

/// Ids as the one parameter that `AMONG_MANY` asks for.
pub(super) fn many(ids: &[DbId]) -> &[DbId] {
    ids
}

/// Text of a statement, put together from pieces and the words of `word!`.
macro_rules! sql {
    ($($piece:tt)+) => { concat!($(word!($piece)),+) };
}

/// What is said otherwise by the other database.
macro_rules! word {
    (LEAST) => {
        "least"
    };
    (GREATEST) => {
        "greatest"
    };
    (LOCKED) => {
        "FOR NO KEY UPDATE"
    };
    (LOCKED_IF_FREE) => {
        "FOR NO KEY UPDATE SKIP LOCKED"
    };
    (LOCKED_TO_DELETE) => {
        "FOR UPDATE SKIP LOCKED"
    };
    (INSTANT) => {
        "::timestamptz"
    };
    (BEGINNING) => {
        "'-infinity'::timestamptz"
    };
    (AMONG_MANY) => {
        "= ANY($1)"
    };
    ($text:literal) => {
        $text
    };
}

/// Runs one operation on one connection of a pool, within the pool's limit. A connection returns to the pool only when its
/// operation ended well, see [`super::lent`].
macro_rules! on_connection {
    ($pool:expr, $($function:ident)::+ ($($argument:expr),* $(,)?)) => {{
        let pool = &$pool;
        let work = async {
            let mut lent = pool.lend().await.during("reach the database")?;
            let done = $($function)::+(lent.connection(), $($argument),*).await;
            lent.settle(&done);
            done
        };
        match tokio::time::timeout(pool.limit(), work).await {
            Ok(done) => done,
            Err(_) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())).during("wait for the database"),
        }
    }};
}

/// Runs one operation. Any connection may write.
macro_rules! writing {
    ($store:expr, $($operation:tt)+) => { on_connection!($store.pool, $($operation)+) };
}

/// Runs one question.
macro_rules! reading {
    ($store:expr, $($operation:tt)+) => { on_connection!($store.pool, $($operation)+) };
}

/// Runs one admission. The database lets in one at a time. Whoever waits here holds no connection, which others could use
/// meanwhile.
macro_rules! admitting {
    ($store:expr, $($operation:tt)+) => {{
        let _turn = $store.admitting.lock().await;
        on_connection!($store.pool, $($operation)+)
    }};
}
