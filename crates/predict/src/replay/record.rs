//! What is on record of the period that is replayed: what was found of targets, what effects gave, what people did, and the
//! remediations to compare with.

use std::collections::HashMap;
use std::time::Duration;

use super::effort::{Act, Effort, Waits, action_name};
use fettle_core::id::RemediationId;
use fettle_core::ports::StoreError;
use fettle_core::ports::history::{History, Period};
use fettle_core::remediation::outcome::{ActionResult, Verdict};
use fettle_core::remediation::refusal::Guard;
use fettle_core::surroundings::{AnswerKind, PauseScope};
use fettle_core::time::{Timestamp, after, since};

/// An effect of the replay is one of the record when it is the nearest within this time.
const NEAR: Duration = Duration::from_mins(10);

/// A look of the record holds from a little before it was decided: a replay decides at the very instant of the alert.
const EARLY: Duration = Duration::from_secs(10);

/// Rows in one page.
const PAGE: u32 = 2000;

/// Everything on record.
#[derive(Debug, Default)]
pub struct Record {
    pub(super) looks: HashMap<String, Vec<(Timestamp, Option<Guard>)>>,
    pub(super) acts: HashMap<(String, String, &'static str), Vec<PastAct>>,
    /// What people did, oldest first.
    pub deeds: Vec<(Timestamp, String, PastDeed)>,
    /// Every remediation, oldest first.
    pub efforts: Vec<Effort>,
    /// Candidates that waited for another rule's remediation.
    pub waits: Waits,
}

/// What a person did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PastDeed {
    /// Paused something.
    Pause(PauseScope, String, Option<Timestamp>),
    /// Ended that pause.
    Resume(PauseScope),
    /// Answered about the remediation of this target.
    Answer(AnswerKind, String),
}

/// What an effect gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PastAct {
    at: Timestamp,
    /// Did it happen?
    pub result: ActionResult,
    /// Did it help? `None`: nobody said.
    pub verdict: Option<Verdict>,
    /// How long it took.
    pub took: Duration,
    used: bool,
}

/// By instant, target and id: of one target, several may be opened at one instant, and a map has no order.
pub(super) fn in_order(efforts: HashMap<RemediationId, Effort>) -> Vec<Effort> {
    let mut efforts: Vec<_> = efforts.into_iter().collect();
    efforts.sort_by(|(a, of_a), (b, of_b)| (of_a.opened_at, &of_a.target, a).cmp(&(of_b.opened_at, &of_b.target, b)));
    efforts.into_iter().map(|(_, effort)| effort).collect()
}

impl Record {
    /// Reads a period.
    pub async fn read(history: &dyn History, period: Period) -> Result<Self, StoreError> {
        let mut record = Self::default();
        let mut efforts: HashMap<RemediationId, Effort> = HashMap::new();
        let mut last = None;
        loop {
            let page = history.remediations(period, last, PAGE).await?;
            let Some(end) = page.last() else { break };
            last = Some(end.id);
            for it in page {
                let mut effort = Effort::new(&it.rule, &it.target, it.opened_at);
                effort.outcome = it.outcome;
                effort.closed_at = it.closed_at;
                efforts.insert(it.id, effort);
            }
        }
        record.read_actions(history, period, &mut efforts).await?;
        record.read_steps(history, period, &mut efforts).await?;
        for pause in history.pauses(period).await? {
            let at = pause.at.max(period.from);
            if let Some(until) = pause.until {
                record.deeds.push((until, pause.by.clone(), PastDeed::Resume(pause.scope.clone())));
            }
            record.deeds.push((at, pause.by, PastDeed::Pause(pause.scope, pause.reason, pause.until)));
        }
        for answer in history.answers(period).await? {
            if let Some(effort) = efforts.get(&answer.remediation) {
                let target = effort.target.to_string();
                record.deeds.push((answer.at, answer.by, PastDeed::Answer(answer.kind, target)));
            }
        }
        record.deeds.sort_by_key(|(at, ..)| *at);
        record.efforts = in_order(efforts);
        record.efforts.iter_mut().for_each(|effort| effort.acts.sort_by_key(|act| act.at));
        record.looks.values_mut().for_each(|looks| looks.sort_by_key(|(at, _)| *at));
        record.acts.values_mut().for_each(|acts| acts.sort_by_key(|act| act.at));
        Ok(record)
    }

