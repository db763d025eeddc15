//! Alertmanager's table of what is contained, and the days that are not like others.

use jiff::civil::Date;

use super::*;

/// `weekdays monday:friday; times 09:00-17:00; location Europe/Paris`.
pub(super) fn interval(written: &str) -> Interval {
    let mut it = Interval::default();
    for field in written.split(';') {
        let mut words = field.split_whitespace();
        let Some(name) = words.next() else { continue };
        for word in words {
            match name {
                "times" => it.times.push(times(word)),
                "weekdays" => it.weekdays.push(WeekdayRange::parse(word).expect(word)),
                "days_of_month" => it.days_of_month.push(DayRange::parse(word).expect(word)),
                "months" => it.months.push(MonthRange::parse(word).expect(word)),
                "years" => it.years.push(YearRange::parse(word).expect(word)),
                "location" => it.location = Some(Location::find(word).expect(word)),
                other => panic!("no field {other}"),
            }
        }
    }
    it
}

fn times(written: &str) -> TimeRange {
    let (start, end) = written.split_once('-').expect(written);
    let time = |text: &str| TimeOfDay::parse(text).expect(text);
    TimeRange::new(time(start), time(end)).expect(written)
}

fn at(written: &str) -> Timestamp {
    written.parse().expect(written)
}

/// Asserts what is inside and what is not.
fn check(it: &Interval, inside: &[&str], outside: &[&str]) {
    for instant in inside {
        assert!(it.contains(at(instant)), "{it} at {instant}");
    }
    for instant in outside {
        assert!(!it.contains(at(instant)), "{it} at {instant}");
    }
}

#[test]
fn what_alertmanager_contains_is_contained() {
    // timeIntervalTestCases of timeinterval_test.go.
    check(&Interval::default(), &["2006-01-02T15:04Z", "2007-01-03T10:04Z", "2006-01-04T09:04Z"], &[]);
    check(
        &interval("times 09:00-17:00; weekdays monday:friday"),
        &["2020-05-04T15:04Z", "2020-05-05T10:04Z", "2020-06-09T09:04Z"],
        &["2020-05-03T15:04Z", "2020-05-04T08:59Z", "2020-05-05T05:00Z"],
    );
    check(
        &interval("days_of_month 4:6; months april; years 2020"),
        &["2020-04-04T15:04Z", "2020-04-05T00:00Z", "2020-04-06T23:05Z"],
        &["2018-05-03T15:04Z", "2020-04-03T23:59Z", "2020-06-04T23:59Z", "2019-04-06T23:59Z", "2020-04-07T00:00Z"],
    );
    check(
        &interval("days_of_month -3:-1"),
        &["2020-01-31T15:04Z", "2020-01-30T15:04Z", "2020-01-29T15:04Z", "2020-06-30T00:00Z", "2020-02-29T23:05Z"],
        &[
            "2018-05-03T15:04Z",
            "2020-01-27T15:04Z",
            "2020-04-03T23:59Z",
            "2020-06-04T23:59Z",
            "2019-04-06T23:59Z",
            "2020-04-07T00:00Z",
            "2020-03-01T00:00Z",
        ],
    );
    // The reader refuses this one; the days outside the month are still not those of another.
    let days_of_month = vec![DayRange { first: -31, last: 31 }];
    check(
        &Interval { days_of_month, ..interval("months june") },
        &["2020-06-30T00:00Z", "2020-06-01T00:00Z"],
        &["2020-05-31T00:00Z", "2020-07-01T00:00Z"],
    );
    let sydney = "times 09:00-17:00; weekdays monday:friday; location Australia/Sydney";
    check(&interval(sydney), &["2021-04-06T13:00+10:00"], &["2021-04-06T13:00Z"]);
    check(
        &interval(&format!("{sydney}; months november")),
        &["2021-11-01T09:00+11:00", "2021-10-31T22:00Z"],
        &["2021-10-31T21:00Z"],
    );
    // Pull request 5447: the length of a month in which the clocks go forward.
    check(
        &interval("days_of_month -1; location America/New_York"),
        &["2021-03-31T12:00-04:00", "2021-05-31T12:00-04:00", "2021-11-30T12:00-05:00"],
        &["2021-03-30T12:00-04:00", "2021-05-30T12:00-04:00"],
    );
}

