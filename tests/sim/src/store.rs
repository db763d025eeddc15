//! A model of the store: the semantics of `trait Store`, in memory. Each method is one transaction.
//!
//! One open remediation per target; claims by lease, version and wakes; commits by compare-and-set; the ledger counted from
//! rows; candidates settled at close; loans, answers, pauses, breakers, the storm and the outbox. What the schema refuses
//! (a second result, a second open remediation) is refused here.

mod facts;
mod records;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use fettle_core::alert::episode::AlertState;
use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::announcement::Announcement;
use fettle_core::guard::ledger::{Ledger, LedgerAsk};
use fettle_core::receive::{Candidate, Changes, OpenTarget, PastFix, Standing, World};
use fettle_core::remediation::loan::{Loan, LoanEnd, LoanState};
use fettle_core::remediation::outcome::{ActionResult, Outcome, Verdict};
use fettle_core::remediation::record::{ActionRow, BreakerRow, Record, VerdictRow};
use fettle_core::remediation::refusal::Refusal;
use fettle_core::remediation::state::{Remediation, State};
use fettle_core::surroundings::{Answer, AnswerKind, Pause, Storm};
use fettle_core::time::Timestamp;
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
        let taken: HashSet<Uuid> = ask.take.iter().copied().filter(|id| self.pending.remove(id).is_some()).collect();
        let mut world = World { taken, ..World::default() };
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
                let known = world.past.returned.entry((row.doc.rule.clone(), row.doc.target.to_string())).or_insert(at);
                *known = at.max(*known);
            }
        }
        if let Some(since) = ask.recent_since {
            let recent = self.remediations.values().filter(|row| row.doc.opened_at >= since);
            let counted = recent.filter(|row| row.doc.outcome() != Some(Outcome::Refused));
            world.past.recent = counted.map(|row| row.doc.target.to_string()).collect();
        }
        world.past.storm = self.storm;
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
            let known = world.past.fixed.entry((row.doc.rule.clone(), target.to_owned()));
            let came_back = |(_, it): &(String, VerdictRow)| it.action_id == action && it.verdict == Verdict::Regressed;
            let regressed = self.verdicts.iter().any(came_back);
            let fix = PastFix { regressed, action, rung: row.doc.rung, closed_at };
            known
                .and_modify(|it| {
                    if it.closed_at <= closed_at {
                        *it = fix.clone();
                    }
                })
                .or_insert(fix);
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
        let asks: Vec<LedgerAsk> =
            asks.iter().map(|ask| LedgerAsk { remediation: Uuid::nil(), ..(*ask).clone() }).collect();
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

    /// Stores what a late call says of itself beside a row that says that nothing happened.
    pub fn late(&mut self, action: Uuid, records: &[Record]) -> bool {
        let result = self.actions.get(&action).and_then(|row| row.result);
        let told = |(_, row): &(String, VerdictRow)| row.action_id == action && row.verdict == Verdict::Superseded;
        let given_up = matches!(result, Some(ActionResult::Failed | ActionResult::Unknown));
        if !given_up || self.verdicts.iter().any(told) || self.is(Mutant::LateCallsUntold) {
            return false;
        }
        self.write_records(records);
        true
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

    /// Stores a person's answer, compared with what is proposed, and wakes the remediation.
    pub fn answer(&mut self, remediation: Uuid, answer: Answer) -> Answered {
        let Some(row) = self.remediations.get(&remediation).filter(|row| row.due.is_some()) else {
            return Answered::No;
        };
        let asked_at = match (&row.doc.state, answer.kind) {
            (_, AnswerKind::Cancel) => None,
            (State::AwaitingApproval { proposal, until, .. }, _) => {
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
