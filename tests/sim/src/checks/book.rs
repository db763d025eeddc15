//! What the checks remember: effects, answers, pauses, verdicts, storms, as they were told of them and not as the store has
//! them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fettle_core::action::Action;
use fettle_core::guard::Request;
use fettle_core::remediation::loan::Loan;
use fettle_core::remediation::outcome::{ActionResult, Outcome, Verdict};
use fettle_core::remediation::record::Record;
use fettle_core::remediation::state::{Attempt, Remediation, State};
use fettle_core::rule::model::Mode;
use fettle_core::surroundings::{Answer, Pause};
use fettle_core::target::Target;
use fettle_core::time::{Timestamp, after, before};
use uuid::Uuid;

use super::{Deed, Read, Truth};
use crate::docker::{DAEMON, touched};
use crate::time::{Micros, instant, length, micros};

/// An effect that was admitted.
#[derive(Debug, Clone)]
pub struct Intent {
    /// Its row.
    pub action: Uuid,
    /// Whose.
    pub remediation: Uuid,
    /// The rule.
    pub rule: String,
    /// The remediation's target.
    pub target: Target,
    /// What is touched, as written.
    pub written: String,
    /// What it is counted by.
    pub key: String,
    /// Act or observe.
    pub mode: Mode,
    /// When, by the process's time.
    pub planned_at: Timestamp,
    /// When, by true time.
    pub at: Micros,
    /// Since when its own time counts, by true time: a dependent's begins when what it follows is over.
    pub counts_from: Micros,
    /// When its facts were read.
    pub read: Read,
    /// What it touches: full ids.
    pub touches: BTreeSet<String>,
    /// The action's name.
    pub name: &'static str,
    /// The action.
    pub does: Action,
    /// Which rung.
    pub rung: usize,
    /// The answer that it uses, and the plan that was agreed to.
    pub approved: Option<(Uuid, String)>,
    /// A dependent of another effect.
    pub dependent: bool,
    /// The loan that it returns.
    pub returns: Option<Uuid>,
    /// When what it lends is to be returned.
    pub lends: bool,
    /// How it ended, and whether it counts.
    pub result: Option<(ActionResult, bool)>,
    /// Calls that were sent for it.
    pub calls: u32,
}

/// A rule's breaker, as the verdicts make it.
#[derive(Debug, Clone, Default)]
pub struct Breaker {
    /// When verdicts were given that proved nothing.
    pub strikes: Vec<Timestamp>,
    /// Since when it is open.
    pub opened_at: Option<Timestamp>,
    /// The act that is tried.
    pub probe: Option<Uuid>,
}

/// Everything remembered.
#[derive(Debug, Default)]
pub struct Book {
    /// Effects by row.
    pub intents: BTreeMap<Uuid, Intent>,
    /// Answers that were taken, with when by true time.
    pub answers: BTreeMap<Uuid, (Uuid, Answer, Micros)>,
    /// Answers that were used.
    pub used: BTreeSet<Uuid>,
    /// Pauses, with when by true time each began and ended.
    pub pauses: Vec<(Pause, Micros, Option<Micros>)>,
    /// Breakers by rule.
    pub breakers: BTreeMap<String, Breaker>,
    /// Storms: when by true time each was found, and by the process's.
    pub storms: Vec<(Micros, Timestamp)>,
    /// Actions that were judged.
    pub judged: BTreeSet<Uuid>,
    /// Whether rules were ever taken out: then nobody can tell which of them selected an alert.
    pub reloaded: bool,
    /// The most that any process's time was off.
    pub skew: Micros,
}

/// The effects of one admission.
pub fn intents(request: &Request, doc: &Remediation, read: Read, now: Micros) -> Vec<Intent> {
    let attempts: Vec<&Attempt> = match &doc.state {
        State::Running { attempt, queue, .. } => std::iter::once(&**attempt).chain(queue).collect(),
        _ => vec![&request.plan.attempt],
    };
    let of = |attempt: &Attempt| {
        let dependent = attempt.dependent.is_some();
        Intent {
            action: attempt.action_id,
            remediation: doc.id,
            rule: doc.rule.clone(),
            target: doc.target.clone(),
            written: attempt.dependent.as_ref().unwrap_or(&doc.target).to_string(),
            key: if dependent { format!("{DAEMON}/{}", attempt.pin.id) } else { request.plan.key.clone() },
            mode: if request.plan.mode == Mode::Observe { Mode::Observe } else { Mode::Act },
            planned_at: attempt.intended_at,
            at: now,
            counts_from: now,
            read,
            touches: touched(&attempt.effect, &attempt.pin),
            name: attempt.action.name(),
            does: attempt.action.clone(),
            rung: attempt.rung,
            approved: request.plan.approved.as_ref().map(|it| (it.id, it.hash.clone())),
            dependent,
            returns: None,
            lends: request.plan.restore.is_some() && !dependent,
            result: None,
            calls: 0,
        }
    };
    attempts.into_iter().map(of).collect()
}

/// The return of a loan.
pub fn restore(request: &Request, loan: &Loan, now: Micros) -> Intent {
    let attempt = &request.plan.attempt;
    Intent {
        action: attempt.action_id,
        remediation: loan.remediation,
        rule: loan.rule.clone(),
        target: loan.target.clone(),
        written: loan.target.to_string(),
        key: loan.key.clone(),
        mode: Mode::Act,
        planned_at: attempt.intended_at,
        at: now,
        counts_from: now,
        read: Read { at: now },
        touches: touched(&attempt.effect, &attempt.pin),
        name: "restore",
        does: attempt.action.clone(),
        rung: attempt.rung,
        approved: None,
        dependent: false,
        returns: Some(loan.id),
        lends: false,
        result: None,
        calls: 0,
    }
}

