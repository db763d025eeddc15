//! The captured bodies, and every way in which a body can be wrong.

use super::*;
use crate::alert::bounds::Bound;
use crate::alert::episode::AlertState;
use crate::time::micros;

const BODY: &str = r#"{"version":"4","receiver":"fettle","groupKey":"{}:{}","truncatedAlerts":0,"status":"firing",
    "groupLabels":{},"commonLabels":{},"commonAnnotations":{},"externalURL":"http://am","alerts":[
    {"status":"firing","labels":{"alertname":"A","service":"web"},"annotations":{"summary":"x"},
     "startsAt":"2026-01-01T00:00:00.123456789+05:45","endsAt":"0001-01-01T00:00:00Z","generatorURL":"","fingerprint":"0"}]}"#;

fn malformed(from: &str, to: &str) -> String {
    assert!(BODY.contains(from), "{from}");
    Webhook::parse(BODY.replacen(from, to, 1).as_bytes()).expect_err(to).to_string()
}

#[test]
fn a_body_is_read_with_its_own_fingerprints_and_microseconds() {
    let webhook = Webhook::parse(BODY.as_bytes()).expect("valid");
    let alert = &webhook.alerts[0];
    assert_eq!(alert.fingerprint, Fingerprint::of(&alert.labels));
    assert_eq!(alert.starts_at.to_string(), "2025-12-31T18:15:00.123456Z");
    assert_eq!((alert.ends_at, webhook.firing()), (None, true));
}

