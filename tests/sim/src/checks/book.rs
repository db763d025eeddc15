//! What the checks remember: everything that passed the seam between engine and store, calls, bodies, and deeds of people.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use fettle_core::action::Action;
use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::announcement::Announcement;
use fettle_core::effect::Effect;
use fettle_core::ports::model::{Claim, Commit, LedgerAsk, ReceiveAsk};
use fettle_core::receive::{Candidate, Changes, Standing};
use fettle_core::remediation::loan::{Loan, LoanState};
use fettle_core::remediation::outcome::{ActionResult, Outcome, Verdict};
use fettle_core::remediation::record::{ActionRow, Record, ResultRow, VerdictRow};
use fettle_core::remediation::state::{Attempt, Awaiting, Remediation, Running, State};
use fettle_core::rule::model::Mode;
use fettle_core::sight::Pin;
use fettle_core::surroundings::{Answer, Pause};
use fettle_core::target::Target;
use fettle_core::time::{Timestamp, after, before};
use fettle_memory::physics::{Event, What};
use uuid::Uuid;

use super::{Deed, Truth};
use crate::alerts::Alerts;
use crate::world::World;
use crate::time::{MINUTE, Micros, instant, length, micros};

/// An effect that was admitted.
#[derive(Debug, Clone)]
pub struct Intent {
    /// Its row.
    pub action: Uuid,
    /// The remediation; of a return, the one that made the loan.
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
    /// When its facts were read, by true time.
    pub read_at: Micros,
    /// What it touches: full ids.
    pub touches: BTreeSet<String>,
    /// The action's name.
    pub name: &'static str,
    /// The action.
    pub does: Action,
    /// What exactly is done.
    pub effect: Effect,
    /// The run that was decided about.
    pub pin: Pin,
    /// Which rung.
    pub rung: usize,
    /// The answer that it uses, and the plan that was approved.
    pub approved: Option<(Uuid, String)>,
    /// Ordered by a person by hand.
    pub ordered: bool,
    /// A dependent of another effect.
    pub dependent: bool,
    /// The loan that it returns.
    pub returns: Option<Uuid>,
    /// It makes a loan that is to be returned.
    pub lends: bool,
    /// How it ended.
    pub result: Option<ResultRow>,
    /// Calls that were made for it.
    pub calls: Vec<usize>,
    /// When it was called, Docker did not remember, or did not tell, that its target was stopped.
    pub forgotten: bool,
}

/// A body that was stored.
#[derive(Debug, Clone, Copy)]
pub struct Posted {
    /// When, by true time.
    pub at: Micros,
    /// When, by the process's.
    pub received_at: Timestamp,
}

/// A word that an alert fires, that was taken in.
#[derive(Debug, Clone, Copy)]
pub struct Taken {
    /// When it was stored, by true time.
    pub posted_at: Micros,
    /// When it was taken in, by true time.
    pub at: Micros,
}

impl Intent {
    /// Whether it counts against budgets, as far as the record goes.
    pub fn spends(&self) -> bool {
        self.result.as_ref().is_none_or(|row| row.spends)
    }
}

/// A call, beside the host's own row of it.
#[derive(Debug, Clone)]
pub struct Made {
    /// For which row.
    pub action: Option<Uuid>,
    /// By which process.
    pub owner: Uuid,
    /// That process stood still after the check of its lease.
    pub zombie: bool,
}

