//! How far retention has come: the instant from which the age of rows is counted.
//!
//! Always holds: it advances by at most twice the time that passes on the monotonic clock, and is never later than now. So a
//! clock that is years ahead deletes nothing that is not old, and what a long downtime left is caught up in as much time
//! again. It is an instant and not a cut-off: a changed setting applies at once. No row is asked for the time.

use std::time::Duration;

use crate::clock::Time;
use fettle_core::ports::{Store, StoreError};
use fettle_core::time::{Timestamp, after};

/// The name of the note.
const NOTE: &str = "retention";

/// How many times as fast as time it may advance.
const CATCHES_UP: u32 = 2;

/// How far it has come, as this process knows.
#[derive(Debug, Default)]
pub(super) struct Reach(Option<(Timestamp, Duration)>);

impl Reach {
    /// Whether it was advanced already.
    pub(super) fn has_begun(&self) -> bool {
        self.0.is_some()
    }

    /// Advances it, with what other processes noted. The first time, it only begins.
    pub(super) async fn advance(&mut self, store: &dyn Store, time: &Time) -> Result<Timestamp, StoreError> {
        let noted = noted(store).await?;
        let (now, at) = (time.now(), time.steady());
        let reached = match self.0 {
            Some((mine, then)) => reach(mine, at.saturating_sub(then), noted, now),
            None => noted.unwrap_or(now).min(now),
        };
        self.0 = Some((reached, at));
        if noted != Some(reached) {
            store.note(NOTE, &reached.to_string()).await?;
        }
        Ok(reached)
    }
}

/// Notes where retention begins, on a database that knows no such note: at the latest row that was stored before this
/// process, because this process may have a wrong clock. `now`, where there is no row.
pub(crate) async fn begin(store: &dyn Store, latest: Option<Timestamp>, now: Timestamp) -> Result<(), StoreError> {
    if noted(store).await?.is_none() {
        store.note(NOTE, &latest.unwrap_or(now).min(now).to_string()).await?;
    }
    Ok(())
}

async fn noted(store: &dyn Store) -> Result<Option<Timestamp>, StoreError> {
    Ok(store.noted(NOTE).await?.and_then(|text| text.parse().ok()))
}

fn reach(mine: Timestamp, passed: Duration, noted: Option<Timestamp>, now: Timestamp) -> Timestamp {
    let mine = after(mine, passed * CATCHES_UP);
    noted.map_or(mine, |noted| noted.max(mine)).min(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;

    fn day(day: i64) -> Timestamp {
        Timestamp::from_second(day * DAY).expect("in range")
    }

    fn hours(hours: u64) -> Duration {
        Duration::from_hours(hours)
    }

    #[test]
    fn it_follows_time_and_catches_up_at_twice_its_rate() {
        assert_eq!(reach(day(10), hours(24), Some(day(10)), day(11)), day(11), "never past now");
        assert_eq!(reach(day(10), hours(24), Some(day(10)), day(20)), day(12), "ten days of downtime");
    }

    #[test]
    fn a_clock_years_ahead_moves_it_by_twice_what_passed() {
        assert_eq!(reach(day(10), hours(1), Some(day(10)), day(1105)), after(day(10), hours(2)));
        assert_eq!(reach(day(10), hours(1), Some(day(10)), day(9)), day(9), "it goes back with time");
    }

    #[test]
    fn replicas_do_not_add_up() {
        let mine = reach(day(10), hours(24), Some(day(12)), day(20));
        assert_eq!(mine, day(12), "another one came as far in the same time");
    }
}
