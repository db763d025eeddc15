//! Everything one decision is made from, as `engine` reads it from the store and asks Alertmanager for it.
//!
//! Alertmanager, where one is configured, says of every alert what was last heard of it, unless it is down or the alert is
//! gone.

use std::collections::{HashMap, HashSet};

use super::World;
use super::docker::Docker;
use super::store::Effort;
use fettle_core::alert::episode::AlertState;
use fettle_core::guard::ledger::{Ledger, LedgerAsk};
use fettle_core::remediation::state::Remediation;
use fettle_core::surroundings::{Pause, Surroundings, Upstream, look_upstream};
use fettle_core::time::before;
use fettle_core::upstream::{Picture, Seen, Status};

impl<D: Docker> World<D> {
    /// The alerts attached to a remediation, and what is the case around it.
    pub(super) fn around(&self, effort: &Effort, remediation: &Remediation) -> (Vec<AlertState>, Surroundings) {
        let trip = self.settings.trip.map(|trip| trip.within).unwrap_or_default();
        let alerts = self.alerts.all(&effort.attached);
        let mut surroundings = Surroundings {
            pauses: self.standing_pauses(),
            storm: self.storm,
            breaker: self.ledger.breaker(&remediation.rule, before(self.now, trip)),
            loans: self.loans.of(&effort.target, remediation.key.as_deref()),
            related: self.related(remediation),
            answer: effort.answer.clone(),
            ..Surroundings::default()
        };
        if !self.settings.alertmanager {
            return (alerts, surroundings);
        }
        if self.upstream.down {
            let error = "alertmanager does not answer".to_owned();
            surroundings.upstream = Upstream::Silent { error };
            return (alerts, surroundings);
        }
        let working = remediation.announced_until.is_some();
        let picture = self.picture(&alerts);
        let (seen, said) = look_upstream(&alerts, &picture, working, self.settings.freshness, self.now);
        surroundings.upstream = said;
        (seen, surroundings)
    }

    /// What only Alertmanager told is known from now on.
    pub(super) fn learn(&mut self, seen: &[AlertState]) {
        for it in seen.iter().filter(|it| !it.firing) {
            if self.alerts.get(it.fingerprint).is_some_and(|known| known.firing && known.episode == it.episode) {
                self.alerts.put(it.clone());
            }
        }
    }

    /// What Alertmanager says of these alerts.
    fn picture(&self, alerts: &[AlertState]) -> Picture {
        let seen = |it: &AlertState| Seen {
            status: Status::Active,
            silenced: self.upstream.silenced.contains(&it.fingerprint),
            inhibited_by_others: false,
            starts_at: it.starts_at,
        };
        let listed = |it: &&AlertState| it.firing && !self.upstream.gone.contains(&it.fingerprint);
        let alerts: HashMap<_, _> = alerts.iter().filter(listed).map(|it| (it.fingerprint, seen(it))).collect();
        Picture { at: self.now, alerts, answered: 1, asked: 1, believes_absence: true, dropped: HashSet::new() }
    }

    /// Firing alerts that one of the rule's `unless` could mean, each once.
    fn related(&self, remediation: &Remediation) -> Vec<AlertState> {
        let Some(rule) = self.rules.get(&remediation.rule).filter(|rule| !rule.unless.is_empty()) else {
            return Vec::new();
        };
        let since = before(self.now, self.settings.freshness);
        let own = &remediation.alert.labels;
        let mut related: Vec<AlertState> =
            rule.unless.iter().flat_map(|it| self.alerts.carrying(&it.carried(own), since)).collect();
        related.sort_by_key(|alert| alert.fingerprint);
        related.dedup_by_key(|alert| alert.fingerprint);
        related
    }

    /// Pauses that are not over, newest first.
    pub(super) fn standing_pauses(&self) -> Vec<Pause> {
        let stands = |it: &&Pause| it.until.is_none_or(|until| until > self.now);
        self.pauses.iter().rev().filter(stands).cloned().collect()
    }

    pub(super) fn read_ledger(&self, ask: &LedgerAsk) -> Ledger {
        let (returning, in_return) = self.loans.returning(&ask.keys);
        self.ledger.read(ask, &returning, in_return)
    }

    pub(super) fn read_ledgers(&self, asks: &[&LedgerAsk]) -> Vec<Ledger> {
        asks.iter().map(|ask| self.read_ledger(ask)).collect()
    }
}
