//! What fettle says of itself through Alertmanager.
//!
//! Two of its alerts speak of one remediation: `FettleWorking` stands while fettle is at work on it, and lapses by itself
//! when nobody renews it; `FettleGaveUp` calls people. `FettlePipelineSilent` speaks of the pipeline. All carry
//! `fettle="self"` and so never select a rule.

use crate::id::RemediationId;
use std::collections::BTreeMap;

use serde_json::Value;

use super::alert::labels::Labels;
use super::time::Timestamp;
use super::words::words;

words! {
    /// Which alert.
    AnnouncementName {
        /// fettle is at work on what the alert is about.
        Working = "FettleWorking",
        /// fettle goes no further: a person is needed.
        GaveUp = "FettleGaveUp",
        /// The always-firing alert of the pipeline did not come.
        PipelineSilent = "FettlePipelineSilent",
    }
}

/// One alert of fettle's own, as it is to stand from now on. A later one of the same name and remediation takes its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Announcement {
    /// Which.
    pub name: AnnouncementName,
    /// What it is about; the nil id speaks of no remediation.
    pub remediation: RemediationId,
    /// Its labels, `alertname` and `fettle="self"` among them.
    pub labels: Labels,
    /// For people.
    pub annotations: BTreeMap<String, String>,
    /// When this was decided.
    pub at: Timestamp,
    /// Until when it stands, unless it is renewed or taken back; not after `at` takes it back.
    pub until: Timestamp,
}

impl Announcement {
    /// Its annotations as JSON, for the store.
    #[must_use]
    pub fn annotations_json(&self) -> Value {
        serde_json::json!(self.annotations)
    }
}
