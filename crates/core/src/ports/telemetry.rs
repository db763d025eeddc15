//! What the engine reports of its work, for logs and metrics.
//!
//! Always holds: called inline after what is reported was stored; an implementation does not block and cannot fail.

use std::time::Duration;

use crate::announcement::AnnouncementName;
use crate::remediation::loan::Loan;
use crate::remediation::record::Record;
use crate::remediation::state::Remediation;
use crate::time::Timestamp;

/// Logs and counts what happened.
pub trait Telemetry: Send + Sync {
    /// These records were stored, with these remediations as they are after them: one decision, or what was received.
    fn recorded(&self, remediations: &[Remediation], records: &[Record]);

    /// What one decision about a loan stored. `loan` is as it is after it.
    fn loan(&self, loan: &Loan, records: &[Record]);

    /// What a late call left on record.
    fn late(&self, records: &[Record]);

    /// From the receipt of a notification to the first look at its target.
    fn reaction(&self, took: Duration);

    /// An announcement of this name was posted to one peer, which took it or did not.
    fn announced(&self, name: AnnouncementName, ok: bool);

    /// The heartbeat alert was last heard then.
    fn heartbeat(&self, at: Timestamp);
}

/// Reports nothing: for engines whose work is read from the store.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Telemetry for Silent {
    fn recorded(&self, _: &[Remediation], _: &[Record]) {}
    fn loan(&self, _: &Loan, _: &[Record]) {}
    fn late(&self, _: &[Record]) {}
    fn reaction(&self, _: Duration) {}
    fn announced(&self, _: AnnouncementName, _: bool) {}
    fn heartbeat(&self, _: Timestamp) {}
}
