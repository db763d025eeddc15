//! Opens what is on record of a period: see [`History`].

pub(super) mod rows;

use std::sync::Arc;

use fettle_core::ports::StoreError;
use fettle_core::ports::history::History;
use sqlx::migrate::Migrator;

use super::{postgres, sqlite};

/// Opens the record at `url`, which must be a database of fettle's that is migrated as far as this version needs.
pub async fn open_history(url: &str) -> Result<Arc<dyn History>, StoreError> {
    match url.split_once(':').map(|(scheme, _)| scheme) {
        Some("postgres" | "postgresql") => Ok(Arc::new(postgres::history::Past::open(url).await?)),
        Some("sqlite") => Ok(Arc::new(sqlite::history::Past::open(url).await?)),
        _ => Err(StoreError::Unusable(
            "a database is written sqlite://PATH or postgres://USER@HOST/NAME; this is neither".into(),
        )),
    }
}

/// Bytes of bodies in one page.
pub(super) const PAGE_MAX: i64 = 8 << 20;

/// Whether what `found` says of the schema is enough for what is asked here.
pub(super) fn fits(found: Option<i64>, migrator: &Migrator) -> Result<(), StoreError> {
    let needed = migrator.iter().map(|migration| migration.version).max();
    match found {
        None => Err(StoreError::Unusable("this is no database of fettle's: there is no schema in it".into())),
        Some(version) if Some(version) < needed => Err(StoreError::Unusable(
            "the database was made by an older fettle: start `fettle serve` on it once, which migrates it".into(),
        )),
        Some(_) => Ok(()),
    }
}
