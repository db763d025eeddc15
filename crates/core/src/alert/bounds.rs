//! Limits of one notification: counts, and bytes of names and values.
//!
//! Checked while a body is read, so that what is too much is never held in memory. The defaults are what real bodies do not
//! reach (`docs/BAD_INPUT.md` has the derivation).

use std::cell::Cell;

use serde::de::Error;

/// The limits of one notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Alerts in it.
    pub alerts: usize,
    /// Labels of one alert.
    pub labels: usize,
    /// Annotations of one alert.
    pub annotations: usize,
    /// Bytes of a label's or an annotation's name.
    pub name_bytes: usize,
    /// Bytes of any value: of a label or an annotation, of the receiver, of the group's key.
    pub value_bytes: usize,
    /// Bytes of all names and values of one alert's labels and annotations together.
    pub text_bytes: usize,
}

/// Copies of a body's bytes in memory at the same time.
const COPIES: usize = 4;

/// `{"status":"firing","labels":{},"startsAt":"2026-01-01T00:00:00Z"}`, less what a shorter instant could save.
const SMALLEST_ALERT: usize = 60;

/// What an alert takes besides its texts.
const PER_ALERT: usize = 448;

impl Default for Bounds {
    fn default() -> Self {
        Self {
            alerts: 20_000,
            labels: 100,
            annotations: 100,
            name_bytes: 1 << 10,
            value_bytes: 64 << 10,
            text_bytes: 256 << 10,
        }
    }
}

impl Bounds {
    /// No bounds: for what was accepted before, and for files that a person names.
    pub const NONE: Self = Self {
        alerts: usize::MAX,
        labels: usize::MAX,
        annotations: usize::MAX,
        name_bytes: usize::MAX,
        value_bytes: usize::MAX,
        text_bytes: usize::MAX,
    };

    /// Bytes that are reserved for a notification of `body` bytes, from its first byte until it is taken in: the body, its copy in
    /// the statement that stores it, the texts that are kept, their copy on the way to the database, and a share for each alert.
    /// What a decision takes is not in it.
    #[must_use]
    pub fn cost(&self, body: usize) -> usize {
        body.saturating_mul(COPIES).saturating_add(self.alerts.min(body / SMALLEST_ALERT).saturating_mul(PER_ALERT))
    }

    fn most(&self, bound: Bound) -> usize {
        match bound {
            Bound::Body => usize::MAX,
            Bound::Alerts => self.alerts,
            Bound::Labels => self.labels,
            Bound::Annotations => self.annotations,
            Bound::Name => self.name_bytes,
            Bound::Value => self.value_bytes,
            Bound::Text => self.text_bytes,
        }
    }
}

/// What is bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bound {
    /// The bytes of the body.
    Body,
    /// The number of alerts.
    Alerts,
    /// The number of labels.
    Labels,
    /// The number of annotations.
    Annotations,
    /// The bytes of a name.
    Name,
    /// The bytes of a value.
    Value,
    /// The bytes of all names and values of one alert.
    Text,
}

impl Bound {
    /// All, in the order of the documentation.
    pub const ALL: [Self; 7] =
        [Self::Body, Self::Alerts, Self::Labels, Self::Annotations, Self::Name, Self::Value, Self::Text];

    /// The key below `limits` that sets it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Body => "body",
            Self::Alerts => "alerts",
            Self::Labels => "labels",
            Self::Annotations => "annotations",
            Self::Name => "name",
            Self::Value => "value",
            Self::Text => "text",
        }
    }

    /// Whether the body as a whole is too much, and not the text in one place of it.
    #[must_use]
    pub fn is_of_the_whole(self) -> bool {
        !matches!(self, Self::Name | Self::Value)
    }

    fn unit(self) -> &'static str {
        match self {
            Self::Body | Self::Name | Self::Value | Self::Text => "bytes",
            Self::Alerts => "alerts",
            Self::Labels => "labels",
            Self::Annotations => "annotations",
        }
    }
}

/// A bound that a notification does not keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exceeded {
    /// Which.
    pub bound: Bound,
    /// The most that is accepted.
    pub most: usize,
}

/// Holds what is read against the bounds, and remembers the one that was exceeded.
pub(super) struct Meter<'b> {
    bounds: &'b Bounds,
    exceeded: Cell<Option<Exceeded>>,
    /// Bytes of names and values since the alert that is being read began.
    text: Cell<usize>,
}

impl<'b> Meter<'b> {
    pub(super) fn new(bounds: &'b Bounds) -> Self {
        Self { bounds, exceeded: Cell::new(None), text: Cell::new(0) }
    }

    /// Fails when `count` is more than `bound`.
    pub(super) fn hold<E: Error>(&self, bound: Bound, count: usize) -> Result<(), E> {
        let most = self.bounds.most(bound);
        if count <= most {
            return Ok(());
        }
        self.exceeded.set(Some(Exceeded { bound, most }));
        Err(E::custom(format_args!("more than {most} {}, the limit limits.{}", bound.unit(), bound.as_str())))
    }

    /// Another alert begins, or texts that are of no alert.
    pub(super) fn begin_text(&self) {
        self.text.set(0);
    }

    /// Fails when `text`, a name or a value, is longer than `bound`, or the texts of its alert are too long together.
    pub(super) fn hold_text<E: Error>(&self, bound: Bound, text: &str) -> Result<(), E> {
        self.hold(bound, text.len())?;
        self.text.set(self.text.get().saturating_add(text.len()));
        self.hold(Bound::Text, self.text.get())
    }

    pub(super) fn exceeded(&self) -> Option<Exceeded> {
        self.exceeded.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_body_reserves_more_than_twelve_times_its_size() {
        for body in [1, 59, 60, 61, 1 << 10, 65 << 10, 1_200_000, 10 << 20, 1 << 30] {
            assert!(Bounds::default().cost(body) <= 12 * body, "{body}");
            assert!(Bounds::NONE.cost(body) <= 12 * body, "{body}");
        }
    }
}
