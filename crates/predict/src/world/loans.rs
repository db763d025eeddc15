//! Loans: opened with the effect that lends, decided when they are due, as `engine`'s task does it.

use std::collections::{BTreeMap, HashMap};

use serde_json::json;
use uuid::Uuid;

use super::agenda::Wake;
use super::docker::{Docker, Sent};
use super::happening::{self, Happening, What};
use super::{Answered, World};
use fettle_core::decide::{Ask, Call, Event, LoanFacts, Looked, begin_return, return_loan};
use fettle_core::guard::admit;
use fettle_core::guard::ledger::LedgerAsk;
use fettle_core::remediation::loan::{Loan, LoanEnd, LoanState};
use fettle_core::remediation::record::Record;
use fettle_core::surroundings::OpenLoan;
use fettle_core::time::{Timestamp, after};

/// Those that are open, and when others were returned.
#[derive(Debug, Default)]
pub(super) struct Loans {
    open: BTreeMap<Uuid, Lent>,
    returned: HashMap<String, Vec<(String, Timestamp)>>,
}

#[derive(Debug)]
struct Lent {
    loan: Loan,
    target: String,
    due: Timestamp,
    /// When the call that returns it was sent.
    calling: Option<Timestamp>,
}

impl Loans {
    /// Open loans of this target or key, oldest first.
    pub(super) fn of(&self, target: &str, key: Option<&str>) -> Vec<OpenLoan> {
        let meant = |it: &&Lent| it.target == target || key.is_some_and(|key| it.loan.keys.iter().any(|it| it == key));
        let mut loans: Vec<&Lent> = self.open.values().filter(meant).collect();
        loans.sort_by_key(|it| (it.loan.opened_at, it.loan.id));
        let seen = |it: &Lent| OpenLoan {
            id: it.loan.id,
            remediation: it.loan.remediation,
            target: it.target.clone(),
            detail: it.loan.effect.describe(),
            due_at: it.due,
        };
        loans.into_iter().map(seen).collect()
    }

    /// Whether a loan of this target is open.
    pub(super) fn lends(&self, target: &str) -> bool {
        self.open.values().any(|it| it.target == target)
    }

    /// When loans of this target were last returned, by rule.
    pub(super) fn returned(&self, target: &str) -> &[(String, Timestamp)] {
        self.returned.get(target).map_or(&[], Vec::as_slice)
    }

    /// Loans that are being returned on one of these keys, and how many are being returned at all.
    pub(super) fn returning(&self, keys: &[String]) -> (Vec<Uuid>, u32) {
        let under_way = || self.open.values().filter(|it| matches!(it.loan.state, LoanState::Returning { .. }));
        let on = under_way().filter(|it| it.loan.keys.iter().any(|key| keys.contains(key)));
        (on.map(|it| it.loan.id.0).collect(), u32::try_from(under_way().count()).unwrap_or(u32::MAX))
    }
}

impl<D: Docker> World<D> {
    /// A loan as the remediation that lends wants it. What is over before it was opened was never one.
    pub(super) fn lend(&mut self, loan: &Loan) {
        let mut loan = loan.clone();
        match self.loans.open.remove(&loan.id.into()) {
            // Whoever voids a loan may know fewer of its keys than whoever opened it.
            Some(stands) if loan.keys.len() < stands.loan.keys.len() => loan.keys = stands.loan.keys,
            None if loan.due().is_none() => return,
            _ => {}
        }
        self.keep_loan(loan, None);
    }

    fn keep_loan(&mut self, loan: Loan, calling: Option<Timestamp>) {
        let Some(due) = loan.due() else {
            self.close_loan(&loan);
            return;
        };
        if calling.is_none() {
            self.agenda.put(due, Wake::Loan(loan.id.into()));
        }
        let target = loan.target.to_string();
        self.loans.open.insert(loan.id.into(), Lent { loan, target, due, calling });
    }

    fn close_loan(&mut self, loan: &Loan) {
        let LoanState::Closed { end, reason, at } = &loan.state else { return };
        if *end == LoanEnd::Returned {
            let returned = self.loans.returned.entry(loan.target.to_string()).or_default();
            match returned.iter_mut().find(|(rule, _)| *rule == loan.rule) {
                Some((_, last)) => *last = *at,
                None => returned.push((loan.rule.clone(), *at)),
            }
        }
        self.tell_loan(loan, What::LoanEnded { end: *end, reason: reason.clone() });
    }