    async fn read_actions(
        &mut self,
        history: &dyn History,
        period: Period,
        efforts: &mut HashMap<RemediationId, Effort>,
    ) -> Result<(), StoreError> {
        let mut last = None;
        loop {
            let page = history.actions(period, last, PAGE).await?;
            let Some(end) = page.last() else { return Ok(()) };
            last = Some(end.id);
            for it in page {
                let action = action_name(&it.action);
                let guard = it.reason.as_deref().and_then(Guard::from_word);
                if it.result == Some(ActionResult::Refused) {
                    match guard {
                        Some(guard) if seen_by_a_look(guard) => self.look(&it.target, it.planned_at, Some(guard)),
                        // What is asked before the look says nothing of the target.
                        Some(Guard::Budget | Guard::Cooldown | Guard::Approval) => {
                            self.look(&it.target, it.planned_at, None);
                        }
                        _ => {}
                    }
                } else if action != "escalate" {
                    self.look(&it.target, it.planned_at, None);
                }
                if let Some(result @ (ActionResult::Succeeded | ActionResult::Failed | ActionResult::Unknown)) =
                    it.result
                {
                    let took = it.finished_at.map_or(Duration::ZERO, |at| since(at, it.planned_at));
                    let act = PastAct { at: it.planned_at, result, verdict: it.verdict, took, used: false };
                    self.acts.entry((it.rule.clone(), it.target.clone(), action)).or_default().push(act);
                }
                let Some(effort) = efforts.get_mut(&it.remediation) else { continue };
                if *it.rule != *effort.rule {
                    if let Some(guard) = guard {
                        self.waits.add(&it.rule, it.planned_at, guard);
                    }
                    continue;
                }
                let act = Act { at: it.planned_at, action, step: it.step, result: it.result, verdict: it.verdict };
                effort.row(act, guard);
            }
        }
    }

    async fn read_steps(
        &mut self,
        history: &dyn History,
        period: Period,
        efforts: &mut HashMap<RemediationId, Effort>,
    ) -> Result<(), StoreError> {
        let mut last = 0;
        loop {
            let page = history.steps(period, last, PAGE).await?;
            let Some(end) = page.last() else { return Ok(()) };
            last = end.seq;
            for step in page {
                let Some(effort) = efforts.get_mut(&step.remediation) else { continue };
                let blocked = step.what.strip_prefix("blocked by ").and_then(Guard::from_word);
                match blocked {
                    Some(guard) => {
                        effort.block(guard);
                        if seen_by_a_look(guard) {
                            let target = effort.target.to_string();
                            self.look(&target, step.at, Some(guard));
                        }
                    }
                    None => effort.asked += 1,
                }
            }
        }
    }

    pub(super) fn look(&mut self, target: &str, at: Timestamp, guard: Option<Guard>) {
        match self.looks.get_mut(target) {
            Some(looks) => looks.push((at, guard)),
            None => {
                self.looks.insert(target.to_owned(), vec![(at, guard)]);
            }
        }
    }

    /// What the record says of a target at an instant, by the last look before it, else by the first after it; `None`:
    /// nothing against it.
    pub(super) fn refused(&self, target: &str, now: Timestamp) -> Option<Guard> {
        let looks = self.looks.get(target)?;
        let so_far = looks.partition_point(|(at, _)| *at <= after(now, EARLY));
        looks.get(so_far.saturating_sub(1))?.1
    }

    /// What such an effect gave near that time; each of the record is used once.
    pub(super) fn act(&mut self, rule: &str, target: &str, action: &'static str, now: Timestamp) -> Option<PastAct> {
        let acts = self.acts.get_mut(&(rule.to_owned(), target.to_owned(), action))?;
        let far = |at: Timestamp| if at > now { since(at, now) } else { since(now, at) };
        let near = acts.iter_mut().filter(|act| !act.used && far(act.at) <= NEAR).min_by_key(|act| far(act.at))?;
        near.used = true;
        Some(*near)
    }
}

/// Whether a guard speaks of what a look at the target showed.
fn seen_by_a_look(guard: Guard) -> bool {
    matches!(
        guard,
        Guard::NoTarget
            | Guard::AmbiguousTarget
            | Guard::SwarmTask
            | Guard::NotEnabled
            | Guard::Protected
            | Guard::Stopped
            | Guard::NotScalable
            | Guard::HeldByLabel
            | Guard::MinHealthy
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remediations_of_one_target_and_instant_keep_the_order_of_their_ids() {
        let ids: Vec<RemediationId> = (1..50).map(|n| RemediationId::from(uuid::Uuid::from_u128(n))).collect();
        let effort = |id: &RemediationId| Effort::new(&id.to_string(), "container:local/web", Timestamp::UNIX_EPOCH);
        let efforts: HashMap<_, _> = ids.iter().rev().map(|id| (*id, effort(id))).collect();
        let rules: Vec<String> = in_order(efforts).iter().map(|it| it.rule.to_string()).collect();
        assert_eq!(rules, ids.iter().map(ToString::to_string).collect::<Vec<_>>());
    }
}
