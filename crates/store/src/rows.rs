//! Rows as both databases give them, and the way from a row to the core's words.
//!
//! The structs are generic over the driver; a stored word that this version does not know is [`Garbled`].

use std::convert::identity;

use bytes::Bytes;
use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::types::Json;
use sqlx::{FromRow, Row as _};

use super::db_types::{DbId, DbTime};
use fettle_core::alert::episode::AlertState;
use fettle_core::alert::labels::Labels;
use fettle_core::id::{ActionId, EventId, NotificationId, RemediationId, ReplicaId};
use fettle_core::ports::StoreError;
use fettle_core::ports::model::{
    Again, Candidate, Claim, Claimed, OpenTarget, PastFix, Spent, Standing, StoredNotification,
};
use fettle_core::ports::view::{ActionView, EventView, RemediationView, TransitionView, VerdictView};
use fettle_core::remediation::state::{Remediation, StateName};
use fettle_core::time::Timestamp;

/// Which value does not read back.
pub(super) struct Garbled(pub(super) &'static str);

impl Garbled {
    pub(super) fn during(&self, operation: &'static str) -> StoreError {
        StoreError::Unreadable { operation, what: self.0 }
    }
}

/// Turns rows into values; the first garbled one ends it.
pub(super) fn read<R, T>(
    operation: &'static str,
    rows: impl IntoIterator<Item = R>,
    value: fn(R) -> Result<T, Garbled>,
) -> Result<Vec<T>, StoreError> {
    rows.into_iter().map(value).collect::<Result<_, _>>().map_err(|garbled| garbled.during(operation))
}

/// Fingerprint, episode, firing, `starts_at`, `first_at`, `evidence_at`, `heard_at`, `ended_at`, `end_heard_at`.
pub(super) type KnownColumns = (String, i64, bool, DbTime, DbTime, DbTime, DbTime, Option<DbTime>, Option<DbTime>);

/// An alert without its labels, for who has them from elsewhere: reading them back costs more than all the rest.
pub(super) fn known(columns: KnownColumns) -> Result<AlertState, Garbled> {
    let (fingerprint, episode, firing, starts_at, first_at, evidence_at, heard_at, ended_at, end_heard_at) = columns;
    Ok(AlertState {
        fingerprint: fingerprint.parse().map_err(|_| Garbled("fingerprint"))?,
        labels: Labels::default(),
        episode,
        firing,
        starts_at: starts_at.0,
        first_at: first_at.0,
        evidence_at: evidence_at.0,
        heard_at: heard_at.0,
        ended_at: ended_at.map(|at| at.0),
        end_heard_at: end_heard_at.map(|at| at.0),
    })
}

/// An alert as one row: its labels come second.
#[derive(FromRow)]
pub(super) struct AlertRow {
    fingerprint: String,
    labels: Json<Labels>,
    episode: i64,
    firing: bool,
    starts_at: DbTime,
    first_at: DbTime,
    evidence_at: DbTime,
    heard_at: DbTime,
    ended_at: Option<DbTime>,
    end_heard_at: Option<DbTime>,
}

/// An alert with its labels.
pub(super) fn alert(row: AlertRow) -> Result<AlertState, Garbled> {
    let AlertRow { fingerprint, labels, episode, firing, starts_at, first_at, evidence_at, heard_at, .. } = row;
    let state =
        (fingerprint, episode, firing, starts_at, first_at, evidence_at, heard_at, row.ended_at, row.end_heard_at);
    Ok(AlertState { labels: labels.0, ..known(state)? })
}

/// Fingerprint, rule, episode, target, standing, remediation, `closed_at`, conclusion, `again_at`.
pub(super) type CandidateColumns =
    (String, String, i64, String, String, Option<DbId>, Option<DbTime>, Option<Json<Value>>, Option<DbTime>);

pub(super) fn candidate(columns: CandidateColumns) -> Result<Candidate, Garbled> {
    let (fingerprint, rule, episode, target, standing, remediation, closed_at, conclusion, again_at) = columns;
    Ok(Candidate {
        fingerprint: fingerprint.parse().map_err(|_| Garbled("fingerprint"))?,
        rule,
        episode,
        target,
        standing: Standing::from_word(&standing).ok_or(Garbled("standing"))?,
        remediation: remediation.map(DbId::read),
        closed_at: closed_at.map(|at| at.0),
        // Of another version of fettle: as if there were none, so that the next episode is decided.
        conclusion: conclusion.and_then(|it| serde_json::from_value(it.0).ok()),
        again_at: again_at.map(|at| at.0),
    })
}

/// A candidate with its alert, as one row.
#[derive(FromRow)]
pub(super) struct AgainRow {
    #[sqlx(flatten)]
    alert: AlertRow,
    rule: String,
    target: String,
    standing: String,
    remediation_id: Option<DbId>,
    closed_at: Option<DbTime>,
    conclusion: Option<Json<Value>>,
    of_episode: i64,
}

impl AgainRow {
    /// The candidate of its alert, whose time has come; it is moved to `next`.
    pub(super) fn read(self, next: Timestamp) -> Result<Again, Garbled> {
        let Self { alert: row, rule, target, standing, remediation_id, closed_at, conclusion, of_episode } = self;
        let fingerprint = row.fingerprint.clone();
        let of = (fingerprint, rule, of_episode, target, standing, remediation_id, closed_at, conclusion, None);
        let candidate = candidate(of)?;
        Ok(Again { alert: alert(row)?, candidate: Candidate { again_at: Some(next), ..candidate } })
    }
}

/// Target, id, rule, state.
pub(super) type OpenColumns = (String, DbId, String, String);

pub(super) fn open((target, id, rule, state): OpenColumns) -> Result<(String, OpenTarget), Garbled> {
    let state = StateName::from_word(&state).ok_or(Garbled("state"))?;
    Ok((target, OpenTarget { id: id.read(), rule, state }))
}

/// Rule, target, `closed_at`, `last_action`, rung, regressed.
pub(super) type FixColumns = (String, String, DbTime, Option<String>, Option<i64>, bool);

/// `None` when the document does not say which action it was: then there is nothing to append a verdict to.
pub(super) fn fix(
    (rule, target, closed_at, action, rung, regressed): FixColumns,
) -> Option<((String, String), PastFix)> {
    let (action, rung) = (action?.parse().ok()?, usize::try_from(rung?).ok()?);
    Some(((rule, target), PastFix { action, rung, closed_at: closed_at.0, regressed }))
}

#[derive(FromRow)]
pub(super) struct ClaimedRow {
    id: DbId,
    version: i64,
    wakes: i64,
    due_at: DbTime,
    doc: Json<serde_json::Value>,
}

impl ClaimedRow {
    /// In the order they were due. A document that this version cannot read stays claimed until its lease ends and is
    /// said aloud: it must not keep the others from being worked on.
    pub(super) fn read_all(mut rows: Vec<Self>, owner: ReplicaId) -> Vec<Claimed<Remediation>> {
        rows.sort_by_key(|row| (row.due_at, row.id.0));
        let read = |row: Self| match serde_json::from_value::<Remediation>(row.doc.0) {
            Ok(remediation) => {
                let claim = Claim { id: row.id.read(), owner, version: row.version, wakes: row.wakes };
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

/// What a port tells as it is stored, each field in the column of its name.
pub(super) struct Plain<T>(pub(super) T);

/// The values of rows.
pub(super) fn plain<T>(rows: Vec<Plain<T>>) -> Vec<T> {
    rows.into_iter().map(|row| row.0).collect()
}

/// How a field's value is kept in a column.
trait Kept: Sized {
    type Column;
    fn from_column(column: Self::Column) -> Self;
}

macro_rules! kept {
    ($($Value:ty as $Column:ty => $read:expr;)+) => {
        $(impl Kept for $Value {
            type Column = $Column;
            fn from_column(column: $Column) -> Self {
                $read(column)
            }
        })+
    };
}

kept! {
    ActionId as DbId => DbId::read;
    EventId as DbId => DbId::read;
    NotificationId as DbId => DbId::read;
    RemediationId as DbId => DbId::read;
    Timestamp as DbTime => |at: DbTime| at.0;
    Value as Json<Value> => |json: Json<Value>| json.0;
    Bytes as Vec<u8> => Bytes::from;
    String as String => identity;
    i64 as i64 => identity;
    f64 as f64 => identity;
}

impl<T: Kept> Kept for Option<T> {
    type Column = Option<T::Column>;
    fn from_column(column: Self::Column) -> Self {
        column.map(T::from_column)
    }
}

macro_rules! plain {
    ($View:ident { $($field:ident),+ $(,)? }) => {
        plain!(PgRow => $View { $($field),+ });
        plain!(SqliteRow => $View { $($field),+ });
    };
    ($Row:ty => $View:ident { $($field:ident),+ }) => {
        impl FromRow<'_, $Row> for Plain<$View> {
            fn from_row(row: &$Row) -> sqlx::Result<Self> {
                Ok(Self($View { $($field: Kept::from_column(row.try_get(stringify!($field))?)),+ }))
            }
        }
    };
}

plain!(StoredNotification { id, received_at, body });
plain!(Spent { rule, target, planned_at });
plain!(RemediationView {
    id,
    target,
    rule,
    state,
    outcome,
    reason,
    opened_at,
    closed_at,
    due_at,
    actions,
    alertname,
    severity
});
plain!(ActionView {
    id,
    at,
    remediation_id,
    rule,
    action,
    target,
    host,
    mode,
    result,
    reason,
    verdict,
    actor,
    alertname,
    fingerprint,
    severity,
    labels,
    planned_at,
    started_at,
    finished_at,
    duration_ms,
    attempt,
    step,
    detail,
    error
});
plain!(TransitionView { at, state, what, detail });
plain!(VerdictView { action_id, at, verdict, reason });
plain!(EventView { id, at, event, severity, details, cpu, ram, disk });
