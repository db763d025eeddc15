//! The alerts that were heard of, and what became of each for each rule; found by fingerprint, and where needed by name and
//! by target.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use fettle_core::alert::episode::{AlertState, STALE_FOR};
use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::alert::labels::Labels;
use fettle_core::receive::{Candidate, Standing};
use fettle_core::time::{Timestamp, before};

/// An alert that ended is as good as unknown once no firing body of before can still come; with room.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(6 * STALE_FOR.as_secs());

/// Alerts that are kept before it is worth looking which could go.
const SWEEP_AT: usize = 4096;

/// All of them.
#[derive(Debug)]
pub(super) struct Alerts {
    known: HashMap<Fingerprint, Known>,
    waiting: HashMap<Arc<str>, BTreeSet<Fingerprint>>,
    /// Firing alerts by name; kept where a rule has an `unless`.
    named: Option<HashMap<Box<str>, BTreeSet<Fingerprint>>>,
    /// Every alert that was ever about a target; kept where a rule lends.
    about: Option<HashMap<Arc<str>, BTreeSet<Fingerprint>>>,
    forgets: bool,
    sweep_at: usize,
}

#[derive(Debug)]
struct Known {
    state: AlertState,
    candidates: Vec<Told>,
}

/// A candidate, and the rule whose remediation it is or was attached to, or waits for.
#[derive(Debug)]
struct Told {
    candidate: Candidate,
    driven_by: Arc<str>,
}

impl Alerts {
    /// `related`: alerts are asked for by what they carry. `lends`: by the target they are about.
    pub(super) fn new(related: bool, lends: bool, forgets: bool) -> Self {
        Self {
            known: HashMap::new(),
            waiting: HashMap::new(),
            named: related.then(HashMap::new),
            about: lends.then(HashMap::new),
            forgets,
            sweep_at: SWEEP_AT,
        }
    }

    /// From now on alerts are asked for in these ways, too.
    pub(super) fn need(&mut self, related: bool, lends: bool) {
        if related && self.named.is_none() {
            let mut named: HashMap<Box<str>, BTreeSet<Fingerprint>> = HashMap::new();
            for it in self.known.values().map(|it| &it.state).filter(|it| it.firing) {
                named.entry(it.labels.get("alertname").into()).or_default().insert(it.fingerprint);
            }
            self.named = Some(named);
        }
        if lends && self.about.is_none() {
            let mut about: HashMap<Arc<str>, BTreeSet<Fingerprint>> = HashMap::new();
            for it in self.known.values().flat_map(|it| &it.candidates).map(|it| &it.candidate) {
                about.entry(it.target.as_str().into()).or_default().insert(it.fingerprint);
            }
            self.about = Some(about);
        }
    }

    pub(super) fn get(&self, fingerprint: Fingerprint) -> Option<&AlertState> {
        self.known.get(&fingerprint).map(|it| &it.state)
    }

    pub(super) fn candidates(&self, fingerprint: Fingerprint) -> Option<Vec<Candidate>> {
        let known = self.known.get(&fingerprint)?;
        Some(known.candidates.iter().map(|it| it.candidate.clone()).collect())
    }

    /// Those of `fingerprints` that are known, in order.
    pub(super) fn all(&self, fingerprints: &BTreeSet<Fingerprint>) -> Vec<AlertState> {
        fingerprints.iter().filter_map(|it| self.get(*it)).cloned().collect()
    }

    /// Inserts or overwrites.
    pub(super) fn put(&mut self, state: AlertState) {
        if let Some(named) = &mut self.named {
            let name = state.labels.get("alertname");
            if state.firing {
                named.entry(name.into()).or_default().insert(state.fingerprint);
            } else if let Some(firing) = named.get_mut(name) {
                firing.remove(&state.fingerprint);
            }
        }
        match self.known.get_mut(&state.fingerprint) {
            Some(known) => known.state = state,
            None => {
                self.known.insert(state.fingerprint, Known { state, candidates: Vec::new() });
            }
        }
    }

    /// Inserts or overwrites; `driven_by` is the rule of its remediation, where that is known.
    pub(super) fn stand(&mut self, candidate: Candidate, driven_by: Option<Arc<str>>) {
        let Some(known) = self.known.get_mut(&candidate.fingerprint) else { return };
        let (fingerprint, target): (_, Arc<str>) = (candidate.fingerprint, candidate.target.as_str().into());
        if let Some(about) = &mut self.about {
            about.entry(target.clone()).or_default().insert(fingerprint);
        }
        if candidate.standing == Standing::Waiting {
            self.waiting.entry(target.clone()).or_default().insert(fingerprint);
        }
        if let Some(told) = known.candidates.iter_mut().find(|it| it.candidate.rule == candidate.rule) {
            if let Some(driven_by) = driven_by {
                told.driven_by = driven_by;
            }
            told.candidate = candidate;
        } else {
            let driven_by = driven_by.unwrap_or_else(|| candidate.rule.as_str().into());
            known.candidates.push(Told { candidate, driven_by });
        }
        self.settle_waiting(&target, fingerprint);
    }

