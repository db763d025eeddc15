//! What earlier effects leave for the next one: rows in the order of their intents, found by rule, target and key.
//!
//! Always holds: an intent counts from the instant it is written; what lies further back than anything looks is forgotten.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use fettle_core::guard::ledger::{Ledger as Found, LedgerAsk, Scope, ScopeKind};
use fettle_core::receive::PastFix;
use fettle_core::remediation::outcome::Verdict;
use fettle_core::remediation::record::{ActionRow, BreakerRow, ResultRow, VerdictRow};
use fettle_core::rule::model::Mode;
use fettle_core::surroundings::Breaker;
use fettle_core::time::{Timestamp, before};

/// Verdicts of a rule's breaker at most, as many as the databases give.
const UNPROVEN_MAX: usize = 64;

/// Fixes that are kept before it is worth looking which could go.
const SWEEP_AT: usize = 4096;

/// The rows.
#[derive(Debug)]
pub(super) struct Ledger {
    rows: VecDeque<Row>,
    /// The number of the first row.
    first: u64,
    by_id: HashMap<Uuid, u64>,
    by_rule: HashMap<Arc<str>, VecDeque<u64>>,
    by_target: HashMap<Arc<str>, VecDeque<u64>>,
    by_key: HashMap<Arc<str>, VecDeque<u64>>,
    /// Who is at work on a key: remediations that run or verify, and effects without a result.
    busy: HashMap<Arc<str>, Vec<Uuid>>,
    running: u32,
    breakers: HashMap<Arc<str>, Circuit>,
    fixed: HashMap<Arc<str>, Vec<(String, PastFix)>>,
    keep: Option<Duration>,
    regress: Duration,
    sweep_at: usize,
}

#[derive(Debug)]
struct Row {
    id: Uuid,
    remediation: Uuid,
    rule: Arc<str>,
    target: Arc<str>,
    key: Option<Arc<str>>,
    mode: Mode,
    planned_at: Timestamp,
    finished_at: Option<Timestamp>,
    open: bool,
    spends: bool,
}

/// A rule's breaker with the verdicts that proved nothing, oldest first.
#[derive(Debug, Default)]
struct Circuit {
    at: Option<Timestamp>,
    opened_at: Option<Timestamp>,
    probe: Option<Uuid>,
    closed_at: Option<Timestamp>,
    unproven: VecDeque<Timestamp>,
}

impl Ledger {
    /// `keep`: how long rows can matter; `None` keeps all. `regress`: how long fixes can.
    pub(super) fn new(keep: Option<Duration>, regress: Duration) -> Self {
        Self {
            rows: VecDeque::new(),
            first: 0,
            by_id: HashMap::new(),
            by_rule: HashMap::new(),
            by_target: HashMap::new(),
            by_key: HashMap::new(),
            busy: HashMap::new(),
            running: 0,
            breakers: HashMap::new(),
            fixed: HashMap::new(),
            keep,
            regress,
            sweep_at: SWEEP_AT,
        }
    }

    /// From now on rows and fixes can matter as long as this, too.
    pub(super) fn need(&mut self, keep: Duration, regress: Duration) {
        self.keep = self.keep.map(|kept| kept.max(keep));
        self.regress = self.regress.max(regress);
    }

    /// How many rows are kept.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// A new audit row. One that refuses spends nothing and judges nothing: it is not kept.
    pub(super) fn act(&mut self, row: &ActionRow) {
        self.forget(row.planned_at);
        let number = self.first + self.rows.len() as u64;
        let rule = named(&mut self.by_rule, &row.rule, number);
        let target = named(&mut self.by_target, &row.target, number);
        let key = row.key.as_ref().map(|key| named(&mut self.by_key, key, number));
        let open = row.result.is_none();
        if let (true, Some(key)) = (open, &key) {
            self.busy.entry(key.clone()).or_default().push(row.remediation_id.into());
        }
        self.by_id.insert(row.id.into(), number);
        self.rows.push_back(Row {
            id: row.id.into(),
            remediation: row.remediation_id.into(),
            rule,
            target,
            key,
            mode: row.mode,
            planned_at: row.planned_at,
            finished_at: row.finished_at,
            open,
            spends: row.spends,
        });
    }

    /// The result of an intent.
    pub(super) fn end(&mut self, result: &ResultRow) {
        let Some(number) = self.by_id.get(&result.action_id.into()) else { return };
        let at = usize::try_from(number - self.first).unwrap_or(usize::MAX);
        let Some(row) = self.rows.get_mut(at) else { return };
        row.finished_at = Some(result.finished_at);
        row.spends = result.spends;
        if std::mem::take(&mut row.open)
            && let Some(key) = row.key.clone()
        {
            let remediation = row.remediation;
            self.leave(&key, remediation);
        }
    }

