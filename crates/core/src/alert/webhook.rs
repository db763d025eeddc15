//! Alertmanager's webhook body, version 4, read strictly where it matters and with patience elsewhere.
//!
//! What decides anything must be there and of the right type: `version`, and of each alert `status`, `labels` and
//! `startsAt`. What is only shown may be missing but not of another type. Fields this version does not know are passed
//! over: Alertmanager adds some every year. Text that nothing needs (annotations) is checked and not kept.
//!
//! The group's own `status` and `common*` are computed after truncation and decide nothing here.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::episode::Word;
use super::fingerprint::Fingerprint;
use super::labels::Labels;
use crate::time::{Timestamp, micros, read};

/// One notification: all alerts of a group that Alertmanager chose to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// The receiver's name, regex-escaped by Alertmanager; `""` when absent.
    pub receiver: String,
    /// An opaque key for logs; neither unique nor stable.
    pub group_key: String,
    /// Alerts cut off by `max_alerts`; they are not sent later on their own.
    pub truncated: u64,
    /// The alerts that were sent.
    pub alerts: Vec<Alert>,
}

/// One alert of a notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// Computed from the labels.
    pub fingerprint: Fingerprint,
    /// All its labels.
    pub labels: Labels,
    /// Whether it fires.
    pub firing: bool,
    /// Since when.
    pub starts_at: Timestamp,
    /// Until when; `None` while it fires.
    pub ends_at: Option<Timestamp>,
}

impl Alert {
    /// What this says to the alert's episodes. A resolve without an end ended when it was received.
    #[must_use]
    pub fn word(&self, received_at: Timestamp) -> Word {
        if self.firing {
            Word::Firing { starts_at: self.starts_at }
        } else {
            Word::Resolved { starts_at: self.starts_at, ends_at: self.ends_at.unwrap_or(received_at) }
        }
    }
}

impl Webhook {
    /// Whether at least one alert that was sent fires; the group's status as Alertmanager computes it.
    #[must_use]
    pub fn firing(&self) -> bool {
        self.alerts.iter().any(|alert| alert.firing)
    }

    /// Reads a body.
    pub fn parse(body: &[u8]) -> Result<Self, Malformed> {
        read_json::<Wire>(body).map(Into::into)
    }
}

/// Reads JSON that is exactly one value; what is wrong with it is told with its path.
pub fn read_json<'j, T: Deserialize<'j>>(json: &'j [u8]) -> Result<T, Malformed> {
    // Naming the path costs a third more, so only a text that failed is read a second time for it.
    if let Ok(value) = serde_json::from_slice(json) {
        return Ok(value);
    }
    let mut json = serde_json::Deserializer::from_slice(json);
    Err(match serde_path_to_error::deserialize::<_, T>(&mut json) {
        Ok(_) => Malformed::new("$", "nothing may follow the object"),
        Err(error) => {
            let path = match error.path().to_string() {
                path if path == "." => "$".to_owned(),
                path => format!("$.{path}"),
            };
            Malformed::new(&path, &error.inner().to_string())
        }
    })
}

/// A body that is not a notification.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct Malformed {
    /// Where, as a JSON path; cut when it is long.
    pub path: String,
    /// What is wrong there; cut when it is long.
    pub problem: String,
}

impl Malformed {
    fn new(path: &str, problem: &str) -> Self {
        // Both may quote the sender's text: bounded, and on one line.
        let cut = |text: &str| text.chars().take(200).flat_map(char::escape_debug).collect();
        Self { path: cut(path), problem: cut(problem) }
    }
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object: a notification")]
struct Wire {
    #[serde(rename = "version")]
    _version: Version,
    #[serde(default)]
    receiver: String,
    #[serde(default)]
    group_key: String,
    #[serde(default)]
    truncated_alerts: u64,
    #[serde(default, rename = "status")]
    _status: Option<Status>,
    #[serde(default, rename = "groupLabels")]
    _group_labels: Strings,
    #[serde(default, rename = "commonLabels")]
    _common_labels: Strings,
    #[serde(default, rename = "commonAnnotations")]
    _common_annotations: Strings,
    alerts: Vec<WireAlert>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object: an alert")]
struct WireAlert {
    status: Status,
    labels: Labels,
    starts_at: Instant,
    #[serde(default)]
    ends_at: Option<Instant>,
    #[serde(default, rename = "annotations")]
    _annotations: Strings,
}

#[derive(serde::Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Status {
    Firing,
    Resolved,
}

impl From<Wire> for Webhook {
    fn from(wire: Wire) -> Self {
        Self {
            receiver: wire.receiver,
            group_key: wire.group_key,
            truncated: wire.truncated_alerts,
            alerts: wire.alerts.into_iter().map(Alert::from).collect(),
        }
    }
}

impl From<WireAlert> for Alert {
    fn from(wire: WireAlert) -> Self {
        // Alertmanager writes Go's zero time where there is no end.
        let ended = |at: &Timestamp| *at > Timestamp::UNIX_EPOCH;
        Self {
            fingerprint: Fingerprint::of(&wire.labels),
            labels: wire.labels,
            firing: wire.status == Status::Firing,
            starts_at: micros(wire.starts_at.0),
            ends_at: wire.ends_at.map(|at| at.0).filter(ended).map(micros),
        }
    }
}

struct Version;

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Four;
        impl Visitor<'_> for Four {
            type Value = Version;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the string \"4\"")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Version, E> {
                if text == "4" { Ok(Version) } else { Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)) }
            }
        }
        from.deserialize_str(Four)
    }
}

/// An instant as Go writes it.
struct Instant(Timestamp);

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Written;
        impl Visitor<'_> for Written {
            type Value = Instant;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a timestamp string")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Instant, E> {
                read(text).map(Instant).map_err(E::custom)
            }
        }
        from.deserialize_str(Written)
    }
}

/// An object of strings that is checked and not kept.
#[derive(Default)]
struct Strings;

impl<'de> Deserialize<'de> for Strings {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Strings;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Strings, A::Error> {
                while map.next_key::<IgnoredAny>()?.is_some() {
                    map.next_value::<Text>()?;
                }
                Ok(Strings)
            }
        }
        from.deserialize_map(Pairs)
    }
}

struct Text;

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = Text;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<Text, E> {
                Ok(Text)
            }
        }
        from.deserialize_str(Any)
    }
}

#[cfg(test)]
mod tests;
