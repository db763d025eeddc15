//! The line that time follows: pure arithmetic on the readings of clocks, in nanoseconds.
//!
//! Always holds: once a line has begun, the instants that it gives never decrease, unless it is reset. It runs with the steady clock. A wall
//! clock that is ahead of it makes it run 0.1 % faster, a clock that is behind it makes it run at half speed, until both agree.

use std::time::Duration;

/// Nanoseconds since the epoch.
pub(super) type Nanos = i128;

/// How much faster the line runs while the wall clock is ahead: one part in this many. A budget window is shorter by as
/// much at most then, whatever the wall clock shows.
const FASTER: Nanos = 1000;

/// How much slower it runs while its clock is behind: half speed.
const SLOWER: Nanos = 2;

/// How far a reading of the store's clock may be ahead of the line before a second reading must confirm it.
pub(super) const DOUBTED: Duration = Duration::from_secs(5);

/// How far ahead of the clock a stored instant may be and still bind the line; it takes twice as long to catch up.
pub(crate) const BINDING: Duration = Duration::from_hours(1);

/// The line.
pub(super) struct Line {
    /// The last instant given.
    given: Nanos,
    /// The steady clock then.
    at: Duration,
    lead: Lead,
    /// The latest instant that was stored before this process began, where it was too far ahead to bind.
    stored: Option<Nanos>,
}

/// The clock that the line follows.
enum Lead {
    /// None yet: the line gives what the wall clock shows, and none of it binds.
    Unknown,
    /// The wall clock of this machine.
    Wall {
        /// The line's first instant on this start of the machine.
        began: Nanos,
    },
    /// The store's clock.
    Store(Reading),
}

/// A reading of the store's clock.
struct Reading {
    shown: Nanos,
    /// The steady clock at that instant.
    at: Duration,
    /// A reading that was far ahead, and the steady clock then.
    doubted: Option<(Nanos, Duration)>,
}

impl Default for Line {
    fn default() -> Self {
        Self { given: 0, at: Duration::ZERO, lead: Lead::Unknown, stored: None }
    }
}

impl Line {
    /// Whether it follows a clock.
    pub(super) fn has_begun(&self) -> bool {
        !matches!(self.lead, Lead::Unknown)
    }

    /// What the clock that it follows shows.
    fn shown(&self, wall: Nanos, at: Duration) -> Nanos {
        match &self.lead {
            Lead::Unknown | Lead::Wall { .. } => wall,
            Lead::Store(reading) => reading.shown + nanos(at.saturating_sub(reading.at)),
        }
    }

    /// Now.
    pub(super) fn now(&mut self, wall: Nanos, at: Duration) -> Nanos {
        let shown = self.shown(wall, at);
        if !self.has_begun() {
            return shown;
        }
        let passed = nanos(at.saturating_sub(self.at));
        let steady = self.given + passed;
        let now = if shown < steady {
            shown.max(self.given + passed / SLOWER)
        } else if matches!(self.lead, Lead::Wall { .. }) {
            shown.min(steady + passed / FASTER)
        } else {
            shown
        };
        (self.given, self.at) = (now, self.at.max(at));
        now
    }

    /// How far it is ahead of the clock that it follows; negative: behind.
    pub(super) fn ahead(&mut self, wall: Nanos, at: Duration) -> Nanos {
        self.now(wall, at) - self.shown(wall, at)
    }

    /// How far the latest instant that was stored before this process began is ahead, where that did not bind.
    pub(super) fn stored_ahead(&mut self, wall: Nanos, at: Duration) -> Nanos {
        let now = self.now(wall, at);
        self.stored.map_or(0, |stored| (stored - now).max(0))
    }

    /// Follows the wall clock from `now` on. The line `began` then, or in a process before this one.
    pub(super) fn follow_wall(&mut self, now: Nanos, began: Nanos, at: Duration) {
        *self = Self { given: now, at, lead: Lead::Wall { began }, stored: None };
    }

    /// The first instant of a line that follows the wall clock.
    pub(super) fn began(&self) -> Option<Nanos> {
        if let Lead::Wall { began } = self.lead { Some(began) } else { None }
    }

    /// Follows the store's clock, which showed `shown` at some instant between `asked` and `at` of the steady clock.
    ///
    /// Of what the answer allows, the line takes what is nearest to it: an answer that took long proves little.
    pub(super) fn follow_store(&mut self, shown: Nanos, asked: Duration, at: Duration) {
        let Lead::Store(reading) = &mut self.lead else {
            *self = Self { given: shown, at, lead: Lead::Store(Reading { shown, at, doubted: None }), stored: None };
            return;
        };
        let expected = reading.shown + nanos(at.saturating_sub(reading.at));
        let taken = expected.clamp(shown, shown + nanos(at.saturating_sub(asked)));
        let confirmed = reading.doubted.is_some_and(|(doubted, then)| {
            taken.abs_diff(doubted + nanos(at.saturating_sub(then))) <= DOUBTED.as_nanos()
        });
        if taken - expected > nanos(DOUBTED) && !confirmed {
            reading.doubted = Some((taken, at));
        } else {
            *reading = Reading { shown: taken, at, doubted: None };
        }
    }

    /// Does not go below `stored`, unless that is further ahead than [`BINDING`].
    pub(super) fn not_before(&mut self, stored: Nanos, wall: Nanos, at: Duration) {
        let now = self.now(wall, at);
        if stored - now > nanos(BINDING) {
            self.stored = Some(stored);
        } else if stored > now && self.has_begun() {
            (self.given, self.at) = (stored, at);
        }
    }

    /// Gives up what holds it: from now on it gives what its clock shows.
    pub(super) fn reset(&mut self, wall: Nanos, at: Duration) {
        (self.given, self.at) = (self.shown(wall, at), at);
    }
}

fn nanos(length: Duration) -> Nanos {
    Nanos::try_from(length.as_nanos()).unwrap_or(Nanos::MAX)
}

#[cfg(test)]
mod tests;
