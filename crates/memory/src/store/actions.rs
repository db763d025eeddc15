//! Audit rows and the verdicts on them, filed by what budgets, cooldown, exclusion and breakers count.
//!
//! Always holds: a row gets its result once and is not changed otherwise; what gave its budget back never spends again.
//! Verdicts are only appended.

use std::collections::{BTreeMap, BTreeSet};

use fettle_core::id::ActionId;
use fettle_core::ports::common::merged;
use fettle_core::remediation::outcome::Verdict;
use fettle_core::remediation::record::{ActionRow, ResultRow, VerdictRow};
use fettle_core::rule::model::Mode;
use fettle_core::time::Timestamp;

use super::clean::{labels, text, text_opt, value};
use super::filed::{Filed, Names};

/// An audit row.
#[derive(Debug, Clone)]
pub struct Action {
    /// The row, with its result once it has one.
    pub row: ActionRow,
    /// The verdicts on it, oldest first.
    pub verdicts: Vec<Judged>,
}

/// A verdict on an audit row.
#[derive(Debug, Clone)]
pub struct Judged {
    /// Rises with every verdict on any row.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// Did it help?
    pub verdict: Verdict,
    /// Why.
    pub reason: String,
    /// Whether the rule's breaker counts it.
    pub is_unproven: bool,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Actions {
    rows: BTreeMap<ActionId, Box<Action>>,
    planned: BTreeSet<(Timestamp, ActionId)>,
    spent: BTreeSet<(Timestamp, ActionId)>,
    spent_by_rule: Filed<ActionId>,
    spent_on_target: Filed<ActionId>,
    spent_on_key: Filed<ActionId>,
    /// Those without a result, by key.
    under_way: Filed<ActionId>,
    /// Verdicts that proved nothing, by rule.
    unproven: Filed<u64>,
}

impl Actions {
    pub(super) fn get(&self, id: ActionId) -> Option<&Action> {
        self.rows.get(&id).map(|action| &**action)
    }

    /// By id.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Action> {
        self.rows.values().map(|action| &**action)
    }

    /// Those before `end`, by id.
    pub(super) fn before(&self, end: Option<ActionId>) -> impl DoubleEndedIterator<Item = &Action> {
        let end = end.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        self.rows.range((std::ops::Bound::Unbounded, end)).map(|(_, action)| &**action)
    }

    /// When the newest was planned.
    pub(super) fn newest(&self) -> Option<Timestamp> {
        self.planned.last().map(|(at, _)| *at)
    }

    fn all<'a>(&'a self, ids: impl Iterator<Item = (Timestamp, ActionId)> + 'a) -> impl Iterator<Item = &'a ActionRow> {
        ids.filter_map(|(_, id)| self.rows.get(&id)).map(|action| &action.row)
    }

    /// Those that spend, newest first.
    pub(super) fn spent(&self) -> impl Iterator<Item = &ActionRow> {
        self.all(self.spent.iter().rev().copied())
    }

