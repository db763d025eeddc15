//! What the checks remember: everything that passed the seam between engine and store, calls, bodies, and deeds of people.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::announcement::Announcement;
use fettle_core::effect::Effect;
use fettle_core::id::{ActionId, AnswerId, EffortId, LoanId, NotificationId, RemediationId, ReplicaId};
use fettle_core::ports::model::Claim;
use fettle_core::receive::Candidate;
use fettle_core::remediation::loan::Loan;
use fettle_core::remediation::outcome::ActionResult;
use fettle_core::remediation::record::{ActionRow, VerdictRow};
use fettle_core::remediation::state::Remediation;
use fettle_core::rule::model::Mode;
use fettle_core::sight::Pin;
use fettle_core::surroundings::{Answer, Pause};
use fettle_core::time::Timestamp;

use super::Truth;
use super::intent::{Intent, Made, Posted, Taken};
use crate::alerts::{Alerts, Shown};
use crate::time::Micros;

/// A rule's breaker, as the verdicts make it.
#[derive(Debug, Clone, Default)]
pub struct Breaker {
    /// When verdicts were given that proved nothing.
    pub strikes: Vec<(Timestamp, ActionId)>,
    /// Since when it is open.
    pub opened_at: Option<Timestamp>,
    /// The act that is tried.
    pub probe: Option<ActionId>,
}

/// Everything remembered.
#[derive(Debug, Default)]
pub struct Book {
    /// Effects by row.
    pub intents: BTreeMap<ActionId, Intent>,
    /// The audit, with results merged in.
    pub rows: BTreeMap<ActionId, ActionRow>,
    /// Remediations as they were stored last.
    pub docs: BTreeMap<RemediationId, Remediation>,
    /// When each was opened, by true time.
    pub opened: BTreeMap<RemediationId, Micros>,
    /// Those about which anything was decided since.
    pub decided: BTreeSet<RemediationId>,
    /// When each was closed, by true time.
    pub closed: BTreeMap<RemediationId, Micros>,
    /// Loans as they were stored last.
    pub loans: BTreeMap<LoanId, Loan>,
    /// Loans that are made with the admission that is looked at now.
    pub lent_now: BTreeSet<LoanId>,
    /// Claims that are held.
    pub claims: BTreeMap<EffortId, Claim>,
    /// What became of each alert for each rule.
    pub candidates: BTreeMap<(Fingerprint, String), Candidate>,
    /// Since when, by true time, each alert is known not to fire.
    pub ended: BTreeMap<Fingerprint, Micros>,
    /// Alerts that fettle heard firing after an end, and when last.
    pub refired: BTreeMap<Fingerprint, Micros>,
    /// Remediations that an alert was attached to, oldest first.
    pub attached: BTreeMap<Fingerprint, Vec<RemediationId>>,
    /// Bodies that were stored.
    pub appended: BTreeMap<NotificationId, Posted>,
    /// For each alert that fires as far as fettle knows: the words of that in this stretch.
    pub taken: BTreeMap<Fingerprint, Vec<Taken>>,
    /// Bodies that were posted, with what they report firing and when that was true last.
    pub bodies: BTreeMap<Bytes, Vec<Shown>>,
    /// For each alert that fettle heard firing: when that was true last.
    pub evidence: BTreeMap<usize, Micros>,
    /// For each alert that fettle heard firing: its latest `startsAt`, as sent.
    pub starts: BTreeMap<usize, Micros>,
    /// For each alert: when fettle heard it firing, by true time, newest last.
    pub heard: BTreeMap<usize, Vec<Micros>>,
    /// When a person was asked to approve something, by true time.
    pub asked: BTreeMap<RemediationId, Micros>,
    /// Verdicts.
    pub verdicts: Vec<VerdictRow>,
    /// fettle's own alerts.
    pub outbox: BTreeMap<(RemediationId, &'static str), Announcement>,
    /// When facts were read: by process and remediation.
    pub reads: BTreeMap<(ReplicaId, RemediationId), Micros>,
    /// Calls in the order in which they were made.
    pub calls: Vec<Made>,
    /// Answers that were taken, with when by true time.
    pub answers: BTreeMap<AnswerId, (RemediationId, Answer, Micros)>,
    /// Answers that were used.
    pub used: BTreeSet<AnswerId>,
    /// Pauses, with when by true time each began and ended.
    pub pauses: Vec<(Pause, Micros, Option<Micros>)>,
    /// Breakers by rule.
    pub breakers: BTreeMap<String, Breaker>,
    /// When each rule's breaker was switched last, by the process's time.
    pub switched: BTreeMap<String, Timestamp>,
    /// Probes that are open, by rule, as the record has them.
    pub probes: BTreeMap<String, ActionId>,
    /// Storms: when by true time each was found, and by the process's.
    pub storms: Vec<(Micros, Timestamp)>,
    /// Actions that were judged.
    pub judged: BTreeSet<ActionId>,
    /// Whether rules were ever taken out: then the rules that selected an alert are not certain.
    pub reloaded: bool,
    /// Rules that were taken out: when by true time, and when they were put back.
    pub unloaded: Vec<(String, Micros, Option<Micros>)>,
    /// The most that any process's time was off.
    pub skew: Micros,
    /// Runs that were looked at.
    pub runs_seen: usize,
    /// Effects that were called when Docker did not remember, or did not tell, that their target was stopped.
    pub forgotten: BTreeSet<ActionId>,
    /// Calls that were counted as executed.
    pub executed: BTreeSet<usize>,
}

impl Book {
    /// Effects under way, as far as the record goes.
    pub fn under_way(&self) -> impl Iterator<Item = &Intent> {
        self.intents.values().filter(|it| it.mode == Mode::Act && it.result.is_none())
    }

    /// fettle heard alerts firing.
    pub fn hear(&mut self, evidence: &[Shown], now: Micros) {
        for Shown { alert, true_at, starts_at } in evidence {
            for (known, at) in [(&mut self.evidence, true_at), (&mut self.starts, starts_at)] {
                let known = known.entry(*alert).or_insert(*at);
                *known = (*known).max(*at);
            }
            self.heard.entry(*alert).or_default().push(now);
        }
    }

    /// The intent that a call is made for.
    pub fn intent_of(&self, pin: &Pin, effect: &Effect) -> Option<&Intent> {
        let fits = |it: &&Intent| it.pin == *pin && it.effect == *effect;
        let open = self.intents.values().filter(fits).filter(|it| it.calls.is_empty()).max_by_key(|it| it.at);
        open.or_else(|| self.intents.values().filter(fits).max_by_key(|it| it.at))
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
    pub fn had_effect(&self, remediation: RemediationId, truth: &Truth<'_>) -> bool {
        let own = self.intents.values().filter(|it| it.remediation == remediation);
        own.flat_map(|it| &it.calls).any(|call| super::oncall::was_executed(truth, *call))
    }

    /// The result of an action.
    pub fn result_of(&self, action: ActionId) -> Option<(ActionResult, &str)> {
        let row = self.intents.get(&action)?.result.as_ref()?;
        Some((row.result, row.reason.as_deref().unwrap_or_default()))
    }
}
