//! How far a peer's clock is from fettle's, by the `Date` of its answers. An alert that ends now by fettle's clock would fire
//! on for as long as the peer's clock is behind: Alertmanager takes an end in its own future for no end.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;

use fettle_core::time::{Timestamp, before};
use fettle_core::upstream::Announcement;

/// `Date` has whole seconds, cut: a difference below this may be none.
const BLUR: SignedDuration = SignedDuration::from_secs(2);

/// An end is posted so far before the peer's now, which is not known more exactly.
const SAFELY: Duration = Duration::from_secs(5);

/// fettle's clock, where a caller has one.
#[derive(Clone)]
pub(super) struct Clock(pub(super) Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// How far a peer's clock is ahead of fettle's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Offset(SignedDuration);

impl Offset {
    /// By an answer that the peer dated `date`, between two instants of fettle's clock.
    pub(super) fn measure(asked: Timestamp, answered: Timestamp, date: Timestamp) -> Self {
        let middle = SignedDuration::from_millis(500) - answered.duration_since(asked) / 2;
        Self(date.duration_since(asked) + middle)
    }

    /// Whether it is another one than `known`. One that is not is left out, so that an alert that is posted again begins when
    /// it began.
    pub(super) fn differs(self, known: Self) -> bool {
        (self.0 - known.0).abs() >= BLUR
    }

    /// The same announcement by the peer's clock. One that is over at `now` ended before the peer's now.
    pub(super) fn date(self, it: &Announcement, now: Timestamp) -> Announcement {
        let by_peer = |at: Timestamp| at.checked_add(self.0).unwrap_or(at);
        let is_over = it.ends_at <= now;
        let ends_at = if is_over { before(by_peer(it.ends_at), SAFELY) } else { by_peer(it.ends_at) };
        Announcement { starts_at: by_peer(it.starts_at).min(ends_at), ends_at, ..it.clone() }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use fettle_core::alert::labels::Labels;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).expect("in range")
    }

    fn announcement(starts_at: Timestamp, ends_at: Timestamp) -> Announcement {
        let labels = Labels::default();
        Announcement { labels, annotations: BTreeMap::new(), starts_at, ends_at, generator_url: None }
    }

    #[test]
    fn what_is_over_ended_before_the_peers_now_whatever_its_clock_shows() {
        for skew in [-600, -2, 0, 2, 600] {
            let peer_now = at(100 + skew);
            let offset = Offset::measure(at(100), at(100), peer_now);
            let posted = offset.date(&announcement(at(10), at(100)), at(100));
            assert!(posted.ends_at < peer_now && posted.starts_at <= posted.ends_at, "{skew}: {posted:?}");
            let short = offset.date(&announcement(at(100), at(100)), at(100));
            assert_eq!(short.starts_at, short.ends_at);
        }
    }

    #[test]
    fn what_lasts_ends_as_far_ahead_by_the_peers_clock() {
        for skew in [-600, 0, 600] {
            let offset = Offset::measure(at(100), at(100), at(100 + skew));
            let posted = offset.date(&announcement(at(90), at(160)), at(100));
            let ahead = posted.ends_at.duration_since(at(100 + skew));
            assert!((ahead - SignedDuration::from_secs(60)).abs() < BLUR, "{skew}: {ahead}");
            assert_eq!(posted.ends_at.duration_since(posted.starts_at), SignedDuration::from_secs(70));
        }
    }

    #[test]
    fn the_blur_of_a_second_is_no_difference() {
        let exact = Offset::measure(at(100), at(100), at(100));
        assert!(!Offset::measure(at(100), at(101), at(101)).differs(exact));
        assert!(!Offset::default().differs(exact));
        assert!(Offset::measure(at(100), at(100), at(103)).differs(exact));
    }
}
