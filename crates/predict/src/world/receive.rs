//! Taking notifications in, as `engine` does: select, think, write.

use std::collections::HashSet;
use std::sync::Arc;

use uuid::Uuid;

use super::World;
use super::docker::Docker;
use super::happening::{Happening, What, of, of_row};
use fettle_core::alert::episode::AlertState;
use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::alert::labels::Labels;
use fettle_core::alert::webhook::Alert;
use fettle_core::receive::{Changes, Heard, Notice, OpenTarget, Standing, World as Stored, receive};
use fettle_core::remediation::record::Record;
use fettle_core::select::select;
use fettle_core::time::{Timestamp, before};

impl<D: Docker> World<D> {
    /// A notification is received at `at`: time passes until then, what is due at that very instant excepted.
    pub fn deliver(&mut self, at: Timestamp, alerts: Vec<Alert>) {
        self.reach(at);
        let now = self.now;
        for alert in &alerts {
            self.upstream.heard(alert.fingerprint);
        }
        let heard = |alert: Alert| Heard {
            fingerprint: alert.fingerprint,
            word: Some(alert.word(now)),
            selected: if alert.firing { select(&self.rules, &self.hosts, &alert.labels) } else { Vec::new() },
            labels: alert.labels,
        };
        let heard = alerts.into_iter().map(heard).collect();
        self.take_in(heard);
    }

    /// What these alerts waited for is free.
    pub(super) fn ask_again(&mut self, fingerprints: &[Fingerprint]) {
        let heard = |fingerprint: &Fingerprint| {
            let labels = self.alerts.get(*fingerprint)?.labels.clone();
            let selected = select(&self.rules, &self.hosts, &labels);
            Some(Heard { fingerprint: *fingerprint, labels, word: None, selected })
        };
        let heard = fingerprints.iter().filter_map(heard).collect();
        self.take_in(heard);
    }

    fn take_in(&mut self, heard: Vec<Heard>) {
        let stored = self.stored(&heard);
        let notice = Notice { notification: None, received_at: self.now, alerts: heard };
        let settings = self.settings.clone();
        let mut ids = self.ids;
        let changes = receive(&stored, &[notice], &settings, &mut || {
            ids += 1;
            Uuid::from_u128(ids)
        });
        self.ids = ids;
        self.write_changes(changes);
        let loans = &self.loans;
        self.alerts.forget(self.now, |target| loans.lends(target));
    }

    /// What is stored about everything that was heard.
    fn stored(&mut self, heard: &[Heard]) -> Stored {
        let mut stored = Stored::default();
        for heard in heard {
            let Some(known) = self.alerts.get(heard.fingerprint) else { continue };
            // Without labels: whoever speaks of an alert has them.
            stored.alerts.insert(heard.fingerprint, shallow(known));
            if let Some(candidates) = self.alerts.candidates(heard.fingerprint) {
                stored.candidates.insert(heard.fingerprint, candidates);
            }
        }
        let selected = || heard.iter().flat_map(|heard| &heard.selected);
        let Some(regress) = selected().map(|it| it.rule.regress_window).max() else {
            return stored;
        };
        let since = before(self.now, regress);
        let targets: HashSet<String> =
            selected().filter_map(|it| it.target.as_ref().ok()).map(ToString::to_string).collect();
        for target in targets {
            if let Some(effort) = self.open.get(target.as_str()).and_then(|id| self.efforts.get(id)) {
                let (id, state) = (effort.remediation.id, effort.remediation.state_name());
                stored.open.insert(target.clone(), OpenTarget { id, rule: effort.remediation.rule.clone(), state });
            }
            let fixes = self.ledger.fixes(&target).iter().filter(|(_, fix)| fix.closed_at >= since);
            stored.past.fixed.extend(fixes.map(|(rule, fix)| ((rule.clone(), target.clone()), fix.clone())));
            let returned = self.loans.returned(&target).iter().filter(|(_, at)| *at >= since);
            stored.past.returned.extend(returned.map(|(rule, at)| ((rule.clone(), target.clone()), *at)));
        }
        if let Some(limit) = self.settings.storm {
            let since = before(self.now, limit.within);
            while self.recent.pop_front_if(|(at, ..)| *at < since).is_some() {}
            let enough = usize::try_from(limit.targets).unwrap_or(usize::MAX);
            for (_, target, _) in &self.recent {
                if stored.past.recent.len() == enough {
                    break;
                }
                stored.past.recent.insert(target.to_string());
            }
            stored.past.storm = self.storm;
        }
        stored
    }

    fn write_changes(&mut self, changes: Changes) {
        for alert in changes.alerts {
            self.alerts.put(alert);
        }
        for remediation in changes.opened {
            let (rule, target) = (remediation.rule.clone(), remediation.target.to_string());
            if remediation.outcome().is_none() {
                let what = What::Opened;
                self.happened.push(Happening { at: self.now, remediation: remediation.id, rule, target, what });
            }
            self.open_effort(remediation);
        }
        for candidate in changes.candidates {
            let effort = candidate.remediation.and_then(|id| self.efforts.get_mut(&id.into()));
            let driven_by: Option<Arc<str>> = effort.map(|effort| {
                if candidate.standing == Standing::Attached {
                    effort.attached.insert(candidate.fingerprint);
                }
                effort.remediation.rule.as_str().into()
            });
            self.alerts.stand(candidate, driven_by);
        }
        for record in &changes.records {
            self.note(record);
        }
        if let Some(storm) = changes.storm {
            self.storm = Some(storm);
        }
        for id in changes.woken {
            self.wake(id.into());
        }
    }

    /// A record that taking in wrote: refusals by name, `in_flight`, `regressed`, the storm.
    fn note(&mut self, record: &Record) {
        let (at, nobody) = (self.now, (Uuid::nil().into(), String::new(), String::new()));
        let about = match record {
            Record::Action(row) => Some(((row.remediation_id, row.rule.clone(), row.target.clone()), of_row(row))),
            Record::Verdict { rule, row, .. } => {
                let target = self.ledger.target_of(row.action_id.into()).unwrap_or_default();
                self.ledger.judge(rule, &target, row);
                of(record).map(|what| ((Uuid::nil().into(), rule.clone(), target), what))
            }
            Record::Transition(row) if self.tells => self.efforts.get(&row.remediation_id.into()).map(|it| {
                let about = (row.remediation_id, it.remediation.rule.clone(), it.target.to_string());
                (about, What::Told { what: row.what.clone() })
            }),
            record => of(record).map(|what| (nobody, what)),
        };
        if let Some(((remediation, rule, target), what)) = about {
            self.happened.push(Happening { at, remediation, rule, target, what });
        }
    }
}

/// A copy without the labels.
fn shallow(it: &AlertState) -> AlertState {
    AlertState {
        fingerprint: it.fingerprint,
        labels: Labels::default(),
        episode: it.episode,
        firing: it.firing,
        starts_at: it.starts_at,
        first_at: it.first_at,
        evidence_at: it.evidence_at,
        heard_at: it.heard_at,
        ended_at: it.ended_at,
        end_heard_at: it.end_heard_at,
    }
}
