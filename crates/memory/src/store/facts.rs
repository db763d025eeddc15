//! What is the case around a remediation or a loan: everything a decision is made from, from one state.

use std::collections::BTreeSet;

use fettle_core::alert::episode::AlertState;
use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::alert::labels::Labels;
use fettle_core::id::RemediationId;
use fettle_core::ports::common::RELATED_MAX;
use fettle_core::ports::model::{Facts, FactsAsk, LoanFacts, LoanFactsAsk, Standing};
use fettle_core::remediation::loan::Loan;
use fettle_core::surroundings::{Answer, OpenLoan, Surroundings};
use fettle_core::text;
use fettle_core::time::Timestamp;

use super::alerts::Alert;
use super::{Rows, clean};

impl Rows {
    /// The alerts attached to an open remediation.
    pub(super) fn attached(&self, remediation: RemediationId) -> Vec<AlertState> {
        let alerts = self.remediations.get(remediation).map(|row| &row.doc.alerts);
        let alerts = alerts.into_iter().flatten().filter_map(|it| self.alerts.get(*it));
        let attached = |it: &&Alert| it.is_of(remediation, |candidate| candidate.standing == Standing::Attached);
        alerts.filter(attached).map(|it| it.state.clone()).collect()
    }

    pub(super) fn facts(&self, ask: &FactsAsk) -> Facts {
        let key = ask.key.as_deref().map(text::clean);
        let loans = self.loans.open_on(&text::clean(&ask.target), key.as_deref());
        Facts {
            alerts: self.attached(ask.remediation),
            surroundings: Surroundings {
                pauses: self.pauses.standing(ask.now),
                storm: self.storm,
                breaker: self.breaker(&ask.rule, ask.unproven_since),
                loans: loans.into_iter().filter_map(open_loan).collect(),
                related: self.related(&ask.unless, ask.unless_since),
                answer: self.last_answer(ask.remediation),
                ..Surroundings::default()
            },
        }
    }

    /// The alerts of every remediation of this rule and target: a later one may have taken over what fires by now.
    pub(super) fn loan_facts(&self, ask: &LoanFactsAsk) -> LoanFacts {
        let (target, rule) = (text::clean(&ask.target), text::clean(&ask.rule));
        let of_rule = self.remediations.of_target(&target).filter(|(_, row)| *row.doc.rule == *rule);
        let alerts: BTreeSet<Fingerprint> = of_rule.flat_map(|(_, row)| row.doc.alerts.iter().copied()).collect();
        let alerts = alerts.into_iter().filter_map(|it| self.alerts.get(it));
        LoanFacts { alerts: alerts.map(|it| it.state.clone()).collect(), pauses: self.pauses.standing(ask.now) }
    }

    fn last_answer(&self, remediation: RemediationId) -> Option<Answer> {
        let answers = self.remediations.get(remediation)?.doc.answers.iter().map(|given| &given.answer);
        answers.max_by_key(|it| (it.at, it.id)).cloned()
    }

    /// Firing alerts that one of the rule's `unless` could mean, each once.
    fn related(&self, unless: &[Labels], since: Timestamp) -> Vec<AlertState> {
        let most = usize::try_from(RELATED_MAX).unwrap_or(usize::MAX);
        let mut related: Vec<&AlertState> = Vec::new();
        for meant in unless {
            let meant = clean::labels(meant);
            let could_mean = |it: &&AlertState| {
                it.firing
                    && it.evidence_at >= since
                    && meant.iter().all(|(name, value)| it.labels.find(name) == Some(value))
            };
            match meant.find("alertname") {
                Some(name) => related.extend(self.alerts.named(name).map(|it| &it.state).filter(could_mean).take(most)),
                None => related.extend(self.alerts.firing().map(|it| &it.state).filter(could_mean).take(most)),
            }
        }
        related.sort_by_key(|alert| alert.fingerprint);
        related.dedup_by_key(|alert| alert.fingerprint);
        related.into_iter().take(most).cloned().collect()
    }
}

/// As other remediations see it.
pub(super) fn open_loan(loan: &Loan) -> Option<OpenLoan> {
    Some(OpenLoan {
        id: loan.id,
        remediation: loan.remediation,
        target: clean::text(&loan.target.to_string()),
        detail: loan.effect.describe(),
        due_at: loan.due()?,
    })
}
