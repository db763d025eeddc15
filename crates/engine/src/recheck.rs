//! Episodes whose remediation closed without an effect: when their time has come, or their alert is repeated, it is decided whether
//! they are decided again.
//!
//! Always holds: nothing is done and nothing is opened here but by [`receive`], in the transaction that sees whether the finding still
//! holds. A candidate is taken by moving its next time, so several replicas look at different ones, and one that ends in between is
//! looked at again [`recheck`](fettle_core::settings::Settings::recheck) later. The same answer writes no row for people.
//!
//! Bounds: at most `AT_ONCE` candidates are taken together, one target is looked at after the other, and one candidate at most every
//! [`LOOK_LEAST`](fettle_core::receive::LOOK_LEAST). A host that does not answer is asked once per round.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::known::Known;
use crate::pulse::{Pulse, ROUND};
use crate::readiness::Readiness;
use crate::receive::TRIES;
use crate::shell::Shell;
use fettle_core::alert::episode::AlertState;
use fettle_core::decide::{Blind, Event, Facts, Reconsider, Reconsidered, Reconsidering};
use fettle_core::guard::hides_target;
use fettle_core::id::RemediationId;
use fettle_core::ports::model::{Again, Candidate, Changes, ReceiveAsk, World};
use fettle_core::ports::{StoreError, chain};
use fettle_core::receive::{ByName, Finding, Heard, Notice, by_name, receive};
use fettle_core::remediation::conclusion::{Came, Conclusion};
use fettle_core::remediation::record::Record;
use fettle_core::remediation::refusal::Guard;
use fettle_core::remediation::state::{Opener, Remediation};
use fettle_core::select::{Selected, select};
use fettle_core::time::{Timestamp, after, since};

/// Candidates that are taken together.
const AT_ONCE: u32 = 16;

/// Longest pause between two questions for what is due: others may have made something due earlier.
const POLL: Duration = Duration::from_secs(5);

/// Shortest pause between two rounds.
const GAP: Duration = Duration::from_millis(100);

/// The task.
pub struct Recheck {
    /// The engine's parts.
    pub shell: Arc<Shell>,
    /// While this process is not ready, nothing is decided again.
    pub readiness: Arc<Readiness>,
}

/// Candidates of one closed remediation: they are decided together.
#[derive(Default)]
struct Group {
    alerts: Vec<AlertState>,
    candidates: Vec<Candidate>,
}