#[test]
fn evenings_and_weekends_are_the_inverse_of_working_hours() {
    // TestIntervener_Mutes.
    let evenings = interval("times 00:00-09:00 17:00-24:00; location Australia/Sydney");
    let weekends = interval("weekdays saturday sunday; location Australia/Sydney");
    for (instant, evening, weekend) in [
        ("2024-01-01T00:00+11:00", true, false),
        ("2024-01-01T09:00+11:00", false, false),
        ("2024-01-06T10:00+11:00", false, true),
        ("2024-01-06T17:00+11:00", true, true),
        ("2024-01-01T10:00Z", true, false),
        ("2024-01-06T10:00Z", true, true),
    ] {
        assert_eq!((evenings.contains(at(instant)), weekends.contains(at(instant))), (evening, weekend), "{instant}");
        let any = Intervals::new(vec![evenings.clone(), weekends.clone()]);
        assert_eq!(any.contains(at(instant)), evening || weekend, "{instant}");
    }
}

#[test]
fn a_range_up_to_midnight_includes_the_last_minute_and_not_the_next_day() {
    let it = interval("times 22:00-24:00; weekdays friday");
    check(
        &it,
        &["2026-06-05T22:00Z", "2026-06-05T23:59:59.999999Z"],
        &["2026-06-05T21:59:59.999999Z", "2026-06-06T00:00Z", "2026-06-06T22:30Z"],
    );
    assert_eq!(it.next_open(at("2026-06-06T00:00Z")), Some(at("2026-06-12T22:00Z")));
}

#[test]
fn the_end_of_february_follows_leap_years() {
    let last = interval("days_of_month -1; months february");
    check(
        &last,
        &["2024-02-29T12:00Z", "2025-02-28T12:00Z", "2000-02-29T12:00Z", "2100-02-28T12:00Z"],
        &["2024-02-28T12:00Z", "2100-03-01T12:00Z"],
    );
    let leap = interval("days_of_month 29; months february");
    assert_eq!(leap.next_open(at("2024-03-01T00:00Z")), Some(at("2028-02-29T00:00Z")));
    // Eight years to the next one: further than is looked, but not never.
    assert_eq!(leap.next_open(at("2096-03-01T00:00Z")), None);
    assert!(!leap.never_opens());
}

#[test]
fn days_from_the_end_that_a_short_month_does_not_have_are_not_those_of_the_month_before() {
    let it = interval("days_of_month -31");
    check(&it, &["2026-01-01T12:00Z", "2026-03-01T12:00Z"], &["2026-02-01T12:00Z", "2026-04-01T12:00Z"]);
    check(&interval("days_of_month 30:31"), &["2026-01-30T12:00Z"], &["2026-02-28T12:00Z", "2026-03-01T12:00Z"]);
}

#[test]
fn a_time_that_the_clocks_skip_opens_on_the_other_side_or_not_at_all() {
    // 29 March 2026, 02:00 to 03:00, is not there in Paris; 8 March in New York.
    let overlaps = interval("times 02:30-03:30; location Europe/Paris");
    check(
        &overlaps,
        &["2026-03-29T03:00+02:00", "2026-03-29T03:29+02:00", "2026-03-28T02:30+01:00"],
        &["2026-03-29T01:59:59+01:00", "2026-03-29T03:30+02:00"],
    );
    assert_eq!(overlaps.next_open(at("2026-03-28T12:00Z")), Some(at("2026-03-29T01:00Z")));
    let inside = interval("times 02:15-02:45; location America/New_York");
    assert_eq!(inside.next_open(at("2026-03-07T08:00Z")), Some(at("2026-03-09T02:15-04:00")));
}

#[test]
fn a_time_that_the_clocks_repeat_is_open_twice() {
    // 25 October 2026 in Paris: 02:00 to 03:00 comes in summer time and again in winter time.
    let it = interval("times 02:15-02:45; location Europe/Paris");
    check(
        &it,
        &["2026-10-25T02:15+02:00", "2026-10-25T02:44+02:00", "2026-10-25T02:15+01:00", "2026-10-25T02:44+01:00"],
        &["2026-10-25T02:45+02:00", "2026-10-25T02:14+01:00", "2026-10-25T02:45+01:00"],
    );
    assert_eq!(it.next_open(at("2026-10-24T12:00Z")), Some(at("2026-10-25T00:15Z")));
    assert_eq!(it.next_open(at("2026-10-25T00:45Z")), Some(at("2026-10-25T01:15Z")));
    // 1 November in New York; the second time begins open where the clocks go back.
    let open = interval("times 01:00-01:30; location America/New_York");
    assert_eq!(open.next_open(at("2026-11-01T05:30Z")), Some(at("2026-11-01T06:00Z")));
}

