//! What the shell does, without a shell: facts, decision, answer, until nothing is asked; then the clock moves.

use super::checks::Checks;
use super::docker::Docker;
use crate::alert::episode::AlertState;
use crate::decide::{Ask, Blind, Decision, Event, Facts, IDS, Looked, begin, decide};
use crate::guard::ledger::{Ledger, LedgerAsk, ScopeKind};
use crate::guard::{Request, admit};
use crate::id::ActionId;
use crate::remediation::outcome::{ActionResult, Outcome, Verdict};
use crate::remediation::record::{ActionRow, EventRow, Record, ResultRow};
use crate::remediation::refusal::Guard;
use crate::remediation::state::{Remediation, Running, State, StateName};
use crate::rule::model::{Mode, Rule};
use crate::settings::Settings;
use crate::sight::CallPath;
use crate::surroundings::Surroundings;
use crate::testing::{at, firing, id, opened, secs, settings};
use crate::time::{Timestamp, after, before};

/// One remediation, everything around it, and a clock.
#[derive(Debug, Clone)]
pub(super) struct Story {
    pub(super) now: Timestamp,
    pub(super) rule: Option<Rule>,
    pub(super) settings: Settings,
    pub(super) surroundings: Surroundings,
    pub(super) alerts: Vec<AlertState>,
    pub(super) docker: Docker,
    pub(super) remediation: Remediation,
    pub(super) records: Vec<Record>,
    /// Effects of other remediations on the target: when.
    pub(super) others: Vec<Timestamp>,
    /// How many other effects are under way.
    pub(super) in_flight: u32,
    pub(super) checks: Checks,
    /// What the metric answers.
    pub(super) metric: Result<bool, Blind>,
    pub(super) ids: u128,
}

/// The rule's alert fires at 0 and opens a remediation at 0.
pub(super) fn story(rule: Rule) -> Story {
    Story {
        now: at(0),
        remediation: opened(&rule),
        rule: Some(rule),
        surroundings: Surroundings::default(),
        settings: settings(),
        alerts: vec![firing("A")],
        docker: Docker::with_crashed_container(),
        records: Vec::new(),
        others: Vec::new(),
        in_flight: 0,
        checks: Checks::default(),
        metric: Ok(true),
        ids: 100,
    }
}

impl Story {
    /// The remediation is due, or woken: one turn of the shell.
    pub(super) fn wake(&mut self) -> &mut Self {
        self.give(Event::Due)
    }

    /// One turn of the shell, beginning with `event`.
    pub(super) fn give(&mut self, event: Event) -> &mut Self {
        let started = self.remediation.clone();
        let asked = event == Event::Due;
        let mut decision = self.decide(started.clone(), event);
        loop {
            self.checks.ask(&decision, self.now);
            match decision.ask.clone() {
                Ask::Nothing => break,
                Ask::Find(wanted) => {
                    let found = self.docker.find(wanted);
                    decision = self.decide(decision.remediation, Event::Found(found));
                }
                Ask::Look { pin, query, path_of, .. } => {
                    let metric = query.map(|_| self.metric.clone());
                    let path = path_of.map_or(CallPath::NotShown, |_| self.docker.call_path());
                    let looked = Looked { target: self.docker.look(&pin), metric, path };
                    decision = self.decide(decision.remediation, Event::Looked(looked));
                }
                Ask::Peek(request) => {
                    let peeked = admit(&request, &self.ledgers(&request)).map(|_| request);
                    decision = self.decide(decision.remediation, Event::Peeked(peeked));
                }
                Ask::Perform => {
                    self.store(decision.remediation, decision.records);
                    match self.perform() {
                        Some(next) => decision = next,
                        None => return self,
                    }
                }
                Ask::Admit(request) => match self.admit(&decision, &request) {
                    Some(next) => decision = next,
                    None => return self,
                },
            }
        }
        if asked {
            self.checks.turn(&started, &decision.remediation, self.now);
        }
        self.store(decision.remediation, decision.records);
        self
    }

    /// As far as the question for admission.
    pub(super) fn find_and_plan(&mut self) -> Decision {
        let decision = self.decide(self.remediation.clone(), Event::Due);
        let Ask::Find(wanted) = decision.ask else { return decision };
        let found = self.docker.find(wanted);
        self.decide(decision.remediation, Event::Found(found))
    }

    fn decide(&mut self, remediation: Remediation, event: Event) -> Decision {
        let first = self.ids;
        let new_ids = std::array::from_fn(|n| id(first + n as u128));
        self.ids += IDS as u128;
        let facts = Facts {
            rule: self.rule.as_ref(),
            settings: &self.settings,
            alerts: &self.alerts,
            surroundings: &self.surroundings,
            now: self.now,
            new_ids,
        };
        decide(remediation, &facts, event)
    }

    /// `None`: nothing more happens in this turn.
    fn admit(&mut self, decision: &Decision, request: &Request) -> Option<Decision> {
        let admitted = match admit(request, &self.ledgers(request)) {
            Ok(admitted) => admitted,
            Err(refusal) => return Some(self.decide(decision.remediation.clone(), Event::Refused(refusal))),
        };
        let (remediation, records) = begin(decision.remediation.clone(), admitted, self.rule.as_ref(), &self.settings);
        self.store(remediation, records);
        self.perform()
    }