    /// Those of a rule that spend, newest first.
    pub(super) fn spent_by<'a>(&'a self, rule: &str) -> impl Iterator<Item = &'a ActionRow> + use<'a> {
        self.all(self.spent_by_rule.of(rule).rev())
    }

    /// Those on a target, by either of its names, that spend; newest first, each once.
    pub(super) fn spent_on<'a>(&'a self, target: &str, key: &str) -> impl Iterator<Item = &'a ActionRow> + use<'a> {
        let on_target = self.spent_on_target.of(target).rev();
        let on_key = self.spent_on_key.of(key).rev();
        self.all(super::filed::newest_of(on_target, on_key))
    }

    /// Those without a result on this key.
    pub(super) fn under_way<'a>(&'a self, key: &str) -> impl Iterator<Item = &'a ActionRow> + use<'a> {
        self.all(self.under_way.of(key))
    }

    /// When verdicts on a rule were given that proved nothing, newest first.
    pub(super) fn unproven<'a>(&'a self, rule: &str) -> impl Iterator<Item = Timestamp> + use<'a> {
        self.unproven.of(rule).rev().map(|(at, _)| at)
    }

    /// A new row.
    pub(super) fn insert(&mut self, names: &mut Names, row: &ActionRow) {
        let row = ActionRow {
            id: row.id,
            remediation_id: row.remediation_id,
            rule: text(&row.rule),
            action: row.action,
            target: text(&row.target),
            key: text_opt(row.key.as_deref()),
            host: text(&row.host),
            mode: row.mode,
            result: row.result,
            reason: text_opt(row.reason.as_deref()),
            actor: text(&row.actor),
            fingerprint: row.fingerprint,
            labels: labels(&row.labels),
            planned_at: row.planned_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
            attempt: row.attempt,
            step: row.step,
            detail: value(&row.detail),
            error: text_opt(row.error.as_deref()),
            spends: row.spends,
        };
        let (at, id) = (row.planned_at, row.id);
        self.planned.insert((at, id));
        if row.spends {
            self.spent.insert((at, id));
            self.spent_by_rule.put(&names.share(&row.rule), at, id);
            self.spent_on_target.put(&names.share(&row.target), at, id);
        }
        if let Some(key) = row.key.as_deref().map(|key| names.share(key)) {
            if row.spends {
                self.spent_on_key.put(&key, at, id);
            }
            if row.result.is_none() {
                self.under_way.put(&key, at, id);
            }
        }
        self.rows.insert(id, Box::new(Action { row, verdicts: Vec::new() }));
    }

    /// The result of a row that has none.
    pub(super) fn finish(&mut self, result: &ResultRow) {
        let Some(action) = self.rows.get_mut(&result.action_id) else { return };
        let row = &mut action.row;
        row.result = Some(result.result);
        row.reason = text_opt(result.reason.as_deref());
        row.started_at = result.started_at;
        row.finished_at = Some(result.finished_at);
        row.error = text_opt(result.error.as_deref());
        row.detail = value(&merged(std::mem::take(&mut row.detail), &result.detail));
        let gives_back = std::mem::replace(&mut row.spends, result.spends) && !result.spends;
        let (id, at) = (row.id, row.planned_at);
        if let Some(key) = &row.key {
            self.under_way.take(key, at, id);
        }
        if gives_back {
            self.spent.remove(&(at, id));
            self.spent_by_rule.take(&row.rule, at, id);
            self.spent_on_target.take(&row.target, at, id);
            row.key.iter().for_each(|key| self.spent_on_key.take(key, at, id));
        }
    }

    /// A verdict; `about`: the target of the remediation that acted. What was only observed says nothing, and a dependent
    /// shares the verdict of the target it depends on: only the target's own counts.
    pub(super) fn judge(&mut self, names: &mut Names, seq: u64, verdict: &VerdictRow, about: &str) {
        let Some(action) = self.rows.get_mut(&verdict.action_id) else { return };
        let row = &action.row;
        let is_unproven = verdict.verdict.proves_nothing() && row.mode != Mode::Observe && row.target == about;
        if is_unproven {
            self.unproven.put(&names.share(&row.rule), verdict.at, seq);
        }
        let reason = text(&verdict.reason);
        action.verdicts.push(Judged { seq, at: verdict.at, verdict: verdict.verdict, reason, is_unproven });
    }

    /// A row goes with its verdicts; how many rows that is.
    pub(super) fn remove(&mut self, id: ActionId) -> u64 {
        let Some(action) = self.rows.remove(&id) else { return 0 };
        let Action { row, verdicts } = *action;
        self.planned.remove(&(row.planned_at, id));
        self.spent.remove(&(row.planned_at, id));
        self.spent_by_rule.take(&row.rule, row.planned_at, id);
        self.spent_on_target.take(&row.target, row.planned_at, id);
        if let Some(key) = &row.key {
            self.spent_on_key.take(key, row.planned_at, id);
            self.under_way.take(key, row.planned_at, id);
        }
        for verdict in verdicts.iter().filter(|it| it.is_unproven) {
            self.unproven.take(&row.rule, verdict.at, verdict.seq);
        }
        1 + verdicts.len() as u64
    }
}
