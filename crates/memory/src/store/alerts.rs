//! The alerts that were heard of, and what became of each for each rule.
//!
//! Always holds: an alert's labels never change, for they are what its fingerprint is made of. It is filed by name; while
//! it fires, as firing; and while nothing is at work on it besides, as unattended.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fettle_core::alert::episode::AlertState;
use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::alert::labels::Labels;
use fettle_core::id::RemediationId;
use fettle_core::ports::model::{Again, Candidate, Standing};
use fettle_core::remediation::conclusion::Conclusion;
use fettle_core::remediation::state::Remediation;
use fettle_core::text;
use fettle_core::time::Timestamp;

use super::clean;
use super::filed::Names;

/// An alert, and what became of it.
#[derive(Debug, Clone)]
pub struct Alert {
    /// As it is known.
    pub state: AlertState,
    /// One for each rule that selected it, by the rule's name.
    pub candidates: Vec<Stand>,
}

/// A candidate without its alert.
#[derive(Debug, Clone)]
pub struct Stand {
    /// The rule, by name.
    pub rule: Arc<str>,
    /// The episode this speaks of.
    pub episode: i64,
    /// The target as written.
    pub target: Arc<str>,
    /// Where it stands.
    pub standing: Standing,
    /// The remediation it is or was attached to.
    pub remediation: Option<RemediationId>,
    /// When that was closed.
    pub closed_at: Option<Timestamp>,
    /// What that came to, where it had no effect.
    pub conclusion: Option<Box<Conclusion>>,
    /// When it is decided whether the alert is decided again.
    pub again_at: Option<Timestamp>,
}

impl Stand {
    /// Whole.
    pub(super) fn of(&self, fingerprint: Fingerprint) -> Candidate {
        Candidate {
            fingerprint,
            rule: self.rule.to_string(),
            episode: self.episode,
            target: self.target.to_string(),
            standing: self.standing,
            remediation: self.remediation,
            closed_at: self.closed_at,
            conclusion: self.conclusion.as_deref().cloned(),
            again_at: self.again_at,
        }
    }
}

impl Alert {
    /// Whether a candidate that `meant` says is attached to `remediation` or was.
    pub(super) fn is_of(&self, remediation: RemediationId, meant: impl Fn(&Stand) -> bool) -> bool {
        self.candidates.iter().any(|it| it.remediation == Some(remediation) && meant(it))
    }

