//! Episodes: the stretches of an alert firing, numbered by us, and the evidence that it fires.
//!
//! Alertmanager gives neither a delivery id nor an occurrence id: a repeat has the same bytes as a retry and as the copy
//! of an HA peer. So what is new is decided here, per alert, from times alone:
//!
//! - A firing body continues the running episode unless its `startsAt` lies more than [`START_DRIFT`] after the last one
//!   seen, or after the close of the last remediation (a resolve that never reached us lies between).
//! - After a known end, a firing body with `startsAt` later than that end begins a new episode. One with an earlier
//!   `startsAt` is stale: frozen when a flush began and retried since. Alertmanager retries for no longer than a
//!   flush lasts (`group_interval`), so when it still comes [`STALE_FOR`] after we learnt of the end it is
//!   the truth: the alert had "resolved" because its sender was silent, and came back with its old start.
//! - A resolved body ends the episode when its `endsAt` is not before the episode's start; Prometheus re-sends old resolves
//!   for 15 minutes.
//! - Times of the future are read as the time of receipt: a start in year 9999 must not make an alert immortal. They show
//!   nothing about an order of events, so a start in the future begins no episode while one runs.
//!
//! Evidence that an alert fires is the receipt of a firing body that is not stale. Silence is evidence of nothing.

use std::time::Duration;

use super::fingerprint::Fingerprint;
use super::labels::Labels;
use crate::time::{Timestamp, after};

/// HA peers and several senders disagree on `startsAt`, usually by less than a second (0.8 s was captured); a resolve
/// and a re-fire that were both missed take at least one `group_interval`, 5 minutes by default.
pub const START_DRIFT: Duration = Duration::from_mins(5);

/// Twice the default `group_interval`, the longest a frozen body is retried.
pub const STALE_FOR: Duration = Duration::from_mins(10);

/// What is known of one alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertState {
    /// Its identity.
    pub fingerprint: Fingerprint,
    /// All its labels.
    pub labels: Labels,
    /// Number of the current or last episode, from 1.
    pub episode: i64,
    /// Whether the episode is still running.
    pub firing: bool,
    /// The latest `startsAt` seen in the episode.
    pub starts_at: Timestamp,
    /// When the first firing body of the episode was received.
    pub first_at: Timestamp,
    /// When the last firing body was received: the evidence.
    pub evidence_at: Timestamp,
    /// When the last body of any kind was received.
    pub heard_at: Timestamp,
    /// When the episode ended, by Alertmanager's word.
    pub ended_at: Option<Timestamp>,
    /// When that word was received.
    pub end_heard_at: Option<Timestamp>,
}

/// What one notification says of one alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// It fires.
    Firing {
        /// Since when, says Alertmanager.
        starts_at: Timestamp,
    },
    /// It does not any more.
    Resolved {
        /// Since when it fired.
        starts_at: Timestamp,
        /// Until when.
        ends_at: Timestamp,
    },
}

/// What a word changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// A new episode began.
    Began,
    /// The running episode goes on.
    Continued,
    /// The running episode ended.
    Ended,
    /// Nothing new: stale, re-sent or out of order.
    Stale,
}

impl AlertState {
    /// The state after the very first word about an alert.
    #[must_use]
    pub fn first(fingerprint: Fingerprint, labels: Labels, word: Word, received_at: Timestamp) -> (Self, Heard) {
        let (starts_at, end) = match word {
            Word::Firing { starts_at } => (starts_at, None),
            Word::Resolved { starts_at, ends_at } => (starts_at, Some(ends_at.min(received_at))),
        };
        let state = Self {
            fingerprint,
            labels,
            episode: 1,
            firing: end.is_none(),
            starts_at: starts_at.min(received_at),
            first_at: received_at,
            evidence_at: received_at,
            heard_at: received_at,
            ended_at: end,
            end_heard_at: end.map(|_| received_at),
        };
        // A resolve of an alert never heard firing is remembered, so that its late firing body is seen to be stale.
        let heard = if state.firing { Heard::Began } else { Heard::Stale };
        (state, heard)
    }

    /// Takes in the next word. `closed_at` is when the last remediation of the running episode was closed, if one was.
    pub fn hear(&mut self, word: Word, received_at: Timestamp, closed_at: Option<Timestamp>) -> Heard {
        if received_at < self.heard_at {
            return Heard::Stale;
        }
        self.heard_at = received_at;
        match word {
            Word::Firing { starts_at } => self.hear_firing(starts_at, received_at, closed_at),
            Word::Resolved { ends_at, .. } => self.hear_resolved(ends_at.min(received_at), received_at),
        }
    }

    fn hear_firing(&mut self, starts_at: Timestamp, received_at: Timestamp, closed_at: Option<Timestamp>) -> Heard {
        let past = starts_at <= received_at;
        let starts_at = starts_at.min(received_at);
        let begins = if self.firing {
            past && (starts_at > after(self.starts_at, START_DRIFT) || closed_at.is_some_and(|at| starts_at > at))
        } else {
            let refired = self.ended_at.is_none_or(|end| starts_at > end);
            let returned = self.end_heard_at.is_none_or(|heard| received_at > after(heard, STALE_FOR));
            if !refired && !returned {
                return Heard::Stale;
            }
            true
        };
        self.evidence_at = received_at;
        if begins {
            self.episode += 1;
            self.firing = true;
            self.starts_at = starts_at;
            self.first_at = received_at;
            self.ended_at = None;
            self.end_heard_at = None;
            return Heard::Began;
        }
        self.starts_at = self.starts_at.max(starts_at);
        Heard::Continued
    }

    fn hear_resolved(&mut self, ends_at: Timestamp, received_at: Timestamp) -> Heard {
        if !self.firing || ends_at < self.starts_at {
            return Heard::Stale;
        }
        self.firing = false;
        self.ended_at = Some(ends_at);
        self.end_heard_at = Some(received_at);
        Heard::Ended
    }
}

#[cfg(test)]
mod tests;