    fn tell_loan(&mut self, loan: &Loan, what: What) {
        let (remediation, rule, target) = (loan.remediation, loan.rule.clone(), loan.target.to_string());
        self.happened.push(Happening { at: self.now, remediation, rule, target, what });
    }

    pub(super) fn loan_due(&mut self, id: Uuid) {
        if self.loans.open.get(&id).is_some_and(|it| it.calling.is_none() && it.due <= self.now) {
            self.decide_loan(id, Event::Due);
        }
    }

    /// The call that returns it is over.
    pub(super) fn loan_answered(&mut self, id: Uuid) {
        let Some(lent) = self.loans.open.get_mut(&id) else { return };
        let Some(started_at) = lent.calling.take() else { return };
        let loan = lent.loan.clone();
        let LoanState::Returning { attempt, .. } = &loan.state else { return };
        let sent = Sent { about: id, rule: &loan.rule, target: &loan.target, attempt };
        let Answered { answer, touched } = self.docker.answer(sent, self.now);
        let after = self.docker.look(&loan.target, &attempt.pin, self.now);
        let detail = if touched.is_object() { touched } else { json!({}) };
        self.decide_loan(id, Event::Returned(Call { started_at, detail, answer, after, short: None }));
    }

    fn decide_loan(&mut self, id: Uuid, mut event: Event) {
        let Some(Lent { mut loan, .. }) = self.loans.open.remove(&id) else { return };
        let settings = self.settings.clone();
        let was_returning = matches!(loan.state, LoanState::Returning { .. });
        let mut records = Vec::new();
        loop {
            let alerts = self.alerts.of_loan(&loan.rule, &loan.target.to_string());
            let (pauses, now, new_id) = (self.standing_pauses(), self.now, self.new_id());
            let facts = LoanFacts { alerts: &alerts, pauses: &pauses, settings: &settings, now, new_id };
            let decision = return_loan(loan, &facts, event);
            loan = decision.loan;
            records.extend(decision.records);
            event = match decision.ask {
                Ask::Find(wanted) => Event::Found(self.docker.find(&loan.target, wanted, now)),
                Ask::Look { target, pin, .. } => {
                    Event::Looked(Looked { target: self.docker.look(&target, &pin, now), metric: None })
                }
                Ask::Admit(request) => {
                    // The remediation that lent is like any other here: while it acts or judges, its loan is not returned.
                    let ask = LedgerAsk { remediation: Uuid::nil().into(), ..request.ask.clone() };
                    let ledger = self.read_ledger(&ask);
                    match admit(&request, &[ledger]) {
                        Err(refusal) => Event::Refused(refusal),
                        Ok(admitted) => {
                            let (begun, rows) = begin_return(loan, admitted);
                            records.extend(rows);
                            self.write_loan_records(&begun, &records);
                            self.call_back(begun);
                            return;
                        }
                    }
                }
                // Never asked about a loan: it proposes nothing and has no dependents.
                Ask::Nothing | Ask::Peek(_) | Ask::Perform => break,
            };
        }
        debug_assert!(
            was_returning || !matches!(loan.state, LoanState::Returning { .. }),
            "a return is admitted first"
        );
        self.write_loan_records(&loan, &records);
        self.keep_loan(loan, None);
    }

    fn write_loan_records(&mut self, loan: &Loan, records: &[Record]) {
        for record in records {
            let told = match record {
                Record::Action(row) => {
                    self.ledger.act(row);
                    Some(happening::of_row(row))
                }
                Record::Result(row) => {
                    self.ledger.end(row);
                    happening::of(record)
                }
                other => happening::of(other),
            };
            if let Some(what) = told {
                self.tell_loan(loan, what);
            }
        }
    }

    fn call_back(&mut self, loan: Loan) {
        if let LoanState::Returning { attempt, .. } = &loan.state {
            let sent = Sent { about: loan.id.into(), rule: &loan.rule, target: &loan.target, attempt };
            let takes = self.docker.send(sent, self.now);
            self.agenda.put(after(self.now, takes), Wake::LoanAnswer(loan.id.into()));
        }
        self.keep_loan(loan, Some(self.now));
    }
}
