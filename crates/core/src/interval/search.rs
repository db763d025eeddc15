//! When an interval opens next, and whether it ever does.
//!
//! Between two changes of a zone's offset civil time runs evenly, so the search goes from stretch to stretch and
//! inside each from day to day, or from month to month where the whole month is closed. What the clocks skip lies in
//! no stretch, what they repeat lies in two: neither needs a rule of its own.

use std::ops::RangeInclusive;

use jiff::civil::{Date, DateTime, date};
use jiff::tz::Offset;
use jiff::{SignedDuration, ToSpan};

use super::{Interval, TimeRange, location};
use crate::time::Timestamp;

/// How far [`Interval::next_open`] looks: five years.
const HORIZON: SignedDuration = SignedDuration::from_hours((5 * 365 + 2) * 24);

/// The calendar repeats after so many years, weekdays and leap years included.
const CYCLE: i16 = 400;

impl Interval {
    /// The earliest instant from `after` on at which it is open, at most five years ahead.
    pub fn next_open(&self, after: Timestamp) -> Option<Timestamp> {
        if self.contains(after) {
            return Some(after);
        }
        self.first_open(after, after.saturating_add(HORIZON).unwrap_or(Timestamp::MAX))
    }

    /// Whether there is no instant at all, past or future, at which it is open: the day is in no month, or not on that
    /// weekday in those years, or the clocks skip it.
    pub fn never_opens(&self) -> bool {
        // The years of the Gregorian calendar's next cycle stand for all when none is given.
        let cycle = [2000..=2000 + CYCLE - 1];
        let given: Vec<RangeInclusive<i16>> =
            self.years.iter().map(|it| it.first..=it.last.min(it.first.saturating_add(CYCLE - 1))).collect();
        let years = if given.is_empty() { cycle.as_slice() } else { given.as_slice() };
        // A day more on both sides: the year begins and ends elsewhere at another instant, and `on` knows its own.
        let instant = |day: Date| Offset::UTC.to_timestamp(day.to_datetime(jiff::civil::Time::midnight()));
        years.iter().all(|years| {
            let from = date(*years.start(), 1, 1).yesterday().and_then(instant).unwrap_or(Timestamp::MIN);
            let to = years.end().checked_add(1).filter(|year| *year <= 9999);
            let to = to.and_then(|year| instant(date(year, 1, 2)).ok()).unwrap_or(Timestamp::MAX);
            self.first_open(from, to).is_none()
        })
    }

    /// The first instant in `from..to` at which it is open.
    fn first_open(&self, from: Timestamp, to: Timestamp) -> Option<Timestamp> {
        let zone = location::zone(self.location.as_ref());
        let mut changes = zone.following(from);
        let mut start = from;
        while start < to {
            let end = changes.next().map_or(to, |change| change.timestamp().min(to));
            let offset = zone.to_offset(start);
            let found = self.first_civil(offset.to_datetime(start), offset.to_datetime(end));
            if let Some(found) = found.and_then(|civil| offset.to_timestamp(civil).ok()) {
                return Some(found);
            }
            start = end;
        }
        None
    }

    /// The first civil time in `from..to` at which it is open, where time runs evenly.
    fn first_civil(&self, from: DateTime, to: DateTime) -> Option<DateTime> {
        let mut day = from.date();
        while day <= to.date() {
            if !self.in_month_of(day) {
                day = day.last_of_month().tomorrow().ok()?;
                continue;
            }
            if self.on(day)
                && let Some(found) = self.first_of_day(day, from, to)
            {
                return Some(found);
            }
            day = day.tomorrow().ok()?;
        }
        None
    }

    /// The first of the times of an open day that lies in `from..to`.
    fn first_of_day(&self, day: Date, from: DateTime, to: DateTime) -> Option<DateTime> {
        let midnight = day.to_datetime(jiff::civil::Time::midnight());
        if self.times.is_empty() {
            let whole = midnight.max(from);
            return (whole < to).then_some(whole);
        }
        let earliest = |range: &TimeRange| {
            let start = midnight.saturating_add(i64::from(range.start.minutes()).minutes()).max(from);
            let end = midnight.saturating_add(i64::from(range.end.minutes()).minutes()).min(to);
            (start < end).then_some(start)
        };
        self.times.iter().filter_map(earliest).min()
    }
}
