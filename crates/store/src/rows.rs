//! Rows as both databases give them, and the way from a row to the core's words.
//!
//! The structs are generic over the driver; a stored word that this version does not know is [`Garbled`].

use sqlx::FromRow;
use sqlx::types::Json;

use super::instant::{Id, Instant};
use fettle_core::alert::episode::AlertState;
use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::alert::labels::Labels;
use fettle_core::ports::StoreError;
use fettle_core::ports::model::{Candidate, Claim, Claimed, OpenTarget, PastFix, Spent, Standing, StoredNotification};
use fettle_core::ports::view::{ActionView, EventView, RemediationView, TransitionView, VerdictView};
use fettle_core::remediation::state::{Remediation, StateName};

/// Which value does not read back.
pub(super) struct Garbled(pub(super) &'static str);

impl Garbled {
    pub(super) fn during(&self, operation: &'static str) -> StoreError {
        StoreError::Unreadable { operation, what: self.0 }
    }
}

/// Turns rows into values; the first garbled one ends it.
pub(super) fn read<R, T>(operation: &'static str, rows: Vec<R>) -> Result<Vec<T>, StoreError>
where
    T: TryFrom<R, Error = Garbled>,
{
    rows.into_iter().map(T::try_from).collect::<Result<_, _>>().map_err(|garbled: Garbled| garbled.during(operation))
}

fn fingerprint(text: &str) -> Result<Fingerprint, Garbled> {
    text.parse().map_err(|_| Garbled("fingerprint"))
}

#[derive(FromRow)]
pub(super) struct NotificationRow {
    id: Id,
    received_at: Instant,
    body: Vec<u8>,
}

impl From<NotificationRow> for StoredNotification {
    fn from(row: NotificationRow) -> Self {
        Self { id: row.id.0, received_at: row.received_at.0, body: row.body.into() }
    }
}

/// An alert without its labels, for who has them from elsewhere: reading them back costs more than all the rest.
#[derive(FromRow)]
pub(super) struct KnownRow {
    fingerprint: String,
    episode: i64,
    firing: bool,
    starts_at: Instant,
    first_at: Instant,
    evidence_at: Instant,
    heard_at: Instant,
    ended_at: Option<Instant>,
    end_heard_at: Option<Instant>,
}

/// The columns of [`KnownRow`] in their order, as PostgreSQL gives many rows in one value.
pub(super) type KnownColumns =
    (String, i64, bool, Instant, Instant, Instant, Instant, Option<Instant>, Option<Instant>);

impl From<KnownColumns> for KnownRow {
    fn from(columns: KnownColumns) -> Self {
        let (fingerprint, episode, firing, starts_at, first_at, evidence_at, heard_at, ended_at, end_heard_at) =
            columns;
        Self { fingerprint, episode, firing, starts_at, first_at, evidence_at, heard_at, ended_at, end_heard_at }
    }
}

impl TryFrom<KnownRow> for AlertState {
    type Error = Garbled;
    fn try_from(row: KnownRow) -> Result<Self, Garbled> {
        Ok(Self {
            fingerprint: fingerprint(&row.fingerprint)?,
            labels: Labels::default(),
            episode: row.episode,
            firing: row.firing,
            starts_at: row.starts_at.0,
            first_at: row.first_at.0,
            evidence_at: row.evidence_at.0,
            heard_at: row.heard_at.0,
            ended_at: row.ended_at.map(|at| at.0),
            end_heard_at: row.end_heard_at.map(|at| at.0),
        })
    }
}

#[derive(FromRow)]
pub(super) struct AlertRow {
    #[sqlx(flatten)]
    known: KnownRow,
    labels: Json<Labels>,
}

impl TryFrom<AlertRow> for AlertState {
    type Error = Garbled;
    fn try_from(row: AlertRow) -> Result<Self, Garbled> {
        Ok(Self { labels: row.labels.0, ..row.known.try_into()? })
    }
}

#[derive(FromRow)]
pub(super) struct CandidateRow {
    fingerprint: String,
    rule: String,
    episode: i64,
    target: String,
    standing: String,
    remediation_id: Option<Id>,
}

/// The columns of [`CandidateRow`] in their order.
pub(super) type CandidateColumns = (String, String, i64, String, String, Option<Id>);

impl From<CandidateColumns> for CandidateRow {
    fn from((fingerprint, rule, episode, target, standing, remediation_id): CandidateColumns) -> Self {
        Self { fingerprint, rule, episode, target, standing, remediation_id }
    }
}

impl TryFrom<CandidateRow> for Candidate {
    type Error = Garbled;
    fn try_from(row: CandidateRow) -> Result<Self, Garbled> {
        Ok(Self {
            fingerprint: fingerprint(&row.fingerprint)?,
            rule: row.rule,
            episode: row.episode,
            target: row.target,
            standing: Standing::from_word(&row.standing).ok_or(Garbled("standing"))?,
            remediation: row.remediation_id.map(|id| id.0),
        })
    }
}

#[derive(FromRow)]
pub(super) struct OpenRow {
    target: String,
    id: Id,
    rule: String,
    state: String,
}

/// The columns of [`OpenRow`] in their order.
pub(super) type OpenColumns = (String, Id, String, String);

impl From<OpenColumns> for OpenRow {
    fn from((target, id, rule, state): OpenColumns) -> Self {
        Self { target, id, rule, state }
    }
}

impl TryFrom<OpenRow> for (String, OpenTarget) {
    type Error = Garbled;
    fn try_from(row: OpenRow) -> Result<Self, Garbled> {
        let state = StateName::from_word(&row.state).ok_or(Garbled("state"))?;
        Ok((row.target, OpenTarget { id: row.id.0, rule: row.rule, state }))
    }
}

#[derive(FromRow)]
pub(super) struct FixRow {
    rule: String,
    target: String,
    closed_at: Instant,
    last_action: Option<String>,
    rung: Option<i64>,
    regressed: bool,
}

/// The columns of [`FixRow`] in their order.
pub(super) type FixColumns = (String, String, Instant, Option<String>, Option<i64>, bool);

impl From<FixColumns> for FixRow {
    fn from((rule, target, closed_at, last_action, rung, regressed): FixColumns) -> Self {
        Self { rule, target, closed_at, last_action, rung, regressed }
    }
}

impl FixRow {
    /// `None` when the document does not say which action it was: then there is nothing to append a verdict to.
    pub(super) fn into_pair(self) -> Option<((String, String), PastFix)> {
        let fix = PastFix {
            action: self.last_action?.parse().ok()?,
            rung: usize::try_from(self.rung?).ok()?,
            closed_at: self.closed_at.0,
            regressed: self.regressed,
        };
        Some(((self.rule, self.target), fix))
    }
}

#[derive(FromRow)]
pub(super) struct ClaimedRow {
    id: Id,
    version: i64,
    wakes: i64,
    due_at: Instant,
    doc: Json<serde_json::Value>,
}

impl ClaimedRow {
    /// In the order they were due. A document that this version cannot read stays claimed until its lease ends and is
    /// said aloud: it must not keep the others from being worked on.
    pub(super) fn read_all(mut rows: Vec<Self>, owner: uuid::Uuid) -> Vec<Claimed<Remediation>> {
        rows.sort_by_key(|row| (row.due_at, row.id.0));
        let read = |row: Self| match serde_json::from_value::<Remediation>(row.doc.0) {
            Ok(remediation) => {
                let claim = Claim { id: row.id.0, owner, version: row.version, wakes: row.wakes };
                Some(Claimed { claim, effort: remediation })
            }
            Err(error) => {
                tracing::error!(remediation.id = %row.id.0, %error, "remediation {} does not read back", row.id.0);
                None
            }
        };
        rows.into_iter().filter_map(read).collect()
    }
}

#[derive(FromRow)]
pub(super) struct SpentRow {
    rule: String,
    target: String,
    planned_at: Instant,
}

impl From<SpentRow> for Spent {
    fn from(row: SpentRow) -> Self {
        Self { rule: row.rule, target: row.target, planned_at: row.planned_at.0 }
    }
}

#[derive(FromRow)]
pub(super) struct RemediationRow {
    id: Id,
    target: String,
    rule: String,
    state: String,
    outcome: Option<String>,
    reason: Option<String>,
    opened_at: Instant,
    closed_at: Option<Instant>,
    due_at: Option<Instant>,
    actions: i64,
    alertname: String,
    severity: Option<String>,
}

impl From<RemediationRow> for RemediationView {
    fn from(row: RemediationRow) -> Self {
        Self {
            id: row.id.0,
            target: row.target,
            rule: row.rule,
            state: row.state,
            outcome: row.outcome,
            reason: row.reason,
            opened_at: row.opened_at.0,
            closed_at: row.closed_at.map(|at| at.0),
            due_at: row.due_at.map(|at| at.0),
            actions: row.actions,
            alertname: row.alertname,
            severity: row.severity,
        }
    }
}

#[derive(FromRow)]
pub(super) struct ActionViewRow {
    id: Id,
    at: Instant,
    remediation_id: Id,
    rule: String,
    action: String,
    target: String,
    host: String,
    mode: String,
    result: Option<String>,
    reason: Option<String>,
    verdict: Option<String>,
    actor: String,
    alertname: String,
    fingerprint: String,
    severity: Option<String>,
    labels: Json<serde_json::Value>,
    planned_at: Instant,
    started_at: Option<Instant>,
    finished_at: Option<Instant>,
    duration_ms: Option<i64>,
    attempt: i64,
    step: i64,
    detail: Json<serde_json::Value>,
    error: Option<String>,
}

impl From<ActionViewRow> for ActionView {
    fn from(row: ActionViewRow) -> Self {
        Self {
            id: row.id.0,
            at: row.at.0,
            remediation_id: row.remediation_id.0,
            rule: row.rule,
            action: row.action,
            target: row.target,
            host: row.host,
            mode: row.mode,
            result: row.result,
            reason: row.reason,
            verdict: row.verdict,
            actor: row.actor,
            alertname: row.alertname,
            fingerprint: row.fingerprint,
            severity: row.severity,
            labels: row.labels.0,
            planned_at: row.planned_at.0,
            started_at: row.started_at.map(|at| at.0),
            finished_at: row.finished_at.map(|at| at.0),
            duration_ms: row.duration_ms,
            attempt: row.attempt,
            step: row.step,
            detail: row.detail.0,
            error: row.error,
        }
    }
}

#[derive(FromRow)]
pub(super) struct TransitionViewRow {
    at: Instant,
    state: String,
    what: String,
    detail: Json<serde_json::Value>,
}

impl From<TransitionViewRow> for TransitionView {
    fn from(row: TransitionViewRow) -> Self {
        Self { at: row.at.0, state: row.state, what: row.what, detail: row.detail.0 }
    }
}

#[derive(FromRow)]
pub(super) struct VerdictViewRow {
    action_id: Id,
    at: Instant,
    verdict: String,
    reason: String,
}

impl From<VerdictViewRow> for VerdictView {
    fn from(row: VerdictViewRow) -> Self {
        Self { action_id: row.action_id.0, at: row.at.0, verdict: row.verdict, reason: row.reason }
    }
}

#[derive(FromRow)]
pub(super) struct EventViewRow {
    id: Id,
    at: Instant,
    event: String,
    severity: String,
    details: Json<serde_json::Value>,
    cpu: Option<f64>,
    ram: Option<f64>,
    disk: Option<f64>,
}

impl From<EventViewRow> for EventView {
    fn from(row: EventViewRow) -> Self {
        let EventViewRow { id, at, event, severity, details, cpu, ram, disk } = row;
        Self { id: id.0, at: at.0, event, severity, details: details.0, cpu, ram, disk }
    }
}
