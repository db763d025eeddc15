//! Lengths of time as Prometheus writes them: `30s`, `1h30m`, `1d`, `500ms`, and `0`.
//!
//! Units from the greatest to the least, each at most once: `y w d h m s ms`, where a day has 24 hours, a week seven days
//! and a year 365. Whole numbers only. Only zero may stand without a unit.

use std::fmt::Write;
use std::time::Duration;

/// Every unit in milliseconds, greatest first: the order in which they must be written.
const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 24 * 60 * 60 * 1000),
    ("w", 7 * 24 * 60 * 60 * 1000),
    ("d", 24 * 60 * 60 * 1000),
    ("h", 60 * 60 * 1000),
    ("m", 60 * 1000),
    ("s", 1000),
    ("ms", 1),
];

/// Prometheus keeps nanoseconds in 63 bits: about 292 years.
const MAX_MS: u64 = (i64::MAX / 1_000_000).cast_unsigned();

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct NotADuration {
    /// A lowercase clause with the text in it.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

/// Reads a duration.
pub fn parse(text: &str) -> Result<Duration, NotADuration> {
    let fault = |message: String, help: &str| Err(NotADuration { message, help: help.to_owned() });
    let form = "write a number and a unit, such as 30s, 10m, 1h30m or 1d (ms, s, m, h, d, w, y)";
    let shown: String = text.chars().take(40).collect();
    match text {
        "0" => return Ok(Duration::ZERO),
        "" => return fault("an empty text is no duration".to_owned(), form),
        _ => {}
    }
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return fault(format!("\"{shown}\" has no unit"), &format!("write {shown}s for seconds"));
    }
    let mut rest = text;
    let mut units = UNITS.iter();
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at(digits);
        let word = tail.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or("");
        if digits == 0 || word.is_empty() {
            let help = if tail.starts_with(['.', ',']) { "only whole numbers: 90m rather than 1.5h" } else { form };
            return fault(format!("\"{shown}\" is not a duration"), help);
        }
        let Some((_, length)) = units.find(|(unit, _)| *unit == word) else {
            return if UNITS.iter().any(|(unit, _)| *unit == word) {
                fault(format!("\"{shown}\" has its units out of order or twice"), "greatest unit first, such as 1h30m")
            } else {
                fault(format!("\"{shown}\" has an unknown unit `{word}`"), form)
            };
        };
        let sum = number.parse::<u64>().ok().and_then(|n| n.checked_mul(*length)).and_then(|ms| ms.checked_add(total));
        total = match sum {
            Some(sum) if sum <= MAX_MS => sum,
            _ => return fault(format!("\"{shown}\" is out of range"), "at most about 292 years"),
        };
        rest = &tail[word.len()..];
    }
    Ok(Duration::from_millis(total))
}

/// The shortest text that [`parse`] reads back, in whole milliseconds. Weeks and years are used only when they divide it, as
/// Prometheus does.
pub fn show(length: Duration) -> String {
    let mut rest = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    if rest == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, each) in UNITS {
        let whole = matches!(unit, "y" | "w");
        if rest >= each && (!whole || rest.is_multiple_of(each)) {
            let _ = write!(text, "{}{unit}", rest / each);
            rest %= each;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_prometheus_reads_is_read_the_same() {
        // model/time_test.go of prometheus/common, and the units it documents.
        for (text, ms, shown) in [
            ("0", 0, "0s"),
            ("0w", 0, "0s"),
            ("0s", 0, "0s"),
            ("324ms", 324, "324ms"),
            ("3s", 3000, "3s"),
            ("5m", 300_000, "5m"),
            ("1h", 3_600_000, "1h"),
            ("4d", 345_600_000, "4d"),
            ("4d1h", 349_200_000, "4d1h"),
            ("14d", 1_209_600_000, "2w"),
            ("3w", 1_814_400_000, "3w"),
            ("3w2d1h", 1_990_800_000, "23d1h"),
            ("10y", 315_360_000_000, "10y"),
            ("1h30m", 5_400_000, "1h30m"),
            ("1d2h3m4s5ms", 93_784_005, "1d2h3m4s5ms"),
            ("00090s", 90_000, "1m30s"),
        ] {
            let length = parse(text).expect(text);
            assert_eq!((length.as_millis(), show(length).as_str()), (ms, shown), "{text}");
        }
    }

    #[test]
    fn what_prometheus_refuses_is_refused_with_advice() {
        for text in [
            "",
            "1",
            "30",
            "1y1m1d",
            "-1w",
            "1.5d",
            "d",
            "294y",
            "200y10400w",
            "107675d",
            "2584200h",
            "m5",
            "5 m",
            " 5m",
            "5m ",
            "1m1m",
            "5min",
            "1H",
            "+5m",
            "1e3s",
            "٣s",
            "18446744073709551616s",
            "5s30",
        ] {
            let fault = parse(text).expect_err(text);
            assert!(!fault.message.is_empty() && !fault.help.is_empty());
        }
        assert_eq!(parse("30").expect_err("bare").help, "write 30s for seconds");
        assert!(parse("5min").expect_err("unit").message.contains("unknown unit `min`"));
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(ms in 0..=MAX_MS) {
            let length = Duration::from_millis(ms);
            prop_assert_eq!(parse(&show(length)), Ok(length));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,40}") {
            let _ = parse(&text);
        }
    }
}
