//! How the book is kept: what each deed adds to it.

use std::collections::BTreeSet;
use std::time::Duration;

use fettle_core::id::{ActionId, ReplicaId};
use fettle_core::ports::model::{Claim, ReceiveAsk};
use fettle_core::receive::{Changes, Standing};
use fettle_core::remediation::loan::{Loan, LoanState};
use fettle_core::remediation::outcome::{Outcome, Verdict};
use fettle_core::remediation::record::Record;
use fettle_core::remediation::state::State;
use fettle_core::rule::model::Mode;
use fettle_core::time::{Timestamp, after, before};
use fettle_memory::physics::{Event, What};

use super::book::{Book, Breaker};
use super::intent::{Intent, Made, Posted, Taken};
use super::{Deed, Truth};
use crate::time::{MINUTE, instant, length, micros};

/// Whether Docker remembers that the last run of this container was ended by a stop or a kill.
fn remembers_stop(truth: &Truth<'_>, id: &str) -> bool {
    let stops = |it: &&Event| it.id == id && matches!(it.what, What::Stop | What::Kill(_));
    let ended = truth.daemon.runs().iter().rev().find(|run| run.id == id).and_then(|run| run.ended);
    // A stop begins with a signal, which the process may have taken its time to heed.
    let since = ended.map_or(0, |it| micros(it.at) - MINUTE);
    truth.daemon.events().filter(stops).any(|it| micros(it.at) >= since)
}