    fn is_attended(&self) -> bool {
        self.candidates.iter().any(|it| it.standing == Standing::Attached)
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Alerts {
    rows: BTreeMap<Fingerprint, Alert>,
    by_name: BTreeMap<Arc<str>, BTreeSet<Fingerprint>>,
    firing: BTreeSet<Fingerprint>,
    unattended: BTreeSet<Fingerprint>,
    /// When candidates are to be decided again.
    again: BTreeSet<(Timestamp, Fingerprint, Arc<str>)>,
    /// Those that wait, by target as written.
    waiting: BTreeMap<Arc<str>, BTreeSet<(Fingerprint, Arc<str>)>>,
}

impl Alerts {
    pub(super) fn get(&self, fingerprint: Fingerprint) -> Option<&Alert> {
        self.rows.get(&fingerprint)
    }

    /// By fingerprint.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Alert> {
        self.rows.values()
    }

    /// Those of this name.
    pub(super) fn named(&self, name: &str) -> impl Iterator<Item = &Alert> {
        self.by_name.get(&*text::name(name)).into_iter().flatten().filter_map(|it| self.rows.get(it))
    }

    /// Those that fire.
    pub(super) fn firing(&self) -> impl Iterator<Item = &Alert> {
        self.firing.iter().filter_map(|it| self.rows.get(it))
    }

    /// Those that fire and that no open remediation is attached to, after this one.
    pub(super) fn unattended(&self, after: Option<Fingerprint>) -> impl Iterator<Item = &Alert> {
        let from = after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        self.unattended.range((from, std::ops::Bound::Unbounded)).filter_map(|it| self.rows.get(it))
    }

    /// Inserts or overwrites; the labels stay.
    pub(super) fn put(&mut self, names: &mut Names, it: &AlertState) {
        let fingerprint = it.fingerprint;
        if let Some(row) = self.rows.get_mut(&fingerprint) {
            let fired = row.state.firing;
            overwrite(&mut row.state, it);
            if fired != it.firing {
                self.refile(fingerprint);
            }
            return;
        }
        let labels = clean::labels(&it.labels);
        let name = names.share(&text::name(labels.get("alertname")));
        self.by_name.entry(name).or_default().insert(fingerprint);
        let state = AlertState { labels, ..shallow(it) };
        self.rows.insert(fingerprint, Alert { state, candidates: Vec::new() });
        self.refile(fingerprint);
    }

    /// The end of the episode that was looked at, unless something was heard of it since.
    pub(super) fn end(&mut self, seen: &AlertState) {
        let Some(row) = self.rows.get_mut(&seen.fingerprint).filter(|_| !seen.firing) else { return };
        let known = &mut row.state;
        if known.firing && known.episode == seen.episode && known.heard_at <= seen.heard_at {
            known.firing = false;
            (known.ended_at, known.end_heard_at, known.heard_at) = (seen.ended_at, seen.end_heard_at, seen.heard_at);
            self.refile(seen.fingerprint);
        }
    }

    fn refile(&mut self, fingerprint: Fingerprint) {
        let row = self.rows.get(&fingerprint);
        let fires = row.is_some_and(|row| row.state.firing);
        let unattended = fires && row.is_some_and(|row| !row.is_attended());
        for (set, belongs) in [(&mut self.firing, fires), (&mut self.unattended, unattended)] {
            if belongs {
                set.insert(fingerprint);
            } else {
                set.remove(&fingerprint);
            }
        }
    }

    /// Inserts or overwrites a candidate; gives the remediation that it spoke of before.
    pub(super) fn stand(&mut self, names: &mut Names, it: &Candidate) -> Option<RemediationId> {
        let row = self.rows.get_mut(&it.fingerprint)?;
        let rule = names.share(&text::clean(&it.rule));
        let stand = Stand {
            rule: rule.clone(),
            episode: it.episode,
            target: names.share(&text::clean(&it.target)),
            standing: it.standing,
            remediation: it.remediation,
            closed_at: it.closed_at,
            conclusion: it.conclusion.clone().map(Box::new),
            again_at: it.again_at,
        };
        let before = match row.candidates.binary_search_by(|known| known.rule.cmp(&rule)) {
            Ok(at) => row.candidates.get_mut(at).map(|known| std::mem::replace(known, stand.clone())),
            Err(at) => {
                row.candidates.insert(at, stand.clone());
                None
            }
        };
        if let Some(at) = before.as_ref().and_then(|before| before.again_at) {
            self.again.remove(&(at, it.fingerprint, rule.clone()));
        }
        self.again.extend(stand.again_at.map(|at| (at, it.fingerprint, rule.clone())));
        if let Some(before) = before.as_ref().filter(|before| before.standing == Standing::Waiting) {
            self.wait_no_more(&before.target, it.fingerprint, &before.rule);
        }
        if stand.standing == Standing::Waiting {
            self.waiting.entry(stand.target).or_default().insert((it.fingerprint, rule));
        }
        self.refile(it.fingerprint);
        before.and_then(|before| before.remediation)
    }

    fn wait_no_more(&mut self, target: &str, fingerprint: Fingerprint, rule: &Arc<str>) {
        if let Some(waiting) = self.waiting.get_mut(target) {
            waiting.remove(&(fingerprint, rule.clone()));
            if waiting.is_empty() {
                self.waiting.remove(target);
            }
        }
    }

    /// A remediation was closed: its candidate is attached no more.
    pub(super) fn settle(&mut self, fingerprint: Fingerprint, closed: &Remediation) {
        let Some(row) = self.rows.get_mut(&fingerprint) else { return };
        let attached = |it: &&mut Stand| it.remediation == Some(closed.id) && it.standing == Standing::Attached;
        for it in row.candidates.iter_mut().filter(attached) {
            it.standing = if closed.leaves_episode_open() { Standing::Free } else { Standing::Spent };
            it.closed_at = closed.closed_at();
            it.conclusion = closed.left.as_ref().map(|left| Box::new(left.conclusion.clone()));
            it.again_at = closed.left.as_ref().map(|left| left.again_at);
            self.again.extend(it.again_at.map(|at| (at, fingerprint, it.rule.clone())));
        }
        self.refile(fingerprint);
    }

    /// Takes the candidates whose time to be decided again has come, and moves it to `next`.
    pub(super) fn take_again(&mut self, now: Timestamp, next: Timestamp, limit: usize) -> Vec<Again> {
        let due: Vec<_> = self.again.iter().take_while(|(at, ..)| *at <= now).take(limit).cloned().collect();
        let mut taken = Vec::new();
        for key in due {
            let (_, fingerprint, rule) = &key;
            self.again.remove(&key);
            let Some(row) = self.rows.get_mut(fingerprint) else { continue };
            let Some(stand) = row.candidates.iter_mut().find(|it| it.rule == *rule) else { continue };
            stand.again_at = (row.state.firing && stand.episode == row.state.episode).then_some(next);
            if stand.again_at.is_some() {
                self.again.insert((next, *fingerprint, rule.clone()));
                taken.push(Again { alert: row.state.clone(), candidate: stand.of(*fingerprint) });
            }
        }
        taken
    }

    /// When the earliest candidate is to be decided again.
    pub(super) fn next_again(&self) -> Option<Timestamp> {
        self.again.first().map(|(at, ..)| *at)
    }

    /// A remediation is forgotten: what became of the alert stays.
    pub(super) fn part(&mut self, fingerprint: Fingerprint, remediation: RemediationId) {
        let candidates = self.rows.get_mut(&fingerprint).map(|row| &mut row.candidates);
        let of_it = candidates.into_iter().flatten().filter(|it| it.remediation == Some(remediation));
        of_it.for_each(|it| it.remediation = None);
    }

    /// Alerts that fire in the episode in which they began to wait for this target.
    pub(super) fn waiting_for(&self, target: &str) -> Vec<&Alert> {
        let mut alerts: Vec<&Alert> = Vec::new();
        for (fingerprint, rule) in self.waiting.get(target).into_iter().flatten() {
            let Some(row) = self.rows.get(fingerprint) else { continue };
            let waits = |it: &Stand| it.rule == *rule && it.episode == row.state.episode;
            let told = alerts.last().is_some_and(|last| last.state.fingerprint == *fingerprint);
            if row.state.firing && !told && row.candidates.iter().any(waits) {
                alerts.push(row);
            }
        }
        alerts
    }

    /// The targets that something waits for.
    pub(super) fn awaited(&self) -> impl Iterator<Item = &Arc<str>> {
        self.waiting.keys()
    }

    /// Alerts of which nothing was heard for so long and about which nothing is done, with the remediations that their
    /// candidates spoke of; at most `limit`.
    pub(super) fn forget(&mut self, before: Timestamp, limit: usize) -> Vec<Alert> {
        let is_open = |it: &Stand| matches!(it.standing, Standing::Attached | Standing::Waiting);
        let old = |row: &&Alert| row.state.heard_at < before && !row.candidates.iter().any(is_open);
        let gone: Vec<Fingerprint> =
            self.rows.values().filter(old).map(|row| row.state.fingerprint).take(limit).collect();
        gone.into_iter().filter_map(|fingerprint| self.remove(fingerprint)).collect()
    }

    /// Alerts that ended so long ago and of which no remediation speaks any more go; how many.
    pub(super) fn forget_ended(&mut self, before: Timestamp) -> u64 {
        let ended = |row: &&Alert| {
            !row.state.firing
                && row.state.heard_at < before
                && row.candidates.iter().all(|it| it.remediation.is_none() && it.standing != Standing::Waiting)
        };
        let gone: Vec<Fingerprint> = self.rows.values().filter(ended).map(|row| row.state.fingerprint).collect();
        gone.iter().filter_map(|fingerprint| self.remove(*fingerprint)).count() as u64
    }

    fn remove(&mut self, fingerprint: Fingerprint) -> Option<Alert> {
        let row = self.rows.remove(&fingerprint)?;
        for it in &row.candidates {
            it.again_at.iter().for_each(|at| {
                self.again.remove(&(*at, fingerprint, it.rule.clone()));
            });
        }
        let name = text::name(row.state.labels.get("alertname"));
        if let Some(named) = self.by_name.get_mut(&*name) {
            named.remove(&fingerprint);
            if named.is_empty() {
                self.by_name.remove(&*name);
            }
        }
        self.refile(fingerprint);
        Some(row)
    }
}

/// Everything but the labels.
fn overwrite(known: &mut AlertState, it: &AlertState) {
    let labels = std::mem::take(&mut known.labels);
    *known = AlertState { labels, ..shallow(it) };
}

/// A copy without the labels.
pub(super) fn shallow(it: &AlertState) -> AlertState {
    let AlertState {
        fingerprint,
        labels: _,
        episode,
        firing,
        starts_at,
        first_at,
        evidence_at,
        heard_at,
        ended_at,
        end_heard_at,
    } = *it;
    AlertState {
        fingerprint,
        labels: Labels::default(),
        episode,
        firing,
        starts_at,
        first_at,
        evidence_at,
        heard_at,
        ended_at,
        end_heard_at,
    }
}
