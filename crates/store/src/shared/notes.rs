//! What upkeep notes for the upkeep after it: a few named values.

use super::dialect::Conn;
use crate::error::During;
use fettle_core::ports::StoreError;

const NOTED: &str = "SELECT value FROM notes WHERE name = $1";

/// What was noted under `name`.
pub(super) async fn noted(connection: &mut Conn, name: &str) -> Result<Option<String>, StoreError> {
    sqlx::query_scalar(NOTED).bind(name).fetch_optional(connection).await.during("read a note")
}

const NOTE: &str = "
    INSERT INTO notes (name, value) VALUES ($1, $2)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value";

/// Notes `value` under `name`.
pub(super) async fn note(connection: &mut Conn, name: &str, value: &str) -> Result<(), StoreError> {
    sqlx::query(NOTE).bind(name).bind(value).execute(connection).await.map(drop).during("note")
}
