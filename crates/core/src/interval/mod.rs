//! Alertmanager's time intervals: when something is open, in the civil time of a place.
//!
//! ```text
//! Intervals   open when any of its entries is
//!   Interval  open when every field that says something holds: times, weekdays, days_of_month, months, years
//!     a field holds when any of its ranges does
//! ```
//!
//! `range` has the ranges and how each is written, `location` the time zones, `search` finds when one opens next. The
//! fields, their grammar and their meaning are those of `time_intervals` in Alertmanager's configuration, so an entry
//! can be carried over as it stands, with these exceptions. `Local` is refused, for what it means depends on the
//! machine; an empty location too, for UTC is what holds without one. Months outside 1 to 12 and years outside 1 to 9999
//! are refused, where Alertmanager takes any number. And the last day of a month is the calendar's: before its pull
//! request 5447 Alertmanager took the day before in a month whose clocks go forward.
//!
//! Always holds: a time that the clocks skip is never open, and one that they repeat is open twice. Reading YAML is not
//! done here, and neither is asking what time it is.

use std::fmt;

use jiff::civil::Date;
use serde::Serialize;

use super::time::Timestamp;
pub use location::{Location, NoLocation};
pub use range::{DayRange, MonthRange, NotARange, TimeOfDay, TimeRange, WeekdayRange, YearRange};

mod location;
mod range;
mod search;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

/// A list of entries of which any may be open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Intervals(Vec<Interval>);

/// One entry. A field without a range restricts nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Interval {
    /// Times of the day.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub times: Vec<TimeRange>,
    /// Days of the week.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub weekdays: Vec<WeekdayRange>,
    /// Days of the month, from its beginning or its end.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub days_of_month: Vec<DayRange>,
    /// Months of the year.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub months: Vec<MonthRange>,
    /// Years.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub years: Vec<YearRange>,
    /// Whose civil time counts; UTC when nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
}

impl Intervals {
    /// Open when any of `entries` is.
    pub fn new(entries: Vec<Interval>) -> Self {
        Self(entries)
    }

    /// The entries in the order written.
    pub fn iter(&self) -> impl Iterator<Item = &Interval> {
        self.0.iter()
    }

    /// Whether it is open at this instant.
    pub fn contains(&self, at: Timestamp) -> bool {
        self.iter().any(|it| it.contains(at))
    }

    /// The earliest instant from `after` on at which it is open: `after` itself if it is open then. `None` when that
    /// lies more than five years ahead.
    pub fn next_open(&self, after: Timestamp) -> Option<Timestamp> {
        self.iter().filter_map(|it| it.next_open(after)).min()
    }

    /// Whether there is no instant at all, past or future, at which it is open.
    pub fn never_opens(&self) -> bool {
        self.iter().all(Interval::never_opens)
    }
}

impl Interval {
    /// Whether it is open at this instant.
    pub fn contains(&self, at: Timestamp) -> bool {
        let civil = location::zone(self.location.as_ref()).to_datetime(at);
        let minute = range::minute(civil.time());
        self.on(civil.date()) && any(&self.times, |it| it.contains(minute))
    }

    /// Whether it says nothing but perhaps where, and so is always open.
    pub fn is_always(&self) -> bool {
        let Self { times, weekdays, days_of_month, months, years, location: _ } = self;
        times.is_empty() && weekdays.is_empty() && days_of_month.is_empty() && months.is_empty() && years.is_empty()
    }

    /// Whether it is open at some time of this day.
    fn on(&self, day: Date) -> bool {
        self.in_month_of(day)
            && any(&self.weekdays, |it| it.contains(day.weekday()))
            && any(&self.days_of_month, |it| it.contains(day))
    }

    /// Whether it is open on some day of this day's month.
    fn in_month_of(&self, day: Date) -> bool {
        any(&self.months, |it| it.contains(day.month())) && any(&self.years, |it| it.contains(day.year()))
    }
}

/// Whether a field holds: it says nothing, or one of its ranges does.
fn any<R>(ranges: &[R], holds: impl Fn(&R) -> bool) -> bool {
    ranges.is_empty() || ranges.iter().any(holds)
}

impl fmt::Display for Intervals {
    /// On one line, as it can be written after `during:`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}]", joined(&self.0))
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = Vec::new();
        let mut list = |name: &str, ranges: String| {
            if !ranges.is_empty() {
                fields.push(format!("{name}: [{ranges}]"));
            }
        };
        list("weekdays", joined(&self.weekdays));
        list("times", joined(&self.times));
        list("days_of_month", joined(&self.days_of_month));
        list("months", joined(&self.months));
        list("years", joined(&self.years));
        if let Some(location) = &self.location {
            fields.push(format!("location: {location}"));
        }
        write!(f, "{{{}}}", fields.join(", "))
    }
}

fn joined<T: fmt::Display>(parts: &[T]) -> String {
    parts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
