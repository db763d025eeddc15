//! How things stand now, for metrics, health and predictions.

use std::collections::BTreeMap;

use async_trait::async_trait;
use fettle_core::alert::episode::AlertState;
use fettle_core::id::RemediationId;
use fettle_core::ports::model::Spent;
use fettle_core::ports::{Standing, StoreError};
use fettle_core::remediation::record::ActionRow;
use fettle_core::remediation::state::Remediation;
use fettle_core::rule::model::Mode;
use fettle_core::surroundings::{Breaker, Pause, Storm};
use fettle_core::time::Timestamp;

use super::{Process, Rows};

impl Rows {
    fn all_breakers(&self, since: Timestamp) -> Vec<(String, Breaker)> {
        self.breakers.keys().map(|rule| (rule.to_string(), self.breaker(rule, since))).collect()
    }

    /// Effects that count, newest first.
    fn spent(&self, since: Timestamp) -> Vec<Spent> {
        let rows = self.actions.spent().take_while(|row| row.planned_at >= since).filter(|row| row.mode == Mode::Act);
        let spent =
            |row: &ActionRow| Spent { rule: row.rule.clone(), target: row.target.clone(), planned_at: row.planned_at };
        rows.map(spent).collect()
    }

    fn open_by_state(&self) -> Vec<(String, u64)> {
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for row in self.open() {
            *counts.entry(row.doc.remediation.state_name().as_str()).or_default() += 1;
        }
        counts.into_iter().map(|(state, count)| (state.to_owned(), count)).collect()
    }
}

#[async_trait]
impl Standing for Process {
    async fn remediation(&self, id: RemediationId) -> Result<Option<Remediation>, StoreError> {
        self.read("read a remediation", |rows| rows.remediations.get(id).map(|row| (*row.doc.remediation).clone()))
    }

    async fn attached(&self, remediation: RemediationId) -> Result<Vec<AlertState>, StoreError> {
        self.read("read the attached alerts", |rows| rows.attached(remediation))
    }

    async fn pauses(&self, now: Timestamp) -> Result<Vec<Pause>, StoreError> {
        self.read("read the pauses", |rows| rows.pauses.standing(now))
    }

    async fn breakers(&self, since: Timestamp) -> Result<Vec<(String, Breaker)>, StoreError> {
        self.read("read the breakers", |rows| rows.all_breakers(since))
    }

    async fn storm(&self) -> Result<Option<Storm>, StoreError> {
        self.read("ask for the storm", Rows::storm)
    }

    async fn spent(&self, since: Timestamp) -> Result<Vec<Spent>, StoreError> {
        self.read("read what was spent", |rows| rows.spent(since))
    }

    async fn open_by_state(&self) -> Result<Vec<(String, u64)>, StoreError> {
        self.read("count open remediations", Rows::open_by_state)
    }
}
