//! Instants and lengths of time, as arguments: the core never asks a clock.
//!
//! Instants carry microseconds, the finest step that PostgreSQL keeps, so a value read back equals the one written.

use std::time::Duration;

pub use jiff::Timestamp;

/// `at` cut to whole microseconds.
#[must_use]
pub fn micros(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
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
        assert_eq!(since(after(Timestamp::UNIX_EPOCH, Duration::from_secs(3)), Timestamp::UNIX_EPOCH).as_secs(), 3);
    }
}
