//! A model of the store: the semantics of `trait Store`, in memory. Each method is one transaction.
//!
//! One open remediation per target; claims by lease, version and wakes; commits by compare-and-set; the ledger counted from
//! rows; candidates settled at close; loans, answers, pauses, breakers, the storm and the outbox. What the schema refuses
//! (a second result, a second open remediation) is refused here.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use fettle::core::alert::episode::AlertState;
use fettle::core::alert::fingerprint::Fingerprint;
use fettle::core::announcement::{Announcement, AnnouncementName};
use fettle::core::guard::ledger::{Ledger, LedgerAsk, ScopeKind};
use fettle::core::receive::{Candidate, Changes, OpenTarget, PastFix, Standing, World};
use fettle::core::remediation::loan::{Loan, LoanEnd, LoanState};
use fettle::core::remediation::outcome::Outcome;
use fettle::core::remediation::record::{ActionRow, BreakerRow, Record, VerdictRow};
use fettle::core::remediation::refusal::Refusal;
use fettle::core::remediation::state::{Remediation, State};
use fettle::core::rule::model::Mode;
use fettle::core::surroundings::{Answer, AnswerKind, Breaker, OpenLoan, Pause, Storm, Surroundings};
use fettle::core::time::{Timestamp, before};
use uuid::Uuid;

use crate::mutants::Mutant;

/// A row that is worked on under a claim.
#[derive(Debug, Clone)]
pub struct Row<T> {
    /// As stored.
    pub doc: T,
    /// Raised by every claim and commit.
    pub version: i64,
    /// How often it was woken.
    pub wakes: i64,
    /// When it is due; `None`: over.
    pub due: Option<Timestamp>,
    /// Whose it is.
    pub owner: Option<Uuid>,
    /// Until when.
    pub lease_until: Option<Timestamp>,
}

/// Proof that a row is ours for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The row.
    pub id: Uuid,
    /// Who holds it.
    pub owner: Uuid,
    /// The version that was read.
    pub version: i64,
    /// How often it had been woken when it was read.
    pub wakes: i64,
}

/// What one decision stores.
#[derive(Debug, Clone)]
pub struct Commit<T> {
    /// The new state.
    pub doc: T,
    /// Rows beside it.
    pub records: Vec<Record>,
    /// Keep the claim until then.
    pub keep_until: Option<Timestamp>,
}

/// What a commit left behind.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The next claim, when it was kept.
    pub claim: Claim,
    /// Alerts whose candidates waited for this target.
    pub waiting: Vec<AlertState>,
}

/// The answer to an admission.
#[derive(Debug)]
pub enum Admission<T> {
    /// The intent is stored.
    Admitted(Stored, Commit<T>),
    /// A guard said no.
    Refused(Refusal),
    /// The claim was lost.
    Lost,
}

/// What became of a person's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answered {
    /// It is stored.
    Taken,
    /// It is not: nothing waits for it, or not for this.
    No,
}

/// What is read before a decision.
#[derive(Debug, Clone, Default)]
pub struct FactsAsk {
    /// Whose.
    pub remediation: Uuid,
    /// Its rule.
    pub rule: String,
    /// Verdicts count from here on.
    pub unproven_since: Timestamp,
    /// The target as written.
    pub target: String,
    /// What it was resolved to.
    pub key: Option<String>,
    /// Whether the rule has an `unless`.
    pub unless: bool,
    /// Evidence from here on.
    pub unless_since: Timestamp,
    /// Now.
    pub now: Timestamp,
}

/// What is read before notifications are taken in.
#[derive(Debug, Clone)]
pub struct ReceiveAsk {
    /// Notifications to take in.
    pub take: Vec<Uuid>,
    /// Alerts they speak of.
    pub fingerprints: BTreeSet<Fingerprint>,
    /// Targets they may be about.
    pub targets: BTreeSet<String>,
    /// How far back a fix counts.
    pub fixed_since: Option<Timestamp>,
    /// Who opens.
    pub owner: Uuid,
    /// New ones are born claimed until then.
    pub lease_until: Option<Timestamp>,
    /// From when on targets count for the storm.
    pub recent_since: Option<Timestamp>,
    /// Now.
    pub now: Timestamp,
}

