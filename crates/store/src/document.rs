//! JSON on its way to a database: `jsonb` in PostgreSQL, text in SQLite.
//!
//! Always holds: what is written has no NUL, which PostgreSQL refuses. It is read back as [`sqlx::types::Json`].

use serde::Serialize;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgTypeInfo};
use sqlx::sqlite::{SqliteArgumentsBuffer, SqliteTypeInfo};
use sqlx::{Encode, Postgres, Sqlite, Type};

use super::text::json;

/// A value as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Document(String);

impl Document {
    pub(super) fn of<T: Serialize>(value: &T) -> Self {
        Self(json(value))
    }
}

impl Type<Postgres> for Document {
    fn type_info() -> PgTypeInfo {
        const JSONB: Oid = Oid(3802);
        PgTypeInfo::with_oid(JSONB)
    }
}

impl Encode<'_, Postgres> for Document {
    fn encode_by_ref(&self, buf: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        /// The only version of the binary form there is: the text follows it.
        const VERSION: u8 = 1;
        buf.push(VERSION);
        <&str as Encode<Postgres>>::encode(&self.0, buf)
    }
}

impl Type<Sqlite> for Document {
    fn type_info() -> SqliteTypeInfo {
        <str as Type<Sqlite>>::type_info()
    }
}

impl Encode<'_, Sqlite> for Document {
    fn encode_by_ref(&self, buf: &mut SqliteArgumentsBuffer) -> Result<IsNull, BoxDynError> {
        <String as Encode<Sqlite>>::encode_by_ref(&self.0, buf)
    }
}