#[test]
fn what_decides_must_be_there_and_be_right_and_the_path_is_named() {
    for (from, to, path) in [
        (r#""version":"4""#, r#""version":"5""#, "$.version: "),
        (r#""version":"4""#, r#""version":4"#, "$.version: "),
        (r#""version":"4","#, "", "$: "),
        (r#""status":"firing","labels""#, r#""status":"pending","labels""#, "$.alerts[0].status: "),
        (r#""service":"web""#, r#""service":7"#, "$.alerts[0].labels.service: "),
        (r#""service":"web""#, r#""service":[[[[[[[[[["x"]]]]]]]]]]"#, "$.alerts[0].labels.service: "),
        (r#""service":"web""#, r#""service":null"#, "$.alerts[0].labels.service: "),
        (r#""summary":"x""#, r#""summary":{}"#, "$.alerts[0].annotations.summary: "),
        (r#""startsAt":"2026-01-01T00:00:00.123456789+05:45","#, "", "$.alerts[0]: "),
        (r#""startsAt":"2026"#, r#""startsAt":"yesterday 2026"#, "$.alerts[0].startsAt: "),
        (r#""truncatedAlerts":0"#, r#""truncatedAlerts":-1"#, "$.truncatedAlerts: "),
        (r#""alerts":["#, r#""alarms":["#, "$: "),
        (r#""groupLabels":{}"#, r#""groupLabels":[]"#, "$.groupLabels: "),
    ] {
        let told = malformed(from, to);
        assert!(told.starts_with(path), "{to}: {told}");
    }
    for body in ["", "null", "[]", "{", "{}", "\u{feff}{}", r#"{"version":"4","alerts":null}"#] {
        assert!(Webhook::parse(body.as_bytes()).is_err(), "{body}");
    }
    assert!(Webhook::parse(format!("{BODY} x").as_bytes()).is_err());
    assert!(Webhook::parse(&[BODY.as_bytes(), b"\xff"].concat()).is_err());
    assert!(Webhook::parse("[".repeat(100_000).as_bytes()).is_err());
}

#[test]
fn a_time_beyond_the_end_of_time_costs_its_neighbours_nothing() {
    let neighbour = r#"{"status":"firing","labels":{"alertname":"B"},"startsAt":"2026-01-01T00:00:00Z"}"#;
    let body = BODY
        .replace("2026-01-01T00:00:00.123456789+05:45", "9999-12-31T23:59:59.999999999-01:00")
        .replace("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z")
        .replace("]}", &format!(",{neighbour}]}}"));
    let webhook = Webhook::parse(body.as_bytes()).expect("valid");
    let end = micros(Timestamp::MAX);
    assert_eq!((webhook.alerts[0].starts_at, webhook.alerts[0].ends_at), (end, Some(end)));
    assert_eq!(webhook.alerts[1].labels.get("alertname"), "B");
    // What is received now cannot have begun later.
    let now = Timestamp::UNIX_EPOCH;
    let alert = &webhook.alerts[0];
    let (state, _) = AlertState::first(alert.fingerprint, alert.labels.clone(), alert.word(now), now);
    assert_eq!(state.starts_at, now);
}

#[test]
fn a_complaint_is_short_and_on_one_line_whatever_the_sender_wrote() {
    let told = malformed(r#""service":"web""#, &format!("\"{}\\n\":7", "x".repeat(5000)));
    assert!(told.len() < 1500 && !told.contains('\n'), "{told}");
}

#[test]
fn unknown_fields_and_missing_decoration_are_no_reason_to_refuse() {
    let body = r#"{"version":"4","notification_reason":"repeat interval elapsed","routeLabels":{"a":"b"},"next":[{}],
        "alerts":[{"status":"resolved","labels":{},"startsAt":"2026-01-01T00:00:00Z","new":{"x":[1,2]}}]}"#;
    let webhook = Webhook::parse(body.as_bytes()).expect("valid");
    let received = Timestamp::from_second(1_800_000_000).expect("in range");
    assert_eq!(webhook.receiver, "");
    assert!(matches!(webhook.alerts[0].word(received), Word::Resolved { ends_at, .. } if ends_at == received));
}

#[test]
fn every_body_captured_from_alertmanager_is_read_and_its_fingerprints_are_ours() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/payloads");
    let mut bodies = 0;
    for file in std::fs::read_dir(folder).expect("payloads").map(|entry| entry.expect("entry").path()) {
        if file.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let text = std::fs::read_to_string(&file).expect("readable");
        let webhook = Webhook::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let sent: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let alerts = sent["alerts"].as_array().expect("alerts");
        assert_eq!(webhook.alerts.len(), alerts.len());
        for (read, sent) in webhook.alerts.iter().zip(alerts) {
            assert_eq!(read.fingerprint.to_string(), sent["fingerprint"].as_str().expect("text"), "{}", file.display());
        }
        assert_eq!(webhook.firing(), sent["status"] == "firing", "{}", file.display());
        bodies += 1;
    }
    assert_eq!(bodies, 43);
}

proptest::proptest! {
    #[test]
    fn no_body_makes_it_panic(body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300), cut in 0..BODY.len()) {
        let _ = Webhook::parse(&body);
        let _ = Webhook::parse(&BODY.as_bytes()[..cut]);
    }
}

/// A body with this many alerts, of which the last has one label and one annotation like these.
fn large(alerts: usize, labels: usize, annotations: usize, name: usize, value: usize) -> String {
    let pairs = |count: usize| {
        let long = format!("\"{}\":\"{}\"", "n".repeat(name), "v".repeat(value));
        (1..count).map(|at| format!("\"{at}\":\"\"")).chain([long]).collect::<Vec<_>>().join(",")
    };
    let alert = |labels, annotations| {
        let (labels, annotations) = (pairs(labels), pairs(annotations));
        format!(
            r#"{{"status":"firing","labels":{{{labels}}},"annotations":{{{annotations}}},"startsAt":"2026-01-01T00:00:00Z"}}"#
        )
    };
    let small = (1..alerts).map(|_| alert(1, 1)).chain([alert(labels, annotations)]).collect::<Vec<_>>().join(",");
    format!(r#"{{"version":"4","alerts":[{small}],"groupKey":"{{}}:{{a=\"b\"}}"}}"#)
}

#[test]
fn each_bound_is_kept_to_the_last_and_the_place_is_named_beyond_it() {
    let bounds = Bounds { alerts: 5, labels: 4, annotations: 3, name_bytes: 20, value_bytes: 30, text_bytes: 200 };
    let read = |body: String| Webhook::parse_within(body.as_bytes(), &bounds);
    for less in [0, 1] {
        read(large(5 - less, 4 - less, 3 - less, 20 - less, 30 - less)).expect("within the bounds");
    }
    for (body, bound, most, path) in [
        (large(6, 1, 1, 1, 1), Bound::Alerts, 5, "$.alerts: "),
        (large(4, 5, 1, 1, 1), Bound::Labels, 4, "$.alerts[3].labels"),
        (large(4, 1, 4, 1, 1), Bound::Annotations, 3, "$.alerts[3].annotations"),
        (large(4, 1, 1, 21, 1), Bound::Name, 20, "$.alerts[0].labels"),
        (large(1, 1, 1, 1, 31), Bound::Value, 30, "$.alerts[0].labels.n"),
        (large(1, 1, 1, 1, 1).replace("{}:", &"x".repeat(31)), Bound::Value, 30, "$.groupKey"),
    ] {
        let malformed = read(body).expect_err(path);
        assert_eq!(malformed.exceeded, Some(Exceeded { bound, most }), "{malformed}");
        assert!(malformed.to_string().starts_with(path), "{malformed}");
        assert!(malformed.problem.contains(&format!("limits.{}", bound.as_str())), "{malformed}");
    }
    // Each of the two alerts has 2 × (5 + 1) bytes besides; the count begins anew with each.
    let texts = |bytes| Bounds { text_bytes: bytes, ..bounds };
    let two = large(2, 1, 1, 5, 1);
    Webhook::parse_within(two.as_bytes(), &texts(12)).expect("each is within");
    let malformed = malformed_of(&two, &texts(11));
    assert_eq!(malformed.exceeded, Some(Exceeded { bound: Bound::Text, most: 11 }), "{malformed}");
    assert!(malformed.to_string().starts_with("$.alerts[0].annotations"), "{malformed}");
    assert_eq!(malformed_of("{}", &bounds).exceeded, None, "what is no notification exceeds nothing");
}

fn malformed_of(body: &str, bounds: &Bounds) -> Malformed {
    Webhook::parse_within(body.as_bytes(), bounds).expect_err("refused")
}

#[test]
fn a_storm_of_ten_thousand_alerts_in_one_group_keeps_the_default_bounds() {
    // Each with 800 bytes of labels and annotations. The default of `limits.body` is 10 MiB.
    let body = large(10_000, 30, 10, 25, 370);
    assert!(body.len() < 10 << 20);
    let webhook = Webhook::parse_within(body.as_bytes(), &Bounds::default());
    assert_eq!(webhook.expect("accepted").alerts.len(), 10_000);
}

#[test]
fn the_key_of_a_group_is_known_without_reading_the_rest() {
    let body = large(3, 1, 1, 1, 1);
    assert_eq!(Webhook::group_key_of(body.as_bytes()).as_deref(), Some(r#"{}:{a="b"}"#));
    assert_eq!(Webhook::group_key_of(b"{"), None);
}