/// A rule's breaker, as the verdicts make it.
#[derive(Debug, Clone, Default)]
pub struct Breaker {
    /// When verdicts were given that proved nothing.
    pub strikes: Vec<(Timestamp, Uuid)>,
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
    /// The audit, with results merged in.
    pub rows: BTreeMap<Uuid, ActionRow>,
    /// Remediations as they were stored last.
    pub docs: BTreeMap<Uuid, Remediation>,
    /// When each was opened, by true time.
    pub opened: BTreeMap<Uuid, Micros>,
    /// Those about which anything was decided since.
    pub decided: BTreeSet<Uuid>,
    /// When each was closed, by true time.
    pub closed: BTreeMap<Uuid, Micros>,
    /// Loans as they were stored last.
    pub loans: BTreeMap<Uuid, Loan>,
    /// Loans that are made with the admission that is looked at now.
    pub lent_now: BTreeSet<Uuid>,
    /// Claims that are held.
    pub claims: BTreeMap<Uuid, Claim>,
    /// What became of each alert for each rule.
    pub candidates: BTreeMap<(Fingerprint, String), Candidate>,
    /// Since when, by true time, each alert is known not to fire.
    pub ended: BTreeMap<Fingerprint, Micros>,
    /// Remediations that an alert was attached to, oldest first.
    pub attached: BTreeMap<Fingerprint, Vec<Uuid>>,
    /// Bodies that were stored.
    pub appended: BTreeMap<Uuid, Posted>,
    /// For each alert that fires as far as fettle knows: the words of that in this stretch.
    pub taken: BTreeMap<Fingerprint, Vec<Taken>>,
    /// Bodies that were posted, with what they report firing and when that was true last.
    pub bodies: BTreeMap<Bytes, Vec<(usize, Micros)>>,
    /// For each alert that fettle heard firing: when that was true last.
    pub evidence: BTreeMap<usize, Micros>,
    /// For each alert: when fettle heard it firing, by true time, newest last.
    pub heard: BTreeMap<usize, Vec<Micros>>,
    /// When a person was asked to approve something, by true time.
    pub asked: BTreeMap<Uuid, Micros>,
    /// Verdicts.
    pub verdicts: Vec<VerdictRow>,
    /// fettle's own alerts.
    pub outbox: BTreeMap<(Uuid, &'static str), Announcement>,
    /// When facts were read: by process and remediation.
    pub reads: BTreeMap<(Uuid, Uuid), Micros>,
    /// Calls in the order in which they were made.
    pub calls: Vec<Made>,
    /// Answers that were taken, with when by true time.
    pub answers: BTreeMap<Uuid, (Uuid, Answer, Micros)>,
    /// Answers that were used.
    pub used: BTreeSet<Uuid>,
    /// Pauses, with when by true time each began and ended.
    pub pauses: Vec<(Pause, Micros, Option<Micros>)>,
    /// Breakers by rule.
    pub breakers: BTreeMap<String, Breaker>,
    /// Probes that are open, by rule, as the record has them.
    pub probes: BTreeMap<String, Uuid>,
    /// Storms: when by true time each was found, and by the process's.
    pub storms: Vec<(Micros, Timestamp)>,
    /// Actions that were judged.
    pub judged: BTreeSet<Uuid>,
    /// Whether rules were ever taken out: then the rules that selected an alert are not certain.
    pub reloaded: bool,
    /// Rules that were taken out: when by true time, and when they were put back.
    pub unloaded: Vec<(String, Micros, Option<Micros>)>,
    /// The most that any process's time was off.
    pub skew: Micros,
    /// Runs that were looked at.
    pub runs_seen: usize,
    /// Calls that were counted as executed.
    pub executed: BTreeSet<usize>,
}

/// What an effect touches: full ids.
pub fn touched(effect: &Effect, pin: &Pin) -> BTreeSet<String> {
    match effect {
        Effect::StopReplicas { replicas, .. } | Effect::StartReplicas { replicas, .. } => {
            replicas.iter().map(|it| it.id.clone()).collect()
        }
        _ => BTreeSet::from([pin.id.clone()]),
    }
}

/// Whether Docker remembers that the last run of this container was ended by a stop or a kill.
fn remembers_stop(truth: &Truth<'_>, id: &str) -> bool {
    let stops = |it: &&Event| it.id == id && matches!(it.what, What::Stop | What::Kill(_));
    let ended = truth.daemon.runs().iter().rev().find(|run| run.id == id).and_then(|run| run.ended);
    // A stop begins with a signal, which the process may have taken its time to heed.
    let since = ended.map_or(0, |it| micros(it.at) - MINUTE);
    truth.daemon.events().filter(stops).any(|it| micros(it.at) >= since)
}

impl Book {
    /// Effects under way, as far as the record goes.
    pub fn under_way(&self) -> impl Iterator<Item = &Intent> {
        self.intents.values().filter(|it| it.mode == Mode::Act && it.result.is_none())
    }

    /// fettle heard alerts firing.
    pub fn hear(&mut self, evidence: &[(usize, Micros)], now: Micros) {
        for (alert, at) in evidence {
            let known = self.evidence.entry(*alert).or_insert(*at);
            *known = (*known).max(*at);
            self.heard.entry(*alert).or_default().push(now);
        }
    }

    /// The effects of one admission.
    pub fn intents_of(
        &self,
        owner: Uuid,
        asks: &[&LedgerAsk],
        commit: &Commit<Remediation>,
        now: Micros,
    ) -> Vec<Intent> {
        let doc = &commit.effort;
        let attempts: Vec<&Attempt> = match &doc.state {
            State::Running(Running { attempt, queue, .. }) => std::iter::once(&**attempt).chain(queue).collect(),
            _ => Vec::new(),
        };
        let read_at = self.reads.get(&(owner, doc.id)).copied().unwrap_or(now);
        let hash = match self.docs.get(&doc.id).map(|it| &it.state) {
            Some(State::AwaitingApproval(Awaiting { proposal, .. })) => Some(proposal.hash.clone()),
            _ => None,
        };
        let of = |attempt: &&Attempt| {
            let dependent = attempt.dependent.is_some();
            let row = commit.records.iter().find_map(|it| match it {
                Record::Action(row) if row.id == attempt.action_id => Some(row),
                _ => None,
            });
            let by_person = row.is_some_and(|row| row.actor != "fettle") && doc.order.is_none();
            let key = asks.first().map(|ask| ask.key.clone()).unwrap_or_default();
            Intent {
                action: attempt.action_id,
                remediation: doc.id,
                rule: doc.rule.clone(),
                target: doc.target.clone(),
                written: attempt.dependent.as_ref().unwrap_or(&doc.target).to_string(),
                key: if dependent { format!("{}/{}", crate::town::DAEMON, attempt.pin.id) } else { key },
                mode: Mode::Act,
                planned_at: attempt.intended_at,
                at: now,
                counts_from: now,
                read_at,
                touches: touched(&attempt.effect, &attempt.pin),
                name: attempt.action.name(),
                does: attempt.action.clone(),
                effect: attempt.effect.clone(),
                pin: attempt.pin.clone(),
                rung: attempt.rung,
                approved: doc.answered.filter(|_| by_person).map(|id| (id, hash.clone().unwrap_or_default())),
                ordered: doc.order.is_some(),
                dependent,
                returns: None,
                lends: attempt.action.scales() && !dependent && doc.order.is_none(),
                result: None,
                calls: Vec::new(),
                forgotten: false,
            }
        };
        attempts.iter().map(of).collect()
    }

