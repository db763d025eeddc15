//! Alertmanager's JSON. Unknown fields are ignored: its answers grow.

use std::collections::BTreeMap;

use reqwest::header::{DATE, HeaderMap};
use serde::{Deserialize, Serialize};

use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::alert::labels::Labels;
use fettle_core::time::Timestamp;
use fettle_core::upstream::{Announcement, Listed, OWN};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireAlert {
    labels: Labels,
    fingerprint: String,
    starts_at: Timestamp,
    status: WireStatus,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireStatus {
    state: String,
    #[serde(default)]
    silenced_by: Vec<serde::de::IgnoredAny>,
    #[serde(default)]
    inhibited_by: Vec<String>,
}

impl From<WireAlert> for Listed {
    fn from(wire: WireAlert) -> Self {
        let WireStatus { state, silenced_by, inhibited_by } = wire.status;
        Self {
            fingerprint: Fingerprint::of(&wire.labels),
            known_as: wire.fingerprint,
            own: wire.labels.get(OWN.0) == OWN.1,
            suppressed: state == "suppressed",
            silenced: !silenced_by.is_empty(),
            inhibited_by,
            starts_at: wire.starts_at,
        }
    }
}

/// The answer of `GET /api/v2/alerts`.
pub(super) fn alerts(bytes: &[u8]) -> Result<Vec<Listed>, serde_json::Error> {
    // Converted one by one, so that a long list is not held twice.
    struct List;
    impl<'de> serde::de::Visitor<'de> for List {
        type Value = Vec<Listed>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a list of alerts")
        }
        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut from: A) -> Result<Vec<Listed>, A::Error> {
            let mut list = Vec::new();
            while let Some(alert) = from.next_element::<WireAlert>()? {
                list.push(alert.into());
            }
            Ok(list)
        }
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let list = serde::Deserializer::deserialize_seq(&mut json, List)?;
    json.end()?;
    Ok(list)
}

/// Since when the peer is up, from the answer of `GET /api/v2/status`.
pub(super) fn up_since(bytes: &[u8]) -> Result<Timestamp, serde_json::Error> {
    #[derive(Deserialize)]
    struct WirePeer {
        uptime: Timestamp,
    }
    serde_json::from_slice::<WirePeer>(bytes).map(|peer| peer.uptime)
}

/// The peer's clock.
pub(super) fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let text = headers.get(DATE)?.to_str().ok()?;
    jiff::fmt::rfc2822::parse(text).ok().map(|date| date.timestamp())
}

/// The body of `POST /api/v2/alerts`.
pub(super) fn announcements(announcements: &[Announcement]) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire<'a> {
        labels: &'a Labels,
        annotations: &'a BTreeMap<String, String>,
        starts_at: String,
        ends_at: String,
        #[serde(rename = "generatorURL", skip_serializing_if = "Option::is_none")]
        generator_url: Option<&'a str>,
    }
    let wire = |it: &'_ Announcement| {
        let text = serde_json::to_string(&Wire {
            labels: &it.labels,
            annotations: &it.annotations,
            starts_at: millis(it.starts_at),
            ends_at: millis(it.ends_at),
            generator_url: it.generator_url.as_deref(),
        });
        text.expect("maps of text are JSON")
    };
    format!("[{}]", announcements.iter().map(wire).collect::<Vec<_>>().join(",")).into_bytes()
}

/// As the API keeps it: cut to milliseconds, so that one instant is always the same text.
fn millis(at: Timestamp) -> String {
    format!("{at:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = r#"[
      {"annotations":{},"endsAt":"2026-11-22T02:34:50.000Z","fingerprint":"212c6777125e8881","receivers":[{"name":"x"}],
       "startsAt":"2026-11-22T02:30:50.123Z","updatedAt":"2026-11-22T02:30:50.123Z","generatorURL":"http://p/",
       "status":{"inhibitedBy":["aa"],"silencedBy":["an id"],"mutedBy":[],"state":"suppressed"},
       "labels":{"alertname":"ArcanumNeedsRestart","instance":"arcanum:8000","job":"arcanum","service":"arcanum","severity":"critical"}},
      {"fingerprint":"aa","startsAt":"2026-11-22T02:30:50Z","status":{"state":"active"},"labels":{"fettle":"self"}}]"#;

    #[test]
    fn a_list_is_read_with_what_matters() {
        let list = alerts(LIST.as_bytes()).expect("a list");
        assert_eq!(list[0].fingerprint.to_string(), list[0].known_as, "the same hash on both sides");
        assert!(list[0].suppressed && list[0].silenced && !list[0].own);
        assert_eq!((list[0].inhibited_by[0].as_str(), list[1].known_as.as_str(), list[1].own), ("aa", "aa", true));
        assert_eq!(list[0].starts_at.to_string(), "2026-11-22T02:30:50.123Z");
        assert!(!list[1].suppressed && !list[1].silenced && list[1].inhibited_by.is_empty());
    }

    #[test]
    fn what_is_not_a_list_of_alerts_is_refused() {
        for body in ["", "{}", "null", "[1]", "[{}]", "[] []", "<html>", r#"[{"labels":{"a":1}}]"#] {
            assert!(alerts(body.as_bytes()).is_err(), "{body}");
        }
        assert!(alerts("[".repeat(100_000).as_bytes()).is_err());
        assert_eq!(alerts(b"[]").expect("empty"), []);
    }

    #[test]
    fn a_peers_start_and_clock_are_read() {
        let status = br#"{"cluster":{},"uptime":"2026-11-22T02:00:00.123Z","config":{"original":""}}"#;
        assert_eq!(up_since(status).expect("a status").to_string(), "2026-11-22T02:00:00.123Z");
        let mut headers = HeaderMap::new();
        assert_eq!(date(&headers), None);
        headers.insert(DATE, "Sun, 22 Nov 2026 02:28:43 GMT".parse().expect("a header"));
        assert_eq!(date(&headers).expect("a date").to_string(), "2026-11-22T02:28:43Z");
    }

    #[test]
    fn an_announcement_is_posted_with_milliseconds() {
        let at = "2026-11-22T02:28:43.123999Z".parse().expect("an instant");
        let it = Announcement {
            labels: Labels::from_iter([("alertname", "FettleWorking"), OWN]),
            annotations: BTreeMap::from([("summary".into(), "at \"it\"".into())]),
            starts_at: at,
            ends_at: at,
            generator_url: None,
        };
        let json: serde_json::Value = serde_json::from_slice(&announcements(&[it])).expect("JSON");
        let expected = serde_json::json!([{"labels": {"alertname": "FettleWorking", "fettle": "self"}, "annotations": {"summary": "at \"it\""},
            "startsAt": "2026-11-22T02:28:43.123Z", "endsAt": "2026-11-22T02:28:43.123Z"}]);
        assert_eq!(json, expected);
        assert_eq!(announcements(&[]), b"[]");
    }
}
