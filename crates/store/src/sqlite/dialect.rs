//! What SQLite calls the things that both stores have: everything in `shared/` is compiled against this.
//!
//! Always holds: nothing here decides anything. Where the two databases differ by more than a word, the aggregate is two
//! texts.

pub(super) use super::Sqlite as Database;
pub(super) use sqlx::SqliteConnection as Conn;

use crate::db_types::DbId;
use crate::text::json;

/// How a transaction that writes begins. A plain one that reads first and then writes fails at once when another wrote
/// in between, whatever the busy timeout.
pub(super) const BEGIN: &str = "BEGIN IMMEDIATE";

/// How a transaction begins that decides.
pub(super) const BEGIN_DECIDING: &str = BEGIN;

/// One snapshot for several questions.
pub(super) const BEGIN_SNAPSHOT: &str = "BEGIN";

/// Ids as the one parameter that `AMONG_MANY` asks for.
pub(super) fn many(ids: &[DbId]) -> String {
    json(&ids.iter().map(|id| id.0).collect::<Vec<_>>())
}

/// There is no other process to tell.
pub(super) async fn tell(_: &mut Conn) -> sqlx::Result<()> {
    Ok(())
}

/// Text of a statement, put together from pieces and the words of `word!`.
macro_rules! sql {
    ($($piece:tt)+) => { concat!($(word!($piece)),+) };
}

/// What is said otherwise by the other database. Nobody else writes meanwhile, so nothing is locked here.
macro_rules! word {
    (LEAST) => {
        "min"
    };
    (GREATEST) => {
        "max"
    };
    (LOCKED) => {
        ""
    };
    (LOCKED_IF_FREE) => {
        ""
    };
    (LOCKED_TO_DELETE) => {
        ""
    };
    (INSTANT) => {
        ""
    };
    (BEGINNING) => {
        "''"
    };
    (AMONG_MANY) => {
        "IN (SELECT value FROM json_each($1))"
    };
    ($text:literal) => {
        $text
    };
}

/// Runs one operation on the one connection that writes.
macro_rules! writing {
    ($store:expr, $($function:ident)::+ ($($argument:expr),* $(,)?)) => {{
        let done = match $store.writer.acquire().await.during("reach the database") {
            Ok(mut connection) => $($function)::+(&mut connection, $($argument),*).await,
            Err(error) => Err(error),
        };
        $store.watched(done)
    }};
}

/// Runs one question on a connection that only reads.
macro_rules! reading {
    ($store:expr, $($function:ident)::+ ($($argument:expr),* $(,)?)) => {{
        let mut connection = $store.readers.acquire().await.during("reach the database")?;
        $($function)::+(&mut connection, $($argument),*).await
    }};
}

/// Runs one admission. They come one after the other, as all that writes.
macro_rules! admitting {
    ($store:expr, $($operation:tt)+) => { writing!($store, $($operation)+) };
}