/// What the database holds.
#[derive(Debug, Default)]
pub struct Store {
    /// Notifications not yet taken in.
    pub pending: BTreeMap<Uuid, Timestamp>,
    /// Those that were, for the checks.
    pub taken: BTreeSet<Uuid>,
    /// Alerts.
    pub alerts: BTreeMap<Fingerprint, AlertState>,
    /// Candidates.
    pub candidates: BTreeMap<(Fingerprint, String), Candidate>,
    /// Remediations.
    pub remediations: BTreeMap<Uuid, Row<Remediation>>,
    /// The open one of each target.
    pub open: BTreeMap<String, Uuid>,
    /// The audit; results are merged in.
    pub actions: BTreeMap<Uuid, ActionRow>,
    /// Verdicts, with the rule.
    pub verdicts: Vec<(String, VerdictRow)>,
    /// Loans.
    pub loans: BTreeMap<Uuid, Row<Loan>>,
    /// Pauses, those that were ended left out.
    pub pauses: Vec<Pause>,
    /// Answers, oldest first.
    pub answers: Vec<(Uuid, Answer)>,
    /// Proposals that were answered: whose, and when each was made.
    pub asked: BTreeSet<(Uuid, Timestamp)>,
    /// Breakers, with when each was last closed.
    pub breakers: BTreeMap<String, (BreakerRow, Option<Timestamp>)>,
    /// The storm.
    pub storm: Option<Storm>,
    /// The outbox.
    pub outbox: BTreeMap<(Uuid, &'static str), Announcement>,
    /// The latest instant stored.
    pub latest: Option<Timestamp>,
    /// A deliberate fault.
    pub mutant: Option<Mutant>,
}

impl<T> Row<T> {
    fn is_free(&self, now: Timestamp) -> bool {
        self.owner.is_none() || self.lease_until.is_some_and(|until| until < now)
    }

    fn claim(&mut self, id: Uuid, owner: Uuid, until: Timestamp) -> Claim {
        self.version += 1;
        (self.owner, self.lease_until) = (Some(owner), Some(until));
        Claim { id, owner, version: self.version, wakes: self.wakes }
    }

    fn is_held_by(&self, claim: &Claim) -> bool {
        self.version == claim.version && self.owner == Some(claim.owner)
    }
}

impl Store {
    fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    fn note(&mut self, at: Timestamp) {
        self.latest = Some(self.latest.map_or(at, |latest| latest.max(at)));
    }

    /// Stores a notification.
    pub fn append(&mut self, id: Uuid, received_at: Timestamp) {
        self.pending.insert(id, received_at);
        self.note(received_at);
    }

    /// Reads what is known, lets `think` decide, writes what it says.
    pub fn receive(&mut self, ask: &ReceiveAsk, think: impl FnOnce(&World) -> Changes) -> Changes {
        let mut world = World::default();
        world.taken = ask.take.iter().copied().filter(|id| self.pending.remove(id).is_some()).collect::<HashSet<_>>();
        self.taken.extend(&world.taken);
        for fingerprint in &ask.fingerprints {
            let Some(alert) = self.alerts.get(fingerprint) else { continue };
            world.alerts.insert(*fingerprint, alert.clone());
            let theirs = self.candidates.values().filter(|it| it.fingerprint == *fingerprint).cloned().collect();
            world.candidates.insert(*fingerprint, theirs);
        }
        for target in &ask.targets {
            if let Some(row) = self.open.get(target).and_then(|id| self.remediations.get(id)) {
                let (id, rule, state) = (row.doc.id, row.doc.rule.clone(), row.doc.state_name());
                world.open.insert(target.clone(), OpenTarget { id, rule, state });
            }
            self.past_fixes(target, ask.fixed_since, &mut world);
        }
        for row in self.loans.values() {
            if let LoanState::Closed { end: LoanEnd::Returned, at, .. } = row.doc.state {
                let known = world.returned.entry((row.doc.rule.clone(), row.doc.target.to_string())).or_insert(at);
                *known = at.max(*known);
            }
        }
        if let Some(since) = ask.recent_since {
            let recent = self.remediations.values().filter(|row| row.doc.opened_at >= since);
            let counted = recent.filter(|row| row.doc.outcome() != Some(Outcome::Refused));
            world.recent = counted.map(|row| row.doc.target.to_string()).collect();
        }
        world.storm = self.storm;
        let changes = think(&world);
        self.write_changes(ask, &changes);
        changes
    }

