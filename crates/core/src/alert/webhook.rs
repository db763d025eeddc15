//! Alertmanager's webhook body, version 4, read strictly where it matters and with patience elsewhere.
//!
//! What decides anything must be there and of the right type: `version`, and of each alert `status`, `labels` and
//! `startsAt`. What is only shown may be missing but not of another type. Fields this version does not know are passed
//! over: Alertmanager adds some every year. Text that nothing needs (annotations) is checked and not kept.
//!
//! The group's own `status` and `common*` are computed after truncation and decide nothing here.

use std::borrow::Cow;
use std::marker::PhantomData;

use serde::de::{Deserialize, DeserializeSeed};

use self::wire::Notification;
use super::bounds::{Bounds, Exceeded, Meter};
use super::episode::Word;
use super::fingerprint::Fingerprint;
use super::labels::Labels;
use crate::time::Timestamp;

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

    /// Reads a body that was accepted before, or that a person names.
    pub fn parse(body: &[u8]) -> Result<Self, Malformed> {
        Self::parse_within(body, &Bounds::NONE)
    }

    /// Reads a body that may be anything: nothing beyond `bounds` is held.
    pub fn parse_within(body: &[u8], bounds: &Bounds) -> Result<Self, Malformed> {
        let meter = Meter::new(bounds);
        let read = read_with(body, || Notification(&meter));
        read.map_err(|malformed| Malformed { exceeded: meter.exceeded(), ..malformed })
    }

    /// The group's key of a body that is not read further, for the log; cut when it is long.
    #[must_use]
    pub fn group_key_of(body: &[u8]) -> Option<String> {
        let key = serde_json::from_slice::<KeyOnly<'_>>(body).ok()?.group_key?;
        Some(key.chars().take(200).collect())
    }
}

#[derive(serde::Deserialize)]
struct KeyOnly<'b> {
    #[serde(borrow, rename = "groupKey")]
    group_key: Option<Cow<'b, str>>,
}

/// Reads JSON that is exactly one value; what is wrong with it is told with its path.
pub fn read_json<'j, T: Deserialize<'j>>(json: &'j [u8]) -> Result<T, Malformed> {
    read_with(json, || PhantomData::<T>)
}

fn read_with<'j, S: DeserializeSeed<'j>>(json: &'j [u8], seed: impl Fn() -> S) -> Result<S::Value, Malformed> {
    // Naming the path costs a third more, so only a text that failed is read a second time for it.
    let mut from = serde_json::Deserializer::from_slice(json);
    if let Ok(value) = seed().deserialize(&mut from)
        && from.end().is_ok()
    {
        return Ok(value);
    }
    let mut from = serde_json::Deserializer::from_slice(json);
    let mut track = serde_path_to_error::Track::new();
    Err(match seed().deserialize(serde_path_to_error::Deserializer::new(&mut from, &mut track)) {
        Ok(_) => Malformed::new("$", "nothing may follow the object"),
        Err(error) => {
            let path = match track.path().to_string() {
                path if path == "." => "$".to_owned(),
                path => format!("$.{path}"),
            };
            Malformed::new(&path, &error.to_string())
        }
    })
}

/// A body that is not a notification, or one that exceeds a bound.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct Malformed {
    /// Where, as a JSON path; cut when it is long.
    pub path: String,
    /// What is wrong there; cut when it is long.
    pub problem: String,
    /// The bound that it exceeds, when it is a notification as far as it was read.
    pub exceeded: Option<Exceeded>,
}

impl Malformed {
    fn new(path: &str, problem: &str) -> Self {
        // Both may quote the sender's text: bounded, and on one line.
        let cut = |text: &str| text.chars().take(200).flat_map(char::escape_debug).collect();
        Self { path: cut(path), problem: cut(problem), exceeded: None }
    }
}

mod wire;

#[cfg(test)]
mod tests;
