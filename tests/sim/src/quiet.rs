//! Telemetry that goes nowhere: the checks see what is stored, not what is reported.

use std::time::Duration;

use fettle_core::announcement::AnnouncementName;
use fettle_core::ports::Telemetry;
use fettle_core::remediation::loan::Loan;
use fettle_core::remediation::record::Record;
use fettle_core::remediation::state::Remediation;
use fettle_core::time::Timestamp;

/// Reports nothing.
pub struct Quiet;

impl Telemetry for Quiet {
    fn recorded(&self, _: &[Remediation], _: &[Record]) {}
    fn loan(&self, _: &Loan, _: &[Record]) {}
    fn late(&self, _: &[Record]) {}
    fn reaction(&self, _: Duration) {}
    fn announced(&self, _: AnnouncementName, _: bool) {}
    fn heartbeat(&self, _: Timestamp) {}
}
