//! Alertmanager's tables through the reader, and every slip with its place.

use super::read;
use crate::diagnostic::render::human;
use crate::diagnostic::{Diagnostic, Report, Source};
use crate::interval::Intervals;
use crate::time::Timestamp;
use crate::yaml::parse;

/// Reads a whole text as the list.
fn list(text: &str) -> Result<Intervals, Vec<Diagnostic>> {
    let mut report = Report::new(Source::new("during.yaml", text));
    let read = parse(&mut report).and_then(|node| read(&node, &mut report));
    match read {
        Some(it) if report.found.is_empty() => Ok(it),
        Some(_) => panic!("read in spite of {}", human(&report.found)),
        None => Err(report.found),
    }
}

fn good(text: &str) -> Intervals {
    list(text).unwrap_or_else(|found| panic!("{text}\n{}", human(&found)))
}

/// The only problem: code, line, column and message.
fn bad(text: &str) -> (&'static str, usize, usize, String) {
    let found = list(text).expect_err(text);
    let [one] = found.as_slice() else { panic!("{}", human(&found)) };
    assert!(one.help.as_ref().is_some_and(|help| !help.is_empty()), "{text}");
    (one.code, one.line, one.column, one.message.clone())
}

/// The lists that Alertmanager reads, from `yamlUnmarshalTestCases` and `completeTestCases` of `timeinterval_test.go`, each
/// with what it contains and what not.
const READ: [(&str, &[&str], &[&str]); 9] = [
    (
        "- weekdays: ['monday:friday']\n  times:\n    - start_time: '09:00'\n      end_time: '17:00'\n",
        &["2020-07-08T09:00Z", "2020-07-08T16:59Z", "2021-04-01T13:00Z"],
        &["2020-07-08T05:00Z", "2020-07-08T08:59Z"],
    ),
    (
        "- weekdays: ['monday:friday', 'sunday']\n  months: ['january:march']\n  days_of_month: ['-7:-1']\n  \
         years: ['2020:2025', '2030:2035']\n  times:\n    - start_time: '09:00'\n      end_time: '17:00'\n",
        &["2021-01-27T09:00Z", "2021-01-28T16:59Z", "2021-01-29T13:00Z", "2025-03-31T13:00Z", "2035-01-31T13:00Z"],
        &["2021-01-30T13:00Z", "2021-04-01T13:00Z", "2026-01-30T13:00Z", "2035-01-31T17:01Z"],
    ),
    ("- days_of_month: ['1:-1']\n", &["2021-02-28T00:00Z", "2021-01-01T00:00Z"], &[]),
    ("- months: ['January:december']\n", &["2021-02-28T00:00Z"], &[]),
    ("- years: ['2020:2022']\n  location: 'Australia/Sydney'\n", &["2019-12-31T13:00Z"], &["2022-12-31T13:00Z"]),
    (
        "- weekdays: ['monday:wednesday', 'saturday', 'sunday']\n  times:\n    - start_time: '13:00'\n      \
         end_time: '15:00'\n  days_of_month: ['1', '10', '20:-1']\n  years: ['2020:2023']\n  months: ['january:march']\n",
        &["2021-01-10T13:00Z", "2021-01-30T14:24Z"],
        &["2021-01-09T13:00Z", "2021-01-20T12:59Z", "2021-02-02T13:00Z"],
    ),
    // timeStringTestCases.
    ("- times: [{'start_time': '00:00', 'end_time': '24:00'}]", &["2021-01-10T00:00Z", "2021-01-10T23:59Z"], &[]),
    (
        "- times: [{'start_time': '01:35', 'end_time': '17:39'}]",
        &["2021-01-10T01:35Z", "2021-01-10T17:38Z"],
        &["2021-01-10T01:34Z", "2021-01-10T17:39Z"],
    ),
    ("- times: [{'start_time': '09:35', 'end_time': '09:39'}]", &["2021-01-10T09:35Z"], &["2021-01-10T09:39Z"]),
];

#[test]
fn what_alertmanager_reads_is_read_the_same() {
    for (text, inside, outside) in READ {
        let it = good(text);
        let at = |text: &&str| text.parse::<Timestamp>().expect("an instant");
        assert!(inside.iter().all(|text| it.contains(at(text))), "{it} {inside:?}");
        assert!(!outside.iter().any(|text| it.contains(at(text))), "{it} {outside:?}");
    }
}

#[test]
fn what_is_shown_or_serialized_reads_back_as_the_same() {
    for (text, _, _) in READ {
        let it = good(text);
        assert_eq!(good(&it.to_string()), it);
        assert_eq!(good(&serde_json::to_string(&it).expect("plain")), it);
    }
}

