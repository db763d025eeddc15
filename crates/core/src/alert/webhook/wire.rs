//! The body as it is on the wire, read piece by piece and held against the bounds while it is read.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Alert, Webhook};
use crate::alert::bounds::{Bound, Meter};
use crate::alert::fingerprint::Fingerprint;
use crate::alert::labels::{Labels, Packing};
use crate::time::{Timestamp, micros, read};

/// Sets a field that may come once.
fn once<T, E: Error>(field: &mut Option<T>, name: &'static str, value: T) -> Result<(), E> {
    match field.replace(value) {
        Some(_) => Err(E::duplicate_field(name)),
        None => Ok(()),
    }
}

/// Reads a notification.
pub(super) struct Notification<'b>(pub(super) &'b Meter<'b>);

#[derive(serde::Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum Field {
    Version,
    Receiver,
    GroupKey,
    TruncatedAlerts,
    Status,
    GroupLabels,
    CommonLabels,
    CommonAnnotations,
    Alerts,
    #[serde(other)]
    Other,
}

impl<'de> DeserializeSeed<'de> for Notification<'_> {
    type Value = Webhook;
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Webhook, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Notification<'_> {
    type Value = Webhook;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object: a notification")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Webhook, A::Error> {
        let meter = self.0;
        let (mut version, mut receiver, mut group_key, mut truncated, mut alerts) = (None, None, None, None, None);
        while let Some(field) = map.next_key::<Field>()? {
            meter.begin_text();
            match field {
                Field::Version => once(&mut version, "version", map.next_value::<Version>()?)?,
                Field::Receiver => once(&mut receiver, "receiver", map.next_value_seed(Text(meter, Bound::Value))?)?,
                Field::GroupKey => once(&mut group_key, "groupKey", map.next_value_seed(Text(meter, Bound::Value))?)?,
                Field::TruncatedAlerts => once(&mut truncated, "truncatedAlerts", map.next_value::<u64>()?)?,
                Field::Status => drop(map.next_value::<Option<Status>>()?),
                Field::GroupLabels | Field::CommonLabels => map.next_value_seed(Strings(meter, Bound::Labels))?,
                Field::CommonAnnotations => map.next_value_seed(Strings(meter, Bound::Annotations))?,
                Field::Alerts => once(&mut alerts, "alerts", map.next_value_seed(Alerts(meter))?)?,
                Field::Other => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        version.ok_or_else(|| A::Error::missing_field("version"))?;
        Ok(Webhook {
            receiver: receiver.unwrap_or_default(),
            group_key: group_key.unwrap_or_default(),
            truncated: truncated.unwrap_or_default(),
            alerts: alerts.ok_or_else(|| A::Error::missing_field("alerts"))?,
        })
    }
}

struct Alerts<'b>(&'b Meter<'b>);

impl<'de> DeserializeSeed<'de> for Alerts<'_> {
    type Value = Vec<Alert>;
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Vec<Alert>, D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Alerts<'_> {
    type Value = Vec<Alert>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sequence")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<Alert>, A::Error> {
        let mut alerts = Vec::new();
        while let Some(alert) = seq.next_element_seed(OneAlert(self.0))? {
            self.0.hold(Bound::Alerts, alerts.len() + 1)?;
            alerts.push(alert);
        }
        Ok(alerts)
    }
}

struct OneAlert<'b>(&'b Meter<'b>);

#[derive(serde::Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum AlertField {
    Status,
    Labels,
    StartsAt,
    EndsAt,
    Annotations,
    #[serde(other)]
    Other,
}

impl<'de> DeserializeSeed<'de> for OneAlert<'_> {
    type Value = Alert;
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Alert, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for OneAlert<'_> {
    type Value = Alert;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object: an alert")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Alert, A::Error> {
        let meter = self.0;
        meter.begin_text();
        let (mut status, mut labels, mut starts_at, mut ends_at) = (None, None, None, None);
        while let Some(field) = map.next_key::<AlertField>()? {
            match field {
                AlertField::Status => once(&mut status, "status", map.next_value::<Status>()?)?,
                AlertField::Labels => once(&mut labels, "labels", map.next_value_seed(LabelSet(meter))?)?,
                AlertField::StartsAt => once(&mut starts_at, "startsAt", map.next_value::<Instant>()?)?,
                AlertField::EndsAt => once(&mut ends_at, "endsAt", map.next_value::<Option<Instant>>()?)?,
                AlertField::Annotations => map.next_value_seed(Strings(meter, Bound::Annotations))?,
                AlertField::Other => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        let missing = A::Error::missing_field;
        let labels = labels.ok_or_else(|| missing("labels"))?;
        // Alertmanager writes Go's zero time where there is no end.
        let ended = |at: &Timestamp| *at > Timestamp::UNIX_EPOCH;
        Ok(Alert {
            fingerprint: Fingerprint::of(&labels),
            labels,
            firing: status.ok_or_else(|| missing("status"))? == Status::Firing,
            starts_at: micros(starts_at.ok_or_else(|| missing("startsAt"))?.0),
            ends_at: ends_at.flatten().map(|at| at.0).filter(ended).map(micros),
        })
    }
}

#[derive(serde::Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Status {
    Firing,
    Resolved,
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

/// An object of strings that becomes labels.
struct LabelSet<'b>(&'b Meter<'b>);

impl<'de> DeserializeSeed<'de> for LabelSet<'_> {
    type Value = Labels;
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Labels, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for LabelSet<'_> {
    type Value = Labels;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of strings")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Labels, A::Error> {
        let mut pairs = Packing::default();
        while map.next_key_seed(Kept { meter: self.0, bound: Bound::Name, into: &mut pairs })?.is_some() {
            self.0.hold(Bound::Labels, pairs.names())?;
            map.next_value_seed(Kept { meter: self.0, bound: Bound::Value, into: &mut pairs })?;
        }
        Ok(pairs.into())
    }
}

/// A name or a value that is kept.
struct Kept<'b> {
    meter: &'b Meter<'b>,
    bound: Bound,
    into: &'b mut Packing,
}

impl<'de> DeserializeSeed<'de> for Kept<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for Kept<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.meter.hold_text(self.bound, text)?;
        self.into.push(text);
        Ok(())
    }
}

/// A string that is kept.
struct Text<'b>(&'b Meter<'b>, Bound);

impl<'de> DeserializeSeed<'de> for Text<'_> {
    type Value = String;
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<String, D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for Text<'_> {
    type Value = String;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
        self.0.hold(self.1, text.len())?;
        Ok(text.to_owned())
    }
}

/// An object of strings that is checked and not kept.
struct Strings<'b>(&'b Meter<'b>, Bound);

impl<'de> DeserializeSeed<'de> for Strings<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Strings<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of strings")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut count = 0;
        while map.next_key_seed(Checked(self.0, Bound::Name))?.is_some() {
            count += 1;
            self.0.hold(self.1, count)?;
            map.next_value_seed(Checked(self.0, Bound::Value))?;
        }
        Ok(())
    }
}

/// A string that is checked and not kept.
struct Checked<'b>(&'b Meter<'b>, Bound);

impl<'de> DeserializeSeed<'de> for Checked<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for Checked<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.0.hold_text(self.1, text)
    }
}
