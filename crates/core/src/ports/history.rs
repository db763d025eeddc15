//! What is on record of a period, for whoever goes through it again: notifications as they came, and what became of them.
//!
//! Always holds: nothing is written, migrated, locked or claimed, so a history is read beside a running fettle, from a standby
//! or from a copy. Everything comes in pages, in the order it happened. An instant belongs to a period when it is not before
//! its beginning and before its end.

use async_trait::async_trait;

use super::StoreError;
use super::model::StoredNotification;
use crate::id::{ActionId, NotificationId, RemediationId};
use crate::remediation::outcome::{ActionResult, Outcome, Verdict};
use crate::remediation::state::StateName;
use crate::surroundings::{AnswerKind, PauseScope};
use crate::time::Timestamp;

/// A stretch of time: `from` belongs to it, `to` does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// Its first instant.
    pub from: Timestamp,
    /// The first instant after it.
    pub to: Timestamp,
}

impl Period {
    /// Whether `at` belongs to it.
    #[must_use]
    pub fn has(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.to
    }
}

/// How much there is to read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extent {
    /// Notifications.
    pub notifications: u64,
    /// Alerts in them.
    pub alerts: u64,
}

/// A remediation as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastRemediation {
    /// `UUIDv7`.
    pub id: RemediationId,
    /// The rule's name.
    pub rule: String,
    /// The target as written.
    pub target: String,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// Where it stands.
    pub state: StateName,
    /// How it ended.
    pub outcome: Option<Outcome>,
}

/// An audit row as it was recorded, with the first verdict on it: what `regressed` says came later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastAction {
    /// `UUIDv7`.
    pub id: ActionId,
    /// The remediation it belongs to.
    pub remediation: RemediationId,
    /// The rule's name.
    pub rule: String,
    /// The action's name.
    pub action: String,
    /// The target as written.
    pub target: String,
    /// Did it happen? `None` while nobody knows yet.
    pub result: Option<ActionResult>,
    /// The guard that refused, or why the result is what it is.
    pub reason: Option<String>,
    /// Did it help?
    pub verdict: Option<Verdict>,
    /// When it was decided.
    pub planned_at: Timestamp,
    /// When the result was known.
    pub finished_at: Option<Timestamp>,
    /// Which rung, from 1.
    pub step: u32,
}

/// That a remediation was blocked, or asked a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastStep {
    /// Rises with every step.
    pub seq: i64,
    /// The remediation.
    pub remediation: RemediationId,
    /// When.
    pub at: Timestamp,
    /// What happened: `blocked by budget`, `approval asked for`.
    pub what: String,
}

/// A pause that a person gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastPause {
    /// What it was about.
    pub scope: PauseScope,
    /// Why.
    pub reason: String,
    /// The token's name.
    pub by: String,
    /// Since when.
    pub at: Timestamp,
    /// Until when: its own end, or when somebody ended it; `None`: it stands.
    pub until: Option<Timestamp>,
}

/// What a person answered about a remediation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastAnswer {
    /// The remediation.
    pub remediation: RemediationId,
    /// What was answered.
    pub kind: AnswerKind,
    /// The token's name.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// The record of one database.
#[async_trait]
pub trait History: Send + Sync {
    /// How much was received in a period.
    async fn extent(&self, period: Period) -> Result<Extent, StoreError>;

    /// Notifications of a period after `after`, oldest first; at most `limit`, and no more than 8 MiB of bodies, but always
    /// one when there is one.
    async fn notifications(
        &self,
        period: Period,
        after: Option<(Timestamp, NotificationId)>,
        limit: u32,
    ) -> Result<Vec<StoredNotification>, StoreError>;

    /// Remediations opened in a period after `after`, in the order of their ids.
    async fn remediations(
        &self,
        period: Period,
        after: Option<RemediationId>,
        limit: u32,
    ) -> Result<Vec<PastRemediation>, StoreError>;

    /// Audit rows planned in a period after `after`, in the order of their ids.
    async fn actions(&self, period: Period, after: Option<ActionId>, limit: u32)
    -> Result<Vec<PastAction>, StoreError>;

    /// Blocks and questions of a period after `after`, in order.
    async fn steps(&self, period: Period, after: i64, limit: u32) -> Result<Vec<PastStep>, StoreError>;

    /// Pauses that stood in a period, oldest first.
    async fn pauses(&self, period: Period) -> Result<Vec<PastPause>, StoreError>;

    /// Answers of a period, oldest first.
    async fn answers(&self, period: Period) -> Result<Vec<PastAnswer>, StoreError>;

    /// Closes all connections.
    async fn close(&self);
}