    fn leave(&mut self, key: &str, who: Uuid) {
        if let Some(busy) = self.busy.get_mut(key) {
            if let Some(at) = busy.iter().position(|it| *it == who) {
                busy.swap_remove(at);
            }
            if busy.is_empty() {
                self.busy.remove(key);
            }
        }
    }

    /// A remediation works on a key from now on, or not any more.
    pub(super) fn works(&mut self, who: Uuid, before: Option<&str>, now: Option<&str>) {
        if before == now {
            return;
        }
        if let Some(key) = before {
            self.leave(key, who);
        }
        if let Some(key) = now {
            self.busy.entry(key.into()).or_default().push(who);
        }
    }

    /// One more effect is under way, or one less.
    pub(super) fn runs(&mut self, before: bool, now: bool) {
        self.running = self.running + u32::from(now) - u32::from(before);
    }

    /// A verdict: the rule's breaker may count it, and a fix that came back is one.
    pub(super) fn judge(&mut self, rule: &str, target: &str, row: &VerdictRow) {
        if row.verdict == Verdict::Regressed {
            let fixes = self.fixed.get_mut(target).into_iter().flatten();
            fixes.filter(|(_, fix)| fix.action == row.action_id).for_each(|(_, fix)| fix.regressed = true);
        }
        if !row.verdict.proves_nothing() {
            return;
        }
        let known = self.by_id.get(&row.action_id.into());
        let action = known.and_then(|number| self.rows.get(usize::try_from(number - self.first).ok()?));
        // What was only observed says nothing, and a dependent shares the verdict of what it depends on.
        if action.is_some_and(|it| it.mode == Mode::Observe || &*it.target != target) {
            return;
        }
        let unproven = &mut self.breakers.entry(rule.into()).or_default().unproven;
        if unproven.len() == UNPROVEN_MAX {
            unproven.pop_front();
        }
        unproven.push_back(row.at);
    }

    /// The target of an audit row, as written.
    pub(super) fn target_of(&self, action: Uuid) -> Option<String> {
        let number = self.by_id.get(&action)?;
        let row = self.rows.get(usize::try_from(number - self.first).ok()?)?;
        Some(row.target.to_string())
    }

    /// What a decision does to a breaker; what was decided before what stands says nothing any more.
    pub(super) fn switch(&mut self, row: &BreakerRow) {
        let circuit = self.breakers.entry(row.rule.as_str().into()).or_default();
        if circuit.at.is_some_and(|at| row.at < at) {
            return;
        }
        circuit.at = Some(row.at);
        circuit.opened_at = row.opened_at;
        circuit.probe = row.probe.filter(|_| row.opened_at.is_some()).map(Into::into);
        if row.opened_at.is_none() {
            circuit.closed_at = Some(row.at);
        }
    }

    /// Whether there is anything to reset.
    pub(super) fn is_to_reset(&self, rule: &str) -> bool {
        self.breakers.get(rule).is_some_and(|it| {
            it.opened_at.is_some() || it.unproven.iter().any(|at| it.closed_at.is_none_or(|closed| *at > closed))
        })
    }

    /// A rule's breaker, with verdicts from `since` on.
    pub(super) fn breaker(&self, rule: &str, since: Timestamp) -> Breaker {
        let Some(circuit) = self.breakers.get(rule) else { return Breaker::default() };
        let counts = |at: &&Timestamp| **at >= since && circuit.closed_at.is_none_or(|closed| **at > closed);
        let unproven = circuit.unproven.iter().rev().filter(counts).copied().collect();
        Breaker { opened_at: circuit.opened_at, probe: circuit.probe.map(Into::into), unproven }
    }

    /// A remediation ended fixed.
    pub(super) fn fix(&mut self, rule: &str, target: &str, fix: PastFix) {
        let now = fix.closed_at;
        let fixes = self.fixed.entry(target.into()).or_default();
        match fixes.iter_mut().find(|(name, _)| name == rule) {
            Some((_, past)) => *past = fix,
            None => fixes.push((rule.to_owned(), fix)),
        }
        if self.keep.is_some() && self.fixed.len() >= self.sweep_at {
            let old = before(now, self.regress);
            self.fixed.retain(|_, fixes| fixes.iter().any(|(_, fix)| fix.closed_at >= old));
            self.sweep_at = (2 * self.fixed.len()).max(SWEEP_AT);
        }
    }

    /// The last fixes of a target, by rule.
    pub(super) fn fixes(&self, target: &str) -> &[(String, PastFix)] {
        self.fixed.get(target).map_or(&[], Vec::as_slice)
    }

