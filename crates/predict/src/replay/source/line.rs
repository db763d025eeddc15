//! One record of a file: what Alertmanager said of one alert, or a whole webhook body.
//!
//! ```json
//! {"at": "2026-01-31T12:00:00Z", "status": "firing", "labels": {"alertname": "ServiceDown", "service": "web"}}
//! {"receivedAt": "2026-01-31T12:00:00Z", "version": "4", "alerts": […], …}
//! ```
//!
//! Of an alert `at`, `status` (`firing` or `resolved`) and `labels` must be there; `startsAt` and `endsAt` may be. Its other
//! keys are Alertmanager's `annotations`, `generatorURL` and `fingerprint`, which are passed over; anything else is an
//! error, because a key that is spelt wrongly must not be lost. A body is read as the service reads it, with `receivedAt`
//! (or `at`) beside Alertmanager's own keys.

use serde::de::{Deserialize, Deserializer, IgnoredAny};

use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::alert::labels::Labels;
use fettle_core::alert::webhook::{Alert, Malformed, Webhook, read_json};
use fettle_core::time::{self, Timestamp, micros};

/// What one record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// One alert.
    Alert {
        /// When it was received.
        at: Timestamp,
        /// The alert; it starts when it was received unless the record says since when it fires.
        alert: Alert,
        /// Whether the record says since when it fires.
        has_start: bool,
    },
    /// A notification.
    Body {
        /// When it was received, if the record says so.
        at: Option<Timestamp>,
        /// What it says.
        webhook: Webhook,
    },
}

/// Reads a record.
pub fn read(json: &[u8]) -> Result<Entry, Malformed> {
    let probe: Probe = read_json(json)?;
    if probe.alerts.is_some() {
        return Ok(Entry::Body { at: probe.received_at.map(|at| at.0), webhook: Webhook::parse(json)? });
    }
    let line: Line = read_json(json)?;
    let at = line.at.0;
    let alert = Alert {
        fingerprint: Fingerprint::of(&line.labels),
        labels: line.labels,
        firing: line.status == Status::Firing,
        starts_at: line.starts_at.as_ref().map_or(at, |it| it.0),
        // Go's zero time stands where there is no end.
        ends_at: line.ends_at.map(|it| it.0).filter(|end| *end > Timestamp::UNIX_EPOCH),
    };
    Ok(Entry::Alert { at, alert, has_start: line.starts_at.is_some() })
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object: an alert or a webhook body")]
struct Probe {
    #[serde(default)]
    alerts: Option<IgnoredAny>,
    #[serde(default, alias = "at")]
    received_at: Option<Instant>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object: an alert")]
struct Line {
    at: Instant,
    status: Status,
    labels: Labels,
    #[serde(default)]
    starts_at: Option<Instant>,
    #[serde(default)]
    ends_at: Option<Instant>,
    #[serde(default, rename = "annotations")]
    _annotations: Option<IgnoredAny>,
    #[serde(default, rename = "generatorURL")]
    _generator_url: Option<IgnoredAny>,
    #[serde(default, rename = "fingerprint")]
    _fingerprint: Option<IgnoredAny>,
}

#[derive(serde::Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Status {
    Firing,
    Resolved,
}

struct Instant(Timestamp);

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        time::read(&text).map(|at| Self(micros(at))).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("an instant")
    }

    #[test]
    fn an_alert_needs_an_instant_a_status_and_labels() {
        let json = r#"{"at":"2026-01-31T12:00:00Z","status":"firing","labels":{"alertname":"Down"},"annotations":{}}"#;
        let Ok(Entry::Alert { at: when, alert, has_start: false }) = read(json.as_bytes()) else { panic!("an alert") };
        assert_eq!((when, alert.starts_at, alert.firing), (at("2026-01-31T12:00:00Z"), when, true));
        let json = r#"{"at":"2026-01-31T12:00:00Z","status":"resolved","labels":{"alertname":"Down"},
            "startsAt":"2026-01-31T11:00:00Z","endsAt":"2026-01-31T11:59:00Z"}"#;
        let Ok(Entry::Alert { alert, has_start: true, .. }) = read(json.as_bytes()) else { panic!("an alert") };
        assert_eq!(alert.starts_at, at("2026-01-31T11:00:00Z"));
        assert_eq!((alert.firing, alert.ends_at), (false, Some(at("2026-01-31T11:59:00Z"))));
    }

    #[test]
    fn a_body_is_read_as_the_service_reads_it() {
        let json = r#"{"receivedAt":"2026-01-31T12:00:00Z","version":"4","alerts":[
            {"status":"firing","labels":{"alertname":"Down"},"startsAt":"2026-01-31T11:00:00Z"}]}"#;
        let Ok(Entry::Body { at: Some(when), webhook }) = read(json.as_bytes()) else { panic!("a body") };
        assert_eq!((when, webhook.alerts.len()), (at("2026-01-31T12:00:00Z"), 1));
        let Ok(Entry::Body { at: None, .. }) = read(br#"{"version":"4","alerts":[]}"#) else { panic!("a body") };
    }

    #[test]
    fn what_is_wrong_is_told_with_its_path() {
        for (json, path) in [
            (r#"{"at":"soon","status":"firing","labels":{}}"#, "$.at"),
            (r#"{"at":"2026-01-31T12:00:00Z","status":"burning","labels":{}}"#, "$.status"),
            (r#"{"at":"2026-01-31T12:00:00Z","status":"firing","labels":{"a":1}}"#, "$.labels.a"),
            (r#"{"at":"2026-01-31T12:00:00Z","status":"firing","lables":{}}"#, "$.lables"),
            (r#"{"at":"2026-01-31T12:00:00Z","status":"firing"}"#, "$"),
            (r#"{"version":"4","alerts":[{"status":"firing","labels":{}}]}"#, "$.alerts[0]"),
            (r#"{"version":"3","alerts":[]}"#, "$.version"),
            ("{} {}", "$"),
            ("[]", "$"),
            ("nonsense", "$"),
            ("", "$"),
        ] {
            let error = read(json.as_bytes()).expect_err(json);
            assert_eq!(error.path, path, "{json}: {error}");
        }
    }
}