#[test]
fn what_alertmanager_refuses_is_refused_at_its_place() {
    // yamlUnmarshalTestCases and timeStringTestCases.
    for (text, code, column, message) in [
        ("[{times: [{start_time: '01:99', end_time: '23:59'}]}]", "F070", 24, "\"01:99\" is not a time of the day"),
        ("[{times: [{start_time: '00:00', end_time: '99:99'}]}]", "F070", 43, "\"99:99\" is not a time of the day"),
        (
            "[{times: [{start_time: '17:31', end_time: '17:31'}]}]",
            "F070",
            43,
            "17:31 is not after 17:31, and a range does not go past midnight",
        ),
        ("[{times: [{start_time: '12:30', end_time: '24:01'}]}]", "F070", 43, "\"24:01\" is not a time of the day"),
        (
            "[{times: [{start_time: '09:30', end_time: '07:41'}]}]",
            "F070",
            43,
            "07:41 is not after 09:30, and a range does not go past midnight",
        ),
        (
            "[{times: [{start_time: '24:00', end_time: '17:41'}]}]",
            "F070",
            43,
            "17:41 is not after 24:00, and a range does not go past midnight",
        ),
        ("[{times: [{start_time: '14:03'}]}]", "F005", 11, "`end_time` is missing"),
        (
            "[{weekdays: ['friday:monday']}]",
            "F071",
            14,
            "the week begins with sunday, so friday:monday ends before it begins",
        ),
        ("[{weekdays: ['blurgsday:flurgsday']}]", "F071", 14, "\"blurgsday\" is not a weekday"),
        ("[{weekdays: ['1:3']}]", "F071", 14, "\"1\" is not a weekday"),
        ("[{weekdays: ['-2:-1']}]", "F071", 14, "\"-2\" is not a weekday"),
        ("[{days_of_month: ['0']}]", "F071", 19, "\"0\" is not a day of the month"),
        ("[{days_of_month: ['-50:-20']}]", "F071", 19, "\"-50\" is not a day of the month"),
        ("[{days_of_month: ['1:50']}]", "F071", 19, "\"50\" is not a day of the month"),
        ("[{days_of_month: ['-15:5']}]", "F071", 19, "-15:5 counts from the end of the month to its beginning"),
        ("[{days_of_month: ['10:-25']}]", "F071", 19, "day -25 is before day 10, at least in february"),
        ("[{months: ['martius:june']}]", "F071", 12, "\"martius\" is not a month"),
        ("[{months: ['march:junius']}]", "F071", 12, "\"junius\" is not a month"),
        ("[{months: ['december:january']}]", "F071", 12, "december:january ends before it begins"),
        ("[{years: ['2022:2020']}]", "F071", 11, "2022:2020 ends before it begins"),
    ] {
        assert_eq!(bad(text), (code, 1, column, message.to_owned()), "{text}");
    }
}

#[test]
fn what_alertmanager_would_take_for_always_or_never_is_refused() {
    for (text, code, column, message) in [
        ("[]", "F073", 1, "a window without entries would never open"),
        ("[{}]", "F073", 2, "this entry does not say when"),
        ("[{years: [2026]}, {location: UTC}]", "F073", 19, "this entry does not say when"),
        ("[{weekdays: []}]", "F073", 13, "an empty list would never be open"),
        ("[{months: [0:20]}]", "F071", 12, "\"0\" is not a month"),
        ("[{years: [0:2026]}]", "F071", 11, "\"0\" is not a year"),
        ("[{location: Local, years: [2026]}]", "F072", 13, "\"Local\" depends on the machine that fettle runs on"),
        ("[{location: Europe/Pariss, years: [2026]}]", "F072", 13, "\"Europe/Pariss\" is no time zone"),
        // completeTestCases: Alertmanager loads it, and it contains nothing.
        (
            "[{days_of_month: ['30:31'], years: ['2020:2023'], months: ['february']}]",
            "F074",
            2,
            "this window never opens: no instant is in all of days_of_month, months, years",
        ),
        (
            "[{years: [2026]}, {days_of_month: [29], months: [2], weekdays: [monday], years: [2026:2030]}]",
            "F074",
            19,
            "this window never opens: no instant is in all of weekdays, days_of_month, months, years",
        ),
    ] {
        assert_eq!(bad(text), (code, 1, column, message.to_owned()), "{text}");
    }
}

#[test]
fn every_problem_is_said_at_once() {
    let text = "- weekday: [monday]\n  times: [{start_time: 8:00, end_time: 20:00, zone: UTC}]\n- weekdays: monday\n  months: [mai, [june]]\n  location:\n- 2026\n";
    let found: Vec<String> = list(text).expect_err("bad").iter().map(Diagnostic::line).collect();
    assert_eq!(
        found,
        [
            "during.yaml:1:3: unknown key `weekday` [F004]",
            "during.yaml:2:47: unknown key `zone` [F004]",
            "during.yaml:2:24: \"8:00\" is not a time of the day [F070]",
            "during.yaml:3:13: text where a list belongs [F006]",
            "during.yaml:4:12: \"mai\" is not a month [F071]",
            "during.yaml:4:17: a list where text belongs [F006]",
            "during.yaml:5:11: no value where text belongs [F005]",
            "during.yaml:6:3: text where a map belongs [F006]",
        ]
    );
}

#[test]
fn a_map_where_the_list_belongs_is_told() {
    assert_eq!(list("{years: [2026]}").expect_err("a map").len(), 1);
    assert_eq!(list("[null]").expect_err("nothing").len(), 1);
    assert_eq!(list("~").expect_err("nothing").len(), 1);
}

#[test]
fn quotes_are_optional_wherever_yaml_lets_them_be() {
    let bare = "- {times: [{start_time: 08:00, end_time: 20:00}], days_of_month: [1, 1:5, -3:-1], months: [11, 1:3], years: [2026:2030]}";
    let quoted = "- {times: [{start_time: '08:00', end_time: '20:00'}], days_of_month: ['1', '1:5', '-3:-1'], months: ['11', '1:3'], years: ['2026:2030']}";
    assert_eq!(good(bare), good(quoted));
}
