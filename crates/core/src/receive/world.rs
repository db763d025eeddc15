//! What goes into taking a batch in, and what comes out: plain data, for the store and for the shell.

use std::collections::{HashMap, HashSet};

use crate::alert::episode::{AlertState, Word};
use crate::alert::fingerprint::Fingerprint;
use crate::alert::labels::Labels;
use crate::decide::Reconsidered;
use crate::id::{ActionId, NotificationId, RemediationId};
use crate::remediation::conclusion::Conclusion;
use crate::remediation::record::Record;
use crate::remediation::state::{Remediation, StateName};
use crate::select::Selected;
use crate::surroundings::Storm;
use crate::time::Timestamp;
use crate::words::words;

/// What is stored about everything a batch speaks of.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// Notifications that were still to be taken in; the others were taken in by somebody else.
    pub taken: HashSet<NotificationId>,
    /// Alerts that are known, perhaps without their labels: those are taken from what is heard.
    pub alerts: HashMap<Fingerprint, AlertState>,
    /// What became of them, by rule.
    pub candidates: HashMap<Fingerprint, Vec<Candidate>>,
    /// Open remediations, by target as written.
    pub open: HashMap<String, OpenTarget>,
    /// What was before. Only what opens a remediation asks for it, so a store need not read it until one is opened: without
    /// it the same remediations are opened, and what they know of the past is missing.
    pub past: Past,
}

/// What a remediation that is being opened must know of those before it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Past {
    /// The last `fixed` remediation of each rule and target.
    pub fixed: HashMap<(String, String), PastFix>,
    /// When a loan of each rule and target was last returned.
    pub returned: HashMap<(String, String), Timestamp>,
    /// Distinct targets of remediations opened within the storm's window, refused ones left out; no more than make a storm.
    pub recent: HashSet<String>,
    /// The storm as it was last found.
    pub storm: Option<Storm>,
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
    pub remediation: Option<RemediationId>,
    /// When that was closed; `None` while it is open.
    pub closed_at: Option<Timestamp>,
    /// What that came to, where it had no effect.
    pub conclusion: Option<Conclusion>,
    /// When it is decided whether the alert is decided again; `None`: when it is heard again.
    pub again_at: Option<Timestamp>,
}

impl Candidate {
    /// The alert `fingerprint` for `rule` in `episode`, attached to `remediation`.
    #[must_use]
    pub fn new(fingerprint: Fingerprint, rule: &str, episode: i64, target: String, remediation: RemediationId) -> Self {
        Self {
            fingerprint,
            rule: rule.to_owned(),
            episode,
            target,
            standing: Standing::Attached,
            remediation: Some(remediation),
            closed_at: None,
            conclusion: None,
            again_at: None,
        }
    }
}

/// A candidate whose remediation closed without an effect and whose time has come, with its alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Again {
    /// The alert, which fires in the candidate's episode.
    pub alert: AlertState,
    /// The candidate.
    pub candidate: Candidate,
}

words! {
    /// Where a candidate stands.
    Standing {
        /// Its remediation is open.
        Attached = "attached",
        /// Its remediation is closed. Without a [`conclusion`](Candidate::conclusion) nothing more is done in this episode.
        Spent = "spent",
        /// Its remediation was closed without a judgement (expired, superseded), or its rule was removed while it waited: the
        /// next firing body opens another.
        Free = "free",
        /// Another rule's remediation of the same target is open; asked again when that is closed.
        Waiting = "waiting",
    }
}

/// An open remediation, seen from its target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenTarget {
    /// The remediation.
    pub id: RemediationId,
    /// The rule that drives it.
    pub rule: String,
    /// Where it stands.
    pub state: StateName,
}

/// A remediation that ended `fixed`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastFix {
    /// Whether it was told already that it came back.
    pub regressed: bool,
    /// Its last action, to which `regressed` is appended.
    pub action: ActionId,
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
    pub woken: Vec<RemediationId>,
    /// Rows beside them, in order.
    pub records: Vec<Record>,
    /// The storm, where this batch found one.
    pub storm: Option<Storm>,
}

impl Changes {
    /// Whether a remediation is opened that is not refused at once: then [`World::past`] matters.
    #[must_use]
    pub fn opens(&self) -> bool {
        self.opened.iter().any(|it| it.outcome().is_none())
    }
}

/// One alert that was heard, or must be looked at again, with the rules that select it.
#[derive(Debug, Clone)]
pub struct Heard {
    /// The alert.
    pub fingerprint: Fingerprint,
    /// All its labels.
    pub labels: Labels,
    /// What was said of it; `None` when nothing was said and its candidates are only asked again.
    pub word: Option<Word>,
    /// The rules that select it, in order. Needed only when it fires.
    pub selected: Vec<Selected>,
    /// What was found about candidates of it that were reconsidered.
    pub reconsidered: Vec<Finding>,
}

impl Heard {
    /// Nothing was said of the alert; its candidates are only asked again.
    #[must_use]
    pub fn again(alert: AlertState, selected: Vec<Selected>) -> Self {
        Self { fingerprint: alert.fingerprint, labels: alert.labels, word: None, selected, reconsidered: Vec::new() }
    }
}

/// What was found about a candidate that was reconsidered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The candidate's rule.
    pub rule: String,
    /// The remediation that it spoke of then.
    pub of: Option<RemediationId>,
    /// Whether it is decided again.
    pub found: Reconsidered,
    /// Whether to wait until it is heard again: nothing else can change the answer.
    pub sleeps: bool,
}

/// A notification with everything that is known about it without the store.
#[derive(Debug, Clone)]
pub struct Notice {
    /// The stored notification; `None` when nothing was received.
    pub notification: Option<NotificationId>,
    /// When it was received.
    pub received_at: Timestamp,
    /// Its alerts, in the order they were sent.
    pub alerts: Vec<Heard>,
}
