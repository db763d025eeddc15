//! Instants and lengths of time, as arguments: the core never asks a clock.
//!
//! Instants carry microseconds, the finest step that PostgreSQL keeps, so a value read back equals the one written.

use std::time::Duration;

pub use jiff::Timestamp;
use jiff::fmt::temporal::Pieces;

/// `at` cut to whole microseconds.
#[must_use]
pub fn micros(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}

/// The instant that an RFC 3339 text names. The last hours of the year 9999 can be written but not held: they are the end
/// of time, so that one sender's fancy is not an error for all that came with it.
pub fn read(text: &str) -> Result<Timestamp, jiff::Error> {
    text.parse().or_else(|error| match Pieces::parse(text) {
        Ok(pieces) if pieces.time().is_some() && pieces.offset().is_some() => {
            Ok(if pieces.date().year() > 0 { Timestamp::MAX } else { Timestamp::MIN })
        }
        _ => Err(error),
    })
}

/// The instant `length` after `at`; stops at the end of time instead of overflowing.
#[must_use]
pub fn after(at: Timestamp, length: Duration) -> Timestamp {
    at.saturating_add(length).unwrap_or(Timestamp::MAX)
}

/// The instant `length` before `at`; stops at the beginning of time instead of overflowing.
#[must_use]
pub fn before(at: Timestamp, length: Duration) -> Timestamp {
    at.saturating_sub(length).unwrap_or(Timestamp::MIN)
}

/// How long after `earlier` the instant `at` lies; zero when it lies before.
#[must_use]
pub fn since(at: Timestamp, earlier: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(earlier)).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_saturates_instead_of_overflowing() {
        assert_eq!(after(Timestamp::MAX, Duration::from_secs(1)), Timestamp::MAX);
        assert_eq!(before(Timestamp::MIN, Duration::from_secs(1)), Timestamp::MIN);
        assert_eq!(since(Timestamp::MIN, Timestamp::MAX), Duration::ZERO);
        for (text, at) in [
            ("9999-12-31T23:59:59Z", Timestamp::MAX),
            ("9999-12-30T23:00:00-23:59", Timestamp::MAX),
            ("-009999-01-01T00:00:00+23:00", Timestamp::MIN),
            ("1970-01-01T01:00:00+01:00", Timestamp::UNIX_EPOCH),
        ] {
            assert_eq!(read(text).expect(text), at, "{text}");
        }
        for text in ["9999-13-31T23:59:59Z", "9999-12-31T23:59:59", "9999-12-31", "99999-12-31T23:59:59Z", "soon", ""] {
            assert!(read(text).is_err(), "{text}");
        }
        assert_eq!(since(after(Timestamp::UNIX_EPOCH, Duration::from_secs(3)), Timestamp::UNIX_EPOCH).as_secs(), 3);
    }
}