    fn past_fixes(&self, target: &str, since: Option<Timestamp>, world: &mut World) {
        let Some(since) = since else { return };
        for row in self.remediations.values() {
            let (Some(Outcome::Fixed), Some(closed_at)) = (row.doc.outcome(), row.doc.closed_at()) else { continue };
            let Some(action) = row.doc.last_action else { continue };
            if closed_at < since || row.doc.target.to_string() != target {
                continue;
            }
            let known = world.fixed.entry((row.doc.rule.clone(), target.to_owned()));
            let fix = PastFix { action, rung: row.doc.rung, closed_at };
            known.and_modify(|it| if it.closed_at <= closed_at { *it = fix.clone() }).or_insert(fix);
        }
    }

    fn write_changes(&mut self, ask: &ReceiveAsk, changes: &Changes) {
        for alert in &changes.alerts {
            self.alerts.insert(alert.fingerprint, alert.clone());
        }
        for remediation in &changes.opened {
            let (id, open) = (remediation.id, remediation.outcome().is_none());
            if open {
                self.open.insert(remediation.target.to_string(), id);
            }
            let lease_until = ask.lease_until.filter(|_| open);
            let owner = lease_until.map(|_| ask.owner);
            let due = remediation.due();
            let row = Row { doc: remediation.clone(), version: 1, wakes: 0, due, owner, lease_until };
            self.remediations.insert(id, row);
        }
        for id in &changes.woken {
            self.wake(*id, ask.now);
        }
        if !self.is(Mutant::CandidatesLost) {
            for candidate in &changes.candidates {
                let key = (candidate.fingerprint, candidate.rule.clone());
                self.candidates.insert(key, candidate.clone());
            }
        }
        if !self.is(Mutant::StormNotLatched) {
            self.write_storm(changes.storm);
        }
        self.write_records(&changes.records);
    }

    /// Two processes may find the same one: it lasts from the first to the last.
    fn write_storm(&mut self, found: Option<Storm>) {
        let Some(found) = found else { return };
        self.storm = Some(match self.storm {
            Some(stands) if found.last_at < stands.last_at => Storm { since: stands.since.min(found.since), ..stands },
            Some(stands) if found.since <= stands.last_at => Storm { since: stands.since.min(found.since), ..found },
            _ => found,
        });
    }

    /// It must look again now.
    fn wake(&mut self, id: Uuid, now: Timestamp) {
        if let Some(row) = self.remediations.get_mut(&id).filter(|row| row.due.is_some()) {
            row.due = row.due.map(|due| due.min(now));
            row.wakes += 1;
        }
    }

    /// Alerts that wait for a target which is free by now.
    pub fn waiting(&self) -> Vec<AlertState> {
        self.waiting_for(|target| !self.open.contains_key(target))
    }

    fn waiting_for(&self, about: impl Fn(&str) -> bool) -> Vec<AlertState> {
        let waiting = self.candidates.values().filter(|it| it.standing == Standing::Waiting && about(&it.target));
        let asked: BTreeSet<_> = waiting.map(|it| (it.fingerprint, it.episode)).collect();
        self.alerts.values().filter(|it| it.firing && asked.contains(&(it.fingerprint, it.episode))).cloned().collect()
    }

    /// Claims what is due.
    pub fn claim(&mut self, owner: Uuid, now: Timestamp, until: Timestamp) -> Vec<(Claim, Remediation)> {
        let due = |row: &Row<Remediation>| row.due.is_some_and(|due| due <= now) && row.is_free(now);
        let ids: Vec<Uuid> = self.open.values().copied().collect();
        let mut claimed = Vec::new();
        for id in ids {
            if let Some(row) = self.remediations.get_mut(&id).filter(|row| due(row)) {
                claimed.push((row.claim(id, owner, until), row.doc.clone()));
            }
        }
        claimed
    }

    /// Claims loans that are due.
    pub fn claim_loans(&mut self, owner: Uuid, now: Timestamp, until: Timestamp) -> Vec<(Claim, Loan)> {
        let due = |row: &Row<Loan>| row.due.is_some_and(|due| due <= now) && row.is_free(now);
        let mut claimed = Vec::new();
        for (id, row) in self.loans.iter_mut().filter(|(_, row)| due(row)) {
            claimed.push((row.claim(*id, owner, until), row.doc.clone()));
        }
        claimed
    }