    /// The return of a loan.
    pub fn returns_of(loan: &Loan, now: Micros) -> Vec<Intent> {
        let LoanState::Returning { attempt, .. } = &loan.state else { return Vec::new() };
        vec![Intent {
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
            read_at: now,
            touches: touched(&attempt.effect, &attempt.pin),
            name: "restore",
            does: attempt.action.clone(),
            effect: attempt.effect.clone(),
            pin: attempt.pin.clone(),
            rung: attempt.rung,
            approved: None,
            ordered: false,
            dependent: false,
            returns: Some(loan.id),
            lends: false,
            result: None,
            calls: Vec::new(),
            forgotten: false,
        }]
    }

    /// The intent that a call is made for.
    pub fn intent_of(&self, pin: &Pin, effect: &Effect) -> Option<&Intent> {
        let fits = |it: &&Intent| it.pin == *pin && it.effect == *effect;
        let open = self.intents.values().filter(fits).filter(|it| it.calls.is_empty()).max_by_key(|it| it.at);
        open.or_else(|| self.intents.values().filter(fits).max_by_key(|it| it.at))
    }

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
                    None => drop(self.claims.remove(&after.id)),
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
                    intent.forgotten = truth.faults.hides_events() || !remembers_stop(truth, &pin.id);
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
                self.taken.entry(alert.fingerprint).or_default().push(Taken { posted_at, at: truth.now });
            }
        }
    }

    fn learn_changes(&mut self, owner: Uuid, claimed: bool, changes: &Changes, truth: &Truth<'_>) {
        for doc in &changes.opened {
            self.opened.insert(doc.id, truth.now);
            self.docs.insert(doc.id, doc.clone());
            if doc.outcome().is_some() {
                self.closed.insert(doc.id, truth.now);
            } else if claimed {
                self.claims.insert(doc.id, Claim { id: doc.id, owner, version: 1, wakes: 0 });
            }
        }
        for alert in &changes.alerts {
            if alert.firing {
                self.ended.remove(&alert.fingerprint);
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
                    if !self.intents.get(&row.action_id).is_some_and(|it| it.dependent) {
                        self.learn_verdict(rule, row.action_id, row.verdict, row.at, truth);
                    }
                }
                Record::Breaker(row) => {
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

    /// The last evidence, by true time, that one of the alerts of this remediation fires.
    pub fn evidence_of(&self, doc: &Remediation, truth: &Truth<'_>) -> Option<Micros> {
        self.alerts_of(doc, truth).filter_map(|alert| self.evidence.get(&alert).copied()).max()
    }

    /// The alerts of this remediation, by number.
    pub fn alerts_of<'a>(&'a self, doc: &'a Remediation, truth: &'a Truth<'_>) -> impl Iterator<Item = usize> + 'a {
        let attached = self.attached.iter().filter(|(_, ids)| ids.contains(&doc.id)).map(|(it, _)| *it);
        let all = attached.chain([doc.alert.fingerprint]);
        all.filter_map(|it| Alerts::by_fingerprint(truth.plan, it))
    }

    /// Whether anything was done for this remediation, as far as Docker knows.
    pub fn had_effect(&self, remediation: Uuid, truth: &Truth<'_>) -> bool {
        let own = self.intents.values().filter(|it| it.remediation == remediation);
        own.flat_map(|it| &it.calls).any(|call| super::oncall::was_executed(truth, *call))
    }

    /// Whether an alert of this loan fires as far as fettle knows, and does not, and nothing more will be said of it.
    pub fn waits_for_lost_end(&self, loan: &Loan, world: &World) -> bool {
        let target = loan.target.to_string();
        let mut own = self.candidates.values().filter(|it| it.rule == loan.rule && it.target == target);
        let alerts = world.alerts();
        own.any(|it| {
            let real = Alerts::by_fingerprint(&world.plan, it.fingerprint);
            !self.ended.contains_key(&it.fingerprint) && real.is_some_and(|at| alerts.all[at].is_over())
        })
    }

    /// The result of an action.
    pub fn result_of(&self, action: Uuid) -> Option<(ActionResult, &str)> {
        let row = self.intents.get(&action)?.result.as_ref()?;
        Some((row.result, row.reason.as_deref().unwrap_or_default()))
    }
}
