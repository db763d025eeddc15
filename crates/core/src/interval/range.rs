//! The ranges of a time interval and how each is written: `08:00` to `20:00`, `monday:friday`, `-3:-1`, `2026:2030`.
//!
//! Always holds: a range has its beginning not after its end, and both are possible. Upper and lower case mean the
//! same, and a single value is a range of one.

use std::fmt;
use std::ops::RangeInclusive;

use jiff::civil::{Date, Time, Weekday};
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::diagnostic::nearest::advice;

/// From Sunday, as Alertmanager counts.
const WEEKDAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// The shortest month has so many days; what never makes sense is told by it, as Alertmanager does.
const SHORTEST_MONTH: i8 = 28;

/// A day of the clock has so many minutes.
const MINUTES: u16 = 24 * 60;

const DAY_HELP: &str = "write 1 to 31 from the beginning of the month, or -1 to -31 from its end";

/// Why a text is not a range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct NotARange {
    /// A lowercase clause with the text in it.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

fn fault<T>(message: impl Into<String>, help: impl Into<String>) -> Result<T, NotARange> {
    Err(NotARange { message: message.into(), help: help.into() })
}

fn shown(written: &str) -> String {
    written.chars().take(40).collect()
}

/// The minute of the day that a time lies in.
pub(super) fn minute(time: Time) -> u16 {
    // A jiff hour is 0 to 23 and a minute 0 to 59.
    u16::from(time.hour().unsigned_abs()) * 60 + u16::from(time.minute().unsigned_abs())
}

/// A minute of the day, the one at its end included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeOfDay(u16);

impl TimeOfDay {
    /// Reads `00:00` to `24:00`.
    pub fn parse(written: &str) -> Result<Self, NotARange> {
        let padded = format!("0{written}");
        match (Self::read(written), Self::read(&padded)) {
            (Some(time), _) => Ok(time),
            (None, Some(_)) => fault(format!("\"{written}\" is not a time of the day"), format!("write {padded}")),
            (None, None) => {
                let help = "write two digits each, from 00:00 to 24:00";
                fault(format!("\"{}\" is not a time of the day", shown(written)), help)
            }
        }
    }

    fn read(written: &str) -> Option<Self> {
        let number = |digits: &str| match digits.as_bytes() {
            [b'0'..=b'9', b'0'..=b'9'] => digits.parse::<u16>().ok(),
            _ => None,
        };
        let (hour, minute) = written.split_once(':')?;
        let (hour, minute) = (number(hour)?, number(minute)?);
        (minute < 60 && (hour < 24 || (hour, minute) == (24, 0))).then_some(Self(hour * 60 + minute))
    }

    /// Minutes since midnight.
    pub(super) fn minutes(self) -> u16 {
        self.0
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

/// Times of one day, without the minute it ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeRange {
    pub(super) start: TimeOfDay,
    pub(super) end: TimeOfDay,
}

impl TimeRange {
    /// From `start` up to `end`, on the same day.
    pub fn new(start: TimeOfDay, end: TimeOfDay) -> Result<Self, NotARange> {
        if start < end {
            return Ok(Self { start, end });
        }
        let help = match (start.0, end.0) {
            (_, 0) => "write 24:00 for the end of the day".to_owned(),
            (MINUTES, _) => "write 00:00 for the beginning of the day".to_owned(),
            (first, last) if first == last => "leave `times` out for the whole day".to_owned(),
            _ => format!("for a night write two ranges, {start} to 24:00 and 00:00 to {end}"),
        };
        fault(format!("{end} is not after {start}, and a range does not go past midnight"), help)
    }

    pub(super) fn contains(self, minute: u16) -> bool {
        (self.start.0..self.end.0).contains(&minute)
    }
}

impl fmt::Display for TimeRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{start_time: \"{}\", end_time: \"{}\"}}", self.start, self.end)
    }
}

impl Serialize for TimeRange {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_struct("TimeRange", 2)?;
        map.serialize_field("start_time", &self.start.to_string())?;
        map.serialize_field("end_time", &self.end.to_string())?;
        map.end()
    }
}

/// Declares a range of numbers: how it is read is its own, the rest is shared.
macro_rules! range {
    ($(#[$doc:meta])* $name:ident of $number:ty, shown as $show:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name {
            pub(super) first: $number,
            pub(super) last: $number,
        }

        impl $name {
            /// As it is written, without quotes.
            fn text(self) -> String {
                let show: fn($number) -> String = $show;
                if self.first == self.last {
                    show(self.first)
                } else {
                    format!("{}:{}", show(self.first), show(self.last))
                }
            }
        }

        impl fmt::Display for $name {
            /// Digits in quotes: YAML of old takes `1:5` for a number to the base of sixty.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let text = self.text();
                if text.contains(|c: char| c.is_ascii_digit()) { write!(f, "\"{text}\"") } else { f.write_str(&text) }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(&self.text())
            }
        }
    };
}

range! {
    /// Days of the week; 0 is Sunday.
    WeekdayRange of u8, shown as |day| named(&WEEKDAYS, usize::from(day))
}

