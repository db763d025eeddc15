//! What a decision stores: its own row, the rows beside it, and what follows from a remediation that is closed.

use std::collections::BTreeSet;
use std::sync::Arc;

use uuid::Uuid;

use super::World;
use super::agenda::Wake;
use super::docker::Docker;
use super::happening::{Stage, told};
use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::receive::{PastFix, Standing};
use fettle_core::remediation::outcome::{ActionResult, Outcome};
use fettle_core::remediation::record::Record;
use fettle_core::remediation::state::{Remediation, State, Verifying};
use fettle_core::surroundings::Answer;
use fettle_core::time::{Timestamp, after};

/// An open remediation and what is kept beside it.
#[derive(Debug, Clone)]
pub(super) struct Effort {
    /// As stored.
    pub(super) remediation: Remediation,
    /// Its target as written.
    pub(super) target: Arc<str>,
    /// When it is decided next.
    pub(super) due: Timestamp,
    /// It was told to look again while a call was under way.
    pub(super) woken: Option<Timestamp>,
    /// When the call was sent that it waits for.
    pub(super) calling: Option<Timestamp>,
    /// The last answer a person gave.
    pub(super) answer: Option<Answer>,
    /// Proposals that were answered: when each was made.
    pub(super) answered: BTreeSet<Timestamp>,
    /// The alerts attached to it.
    pub(super) attached: BTreeSet<Fingerprint>,
}

impl<D: Docker> World<D> {
    /// A new remediation, decided at once.
    pub(super) fn open_effort(&mut self, remediation: Remediation) {
        let (id, target): (_, Arc<str>) = (remediation.id, remediation.target.to_string().into());
        let Some(due) = remediation.due() else { return };
        self.open.insert(target.clone(), id.into());
        if self.settings.storm.is_some() {
            self.recent.push_back((remediation.opened_at, target.clone(), id.into()));
        }
        self.efforts.insert(
            id.into(),
            Effort {
                remediation,
                target,
                due,
                woken: None,
                calling: None,
                answer: None,
                answered: BTreeSet::new(),
                attached: BTreeSet::new(),
            },
        );
        self.agenda.put(self.now, Wake::Begin(id.into()));
    }

    /// It must look again now; whoever waits for a call does so when that is over.
    pub(super) fn wake(&mut self, id: Uuid) {
        let now = self.now;
        let Some(effort) = self.efforts.get_mut(&id) else { return };
        if effort.calling.is_some() {
            effort.woken = Some(effort.woken.map_or(now, |woken| woken.min(now)));
        } else if effort.due > now {
            effort.due = now;
            self.agenda.put(now, Wake::Due(id));
        }
    }

    /// Wakes those that a guard blocks, of one rule or all, in the order they were opened.
    pub(super) fn wake_blocked(&mut self, meant: impl Fn(&Remediation) -> bool) {
        let mut blocked: Vec<(Timestamp, Uuid)> = self
            .efforts
            .values()
            .filter(|it| meant(&it.remediation))
            .map(|it| (it.remediation.opened_at, it.remediation.id.0))
            .collect();
        blocked.sort_unstable();
        for (_, id) in blocked {
            self.wake(id);
        }
    }

    /// Stores a decision; with `calls` its call is sent.
    pub(super) fn store(&mut self, mut effort: Effort, remediation: Remediation, records: &[Record], calls: bool) {
        let before = Stage::of(&effort.remediation);
        self.write(&effort.target.clone(), records);
        let told = told(before, &remediation, records, self.now, self.tells);
        self.happened.extend(told.into_iter().filter_map(|it| self.upstream.deliver(it)));
        self.ledger.works(remediation.id.into(), working_on(&effort.remediation), working_on(&remediation));
        self.ledger.runs(is_running(&effort.remediation), is_running(&remediation));
        let Some(due) = remediation.due() else {
            self.close(&effort, &remediation);
            return;
        };
        let id = remediation.id;
        if calls {
            self.call(&remediation);
            effort.calling = Some(self.now);
            effort.due = due;
        } else {
            let due = effort.woken.map_or(self.next_look(&remediation, due), |woken| woken.min(due));
            effort.due = due;
            self.agenda.put(due, Wake::Due(id.into()));
        }
        effort.remediation = remediation;
        self.efforts.insert(id.into(), effort);
    }

    /// When a decision can differ from the last one, where nothing changes but by calls: between two looks at a steady target
    /// only alerts do, and those wake it.
    fn next_look(&self, remediation: &Remediation, due: Timestamp) -> Timestamp {
        let State::Verifying(Verifying { attempt, effect_at, well_since, .. }) = &remediation.state else { return due };
        let settled_at = after(*effect_at, attempt.verify.settle);
        if !self.docker.is_steady() || due <= settled_at {
            return due;
        }
        let deadline = after(*effect_at, attempt.verify.resolved_within);
        let proven_at = well_since.map(|since| after(since, attempt.verify.healthy_for));
        match proven_at {
            Some(at) if at > self.now => at.min(deadline).max(due),
            _ => deadline.max(due),
        }
    }

    /// The rows beside it. `target`: what the remediation is about.
    fn write(&mut self, target: &str, records: &[Record]) {
        for record in records {
            match record {
                Record::Action(row) if matches!(row.result, Some(ActionResult::Refused | ActionResult::Expired)) => {}
                Record::Action(row) => self.ledger.act(row),
                Record::Result(row) => self.ledger.end(row),
                Record::Verdict { rule, row, .. } => self.ledger.judge(rule, target, row),
                Record::Breaker(row) => self.ledger.switch(row),
                Record::Loan(loan) => self.lend(loan),
                // What Alertmanager alone told is learned when it is read; nobody writes it here.
                Record::Ended(_)
                | Record::Transition(_)
                | Record::Event(_)
                | Record::Refusal { .. }
                | Record::Announce(_) => {}
            }
        }
    }

    fn close(&mut self, effort: &Effort, remediation: &Remediation) {
        let State::Closed { outcome, at, .. } = &remediation.state else { return };
        self.open.remove(&effort.target);
        if *outcome == Outcome::Refused {
            self.recent.retain(|(_, _, id)| *id != remediation.id.0);
        }
        let standing = if outcome.leaves_episode_open() { Standing::Free } else { Standing::Spent };
        self.alerts.settle(remediation.id.into(), &effort.attached, standing);
        if let (Outcome::Fixed, Some(action)) = (outcome, remediation.last_action) {
            let fix = PastFix { action, rung: remediation.rung, closed_at: *at, regressed: false };
            self.ledger.fix(&remediation.rule, &effort.target, fix);
        }
        let waiting = self.alerts.waiting_for(&effort.target);
        if !waiting.is_empty() {
            self.agenda.put(self.now, Wake::Again(waiting));
        }
    }
}

/// The key that it is at work on.
fn working_on(remediation: &Remediation) -> Option<&str> {
    match remediation.state {
        State::Running { .. } | State::Verifying { .. } => remediation.key.as_deref(),
        _ => None,
    }
}

fn is_running(remediation: &Remediation) -> bool {
    matches!(remediation.state, State::Running { .. })
}