    /// Takes it off the list of those that wait, unless it still does.
    fn settle_waiting(&mut self, target: &str, fingerprint: Fingerprint) {
        let Some(waiting) = self.waiting.get_mut(target) else { return };
        let waits = |it: &Told| it.candidate.standing == Standing::Waiting && it.candidate.target == target;
        if !self.known.get(&fingerprint).is_some_and(|known| known.candidates.iter().any(waits)) {
            waiting.remove(&fingerprint);
        }
        if waiting.is_empty() {
            self.waiting.remove(target);
        }
    }

    /// A remediation was closed: what becomes of the alerts attached to it.
    pub(super) fn settle(&mut self, remediation: Uuid, attached: &BTreeSet<Fingerprint>, standing: Standing) {
        for fingerprint in attached {
            let Some(known) = self.known.get_mut(fingerprint) else { continue };
            let theirs = |it: &&mut Told| {
                it.candidate.remediation == Some(remediation.into()) && it.candidate.standing == Standing::Attached
            };
            known.candidates.iter_mut().filter(theirs).for_each(|it| it.candidate.standing = standing);
        }
    }

    /// Alerts that still fire and wait for this target.
    pub(super) fn waiting_for(&self, target: &str) -> Vec<Fingerprint> {
        let Some(waiting) = self.waiting.get(target) else { return Vec::new() };
        let still = |it: &&Fingerprint| {
            self.known.get(it).is_some_and(|known| {
                let waits = |told: &Told| {
                    told.candidate.standing == Standing::Waiting
                        && told.candidate.target == target
                        && told.candidate.episode == known.state.episode
                };
                known.state.firing && known.candidates.iter().any(waits)
            })
        };
        waiting.iter().filter(still).copied().collect()
    }

    /// Firing alerts that carry these labels, with evidence since then.
    pub(super) fn carrying(&self, carried: &Labels, since: Timestamp) -> Vec<AlertState> {
        let Some(named) = &self.named else { return Vec::new() };
        let meant = |it: &&AlertState| {
            it.firing
                && it.evidence_at >= since
                && carried.iter().all(|(name, value)| it.labels.find(name) == Some(value))
        };
        let of = |fingerprints: &BTreeSet<Fingerprint>| -> Vec<AlertState> {
            fingerprints.iter().filter_map(|it| self.get(*it)).filter(meant).cloned().collect()
        };
        match carried.find("alertname") {
            Some(name) => named.get(name).map(of).unwrap_or_default(),
            None => named.values().flat_map(of).collect(),
        }
    }

    /// The alerts of every remediation of this rule and target.
    pub(super) fn of_loan(&self, rule: &str, target: &str) -> Vec<AlertState> {
        let Some(theirs) = self.about.as_ref().and_then(|about| about.get(target)) else { return Vec::new() };
        let of_rule = |it: &Told| &*it.driven_by == rule && it.candidate.target == target;
        let known = theirs.iter().filter_map(|it| self.known.get(it));
        known.filter(|it| it.candidates.iter().any(of_rule)).map(|it| it.state.clone()).collect()
    }

    /// Forgets alerts that ended long ago and that nothing speaks of any more: should they fire again, that is as if for the
    /// first time.
    pub(super) fn forget(&mut self, now: Timestamp, lent: impl Fn(&str) -> bool) {
        if !self.forgets || self.known.len() < self.sweep_at {
            return;
        }
        let old = before(now, FORGOTTEN_AFTER);
        let (about, waiting) = (&mut self.about, &self.waiting);
        self.known.retain(|fingerprint, known| {
            let held = |it: &Told| {
                it.candidate.standing == Standing::Attached
                    || waiting.contains_key(&*it.candidate.target)
                    || lent(&it.candidate.target)
            };
            let kept = known.state.firing || known.state.heard_at >= old || known.candidates.iter().any(held);
            if let (false, Some(about)) = (kept, about.as_mut()) {
                for told in &known.candidates {
                    if let Some(theirs) = about.get_mut(&*told.candidate.target) {
                        theirs.remove(fingerprint);
                    }
                }
            }
            kept
        });
        if let Some(about) = about {
            about.retain(|_, theirs| !theirs.is_empty());
        }
        self.sweep_at = (2 * self.known.len()).max(SWEEP_AT);
    }
}