    /// When the next row is due that nobody holds, or the next lease runs out.
    pub fn next_work(&self) -> Option<Timestamp> {
        let open = self.open.values().filter_map(|id| self.remediations.get(id));
        let of = |due: Option<Timestamp>, until: Option<Timestamp>| Some(due?.max(until.unwrap_or(due?)));
        let remediations = open.filter_map(|row| of(row.due, row.lease_until));
        remediations.chain(self.loans.values().filter_map(|row| of(row.due, row.lease_until))).min()
    }

    /// Whether upkeep would find anything.
    pub fn needs_upkeep(&self, alive: &[Uuid]) -> bool {
        let dead = |owner: Option<Uuid>| owner.is_some_and(|it| !alive.contains(&it));
        let open = self.open.values().filter_map(|id| self.remediations.get(id));
        !self.pending.is_empty()
            || self.candidates.values().any(|it| it.standing == Standing::Waiting)
            || open.map(|row| row.owner).chain(self.loans.values().map(|row| row.owner)).any(dead)
    }

    /// Gives back the claims of the dead.
    pub fn adopt(&mut self, alive: &[Uuid]) -> bool {
        let mut adopted = false;
        let dead = |owner: Option<Uuid>| owner.is_some_and(|it| !alive.contains(&it));
        for row in self.remediations.values_mut().filter(|row| row.due.is_some() && dead(row.owner)) {
            (row.owner, row.lease_until, adopted) = (None, None, true);
        }
        for row in self.loans.values_mut().filter(|row| row.due.is_some() && dead(row.owner)) {
            (row.owner, row.lease_until, adopted) = (None, None, true);
        }
        adopted
    }

    /// The alerts attached to a remediation.
    pub fn attached(&self, remediation: Uuid) -> Vec<AlertState> {
        let attached = |it: &&Candidate| it.remediation == Some(remediation) && it.standing == Standing::Attached;
        let theirs: BTreeSet<_> = self.candidates.values().filter(attached).map(|it| it.fingerprint).collect();
        theirs.iter().filter_map(|it| self.alerts.get(it)).cloned().collect()
    }

    /// What is the case around a remediation.
    pub fn facts(&self, ask: &FactsAsk) -> (Vec<AlertState>, Surroundings) {
        let paused = |it: &&Pause| it.until.is_none_or(|until| until > ask.now);
        let pauses = if self.is(Mutant::PausesForgotten) { Vec::new() } else { self.pauses.iter().filter(paused).cloned().collect() };
        let related = |it: &&AlertState| ask.unless && it.firing && it.evidence_at >= ask.unless_since;
        let loans = self.loans.values().filter(|row| row.due.is_some()).filter(|row| {
            let loan = &row.doc;
            loan.target.to_string() == ask.target || ask.key.as_ref().is_some_and(|key| loan.keys.contains(key))
        });
        let loans = loans.map(|row| OpenLoan {
            id: row.doc.id,
            remediation: row.doc.remediation,
            target: row.doc.target.to_string(),
            detail: row.doc.effect.describe(),
            due_at: row.due.unwrap_or(ask.now),
        });
        let answer = self.answers.iter().rev().find(|(id, _)| *id == ask.remediation).map(|(_, it)| it.clone());
        let surroundings = Surroundings {
            pauses,
            storm: self.storm,
            breaker: self.breaker(&ask.rule, ask.unproven_since),
            loans: loans.collect(),
            related: self.alerts.values().filter(related).cloned().collect(),
            answer,
            ..Surroundings::default()
        };
        (self.attached(ask.remediation), surroundings)
    }

    fn breaker(&self, rule: &str, since: Timestamp) -> Breaker {
        if self.is(Mutant::BreakerIgnored) {
            return Breaker::default();
        }
        let known = self.breakers.get(rule);
        let closed_at = known.and_then(|(_, closed_at)| *closed_at);
        // A dependent's row shares the verdict and is not one more strike.
        let is_main = |row: &VerdictRow| {
            let action = self.actions.get(&row.action_id);
            let remediation = action.and_then(|it| self.remediations.get(&it.remediation_id));
            action.zip(remediation).is_none_or(|(action, it)| action.target == it.doc.target.to_string())
        };
        let counted = self.verdicts.iter().rev().filter(|(name, row)| {
            name == rule
                && row.verdict.proves_nothing()
                && row.at >= since
                && closed_at.is_none_or(|at| row.at > at)
                && is_main(row)
        });
        let mut unproven: Vec<_> = counted.map(|(_, row)| row.at).collect();
        unproven.sort_by(|a, b| b.cmp(a));
        Breaker {
            opened_at: known.and_then(|(row, _)| row.opened_at),
            probe: known.and_then(|(row, _)| row.probe),
            unproven,
        }
    }

