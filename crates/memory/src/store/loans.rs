//! Loans: opened and voided by the remediation that lends, claimed and returned by themselves.
//!
//! As with remediations, a loan is changed only by whoever holds its claim. The one exception is the remediation that lent
//! and found that nothing happened: it closes the loan whoever holds it, and that one's commit finds its claim lost.

use std::collections::BTreeSet;
use std::sync::Arc;

use fettle_core::id::{LoanId, ReplicaId};
use fettle_core::ports::common::loan_end;
use fettle_core::ports::model::Claim;
use fettle_core::remediation::loan::{Loan, LoanEnd, LoanState};
use fettle_core::text;
use fettle_core::time::Timestamp;

use super::clean;
use super::filed::{Filed, Last, Latest, Names, newest_of};
use super::lease::{Lease, Leased, Row};

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Lent {
    rows: Leased<LoanId, Loan>,
    /// Those that are open, by target as written and by each key.
    on_target: Filed<LoanId>,
    on_key: Filed<LoanId>,
    /// Those that are being brought back.
    returning: BTreeSet<LoanId>,
    /// When the last of each target and rule was brought back.
    returned: Latest<LoanId>,
}

impl Lent {
    pub(super) fn rows(&self) -> &Leased<LoanId, Loan> {
        &self.rows
    }

    pub(super) fn get(&self, id: LoanId) -> Option<&Row<Loan>> {
        self.rows.get(id)
    }

    /// Open ones of a target, by its name or by a key; in the order they were opened.
    pub(super) fn open_on(&self, target: &str, key: Option<&str>) -> Vec<&Loan> {
        let keyed = key.into_iter().flat_map(|key| self.on_key.of(key).rev());
        let mut ids: Vec<_> = newest_of(self.on_target.of(target).rev(), keyed).collect();
        ids.reverse();
        ids.into_iter().filter_map(|(_, id)| self.rows.get(id)).map(|row| &row.doc).collect()
    }

    /// Open ones on one of these keys; in the order they were opened.
    pub(super) fn open_on_keys(&self, keys: &[String]) -> impl Iterator<Item = &Loan> {
        let ids: BTreeSet<_> = keys.iter().flat_map(|key| self.on_key.of(&text::clean(key))).collect();
        ids.into_iter().filter_map(|(_, id)| self.rows.get(id)).map(|row| &row.doc)
    }

    /// How many are being brought back.
    pub(super) fn returning(&self) -> u32 {
        u32::try_from(self.returning.len()).unwrap_or(u32::MAX)
    }

    /// Those that are being brought back on one of these keys.
    pub(super) fn returning_on(&self, keys: &[String]) -> impl Iterator<Item = LoanId> {
        let on_it = move |loan: &&Loan| loan.keys.iter().any(|key| keys.iter().any(|it| *key == *text::clean(it)));
        self.returning.iter().filter_map(|id| self.rows.get(*id)).map(|row| &row.doc).filter(on_it).map(|it| it.id)
    }

    /// When the last of each rule of this target was brought back.
    pub(super) fn returned(&self, target: &str) -> impl Iterator<Item = (&Arc<str>, Timestamp)> {
        self.returned.of(target).iter().map(|last| (&last.rule, last.at))
    }

    /// As the remediation that lends wants it. A loan that is over before it was opened was never one; what is over stays as
    /// it is. Whoever voids a loan may know fewer of its keys than whoever opened it. Whether it is a new one.
    pub(super) fn write(&mut self, names: &mut Names, loan: &Loan) -> bool {
        let mut loan = clean::loan(loan);
        let is_over = loan_end(&loan).is_some();
        match self.rows.get(loan.id) {
            None if is_over => false,
            None => {
                self.rows.insert(loan.id, Row::new(loan.clone(), loan.due(), None));
                self.file(names, None, &loan);
                true
            }
            Some(row) if loan_end(&row.doc).is_some() => false,
            Some(row) => {
                if loan.keys.len() < row.doc.keys.len() {
                    loan.keys.clone_from(&row.doc.keys);
                }
                self.set(names, &loan, None);
                false
            }
        }
    }

    /// Set, where the comparison was done: the row is held by this claim.
    pub(super) fn store(&mut self, names: &mut Names, claim: &Claim, loan: &Loan, keep_until: Option<Timestamp>) {
        let keep_until = keep_until.filter(|_| loan_end(loan).is_none());
        let lease = keep_until.map(|until| Lease { owner: claim.owner, until });
        self.set(names, &clean::loan(loan), lease);
    }

    fn set(&mut self, names: &mut Names, loan: &Loan, lease: Option<Lease>) {
        let id = loan.id;
        let before = self.rows.change(id, |row| {
            row.version += 1;
            (row.due, row.lease) = (loan.due(), lease);
            std::mem::replace(&mut row.doc, loan.clone())
        });
        self.file(names, before.as_ref(), loan);
    }

    /// Files it by where it stands now.
    fn file(&mut self, names: &mut Names, before: Option<&Loan>, loan: &Loan) {
        if let Some(before) = before.filter(|it| loan_end(it).is_none()) {
            self.unfile(before);
        }
        match &loan.state {
            LoanState::Closed { end: LoanEnd::Returned, at, .. } => {
                let last = Last { rule: names.share(&loan.rule), at: *at, id: loan.id };
                self.returned.put(&names.share(&written(loan)), last);
            }
            LoanState::Closed { .. } => {}
            LoanState::Lent { .. } | LoanState::Returning { .. } => {
                self.on_target.put(&names.share(&written(loan)), loan.opened_at, loan.id);
                for key in &loan.keys {
                    self.on_key.put(&names.share(key), loan.opened_at, loan.id);
                }
                if matches!(loan.state, LoanState::Returning { .. }) {
                    self.returning.insert(loan.id);
                }
            }
        }
    }

    fn unfile(&mut self, loan: &Loan) {
        self.on_target.take(&written(loan), loan.opened_at, loan.id);
        for key in &loan.keys {
            self.on_key.take(key, loan.opened_at, loan.id);
        }
        self.returning.remove(&loan.id);
    }

    pub(super) fn claim(
        &mut self,
        owner: ReplicaId,
        now: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> Vec<(Claim, &Loan)> {
        self.rows.claim(owner, now, until, limit)
    }

    pub(super) fn release(&mut self, of: impl Fn(ReplicaId) -> bool) -> u64 {
        self.rows.release(of)
    }

    /// One that is over goes.
    pub(super) fn remove(&mut self, id: LoanId) {
        let Some(row) = self.rows.remove(id) else { return };
        self.unfile(&row.doc);
        self.returned.take(&written(&row.doc), id);
    }
}

/// Its target as written.
fn written(loan: &Loan) -> String {
    clean::text(&loan.target.to_string())
}
