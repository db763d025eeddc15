//! Work on remediations and on loans: claimed by lease, committed by compare and set.

use async_trait::async_trait;
use fettle_core::id::{ActionId, RemediationId, ReplicaId};
use fettle_core::ports::model::{
    Admission, Claim, Claimed, Commit, Facts, FactsAsk, Judged, Ledger, LedgerAsk, LoanFacts, LoanFactsAsk, Stored,
};
use fettle_core::ports::{Effects, Effort, Judge, StoreError, Work};
use fettle_core::remediation::loan::Loan;
use fettle_core::remediation::record::Record;
use fettle_core::remediation::state::Remediation;
use fettle_core::time::Timestamp;

use super::{Process, Rows};

const ADMIT: &str = "admit an effect";
const COMMIT: &str = "store a decision";

impl Rows {
    /// Stores a decision about a remediation, or nothing when the claim was lost.
    fn commit(&mut self, claim: &Claim, commit: &Commit<Remediation>) -> Result<Option<Stored>, StoreError> {
        let held = self.remediations.get(commit.effort.id).is_some_and(|row| row.is_held_by(claim));
        if !held || claim.id != commit.effort.id.into() {
            return Ok(None);
        }
        self.check_records(&commit.records, &[])?;
        self.saw(commit.effort.closed_at());
        self.remediations.store(&mut self.names, claim, &commit.effort, commit.keep_until);
        self.write_records(&commit.records);
        let waiting = match commit.effort.outcome() {
            Some(_) => self.settle(&commit.effort),
            None => Vec::new(),
        };
        Ok(Some(Stored { claim: Claim { version: claim.version + 1, ..claim.clone() }, waiting }))
    }

    /// A remediation was closed: what becomes of its alerts, and who waited for the target.
    fn settle(&mut self, closed: &Remediation) -> Vec<fettle_core::alert::episode::AlertState> {
        let Some(row) = self.remediations.get(closed.id) else { return Vec::new() };
        for fingerprint in &row.doc.alerts {
            self.alerts.settle(*fingerprint, closed);
        }
        self.alerts.waiting_for(&row.doc.target).into_iter().map(|it| it.state.clone()).collect()
    }

    /// Stores a decision about a loan, or nothing when the claim was lost.
    fn commit_loan(&mut self, claim: &Claim, commit: &Commit<Loan>) -> Result<Option<Stored>, StoreError> {
        let held = self.loans.get(commit.effort.id).is_some_and(|row| row.is_held_by(claim));
        if !held || claim.id != commit.effort.id.into() {
            return Ok(None);
        }
        self.check_records(&commit.records, &[])?;
        self.loans.store(&mut self.names, claim, &commit.effort, commit.keep_until);
        self.write_records(&commit.records);
        let claim = Claim { version: claim.version + 1, ..claim.clone() };
        Ok(Some(Stored { claim, waiting: Vec::new() }))
    }

    /// Asks `judge` and stores its commit, or nothing.
    fn admit<T: Effort>(
        &mut self,
        ledgers: &[Ledger],
        judge: Judge<'_, T>,
        commit: impl FnOnce(&mut Self, &Commit<T>) -> Result<Option<Stored>, StoreError>,
    ) -> Result<Admission<T>, StoreError> {
        Ok(match judge(ledgers) {
            Judged::Refuse(refusal) => Admission::Refused(refusal),
            Judged::Abandon => Admission::Abandoned,
            Judged::Store(wanted) => match commit(self, &wanted)? {
                Some(stored) => Admission::Admitted { stored, commit: wanted },
                None => Admission::Lost,
            },
        })
    }
}

#[async_trait]
impl Work<Remediation> for Process {
    async fn claim(
        &self,
        owner: ReplicaId,
        now: Timestamp,
        lease_until: Timestamp,
        limit: u32,
    ) -> Result<Vec<Claimed<Remediation>>, StoreError> {
        self.write("claim what is due", |rows| {
            let claimed = rows.remediations.claim(owner, now, lease_until, limit);
            let whole = claimed.into_iter();
            Ok(whole.map(|(claim, row)| Claimed { claim, effort: (*row.remediation).clone() }).collect())
        })
    }

    async fn next_due(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        self.read("ask what is due next", |rows| rows.remediations.rows().next_due(now))
    }

    async fn facts(&self, ask: &FactsAsk) -> Result<Facts, StoreError> {
        self.read("read the facts", |rows| rows.facts(ask))
    }

    async fn admit(
        &self,
        claim: &Claim,
        asks: &[&LedgerAsk],
        judge: Judge<'_, Remediation>,
    ) -> Result<Admission<Remediation>, StoreError> {
        self.write(ADMIT, |rows| {
            let ledgers = rows.ledgers(asks);
            rows.admit(&ledgers, judge, |rows, commit| rows.commit(claim, commit))
        })
    }

    async fn commit(&self, claim: &Claim, commit: &Commit<Remediation>) -> Result<Option<Stored>, StoreError> {
        self.write(COMMIT, |rows| rows.commit(claim, commit))
    }
}

#[async_trait]
impl Work<Loan> for Process {
    async fn claim(
        &self,
        owner: ReplicaId,
        now: Timestamp,
        lease_until: Timestamp,
        limit: u32,
    ) -> Result<Vec<Claimed<Loan>>, StoreError> {
        self.write("claim the loans that are due", |rows| {
            let claimed = rows.loans.claim(owner, now, lease_until, limit).into_iter();
            Ok(claimed.map(|(claim, loan)| Claimed { claim, effort: loan.clone() }).collect())
        })
    }

    async fn next_due(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        self.read("read when the next loan is due", |rows| rows.loans.rows().next_due(now))
    }

    async fn facts(&self, ask: &LoanFactsAsk) -> Result<LoanFacts, StoreError> {
        self.read("read what is around a loan", |rows| rows.loan_facts(ask))
    }

    /// While the remediation that made the loan acts or verifies, its loan is not returned.
    async fn admit(
        &self,
        claim: &Claim,
        asks: &[&LedgerAsk],
        judge: Judge<'_, Loan>,
    ) -> Result<Admission<Loan>, StoreError> {
        self.write(ADMIT, |rows| {
            let ledgers: Vec<Ledger> = asks.iter().map(|ask| rows.ledger(ask, RemediationId::nil())).collect();
            rows.admit(&ledgers, judge, |rows, commit| rows.commit_loan(claim, commit))
        })
    }

    async fn commit(&self, claim: &Claim, commit: &Commit<Loan>) -> Result<Option<Stored>, StoreError> {
        self.write(COMMIT, |rows| rows.commit_loan(claim, commit))
    }
}

#[async_trait]
impl Effects for Process {
    async fn peek(&self, asks: &[&LedgerAsk]) -> Result<Vec<Ledger>, StoreError> {
        self.read("read the ledger", |rows| rows.ledgers(asks))
    }

    async fn late(&self, action: ActionId, records: &[Record]) -> Result<bool, StoreError> {
        self.write("record a late call", |rows| rows.late(action, records))
    }
}
