//! What must hold after every decision, whatever the story; the driver asks at each one.

use std::collections::HashSet;

use crate::decide::{Ask, Decision};
use crate::id::ActionId;
use crate::remediation::record::Record;
use crate::remediation::state::{Remediation, Running, State, StateName};
use crate::time::Timestamp;

#[derive(Debug, Clone, Default)]
pub(super) struct Checks {
    /// Rows and intents ever written.
    ids: HashSet<ActionId>,
    /// Intents without a result.
    open: HashSet<ActionId>,
    /// Turns in a row that ended due at the instant they began.
    at_once: u32,
}

impl Checks {
    /// A decision was made.
    pub(super) fn ask(&mut self, decision: &Decision, now: Timestamp) {
        if !matches!(decision.ask, Ask::Nothing | Ask::Perform) {
            assert!(decision.records.is_empty(), "what is still asked is not on record: {:?}", decision.records);
            assert!(decision.remediation.outcome().is_none(), "nothing is asked of what is closed");
        }
        if let Ask::Admit(request) = &decision.ask {
            assert!(self.open.is_empty(), "an effect is asked while the outcome of another is not known");
            assert_eq!(request.plan.attempt.intended_at, now);
            assert!(request.plan.attempt.action.has_effect(), "only effects are admitted");
            assert!(!self.ids.contains(&request.plan.attempt.action_id), "an action's id is new");
        }
    }

    /// A turn ended without a question.
    pub(super) fn turn(&mut self, started: &Remediation, ended: &Remediation, now: Timestamp) {
        let Some(due) = ended.due() else {
            assert!(ended.outcome().is_some());
            return;
        };
        if due > now {
            self.at_once = 0;
            return;
        }
        self.at_once += 1;
        assert!(started != ended && self.at_once < 3, "a busy loop: {:?}", ended.state);
    }

    /// Something was written.
    pub(super) fn stored(&mut self, before: &Remediation, after: &Remediation, records: &[Record]) {
        if before.outcome().is_some() {
            assert_eq!(before, after, "what is closed stays as it is");
            assert!(records.is_empty(), "what is closed writes nothing more: {records:?}");
        }
        let begun = self.open.len();
        for record in records {
            match record {
                Record::Action(row) => {
                    assert!(self.ids.insert(row.id), "an id is given once");
                    assert_eq!(row.result.is_some(), row.finished_at.is_some());
                    assert_eq!(row.remediation_id, after.id);
                    if row.result.is_none() {
                        assert!(self.open.insert(row.id) && row.spends, "an intent spends");
                    }
                }
                Record::Result(row) => {
                    assert!(self.open.remove(&row.action_id), "one result for each intent");
                }
                Record::Verdict { row, .. } => {
                    assert!(self.ids.contains(&row.action_id), "a verdict on an action that exists");
                    assert!(!self.open.contains(&row.action_id), "a verdict comes after the result");
                }
                Record::Transition(row) => assert_eq!(row.remediation_id, after.id),
                Record::Refusal { .. }
                | Record::NotOpened { .. }
                | Record::Event(_)
                | Record::Announce(_)
                | Record::Loan(_)
                | Record::Ended(_)
                | Record::Breaker(_) => {}
            }
        }
        let running = match &after.state {
            State::Running(Running { queue, .. }) => 1 + queue.len(),
            _ => 0,
        };
        assert_eq!(self.open.len(), running, "an intent is open exactly while it runs ({begun} before)");
        if after.outcome().is_some() && before.outcome().is_none() {
            let last =
                records.iter().rev().find_map(|it| if let Record::Transition(row) = it { Some(row) } else { None });
            assert_eq!(last.map(|row| row.state), Some(StateName::Closed), "the story tells how it ended: {records:?}");
        }
    }
}
