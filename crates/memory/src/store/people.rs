//! What people order: pauses, answers, breakers closed by hand.
//!
//! Always holds: a pause is ended once; a proposal is answered once, and no yes comes after a cancel.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use fettle_core::id::{PauseId, RemediationId};
use fettle_core::ports::common::asked;
use fettle_core::ports::model::Answered;
use fettle_core::ports::{People, StoreError};
use fettle_core::remediation::refusal::Guard;
use fettle_core::surroundings::{Answer, AnswerKind, Pause, PauseScope};
use fettle_core::time::Timestamp;

use super::clean::{text, text_opt};
use super::remediations::Given;
use super::{Process, Rows};

/// A pause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paused {
    /// As it was given.
    pub pause: Pause,
    /// When somebody ended it, and who.
    pub ended: Option<(Timestamp, String)>,
}

impl Paused {
    fn is_over(&self, now: Timestamp) -> bool {
        self.ended.is_some() || self.pause.until.is_some_and(|until| until <= now)
    }

    /// When it was over: ended by a person, or by its own time.
    pub(super) fn over_at(&self) -> Option<Timestamp> {
        let ended = self.ended.as_ref().map(|(at, _)| *at);
        ended.into_iter().chain(self.pause.until).min()
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    rows: BTreeMap<PauseId, Paused>,
    /// Those that nobody has ended, by when they were given.
    standing: BTreeSet<(Timestamp, PauseId)>,
}

impl Pauses {
    /// By id.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Paused> {
        self.rows.values()
    }

    /// Those that are not over, newest first.
    pub(super) fn standing(&self, now: Timestamp) -> Vec<Pause> {
        let rows = self.standing.iter().rev().filter_map(|(_, id)| self.rows.get(id));
        rows.filter(|it| !it.is_over(now)).map(|it| it.pause.clone()).collect()
    }

    /// Idempotent by id: one whose answer was lost may be stored again.
    fn insert(&mut self, it: &Pause) {
        if self.rows.contains_key(&it.id) {
            return;
        }
        let scope = match &it.scope {
            PauseScope::Rule(rule) => PauseScope::Rule(text(rule)),
            scope => scope.clone(),
        };
        let (reason, by) = (text(&it.reason), text(&it.by));
        let pause = Pause { id: it.id, scope, reason, by, at: it.at, until: it.until };
        self.standing.insert((it.at, it.id));
        self.rows.insert(it.id, Paused { pause, ended: None });
    }

    /// False when there is none that is not over.
    fn end(&mut self, id: PauseId, by: &str, now: Timestamp) -> bool {
        let Some(row) = self.rows.get_mut(&id).filter(|row| !row.is_over(now)) else { return false };
        row.ended = Some((now, text(by)));
        self.standing.remove(&(row.pause.at, id));
        true
    }

    /// Of those that were over before `before` at most `limit`; how many went.
    pub(super) fn forget(&mut self, before: Timestamp, limit: usize) -> u64 {
        let old = |it: &&Paused| it.over_at().is_some_and(|at| at < before);
        let gone: Vec<_> = self.rows.values().filter(old).map(|it| (it.pause.at, it.pause.id)).take(limit).collect();
        for pause in &gone {
            self.standing.remove(pause);
            self.rows.remove(&pause.1);
        }
        gone.len() as u64
    }
}

impl Rows {
    fn answer(&mut self, remediation: RemediationId, answer: &Answer) -> Answered {
        let Some(row) = self.remediations.get(remediation) else { return Answered::Unknown };
        let proposed = match asked(&row.doc.remediation, answer) {
            Err(answered) => return answered,
            Ok(proposed) => proposed,
        };
        let plan = text_opt(answer.plan.as_deref());
        if let Some(proposed) = proposed {
            // A cancel is about the whole effort: no yes comes after it.
            let used = |it: &Given| {
                it.answer.kind == AnswerKind::Cancel
                    || (it.answer.plan == plan && it.asked_at == Some(proposed.asked_at))
            };
            if row.doc.answers.iter().any(used) {
                return Answered::Used;
            }
            if answer.at > proposed.until {
                return Answered::TooLate;
            }
        }
        let answer = Answer { id: answer.id, kind: answer.kind, plan, by: text(&answer.by), at: answer.at };
        let given = Given { answer, asked_at: proposed.map(|it| it.asked_at) };
        self.remediations.answered(remediation, given, proposed.is_some());
        self.processes.tell();
        Answered::Taken
    }
}

#[async_trait]
impl People for Process {
    async fn pause(&self, pause: &Pause) -> Result<(), StoreError> {
        self.write("store a pause", |rows| {
            rows.pauses.insert(pause);
            Ok(())
        })
    }

    async fn resume(&self, id: PauseId, by: &str, now: Timestamp) -> Result<bool, StoreError> {
        self.write("end a pause", |rows| {
            let ended = rows.pauses.end(id, by, now);
            if ended && rows.remediations.wake_blocked(Guard::Paused, None, now) {
                rows.processes.tell();
            }
            Ok(ended)
        })
    }

    async fn answer(&self, remediation: RemediationId, answer: &Answer) -> Result<Answered, StoreError> {
        self.write("store an answer", |rows| Ok(rows.answer(remediation, answer)))
    }

    async fn reset_breaker(&self, rule: &str, by: &str, now: Timestamp) -> Result<bool, StoreError> {
        self.reset(rule, by, now)
    }
}
