//! Opens the store that a URL names.

use std::sync::Arc;

use uuid::Uuid;

use super::{Store, StoreError, postgres, sqlite};

/// Opens the database at `url`, creating and migrating what is missing, for the process known as `owner` (new for every
/// start of a process; the same as is given to [`Store::claim`]).
///
/// Does not retry: when the database is not there yet, the error [`is_transient`](StoreError::is_transient) and the caller
/// decides. No error repeats the URL, which may hold a password.
pub async fn open(url: &str, owner: Uuid) -> Result<Arc<dyn Store>, StoreError> {
    match url.split_once(':').map(|(scheme, _)| scheme) {
        Some("postgres" | "postgresql") => Ok(Arc::new(postgres::Postgres::open(url, owner).await?)),
        Some("sqlite") => Ok(Arc::new(sqlite::Sqlite::open(url).await?)),
        _ => Err(StoreError::Unusable(
            "a database is written sqlite://PATH or postgres://USER@HOST/NAME; this is neither".into(),
        )),
    }
}