#[test]
fn a_window_keeps_its_civil_hours_across_the_change_of_clocks() {
    // The Friday before the change and the Monday after.
    for (place, friday, monday) in [
        ("Europe/Paris", "2026-03-27T07:00Z", "2026-03-30T06:00Z"),
        ("America/New_York", "2026-03-06T13:00Z", "2026-03-09T12:00Z"),
    ] {
        let it = interval(&format!("times 08:00-20:00; weekdays monday:friday; location {place}"));
        let hours = |count| at(friday).saturating_add(jiff::SignedDuration::from_hours(count)).expect("in range");
        assert_eq!(it.next_open(hours(-3)), Some(at(friday)), "{place}");
        assert!(!it.contains(hours(12)), "{place}");
        assert_eq!(it.next_open(hours(12)), Some(at(monday)), "{place}");
    }
}

#[test]
fn a_day_that_a_country_left_out_never_was() {
    // Samoa went from 29 to 31 December 2011.
    let it = interval("days_of_month 30; months december; years 2011; location Pacific/Apia");
    assert!(it.never_opens());
    assert!(!interval("days_of_month 30; months december; years 2011").never_opens());
}

#[test]
fn what_can_never_be_is_told_from_what_is_rare() {
    for never in [
        "days_of_month 30; months february",
        "days_of_month 31; months april june september november",
        "days_of_month -31; months february",
        "days_of_month -30:-30; months february",
        // The only leap year of these begins its 29 February with a Tuesday.
        "days_of_month 29; months february; weekdays monday; years 2026:2030",
        "days_of_month 29; months february; years 2100",
        "days_of_month 1; weekdays sunday; months may; years 2026",
        // Skipped by the clocks.
        "days_of_month 29; months march; years 2026; times 02:15-02:45; location Europe/Paris",
        "years 1; months february; days_of_month 29",
        "years 9999; months february; days_of_month 29",
    ] {
        assert!(interval(never).never_opens(), "{never}");
    }
    for rare in [
        "",
        "days_of_month 29; months february; weekdays monday",
        "days_of_month 29; months february; weekdays tuesday; years 2026:2030",
        "days_of_month 31; months april:may",
        "days_of_month 1; weekdays sunday; months may; years 2026:2033",
        "years 2020",
        "years 1",
        "years 9999; months december; days_of_month 1",
        "years 1:9999; months december; days_of_month -1; times 23:59-24:00",
        "days_of_month 29; months march; years 2026; times 02:15-03:01; location Europe/Paris",
    ] {
        assert!(!interval(rare).never_opens(), "{rare}");
    }
    let both = |first, second| Intervals::new(vec![interval(first), interval(second)]);
    assert!(!both("days_of_month 30; months february", "years 2020").never_opens());
    assert!(both("days_of_month 30; months february", "days_of_month 31; months april").never_opens());
}

#[test]
fn the_first_of_all_entries_opens_the_window() {
    let it = Intervals::new(vec![interval("weekdays sunday"), interval("times 20:00-21:00; weekdays saturday")]);
    let friday = at("2026-06-05T12:00Z");
    assert_eq!(it.next_open(friday), Some(at("2026-06-06T20:00Z")));
    assert_eq!(it.next_open(at("2026-06-06T20:30:12.5Z")), Some(at("2026-06-06T20:30:12.5Z")));
    assert_eq!(it.next_open(at("2026-06-06T21:00Z")), Some(at("2026-06-07T00:00Z")));
    assert_eq!(Intervals::new(Vec::new()).next_open(friday), None);
    assert!(!Intervals::new(Vec::new()).contains(friday));
}

#[test]
fn years_that_are_over_do_not_open_again() {
    let it = interval("years 2020:2025");
    assert_eq!(it.next_open(at("2025-12-31T23:59:59Z")), Some(at("2025-12-31T23:59:59Z")));
    assert_eq!(it.next_open(at("2026-01-01T00:00Z")), None);
    assert_eq!(it.next_open(at("2015-06-01T00:00Z")), Some(at("2020-01-01T00:00Z")));
    assert_eq!(it.next_open(at("2014-06-01T00:00Z")), None);
}

