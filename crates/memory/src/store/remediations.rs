//! The remediations, open and closed, with everything that is found through them.
//!
//! Always holds: at most one is open for a target; a closed one is nobody's and never due.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::id::{ActionId, LoanId, RemediationId, ReplicaId};
use fettle_core::ports::model::Claim;
use fettle_core::remediation::outcome::Outcome;
use fettle_core::remediation::refusal::Guard;
use fettle_core::remediation::state::{Remediation, State, StateName};
use fettle_core::surroundings::Answer;
use fettle_core::text;
use fettle_core::time::Timestamp;
use serde_json::Value;

use super::clean;
use super::filed::{Filed, Last, Latest, Names};
use super::lease::{Lease, Leased, Row};

/// A remediation and what belongs to it.
#[derive(Debug, Clone)]
pub struct RemediationRow {
    /// As stored.
    pub remediation: Box<Remediation>,
    /// Its target as written.
    pub target: Arc<str>,
    /// Its rule.
    pub rule: Arc<str>,
    /// Its story, oldest first.
    pub steps: Vec<Step>,
    /// What people answered, in the order it came.
    pub answers: Vec<Given>,
    /// Its audit rows, in the order they were written.
    pub actions: Vec<ActionId>,
    /// What it lent.
    pub loans: Vec<LoanId>,
    /// The alerts that have a candidate which speaks of it.
    pub alerts: BTreeSet<Fingerprint>,
}

/// A step of a story.
#[derive(Debug, Clone)]
pub struct Step {
    /// Rises with every step of any remediation.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// The state it went to or stayed in.
    pub state: StateName,
    /// What happened.
    pub what: String,
    /// Numbers.
    pub detail: Value,
}

/// An answer of a person.
#[derive(Debug, Clone)]
pub struct Given {
    /// The answer.
    pub answer: Answer,
    /// When the proposal was made that it answers.
    pub asked_at: Option<Timestamp>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Remediations {
    rows: Leased<RemediationId, RemediationRow>,
    /// The open one of each target.
    open: HashMap<Arc<str>, RemediationId>,
    by_target: BTreeSet<(Arc<str>, RemediationId)>,
    /// Those that run or verify, by key.
    at_work: Filed<RemediationId>,
    running: u32,
    /// When each was opened, without those that were refused.
    recent: BTreeSet<(Timestamp, RemediationId)>,
    closed: BTreeSet<(Timestamp, RemediationId)>,
    /// The last that ended fixed, of each target and rule.
    fixed: Latest<RemediationId>,
}

impl Remediations {
    pub(super) fn rows(&self) -> &Leased<RemediationId, RemediationRow> {
        &self.rows
    }

    pub(super) fn get(&self, id: RemediationId) -> Option<&Row<RemediationRow>> {
        self.rows.get(id)
    }

    /// What belongs to it, but not its state.
    pub(super) fn beside(&mut self, id: RemediationId) -> Option<&mut RemediationRow> {
        self.rows.doc(id)
    }

    pub(super) fn has(&self, id: RemediationId) -> bool {
        self.rows.has(id)
    }

    pub(super) fn open_on(&self, target: &str) -> Option<RemediationId> {
        self.open.get(target).copied()
    }

    /// Those of a target, by id.
    pub(super) fn of_target(
        &self,
        target: &str,
    ) -> impl DoubleEndedIterator<Item = (RemediationId, &Row<RemediationRow>)> {
        let target: Arc<str> = target.into();
        let ids = self
            .by_target
            .range((target.clone(), RemediationId::nil())..=(target, RemediationId(uuid::Uuid::max())))
            .map(|(_, id)| *id);
        ids.filter_map(|id| Some((id, self.rows.get(id)?)))
    }

    /// How many run an effect, `but` not counted.
    pub(super) fn running(&self, but: RemediationId) -> u32 {
        let itself = self.rows.get(but).is_some_and(|row| is_running(&row.doc.remediation));
        self.running.saturating_sub(u32::from(itself))
    }

    /// Those that run or verify on this key.
    pub(super) fn at_work_on(&self, key: &str) -> impl Iterator<Item = RemediationId> {
        self.at_work.of(key).map(|(_, id)| id)
    }

    /// Targets opened from `since` on, refused ones left out; the same target may come again.
    pub(super) fn recent(&self, since: Timestamp) -> impl Iterator<Item = &Arc<str>> {
        let ids = self.recent.range((since, RemediationId::nil())..).map(|(_, id)| *id);
        ids.filter_map(|id| self.rows.get(id)).map(|row| &row.doc.target)
    }

    /// The last fixed one of each rule of this target.
    pub(super) fn fixed(&self, target: &str) -> impl Iterator<Item = &Remediation> {
        let ids = self.fixed.of(target).iter().map(|last| last.id);
        ids.filter_map(|id| self.rows.get(id)).map(|row| &*row.doc.remediation)
    }

    /// Those closed before `before`, earliest first.
    pub(super) fn closed_before(&self, before: Timestamp) -> impl Iterator<Item = RemediationId> {
        self.closed.iter().take_while(move |(at, _)| *at < before).map(|(_, id)| *id)
    }