impl Book {
    /// Remembers a deed.
    pub fn learn(&mut self, deed: &Deed<'_>, truth: &Truth<'_>) {
        match deed {
            Deed::Tick => {
                self.runs_seen = truth.daemon.runs().len();
                let executed = |call: &usize| super::oncall::was_executed(truth, *call);
                let new: Vec<usize> =
                    (0..self.calls.len()).filter(|it| !self.executed.contains(it)).filter(executed).collect();
                self.executed.extend(new);
            }
            Deed::Appended { batch } => {
                for row in *batch {
                    self.appended.insert(row.id, Posted { at: truth.now, received_at: row.received_at });
                    if let Some(evidence) = self.bodies.get(&row.body).cloned() {
                        self.hear(&evidence, truth.now);
                    }
                }
            }
            Deed::Accepted { .. } | Deed::Returning { .. } => {}
            Deed::Admitted { commit, .. } => {
                let lent = commit.records.iter().filter_map(|it| match it {
                    Record::Loan(loan) => Some(loan.id),
                    _ => None,
                });
                self.lent_now = lent.collect();
            }
            Deed::Received { owner, ask, changes } => {
                self.learn_taken(ask, changes, truth);
                self.learn_changes(*owner, ask.lease_until.is_some(), changes, truth);
                self.learn_records(&changes.records, truth);
                self.learn_storm(changes, truth);
            }
            Deed::Claimed { claim } => drop(self.claims.insert(claim.id, (*claim).clone())),
            Deed::Read { owner, of } => drop(self.reads.insert((*owner, *of), truth.now)),
            Deed::Stored { after, records, kept, .. } => {
                match kept {
                    Some(kept) => drop(self.claims.insert(kept.id, (*kept).clone())),
                    None => drop(self.claims.remove(&after.id.into())),
                }
                match after.state {
                    State::AwaitingApproval(_) => drop(self.asked.entry(after.id).or_insert(truth.now)),
                    State::Running(_) | State::Held { .. } => drop(self.asked.remove(&after.id)),
                    _ => {}
                }
                if after.outcome().is_some() {
                    self.closed.entry(after.id).or_insert(truth.now);
                }
                self.decided.insert(after.id);
                self.docs.insert(after.id, (*after).clone());
                self.learn_records(records, truth);
            }
            Deed::Lent { loan, records } => {
                self.loans.insert(loan.id, (*loan).clone());
                self.learn_records(records, truth);
            }
            Deed::Late { records } => self.learn_records(records, truth),
            Deed::Intended(intent) => {
                if let Some((answer, _)) = &intent.approved {
                    self.used.insert(*answer);
                }
                self.learn_probe(intent, truth);
                self.intents.insert(intent.action, (*intent).clone());
            }
            Deed::Called { owner, pin, effect, zombie, .. } => {
                let action = self.intent_of(pin, effect).map(|it| it.action);
                let number = self.calls.len();
                self.calls.push(Made { action, owner: *owner, zombie: *zombie });
                if let Some(intent) = action.and_then(|id| self.intents.get_mut(&id)) {
                    intent.calls.push(number);
                    if truth.faults.hides_events() || !remembers_stop(truth, &pin.id) {
                        self.forgotten.insert(intent.action);
                    }
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
            Deed::BreakerReset { rule, .. } => {
                self.breakers.remove(*rule);
                self.probes.remove(*rule);
            }
            Deed::Reloaded => self.learn_rules(truth),
        }
    }

    fn learn_rules(&mut self, truth: &Truth<'_>) {
        let loaded = truth.world.rules.load();
        for rule in &truth.plan.rules {
            let out = self.unloaded.iter_mut().find(|(name, _, back)| *name == rule.name && back.is_none());
            match (loaded.get(&rule.name).is_some(), out) {
                (true, Some((.., back))) => *back = Some(truth.now),
                (false, None) => self.unloaded.push((rule.name.clone(), truth.now, None)),
                _ => {}
            }
        }
        self.reloaded = !self.unloaded.is_empty();
    }

    fn learn_taken(&mut self, ask: &ReceiveAsk, changes: &Changes, truth: &Truth<'_>) {
        for alert in &changes.alerts {
            if !alert.firing {
                self.taken.remove(&alert.fingerprint);
                continue;
            }
            let bodies = ask.take.iter().filter_map(|id| self.appended.get(id));
            let newest = bodies.filter(|it| it.received_at == alert.evidence_at).map(|it| it.at).max();
            if let Some(posted_at) = newest {
                let (received_at, at) = (micros(alert.evidence_at), truth.now);
                self.taken.entry(alert.fingerprint).or_default().push(Taken { posted_at, received_at, at });
            }
        }
    }

    fn learn_changes(&mut self, owner: ReplicaId, claimed: bool, changes: &Changes, truth: &Truth<'_>) {
        for doc in &changes.opened {
            self.opened.insert(doc.id, truth.now);
            self.docs.insert(doc.id, doc.clone());
            if doc.outcome().is_some() {
                self.closed.insert(doc.id, truth.now);
            } else if claimed {
                self.claims.insert(doc.id.into(), Claim { id: doc.id.into(), owner, version: 1, wakes: 0 });
            }
        }
        for alert in &changes.alerts {
            if alert.firing {
                if self.ended.remove(&alert.fingerprint).is_some() {
                    self.refired.insert(alert.fingerprint, truth.now);
                }
            } else {
                self.ended.entry(alert.fingerprint).or_insert(truth.now);
            }
        }
        for candidate in &changes.candidates {
            let key = (candidate.fingerprint, candidate.rule.clone());
            if let Some(id) = candidate.remediation
                && candidate.standing == Standing::Attached
            {
                let attached = self.attached.entry(candidate.fingerprint).or_default();
                if !attached.contains(&id) {
                    attached.push(id);
                }
            }
            self.candidates.insert(key, candidate.clone());
        }
    }

    fn learn_records(&mut self, records: &[Record], truth: &Truth<'_>) {
        for record in records {
            match record {
                Record::Action(row) => drop(self.rows.insert(row.id, (**row).clone())),
                Record::Result(row) => {
                    if let Some(known) = self.rows.get_mut(&row.action_id) {
                        known.result = Some(row.result);
                        known.reason.clone_from(&row.reason);
                        known.finished_at = Some(row.finished_at);
                    }
                    let Some(intent) = self.intents.get_mut(&row.action_id) else { continue };
                    intent.result = Some(row.clone());
                    let of = intent.remediation;
                    for next in self.intents.values_mut().filter(|it| it.dependent && it.remediation == of) {
                        if next.result.is_none() {
                            next.counts_from = truth.now;
                        }
                    }
                }
                Record::Verdict { rule, row, .. } => {
                    self.judged.insert(row.action_id);
                    self.verdicts.push(row.clone());
                    let observed = self.rows.get(&row.action_id).is_some_and(|it| it.mode == Mode::Observe);
                    if !observed && !self.intents.get(&row.action_id).is_some_and(|it| it.dependent) {
                        self.learn_verdict(rule, row.action_id, row.verdict, row.at, truth);
                    }
                }
                Record::Breaker(row) => {
                    // The store takes no switch that is dated before the last.
                    let last = self.switched.entry(row.rule.clone()).or_insert(row.at);
                    if row.at < *last {
                        continue;
                    }
                    *last = row.at;
                    match (row.opened_at, row.probe) {
                        (Some(_), Some(probe)) => drop(self.probes.insert(row.rule.clone(), probe)),
                        _ => drop(self.probes.remove(&row.rule)),
                    }
                    let breaker = self.breakers.entry(row.rule.clone()).or_default();
                    breaker.opened_at = row.opened_at.or(breaker.opened_at).filter(|_| row.opened_at.is_some());
                }
                Record::Ended(alert) => {
                    self.taken.remove(&alert.fingerprint);
                    self.ended.entry(alert.fingerprint).or_insert(truth.now);
                }
                Record::Announce(it) => {
                    self.outbox.insert((it.remediation, it.name.as_str()), (**it).clone());
                }
                Record::Loan(loan) => {
                    let closed = |it: &Loan| matches!(it.state, LoanState::Closed { .. });
                    if !self.loans.get(&loan.id).is_some_and(closed) {
                        self.loans.insert(loan.id, (**loan).clone());
                    }
                }
                _ => {}
            }
        }
    }

    fn learn_verdict(&mut self, rule: &str, action: ActionId, verdict: Verdict, at: Timestamp, truth: &Truth<'_>) {
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
            breaker.strikes.push((at, action));
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

    fn learn_storm(&mut self, changes: &Changes, truth: &Truth<'_>) {
        // Orders by hand are nobody's trouble.
        let Some(limit) = truth.plan.settings.storm.filter(|_| !changes.alerts.is_empty()) else { return };
        let new: Vec<_> = changes.opened.iter().filter(|it| it.outcome().is_none()).collect();
        let Some(now) = new.iter().map(|it| it.opened_at).max() else { return };
        // What is certainly in the window of the process that took it in, whatever its clock shows.
        let since = after(
            before(instant(truth.now), limit.within),
            Duration::from_micros(2 * self.skew.unsigned_abs() + 1_000_000),
        );
        let new: BTreeSet<_> = new.iter().map(|it| it.id).collect();
        let counted = self
            .docs
            .values()
            .filter(|it| (it.opened_at >= since || new.contains(&it.id)) && it.outcome() != Some(Outcome::Refused));
        let targets: BTreeSet<String> = counted.map(|it| it.target.to_string()).collect();
        // One that was opened lately anyway is not one more.
        let lately = |target: &str| {
            self.docs.values().any(|it| {
                !new.contains(&it.id) && it.opened_at >= before(since, limit.within) && it.target.to_string() == target
            })
        };
        if changes.opened.iter().all(|it| lately(&it.target.to_string())) {
            return;
        }
        if targets.len() >= limit.targets as usize {
            self.storms.push((truth.now, now));
        }
    }
}