    /// Answers what an admission asks. `returning`: loans that are being returned, and whether one of them is on a key.
    pub(super) fn read(&self, ask: &LedgerAsk, returning: &[Uuid], in_return: u32) -> Found {
        let mut found = Found::default();
        for scope in &ask.scopes {
            let (used, oldest) = self.count(ask, scope);
            found.full_since.push((used >= scope.budget.max).then_some(oldest.unwrap_or(ask.now)));
            found.used.push(used);
        }
        let others = |row: &&Row| row.remediation != ask.remediation.0 && row.spends && row.mode == ask.mode;
        let on_it = self.on(ask).filter(others);
        found.last_effect = on_it.map(|row| row.finished_at.unwrap_or(row.planned_at)).max();
        let busy = ask.keys.iter().filter_map(|key| self.busy.get(key.as_str())).flatten();
        found.rivals = busy
            .copied()
            .filter(|it| *it != ask.remediation.0)
            .chain(returning.iter().copied())
            .map(Into::into)
            .collect();
        found.rivals.sort_unstable();
        found.rivals.dedup();
        found.in_flight = self.running + in_return;
        found.breaker = self.breaker(&ask.rule, ask.unproven_since);
        found
    }

    /// How many intents lie in the window, counted up to the budget, and when the oldest of those counted was stored.
    fn count(&self, ask: &LedgerAsk, scope: &Scope) -> (u32, Option<Timestamp>) {
        let since = before(ask.now, scope.budget.per);
        let counts = |row: &&Row| row.spends && row.mode == ask.mode;
        let inside = |row: &&Row| row.planned_at >= since;
        let max = scope.budget.max as usize;
        let newest = |rows: &mut dyn Iterator<Item = &Row>| {
            let mut counted = (0, None);
            for row in rows.take_while(inside).filter(counts).take(max) {
                counted = (counted.0 + 1, Some(row.planned_at));
            }
            counted
        };
        match scope.kind {
            ScopeKind::Fleet => newest(&mut self.rows.iter().rev()),
            ScopeKind::Rule => newest(&mut self.numbered(self.by_rule.get(ask.rule.as_str()))),
            ScopeKind::Target => newest(&mut self.on(ask)),
            ScopeKind::RuleTarget => newest(&mut self.on(ask).filter(|row| *row.rule == *ask.rule)),
        }
    }

    fn numbered<'s>(&'s self, numbers: Option<&'s VecDeque<u64>>) -> impl Iterator<Item = &'s Row> {
        let kept = numbers.into_iter().flatten().rev().take_while(|number| **number >= self.first);
        kept.filter_map(|number| self.rows.get(usize::try_from(number - self.first).ok()?))
    }

    /// Rows of the target or its key, newest first, each once.
    fn on<'s>(&'s self, ask: &LedgerAsk) -> impl Iterator<Item = &'s Row> {
        let list = |numbers: Option<&'s VecDeque<u64>>| numbers.into_iter().flatten().rev().copied().peekable();
        let mut by_target = list(self.by_target.get(ask.target.as_str()));
        let mut by_key = list(self.by_key.get(ask.key.as_str()));
        std::iter::from_fn(move || {
            let next = match (by_target.peek().copied(), by_key.peek().copied()) {
                (None, None) => return None,
                (target, key) => target.max(key),
            };
            by_target.next_if(|it| Some(*it) == next);
            by_key.next_if(|it| Some(*it) == next);
            next
        })
        .take_while(|number| *number >= self.first)
        .filter_map(|number| self.rows.get(usize::try_from(number - self.first).ok()?))
    }

    /// Rows that are in no window any more go, and with them what they were found by.
    fn forget(&mut self, now: Timestamp) {
        let Some(keep) = self.keep else { return };
        let old = before(now, keep);
        while let Some(row) = self.rows.pop_front_if(|row| row.planned_at < old && !row.open) {
            self.by_id.remove(&row.id);
            unname(&mut self.by_rule, &row.rule);
            unname(&mut self.by_target, &row.target);
            if let Some(key) = &row.key {
                unname(&mut self.by_key, key);
            }
            self.first += 1;
        }
    }
}

/// Files a row under a name, which is shared by all rows of it.
fn named(index: &mut HashMap<Arc<str>, VecDeque<u64>>, name: &str, number: u64) -> Arc<str> {
    if let Some((shared, _)) = index.get_key_value(name) {
        let shared = shared.clone();
        if let Some(numbers) = index.get_mut(name) {
            numbers.push_back(number);
        }
        return shared;
    }
    let shared: Arc<str> = name.into();
    index.insert(shared.clone(), VecDeque::from([number]));
    shared
}

/// Takes the oldest row off a name; a name without rows goes.
fn unname(index: &mut HashMap<Arc<str>, VecDeque<u64>>, name: &str) {
    let Some(numbers) = index.get_mut(name) else { return };
    numbers.pop_front();
    if numbers.is_empty() {
        index.remove(name);
    }
}
