//! From what was heard to what is opened: episodes, candidates, new remediations.
//!
//! A pure function of the notifications and of what is stored about the alerts and targets they speak of. All remediations
//! of one batch are opened here, before any of them is decided.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use crate::core::alert::episode::AlertState;
use crate::core::alert::fingerprint::Fingerprint;
use crate::core::remediation::record::Record;
use crate::core::remediation::state::Remediation;
use crate::core::time::Timestamp;

/// What is stored about everything a batch speaks of.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// Notifications that were still to be taken in; the others were taken in by somebody else.
    pub taken: HashSet<Uuid>,
    /// Alerts that are known.
    pub alerts: HashMap<Fingerprint, AlertState>,
    /// What became of them, by rule.
    pub candidates: HashMap<Fingerprint, Vec<Candidate>>,
    /// Open remediations, by target as written.
    pub open: HashMap<String, OpenTarget>,
    /// The last `fixed` remediation of each rule and target.
    pub fixed: HashMap<(String, String), PastFix>,
}

/// What became of one alert for one rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The alert.
    pub fingerprint: Fingerprint,
    /// The rule, by name. With `fingerprint` unique.
    pub rule: String,
    /// The episode this speaks of.
    pub episode: i64,
    /// The target as written.
    pub target: String,
    /// Where it stands.
    pub standing: Standing,
    /// The remediation it is or was attached to.
    pub remediation: Option<Uuid>,
}

crate::core::words::words! {
    /// Where a candidate stands.
    Standing {
        /// Its remediation is open.
        Attached = "attached",
        /// Its remediation is closed and nothing more is done in this episode.
        Spent = "spent",
        /// Its remediation was closed without a judgement (expired, superseded): the next firing body opens another.
        Free = "free",
        /// Another rule's remediation of the same target is open; asked again when that is closed.
        Waiting = "waiting",
    }
}

/// An open remediation, seen from its target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenTarget {
    /// The remediation.
    pub id: Uuid,
    /// The rule that drives it.
    pub rule: String,
}

/// A remediation that ended `fixed`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastFix {
    /// Its last action, to which `regressed` is appended.
    pub action: Uuid,
    /// The rung it ended on.
    pub rung: usize,
    /// When it was closed.
    pub closed_at: Timestamp,
}

/// What is to be written, in one transaction.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Changes {
    /// Alerts to insert or overwrite.
    pub alerts: Vec<AlertState>,
    /// Candidates to insert or overwrite.
    pub candidates: Vec<Candidate>,
    /// New remediations: open ones, and those refused at once.
    pub opened: Vec<Remediation>,
    /// Open remediations that must look again now.
    pub woken: Vec<Uuid>,
    /// Rows beside them, in order.
    pub records: Vec<Record>,
}
