//! Whether a storm that was found still lasts, for those who only show it.

use fettle_core::settings::StormLimit;
use fettle_core::surroundings::Storm;
use fettle_core::time::{Timestamp, after};

/// A storm that lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lasting {
    /// As it was last found.
    pub(crate) storm: Storm,
    /// What it does.
    pub(crate) limit: StormLimit,
    /// When it ends if it is not found again.
    pub(crate) until: Timestamp,
}

/// The storm that lasts at `now`: it was found less than `quiet_for` ago.
pub(crate) fn lasting(storm: Option<Storm>, limit: Option<StormLimit>, now: Timestamp) -> Option<Lasting> {
    let (storm, limit) = (storm?, limit?);
    let until = after(storm.last_at, limit.quiet_for);
    (now < until).then_some(Lasting { storm, limit, until })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_ends_when_it_was_not_found_for_long_enough_and_where_storms_are_off() {
        let at = |second| Timestamp::from_second(second).expect("in range");
        let storm = Storm { since: at(1000), last_at: at(1100), targets: 7 };
        let limit = StormLimit::default();
        assert_eq!(lasting(Some(storm), Some(limit), at(1699)).map(|it| it.until), Some(at(1700)));
        assert_eq!(lasting(Some(storm), Some(limit), at(1700)), None);
        assert_eq!(lasting(Some(storm), None, at(1100)), None);
        assert_eq!(lasting(None, Some(limit), at(1100)), None);
    }
}
