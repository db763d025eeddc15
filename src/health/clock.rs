//! How far clocks are apart: fettle's time, the clock that it follows, and this machine's.

use std::time::Duration;

use serde::Serialize;

use super::Status;
use fettle_engine::clock::{Offset, Time};

/// How far clocks may be apart before it is reported (design §1).
const REPORTED: Duration = Duration::from_secs(5);

/// fettle's clock.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Clock {
    pub(crate) status: Status,
    /// fettle's time minus this machine's wall clock, in seconds.
    pub(crate) offset_seconds: f64,
}

/// Microseconds as seconds.
#[expect(clippy::cast_precision_loss, reason = "shown to people; exact for 285 years")]
pub(crate) fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}

/// What health shows of the clock, and the issues.
pub(crate) fn inspect(time: &Time, has_store_clock: bool) -> (Clock, Vec<String>) {
    let offset = time.offset();
    let issues = describe(offset, has_store_clock);
    let status = if issues.is_empty() { Status::Healthy } else { Status::Degraded };
    (Clock { status, offset_seconds: seconds(offset.machine) }, issues)
}

fn describe(offset: Offset, has_store_clock: bool) -> Vec<String> {
    let far = |micros: i64| {
        let by = Duration::from_micros(micros.unsigned_abs());
        (by > REPORTED).then_some(by.as_secs())
    };
    let mut issues = Vec::new();
    let of = if has_store_clock { "the database's" } else { "this machine's" };
    if let Some(by) = far(offset.followed) {
        issues.push(if offset.followed > 0 {
            format!("fettle's clock is {by} s ahead of {of}; it runs at half speed until they agree")
        } else {
            format!("fettle's clock is {by} s behind {of}, which jumped; it runs 0.1 % faster until they agree")
        });
    }
    // This machine's clock against the one that fettle follows: without a database's clock it is the same.
    let machine = offset.followed.saturating_sub(offset.machine);
    if let Some(by) = far(machine).filter(|_| has_store_clock) {
        let side = if machine > 0 { "ahead of" } else { "behind" };
        issues.push(format!("this machine's clock is {by} s {side} the database's; fettle uses the database's"));
    }
    if let Some(by) = far(offset.stored) {
        issues.push(format!(
            "the database holds rows from up to {by} s ahead of fettle's clock; budgets and cooldowns that they spend last \
             that much longer"
        ));
    }
    issues
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    #[test]
    fn clocks_that_agree_are_no_issue() {
        let offset = Offset { followed: 5 * SECOND, machine: -5 * SECOND, stored: 0 };
        assert_eq!(describe(offset, false), Vec::<String>::new());
        let offset = Offset { followed: 0, machine: -5 * SECOND, stored: 0 };
        assert_eq!(describe(offset, true), Vec::<String>::new());
    }

    #[test]
    fn each_clock_that_is_off_is_named() {
        let offset = Offset { followed: 600 * SECOND, machine: 600 * SECOND, stored: 0 };
        assert_eq!(
            describe(offset, false),
            ["fettle's clock is 600 s ahead of this machine's; it runs at half speed until they agree"]
        );
        let offset = Offset { followed: -3600 * SECOND, machine: -3600 * SECOND, stored: 0 };
        assert_eq!(
            describe(offset, false),
            ["fettle's clock is 3600 s behind this machine's, which jumped; it runs 0.1 % faster until they agree"]
        );
        let offset = Offset { followed: 7 * SECOND, machine: -143 * SECOND, stored: 0 };
        assert_eq!(
            describe(offset, true),
            [
                "fettle's clock is 7 s ahead of the database's; it runs at half speed until they agree",
                "this machine's clock is 150 s ahead of the database's; fettle uses the database's",
            ]
        );
        let offset = Offset { followed: 0, machine: 240 * SECOND, stored: 9000 * SECOND };
        assert_eq!(
            describe(offset, true),
            [
                "this machine's clock is 240 s behind the database's; fettle uses the database's",
                "the database holds rows from up to 9000 s ahead of fettle's clock; budgets and cooldowns that they spend \
                 last that much longer",
            ]
        );
    }
}