    /// A new one, which is checked already.
    pub(super) fn open(&mut self, names: &mut Names, opened: &Remediation, lease: Option<Lease>) {
        let it = clean::remediation(opened);
        let (id, due) = (it.id, it.due());
        let target = names.share(&text::clean(&it.target.to_string()));
        let stage = Stage::of(names, &it);
        let row = RemediationRow {
            target: target.clone(),
            rule: names.share(&it.rule),
            steps: Vec::new(),
            answers: Vec::new(),
            actions: Vec::new(),
            loans: Vec::new(),
            alerts: BTreeSet::new(),
            remediation: Box::new(it),
        };
        self.by_target.insert((target.clone(), id));
        if due.is_some() {
            self.open.insert(target, id);
        }
        if stage.end.is_none_or(|(outcome, _)| outcome != Outcome::Refused) {
            self.recent.insert((opened.opened_at, id));
        }
        self.rows.insert(id, Row::new(row, due, lease.filter(|_| due.is_some())));
        self.move_to(id, &Stage::default(), &stage);
    }

    /// Set, where the comparison was done: the row is held by this claim. Woken since it was read, it keeps the earlier
    /// instant at which it became due.
    pub(super) fn store(
        &mut self,
        names: &mut Names,
        claim: &Claim,
        next: &Remediation,
        keep_until: Option<Timestamp>,
    ) {
        let next = clean::remediation(next);
        let id = next.id;
        let Some(row) = self.rows.get(next.id) else { return };
        let before = Stage::of(names, &row.doc.remediation);
        let after = Stage::of(names, &next);
        // A closed remediation is nobody's.
        let keep_until = keep_until.filter(|_| after.end.is_none());
        self.rows.change(id, |row| {
            row.version += 1;
            row.due = match (next.due(), row.due) {
                (Some(next), Some(due)) if row.wakes > claim.wakes => Some(due.min(next)),
                (next, _) => next,
            };
            row.lease = keep_until.map(|until| Lease { owner: claim.owner, until });
            *row.doc.remediation = next;
        });
        self.move_to(id, &before, &after);
    }

    /// Files it by where it stands now.
    fn move_to(&mut self, id: RemediationId, before: &Stage, after: &Stage) {
        let Some(row) = self.rows.get(id).map(|row| &row.doc) else { return };
        let opened_at = row.remediation.opened_at;
        if before.key != after.key {
            before.key.iter().for_each(|key| self.at_work.take(key, opened_at, id));
            after.key.iter().for_each(|key| self.at_work.put(key, opened_at, id));
        }
        self.running = self.running + u32::from(after.runs) - u32::from(before.runs);
        let (None, Some((outcome, at))) = (before.end, after.end) else { return };
        self.closed.insert((at, id));
        if self.open.get(&row.target) == Some(&id) {
            self.open.remove(&row.target);
        }
        match outcome {
            Outcome::Refused => {
                self.recent.remove(&(opened_at, id));
            }
            Outcome::Fixed => self.fixed.put(&row.target, Last { rule: row.rule.clone(), at, id }),
            _ => {}
        }
    }

    /// Woken: due at once, and whoever holds it sees at the end of its work that it must look again.
    pub(super) fn wake(&mut self, id: RemediationId, now: Timestamp) {
        self.rows.change(id, |row| {
            if row.due.is_some() {
                row.wake(now);
            }
        });
    }

    /// Those that this guard blocks are due now, those of one rule or all; whether there are any.
    pub(super) fn wake_blocked(&mut self, guard: Guard, rule: Option<&str>, now: Timestamp) -> bool {
        let meant = |row: &Row<RemediationRow>| {
            matches!(row.doc.remediation.state, State::Blocked { reason, .. } if reason == guard)
                && rule.is_none_or(|rule| *row.doc.rule == *text::clean(rule))
        };
        let woken: Vec<RemediationId> = self.rows.open().filter(|(_, row)| meant(row)).map(|(id, _)| id).collect();
        for id in &woken {
            self.wake(*id, now);
        }
        !woken.is_empty()
    }

    /// A person's answer: it is due at once. What waits for a person only needs nobody to hold it.
    pub(super) fn answered(&mut self, id: RemediationId, given: Given, takes: bool) {
        self.rows.change(id, |row| {
            row.wake(given.answer.at);
            if takes {
                row.version += 1;
                row.lease = None;
            }
            row.doc.answers.push(given);
        });
    }

    pub(super) fn claim(
        &mut self,
        owner: ReplicaId,
        now: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> Vec<(Claim, &RemediationRow)> {
        self.rows.claim(owner, now, until, limit)
    }

    pub(super) fn release(&mut self, of: impl Fn(ReplicaId) -> bool) -> u64 {
        self.rows.release(of)
    }

    /// A closed one goes.
    pub(super) fn remove(&mut self, id: RemediationId) -> Option<RemediationRow> {
        let row = self.rows.remove(id)?.doc;
        let it = &*row.remediation;
        self.by_target.remove(&(row.target.clone(), id));
        self.recent.remove(&(it.opened_at, id));
        if let Some(at) = it.closed_at() {
            self.closed.remove(&(at, id));
        }
        self.fixed.take(&row.target, id);
        Some(row)
    }
}

/// What a remediation is filed by.
#[derive(Debug, Default)]
struct Stage {
    /// The key that it is at work on.
    key: Option<Arc<str>>,
    runs: bool,
    end: Option<(Outcome, Timestamp)>,
}

impl Stage {
    fn of(names: &mut Names, it: &Remediation) -> Self {
        let runs = is_running(it);
        let key = it.key.as_deref().filter(|_| runs || matches!(it.state, State::Verifying { .. }));
        Self { key: key.map(|key| names.share(key)), runs, end: it.outcome().zip(it.closed_at()) }
    }
}

fn is_running(it: &Remediation) -> bool {
    matches!(it.state, State::Running { .. })
}
