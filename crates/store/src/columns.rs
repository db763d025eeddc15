//! From the core's words to columns, once for both databases: derived values, cleaned text.

use std::borrow::Cow;
use std::collections::HashMap;

use uuid::Uuid;

use super::db_types::{DbId, DbTime};
use super::text::{clean, clean_opt, json, name, name_opt};
use fettle_core::alert::episode::AlertState;
use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::alert::labels::Labels;
use fettle_core::announcement::Announcement;
use fettle_core::ports::model::Standing;
use fettle_core::remediation::loan::Loan;
use fettle_core::remediation::outcome::Outcome;
use fettle_core::remediation::record::{ActionRow, BreakerRow, EventRow, Record, ResultRow, TransitionRow, VerdictRow};
use fettle_core::remediation::state::Remediation;
use fettle_core::time::Timestamp;

/// An alert's columns that follow from its labels.
pub(super) struct Named<'a> {
    pub(super) alertname: Cow<'a, str>,
    pub(super) severity: Option<Cow<'a, str>>,
    pub(super) labels: String,
}

impl<'a> From<&'a Labels> for Named<'a> {
    fn from(labels: &'a Labels) -> Self {
        Self {
            alertname: name(labels.get("alertname")),
            severity: name_opt(labels.find("severity")),
            labels: json(labels),
        }
    }
}

/// The columns of `remediations`, without those of the lease.
pub(super) struct RemediationColumns<'a> {
    pub(super) id: DbId,
    pub(super) opened_at: DbTime,
    pub(super) closed_at: Option<DbTime>,
    pub(super) due_at: Option<DbTime>,
    pub(super) actions: i64,
    pub(super) state: &'static str,
    pub(super) outcome: Option<&'static str>,
    pub(super) reason: Option<Cow<'a, str>>,
    pub(super) rule: Cow<'a, str>,
    pub(super) target: String,
    pub(super) target_key: Option<Cow<'a, str>>,
    pub(super) host: Cow<'a, str>,
    pub(super) alertname: Cow<'a, str>,
    pub(super) severity: Option<Cow<'a, str>>,
    pub(super) fingerprint: String,
    pub(super) doc: String,
}

impl<'a> From<&'a Remediation> for RemediationColumns<'a> {
    fn from(it: &'a Remediation) -> Self {
        let labels = &it.alert.labels;
        Self {
            id: DbId::of(it.id),
            opened_at: DbTime(it.opened_at),
            closed_at: it.closed_at().map(DbTime),
            due_at: it.due().map(DbTime),
            actions: it.attempts.into(),
            state: it.state_name().as_str(),
            outcome: it.outcome().map(Outcome::as_str),
            reason: clean_opt(it.reason()),
            rule: clean(&it.rule),
            target: clean(&it.target.to_string()).into_owned(),
            target_key: clean_opt(it.key.as_deref()),
            host: clean(it.target.host()),
            alertname: name(labels.get("alertname")),
            severity: name_opt(labels.find("severity")),
            fingerprint: it.alert.fingerprint.to_string(),
            doc: json(it),
        }
    }
}

/// The columns of `candidates` that a closed remediation sets.
pub(super) struct Settled {
    pub(super) standing: &'static str,
    pub(super) closed_at: Option<DbTime>,
    pub(super) conclusion: Option<String>,
    pub(super) again_at: Option<DbTime>,
}

impl From<&Remediation> for Settled {
    fn from(closed: &Remediation) -> Self {
        let standing = if closed.leaves_episode_open() { Standing::Free } else { Standing::Spent };
        Self {
            standing: standing.as_str(),
            closed_at: closed.closed_at().map(DbTime),
            conclusion: closed.left.as_ref().map(|left| json(&left.conclusion)),
            again_at: closed.left.as_ref().map(|left| DbTime(left.again_at)),
        }
    }
}

/// Records by kind. Each kind keeps its order; between kinds, what is referred to goes first: audit rows, their results,
/// verdicts on them, then what refers to the remediation only.
#[derive(Default)]
pub(super) struct Records<'a> {
    pub(super) actions: Vec<&'a ActionRow>,
    pub(super) results: Vec<&'a ResultRow>,
    pub(super) verdicts: Vec<&'a VerdictRow>,
    pub(super) transitions: Vec<&'a TransitionRow>,
    pub(super) events: Vec<&'a EventRow>,
    pub(super) breakers: Vec<&'a BreakerRow>,
    pub(super) loans: Vec<&'a Loan>,
    pub(super) announcements: Vec<&'a Announcement>,
    pub(super) ended: Vec<&'a AlertState>,
}

impl<'a> From<&'a [Record]> for Records<'a> {
    fn from(records: &'a [Record]) -> Self {
        let mut sorted = Self::default();
        for record in records {
            match record {
                Record::Action(row) => sorted.actions.push(row),
                Record::Result(row) => sorted.results.push(row),
                Record::Verdict { row, .. } => sorted.verdicts.push(row),
                Record::Transition(row) => sorted.transitions.push(row),
                Record::Event(row) => sorted.events.push(row),
                Record::Breaker(row) => sorted.breakers.push(row),
                Record::Loan(loan) => sorted.loans.push(loan),
                Record::Announce(it) => sorted.announcements.push(it),
                Record::Ended(alert) => sorted.ended.push(alert),
                // Counted by metrics; a refusal is in a transition too.
                Record::Refusal { .. } | Record::NotOpened { .. } => {}
            }
        }
        sorted
    }
}

/// A new id for an event: ordered by the event's own time, not by the process's clock.
pub(super) fn event_id(at: Timestamp) -> DbId {
    let seconds = u64::try_from(at.as_second()).unwrap_or(0);
    let nanos = u32::try_from(at.subsec_nanosecond()).unwrap_or(0);
    DbId::of(Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanos)))
}

/// The alerts whose whole row is new, and those of which something changed. A stale word often changes nothing. What is
/// known comes without labels, which never change: they are what the fingerprint is made of.
pub(super) fn new_and_changed<'a>(
    alerts: &'a [AlertState],
    known: &HashMap<Fingerprint, AlertState>,
) -> (Vec<&'a AlertState>, Vec<&'a AlertState>) {
    let (mut new, mut changed) = (Vec::new(), Vec::new());
    for alert in alerts {
        match known.get(&alert.fingerprint) {
            None => new.push(alert),
            Some(known) if !is_same(known, alert) => changed.push(alert),
            Some(_) => {}
        }
    }
    // Two replicas that insert the same alerts must meet at the first, not each in the middle of the other's.
    new.sort_by_key(|alert| alert.fingerprint);
    (new, changed)
}

/// Whether two states of one alert are the same, labels aside.
fn is_same(one: &AlertState, other: &AlertState) -> bool {
    let state = |alert: &AlertState| {
        let AlertState {
            fingerprint: _,
            labels: _,
            episode,
            firing,
            starts_at,
            first_at,
            evidence_at,
            heard_at,
            ended_at,
            end_heard_at,
        } = *alert;
        (episode, firing, starts_at, first_at, evidence_at, heard_at, ended_at, end_heard_at)
    };
    state(one) == state(other)
}
