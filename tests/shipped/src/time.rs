//! Virtual time: microseconds since the world began.

use std::time::Duration;

use fettle_core::time::Timestamp;

/// Microseconds.
pub type Micros = i64;

/// One second.
pub const SECOND: Micros = 1_000_000;

/// One minute.
pub const MINUTE: Micros = 60 * SECOND;

/// 2027-01-15T08:00:00Z: the beginning.
const BEGINNING: Micros = 1_800_000_000 * SECOND;

/// As an instant of the core.
pub fn instant(at: Micros) -> Timestamp {
    Timestamp::from_microsecond(BEGINNING + at).unwrap_or(Timestamp::MAX)
}

/// The other way.
pub fn micros(at: Timestamp) -> Micros {
    at.as_microsecond() - BEGINNING
}

/// A length of time in microseconds.
pub fn length(of: Duration) -> Micros {
    Micros::try_from(of.as_micros()).unwrap_or(Micros::MAX)
}

/// For people: `17m03.250`.
pub fn show(at: Micros) -> String {
    let (minutes, rest) = (at.div_euclid(MINUTE), at.rem_euclid(MINUTE));
    format!("{minutes:>3}m{:02}.{:03}", rest / SECOND, rest % SECOND / 1000)
}
