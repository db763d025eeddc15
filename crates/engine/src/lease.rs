//! The lengths of leases, and how old an intent may be: one after the other, so that their order can be checked.
//!
//! Always holds: an effort is decided within [`DECISION_LEASE`] of its claim, or not; a call is made within
//! [`INTENT_FRESH`] of its intent, or not; and its claim lasts until the call can no longer be under way and its result had
//! time to be stored. Each age is measured on the monotonic clock of this process ([`Time::monotonic`]), because a process
//! that stood still must find that it did.
//!
//! [`Time::monotonic`]: crate::clock::Time::monotonic

use std::time::Duration;

use fettle_core::action::{Action, CALL_MARGIN};

/// How long a claim lasts for a decision: several time-outs of 5 s, of the store and of Docker.
pub const DECISION_LEASE: Duration = Duration::from_secs(20);

/// How old a stored intent may be when its call is made: only scheduling and the evidence (2 s) lie between them.
pub const INTENT_FRESH: Duration = Duration::from_secs(5);

/// Slack between the end of the call's own deadline and the end of its lease: a look and a commit, with their time-outs.
pub const LEASE_MARGIN: Duration = Duration::from_secs(30);

/// Upper bound of the first pause before something that the store could not take is stored again; doubled each time. A short
/// interruption (a failover within one host, a full pool) is over by then.
pub const PAUSE: Duration = Duration::from_millis(50);

/// Upper bound of any such pause: the shortest lease of a call leaves room for dozens.
pub const PAUSE_MAX: Duration = Duration::from_secs(2);

/// How long the claim on an effect lasts: the call's deadline and the time to store its result.
#[must_use]
pub fn call_lease(action: &Action) -> Duration {
    action.takes() + CALL_MARGIN + LEASE_MARGIN
}
