//! How `during` is written: Alertmanager's time intervals, of which any may be open.
//!
//! Always holds: what is read opens at some time, and every entry says when. Alertmanager takes an entry without fields
//! for "always" and an empty list for "never"; in a rule both are slips that would lift or close the window unseen. A
//! window in years that are over is read: what time it is now is not known here.

use std::ops::Range;

use crate::diagnostic::{Code, Report, codes};
use crate::interval::{
    DayRange, Interval, Intervals, Location, MonthRange, NotARange, TimeOfDay, TimeRange, WeekdayRange, YearRange,
};
use crate::yaml::{Form, Node, items, required, shape, text};

shape! {
    /// One time interval.
    RawInterval {
        /// Days of the week.
        weekdays = "weekdays": Form::Some(&Form::Text),
        /// Times of the day.
        times = "times": Form::Some(&Form::Map(&RawTimeRange::SHAPE)),
        /// Days of the month.
        days_of_month = "days_of_month": Form::Some(&Form::Text),
        /// Months of the year.
        months = "months": Form::Some(&Form::Text),
        /// Years.
        years = "years": Form::Some(&Form::Text),
        /// Whose civil time counts.
        location = "location": Form::Text,
    }
}

shape! {
    /// A range of times of one day.
    RawTimeRange {
        /// The first minute.
        start_time = "start_time": Form::Needed(&Form::Like("^([01][0-9]|2[0-4]):[0-5][0-9]$")),
        /// The minute after the last.
        end_time = "end_time": Form::Needed(&Form::Like("^([01][0-9]|2[0-4]):[0-5][0-9]$")),
    }
}

/// What an entry may look like.
const EXAMPLE: &str = "{weekdays: [monday:friday], times: [{start_time: \"08:00\", end_time: \"20:00\"}]}";

/// Reads the list; nothing unless all of it is right.
pub fn read(node: &Node, report: &mut Report<'_>) -> Option<Intervals> {
    let before = report.found.len();
    let list = items(node, report)?;
    if list.is_empty() {
        let help = format!("leave it out for always, or write entries such as {EXAMPLE}");
        report.add_with_help(&codes::INTERVAL_EMPTY, &node.at, "a window without entries would never open", help);
    }
    let entries: Vec<Interval> = list.iter().filter_map(|item| entry(item, report)).collect();
    (report.found.len() == before).then(|| Intervals::new(entries))
}

fn entry(node: &Node, report: &mut Report<'_>) -> Option<Interval> {
    let before = report.found.len();
    let raw = RawInterval::read(node, report)?;
    let interval = Interval {
        times: ranges(raw.times, report, time_range),
        weekdays: ranges(raw.weekdays, report, |node, report| date_range(node, WeekdayRange::parse, report)),
        days_of_month: ranges(raw.days_of_month, report, |node, report| date_range(node, DayRange::parse, report)),
        months: ranges(raw.months, report, |node, report| date_range(node, MonthRange::parse, report)),
        years: ranges(raw.years, report, |node, report| date_range(node, YearRange::parse, report)),
        location: raw.location.and_then(|node| location(node, report)),
    };
    if report.found.len() != before {
        return None;
    }
    if interval.is_always() {
        let help = format!("say when, such as {EXAMPLE}, or leave `during` out for always");
        report.add_with_help(&codes::INTERVAL_EMPTY, &node.at, "this entry does not say when", help);
        return None;
    }
    if interval.never_opens() {
        let message = format!("this window never opens: no instant is in all of {}", restricting(&raw));
        let help = "correct the field that is wrong, or write one entry for each if any of them should do";
        report.add_with_help(&codes::NEVER_OPENS, &node.at, message, help);
        return None;
    }
    Some(interval)
}

/// The keys given that together decide which instants there are.
fn restricting(raw: &RawInterval<'_>) -> String {
    let given = [
        ("times", raw.times),
        ("weekdays", raw.weekdays),
        ("days_of_month", raw.days_of_month),
        ("months", raw.months),
        ("years", raw.years),
    ];
    given.iter().filter(|(_, node)| node.is_some()).map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// The ranges of a field; none when it is not given.
fn ranges<R>(
    node: Option<&Node>,
    report: &mut Report<'_>,
    read: impl Fn(&Node, &mut Report<'_>) -> Option<R>,
) -> Vec<R> {
    let Some((node, list)) = node.and_then(|node| Some((node, items(node, report)?))) else { return Vec::new() };
    if list.is_empty() {
        let help = "leave the key out, or write at least one range";
        report.add_with_help(&codes::INTERVAL_EMPTY, &node.at, "an empty list would never be open", help);
    }
    list.iter().filter_map(|item| read(item, report)).collect()
}

fn told<T>(read: Result<T, NotARange>, code: &'static Code, at: &Range<usize>, report: &mut Report<'_>) -> Option<T> {
    read.map_err(|fault| report.add_with_help(code, at, fault.message, fault.help)).ok()
}

fn date_range<R>(node: &Node, parse: impl Fn(&str) -> Result<R, NotARange>, report: &mut Report<'_>) -> Option<R> {
    told(parse(text(node, report)?), &codes::DATE_RANGE, &node.at, report)
}

fn time_range(node: &Node, report: &mut Report<'_>) -> Option<TimeRange> {
    let raw = RawTimeRange::read(node, report)?;
    let start = time_of_day(raw.start_time, "start_time", node, report);
    let end = time_of_day(raw.end_time, "end_time", node, report);
    let at = raw.end_time.map_or(&node.at, |end| &end.at);
    told(TimeRange::new(start?, end?), &codes::TIME_RANGE, at, report)
}

fn time_of_day(given: Option<&Node>, key: &str, range: &Node, report: &mut Report<'_>) -> Option<TimeOfDay> {
    let help = "write both, such as {start_time: \"08:00\", end_time: \"20:00\"}";
    let node = required(given, key, &range.at, help, report)?;
    told(TimeOfDay::parse(text(node, report)?), &codes::TIME_RANGE, &node.at, report)
}

fn location(node: &Node, report: &mut Report<'_>) -> Option<Location> {
    let found = Location::find(text(node, report)?);
    found.map_err(|fault| report.add_with_help(&codes::LOCATION, &node.at, fault.to_string(), fault.help())).ok()
}

#[cfg(test)]
mod tests;