range! {
    /// Days of the month; a negative one counts from the end, where -1 is the last.
    DayRange of i8, shown as |day| day.to_string()
}

range! {
    /// Months; 1 is January.
    MonthRange of u8, shown as |month| named(&MONTHS, usize::from(month).wrapping_sub(1))
}

range! {
    /// Years.
    YearRange of i16, shown as |year| year.to_string()
}

fn named(names: &[&str], index: usize) -> String {
    names.get(index).copied().unwrap_or_default().to_owned()
}

/// The two ends of `FIRST:LAST`, or twice the same for a single one.
fn ends<T: Copy>(written: &str, read: impl Fn(&str) -> Result<T, NotARange>) -> Result<(T, T), NotARange> {
    let lower = written.to_lowercase();
    match lower.split(':').collect::<Vec<_>>().as_slice() {
        [one] => read(one).map(|it| (it, it)),
        [first, last] => Ok((read(first)?, read(last)?)),
        _ => fault(format!("\"{}\" has more than two ends", shown(written)), "write FIRST:LAST, or one value"),
    }
}

fn within<N: std::str::FromStr + PartialOrd>(written: &str, range: &RangeInclusive<N>) -> Option<N> {
    written.parse().ok().filter(|it| range.contains(it))
}

impl WeekdayRange {
    /// Reads `monday` or `monday:friday`.
    pub fn parse(written: &str) -> Result<Self, NotARange> {
        let (first, last) = ends(written, |name| match (0..).zip(WEEKDAYS).find(|(_, known)| *known == name) {
            Some((day, _)) => Ok(day),
            None => fault(format!("\"{}\" is not a weekday", shown(name)), advice(name, &WEEKDAYS)),
        })?;
        if first > last {
            let (late, early) = (Self { first, last: 6 }, Self { first: 0, last });
            let message = format!("the week begins with sunday, so {written} ends before it begins");
            return fault(message, format!("write two ranges: {late}, {early}"));
        }
        Ok(Self { first, last })
    }

    pub(super) fn contains(self, day: Weekday) -> bool {
        (self.first..=self.last).contains(&day.to_sunday_zero_offset().unsigned_abs())
    }
}

impl DayRange {
    /// Reads `1`, `1:15`, `-3:-1` or `20:-1`.
    pub fn parse(written: &str) -> Result<Self, NotARange> {
        let (first, last) = ends(written, |day| match within(day, &(-31..=31)) {
            Some(0) | None => fault(format!("\"{}\" is not a day of the month", shown(day)), DAY_HELP),
            Some(day) => Ok(day),
        })?;
        if first < 0 && last > 0 {
            let message = format!("{written} counts from the end of the month to its beginning");
            return fault(message, format!("write the first day from the beginning, such as 1:{last}"));
        }
        let in_shortest = |day: i8| if day < 0 { SHORTEST_MONTH + day } else { day };
        if in_shortest(first) > in_shortest(last) {
            let help = "write the earlier day first; to go past the end of a month write two ranges";
            return fault(format!("day {last} is before day {first}, at least in february"), help);
        }
        Ok(Self { first, last })
    }

    /// Days that the month does not have are not there, so nothing needs to be clamped.
    pub(super) fn contains(self, day: Date) -> bool {
        let in_month = |it: i8| if it < 0 { day.days_in_month() + it + 1 } else { it };
        (in_month(self.first)..=in_month(self.last)).contains(&day.day())
    }
}

impl MonthRange {
    /// Reads `march`, `3`, `january:march` or `1:3`.
    pub fn parse(written: &str) -> Result<Self, NotARange> {
        let (first, last) = ends(written, |name| {
            let named = (1..).zip(MONTHS).find(|(_, known)| *known == name).map(|(month, _)| month);
            match named.or_else(|| within(name, &(1..=12))) {
                Some(month) => Ok(month),
                None if name.parse::<i64>().is_ok() => {
                    fault(format!("\"{}\" is not a month", shown(name)), "write 1 to 12, or the name")
                }
                None => fault(format!("\"{}\" is not a month", shown(name)), advice(name, &MONTHS)),
            }
        })?;
        if first > last {
            let (late, early) = (Self { first, last: 12 }, Self { first: 1, last });
            return fault(
                format!("{written} ends before it begins"),
                format!("to go past the end of a year write two ranges: {late}, {early}"),
            );
        }
        Ok(Self { first, last })
    }

    pub(super) fn contains(self, month: i8) -> bool {
        (self.first..=self.last).contains(&month.unsigned_abs())
    }
}

impl YearRange {
    /// Reads `2026` or `2026:2030`.
    pub fn parse(written: &str) -> Result<Self, NotARange> {
        let (first, last) = ends(written, |year| match within(year, &(1..=9999)) {
            Some(year) => Ok(year),
            None => fault(format!("\"{}\" is not a year", shown(year)), "write 1 to 9999, such as 2026:2030"),
        })?;
        if first > last {
            let help = format!("write {last}:{first}");
            return fault(format!("{written} ends before it begins"), help);
        }
        Ok(Self { first, last })
    }

    pub(super) fn contains(self, year: i16) -> bool {
        (self.first..=self.last).contains(&year)
    }
}
