//! What holds for any interval: against Alertmanager's rule written out field by field, and a walk minute by minute.

use jiff::civil::{Weekday, date};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, ToSpan};
use proptest::prelude::*;

use super::tests::interval;
use super::{DayRange, Interval, Intervals, Location, MonthRange, TimeOfDay, WeekdayRange, YearRange, location};
use crate::time::Timestamp;

/// Places whose clocks do everything that clocks do: nothing, whole and half hours, one minute past midnight, a day
/// left out, an offset that ends in minutes.
const PLACES: [&str; 9] = [
    "UTC",
    "Europe/Paris",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "Pacific/Apia",
    "Africa/Casablanca",
    "America/Havana",
    "Asia/Kathmandu",
];

fn field(name: &'static str, ranges: Vec<&'static str>) -> impl Strategy<Value = String> {
    let some = prop::collection::vec(prop::sample::select(ranges), 1..3);
    prop_oneof![3 => Just(String::new()), 2 => some.prop_map(move |it| format!("{name} {};", it.join(" ")))]
}

fn times() -> impl Strategy<Value = String> {
    let one = (0..1440_u16, 1..400_u16).prop_map(|(start, length)| {
        let end = (start + length).min(1440);
        format!("{:02}:{:02}-{:02}:{:02}", start / 60, start % 60, end / 60, end % 60)
    });
    let some = prop::collection::vec(one, 1..3).prop_map(|it| format!("times {};", it.join(" ")));
    // Where clocks change.
    let small =
        prop::sample::select(vec!["times 02:15-02:45;", "times 23:30-24:00 00:00-00:01;", "times 01:00-03:00;"]);
    prop_oneof![1 => Just(String::new()), 2 => some, 1 => small.prop_map(str::to_owned)]
}

fn entry() -> impl Strategy<Value = Interval> {
    let days = vec!["1", "1:5", "10:20", "15:-5", "29", "31", "-1", "-3:-1", "-31:-29", "1:-1", "29:31"];
    let months = vec!["january:march", "march", "november", "4:6", "october:december", "february", "december"];
    let years = vec!["2011", "2000:2010", "2026:2030", "2024", "1990:2050"];
    (
        times(),
        field("weekdays", vec!["monday:friday", "sunday", "saturday", "wednesday", "tuesday:thursday"]),
        field("days_of_month", days),
        field("months", months),
        field("years", years),
        prop::sample::select(PLACES.to_vec()),
    )
        .prop_map(|(times, weekdays, days, months, years, place)| {
            interval(&format!("{times}{weekdays}{days}{months}{years}location {place}"))
        })
}

/// An entry and an instant, every second time within three days of a change of its clocks.
fn moment() -> impl Strategy<Value = (Interval, Timestamp)> {
    // 1990 to 2050.
    let anywhere = 631_152_000..2_524_608_000_i64;
    (entry(), anywhere, prop::option::of(-259_200..259_200_i64)).prop_map(|(it, second, near)| {
        let at = Timestamp::from_second(second).expect("in range");
        let change = location::zone(it.location.as_ref()).following(at).next().map(|change| change.timestamp());
        let at = match (change, near) {
            (Some(change), Some(near)) => change.saturating_add(SignedDuration::from_secs(near)).expect("in range"),
            _ => at,
        };
        (it, at)
    })
}

/// Alertmanager's rule, a field after the other and with its clamping.
fn naive(it: &Interval, at: Timestamp) -> bool {
    // The same database: the system's may be of another year.
    let bundled = |place: &Location| TimeZoneDatabase::bundled().get(&place.to_string()).expect("known");
    let zone = it.location.as_ref().map_or(TimeZone::UTC, bundled);
    let local = at.to_zoned(zone);
    let minute = i32::from(local.hour()) * 60 + i32::from(local.minute());
    let weekday = match local.weekday() {
        Weekday::Sunday => 0,
        Weekday::Monday => 1,
        Weekday::Tuesday => 2,
        Weekday::Wednesday => 3,
        Weekday::Thursday => 4,
        Weekday::Friday => 5,
        Weekday::Saturday => 6,
    };
    let first = local.date().first_of_month();
    let length = first.until(first + 1.month()).expect("a month").get_days();
    let day_is_in = |range: &DayRange| {
        let of_month = |day: i8| if day < 0 { length + i32::from(day) + 1 } else { i32::from(day) };
        let (begin, end) = (of_month(range.first), of_month(range.last));
        let day = i32::from(local.day());
        begin <= length && day >= begin.clamp(-length, length) && day <= end.clamp(-length, length)
    };
    let time = |text: TimeOfDay| {
        let text = text.to_string();
        text[..2].parse::<i32>().expect("hours") * 60 + text[3..].parse::<i32>().expect("minutes")
    };
    let month = local.month().unsigned_abs();
    (it.times.is_empty() || it.times.iter().any(|r| minute >= time(r.start) && minute < time(r.end)))
        && (it.days_of_month.is_empty() || it.days_of_month.iter().any(day_is_in))
        && (it.months.is_empty() || it.months.iter().any(|r| month >= r.first && month <= r.last))
        && (it.weekdays.is_empty() || it.weekdays.iter().any(|r| weekday >= r.first && weekday <= r.last))
        && (it.years.is_empty() || it.years.iter().any(|r| local.year() >= r.first && local.year() <= r.last))
}

