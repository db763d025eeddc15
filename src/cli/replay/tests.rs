//! What a replay prints, and what its arguments mean.

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

#[test]
fn a_time_is_an_instant_or_how_long_ago() {
    let now = at("2026-01-31T12:00:00Z");
    for (text, instant) in [
        ("30d", "2026-01-01T12:00:00Z"),
        ("1h30m", "2026-01-31T10:30:00Z"),
        ("2026-01-30T00:00:00Z", "2026-01-30T00:00:00Z"),
        ("2026-01-30T02:00:00+02:00", "2026-01-30T00:00:00Z"),
    ] {
        assert_eq!(when(text).expect(text).instant(now), at(instant), "{text}");
    }
    for text in ["", "yesterday", "30", "2026-01-30"] {
        assert!(when(text).is_err(), "{text}");
    }
    assert!(length("1s").is_ok() && length("500ms").is_err() && length("x").is_err());
}