    /// The call of the running attempt. `None`: nothing is running, or the process died.
    fn perform(&mut self) -> Option<Decision> {
        let State::Running(Running { attempt, .. }) = self.remediation.state.clone() else { return None };
        let call = self.docker.perform(&attempt, self.now)?;
        let running = self.remediation.clone();
        self.now = after(self.now, secs(1));
        Some(self.decide(running, Event::Returned(call)))
    }

    fn store(&mut self, remediation: Remediation, records: Vec<Record>) {
        self.checks.stored(&self.remediation, &remediation, &records);
        self.remediation = remediation;
        self.records.extend(records);
    }

    fn ledgers(&self, request: &Request) -> Vec<Ledger> {
        request.asks().into_iter().map(|ask| self.ledger(ask)).collect()
    }

    fn ledger(&self, ask: &LedgerAsk) -> Ledger {
        let own: Vec<_> = self.actions().iter().filter(|row| self.spends(row)).map(|row| row.planned_at).collect();
        let spent = |scope: &crate::guard::ledger::Scope| {
            let others = self.others.iter().copied().filter(|_| scope.kind != ScopeKind::RuleTarget);
            let mut inside: Vec<_> = own.iter().copied().chain(others).collect();
            inside.retain(|&it| it >= before(ask.now, scope.budget.per));
            inside.sort_by(|a, b| b.cmp(a));
            inside.get(scope.budget.max as usize - 1).copied()
        };
        Ledger {
            loans: Vec::new(),
            used: vec![0; ask.scopes.len()],
            full_since: ask.scopes.iter().map(spent).collect(),
            breaker: self.surroundings.breaker.clone(),
            last_effect: self.others.iter().max().copied(),
            rivals: Vec::new(),
            in_flight: self.in_flight,
        }
    }

    fn spends(&self, row: &ActionRow) -> bool {
        row.spends && self.result_of(row.id).is_none_or(|result| result.spends)
    }

    /// Runs whatever is due until `second`.
    pub(super) fn run_to(&mut self, second: i64) -> &mut Self {
        while let Some(due) = self.remediation.due().filter(|&due| due <= at(second)) {
            self.now = self.now.max(due);
            self.wake();
        }
        self.now = self.now.max(at(second));
        self
    }

    /// The alert's body is received again.
    pub(super) fn repeat(&mut self) -> &mut Self {
        for alert in &mut self.alerts {
            if alert.firing {
                alert.evidence_at = self.now;
                alert.heard_at = self.now;
            }
        }
        self
    }

    /// Every alert resolves, which wakes.
    pub(super) fn resolve(&mut self) -> &mut Self {
        for alert in &mut self.alerts {
            alert.firing = false;
            alert.ended_at = Some(self.now);
        }
        self.wake()
    }

    pub(super) fn state(&self) -> StateName {
        self.remediation.state_name()
    }

    pub(super) fn blocked_by(&self) -> Option<Guard> {
        match self.remediation.state {
            State::Blocked { reason, .. } => Some(reason),
            _ => None,
        }
    }

    pub(super) fn outcome(&self) -> Option<Outcome> {
        self.remediation.outcome()
    }

    pub(super) fn due(&self) -> Option<Timestamp> {
        self.remediation.due()
    }

    pub(super) fn actions(&self) -> Vec<&ActionRow> {
        self.records.iter().filter_map(|it| if let Record::Action(row) = it { Some(&**row) } else { None }).collect()
    }

    pub(super) fn result_of(&self, action: ActionId) -> Option<&ResultRow> {
        self.records.iter().find_map(|it| match it {
            Record::Result(row) if row.action_id == action => Some(row),
            _ => None,
        })
    }

    /// Every action as it reads in the end: `restart succeeded`, `restart refused budget`.
    pub(super) fn audit(&self) -> Vec<String> {
        let read = |row: &&ActionRow| {
            let result = self.result_of(row.id);
            let (end, reason) = match result {
                Some(it) => (Some(it.result), it.reason.clone()),
                None => (row.result, row.reason.clone()),
            };
            let end = end.map_or("open", ActionResult::as_str);
            [row.action, end, reason.as_deref().unwrap_or_default()].join(" ").trim().to_owned()
        };
        self.actions().iter().map(read).collect()
    }

    pub(super) fn verdicts(&self) -> Vec<Verdict> {
        let verdict = |it: &Record| if let Record::Verdict { row, .. } = it { Some(row.verdict) } else { None };
        self.records.iter().filter_map(verdict).collect()
    }

    pub(super) fn events(&self) -> Vec<&'static str> {
        let event = |it: &Record| if let Record::Event(EventRow { event, .. }) = it { Some(*event) } else { None };
        self.records.iter().filter_map(event).collect()
    }

    /// Guards that were counted.
    pub(super) fn refusals(&self) -> Vec<Guard> {
        let guard = |it: &Record| if let Record::Refusal { guard, .. } = it { Some(*guard) } else { None };
        self.records.iter().filter_map(guard).collect()
    }

    /// The lines of the story.
    pub(super) fn told(&self) -> Vec<&str> {
        self.records.iter().filter_map(line).collect()
    }

    pub(super) fn in_mode(mut self, mode: Mode) -> Self {
        self.settings.mode = mode;
        self
    }
}

fn line(it: &Record) -> Option<&str> {
    if let Record::Transition(row) = it { Some(&row.what) } else { None }
}