/// The first open instant of `from..to`, looked for in steps of so many minutes.
fn walk(it: &Interval, from: Timestamp, to: Timestamp, minutes: i64) -> Option<Timestamp> {
    if from < to && it.contains(from) {
        return Some(from);
    }
    let start = from.as_second().div_euclid(60) * 60;
    let seconds = (1..).map(|step| start + step * minutes * 60).take_while(|second| *second < to.as_second());
    seconds.filter_map(|second| Timestamp::from_second(second).ok()).find(|at| it.contains(*at))
}

fn days(from: Timestamp, days: i64) -> Timestamp {
    from.saturating_add(SignedDuration::from_hours(days * 24)).expect("in range")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn contains_agrees_with_alertmanagers_rule_field_by_field((it, at) in moment()) {
        for hour in 0..48 {
            let at = at.saturating_add(SignedDuration::from_mins(hour * 47)).expect("in range");
            prop_assert_eq!(it.contains(at), naive(&it, at), "{} at {}", it, at);
        }
    }

    #[test]
    fn next_open_is_open_and_nothing_is_open_before_it((it, after) in moment()) {
        let found = it.next_open(after);
        let until = found.unwrap_or_else(|| days(after, 5 * 365));
        if let Some(found) = found {
            prop_assert!(found >= after && it.contains(found), "{it} after {after}: {found}");
            if found > after {
                let before = found.saturating_sub(SignedDuration::from_nanos(1)).expect("in range");
                prop_assert!(!it.contains(before), "{it} after {after}: {found}");
                prop_assert_eq!(found.as_nanosecond() % 60_000_000_000, 0);
            }
        }
        // Every minute of the next days, which hold the change of clocks; then every 97 and every 1571 minutes.
        for (length, minutes) in [(4, 1), (60, 97), (5 * 365, 1571)] {
            let earlier = walk(&it, after, until.min(days(after, length)), minutes);
            prop_assert_eq!(earlier, None, "{} after {}: {:?}", it, after, found);
        }
    }

    #[test]
    fn a_list_opens_with_the_first_of_its_entries((one, after) in moment(), other in entry()) {
        let both = Intervals::new(vec![one.clone(), other.clone()]);
        prop_assert_eq!(both.contains(after), one.contains(after) || other.contains(after));
        let next = [one.next_open(after), other.next_open(after)].into_iter().flatten().min();
        prop_assert_eq!(both.next_open(after), next);
    }

    #[test]
    fn what_never_opens_has_no_open_hour_in_its_years(
        weekday in 0..7_u8,
        day in 1..=31_i8,
        end in any::<bool>(),
        month in 1..=12_u8,
        year in 1990..2050_i16,
        span in 0..3_i16,
    ) {
        let day = if end { -day } else { day };
        let it = Interval {
            weekdays: vec![WeekdayRange { first: weekday, last: weekday }],
            days_of_month: vec![DayRange { first: day, last: day }],
            months: vec![MonthRange { first: month, last: month }],
            years: vec![YearRange { first: year, last: year + span }],
            ..Interval::default()
        };
        let noon = |year| date(year, 1, 1).at(12, 0, 0, 0).to_zoned(TimeZone::UTC).expect("noon").timestamp();
        let length = noon(year + span + 1).duration_since(noon(year)).as_hours() / 24;
        let open = (0..length).any(|day| naive(&it, days(noon(year), day)));
        prop_assert_eq!(it.never_opens(), !open, "{}", it);
    }

    #[test]
    fn no_text_makes_a_range_panic(text in "[a-z0-9:+\\- ٣]{0,12}|.{0,20}") {
        let _ = TimeOfDay::parse(&text);
        let _ = WeekdayRange::parse(&text);
        let _ = DayRange::parse(&text);
        let _ = MonthRange::parse(&text);
        let _ = YearRange::parse(&text);
    }
}

proptest! {
    // Each unknown name is compared with every known one.
    #![proptest_config(ProptestConfig::with_cases(30))]

    #[test]
    fn no_text_makes_a_location_panic(text in "[A-Za-z/_ ]{0,20}|.{0,80}") {
        if let Ok(place) = Location::find(&text) {
            prop_assert_eq!(place.to_string(), text);
        }
    }
}
