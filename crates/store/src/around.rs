//! Rows of what is the case around a remediation, as both databases give them, and the way from a row to the core's words.
//!
//! Plain tuples, in the order of the columns: PostgreSQL gives many of them in one value.

use std::collections::BTreeMap;

use serde_json::Value;
use sqlx::types::Json;

use super::db_types::{DbId, DbTime};
use super::rows::{Garbled, KnownColumns, known};
use super::text::clean;
use fettle_core::alert::episode::AlertState;
use fettle_core::alert::labels::Labels;
use fettle_core::announcement::{Announcement, AnnouncementName};
use fettle_core::effect::Effect;
use fettle_core::id::ReplicaId;
pub(super) use fettle_core::ports::common::{RELATED_MAX, UNPROVEN_MAX, asked, loan_end};
use fettle_core::ports::model::{Admission, Claim, Claimed, Commit, Judged, Ledger, Outgoing};
use fettle_core::ports::{Effort, Judge};
use fettle_core::remediation::loan::Loan;
use fettle_core::surroundings::{Answer, AnswerKind, Breaker, OpenLoan, Pause, PauseScope, Storm};

/// What is known of an alert, and its labels.
pub(super) type AlertColumns = (KnownColumns, Json<Labels>);

pub(super) fn alert((state, labels): AlertColumns) -> Result<AlertState, Garbled> {
    Ok(AlertState { labels: labels.0, ..known(state)? })
}

/// Id, scope, about, reason, by, at, until.
pub(super) type PauseColumns = (DbId, String, Option<String>, String, String, DbTime, Option<DbTime>);

pub(super) fn pause((id, scope, about, reason, by, at, until): PauseColumns) -> Result<Pause, Garbled> {
    Ok(Pause { id: id.read(), scope: scope_of(&scope, about)?, reason, by, at: at.0, until: until.map(|at| at.0) })
}

/// A pause's scope, from its word and what it is about.
pub(super) fn scope_of(word: &str, about: Option<String>) -> Result<PauseScope, Garbled> {
    match (word, about) {
        ("all", None) => Ok(PauseScope::All),
        ("rule", Some(rule)) => Ok(PauseScope::Rule(rule)),
        ("target", Some(target)) => Ok(PauseScope::Target(target.parse().map_err(|_| Garbled("target"))?)),
        _ => Err(Garbled("scope")),
    }
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
pub(super) type BreakerColumns = (Option<DbTime>, Option<DbId>);

/// A rule without a row has a breaker that was never opened.
pub(super) fn breaker(row: Option<BreakerColumns>, unproven: Vec<DbTime>) -> Breaker {
    let (opened_at, probe) = row.unwrap_or_default();
    Breaker {
        opened_at: opened_at.map(|at| at.0),
        probe: probe.map(DbId::read),
        unproven: unproven.into_iter().map(|at| at.0).collect(),
    }
}

/// Since, `last_at`, targets.
pub(super) type StormColumns = (DbTime, DbTime, i64);

pub(super) fn storm((since, last_at, targets): StormColumns) -> Storm {
    Storm { since: since.0, last_at: last_at.0, targets: u32::try_from(targets).unwrap_or(u32::MAX) }
}

/// Id, remediation, target, effect, `due_at`.
pub(super) type LoanColumns = (DbId, DbId, String, Json<Effect>, DbTime);

pub(super) fn open_loan((id, remediation, target, effect, due_at): LoanColumns) -> OpenLoan {
    OpenLoan { id: id.read(), remediation: remediation.read(), target, detail: effect.0.describe(), due_at: due_at.0 }
}

/// Id, kind, plan, by, at.
pub(super) type AnswerColumns = (DbId, String, Option<String>, String, DbTime);

pub(super) fn answer((id, kind, plan, by, at): AnswerColumns) -> Result<Answer, Garbled> {
    let kind = AnswerKind::from_word(&kind).ok_or(Garbled("answer"))?;
    Ok(Answer { id: id.read(), kind, plan, by, at: at.0 })
}

/// Id, version, `due_at`, doc.
pub(super) type ClaimedLoanColumns = (DbId, i64, DbTime, Json<Value>);

/// In the order they were due. As with remediations, a document that this version cannot read is said aloud and must not
/// keep the others from being worked on.
pub(super) fn claimed_loans(mut rows: Vec<ClaimedLoanColumns>, owner: ReplicaId) -> Vec<Claimed<Loan>> {
    rows.sort_by_key(|(id, _, due_at, _)| (*due_at, id.0));
    let read = |(id, version, _, doc): ClaimedLoanColumns| match serde_json::from_value::<Loan>(doc.0) {
        Ok(loan) => Some(Claimed { claim: Claim { id: id.read(), owner, version, wakes: 0 }, effort: loan }),
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
    (DbId, i64, String, DbId, Json<Labels>, Json<BTreeMap<String, String>>, DbTime, DbTime, DbTime);

pub(super) fn outgoing(columns: OutgoingColumns) -> Result<Outgoing, Garbled> {
    let (id, version, name, remediation, labels, annotations, starts_at, at, until) = columns;
    let announcement = Announcement {
        name: AnnouncementName::from_word(&name).ok_or(Garbled("announcement"))?,
        remediation: remediation.read(),
        labels: labels.0,
        annotations: annotations.0,
        at: at.0,
        until: until.0,
    };
    Ok(Outgoing { id: id.read(), version, starts_at: starts_at.0, announcement })
}
