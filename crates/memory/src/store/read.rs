//! Questions that change nothing: lists, one remediation's story.

use async_trait::async_trait;
use fettle_core::id::RemediationId;
use fettle_core::ports::view::{
    ActionFilter, ActionView, AlertFilter, AlertView, EventFilter, EventView, RemediationFilter, RemediationView, Story,
};
use fettle_core::ports::{Reading, StoreError};
use fettle_core::text::clean;

use super::{Action, Alert, Process, RemediationRow, Row, Rows, view};

fn at_most(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

impl Rows {
    fn list_remediations(&self, filter: &RemediationFilter) -> Vec<RemediationView> {
        let [state, rule, target] =
            [&filter.state, &filter.rule, &filter.target].map(|text| text.as_deref().map(clean));
        let meant = |row: &&Row<RemediationRow>| {
            let name = row.doc.remediation.state_name().as_str();
            state.as_deref().is_none_or(|state| name == state || (state == "open" && name != "closed"))
                && rule.as_deref().is_none_or(|rule| *row.doc.rule == *rule)
        };
        let view = |rows: &mut dyn Iterator<Item = &Row<RemediationRow>>| {
            rows.filter(meant).take(at_most(filter.limit)).map(view::remediation).collect()
        };
        match target {
            Some(target) => {
                let rows = self.remediations.of_target(&target).rev();
                let older = rows.filter(|(id, _)| filter.after.is_none_or(|after| *id < after));
                view(&mut older.map(|(_, row)| row))
            }
            None => view(&mut self.remediations.rows().before(filter.after).rev().map(|(_, row)| row)),
        }
    }

    fn list_actions(&self, filter: &ActionFilter) -> Vec<ActionView> {
        let [rule, target, result] =
            [&filter.rule, &filter.target, &filter.result].map(|text| text.as_deref().map(clean));
        let meant = |it: &&Action| {
            rule.as_deref().is_none_or(|rule| it.row.rule == rule)
                && target.as_deref().is_none_or(|target| it.row.target == target)
                && result.as_deref().is_none_or(|result| it.row.result.is_some_and(|it| it.as_str() == result))
                && filter.remediation.is_none_or(|id| it.row.remediation_id == id)
        };
        let rows = self.actions.before(filter.after).rev().filter(meant);
        rows.take(at_most(filter.limit)).map(view::action).collect()
    }

    fn list_alerts(&self, filter: &AlertFilter) -> Vec<AlertView> {
        let status = filter.status.as_deref().map(clean);
        let meant = |it: &&Alert| status.as_deref().is_none_or(|status| it.state.firing == (status == "firing"));
        let mut alerts: Vec<&Alert> = self.alerts.iter().filter(meant).collect();
        alerts.sort_by_key(|it| (std::cmp::Reverse(it.state.heard_at), it.state.fingerprint));
        let candidates = |it: &Alert| it.candidates.iter().map(|one| one.of(it.state.fingerprint)).collect();
        let view = |it: &Alert| AlertView::with_candidates(it.state.clone(), candidates(it));
        alerts.into_iter().take(at_most(filter.limit)).map(view).collect()
    }

    fn story(&self, id: RemediationId) -> Option<Story> {
        let row = self.remediations.get(id)?;
        let mut actions: Vec<&Action> = row.doc.actions.iter().filter_map(|id| self.actions.get(*id)).collect();
        actions.sort_unstable_by_key(|it| (it.row.planned_at, it.row.id));
        let mut alerts: Vec<&Alert> = row.doc.alerts.iter().filter_map(|it| self.alerts.get(*it)).collect();
        alerts.sort_by_key(|it| (it.state.first_at, it.state.fingerprint));
        // An alert is there once for each rule whose candidate speaks of it.
        let times = |it: &Alert| it.candidates.iter().filter(|candidate| candidate.remediation == Some(id)).count();
        let alerts = alerts.into_iter().flat_map(|it| std::iter::repeat_n(it, times(it)));
        Some(Story {
            remediation: view::remediation(row),
            timeline: row.doc.steps.iter().map(view::step).collect(),
            actions: actions.iter().map(|it| view::action(it)).collect(),
            verdicts: view::verdicts(&actions),
            alerts: alerts.map(|it| it.state.clone().into()).collect(),
        })
    }
}

#[async_trait]
impl Reading for Process {
    async fn remediations(&self, filter: &RemediationFilter) -> Result<Vec<RemediationView>, StoreError> {
        self.read("list remediations", |rows| rows.list_remediations(filter))
    }

    async fn story(&self, id: RemediationId) -> Result<Option<Story>, StoreError> {
        self.read("read a remediation's story", |rows| rows.story(id))
    }

    async fn actions(&self, filter: &ActionFilter) -> Result<Vec<ActionView>, StoreError> {
        self.read("list actions", |rows| rows.list_actions(filter))
    }

    async fn alerts(&self, filter: &AlertFilter) -> Result<Vec<AlertView>, StoreError> {
        self.read("list alerts", |rows| rows.list_alerts(filter))
    }

    async fn events(&self, filter: &EventFilter) -> Result<Vec<EventView>, StoreError> {
        self.list_events(filter)
    }
}