    /// Reads the ledger.
    pub fn ledgers(&self, asks: &[&LedgerAsk]) -> Vec<Ledger> {
        asks.iter().map(|ask| self.ledger(ask)).collect()
    }

    fn ledger(&self, ask: &LedgerAsk) -> Ledger {
        let mode = |row: &&ActionRow| row.spends && (row.mode == Mode::Observe) == (ask.mode == Mode::Observe);
        let same_target = |row: &ActionRow| row.target == ask.target || row.key.as_ref() == Some(&ask.key);
        let mut ledger = Ledger::default();
        for scope in &ask.scopes {
            let since = before(ask.now, scope.budget.per);
            let counted = self.actions.values().filter(mode).filter(|row| row.planned_at >= since);
            let mut inside: Vec<_> = counted
                .filter(|row| match scope.kind {
                    ScopeKind::Fleet => true,
                    ScopeKind::Rule => row.rule == ask.rule,
                    ScopeKind::Target => same_target(row),
                    ScopeKind::RuleTarget => row.rule == ask.rule && same_target(row),
                })
                .map(|row| row.planned_at)
                .collect();
            inside.sort_by(|a, b| b.cmp(a));
            let max = scope.budget.max as usize + usize::from(self.is(Mutant::BudgetOffByOne));
            ledger.full_since.push(inside.get(max - 1).copied());
            ledger.used.push(u32::try_from(inside.len().min(max)).unwrap_or(u32::MAX));
        }
        let others = self.actions.values().filter(mode).filter(|row| row.remediation_id != ask.remediation);
        let on_it = others.filter(|row| same_target(row));
        ledger.last_effect = on_it.map(|row| row.finished_at.unwrap_or(row.planned_at)).max();
        if !self.is(Mutant::ExclusionForgotten) {
            ledger.rivals = self.rivals(ask);
        }
        let running = |row: &&Row<Remediation>| matches!(row.doc.state, State::Running { .. });
        let open = self.open.values().filter(|id| **id != ask.remediation).filter_map(|id| self.remediations.get(id));
        let returning = self.loans.values().filter(|row| matches!(row.doc.state, LoanState::Returning { .. })).count();
        ledger.in_flight = u32::try_from(open.filter(running).count() + returning).unwrap_or(u32::MAX);
        ledger.breaker = self.breaker(&ask.rule, ask.unproven_since);
        ledger
    }

    /// Who else is at work on one of these keys: remediations, effects without a result (those on dependents too), and
    /// loans that are being returned.
    fn rivals(&self, ask: &LedgerAsk) -> Vec<Uuid> {
        let at_work = |row: &&Row<Remediation>| matches!(row.doc.state, State::Running { .. } | State::Verifying { .. });
        let keyed = |key: &Option<String>| key.as_ref().is_some_and(|key| ask.keys.contains(key));
        let open = self.open.values().filter(|id| **id != ask.remediation).filter_map(|id| self.remediations.get(id));
        let mut rivals: Vec<_> = open.filter(at_work).filter(|row| keyed(&row.doc.key)).map(|row| row.doc.id).collect();
        let open_effect = |row: &&ActionRow| row.result.is_none() && row.remediation_id != ask.remediation && keyed(&row.key);
        rivals.extend(self.actions.values().filter(open_effect).map(|row| row.remediation_id));
        let returning = |row: &&Row<Loan>| matches!(row.doc.state, LoanState::Returning { .. });
        let theirs = |loan: &Loan| loan.keys.iter().any(|key| ask.keys.contains(key));
        rivals.extend(self.loans.values().filter(returning).filter(|row| theirs(&row.doc)).map(|row| row.doc.id));
        rivals.sort_unstable();
        rivals.dedup();
        rivals
    }

    /// Reads the ledger under the lock, lets `judge` decide, stores its commit or nothing.
    pub fn admit(
        &mut self,
        claim: &Claim,
        asks: &[&LedgerAsk],
        judge: impl FnOnce(&[Ledger]) -> Result<Commit<Remediation>, Refusal>,
    ) -> Admission<Remediation> {
        let ledgers = self.ledgers(asks);
        match judge(&ledgers) {
            Err(refusal) => Admission::Refused(refusal),
            Ok(commit) => match self.commit(claim, &commit) {
                Some(stored) => Admission::Admitted(stored, commit),
                None => Admission::Lost,
            },
        }
    }

