//! Opens the store that a URL names: to work with it, or to read it.

use std::str::FromStr;
use std::sync::Arc;

use sqlx::postgres::PgConnectOptions;

use fettle_core::id::ReplicaId;
use fettle_core::ports::{Store, StoreError};

use super::{postgres, sqlite};

/// Opens the database at `url`, creating and migrating what is missing, for the process known as `owner` (new for every
/// start of a process; the same as is given to [`Work::claim`](fettle_core::ports::Work::claim)).
///
/// Does not retry: when the database is not there yet, the error [`is_transient`](StoreError::is_transient) and the caller
/// decides. No error repeats the URL, which may hold a password.
pub async fn open(url: &str, owner: ReplicaId) -> Result<Arc<dyn Store>, StoreError> {
    match url.split_once(':').map(|(scheme, _)| scheme) {
        Some("postgres" | "postgresql") => Ok(Arc::new(postgres::Postgres::open(url, owner).await?)),
        Some("sqlite") => Ok(Arc::new(sqlite::Sqlite::open(url).await?)),
        _ => Err(unknown()),
    }
}

/// Opens the database at `url` to read what is stored: it must be there and as this version makes it. Nothing is created,
/// migrated, locked or told to other processes; whatever would write fails.
pub async fn open_to_read(url: &str) -> Result<Arc<dyn Store>, StoreError> {
    match url.split_once(':').map(|(scheme, _)| scheme) {
        Some("postgres" | "postgresql") => Ok(Arc::new(postgres::Postgres::open_to_read(url).await?)),
        Some("sqlite") => Ok(Arc::new(sqlite::Sqlite::open_to_read(url).await?)),
        _ => Err(unknown()),
    }
}

/// The host, or the folder of the socket, and the port that the database at `url` is reached by, whether the URL, its
/// parameters or the driver's environment (`PGHOST`, `PGPORT`) says so. `None` for a file, and for what is no URL.
#[must_use]
pub fn server(url: &str) -> Option<(String, u16)> {
    url.split_once(':').filter(|(scheme, _)| matches!(*scheme, "postgres" | "postgresql"))?;
    let options = PgConnectOptions::from_str(url).ok()?;
    let socket = options.get_socket().map(|it| it.display().to_string());
    let host = socket.unwrap_or_else(|| options.get_host().trim_matches(['[', ']']).to_owned());
    Some((host, options.get_port()))
}

fn unknown() -> StoreError {
    StoreError::Unusable("a database is written sqlite://PATH or postgres://USER@HOST/NAME; this is neither".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The compiler sees it only where the future is sent: in other crates.
    #[test]
    fn opening_can_be_sent_to_another_thread() {
        fn sent(_: impl Send) {}
        sent(open("sqlite://", ReplicaId::nil()));
        let boxed: Box<dyn Future<Output = Result<Arc<dyn Store>, StoreError>> + Send> =
            Box::new(open_to_read("sqlite://"));
        drop(boxed);
    }
}