#[test]
fn the_ends_of_time_are_no_trouble() {
    for place in ["UTC", "Europe/Paris", "Pacific/Kiritimati", "Pacific/Pago_Pago"] {
        let it = interval(&format!("weekdays monday; times 08:00-09:00; location {place}"));
        for instant in [Timestamp::MIN, Timestamp::MAX] {
            let _ = (it.contains(instant), it.next_open(instant));
        }
        assert_eq!(interval(&format!("years 2030; location {place}")).next_open(Timestamp::MAX), None);
    }
}

#[test]
fn what_is_shown_is_what_can_be_written() {
    let it = interval(
        "weekdays Monday:Friday sunday; times 08:00-20:00 22:00-24:00; days_of_month 1:5 -3:-1 15; \
         months 1:3 November; years 2026:2030; location Europe/Paris",
    );
    assert_eq!(
        Intervals::new(vec![it.clone(), interval("years 2026")]).to_string(),
        "[{weekdays: [monday:friday, sunday], times: [{start_time: \"08:00\", end_time: \"20:00\"}, \
         {start_time: \"22:00\", end_time: \"24:00\"}], days_of_month: [\"1:5\", \"-3:-1\", \"15\"], \
         months: [january:march, november], years: [\"2026:2030\"], location: Europe/Paris}, {years: [\"2026\"]}]"
    );
    assert_eq!(
        serde_json::to_value(Intervals::new(vec![it])).expect("plain"),
        serde_json::json!([{
            "times": [{"start_time": "08:00", "end_time": "20:00"}, {"start_time": "22:00", "end_time": "24:00"}],
            "weekdays": ["monday:friday", "sunday"],
            "days_of_month": ["1:5", "-3:-1", "15"],
            "months": ["january:march", "november"],
            "years": ["2026:2030"],
            "location": "Europe/Paris",
        }])
    );
}

#[test]
fn what_is_no_range_is_answered_with_what_would_be_one() {
    let help = |read: Result<(), NotARange>| read.expect_err("no range").help;
    assert_eq!(help(TimeOfDay::parse("8:00").map(drop)), "write 08:00");
    for text in ["24:01", "23:60", "0800", "08:00:00", "+8:00", " 08:00", "٠٨:٠٠", "", "8", "12:5"] {
        assert_eq!(help(TimeOfDay::parse(text).map(drop)), "write two digits each, from 00:00 to 24:00", "{text}");
    }
    for (start, end, advice) in [
        ("22:00", "06:00", "for a night write two ranges, 22:00 to 24:00 and 00:00 to 06:00"),
        ("22:00", "00:00", "write 24:00 for the end of the day"),
        ("24:00", "06:00", "write 00:00 for the beginning of the day"),
        ("08:00", "08:00", "leave `times` out for the whole day"),
    ] {
        let time = |text: &str| TimeOfDay::parse(text).expect(text);
        assert_eq!(help(TimeRange::new(time(start), time(end)).map(drop)), advice, "{start} {end}");
    }
    assert_eq!(help(WeekdayRange::parse("mondy").map(drop)), "did you mean `monday`?");
    assert_eq!(help(WeekdayRange::parse("saturday:monday").map(drop)), "write two ranges: saturday, sunday:monday");
    assert_eq!(
        help(MonthRange::parse("november:february").map(drop)),
        "to go past the end of a year write two ranges: november:december, january:february"
    );
    assert_eq!(help(MonthRange::parse("13").map(drop)), "write 1 to 12, or the name");
    assert_eq!(help(YearRange::parse("2030:2026").map(drop)), "write 2026:2030");
    for text in ["", "0", "32", "-32", "1:2:3", "x", "1:", ":5", "1.5", "-15:5", "10:-25", "5:1", "1 :5"] {
        assert!(DayRange::parse(text).is_err(), "{text}");
    }
}

#[test]
fn the_day_count_of_every_month_is_the_calendars() {
    let day = |year, month, day| Date::new(year, month, day).expect("a day");
    let last = DayRange::parse("-1").expect("a range");
    for (month, days) in (1..).zip([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]) {
        assert!(last.contains(day(2026, month, days)) && !last.contains(day(2026, month, days - 1)), "{month}");
    }
}