    /// As [`Store::admit`], for the return of a loan.
    pub fn admit_return(
        &mut self,
        claim: &Claim,
        asks: &[&LedgerAsk],
        judge: impl FnOnce(&[Ledger]) -> Result<Commit<Loan>, Refusal>,
    ) -> Admission<Loan> {
        // The remediation that lent is like any other here.
        let asks: Vec<LedgerAsk> = asks.iter().map(|ask| LedgerAsk { remediation: Uuid::nil(), ..(*ask).clone() }).collect();
        let ledgers = self.ledgers(&asks.iter().collect::<Vec<_>>());
        match judge(&ledgers) {
            Err(refusal) => Admission::Refused(refusal),
            Ok(commit) => match self.commit_loan(claim, &commit) {
                Some(claim) => Admission::Admitted(Stored { claim, waiting: Vec::new() }, commit),
                None => Admission::Lost,
            },
        }
    }

    /// The row as it is, and whether this claim holds it: for the checks.
    pub fn held(&self, claim: &Claim) -> (Option<Remediation>, bool) {
        let row = self.remediations.get(&claim.id);
        (row.map(|row| row.doc.clone()), row.is_some_and(|row| row.is_held_by(claim)))
    }

    /// Stores a decision, or nothing when the claim was lost.
    pub fn commit(&mut self, claim: &Claim, commit: &Commit<Remediation>) -> Option<Stored> {
        let unfenced = self.is(Mutant::LeaseNotFenced);
        let row = self.remediations.get_mut(&claim.id)?;
        if !row.is_held_by(claim) && !unfenced {
            return None;
        }
        let outcome = commit.doc.outcome();
        row.version += 1;
        let next = commit.doc.due();
        row.due = match (row.due, next) {
            (Some(old), Some(new)) if row.wakes > claim.wakes => Some(old.min(new)),
            _ => next,
        };
        row.doc = commit.doc.clone();
        row.lease_until = commit.keep_until.filter(|_| outcome.is_none());
        row.owner = row.lease_until.and(row.owner);
        let claim = Claim { version: row.version, ..claim.clone() };
        self.write_records(&commit.records);
        let mut waiting = Vec::new();
        if let Some(outcome) = outcome {
            let target = commit.doc.target.to_string();
            self.open.remove(&target);
            let standing = if outcome.leaves_episode_open() { Standing::Free } else { Standing::Spent };
            let attached = |it: &&mut Candidate| it.remediation == Some(claim.id) && it.standing == Standing::Attached;
            self.candidates.values_mut().filter(attached).for_each(|it| it.standing = standing);
            waiting = self.waiting_for(|it| it == target);
        }
        Some(Stored { claim, waiting })
    }

    /// Stores a decision about a loan, or nothing when the claim was lost.
    pub fn commit_loan(&mut self, claim: &Claim, commit: &Commit<Loan>) -> Option<Claim> {
        let row = self.loans.get_mut(&claim.id)?;
        if !row.is_held_by(claim) {
            return None;
        }
        row.version += 1;
        row.due = commit.doc.due();
        row.doc = commit.doc.clone();
        row.lease_until = commit.keep_until.filter(|_| row.due.is_some());
        row.owner = row.lease_until.and(row.owner);
        let claim = Claim { version: row.version, ..claim.clone() };
        self.write_records(&commit.records);
        Some(claim)
    }

    fn write_records(&mut self, records: &[Record]) {
        for record in records {
            match record {
                Record::Action(row) => {
                    self.note(row.planned_at);
                    if row.result.is_none() && self.is(Mutant::IntentNotStored) {
                        continue;
                    }
                    self.actions.insert(row.id, (**row).clone());
                }
                Record::Result(row) => {
                    self.note(row.finished_at);
                    let Some(action) = self.actions.get_mut(&row.action_id) else { continue };
                    if self.mutant == Some(Mutant::ResultLost) {
                        continue;
                    }
                    action.result = Some(row.result);
                    action.reason.clone_from(&row.reason);
                    action.started_at = row.started_at;
                    action.finished_at = Some(row.finished_at);
                    action.spends = row.spends;
                }
                Record::Verdict { rule, row, .. } => {
                    self.note(row.at);
                    self.verdicts.push((rule.clone(), row.clone()));
                }
                Record::Transition(row) => self.note(row.at),
                Record::Event(row) => self.note(row.at),
                Record::Refusal { .. } => {}
                Record::Announce(it) => {
                    let taken_back = it.name == AnnouncementName::Working && it.until <= it.at;
                    if !(taken_back && self.is(Mutant::WorkingNotWithdrawn)) {
                        self.outbox.insert((it.remediation, it.name.as_str()), (**it).clone());
                    }
                }
                Record::Loan(loan) => self.write_loan(loan),
                Record::Breaker(row) => self.write_breaker(row),
                Record::Ended(seen) => {
                    if let Some(alert) = self.alerts.get_mut(&seen.fingerprint)
                        && (alert.firing && !seen.firing && alert.episode == seen.episode)
                        && alert.heard_at <= seen.heard_at
                    {
                        *alert = (**seen).clone();
                    }
                }
            }
        }
    }

