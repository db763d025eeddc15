//! Records: audit rows, their results, verdicts, the story, events. Checked as a whole before any of them is written.

use std::collections::{HashMap, HashSet};

use fettle_core::id::{ActionId, RemediationId};
use fettle_core::ports::StoreError;
use fettle_core::ports::common::loan_end;
use fettle_core::remediation::outcome::{ActionResult, Verdict};
use fettle_core::remediation::record::{Record, ResultRow, TransitionRow};
use fettle_core::remediation::state::Remediation;

use super::Rows;
use super::clean::{text, value};
use super::remediations::Step;

const WHAT: &str = "write the audit";

/// What may still become of an audit row.
#[derive(Debug, Clone, Copy)]
struct Fate {
    has_result: bool,
    spends: bool,
}

/// The values are at fault: these will never work.
pub(super) fn refused(operation: &'static str, why: &'static str) -> StoreError {
    StoreError::Refused { operation, of_the_data: true, source: why.into() }
}

impl Rows {
    /// Whether records can be written beside what is opened with them. Each kind refers to what was there, or to the kinds
    /// before it: audit rows, their results, verdicts on them.
    pub(super) fn check_records(&self, records: &[Record], opened: &[Remediation]) -> Result<(), StoreError> {
        let new: HashSet<RemediationId> = opened.iter().map(|it| it.id).collect();
        let known = |id: RemediationId| self.remediations.has(id) || new.contains(&id);
        let mut fates: HashMap<ActionId, Fate> = HashMap::new();
        for record in records {
            let Record::Action(row) = record else { continue };
            if !known(row.remediation_id) {
                return Err(refused(WHAT, "an audit row of no remediation"));
            }
            let fate = Fate { has_result: row.result.is_some(), spends: row.spends };
            if self.actions.get(row.id).is_some() || fates.insert(row.id, fate).is_some() {
                return Err(refused(WHAT, "an audit row is not replaced"));
            }
        }
        for record in records {
            if let Record::Result(row) = record {
                self.check_result(&mut fates, row)?;
            }
        }
        for record in records {
            match record {
                Record::Verdict { row, .. }
                    if self.actions.get(row.action_id).is_none() && !fates.contains_key(&row.action_id) =>
                {
                    return Err(refused(WHAT, "a verdict on no audit row"));
                }
                Record::Transition(row) if !known(row.remediation_id) => {
                    return Err(refused(WHAT, "a step of no remediation"));
                }
                Record::Loan(loan) => {
                    let opens = loan_end(loan).is_none() && self.loans.get(loan.id).is_none();
                    if opens && !known(loan.remediation) {
                        return Err(refused(WHAT, "a loan of no remediation"));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn check_result(&self, fates: &mut HashMap<ActionId, Fate>, row: &ResultRow) -> Result<(), StoreError> {
        let stored = self.actions.get(row.action_id).map(|it| &it.row);
        let stored = stored.map(|it| Fate { has_result: it.result.is_some(), spends: it.spends });
        let fate = fates.get(&row.action_id).copied().or(stored);
        match fate {
            Some(fate) if !fate.has_result && (fate.spends || !row.spends) => {
                fates.insert(row.action_id, Fate { has_result: true, spends: row.spends });
                Ok(())
            }
            Some(_) => Err(refused(WHAT, "an audit row gets its result once and is not changed otherwise")),
            None => Err(refused(WHAT, "a result of no audit row")),
        }
    }

    /// Writes records that are checked.
    pub(super) fn write_records(&mut self, records: &[Record]) {
        for record in records {
            if let Record::Action(row) = record {
                self.saw(Some(row.planned_at));
                if let Some(of) = self.remediations.beside(row.remediation_id) {
                    of.actions.push(row.id);
                }
                self.actions.insert(&mut self.names, row);
            }
        }
        for record in records {
            if let Record::Result(row) = record {
                self.actions.finish(row);
            }
        }
        for record in records {
            match record {
                Record::Verdict { row, .. } => {
                    self.saw(Some(row.at));
                    let seq = self.number();
                    let of = self.actions.get(row.action_id).map(|it| it.row.remediation_id);
                    if let Some(of) = of.and_then(|id| self.remediations.get(id)) {
                        self.actions.judge(&mut self.names, seq, row, &of.doc.target);
                    }
                }
                Record::Transition(row) => self.tell_story(row),
                Record::Event(row) => {
                    self.saw(Some(row.at));
                    let id = self.id_at(row.at);
                    self.events.add(id, row);
                }
                Record::Breaker(row) => self.switch(row),
                Record::Loan(loan) => {
                    if self.loans.write(&mut self.names, loan)
                        && let Some(of) = self.remediations.beside(loan.remediation)
                    {
                        of.loans.push(loan.id);
                    }
                }
                Record::Announce(it) => {
                    let id = self.id_at(it.at);
                    self.outbox.announce(id, it);
                }
                Record::Ended(alert) => self.alerts.end(alert),
                // Counted by metrics; a refusal is in a transition too.
                Record::Refusal { .. } | Record::NotOpened { .. } | Record::Action(_) | Record::Result(_) => {}
            }
        }
    }

    fn tell_story(&mut self, row: &TransitionRow) {
        self.saw(Some(row.at));
        let seq = self.number();
        if let Some(of) = self.remediations.beside(row.remediation_id) {
            let (what, detail) = (text(&row.what), value(&row.detail));
            of.steps.push(Step { seq, at: row.at, state: row.state, what, detail });
        }
    }

    /// What a late call says of itself, beside a row that says that nothing happened; false, and nothing is stored, when it
    /// says otherwise, is open still, or has been told already.
    pub(super) fn late(&mut self, action: ActionId, records: &[Record]) -> Result<bool, StoreError> {
        let Some(known) = self.actions.get(action) else { return Ok(false) };
        let given_up = matches!(known.row.result, Some(ActionResult::Failed | ActionResult::Unknown));
        if !given_up || known.verdicts.iter().any(|it| it.verdict == Verdict::Superseded) {
            return Ok(false);
        }
        self.check_records(records, &[])?;
        self.write_records(records);
        Ok(true)
    }
}
