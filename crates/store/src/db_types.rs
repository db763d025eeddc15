//! Instants and ids as both databases keep them.
//!
//! PostgreSQL: `timestamptz` (microseconds since 2000-01-01, binary) and `uuid`. SQLite: text, so that people can read it:
//! RFC 3339 in UTC with exactly six fraction digits, which sorts as time does, and hyphenated lower-case ids.
//! Always holds: what is read back equals what was written, cut to microseconds, from year 1 to the end of time.

use jiff::fmt::temporal::DateTimePrinter;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueRef};
use sqlx::sqlite::{SqliteArgumentsBuffer, SqliteTypeInfo, SqliteValueRef};
use sqlx::{Decode, Encode, Postgres, Sqlite, Type};
use uuid::Uuid;

use fettle_core::time::Timestamp;

/// An instant on its way to or from a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DbTime(pub Timestamp);

/// 2000-01-01T00:00:00Z, where PostgreSQL's time begins, in microseconds since 1970.
const POSTGRES_EPOCH: i64 = 946_684_800_000_000;
/// 0001-01-01T00:00:00Z in microseconds since 1970: Go's zero time, and the first year with four digits and no sign.
const FIRST: i64 = -62_135_596_800_000_000;

impl DbTime {
    /// Microseconds since 1970.
    fn micros(self) -> i64 {
        self.0.as_microsecond().max(FIRST)
    }

    /// As SQLite keeps it.
    #[must_use]
    pub fn to_text(self) -> String {
        const SIX_DIGITS: DateTimePrinter = DateTimePrinter::new().precision(Some(6));
        let at = Timestamp::from_microsecond(self.micros()).unwrap_or(self.0);
        SIX_DIGITS.timestamp_to_string(&at)
    }
}

impl From<Timestamp> for DbTime {
    fn from(at: Timestamp) -> Self {
        Self(at)
    }
}

impl From<DbTime> for Timestamp {
    fn from(it: DbTime) -> Self {
        it.0
    }
}

impl Type<Postgres> for DbTime {
    fn type_info() -> PgTypeInfo {
        const TIMESTAMPTZ: Oid = Oid(1184);
        PgTypeInfo::with_oid(TIMESTAMPTZ)
    }
}

impl PgHasArrayType for DbTime {
    fn array_type_info() -> PgTypeInfo {
        const TIMESTAMPTZ_ARRAY: Oid = Oid(1185);
        PgTypeInfo::with_oid(TIMESTAMPTZ_ARRAY)
    }
}

impl Encode<'_, Postgres> for DbTime {
    fn encode_by_ref(&self, buf: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        <i64 as Encode<Postgres>>::encode(self.micros() - POSTGRES_EPOCH, buf)
    }
}

impl Decode<'_, Postgres> for DbTime {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        // Every query of the store is a prepared one, whose values are binary.
        let since_2000 = <i64 as Decode<Postgres>>::decode(value)?;
        let micros = since_2000.checked_add(POSTGRES_EPOCH).ok_or("an instant beyond the end of time")?;
        Ok(Self(Timestamp::from_microsecond(micros)?))
    }
}

impl Type<Sqlite> for DbTime {
    fn type_info() -> SqliteTypeInfo {
        <str as Type<Sqlite>>::type_info()
    }

    fn compatible(ty: &SqliteTypeInfo) -> bool {
        <str as Type<Sqlite>>::compatible(ty)
    }
}

impl Encode<'_, Sqlite> for DbTime {
    fn encode_by_ref(&self, buf: &mut SqliteArgumentsBuffer) -> Result<IsNull, BoxDynError> {
        <String as Encode<Sqlite>>::encode(self.to_text(), buf)
    }
}

impl Decode<'_, Sqlite> for DbTime {
    fn decode(value: SqliteValueRef<'_>) -> Result<Self, BoxDynError> {
        Ok(Self(<&str as Decode<Sqlite>>::decode(value)?.parse()?))
    }
}

/// An id on its way to or from a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DbId(pub Uuid);

impl DbId {
    /// An id of any kind, on its way in.
    pub fn of(id: impl Into<Uuid>) -> Self {
        Self(id.into())
    }

    /// What was read, as an id of the kind that the column holds.
    #[must_use]
    pub fn read<T: From<Uuid>>(self) -> T {
        self.0.into()
    }
}

impl Type<Postgres> for DbId {
    fn type_info() -> PgTypeInfo {
        <Uuid as Type<Postgres>>::type_info()
    }
}

impl PgHasArrayType for DbId {
    fn array_type_info() -> PgTypeInfo {
        <Uuid as PgHasArrayType>::array_type_info()
    }
}

impl Encode<'_, Postgres> for DbId {
    fn encode_by_ref(&self, buf: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        <Uuid as Encode<Postgres>>::encode(self.0, buf)
    }
}

impl Decode<'_, Postgres> for DbId {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        <Uuid as Decode<Postgres>>::decode(value).map(Self)
    }
}

impl Type<Sqlite> for DbId {
    fn type_info() -> SqliteTypeInfo {
        <str as Type<Sqlite>>::type_info()
    }

    fn compatible(ty: &SqliteTypeInfo) -> bool {
        <str as Type<Sqlite>>::compatible(ty)
    }
}

impl Encode<'_, Sqlite> for DbId {
    fn encode_by_ref(&self, buf: &mut SqliteArgumentsBuffer) -> Result<IsNull, BoxDynError> {
        <String as Encode<Sqlite>>::encode(self.0.to_string(), buf)
    }
}

impl Decode<'_, Sqlite> for DbId {
    fn decode(value: SqliteValueRef<'_>) -> Result<Self, BoxDynError> {
        Ok(Self(<&str as Decode<Sqlite>>::decode(value)?.parse()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_has_six_digits_and_a_z_whatever_the_instant() {
        for (at, text) in [
            ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000000Z"),
            ("2026-01-02T03:04:05.1234567+02:00", "2026-01-02T01:04:05.123456Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"),
            ("-000044-03-15T00:00:00Z", "0001-01-01T00:00:00.000000Z"),
        ] {
            assert_eq!(DbTime(at.parse().expect("an instant")).to_text(), text);
        }
        assert_eq!(DbTime(Timestamp::MAX).to_text().len(), 27);
    }

    proptest! {
        #[test]
        fn text_sorts_as_time_does(a in FIRST..253_402_207_200_000_000_i64, b in FIRST..253_402_207_200_000_000_i64) {
            let at = |micros| DbTime(Timestamp::from_microsecond(micros).expect("in range"));
            prop_assert_eq!(a.cmp(&b), at(a).to_text().cmp(&at(b).to_text()));
            prop_assert_eq!(at(a).to_text().parse::<Timestamp>().expect("an instant"), at(a).0);
        }
    }
}