    fn write_loan(&mut self, loan: &Loan) {
        if self.is(Mutant::LoanForgotten) {
            return;
        }
        let due = loan.due();
        match self.loans.get_mut(&loan.id) {
            // What is over stays as it is.
            Some(row) if row.due.is_none() => {}
            Some(row) => {
                let keys = std::mem::take(&mut row.doc.keys);
                row.doc = Loan { keys, ..loan.clone() };
                row.due = due;
                row.version += 1;
                (row.owner, row.lease_until) = (None, None);
            }
            None => {
                let row = Row { doc: loan.clone(), version: 1, wakes: 0, due, owner: None, lease_until: None };
                self.loans.insert(loan.id, row);
            }
        }
    }

    /// What was decided before what stands says nothing any more.
    pub fn write_breaker(&mut self, row: &BreakerRow) {
        if self.breakers.get(&row.rule).is_some_and(|(stands, _)| row.at < stands.at) {
            return;
        }
        let closed_at = if row.opened_at.is_none() { Some(row.at) } else { self.breakers.get(&row.rule).and_then(|it| it.1) };
        self.breakers.insert(row.rule.clone(), (row.clone(), closed_at));
        self.note(row.at);
    }

    /// The alerts of the remediation that lent, and the pauses that are not over.
    pub fn loan_facts(&self, loan: &Loan, now: Timestamp) -> (Vec<AlertState>, Vec<Pause>) {
        // Of every remediation of this rule and target: a later one may have taken over what fires by now.
        let same = |id: Uuid| {
            let row = self.remediations.get(&id);
            row.is_some_and(|row| row.doc.rule == loan.rule && row.doc.target == loan.target)
        };
        let of_these = self.candidates.values().filter(|it| it.remediation.is_some_and(same));
        let theirs: BTreeSet<_> = of_these.map(|it| it.fingerprint).collect();
        let alerts = theirs.iter().filter_map(|it| self.alerts.get(it)).cloned().collect();
        let pauses = self.pauses.iter().filter(|it| it.until.is_none_or(|until| until > now)).cloned().collect();
        (alerts, pauses)
    }

    /// Stores a person's answer, compared with what is proposed, and wakes the remediation.
    pub fn answer(&mut self, remediation: Uuid, answer: Answer) -> Answered {
        let Some(row) = self.remediations.get(&remediation).filter(|row| row.due.is_some()) else { return Answered::No };
        let asked_at = match (&row.doc.state, answer.kind) {
            (_, AnswerKind::Cancel) => None,
            (State::AwaitingApproval { proposal, until }, _) => {
                let earlier = (remediation, proposal.asked_at);
                let fits = answer.plan.as_ref() == Some(&proposal.hash) && answer.at <= *until;
                let cancels = |(id, it): &(Uuid, Answer)| *id == remediation && it.kind == AnswerKind::Cancel;
                if !fits || self.asked.contains(&earlier) || self.answers.iter().any(cancels) {
                    return Answered::No;
                }
                Some(proposal.asked_at)
            }
            _ => return Answered::No,
        };
        self.wake(remediation, answer.at);
        if let Some(asked_at) = asked_at {
            self.asked.insert((remediation, asked_at));
            // It waits for a person only, so nobody has to hold it.
            if let Some(row) = self.remediations.get_mut(&remediation) {
                row.version += 1;
                (row.owner, row.lease_until) = (None, None);
            }
        }
        self.note(answer.at);
        self.answers.push((remediation, answer));
        Answered::Taken
    }
}
