//! What decisions want written besides their own row.

use fettle_core::announcement::AnnouncementName;
use fettle_core::remediation::loan::Loan;
use fettle_core::remediation::record::{BreakerRow, Record};

use super::{Row, Store};
use crate::mutants::Mutant;

impl Store {
    pub(super) fn write_records(&mut self, records: &[Record]) {
        for record in records {
            match record {
                Record::Action(row) => {
                    self.note(row.planned_at);
                    if row.result.is_none() && self.is(Mutant::IntentNotStored) {
                        continue;
                    }
                    self.actions.insert(row.id, (**row).clone());
                }
                Record::Result(row) => {
                    self.note(row.finished_at);
                    let Some(action) = self.actions.get_mut(&row.action_id) else { continue };
                    if self.mutant == Some(Mutant::ResultLost) {
                        continue;
                    }
                    action.result = Some(row.result);
                    action.reason.clone_from(&row.reason);
                    action.started_at = row.started_at;
                    action.finished_at = Some(row.finished_at);
                    action.spends = row.spends;
                }
                Record::Verdict { rule, row, .. } => {
                    self.note(row.at);
                    self.verdicts.push((rule.clone(), row.clone()));
                }
                Record::Transition(row) => self.note(row.at),
                Record::Event(row) => self.note(row.at),
                Record::Refusal { .. } => {}
                Record::Announce(it) => {
                    let taken_back = it.name == AnnouncementName::Working && it.until <= it.at;
                    if !(taken_back && self.is(Mutant::WorkingNotWithdrawn)) {
                        self.outbox.insert((it.remediation, it.name.as_str()), (**it).clone());
                    }
                }
                Record::Loan(loan) => self.write_loan(loan),
                Record::Breaker(row) => self.write_breaker(row),
                Record::Ended(seen) => {
                    if let Some(alert) = self.alerts.get_mut(&seen.fingerprint)
                        && (alert.firing && !seen.firing && alert.episode == seen.episode)
                        && alert.heard_at <= seen.heard_at
                    {
                        *alert = (**seen).clone();
                    }
                }
            }
        }
    }

    fn write_loan(&mut self, loan: &Loan) {
        if self.is(Mutant::LoanForgotten) {
            return;
        }
        let due = loan.due();
        match self.loans.get_mut(&loan.id) {
            // What is over stays as it is.
            Some(row) if row.due.is_none() => {}
            Some(row) => {
                let keys = std::mem::take(&mut row.doc.keys);
                row.doc = Loan { keys, ..loan.clone() };
                row.due = due;
                row.version += 1;
                (row.owner, row.lease_until) = (None, None);
            }
            None => {
                let row = Row { doc: loan.clone(), version: 1, wakes: 0, due, owner: None, lease_until: None };
                self.loans.insert(loan.id, row);
            }
        }
    }

    /// What was decided before what stands says nothing any more.
    pub fn write_breaker(&mut self, row: &BreakerRow) {
        if self.breakers.get(&row.rule).is_some_and(|(stands, _)| row.at < stands.at) {
            return;
        }
        let closed_at =
            if row.opened_at.is_none() { Some(row.at) } else { self.breakers.get(&row.rule).and_then(|it| it.1) };
        self.breakers.insert(row.rule.clone(), (row.clone(), closed_at));
        self.note(row.at);
    }
}
