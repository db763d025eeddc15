//! What goes into the store and comes out of it, in the core's words.

use std::collections::HashSet;

use bytes::Bytes;
use serde_json::Value;

pub use super::effort::{Admission, Claim, Claimed, Commit, Facts, FactsAsk, Judged, LoanFacts, LoanFactsAsk, Stored};
pub use crate::guard::ledger::{Ledger, LedgerAsk, Scope, ScopeKind};
pub use crate::receive::{Again, Candidate, Changes, OpenTarget, Past, PastFix, Standing, World};

use crate::alert::fingerprint::Fingerprint;
use crate::announcement::Announcement;
use crate::id::{AnnouncementId, EventId, NotificationId, ReplicaId};
use crate::receive::Notice;
use crate::remediation::record::Severity;
use crate::settings::Settings;
use crate::time::{Timestamp, before};

/// A notification on its way in.
#[derive(Debug, Clone)]
pub struct NewNotification {
    /// `UUIDv7`.
    pub id: NotificationId,
    /// When its last byte arrived.
    pub received_at: Timestamp,
    /// The token's name, or `anonymous`.
    pub sender: String,
    /// The receiver's name as sent.
    pub receiver: String,
    /// The group key as sent.
    pub group_key: String,
    /// `firing` or `resolved`, of the group.
    pub status: &'static str,
    /// Alerts in the body.
    pub alerts: u32,
    /// Alerts that Alertmanager cut off.
    pub truncated: u64,
    /// The body as it came.
    pub body: Bytes,
}

/// A notification read back.
#[derive(Debug, Clone)]
pub struct StoredNotification {
    /// `UUIDv7`.
    pub id: NotificationId,
    /// When its last byte arrived.
    pub received_at: Timestamp,
    /// The body as it came.
    pub body: Bytes,
}

/// What `receive` must read before the core can think.
#[derive(Debug, Clone)]
pub struct ReceiveAsk {
    /// Notifications to take in. Only those still pending are in [`World::taken`].
    pub take: Vec<NotificationId>,
    /// Alerts they speak of.
    pub fingerprints: HashSet<Fingerprint>,
    /// Targets they may be about, as written.
    pub targets: HashSet<String>,
    /// How far back a `fixed`, or the return of a loan, may lie to count as regressed.
    pub fixed_since: Option<Timestamp>,
    /// From when on targets count for the storm; `None` when storms are off.
    pub recent_since: Option<Timestamp>,
    /// So many of them are enough to know.
    pub recent_limit: u32,
    /// Who opens: new remediations are born claimed by this owner until `lease_until`.
    pub owner: ReplicaId,
    /// See `owner`.
    pub lease_until: Option<Timestamp>,
    /// Now: what is woken is due at once.
    pub now: Timestamp,
}

impl ReceiveAsk {
    /// Asks for nothing yet, on behalf of `owner`, at `now`.
    #[must_use]
    pub fn new(owner: ReplicaId, now: Timestamp) -> Self {
        Self {
            take: Vec::new(),
            fingerprints: HashSet::new(),
            targets: HashSet::new(),
            fixed_since: None,
            recent_since: None,
            recent_limit: 0,
            owner,
            lease_until: None,
            now,
        }
    }

    /// Everything that taking `notices` in must know, for an owner that takes nothing as claimed.
    #[must_use]
    pub fn about(notices: &[Notice], settings: &Settings, owner: ReplicaId, now: Timestamp) -> Self {
        let alerts = || notices.iter().flat_map(|notice| &notice.alerts);
        let selected = || alerts().flat_map(|heard| &heard.selected);
        let regress = selected().map(|it| it.rule.regress_window).max();
        Self {
            take: notices.iter().filter_map(|notice| notice.notification).collect(),
            fingerprints: alerts().map(|heard| heard.fingerprint).collect(),
            targets: selected().filter_map(|it| it.target.as_ref().ok()).map(ToString::to_string).collect(),
            fixed_since: regress.map(|window| before(now, window)),
            recent_since: settings.storm.map(|storm| before(now, storm.within)),
            recent_limit: settings.storm.map_or(0, |storm| storm.targets),
            ..Self::new(owner, now)
        }
    }
}

/// What became of a person's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answered {
    /// It is stored, and the remediation woken.
    Taken,
    /// There is no such remediation.
    Unknown,
    /// It does not wait for a person, or is closed already.
    NotWaiting,
    /// Another plan is proposed now.
    Changed,
    /// It was answered already.
    Used,
    /// Its time is over.
    TooLate,
}

/// An announcement on its way out.
#[derive(Debug, Clone, PartialEq)]
pub struct Outgoing {
    /// The row.
    pub id: AnnouncementId,
    /// Rises with every change; what was delivered is compared with it.
    pub version: i64,
    /// Since when it stands.
    pub starts_at: Timestamp,
    /// As it stands.
    pub announcement: Announcement,
}

/// One effect that counts against budgets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spent {
    /// The rule.
    pub rule: String,
    /// The target as written.
    pub target: String,
    /// When its intent was stored.
    pub planned_at: Timestamp,
}

/// How a host was doing: an event with figures, in percent.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// `UUIDv7`.
    pub id: EventId,
    /// When it was taken.
    pub at: Timestamp,
    /// [`SAMPLED`], or the name of a change.
    pub event: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// Which host, and how it is.
    pub details: Value,
    /// Share of the processors in use.
    pub cpu: f64,
    /// Share of the memory in use.
    pub ram: f64,
    /// Share of the disk in use, where it can be told.
    pub disk: Option<f64>,
}

/// The name of the events that only say how a host is doing, one a minute: the database indexes them apart.
pub const SAMPLED: &str = "host_sampled";
