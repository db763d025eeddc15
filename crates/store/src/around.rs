//! Rows of what is the case around a remediation, as both databases give them, and the way from a row to the core's words.
//!
//! Plain tuples, in the order of the columns: PostgreSQL gives many of them in one value.

use std::collections::BTreeMap;

use serde_json::Value;
use sqlx::types::Json;
use uuid::Uuid;

use super::instant::{Id, Instant};
use super::rows::Garbled;
use super::text::clean;
use fettle_core::alert::episode::AlertState;
use fettle_core::alert::labels::Labels;
use fettle_core::announcement::{Announcement, AnnouncementName};
use fettle_core::effect::Effect;
pub(super) use fettle_core::ports::common::{RELATED_MAX, UNPROVEN_MAX, asked, loan_end};
use fettle_core::ports::model::{Admission, Claim, Claimed, Commit, Judged, Ledger, Outgoing};
use fettle_core::ports::{Effort, Judge};
use fettle_core::remediation::loan::Loan;
use fettle_core::surroundings::{Answer, AnswerKind, Breaker, OpenLoan, Pause, PauseScope, Storm};

/// An alert's columns beside its labels.
type AlertState9 = (String, i64, bool, Instant, Instant, Instant, Instant, Option<Instant>, Option<Instant>);

/// Fingerprint, episode, firing, `starts_at`, `first_at`, `evidence_at`, `heard_at`, `ended_at`, `end_heard_at`; labels.
pub(super) type AlertColumns = (AlertState9, Json<Labels>);

pub(super) fn alert((state, labels): AlertColumns) -> Result<AlertState, Garbled> {
    let (fingerprint, episode, firing, starts_at, first_at, evidence_at, heard_at, ended_at, end_heard_at) = state;
    Ok(AlertState {
        fingerprint: fingerprint.parse().map_err(|_| Garbled("fingerprint"))?,
        labels: labels.0,
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

/// Id, scope, about, reason, by, at, until.
pub(super) type PauseColumns = (Id, String, Option<String>, String, String, Instant, Option<Instant>);

pub(super) fn pause((id, scope, about, reason, by, at, until): PauseColumns) -> Result<Pause, Garbled> {
    let scope = match (&*scope, about) {
        ("all", None) => PauseScope::All,
        ("rule", Some(rule)) => PauseScope::Rule(rule),
        ("target", Some(target)) => PauseScope::Target(target.parse().map_err(|_| Garbled("target"))?),
        _ => return Err(Garbled("scope")),
    };
    Ok(Pause { id: id.0, scope, reason, by, at: at.0, until: until.map(|at| at.0) })
}

/// The scope's word, and what it is about.
pub(super) fn scope(pause: &Pause) -> (&'static str, Option<String>) {
    match &pause.scope {
        PauseScope::All => ("all", None),
        PauseScope::Rule(rule) => ("rule", Some(clean(rule).into_owned())),
        PauseScope::Target(target) => ("target", Some(clean(&target.to_string()).into_owned())),
    }
}

/// `opened_at`, probe.
pub(super) type BreakerColumns = (Option<Instant>, Option<Id>);

/// A rule without a row has a breaker that was never opened.
pub(super) fn breaker(row: Option<BreakerColumns>, unproven: Vec<Instant>) -> Breaker {
    let (opened_at, probe) = row.unwrap_or_default();
    Breaker {
        opened_at: opened_at.map(|at| at.0),
        probe: probe.map(|id| id.0),
        unproven: unproven.into_iter().map(|at| at.0).collect(),
    }
}

/// Since, `last_at`, targets.
pub(super) type StormColumns = (Instant, Instant, i64);

pub(super) fn storm((since, last_at, targets): StormColumns) -> Storm {
    Storm { since: since.0, last_at: last_at.0, targets: u32::try_from(targets).unwrap_or(u32::MAX) }
}

/// Id, remediation, target, effect, `due_at`.
pub(super) type LoanColumns = (Id, Id, String, Json<Effect>, Instant);

pub(super) fn open_loan((id, remediation, target, effect, due_at): LoanColumns) -> OpenLoan {
    OpenLoan { id: id.0, remediation: remediation.0, target, detail: effect.0.describe(), due_at: due_at.0 }
}

/// Id, kind, plan, by, at.
pub(super) type AnswerColumns = (Id, String, Option<String>, String, Instant);

pub(super) fn answer((id, kind, plan, by, at): AnswerColumns) -> Result<Answer, Garbled> {
    let kind = AnswerKind::from_word(&kind).ok_or(Garbled("answer"))?;
    Ok(Answer { id: id.0, kind, plan, by, at: at.0 })
}

/// Id, version, `due_at`, doc.
pub(super) type ClaimedLoanColumns = (Id, i64, Instant, Json<Value>);

/// In the order they were due. As with remediations, a document that this version cannot read is said aloud and must not
/// keep the others from being worked on.
pub(super) fn claimed_loans(mut rows: Vec<ClaimedLoanColumns>, owner: Uuid) -> Vec<Claimed<Loan>> {
    rows.sort_by_key(|(id, _, due_at, _)| (*due_at, id.0));
    let read = |(id, version, _, doc): ClaimedLoanColumns| match serde_json::from_value::<Loan>(doc.0) {
        Ok(loan) => Some(Claimed { claim: Claim { id: id.0, owner, version, wakes: 0 }, effort: loan }),
        Err(error) => {
            tracing::error!(loan.id = %id.0, %error, "loan {} does not read back", id.0);
            None
        }
    };
    rows.into_iter().filter_map(read).collect()
}

/// The commit to store, or the answer to an admission that stores nothing.
pub(super) fn judged<T: Effort>(judge: Judge<'_, T>, ledgers: &[Ledger]) -> Result<Box<Commit<T>>, Admission<T>> {
    match judge(ledgers) {
        Judged::Store(commit) => Ok(commit),
        Judged::Refuse(refusal) => Err(Admission::Refused(refusal)),
        Judged::Abandon => Err(Admission::Abandoned),
    }
}

/// Id, version, name, remediation, labels, annotations, `starts_at`, at, until.
pub(super) type OutgoingColumns =
    (Id, i64, String, Id, Json<Labels>, Json<BTreeMap<String, String>>, Instant, Instant, Instant);

pub(super) fn outgoing(columns: OutgoingColumns) -> Result<Outgoing, Garbled> {
    let (id, version, name, remediation, labels, annotations, starts_at, at, until) = columns;
    let announcement = Announcement {
        name: AnnouncementName::from_word(&name).ok_or(Garbled("announcement"))?,
        remediation: remediation.0,
        labels: labels.0,
        annotations: annotations.0,
        at: at.0,
        until: until.0,
    };
    Ok(Outgoing { id: id.0, version, starts_at: starts_at.0, announcement })
}