impl Recheck {
    /// Works until `stop`.
    pub async fn run(self, stop: CancellationToken, pulse: Pulse) {
        let mut next = Instant::now();
        while !stop.is_cancelled() {
            pulse.again(ROUND);
            if self.readiness.ready().is_err() {
                self.readiness.wait(&stop).await;
                continue;
            }
            // Cancel safe: all keep what they did not give.
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = self.shell.recheck.notified() => {}
                () = tokio::time::sleep_until(next) => {}
            }
            let pause = match self.round(&pulse).await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "cannot decide again what was refused; retrying");
                    POLL
                }
            };
            next = Instant::now() + pause.clamp(GAP, POLL);
        }
        pulse.done();
    }

    /// Decides what is due now; the pause until the next round.
    async fn round(&self, pulse: &Pulse) -> Result<Duration, StoreError> {
        let shell = &*self.shell;
        let now = shell.time.now();
        match shell.store.next_again().await? {
            Some(due) if due <= now => {}
            Some(due) => return Ok(since(due, now)),
            None => return Ok(POLL),
        }
        let taken = shell.store.take_again(now, after(now, shell.settings.recheck), AT_ONCE).await?;
        let mut silent = BTreeSet::new();
        for group in groups(taken) {
            pulse.again(ROUND);
            self.decide(group, &mut silent).await?;
        }
        Ok(Duration::ZERO)
    }

    /// Decides whether the alerts of one closed remediation are decided again. `silent` are hosts that did not answer.
    async fn decide(&self, group: Group, silent: &mut BTreeSet<String>) -> Result<(), StoreError> {
        let shell = &*self.shell;
        let (Some(first), Some(candidate)) = (group.alerts.first(), group.candidates.first()) else { return Ok(()) };
        let all = select(&shell.rules.load(), &shell.hosts, &first.labels);
        let selected = all.iter().find(|it| it.rule.name == candidate.rule);
        let (found, ended) = match selected {
            // Its rule was removed, or selects it no more.
            None => (Reconsidered::Unknown, Vec::new()),
            Some(selected) => self.reconsider(&group, selected, silent).await?,
        };
        let now = shell.time.now();
        // Evidence in its last instant is too old here: what is opened now is decided a moment later.
        let stale = |it: &AlertState| since(now, it.evidence_at) >= shell.settings.freshness;
        let sleeps = shell.upstream.is_none() && group.alerts.iter().all(stale);
        let found = if sleeps { Reconsidered::Unknown } else { found };
        let heard = group.alerts.into_iter().zip(group.candidates).map(|(alert, candidate)| {
            let finding = Finding { rule: candidate.rule, of: candidate.remediation, found: found.clone(), sleeps };
            let selected = select(&shell.rules.load(), &shell.hosts, &alert.labels);
            Heard { reconsidered: vec![finding], ..Heard::again(alert, selected) }
        });
        self.write(Notice { notification: None, received_at: now, alerts: heard.collect() }, &ended).await
    }

    /// What a remediation would come to now, compared with what the last one came to; and the ends of alerts that Alertmanager
    /// reported.
    async fn reconsider(
        &self,
        group: &Group,
        selected: &Selected,
        silent: &mut BTreeSet<String>,
    ) -> Result<(Reconsidered, Vec<Record>), StoreError> {
        let shell = &*self.shell;
        let unknown = || Ok((Reconsidered::Unknown, Vec::new()));
        let (Some(alert), Some(candidate)) = (group.alerts.first(), group.candidates.first()) else { return unknown() };
        let (Some(conclusion), Some(closed_at)) = (&candidate.conclusion, candidate.closed_at) else {
            return unknown();
        };
        let now = shell.time.now();
        let target = match by_name(selected, &alert.labels, &shell.settings) {
            ByName::Target(target) => target,
            ByName::Refused { guard, .. } => {
                return Ok((refused_by_name(guard, conclusion, selected, now), Vec::new()));
            }
        };
        if silent.contains(target.host()) {
            return unknown();
        }
        let opener = Opener { fingerprint: alert.fingerprint, labels: alert.labels.clone() };
        let fresh = Remediation::new(RemediationId::nil(), &selected.rule.name, target.clone(), opener, now);
        let (known, ended) = Known::read(shell, &fresh, Some(group.alerts.clone())).await?;
        let question = Reconsider { fresh: &fresh, conclusion, closed_at };
        let facts = Facts {
            rule: Some(&selected.rule),
            settings: &shell.settings,
            alerts: &known.alerts,
            surroundings: &known.surroundings,
            now,
            new_ids: shell.time.new_ids(),
        };
        let found = match question.step(&facts, Event::Due) {
            Reconsidering::Done(found) => found,
            Reconsidering::Find(wanted) => {
                let looked = shell.platform.find(target, wanted).await.map_err(|error| Blind::from(&error));
                if looked.as_ref().is_err_and(|blind| hides_target(blind.reason)) {
                    silent.insert(target.host().to_owned());
                }
                match question.step(&facts, Event::Found(looked)) {
                    Reconsidering::Done(found) => found,
                    Reconsidering::Find(_) => Reconsidered::Unknown,
                }
            }
        };
        Ok((found, ended))
    }

    /// Writes what was found, and opens what is decided again.
    async fn write(&self, notice: Notice, ended: &[Record]) -> Result<(), StoreError> {
        let shell = &*self.shell;
        let notices = [notice];
        let ask = ReceiveAsk::about(&notices, &shell.settings, shell.owner, shell.time.now());
        let think = |world: &World| {
            let mut changes = receive(world, &notices, &shell.settings, &mut || shell.time.new_id());
            changes.records.extend_from_slice(ended);
            changes
        };
        for attempt in 1.. {
            match shell.store.receive(&ask, &think).await {
                Err(StoreError::Conflict { .. }) if attempt < TRIES => {}
                done => {
                    self.report(&done?);
                    break;
                }
            }
        }
        Ok(())
    }

    fn report(&self, changes: &Changes) {
        self.shell.telemetry.recorded(&changes.opened, &changes.records);
        if changes.opened.iter().any(|it| it.outcome().is_none()) {
            self.shell.wake.notify_one();
        }
    }
}

/// The answer of a guard that needs only names, compared with the last answer.
fn refused_by_name(guard: Guard, conclusion: &Conclusion, selected: &Selected, now: Timestamp) -> Reconsidered {
    if conclusion.came == (Came::Refused { guard }) && *conclusion.rule == *selected.rule.digest() {
        Reconsidered::Same(Conclusion { looked_at: now, ..conclusion.clone() })
    } else {
        Reconsidered::Differs
    }
}

/// Candidates of one closed remediation have one conclusion.
fn groups(taken: Vec<Again>) -> impl Iterator<Item = Group> {
    let mut groups: BTreeMap<(Option<RemediationId>, String), Group> = BTreeMap::new();
    for Again { alert, candidate } in taken {
        let group = groups.entry((candidate.remediation, candidate.rule.clone())).or_default();
        group.alerts.push(alert);
        group.candidates.push(candidate);
    }
    groups.into_values()
}

/// Whether a candidate that changed is due, so that the task need not wait for its next question.
pub(crate) fn is_due(changes: &Changes, now: Timestamp) -> bool {
    changes.candidates.iter().any(|it| it.again_at.is_some_and(|at| at <= now))
}
