//! What is on record of a period, for whoever goes through it again; read beside the processes that write it.

use std::sync::Arc;

use async_trait::async_trait;
use fettle_core::id::{ActionId, NotificationId, RemediationId};
use fettle_core::ports::StoreError;
use fettle_core::ports::history::{
    Extent, History, PastAction, PastAnswer, PastPause, PastRemediation, PastStep, Period,
};
use fettle_core::ports::model::StoredNotification;
use fettle_core::time::Timestamp;

use super::{Action, Memory, Paused, RemediationRow, Row, Rows, inbox};

/// Bytes of bodies in one page.
const PAGE_MAX: usize = 8 << 20;

/// The record in a [`Memory`].
#[derive(Debug, Clone)]
pub struct OnRecord(pub(super) Arc<Memory>);

fn at_most(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

fn remediation(row: &Row<RemediationRow>) -> PastRemediation {
    let it = &row.doc.remediation;
    PastRemediation {
        id: it.id,
        rule: row.doc.rule.to_string(),
        target: row.doc.target.to_string(),
        opened_at: it.opened_at,
        closed_at: it.closed_at(),
        state: it.state_name(),
        outcome: it.outcome(),
    }
}

fn action(action: &Action) -> PastAction {
    let row = &action.row;
    PastAction {
        id: row.id,
        remediation: row.remediation_id,
        rule: row.rule.clone(),
        action: row.action.to_owned(),
        target: row.target.clone(),
        result: row.result,
        reason: row.reason.clone(),
        verdict: action.verdicts.first().map(|it| it.verdict),
        planned_at: row.planned_at,
        finished_at: row.finished_at,
        step: row.step,
    }
}

fn pause(it: &Paused) -> PastPause {
    let pause = &it.pause;
    PastPause {
        scope: pause.scope.clone(),
        reason: pause.reason.clone(),
        by: pause.by.clone(),
        at: pause.at,
        until: it.over_at(),
    }
}

impl Rows {
    /// Blocks and questions, in order.
    fn steps(&self, period: Period, after: i64, limit: usize) -> Vec<PastStep> {
        let asks = |what: &str| what.starts_with("blocked by ") || what == "approval asked for";
        let number = |seq: u64| i64::try_from(seq).unwrap_or(i64::MAX);
        let all = self.remediations().flat_map(|row| {
            let steps = row.doc.steps.iter().filter(|step| period.has(step.at) && asks(&step.what));
            steps.map(|step| PastStep {
                seq: number(step.seq),
                remediation: row.doc.remediation.id,
                at: step.at,
                what: step.what.clone(),
            })
        });
        let mut steps: Vec<PastStep> = all.filter(|step| step.seq > after).collect();
        steps.sort_unstable_by_key(|step| step.seq);
        steps.truncate(limit);
        steps
    }

    /// By when they were given.
    fn past_answers(&self, period: Period) -> Vec<PastAnswer> {
        let mut answers: Vec<_> = self
            .remediations()
            .flat_map(|row| row.doc.answers.iter().map(|given| (row.doc.remediation.id, &given.answer)))
            .filter(|(_, it)| period.has(it.at))
            .collect();
        answers.sort_unstable_by_key(|(_, it)| (it.at, it.id));
        let past = |(remediation, it): (RemediationId, &fettle_core::surroundings::Answer)| PastAnswer {
            remediation,
            kind: it.kind,
            by: it.by.clone(),
            at: it.at,
        };
        answers.into_iter().map(past).collect()
    }
}

#[async_trait]
impl History for OnRecord {
    async fn extent(&self, period: Period) -> Result<Extent, StoreError> {
        let count = |rows: &Rows| {
            let of_period = rows
                .inbox
                .of(period)
                .fold((0, 0), |(notifications, alerts), it| (notifications + 1, alerts + u64::from(it.alerts)));
            Extent { notifications: of_period.0, alerts: of_period.1 }
        };
        Ok(self.0.rows(count))
    }

    async fn notifications(
        &self,
        period: Period,
        after: Option<(Timestamp, NotificationId)>,
        limit: u32,
    ) -> Result<Vec<StoredNotification>, StoreError> {
        Ok(self.0.rows(|rows| {
            let later = rows.inbox.of(period).filter(|it| after.is_none_or(|after| (it.received_at, it.id) > after));
            inbox::page(later.take(at_most(limit)), PAGE_MAX)
        }))
    }

    async fn remediations(
        &self,
        period: Period,
        after: Option<RemediationId>,
        limit: u32,
    ) -> Result<Vec<PastRemediation>, StoreError> {
        Ok(self.0.rows(|rows| {
            let past = rows.remediations().map(remediation);
            let meant = |it: &PastRemediation| period.has(it.opened_at) && after.is_none_or(|after| it.id > after);
            past.filter(meant).take(at_most(limit)).collect()
        }))
    }

    async fn actions(
        &self,
        period: Period,
        after: Option<ActionId>,
        limit: u32,
    ) -> Result<Vec<PastAction>, StoreError> {
        Ok(self.0.rows(|rows| {
            let meant = |it: &&Action| period.has(it.row.planned_at) && after.is_none_or(|after| it.row.id > after);
            rows.actions().filter(meant).take(at_most(limit)).map(action).collect()
        }))
    }

    async fn steps(&self, period: Period, after: i64, limit: u32) -> Result<Vec<PastStep>, StoreError> {
        Ok(self.0.rows(|rows| rows.steps(period, after, at_most(limit))))
    }

    async fn pauses(&self, period: Period) -> Result<Vec<PastPause>, StoreError> {
        Ok(self.0.rows(|rows| {
            let stood = |it: &&Paused| {
                it.pause.at < period.to
                    && it.ended.as_ref().is_none_or(|(at, _)| *at > period.from)
                    && it.pause.until.is_none_or(|until| until > period.from)
            };
            let mut pauses: Vec<&Paused> = rows.pauses().filter(stood).collect();
            pauses.sort_by_key(|it| (it.pause.at, it.pause.id));
            pauses.into_iter().map(pause).collect()
        }))
    }

    async fn answers(&self, period: Period) -> Result<Vec<PastAnswer>, StoreError> {
        Ok(self.0.rows(|rows| rows.past_answers(period)))
    }

    async fn close(&self) {}
}