impl Book {
    /// Effects under way, as far as the record says.
    pub fn under_way(&self) -> impl Iterator<Item = &Intent> {
        self.intents.values().filter(|it| it.mode == Mode::Act && it.result.is_none())
    }

    /// Remembers a deed.
    pub fn learn(&mut self, deed: &Deed<'_>, truth: &Truth<'_>) {
        match deed {
            Deed::Stored { records, .. } | Deed::Lent { records, .. } => self.learn_records(records, truth),
            Deed::Received { changes } => {
                self.learn_records(&changes.records, truth);
                self.learn_storm(changes, truth);
            }
            Deed::Intended(intent) => {
                if let Some((answer, _)) = &intent.approved {
                    self.used.insert(*answer);
                }
                self.learn_probe(intent, truth);
                self.intents.insert(intent.action, (*intent).clone());
            }
            Deed::Sent { attempt, .. } => {
                if let Some(intent) = self.intents.get_mut(&attempt.action_id) {
                    intent.calls += 1;
                }
            }
            Deed::Answered { remediation, answer } => {
                self.answers.insert(answer.id, (*remediation, (*answer).clone(), truth.now));
            }
            Deed::Paused { pause } => self.pauses.push(((*pause).clone(), truth.now, None)),
            Deed::Resumed { pause } => {
                for (_, _, ended) in self.pauses.iter_mut().filter(|(it, ..)| it.id == *pause) {
                    *ended = Some(truth.now);
                }
            }
            Deed::BreakerReset { row } => drop(self.breakers.remove(&row.rule)),
            Deed::Reloaded => self.reloaded = true,
            Deed::Settle | Deed::Accepted { .. } | Deed::Landed { .. } => {}
        }
    }

    fn learn_records(&mut self, records: &[Record], truth: &Truth<'_>) {
        for record in records {
            match record {
                Record::Result(row) => {
                    let Some(intent) = self.intents.get_mut(&row.action_id) else { continue };
                    intent.result = Some((row.result, row.spends));
                    let of = intent.remediation;
                    for next in self.intents.values_mut().filter(|it| it.dependent && it.remediation == of) {
                        if next.result.is_none() {
                            next.counts_from = truth.now;
                        }
                    }
                }
                Record::Verdict { rule, row, .. } => {
                    self.judged.insert(row.action_id);
                    if !self.intents.get(&row.action_id).is_some_and(|it| it.dependent) {
                        self.learn_verdict(rule, row.action_id, row.verdict, row.at, truth);
                    }
                }
                Record::Breaker(row) => {
                    let breaker = self.breakers.entry(row.rule.clone()).or_default();
                    breaker.opened_at = row.opened_at.or(breaker.opened_at).filter(|_| row.opened_at.is_some());
                }
                _ => {}
            }
        }
    }

    fn learn_verdict(&mut self, rule: &str, action: Uuid, verdict: Verdict, at: Timestamp, truth: &Truth<'_>) {
        if truth.plan.settings.trip.is_none() {
            return;
        }
        let breaker = self.breakers.entry(rule.to_owned()).or_default();
        let probed = breaker.probe == Some(action);
        if probed {
            breaker.probe = None;
        }
        if verdict == Verdict::Fixed && probed {
            *breaker = Breaker::default();
        } else if verdict.proves_nothing() {
            breaker.strikes.push(at);
            if probed {
                breaker.opened_at = Some(at);
            }
        }
    }

    fn learn_probe(&mut self, intent: &Intent, truth: &Truth<'_>) {
        let Some(limit) = truth.plan.settings.trip else { return };
        let Some(breaker) = self.breakers.get_mut(&intent.rule) else { return };
        let half_open =
            breaker.opened_at.is_some_and(|at| micros(at) + length(limit.within) <= micros(intent.planned_at));
        if half_open && intent.mode == Mode::Act && !intent.dependent && intent.returns.is_none() {
            breaker.probe = Some(intent.action);
        }
    }

    fn learn_storm(&mut self, changes: &fettle_core::receive::Changes, truth: &Truth<'_>) {
        let Some(limit) = truth.plan.settings.storm else { return };
        let new: Vec<_> = changes.opened.iter().filter(|it| it.outcome().is_none()).collect();
        let Some(now) = new.iter().map(|it| it.opened_at).max() else { return };
        // What surely lies in the window of whoever took it in, whatever its clock says.
        let since = after(
            before(instant(truth.now), limit.within),
            Duration::from_micros(2 * self.skew.unsigned_abs() + 1_000_000),
        );
        let rows = truth.store.remediations.values().map(|row| &row.doc);
        let new: BTreeSet<_> = new.iter().map(|it| it.id).collect();
        let counted =
            rows.filter(|it| (it.opened_at >= since || new.contains(&it.id)) && it.outcome() != Some(Outcome::Refused));
        let targets: BTreeSet<String> = counted.map(|it| it.target.to_string()).collect();
        // One that was opened lately anyway is not one more.
        let opened: Vec<_> = truth.store.remediations.values().filter(|row| !new.contains(&row.doc.id)).collect();
        let lately = |target: &str| {
            opened
                .iter()
                .any(|row| row.doc.opened_at >= before(since, limit.within) && row.doc.target.to_string() == target)
        };
        if changes.opened.iter().all(|it| lately(&it.target.to_string())) {
            return;
        }
        if targets.len() >= limit.targets as usize {
            self.storms.push((truth.now, now));
        }
    }
}
