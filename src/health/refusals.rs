//! Notifications that a limit refused: their alerts are lost until the notification fits, so health reports it for a while.
//!
//! Always holds: one entry for each limit, whatever senders do.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use fettle_core::alert::bounds::Bound;

/// How long a refusal is shown: Alertmanager sends the notification again after each `group_interval`, 5 min by default.
const SHOWN: Duration = Duration::from_mins(15);

/// The last refusal by each limit, by the time's monotonic clock.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<BTreeMap<Bound, Duration>>);

impl Refusals {
    /// A notification exceeded this at `now`.
    pub(crate) fn exceeded(&self, bound: Bound, now: Duration) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(bound, now);
    }

    /// One sentence for each limit that refused a notification a short while ago.
    pub(crate) fn issues(&self, now: Duration) -> Vec<String> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lately = last.iter().filter(|(_, at)| now.saturating_sub(**at) < SHOWN);
        lately
            .map(|(bound, _)| {
                let limit = bound.as_str();
                format!(
                    "a notification exceeds limits.{limit} and is refused: nothing is done about its alerts; the log names \
                     its sender and group"
                )
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_shown_for_three_intervals_of_its_repeats() {
        let refusals = Refusals::default();
        let at = Duration::from_hours(1);
        refusals.exceeded(Bound::Alerts, at);
        refusals.exceeded(Bound::Alerts, at);
        assert_eq!(refusals.issues(at + SHOWN.saturating_sub(Duration::from_nanos(1))).len(), 1);
        assert_eq!(refusals.issues(at + SHOWN), [""; 0]);
    }
}
